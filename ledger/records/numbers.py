"""Numbers as users give them: Python's own, and those of libraries such as numpy.

The one place that says what counts as one, so that a number from an array is taken wherever a literal is.
"""

import math
import numbers
import operator
import sys

from ledger.errors import ArgumentError, ArgumentTypeError
from ledger.wording import shown_with_type

_NUMPY_1_BOOL = "numpy.bool_"
"""The bool of numpy 1, which has an ``__index__`` (with a warning); that of numpy 2 has none."""


def whole_number(value: object) -> int | None:
    """The int that a value is, by ``__index__``; ``None`` for anything else, also for a bool, which counts nothing."""
    kind = type(value)
    if kind is bool or not hasattr(kind, "__index__") or f"{kind.__module__}.{kind.__name__}" == _NUMPY_1_BOOL:
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]  # the call is the test
    except TypeError:
        return None  # an array has the method too, but a number only if it holds a single integer


def check_limit(limit: object) -> int | None:
    """How many things a caller wants at most, ``None`` for all; one beyond any list's length becomes `sys.maxsize`."""
    if limit is None:
        return None
    number = whole_number(limit)
    if number is None or number < 0:
        raise ArgumentError(f"a limit is a whole number from 0, got {shown_with_type(limit)}")
    return min(number, sys.maxsize)


def check_number(value: object, what: str) -> float:
    """A number as a float, infinite where it is too large for one; ``what`` names it in errors.

    Raises `ArgumentTypeError` for anything else, also for a bool.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ArgumentTypeError(f"{what} is a number, got {shown_with_type(value)}")
    try:
        return float(value)
    except OverflowError:
        return -math.inf if value < 0 else math.inf
