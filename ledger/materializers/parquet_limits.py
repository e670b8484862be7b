"""What parquet cannot hold, though Arrow can: refused here, because Arrow would end the process.

* A time in whole seconds that is too far from 1970: parquet knows no seconds, and counts milliseconds in 64 bits.
* A text, or bytes, of almost 2 GiB: parquet counts the bytes of a page in 32 bits.

Either may be deep in a column, in the lists, structs, maps or dictionaries that it is made of.
"""

from collections.abc import Iterable
from typing import Any

from ledger.errors import MaterializerError

_LENGTH_LIMIT = 2**31 - 2**20  # bytes of one value
_SECONDS_LIMIT = (2**63 - 1) // 1000 - 1  # the one farther back loses its sign in numpy


def check_limits(array: Any, label: str) -> None:
    """Raise `MaterializerError` for a value in an Arrow array that parquet cannot hold; ``label`` names the column."""
    import pyarrow as pa

    may_be_long = _may_hold_long_values(array)
    if not may_be_long and not _may_hold_seconds(array):
        return
    if pa.types.is_nested(array.type):
        for part in _parts(array):
            check_limits(part, label)
    elif pa.types.is_dictionary(array.type):
        check_limits(array.dictionary, label)
    elif pa.types.is_timestamp(array.type) and array.type.unit == "s":
        _check_seconds(array, label)
    elif may_be_long:
        _check_lengths(array, label)


def _may_hold_long_values(array: Any) -> bool:
    """Whether an array, or a part of it, is of texts or bytes and takes more room than one value may."""
    text = str(array.type)
    return array.nbytes > _LENGTH_LIMIT and ("large_string" in text or "large_binary" in text)


def _may_hold_seconds(array: Any) -> bool:
    """Whether an array, or a part of it, is of times in whole seconds."""
    return "timestamp[s" in str(array.type)


def _parts(array: Any) -> Iterable[Any]:
    """What a nested array is made of."""
    import pyarrow as pa

    if pa.types.is_map(array.type):
        return array.keys, array.items
    parts = array.flatten()
    return parts if isinstance(parts, list) else (parts,)


def _check_seconds(array: Any, label: str) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    for bound in pc.min_max(array.cast(pa.int64())).as_py().values():
        if bound is not None and abs(bound) > _SECONDS_LIMIT:
            raise MaterializerError(
                f"column {label} holds a time {bound} seconds from 1970, over the {_SECONDS_LIMIT} of parquet",
                hint="convert the column to whole numbers",
                column=label,
            )


def _check_lengths(array: Any, label: str) -> None:
    import pyarrow.compute as pc

    longest = pc.max(pc.binary_length(array)).as_py()
    if longest is not None and longest > _LENGTH_LIMIT:
        raise MaterializerError(
            f"column {label} holds a value of {longest} bytes, over the {_LENGTH_LIMIT} of parquet",
            hint="save that value as an artifact of its own, or in parts",
            column=label,
        )
