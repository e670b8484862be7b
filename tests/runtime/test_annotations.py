"""Whether values are what annotations say, and how annotations are written."""

import collections.abc
from pathlib import Path
from typing import Annotated, Any, List, Literal, NewType, Optional, Protocol, TypedDict, TypeVar, Union  # noqa: UP035

import numpy as np
import pytest
from typing_extensions import TypeAliasType

from ledger.runtime.annotations import class_of, conforms, names_class, spelled

Number = TypeVar("Number")
Meters = NewType("Meters", int)
Element = TypeVar("Element")
Rate = TypeAliasType("Rate", Annotated[float, "per second"])
Series = TypeAliasType("Series", list[Element], type_params=(Element,))


class Named(Protocol):
    name: str


class Row(TypedDict):
    a: int


FITS: list[tuple[Any, Any]] = [
    (1, int),
    (True, int),
    (1, float),
    (None, None),
    (None, type(None)),
    (None, Optional[int]),  # noqa: UP045
    ("a", Union[int, str]),  # noqa: UP007
    (1, int | None),
    ("a", Literal["a", 1]),
    ([1], list[int]),
    ([1], List[str]),  # noqa: UP006
    ((1, "a"), tuple[int, str]),
    ([], collections.abc.Sequence),
    (len, collections.abc.Callable[..., int]),
    (np.zeros(1), np.ndarray),
    (np.float64(1), float),
    (1, Annotated[int, "x"]),
    (object(), Any),
    (1, object),
    (1, Number),
    (1, Meters),
    (1, Named),
    ({"a": 1}, Row),
    (1, "Unknown"),
    (1.5, Rate),
    (None, Rate | None),
    ([1.5], Series[int]),
    (int, type[int]),
]
DOES_NOT: list[tuple[Any, Any]] = [
    ("1", int),
    (1.0, int),
    (True, float),
    (None, int),
    (0, None),
    (1.5, int | None),
    (True, Literal[1]),
    ("b", Literal["a"]),
    (np.array([1, 2]), Literal["a"]),
    ((1,), list[int]),
    (np.int64(1), int),
    ("a", Annotated[int, "x"]),
    ("a", Path),
    ("a", Rate),
    ((1,), Series[int]),
    ("a", Meters),
    ([("a", 1)], Row),
]


@pytest.mark.parametrize(("value", "annotation"), FITS)
def test_a_value_fits(value: Any, annotation: Any) -> None:
    """Instances fit, an int is a float, and what cannot be checked passes."""
    assert conforms(value, annotation)


@pytest.mark.parametrize(("value", "annotation"), DOES_NOT)
def test_a_value_does_not_fit(value: Any, annotation: Any) -> None:
    """Another class does not fit, and equal values of another type are no literals."""
    assert not conforms(value, annotation)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, int),
        (list[int], list),
        (Annotated[np.ndarray, "x"], np.ndarray),
        (int | None, None),
        (Optional[int], None),  # noqa: UP045
        (Any, None),
        (None, None),
        ("Unknown", None),
        (Literal[1], None),
    ],
)
def test_an_annotation_names_one_class_or_none(annotation: Any, expected: type | None) -> None:
    """A union, and what is no class, name none."""
    assert expected is class_of(annotation)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (int, "int"),
        (np.ndarray, "numpy.ndarray"),
        (type(None), "NoneType"),
        (int | None, "int | None"),
        (list[int], "list[int]"),
        (Annotated[int, "x"], "int"),
    ],
)
def test_annotations_are_written_for_people(annotation: Any, expected: str) -> None:
    """As in source, without what `Annotated` adds."""
    assert expected == spelled(annotation)


@pytest.mark.parametrize("annotation", [Path, Path | None, Annotated[int | Path, "x"]])
def test_an_annotation_names_a_class(annotation: Any) -> None:
    """By itself, and as one of several."""
    assert names_class(annotation, Path)
    assert not names_class(annotation, str)
    assert not names_class(list[Path], Path)
