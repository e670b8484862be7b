"""Numbers, texts, containers, times, enums, bytes and dataclasses keep value and type."""

import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import io
import json
import math
import pathlib
import re
import struct
import sys
import threading
import types
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from typing import Any, Generic, NamedTuple, TypeVar

import attr
import attrs
import pytest

from ledger.enums import TrustClass
from ledger.errors import MaterializerError, UnknownTypeError, UntrustedArtifactError
from ledger.materializers import load_value
from ledger.materializers.registry import qualified_name
from tests.kit.materializing import Bench, MaterializerContract


class Color(enum.Enum):
    RED = "red"
    GREEN = 2


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "y"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Bits(enum.IntFlag):
    LOW = 1
    HIGH = 2


Piped = enum.Flag("Piped", {"a|b": 1, "c": 2})


class Kept(enum.Flag, boundary=enum.KEEP):
    ONE = 1


class Point(NamedTuple):
    x: int
    y: Any


Pair = namedtuple("Pair", "left right")  # noqa: PYI024  # the untyped form is the claim


@dataclasses.dataclass
class Settings:
    rate: float
    layers: tuple[int, ...]
    extra: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    inner: Settings | None = None


@dataclasses.dataclass
class Counted:
    total: int

    def __post_init__(self) -> None:
        self.total += 1
        self.doubled = self.total * 2


class Bare:
    def __init__(self, held: object) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bare) and self.held == other.held

    def __hash__(self) -> int:
        return 1


class TestJson(MaterializerContract):
    """Numbers, texts and containers."""

    key = "builtin.json/1"

    def values(self) -> list[Any]:
        return [
            *(
                0,
                -1,
                2**53 - 1,
                2**53,
                -(2**70),
                True,
                False,
                None,
                "",
                "é😀",
                "$x",
                "\ud800",
                "\ud83d\ude00",
            ),
            *(0.0, -0.0, 0.1, 1e300, 5e-324, math.inf, -math.inf, 1 + 2j, complex(-0.0, math.inf)),
            *(..., range(3), range(9, -1, -2), pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("c:/d")),
            *([], {}, (), set(), frozenset(), [()], ((1,), [2]), {"a": {"$b": {"$$c": 1}}}),
            {1: "int", "1": "text", 2.5: "float", None: 0, (1, 2): [3], frozenset({4}): 5, False: 6},
            [{1, 2}, frozenset({(1, 2)}), {(1, 2): 3}],
            OrderedDict([("b", 1), ("a", 2)]),
            defaultdict(list, {"a": [1]}),
            defaultdict(None, {1: 2}),
            Counter({("a", "b"): 2, "c": -1}),
            *(deque([1, (2, 3)]), deque(maxlen=5), deque([{1}, deque("ab", 2)], 3)),
            Point(1, (2, [3])),
            [Pair("a", Point(1, 2))],
            [b"\x00\xff", bytearray(b"x"), uuid.UUID(int=5), decimal.Decimal("1.10"), fractions.Fraction(-1, 3)],
            [
                dt.date(2020, 1, 2),
                dt.timedelta(days=-3, microseconds=1),
                dt.timedelta.max,
                dt.time(1, 2, fold=1),
                range(3),
                ...,
            ],
            {Color.RED: Level.LOW, Word.YES: Rights.READ | Rights.WRITE, "none": Rights(0)},
            [pathlib.PurePosixPath("a/b"), pathlib.PureWindowsPath("c:/d")],
            [pathlib.Path("no/such/file"), pathlib.Path("no/such/\udcff")],
            {"settings": Settings(0.1, (1, 2), {"deep": Frozen("x")})},
        ]

    def same(self, left: Any, right: Any) -> bool:
        return repr(left) == repr(right) if not isinstance(left, (set, frozenset)) else bool(left == right)


class TestUuid(MaterializerContract):
    """UUIDs."""

    key = "builtin.uuid/1"

    def values(self) -> list[Any]:
        return [uuid.UUID(int=7)]


