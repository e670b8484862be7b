"""Models of pydantic are JSON, read by their class."""

import collections
import dataclasses
import datetime as dt
import decimal
import inspect
import math
import sys
import zoneinfo
from typing import Annotated, Any, Generic, TypeVar

import pytest

from ledger.errors import MaterializerError, UnknownTypeError
from ledger.materializers import load_value
from tests.kit.materializing import Bench, MaterializerContract

pydantic = pytest.importorskip("pydantic")


class Inner(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    values: tuple[int, ...]


class Model(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    name: str
    price: decimal.Decimal
    inner: Inner | None = None


class Hiding(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    secret: int = pydantic.Field(exclude=True)


class Aliased(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    rate: float = pydantic.Field(0.1, alias="learningRate")


class Renamed(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    rate: float = pydantic.Field(0.1, validation_alias="lr")


class Animal(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    name: str


class Dog(Animal):
    breed: str


class Loose(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    held: Any = None
    pet: Animal | None = None
    number: float | None = None
    secret: str = pydantic.Field("default", exclude=True)
    _private: int = pydantic.PrivateAttr(0)


class Stamped(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    when: dt.datetime


@dataclasses.dataclass
class Noted:
    note: Any = dataclasses.field(default=None, compare=False)


class Priced(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    price: Annotated[decimal.Decimal, pydantic.PlainSerializer(float, when_used="json")]


class Measured(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    since: Annotated[Any, pydantic.AfterValidator(lambda moment: moment.replace(tzinfo=dt.UTC))]


class Holding(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    queue: collections.deque[int] | None = None
    counts: collections.defaultdict[str, int] | None = None
    noted: Noted | None = None
    points: set[tuple[int, ...]] | None = None
    number: complex | None = None


def _with_private_attribute() -> Loose:
    model = Loose()
    model._private = 7
    return model


class TestPydantic(MaterializerContract):
    """Models are JSON, read by their class."""

    key = "pydantic.json/1"

    def values(self) -> list[Any]:
        return [
            Model(name="é", price=decimal.Decimal("1.10"), inner=Inner(values=(1, 2))),
            Aliased(learningRate=5),
            Stamped(when=dt.datetime.now(dt.UTC)),
        ]


class Layered(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    layers: tuple[Loose | Inner, ...] = ()
    by_name: dict[str, Loose] = pydantic.Field(default_factory=dict)
    size: int = 1


def test_fields_that_were_not_set_stay_so(bench: Bench) -> None:
    """What a model gives with ``exclude_unset`` is the same before and after, in models that it holds as well."""
    for model in (
        Layered(),
        Layered(size=1, layers=(Loose(number=None), Inner(values=()), Loose(pet=None)), by_name={"a": Loose()}),
    ):
        loaded = bench.round_trip(model)
        assert model.model_dump(exclude_unset=True) == loaded.model_dump(exclude_unset=True)
        assert model == loaded


def test_a_class_that_holds_other_models_by_now_still_loads(bench: Bench) -> None:
    """Which fields were set is left as it is read where the file tells of more or fewer models than there are."""
    model = Layered()
    saved, held = bench.save(model)
    for told in (b"[]", b'[["size"], [], []]'):
        assert model == bench.load(saved, held | {"set.json": told})


def test_fields_that_are_all_set_need_no_word(bench: Bench) -> None:
    """A model all of whose fields were set is nothing but its JSON."""
    assert {"data.json"} == set(bench.save(Inner(values=(1,)))[1])


def test_a_model_whose_class_is_unknown_is_named(bench: Bench) -> None:
    """Without its class a pydantic model is an error that says what to do."""
    saved, held = bench.save(Inner(values=(1,)))
    with pytest.raises(UnknownTypeError, match="elsewhere"):
        load_value(saved.key, "elsewhere.Inner", bench.files(held))
    assert load_value(saved.key, "elsewhere.Inner", bench.files(held), data_type=Inner) == Inner(values=(1,))
    assert saved.metadata["schema"]["title"] == "Inner"


Kind = TypeVar("Kind")


class Box(pydantic.BaseModel, Generic[Kind]):  # type: ignore[misc, name-defined]
    held: Kind


def test_a_generic_model_is_found_once_it_is_written(bench: Bench) -> None:
    """A generic model with its parameters is a class that a program makes; where it has not, the hint says so."""
    saved, held = bench.save(Box[int](held=1))
    assert Box[int](held=1) == bench.load(saved, held)
    with pytest.raises(UnknownTypeError, match=r"Box\[bytes\]") as caught:
        load_value(saved.key, saved.data_type.replace("int", "bytes"), bench.files(held))
    assert caught.value.hint.startswith("it is made where a program writes it")


def test_a_model_that_json_cannot_bring_back_is_noticed_when_it_is_saved(bench: Bench) -> None:
    """A model that leaves out a required field is not saved as JSON."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        assert bench.save(Hiding(secret=1))[0].key == "builtin.cloudpickle/1"


@pytest.mark.parametrize(
    "model",
    [
        Renamed(lr=5),
        Loose(pet=Dog(name="a", breed="b")),
        Loose(number=math.inf),
        Loose(secret="x"),
        Loose(held=(1, 2)),
        Loose(held=[{1: 2}]),
        Loose(held=math.nan),
        Stamped(when=dt.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"))),
        _with_private_attribute(),
        # What follows would come back as a value that is equal, and another one.
        Stamped(when=dt.datetime(2020, 1, 1, fold=1)),  # noqa: DTZ001  # without a zone on purpose
        Stamped(when=dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1), "CET"))),
        Holding(queue=collections.deque([1], maxlen=3)),
        Holding(counts=collections.defaultdict(None, a=1)),
        Holding(noted=Noted(note=(1, 2))),
        Holding.model_construct(points={(True,)}),
        Holding(number=complex(-0.0, 1)),
        Priced(price=decimal.Decimal("1.50")),
        # A validator that fails at what JSON makes of the value, with an error that pydantic does not expect.
        Measured(since=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
    ],
    ids=repr,
)
def test_a_model_that_json_changes_is_left_to_the_last_resort(bench: Bench, model: Any) -> None:
    """What a model would lose or change on its way through JSON is pickled with a warning, and comes back."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(model)
    loaded = bench.load(saved, held, trusted=True)
    assert saved.key == "builtin.cloudpickle/1"
    assert (repr(model), vars(model).keys(), model.__pydantic_private__) == (
        repr(loaded),
        vars(loaded).keys(),
        loaded.__pydantic_private__,
    )


class Series(pydantic.BaseModel):  # type: ignore[misc, name-defined]
    numbers: list[Annotated[float, pydantic.PlainSerializer(lambda number: number or 0.0)]]


def test_a_model_without_a_schema_is_saved_without_a_word_on_that(bench: Bench) -> None:
    """A class of which pydantic can make no JSON schema costs no warning: there is just no ``schema`` to note."""
    kind = pydantic.create_model("Ranged", __config__={"arbitrary_types_allowed": True}, held=(range, ...))
    with pytest.warns(UserWarning, match="cloudpickle"):  # any other warning is an error
        assert {} == bench.save(kind(held=range(3)))[0].metadata


def test_a_list_of_numbers_is_compared_to_the_sign(bench: Bench) -> None:
    """A number that JSON changes among others of its type is noticed, be it only the sign of a zero."""
    assert "pydantic.json/1" == bench.save(Series(numbers=[0.0, 1.5]))[0].key
    with pytest.warns(UserWarning, match="cloudpickle"):
        assert "builtin.cloudpickle/1" == bench.save(Series(numbers=[-0.0, 1.5]))[0].key


def test_very_many_numbers_are_compared_at_once(bench: Bench) -> None:
    """A list of numbers takes no call of Python's for each: a model may have millions."""
    model, calls = Loose(held=[0.5] * 20_000), 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        bench.save(model)
    finally:
        sys.setprofile(None)
    assert calls < 10_000


def test_a_model_kept_under_the_names_of_its_fields_still_loads(bench: Bench) -> None:
    """JSON by the names of fields is not read as if they had been left out, where the class takes aliases."""
    if "by_name" not in inspect.signature(pydantic.BaseModel.model_validate_json).parameters:
        pytest.skip("pydantic before 2.11 reads aliases only")
    for kind in (Aliased, Renamed):
        held = bench.files({"data.json": b'{"rate": 5.0}'})
        assert load_value("pydantic.json/1", "x", held, data_type=kind).rate == 5.0


def test_a_class_that_takes_a_value_no_more_says_which_fields_do_not_fit(bench: Bench) -> None:
    """The error of a model whose class was changed since the save names the fields, and what is wrong with each."""
    saved, held = bench.save(Model(name="a", price=decimal.Decimal(1)))
    changed = pydantic.create_model("Model", name=(int, ...), price=(float, ...), size=(int, ...))
    with pytest.raises(MaterializerError) as caught:
        load_value(saved.key, "app.Model", bench.files(held), data_type=changed)
    told = str(caught.value)
    assert "does not take what was saved: name: Input should be a valid integer" in told
    assert told.endswith("size: Field required")


def test_broken_files_are_errors_of_ours(bench: Bench) -> None:
    """No error of the library reaches the caller."""
    for value in (Inner(values=(1,)),):
        saved, held = bench.save(value)
        with pytest.raises(MaterializerError):
            bench.load(saved, dict.fromkeys(held, b"broken"))
