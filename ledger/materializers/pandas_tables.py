"""Data frames and series of pandas, as one parquet file.

Written uncompressed with content-defined pages, so that a new version of a table shares
most of its chunks with the one before; compression is per chunk, below. What parquet
cannot say (labels, index, dtypes, names, attrs) is JSON in the schema's metadata under
``ledger``. Other programs read the columns without it.
"""

import json
import os
from typing import IO, Any, ClassVar

from ledger.enums import ArtifactType, VisualizationType
from ledger.errors import MaterializerError
from ledger.materializers.atoms import Json
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.pandas_columns import decode_column, encode_column
from ledger.materializers.pandas_labels import (
    decode_labels,
    decode_plain,
    encode_frequency,
    encode_labels,
    encode_plain,
    with_frequency,
)
from ledger.materializers.pandas_levels import encode_orders, level_values, with_orders
from ledger.materializers.pandas_statistics import statistics_of, summary_of
from ledger.materializers.parquet_files import write_parquet
from ledger.materializers.registry import LAST_RESORT, materializer_named, qualified_name
from ledger.materializers.statistics import describe_columns
from ledger.notices import warn_user

_FRAMES = ("pandas.DataFrame", "pandas.core.frame.DataFrame")
_SERIES = ("pandas.Series", "pandas.core.series.Series")
_META = b"ledger"
_MOST_DESCRIBED = 1000  # columns: nobody reads more, and each takes pandas longer than it takes to be saved
_LONGEST_TEXT = 2**31 - 1  # bytes of a text in what parquet says of a file; no file has one longer than itself


class PandasMaterializer(BaseMaterializer):
    """A data frame or a series, with index, labels, dtypes, names and attrs."""

    REGISTRY_KEY: ClassVar[str] = "pandas.parquet/1"
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = (*_FRAMES, *_SERIES)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    EXTRA: ClassVar[str] = "pandas"

    def save(self, value: Any) -> None:
        """Write ``data.parquet``."""
        if qualified_name(type(value)) not in self.ASSOCIATED_TYPE_NAMES:
            self.save_as(materializer_named(LAST_RESORT), value)
            return
        table = _to_arrow(value)
        with self.open("data.parquet", "wb") as file:
            write_parquet(table, file)

    def load(self, data_type: type | None) -> Any:
        """The frame or series."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        pool = pa.default_memory_pool()  # it would keep memory that it has no more use for
        with self.open("data.parquet", "rb") as file:
            source = _in_arrow(file)
        # Labels of millions of categories are one text of the file, and longer than Arrow takes by itself.
        table = pq.read_table(source, partitioning=None, thrift_string_size_limit=min(source.size(), _LONGEST_TEXT))
        del source
        pool.release_unused()
        value = _to_pandas(table)
        del table
        pool.release_unused()
        return value

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``shape`` and ``dtype``, and ``mean``, ``std``, ``min``, ``max``; for a frame by column."""
        if value.ndim == 1:
            return {"shape": list(value.shape), "dtype": str(value.dtype)} | statistics_of(value)
        columns = ((label, value.iloc[:, place]) for place, label in enumerate(value.columns))
        described = describe_columns((label, column.dtype, statistics_of(column)) for label, column in columns)
        return {"shape": list(value.shape), **described}

    def save_visualizations(self, value: Any) -> dict[str, VisualizationType]:
        """``describe.csv``, without the columns that pandas cannot describe."""
        import numpy as np

        if value.size == 0 or (value.ndim > 1 and value.shape[1] > _MOST_DESCRIBED):
            return {}
        with np.errstate(all="ignore"):  # numpy would warn of infinities
            summary = summary_of(value)
        if summary is None:
            return {}
        with self.open("describe.csv", "w") as file:
            summary.to_csv(file)
        return {"describe.csv": VisualizationType.CSV}


def _in_arrow(file: IO[bytes]) -> Any:
    """The bytes of a file in memory of Arrow's own, to be read by it.

    Arrow reads in threads that nobody waits for. One that still lets go of an object of Python's when the
    interpreter ends aborts the program.
    """
    import pyarrow as pa

    held = pa.allocate_buffer(file.seek(0, os.SEEK_END))
    file.seek(0)
    file.readinto(held)  # type: ignore[attr-defined]  # every binary stream has it
    return pa.BufferReader(held)