class TestDatetime(MaterializerContract):
    """Dates and times keep their zone."""

    key = "builtin.datetime/1"

    def values(self) -> list[Any]:
        paris = zoneinfo.ZoneInfo("Europe/Paris")
        return [
            dt.datetime(2020, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001  # a naive time is the claim
            dt.datetime(2020, 1, 2, tzinfo=dt.UTC),
            dt.datetime(2020, 10, 25, 2, 30, tzinfo=paris, fold=1),
            dt.datetime(2020, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
            *(dt.datetime(2020, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=1), name)) for name in ("CET", "\ud800")),
            dt.time(1, 2, tzinfo=dt.timezone(-dt.timedelta(microseconds=1), "UTC")),
            dt.datetime(2020, 1, 2, tzinfo=dt.timezone(dt.timedelta(microseconds=999_999))),
            dt.date(1, 1, 1),
            dt.time(1, 2, 3, tzinfo=dt.UTC),
            dt.time(1, 2, tzinfo=paris),
            dt.timedelta(days=-1, seconds=3),
        ]

    def same(self, left: Any, right: Any) -> bool:
        zones = [repr(getattr(value, "tzinfo", None)) for value in (left, right)]
        return bool(left == right) and zones[0] == zones[1] and getattr(left, "fold", 0) == getattr(right, "fold", 0)


_UNNAMED = [Bits(0), Bits(8), Bits.LOW | 8, ~Bits.LOW, Kept(4), Kept(5)]


class TestEnum(MaterializerContract):
    """Enum members are found by name and are the very same object."""

    key = "builtin.enum/1"

    def values(self) -> list[Any]:
        return [
            Color.RED,
            Color.GREEN,
            Level.LOW,
            Word.YES,
            Rights.READ,
            Rights.READ | Rights.WRITE,
            Rights(0),
            Piped(1) | Piped(2),
            *_UNNAMED,
        ]

    def same(self, left: Any, right: Any) -> bool:
        # The first releases of Python 3.11 make a flag's bits without a name anew each time.
        return left is right if left is type(left)(left.value) else bool(left.value == right.value)


class TestBytes(MaterializerContract):
    """Bytes of all three kinds."""

    key = "builtin.bytes/1"

    def values(self) -> list[Any]:
        return [b"", b"\x00\xff" * 5, bytearray(b"x"), memoryview(b"abc"), memoryview(b"abcdef")[::-2]]


@attrs.define
class Measured:
    _low: Any
    high: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.high = 7


@attr.s(frozen=True, hash=True, cache_hash=True)
class Labelled:
    name: Any = attr.ib()


class TestDataclass(MaterializerContract):
    """Dataclass instances, with everything they hold."""

    key = "builtin.dataclass/1"

    def values(self) -> list[Any]:
        return [
            *(Settings(0.5, (1,)), Frozen("a", Settings(1.0, (), {1: {2}})), Counted(1)),
            *(Measured((1, 2)), Measured(Labelled("a")), Labelled(Measured({3}))),
        ]


def test_a_simple_dict_is_plain_json(bench: Bench) -> None:
    """A dict that JSON can hold is written as people would write it."""
    _, held = bench.save({"a": [1, 2.5, None, True], "b": {"c": "é"}})
    assert {"data.json": '{"a": [1, 2.5, null, true], "b": {"c": "é"}}'.encode()} == held


def test_a_post_init_does_not_run_again(bench: Bench) -> None:
    """Loading a dataclass calls neither its __init__ nor its __post_init__, and keeps attributes beyond the fields."""
    loaded = bench.round_trip(Counted(1))
    assert vars(loaded) == {"total": 2, "doubled": 4}


def test_a_class_of_attrs_is_data(bench: Bench) -> None:
    """An instance comes back without running its class; a hash that it kept is another one elsewhere, and forgotten."""
    kept = Labelled("a")
    assert {kept} == {bench.round_trip(kept)}
    _, held = bench.save(kept)
    assert b'"_attrs_cached_hash": null' in held["data.json"]
    measured = Measured(1)
    measured.high = 8
    assert 8 == bench.round_trip(measured).high


Held = TypeVar("Held")


@dataclasses.dataclass
class Box(Generic[Held]):
    held: Held


def test_a_generic_dataclass_is_data(bench: Bench) -> None:
    """What typing notes on an instance that was made by a parametrised class asks for no trust in code."""
    saved, held = bench.save(Box[int](3))
    assert saved.trust is TrustClass.DATA
    assert Box(3) == bench.load(saved, held)


class Caching:
    __slots__ = ("__secret", "cache", "empty")

    def __init__(self) -> None:
        self.cache = 5
        self.__secret = 6


