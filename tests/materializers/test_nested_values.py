"""Containers in containers: how deep they may be, and those that hold themselves."""

import dataclasses
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from ledger.errors import MaterializerError
from tests.kit.materializing import Bench


class Point(NamedTuple):
    x: int
    y: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    inner: Any = None


def test_a_container_that_holds_itself_is_refused(bench: Bench) -> None:
    """A list that contains itself is an error, not an endless recursion."""
    endless: list[Any] = []
    endless.append({"again": endless})
    with pytest.raises(MaterializerError, match="contains itself"):
        bench.save(endless)


def test_the_same_element_twice_is_fine(bench: Bench) -> None:
    """An element that is met twice side by side is no recursion."""
    inner = [1]
    assert [inner, inner] == bench.round_trip([inner, inner])


def test_deep_nesting_is_an_error_of_ours(bench: Bench) -> None:
    """Nesting beyond what the interpreter can follow is a MaterializerError."""
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(MaterializerError):
        bench.save(deep)


def _below(frames: int, do: Callable[[], Any]) -> Any:
    return _below(frames - 1, do) if frames else do()


@pytest.mark.parametrize(
    "around",
    [
        lambda held: [held],
        lambda held: (held,),
        lambda held: frozenset([held]),
        lambda held: {"a": held},
        lambda held: {1: held},
        lambda held: OrderedDict(a=held),
        lambda held: deque([held], 2),
        lambda held: defaultdict(list, a=held),
        lambda held: Point(0, held),
        lambda held: Frozen("x", held),
    ],
    ids=["list", "tuple", "set", "dict", "pairs", "ordered", "deque", "default", "named", "dataclass"],
)
def test_nesting_that_is_saved_is_loaded(bench: Bench, around: Callable[[Any], Any]) -> None:
    """What is as deep as can be saved is loaded from a deeper stack, and what is deeper is refused."""
    deep: Any = 0
    for _ in range(200):
        deep = around(deep)
    saved, held = bench.save(deep)
    assert str(_below(50, lambda: bench.load(saved, held))) == str(deep)
    with pytest.raises(MaterializerError, match="200 deep"):
        bench.save(around(deep))
