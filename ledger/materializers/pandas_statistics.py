"""What to note about frames and series of pandas: four statistics of each column of numbers, and a summary.

Real numbers have statistics: whole ones, floats and decimals, but no truth values and no complex numbers. The
summary is what pandas' own ``describe`` says. It fails where it can say nothing of a single column, so such columns
are left out of it. They are

* columns of complex numbers, which have no order,
* columns of objects without a hash, such as lists: pandas would compare each of these with each,
* if it fails all the same, the columns that it fails on alone, as on lists and decimals of Arrow.
"""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

_FAILURES = (TypeError, ValueError, ArithmeticError, NotImplementedError)
"""What ``describe`` raises where it can say nothing of a column."""

_STATISTICS: dict[str, Callable[[Any], Any]] = {
    "mean": lambda column: float(column.mean()),
    "std": lambda column: float(column.std()),
    "min": lambda column: column.min(),
    "max": lambda column: column.max(),
}


def statistics_of(column: Any) -> dict[str, Any]:
    """``mean``, ``std``, ``min`` and ``max`` of a column of real numbers; what fails, as of nulls, is left out."""
    import numpy as np
    import pandas as pd

    if not _is_of_real_numbers(column) or not len(column):
        return {}
    noted = {}
    for name, statistic in _STATISTICS.items():
        try:
            with np.errstate(all="ignore"):  # infinities have no standard deviation
                number = statistic(column)
        except (TypeError, ValueError, ArithmeticError):
            continue
        if isinstance(number, Decimal):
            number = float(number)
        if number is not pd.NA:
            noted[name] = number.item() if hasattr(number, "item") else number
    return noted


def summary_of(value: Any) -> Any:
    """What pandas describes of a frame or series, without the columns that it cannot; ``None`` if these are all."""
    columns = [value.iloc[:, place] for place in range(value.shape[1])] if value.ndim > 1 else [value]
    for can_be_described in (_is_describable, _was_described):
        kept = [can_be_described(column) for column in columns]
        if not any(kept):
            break
        with suppress(*_FAILURES):
            return (value.loc[:, kept] if value.ndim > 1 else value).describe()
    return None


def _is_describable(column: Any) -> bool:
    """Whether a column looks as if pandas could describe it."""
    return _has_hashes(column) if column.dtype == object else not _is_of_complex_numbers(column)


def _was_described(column: Any) -> bool:
    """Whether pandas describes a column, which is tried."""
    if not _is_describable(column):
        return False
    try:
        column.describe()
    except _FAILURES:
        return False
    return True


def _has_hashes(column: Any) -> bool:
    try:
        for held in column:
            hash(held)
    except TypeError:
        return False
    return True


def _is_of_real_numbers(column: Any) -> bool:
    import pandas as pd

    is_numeric = _dtype_is(pd.api.types.is_numeric_dtype, column) and not pd.api.types.is_bool_dtype(column.dtype)
    return is_numeric and not _is_of_complex_numbers(column)


def _is_of_complex_numbers(column: Any) -> bool:
    import pandas as pd

    return _dtype_is(pd.api.types.is_complex_dtype, column)


def _dtype_is(is_kind: Callable[[Any], bool], column: Any) -> bool:
    """What pandas says of a column's dtype; it knows nothing of some types of Arrow, none of which is a number."""
    try:
        return is_kind(column.dtype)
    except NotImplementedError:
        return False