@dataclasses.dataclass(slots=True)
class Slotted(Caching):
    x: int

    def __post_init__(self) -> None:
        Caching.__init__(self)


def test_slots_of_a_plain_base_class_are_kept(bench: Bench) -> None:
    """What a dataclass keeps in slots that are no fields comes back, and an empty slot stays empty."""
    loaded = bench.round_trip(Slotted(1))
    assert (1, 5, 6) == (loaded.x, loaded.cache, loaded._Caching__secret)
    assert not hasattr(loaded, "empty")


def test_attributes_of_an_ordered_dict_are_kept(bench: Bench) -> None:
    """What torch notes on a state dict comes back, wherever the dict stands."""
    for kind in (OrderedDict, Counter):
        state: Any = kind(a=1)
        state._metadata = OrderedDict(module={"version": 2})
        loaded = bench.round_trip([state])[0]
        assert (kind, state, vars(state)) == (type(loaded), loaded, vars(loaded))


def test_attributes_of_anything_else_are_refused(bench: Bench) -> None:
    """Data that would put attributes on another value is malformed."""
    saved, _ = bench.save([1])
    with pytest.raises(MaterializerError, match="no attributes of its own"):
        bench.load(saved, {"data.json": b'{"$attributed": [{"a": 1}, {"b": 2}]}'})


def test_a_class_that_is_not_defined_here_is_named(bench: Bench) -> None:
    """A dataclass that this process has not defined is an error that says what to do; its module is not imported."""
    saved, held = bench.save(Settings(0.5, (1,)))
    held["data.json"] = held["data.json"].replace(__name__.encode(), b"colorsys")
    with pytest.raises(UnknownTypeError, match=re.escape("colorsys.Settings")) as caught:
        bench.load(saved, held)
    assert caught.value.hint == (
        "import the module that defines it first, or pass it: version.load(data_type=...); "
        "where it has moved, import it in a module of the old name as well"
    )


def test_a_class_that_cannot_be_compared_stands_in_nobodys_way(bench: Bench) -> None:
    """Any class of the process is passed by on the way to another; it may have no hash, or warn when it is compared."""

    class Kind(type):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(cls, other: object) -> bool:
            raise AssertionError(cls, other)

    class Unlike(metaclass=Kind):
        pass

    @dataclasses.dataclass
    class Local:
        x: int

    assert [Local(1)] == bench.round_trip([Local(1)])
    del Unlike


def test_a_class_that_a_function_has_defined_is_known_as_long_as_it_is_there(bench: Bench) -> None:
    """A dataclass of a test or a notebook's function, which is in no module, loads in the process that has it."""

    @dataclasses.dataclass
    class Local:
        x: int

    assert [Local(1), [Local(2)]] == [bench.round_trip(Local(1)), bench.round_trip([Local(2)])]


def test_the_class_that_its_module_holds_is_taken_before_a_twin(bench: Bench) -> None:
    """A younger class of the same name, as unpickling one by value leaves behind, is not taken for it."""
    twin = enum.Enum("Color", {"RED": "red", "GREEN": 2}, module=Color.__module__)  # type: ignore[misc]
    assert qualified_name(twin) == qualified_name(Color)
    assert all(loaded is Color.RED for loaded in [bench.round_trip(Color.RED), *bench.round_trip([Color.RED])])


def test_a_passed_class_is_taken(bench: Bench) -> None:
    """A class that has moved can be passed by the caller."""
    saved, held = bench.save(Settings(0.5, (1,)))
    held["data.json"] = held["data.json"].replace(__name__.encode(), b"before_the_move")
    assert Settings(0.5, (1,)) == bench.load(saved, held, data_type=Settings)


