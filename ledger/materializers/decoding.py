"""Values with elements from a tree of JSON.

Owns the form of ``data.json`` (specs/materializers.md, 3) on the way in:

* What is no object of JSON stands for itself, a list for the list of its elements' values.
* An object of one member whose name begins with one ``$`` is what that tag says.
* ``$item`` is an element in a sub folder, read by `load_value`, which asks for trust where it must.
* Any other object is a dict; one ``$`` is taken off its keys that begin with two.

Classes are compared by name with what this process has defined and never imported; instances of dataclasses and named
tuples are filled in without running a line of their classes.
"""

import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from enum import Enum
from functools import cache, partial
from typing import Any

from ledger.errors import LedgerError, MaterializerError
from ledger.materializers.atoms import Json
from ledger.materializers.enum_members import decode_enum, is_enum
from ledger.materializers.files import Files
from ledger.materializers.known_types import FACTORIES, is_named_tuple, is_plain_dataclass, known_class, slots_of
from ledger.materializers.leaves import LEAF_DECODERS
from ledger.materializers.values import load_value
from ledger.wording import shown

_LEAVES = frozenset({str, bool, int, float, type(None)})
_REASON_LIMIT = 300
_STARTS_OF_TAGS = ('"$', "\\u0024")  # as JSON may write them
_READ_DATA = "download the files and read data.json"
_FACTORIES: dict[str | None, type | None] = {None: None, **{kind.__name__: kind for kind in FACTORIES}}


