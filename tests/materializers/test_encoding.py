"""The tree of JSON is undone by its decoder, whatever is nested in it."""

import dataclasses
import enum
import json
import tracemalloc
from collections import Counter, OrderedDict, deque
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import Ledger
from ledger.enums import TrustClass
from ledger.errors import MaterializerError
from ledger.materializers import BaseMaterializer
from ledger.materializers.atoms import are_plain
from ledger.materializers.decoding import TreeDecoder
from ledger.materializers.encoding import TreeEncoder
from tests.kit.materializing import Bench


class Color(enum.Enum):
    RED = "red"
    GREEN = 2


class Point(NamedTuple):
    x: int
    y: Any


@dataclasses.dataclass
class Settings:
    rate: float
    layers: tuple[int, ...]
    extra: Any = None


_leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text(st.characters(categories=["Cs", "Lu"]))
    | st.binary()
    | st.complex_numbers()
    | st.uuids()
    | st.dates()
    | st.timedeltas()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.decimals()
    | st.sampled_from(Color)
)
_keys = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.tuples(st.integers(), st.text())
_trees: st.SearchStrategy[Any] = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(_keys, inner)
        | st.dictionaries(st.text(alphabet="$ab"), inner)
        | st.dictionaries(_keys, inner).map(OrderedDict)
        | st.tuples(st.lists(inner), st.none() | st.integers(0, 9)).map(lambda held: deque(*held))
        | st.builds(Point, st.integers(), inner)
        | st.builds(Settings, st.floats(), st.tuples(), inner)
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=2 * settings().max_examples)
@given(_trees)
def test_any_tree_comes_back_the_same(value: Any) -> None:
    """Any nesting of plain values comes back with every type, order and NaN it had."""
    encoded = TreeEncoder(None).encode(value)
    assert repr(value) == repr(TreeDecoder(None).decode(encoded))


@given(st.sets(_keys) | st.frozensets(_keys))
def test_sets_come_back_the_same(value: Any) -> None:
    """Sets and frozen sets keep their elements and which of the two they are."""
    loaded = TreeDecoder(None).decode(TreeEncoder(None).encode(value))
    assert type(value) is type(loaded)
    assert sorted(map(repr, value)) == sorted(map(repr, loaded))


_alike = st.sampled_from([st.integers(), st.floats(), st.text(st.characters(categories=["Cs", "Lu"])), st.booleans()])


@given(_alike.flatmap(lambda kind: st.lists(kind, min_size=9, max_size=12)))
def test_many_values_are_plain_only_where_each_is(values: list[Any]) -> None:
    """What is told of many values at once is what is told of each: JSON holds it as it is."""
    encoded = [TreeEncoder(None).encode(value) for value in values]
    assert not are_plain(values) or all(one is value for one, value in zip(encoded, values, strict=True))
    assert encoded == TreeEncoder(None).encode(values)


def test_a_tag_is_one_however_json_writes_it() -> None:
    """A tag that another program has escaped is a tag still, and a text that looks like one is a text."""
    assert TreeDecoder(None).decode_text('{"\\u0024tuple": [1]}') == (1,)
    assert TreeDecoder(None).decode_text('["$tuple"]') == ["$tuple"]
    assert TreeDecoder(None).decode_text('{"a": [1, "b"]}') == {"a": [1, "b"]}


@pytest.mark.parametrize("name", ["..", "../0", "a", "0/1", "-1", ""])
def test_an_element_lies_in_a_folder_called_by_a_number(bench: Bench, name: str) -> None:
    """Data that seeks an element anywhere else is malformed, and nothing is opened there."""
    saved, held = bench.save([b"x" * 100_000])
    tree = [{"$item": name, "materializer": "builtin.bytes/1", "type": "builtins.bytes"}]
    with pytest.raises(MaterializerError, match="names no element"):
        bench.load(saved, held | {"data.json": json.dumps(tree).encode()})


def test_half_a_surrogate_pair_in_a_name_is_told(bench: Bench) -> None:
    """The name of a member or attribute is no value that is escaped: the error shows it, and says to rename it."""
    make: Any = enum.Enum
    attributed = Settings(0.5, ())
    vars(attributed)["a\ud800"] = 1
    for value in (make("Halves", {"a\ud800": 1})["a\ud800"], attributed):
        with pytest.raises(MaterializerError, match=r"holds half a surrogate pair, '\\ud800', .*a\\ud800") as caught:
            bench.save([value])
        assert "rename it; only texts that are values may hold such a half" == caught.value.hint