def test_an_element_is_found_where_its_old_module_hands_its_class_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class that has moved is known by its old name where a module still has it there, also inside of a value."""
    saved, held = bench.save([Settings(0.5, (1,)), Color.RED])
    held["data.json"] = held["data.json"].replace(__name__.encode(), b"before_the_move")
    shim = types.ModuleType("before_the_move")
    vars(shim).update(Settings=Settings, Color=Color)
    monkeypatch.setitem(sys.modules, "before_the_move", shim)
    assert [Settings(0.5, (1,)), Color.RED] == bench.load(saved, held)


def test_an_element_is_not_taken_for_the_passed_class(bench: Bench) -> None:
    """A passed class stands for the value as a whole, not for elements of a class that is unknown."""
    saved, held = bench.save([Settings(0.5, (1,)), Frozen("x")])
    held["data.json"] = held["data.json"].replace(b".Frozen", b".Gone")
    with pytest.raises(UnknownTypeError, match="Gone"):
        bench.load(saved, held, data_type=Settings)


@pytest.mark.parametrize(
    "tree",
    [{"$" + "a" * 9999: 1}, {"$numpy": ["i8," * 9999 + "i8", 1]}, {"$date": "1" * 9999}],
    ids=lambda tree: min(tree)[:9],
)
def test_what_is_malformed_is_told_in_a_line(bench: Bench, tree: dict[str, Any]) -> None:
    """However long it is."""
    with pytest.raises(MaterializerError) as caught:
        load_value("builtin.json/1", "dict", bench.files({"data.json": json.dumps(tree).encode()}))
    assert len(str(caught.value)) < 400


def test_an_evil_name_reaches_no_function(bench: Bench) -> None:
    """A record cannot name a function, a module or a class of another kind as a dataclass."""
    for name in ("os.system", "subprocess.Popen", "builtins.dict", "sys", "os.path", "json.decoder.JSONDecoder"):
        tree = f'{{"$dataclass": ["{name}", {{"x": 1}}]}}'.encode()
        with pytest.raises(UnknownTypeError):
            load_value("builtin.json/1", "dict", bench.files({"data.json": tree}))


def test_a_property_is_never_run(bench: Bench) -> None:
    """A field in the data that names a property does not call its setter."""
    tree = f'{{"$dataclass": ["{__name__}.Guarded", {{"value": 5}}]}}'.encode()
    loaded = load_value("builtin.dataclass/1", "x", bench.files({"data.json": tree}))
    assert vars(loaded) == {"value": 5}


@dataclasses.dataclass
class Guarded:
    plain: int = 0

    @property
    def value(self) -> int:
        raise AssertionError

    @value.setter
    def value(self, _: int) -> None:
        raise AssertionError


def test_code_inside_a_tuple_asks_for_trust(bench: Bench) -> None:
    """A value that needs code makes its container need trust, however deep it is."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save((1, {"deep": [Bare(1)]}))
    assert saved.trust is TrustClass.CODE
    assert saved.key == "builtin.json/1"
    with pytest.raises(UntrustedArtifactError):
        bench.load(saved, held)
    assert (1, {"deep": [Bare(1)]}) == bench.load(saved, held, trusted=True)


def test_a_subclass_of_a_builtin_does_not_lose_its_class(bench: Bench) -> None:
    """A dict or a time zone with a class of its own is left to the last resort, with its warning."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(Named({"a": 1}))
    loaded = bench.load(saved, held, trusted=True)
    assert saved.key == "builtin.cloudpickle/1"
    assert type(loaded) is Named
    for value in ([Named()], dt.datetime(2020, 1, 2, tzinfo=Zone("Europe/Paris"))):
        with pytest.warns(UserWarning, match="cloudpickle"):
            assert bench.save(value)[0].trust is TrustClass.CODE


class Named(dict[str, int]):
    pass


class Zone(zoneinfo.ZoneInfo):
    pass


def test_a_dataclass_with_an_odd_layout_is_left_to_the_last_resort(bench: Bench) -> None:
    """A dataclass that is an exception has state beyond its attributes and is pickled, with a warning."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        assert bench.save(Problem("x"))[0].key == "builtin.cloudpickle/1"


@dataclasses.dataclass
class Problem(Exception):  # noqa: N818
    text: str


deleted: list[str] = []


@dataclasses.dataclass
class Temporary:
    path: str = "the default"

    def __del__(self) -> None:
        deleted.append(self.path)


def test_a_dataclass_that_acts_when_it_is_deleted_is_left_to_the_last_resort(bench: Bench) -> None:
    """Saving makes no throwaway instance of it, and no data.json makes one with attributes of somebody's choice."""
    deleted.clear()
    value = Temporary("mine")
    for held in (value, [value]):
        with pytest.warns(UserWarning, match="cloudpickle"):
            assert bench.save(held)[0].trust is TrustClass.CODE
    tree = f'{{"$dataclass": ["{__name__}.Temporary", {{"path": "victim"}}]}}'.encode()
    with pytest.raises(UnknownTypeError):
        load_value("builtin.dataclass/1", "x", bench.files({"data.json": tree}), data_type=Temporary)
    assert deleted == []


