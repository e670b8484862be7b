"""Models of pydantic are JSON, read by their class."""

import decimal
from typing import Any

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


class TestPydantic(MaterializerContract):
    """Models are JSON, read by their class."""

    key = "pydantic.json/1"

    def values(self) -> list[Any]:
        return [Model(name="é", price=decimal.Decimal("1.10"), inner=Inner(values=(1, 2)))]


def test_a_model_whose_class_is_unknown_is_named(bench: Bench) -> None:
    """Without its class a pydantic model is an error that says what to do."""
    saved, held = bench.save(Inner(values=(1,)))
    with pytest.raises(UnknownTypeError, match="elsewhere"):
        load_value(saved.key, "elsewhere.Inner", bench.files(held))
    assert load_value(saved.key, "elsewhere.Inner", bench.files(held), data_type=Inner) == Inner(values=(1,))
    assert saved.metadata["schema"]["title"] == "Inner"


def test_a_model_that_json_cannot_bring_back_is_noticed_when_it_is_saved(bench: Bench) -> None:
    """A model that leaves out a required field is not saved as JSON."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        assert bench.save(Hiding(secret=1))[0].key == "builtin.cloudpickle/1"


def test_broken_files_are_errors_of_ours(bench: Bench) -> None:
    """No error of the library reaches the caller."""
    for value in (Inner(values=(1,)),):
        saved, held = bench.save(value)
        with pytest.raises(MaterializerError):
            bench.load(saved, dict.fromkeys(held, b"broken"))