@pytest.mark.parametrize("value", [Counter[str]("aab"), OrderedDict[str, int](b=1, a=2)], ids=repr)
def test_a_dict_that_a_parametrised_class_made_is_data(bench: Bench, value: Any) -> None:
    """What typing notes on a counter, or a dict that knows its order, asks for no trust in code."""
    saved, held = bench.save([value])
    loaded = bench.load(saved, held)[0]
    assert (TrustClass.DATA, type(value), [*value.items()]) == (saved.trust, type(loaded), [*loaded.items()])


def test_a_slot_that_the_class_no_longer_has_is_named(bench: Bench) -> None:
    """A class that was changed since, as in a notebook's cell that is run again, is told from a damaged file."""

    @dataclasses.dataclass(slots=True)
    class Slotted:
        x: int

    saved, held = bench.save(Slotted(1))
    held["data.json"] = held["data.json"].replace(b'"x": 1', b'"x": 1, "y": 2')
    with pytest.raises(
        MaterializerError, match=r"Slotted has the slots \('x',\), the value was saved with \('x', 'y'\)"
    ):
        bench.load(saved, held)


class Marked(tuple[int, ...]):  # noqa: SLOT001  # it is the attributes that matter
    """As somebody writes a tuple with fields by hand, whose instances take attributes."""

    _fields = ("x", "y")


def test_a_tuple_with_attributes_is_no_named_tuple(bench: Bench) -> None:
    """What only looks like a named tuple is left to the last resort, which keeps what its instances were given."""
    value: Any = Marked((1, 2))
    value.unit = "mm"
    with pytest.warns(UserWarning, match="cloudpickle"):
        loaded = bench.round_trip([value], trusted=True)[0]
    assert (Marked, (1, 2), "mm") == (type(loaded), loaded, loaded.unit)


class Mood(enum.Enum):
    GOOD = 1


class MoodMaterializer(BaseMaterializer):
    ASSOCIATED_TYPES: ClassVar[tuple[type, ...]] = (Mood,)

    def save(self, value: Mood) -> None:
        with self.open("mood.txt", "w") as file:
            file.write(value.name.lower())

    def load(self, data_type: type[Mood]) -> Mood:
        with self.open("mood.txt") as file:
            return data_type[file.read().upper()]


def test_an_element_is_saved_by_the_users_own_materializer(bench: Bench) -> None:
    """What a tree could hold as well is left to whoever is in charge of its type, in a container as alone."""
    saved, held = bench.save([Mood.GOOD])
    assert (b"good", [Mood.GOOD]) == (held["0/mood.txt"], bench.load(saved, held))


def test_a_leaf_beside_data_needs_no_materializer_of_the_users_own() -> None:
    """A label or a cell that the tree itself holds is held by it, where the materializer of its type had no files."""
    assert Mood.GOOD is TreeDecoder(None).decode(TreeEncoder(None).encode(Mood.GOOD))


def test_what_is_no_plain_value_is_told_where_only_those_have_a_place() -> None:
    """A label that only a file could hold is an error that says what labels are."""
    with pytest.raises(MaterializerError, match=r"a value of type builtins\.object has no form in JSON") as caught:
        TreeEncoder(None).encode([object()])
    assert caught.value.hint.startswith("labels and what stands beside data are numbers, texts, times")


@pytest.mark.parametrize("length", [0, 1, 1023, 1024, 1025, 3000])
def test_a_long_list_is_written_as_a_short_one(ledger: Ledger, length: int) -> None:
    """However it is cut on its way, its file is the JSON of all of it."""
    value = [[number, "é"] for number in range(length)]
    version = ledger.save(value, "list")
    with version.open("data.json") as file:
        assert json.dumps(value, ensure_ascii=False).encode() == file.read()


def test_the_json_of_a_long_list_is_never_whole_in_memory(ledger: Ledger) -> None:
    """A list of texts is written in pieces, in far less memory than its file is long."""
    value = ["x" * 1000] * 50_000
    ledger.save(value[:5000], "list")  # what this needs for the first time is not counted
    tracemalloc.start()
    try:
        version = ledger.save(value, "list")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < version.size / 2