def _to_arrow(value: Any) -> Any:
    """A frame or series as a table; what Arrow cannot say of it is in the table's metadata."""
    import pyarrow as pa

    is_frame = value.ndim == 2  # noqa: PLR2004  # rows and columns
    columns = [value.iloc[:, place] for place in range(value.shape[1])] if is_frame else [value]
    names = _column_names(value.columns if is_frame else [value.name])
    arrays, dtypes = [], []
    for column in columns:
        array, held = encode_column(
            column, repr(column.name) if is_frame or column.name is not None else "of the series"
        )
        arrays.append(array)
        dtypes.append(held)
    index, index_arrays = _encode_index(value.index)
    facts = {
        "kind": "DataFrame" if is_frame else "Series",
        "labels": encode_labels(value.columns) if is_frame else encode_plain(value.name),
        "dtypes": dtypes,
        "index": index,
        "attrs": _encode_attrs(value.attrs),
    }
    if not value.flags.allows_duplicate_labels:
        facts["allows_duplicate_labels"] = False
    names += [f"__index_{level}__" for level in range(len(index_arrays))]
    table = pa.table([*arrays, *index_arrays], names=names)
    return table.replace_schema_metadata({_META: json.dumps(facts)})


def _to_pandas(table: Any) -> Any:
    """The frame or series that a table holds."""
    import pandas as pd

    facts = json.loads((table.schema.metadata or {}).get(_META, b"null"))
    if facts is None:
        raise MaterializerError("data.parquet does not say which frame it holds", path="data.parquet")
    arrays = [decode_column(table.column(place), held) for place, held in enumerate(facts["dtypes"])]
    index = _decode_index(facts["index"], table, len(arrays))
    value: pd.DataFrame | pd.Series[Any]
    if facts["kind"] == "Series":
        value = _as_series(arrays[0], index)
        value.name = decode_plain(facts["labels"])
    else:
        # A series for each column: a frame would guess the dtypes of arrays of objects anew.
        columns = {place: _as_series(array, index) for place, array in enumerate(arrays)}
        value = pd.DataFrame(columns, index=index, copy=False)
        value.columns = decode_labels(facts["labels"])
    value.attrs = decode_plain(facts["attrs"])
    value.flags.allows_duplicate_labels = bool(facts.get("allows_duplicate_labels", True))
    return value


def _as_series(array: Any, index: Any) -> Any:
    """A decoded array as a series; an array of pandas' own is copied.

    It may lie in memory of Arrow's, which nobody can write to.
    """
    import numpy as np
    import pandas as pd

    return pd.Series(array, index=index, dtype=array.dtype, copy=not isinstance(array, np.ndarray))


def _column_names(labels: Any) -> list[str]:
    """Names for columns of parquet: the labels as texts where these are distinct and not ours, else their places."""
    names = [str(label) for label in labels]
    is_usable = len(set(names)) == len(names) and not any(name.startswith("__index_") for name in names)
    if is_usable and all(name.isprintable() for name in names):  # which lone surrogates are not
        return names
    return [str(place) for place in range(len(names))]


def _encode_index(index: Any) -> tuple[Json, list[Any]]:
    """What to say about a row index, and the columns it needs; a range needs none."""
    import pandas as pd

    if isinstance(index, pd.RangeIndex):
        return encode_labels(index), []
    columns = [
        encode_column(pd.Series(level), f"of the index level {place if level.name is None else repr(level.name)}")
        for place, level in enumerate(level_values(index))
    ]
    held = {
        "names": [encode_plain(name) for name in index.names],
        "dtypes": [dtype for _, dtype in columns],
        "is_multi": isinstance(index, pd.MultiIndex),
        "frequency": encode_frequency(index),
    }
    if isinstance(index, pd.MultiIndex):
        held |= encode_orders(index)
    return held, [array for array, _ in columns]


def _decode_index(held: Json, table: Any, first: int) -> Any:
    import pandas as pd

    if "range" in held:
        return decode_labels(held)
    arrays = [decode_column(table.column(first + level), dtype) for level, dtype in enumerate(held["dtypes"])]
    names = [decode_plain(name) for name in held["names"]]
    levels = [pd.Index(array, dtype=array.dtype, tupleize_cols=False) for array in arrays]
    if held["is_multi"]:
        return with_orders(pd.MultiIndex.from_arrays(levels, names=names), held.get("orders"))
    return with_frequency(levels[0].rename(names[0]), held["frequency"])


def _encode_attrs(attrs: dict[Any, Any]) -> Json:
    """The attrs of a frame that are plain values; the others are left out, with a warning."""
    kept = {}
    for key, held in attrs.items():
        try:
            encode_plain({key: held})
        except MaterializerError as error:
            warn_user(f"attrs[{key!r}] is left out: {error}")
        else:
            kept[key] = held
    return encode_plain(kept)
