"""What cannot be saved is told with where in the value it stands."""

import dataclasses
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, NamedTuple

import attrs
import numpy as np
import pytest

from ledger.errors import MaterializerError
from tests.kit.materializing import Bench


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclasses.dataclass
class Held:
    inner: Any


@attrs.define
class Slotted:
    inner: Any


def _attributed(held: object) -> OrderedDict[str, Any]:
    state: OrderedDict[str, Any] = OrderedDict(a=1)
    vars(state)["noted"] = held
    return state


def _array(held: object) -> "np.ndarray[Any, Any]":
    array = np.empty((2, 2), dtype=object)
    array[1, 0] = held
    return array


@pytest.mark.parametrize(
    ("around", "place"),
    [
        (lambda held: [1, held], "[1] of the list"),
        (lambda held: (held,), "[0] of the tuple"),
        (lambda held: deque([1, held]), "[1] of the deque"),
        (lambda held: {"a": [{2: held}]}, "['a'][0][2] of the dict"),
        (lambda held: [{held: 1}], "[0].keys() of the list"),
        (lambda held: [{held}], "[0]{...} of the list"),
        (lambda held: Pair(1, held), ".right of the Pair"),
        (lambda held: [Held(Slotted(held))], "[0].inner.inner of the list"),
        (_attributed, ".noted of the OrderedDict"),
        (lambda held: [_array([held])], "[0][1, 0][0] of the list"),
        (lambda held: {"k" * 500: held}, f"['{'k' * 36}...] of the dict"),
        (lambda held: [held, held], "[0] of the list"),
    ],
)
def test_what_cannot_be_saved_is_told_by_its_place(bench: Bench, around: Callable[[Any], Any], place: str) -> None:
    """The error says how Python gets at what cannot be saved, from the value that was given."""
    held = (number for number in range(3))
    with pytest.raises(MaterializerError, match="a generator is no value to save") as caught:
        bench.save(around(held))
    assert f", at {place}" == str(caught.value).rpartition(">")[2]


def test_what_contains_itself_is_told_by_its_place(bench: Bench) -> None:
    """The place is where the value is met again."""
    endless: dict[str, Any] = {}
    endless["a"] = [0, {"b": endless}]
    with pytest.raises(MaterializerError, match=r"contains itself cannot be saved, at \['a'\]\[1\]\['b'\] of the dict"):
        bench.save(endless)


def test_a_place_that_is_very_deep_is_shortened(bench: Bench) -> None:
    """Of a place of very many steps the first and the last are told."""
    deep: list[Any] = []
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(MaterializerError, match="nested over 200 deep") as caught:
        bench.save(deep)
    assert f", at {'[0]' * 20}...{'[0]' * 20} of the list" in str(caught.value)


def test_a_value_that_cannot_be_saved_itself_has_no_place(bench: Bench) -> None:
    """Where the whole value is what cannot be saved, the error says no more than that."""
    with pytest.raises(MaterializerError, match="a generator is no value to save") as caught:
        bench.save(number for number in range(3))
    assert str(caught.value).endswith(">")


def test_a_tensor_of_a_state_dict_is_told_by_its_name(bench: Bench) -> None:
    """Among very many tensors the one that cannot be kept is named, wherever the dict stands."""
    torch = pytest.importorskip("torch")
    state = {"first": torch.ones(2), "layer.weight": torch.eye(2).to_sparse()}
    with pytest.raises(
        MaterializerError, match=r"is no plain tensor, at \['layer\.weight'\] of the dict, at \['epoch'\] of the dict"
    ):
        bench.save({"epoch": state, "a": 1})
