"""Where in a value the part is that cannot be saved, written as Python code gets at it: ``['layers'][2].weight``.

It is sought by identity once saving has failed, so that saving itself keeps no account of places.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from ledger.errors import MaterializerError
from ledger.materializers.known_types import fields_of, is_named_tuple, slots_of
from ledger.materializers.registry import declares_fields, qualified_name
from ledger.wording import one_line, shown

_KEY_LENGTH = 40  # characters
_LONGEST = 120  # characters


def tell_place(error: MaterializerError, chain: Sequence[object]) -> None:
    """Add to an error where it happened: ``chain`` is the value that was saved, and what was met on the way into it."""
    place = "".join(_step(*pair) for pair in pairwise(chain))
    if place:
        error.args = (one_line(f"{error}, at {_shortened(place)} of the {type(chain[0]).__name__}"),)


def _step(whole: object, part: object) -> str:
    """How code gets at ``part`` from ``whole``; empty if ``whole`` does not hold it, since it was made on the way."""
    return next((step for step, held in _parts(whole) if held is part), "")


def _parts(whole: Any) -> Iterator[tuple[str, object]]:
    """The parts of a value, each after how code gets at it."""
    kind = type(whole)
    if isinstance(whole, dict):
        yield from ((f"[{shown(key, most=_KEY_LENGTH)}]", held) for key, held in whole.items())
        yield from ((".keys()", key) for key in whole)
    elif isinstance(whole, (set, frozenset)):
        yield from (("{...}", held) for held in whole)
    elif is_named_tuple(kind):
        yield from ((f".{name}", held) for name, held in zip(vars(kind)["_fields"], tuple(whole), strict=False))
    elif isinstance(whole, (list, tuple, deque)):
        yield from ((f"[{place}]", held) for place, held in enumerate(whole))
    elif qualified_name(kind) == "numpy.ndarray":
        yield from _elements(whole)
    elif declares_fields(kind):
        yield from ((f".{name}", getattr(whole, name, None)) for name in (*fields_of(kind), *slots_of(kind)))
    yield from ((f".{name}", held) for name, held in getattr(whole, "__dict__", {}).items())


def _elements(array: Any) -> Iterator[tuple[str, object]]:
    """The objects in an array of them."""
    import numpy as np

    for place, held in np.ndenumerate(array):
        yield f"[{', '.join(map(str, place)) or '()'}]", held


def _shortened(place: str) -> str:
    """The beginning and the end of a place that is very deep."""
    return place if len(place) <= _LONGEST else f"{place[: _LONGEST // 2]}...{place[-_LONGEST // 2 :]}"