class TreeDecoder:
    """Turns JSON back into the value; ``passed`` is the class a caller gave for the value as a whole."""

    def __init__(self, files: Files | None, *, passed: type | None = None) -> None:
        self._files = files
        self._passed = passed
        self._whole: Json = None  # what the tag of the value as a whole holds
        self._known_class = cache(known_class)  # a value may have very many elements of few classes
        self._slots_of = cache(slots_of)
        self._tags: dict[str, Callable[[Json], Any]] = {
            **LEAF_DECODERS,
            # A level of nesting takes few frames, so that values of the depth that `TreeEncoder` allows can be read
            # from anywhere in a program.
            "$tuple": lambda held: tuple(self._each(held)),
            "$set": lambda held: set(self._each(held)),
            "$frozenset": lambda held: frozenset(self._each(held)),
            "$deque": lambda held: deque(self._each(held[1]), held[0]),
            "$dict": partial(self._filled, dict),
            "$ordereddict": partial(self._filled, OrderedDict),
            "$counter": partial(self._filled, Counter),
            "$attributed": self._attributed,
            "$defaultdict": lambda held: self._filled(partial(defaultdict, _FACTORIES[held[0]]), held[1]),
            "$namedtuple": self._named_tuple,
            "$dataclass": self._dataclass,
            "$ndarray": self._object_array,
            "$enum": lambda held: decode_enum(held, self._class_of(held, is_enum, Enum)),
        }

    def decode(self, tree: Json) -> Any:
        """The value of a tree; `MaterializerError` for a tag nobody writes."""
        self._whole = next(iter(tree.values()), None) if isinstance(tree, dict) else None
        return self._decode(tree)

    def decode_text(self, text: str) -> Any:
        """The value of a tree given as JSON text; where the text cannot have a tag, that is what JSON reads."""
        try:
            tree = _from_text(text)
        except RecursionError as error:
            raise MaterializerError("data.json is nested too deeply to be read") from error
        return self.decode(tree) if any(start in text for start in _STARTS_OF_TAGS) else tree

    def _class_of(self, held: Json, is_wanted: Callable[[type], bool], *roots: type) -> Any:
        """The class that the form of an instance names first.

        For the value as a whole, the class that the caller passed will do whatever its name; for an element not.
        """
        instead = self._passed if held is self._whole else None
        return self._known_class(held[0], is_wanted, roots=roots, passed=self._passed, instead=instead)

    def _decode(self, tree: Json) -> Any:
        if isinstance(tree, list):
            return list(self._each(tree))
        if not isinstance(tree, dict):
            return tree
        tag = next(iter(tree), "")
        if tag == "$item":
            return self._element(tree)
        if tag.startswith("$") and not tag.startswith("$$") and len(tree) == 1:
            return self._tagged(tag, tree[tag])
        return {_plain_key(key): self._decode(held) for key, held in tree.items()}

    def _each(self, trees: Json) -> Iterable[Any]:
        """The values of some trees."""
        return trees if _LEAVES.issuperset(map(type, trees)) else map(self._decode, trees)

    def _tagged(self, tag: str, held: Json) -> Any:
        """The value that a tag has; `MaterializerError` for a tag or a form that no `TreeEncoder` writes."""
        decode = self._tags.get(tag)
        if decode is None:
            raise _malformed(tag, "is not known to this program")
        try:
            return decode(held)
        except (LedgerError, ImportError, RecursionError, Warning):
            raise
        except Exception as error:
            raise _malformed(tag, f"holds what it should not: {str(error)[:_REASON_LIMIT]}") from error

    def _filled(self, make: Callable[[], dict[Any, Any]], pairs: Json) -> dict[Any, Any]:
        made = make()
        for key, held in pairs:
            made[self._decode(key)] = self._decode(held)
        return made

    def _attributed(self, held: Json) -> Any:
        made, attributes = map(self._decode, held)
        if type(made) not in (OrderedDict, Counter):
            raise MaterializerError(f"a value of type {type(made).__name__} has no attributes of its own")
        vars(made).update(attributes)
        return made

    def _named_tuple(self, held: Json) -> Any:
        name, fields = held
        kind = self._class_of(held, is_named_tuple, tuple)
        expected = vars(kind)["_fields"]
        if tuple(field for field, _ in fields) != expected:
            raise MaterializerError(
                f"{name} has the fields {expected}, the value was saved with {tuple(field for field, _ in fields)}",
                hint=_READ_DATA,
                data_type=name,
            )
        return tuple.__new__(kind, map(self._decode, [element for _, element in fields]))

    def _dataclass(self, held: Json) -> Any:
        """An instance whose slots and attributes are set directly, so that no property of the same name runs."""
        name, fields = held
        kind = self._class_of(held, is_plain_dataclass)
        instance = object.__new__(kind)
        slots = self._slots_of(kind)
        if kind.__dictoffset__ == 0 and not fields.keys() <= slots.keys():
            raise MaterializerError(
                f"{name} has the slots {tuple(slots)}, the value was saved with {tuple(fields)}",
                hint=_READ_DATA,
                data_type=name,
            )
        for field, tree in fields.items():
            if field in slots:
                slots[field].__set__(instance, self._decode(tree))
            else:
                vars(instance)[field] = self._decode(tree)
        return instance

    def _object_array(self, held: Json) -> Any:
        import numpy as np

        kind, shape, elements, *rest = held
        unusual = rest[0] if rest else {}
        array = np.empty(len(elements), dtype=object)
        for index, element in enumerate(elements):
            array[index] = self._decode(element)
        if kind == "texts":
            array = array.astype(self._text_dtype(unusual))
        return np.asarray(array.reshape(shape), order=unusual.get("order", "C"))

    def _text_dtype(self, unusual: dict[str, Json]) -> Any:
        """The dtype of texts; ``unusual`` holds those of its options that are not the defaults."""
        from numpy.dtypes import StringDType

        coerce = unusual.get("coerce", True)
        if "missing" in unusual:
            return StringDType(na_object=self._decode(unusual["missing"]), coerce=coerce)
        return StringDType(coerce=coerce)

    def _element(self, tree: dict[str, Json]) -> Any:
        name, key, type_name = (tree.get(member) for member in ("$item", "materializer", "type"))
        if not isinstance(name, str) or not name.isdecimal() or not isinstance(key, str) or self._files is None:
            raise _malformed("$item", f"names no element: {tree!r}"[:200])
        return load_value(key, str(type_name), self._files.below(name))


def _plain_key(key: str) -> str:
    """A key of a dict without the ``$`` that was put before one of its own."""
    if key.startswith("$") and not key.startswith("$$"):
        raise _malformed(key, "stands among other keys")
    return key.removeprefix("$")


def _malformed(tag: str, reason: str) -> MaterializerError:
    return MaterializerError(
        f"data.json: {shown(tag)} {reason}", hint="it was written by a newer program, or damaged", tag=tag
    )


def _refuse_constant(name: str) -> None:
    raise MaterializerError(f"data.json: {name} is not JSON", constant=name)


_from_text = json.JSONDecoder(parse_constant=_refuse_constant).decode
