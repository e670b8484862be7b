"""A tree of JSON as the file ``data.json``, written in pieces.

A tree may hold a text or a list as large as memory allows. Its JSON is made and encoded a piece at a time, and so is
never there as a whole beside the value itself.
"""

import json
from collections.abc import Iterator

from ledger.errors import MaterializerError
from ledger.materializers.atoms import Json
from ledger.materializers.files import Files

_BLOCK = 1 << 18  # characters
_ELEMENTS = 1 << 10
_AROUND = 20  # characters


def write_tree(files: Files, tree: Json) -> None:
    """Write ``data.json``."""
    try:
        with files.open("data.json", "w") as file:
            for piece in _pieces(tree):
                file.write(piece)
    except UnicodeEncodeError as error:
        raise _lone_surrogate(error) from error


def _pieces(tree: Json) -> Iterator[str]:
    """The JSON of a tree: of a text some characters at a time, of a list some elements."""
    if type(tree) is str:
        yield '"'
        yield from (_dumps(block)[1:-1] for block in _blocks(tree))
        yield '"'
    elif type(tree) is list:
        elements = [*tree]  # it may be the user's own list, which another thread changes meanwhile
        yield "["
        for start in range(0, len(elements), _ELEMENTS):
            yield ", " if start else ""
            yield from _blocks(_dumps(elements[start : start + _ELEMENTS])[1:-1])
        yield "]"
    else:
        yield from _blocks(_dumps(tree))


def _blocks(text: str) -> Iterator[str]:
    """A text a block at a time, so that the bytes of all of it are never in memory beside it."""
    return (text[start : start + _BLOCK] for start in range(0, len(text), _BLOCK))


def _dumps(tree: Json) -> str:
    try:
        return json.dumps(tree, ensure_ascii=False, allow_nan=False, check_circular=False)
    except RecursionError as error:
        raise MaterializerError("a value nested too deeply for JSON cannot be saved") from error


def _lone_surrogate(error: UnicodeEncodeError) -> MaterializerError:
    """The error of a name that UTF-8 cannot write; texts that are values are escaped."""
    around = error.object[max(0, error.start - _AROUND) : error.end + _AROUND]
    return MaterializerError(
        "the name of a class, an attribute or an enum member holds half a surrogate pair, "
        f"{error.object[error.start : error.end]!r}, which UTF-8 cannot write: {around!r}",
        hint="rename it; only texts that are values may hold such a half",
    )