@pytest.mark.parametrize("view", [memoryview(b"abcd").cast("H"), memoryview(b"abcd").cast("B", (2, 2))], ids=["H", "2"])
def test_a_view_that_is_not_flat_is_refused(bench: Bench, view: memoryview) -> None:
    """A memoryview of numbers, or of several dimensions, is not made plain bytes."""
    with pytest.raises(MaterializerError, match="would come back as plain bytes"):
        bench.save([view])


def test_what_cannot_be_saved_at_all_is_an_error_of_ours(bench: Bench) -> None:
    """A lock cannot be pickled: the error names materializer and type, and carries the cause."""
    with pytest.raises(MaterializerError, match=r"_thread\.lock") as caught:
        bench.save({"lock": threading.Lock()})
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_zone_from_a_file_is_not_taken_for_the_one_of_its_key(bench: Bench) -> None:
    """A zone that was read from a file may have any key, which would lead to another zone."""
    one_hour = b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lBB", 3600, 0, 0) + b"CET\0"
    zone = zoneinfo.ZoneInfo.from_file(io.BytesIO(one_hour), key="Asia/Tokyo")
    with pytest.raises(MaterializerError, match="ZoneInfo"):
        bench.save(dt.datetime(2020, 1, 2, tzinfo=zone))


def test_an_enum_member_that_is_gone_is_named(bench: Bench) -> None:
    """A member that the class no longer has is an error that lists the members it has."""
    saved, held = bench.save(Color.RED)
    held["data.json"] = held["data.json"].replace(b'"RED"', b'"BLUE"')
    with pytest.raises(MaterializerError, match="no member 'BLUE'") as caught:
        bench.load(saved, held)
    assert caught.value.hint == "its members now are RED, GREEN"


def test_a_flag_that_its_class_no_longer_takes_is_refused(bench: Bench) -> None:
    """Bits without a name that the class does not allow, or a name it does not have, are no other flag."""
    for held in ("null, 8", '"READ|8", 9', '"GONE", 2', '"WRITE|8", 9'):
        tree = f'{{"$enum": ["{__name__}.Rights", {held}]}}'.encode()
        with pytest.raises(MaterializerError, match="no member"):
            load_value("builtin.enum/1", "x", bench.files({"data.json": tree}))


@pytest.mark.parametrize(
    "tree",
    [
        '{"$nosuch": 1}',
        '{"$tuple": 5}',
        '{"$bytes": "!"}',
        '{"$item": "../x", "materializer": "builtin.json/1", "type": "x"}',
        '{"$item": "0"}',
        '{"$float": []}',
        "[NaN]",
        "{",
        '{"a": 1, "$b": 2}',
        '{"$datetime": ["2020-01-01T00:00:00", "../../etc/passwd", 0]}',
        '{"$numpy": ["|O", 1]}',
        "[" * 100_000,
    ],
)
def test_malformed_data_is_an_error_of_ours(bench: Bench, tree: str) -> None:
    """Whatever data.json holds, loading it gives a value or a MaterializerError."""
    with pytest.raises(MaterializerError):
        load_value("builtin.json/1", "dict", bench.files({"data.json": tree.encode()}))


def test_metadata_of_numbers_and_containers(bench: Bench) -> None:
    """Numbers note their text, containers their length, texts nothing."""
    assert bench.save(0.5)[0].metadata == {"string_representation": "0.5"}
    assert bench.save([1, 2])[0].metadata == {"length": 2}
    assert bench.save("text")[0].metadata == {}
    assert bench.save([1, 2], extract_metadata=False)[0].metadata == {}


def test_an_integer_of_any_length_comes_back(bench: Bench) -> None:
    """Integers too long for Python to write in decimal are kept exactly, and those that are just not too long."""
    for digits in (4299, 4300, 4301, 5000):
        assert bench.round_trip(-(10**digits)) == -(10**digits)


def test_large_bytes_in_a_container_are_a_file(bench: Bench) -> None:
    """Bytes too long to be read by people lie beside the tree, as they are."""
    data = bytes(100_000)
    saved, held = bench.save([data])
    assert sorted(held) == ["0/data.bin", "data.json"]
    assert [data] == bench.load(saved, held)
