"""Types of Arrow: as JSON, and on their way through parquet, which does not bring back all of them."""

import functools
import io
from typing import Any

from ledger.materializers.atoms import Json, from_base64, to_base64


def encode_arrow_type(kind: Any) -> Json:
    """A type of Arrow by its text, for people, and as Arrow itself writes it."""
    import pyarrow as pa

    written = pa.schema([pa.field("type", kind)]).serialize().to_pybytes()
    return {"arrow": str(kind), "type": to_base64(written)}


def decode_arrow_type(held: Json) -> Any:
    """The type of Arrow that was written."""
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(from_base64(held["type"]))).field(0).type


@functools.lru_cache(maxsize=256)
def survives_parquet(kind: Any) -> bool:
    """Whether a column of an Arrow type still has it after a way through parquet; found out by trying."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    try:
        pq.write_table(pa.table({"x": pa.nulls(1, kind)}), file)
        return bool(with_type(pq.read_table(file).column(0), kind).type == kind)
    except (pa.ArrowException, NotImplementedError, OSError):  # the last as of a decimal with a negative scale
        return False


def with_type(column: Any, kind: Any) -> Any:
    """A column in the Arrow type it had before parquet."""
    import pyarrow as pa

    if column.type == kind and str(column.type) == str(kind):  # equal ones may call their fields differently
        return column
    if pa.types.is_dictionary(kind) and not pa.types.is_dictionary(column.type):
        column = column.cast(kind.value_type).dictionary_encode()
    return column.cast(kind)
