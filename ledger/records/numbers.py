"""Numbers as users give them: Python's own, and those of libraries such as numpy.

The one place that says what counts as one, so that a number from an array is taken wherever a literal is.
"""

import math
import numbers
import operator
import sys

from ledger.errors import ArgumentError, ArgumentTypeError
from ledger.wording import shown_with_type

_TRUTH_OF_NUMPY_1 = "numpy.bool_"
"""The bool of numpy 1, which has an ``__index__`` (with a warning); that of numpy 2 has none."""


def whole_number(value: object) -> int | None:
    """The int that a value is, by ``__index__``; ``None`` for anything else, and for a bool, which is an answer."""
    kind = type(value)
    if kind is bool or not hasattr(kind, "__index__") or f"{kind.__module__}.{kind.__name__}" == _TRUTH_OF_NUMPY_1:
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]  # asking is the test
    except TypeError:
        return None  # an array has the method too, and its number only if it holds a single one


def check_limit(limit: object) -> int | None:
    """How many things are wanted at most, or ``None`` for all; a number beyond any list is the largest one."""
    if limit is None:
        return None
    number = whole_number(limit)
    if number is None or number < 0:
        raise ArgumentError(f"a limit is a whole number from 0, got {shown_with_type(limit)}")
    return min(number, sys.maxsize)


def check_number(value: object, what: str) -> float:
    """The number that a value is; one beyond every float is infinite. ``what`` it is for errors.

    Raises `ArgumentTypeError` for anything else, and for a bool, which is an answer.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ArgumentTypeError(f"{what} is a number, got {shown_with_type(value)}")
    try:
        return float(value)
    except OverflowError:
        return -math.inf if value < 0 else math.inf
