"""Tables of Arrow and frames of polars.

An Arrow table is an Arrow IPC stream, which holds every Arrow type exactly and streams;
it is validated in full when it is read, because Arrow's C++ code trusts its offsets. A
polars frame or series is parquet, as polars itself writes it. Its columns of enums are noted
beside it, because another release of polars reads them as categoricals.
"""

import json
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from ledger.enums import ArtifactType
from ledger.errors import MaterializerError, MaterializerTypeError
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.registry import LAST_RESORT, materializer_named
from ledger.materializers.statistics import describe_columns
from ledger.wording import shown

_ENUMS = "enums.json"
_REASON_LIMIT = 300


class ArrowMaterializer(BaseMaterializer):
    """A ``pyarrow.Table``."""

    REGISTRY_KEY: ClassVar[str] = "pyarrow.ipc/1"
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = ("pyarrow.lib.Table",)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    EXTRA: ClassVar[str] = "pandas"

    def save(self, value: Any) -> None:
        """Write ``data.arrows``; raises `MaterializerTypeError` for a table that Arrow could not read again."""
        import pyarrow as pa

        value.validate(full=True)
        _refuse_unreadable(value.schema)
        with self.open("data.arrows", "wb") as file, pa.ipc.new_stream(file, value.schema) as writer:
            writer.write_table(value)

    def load(self, data_type: type | None) -> Any:
        """The table; mapped from its file where the caller wants that."""
        import pyarrow as pa

        if self.mmap:
            with self.files.local("data.arrows") as file:
                # The table keeps the map, and with it the bytes.
                source = pa.BufferReader(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            table = pa.ipc.open_stream(source).read_all()
        else:
            with self.open("data.arrows", "rb") as file:
                table = pa.ipc.open_stream(file).read_all()
        table.validate(full=True)
        return table

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``shape``, and ``dtype``, ``mean``, ``std``, ``min`` and ``max`` by column."""
        columns = zip(value.schema, value.columns, strict=True)
        described = describe_columns((field.name, field.type, _describe_arrow(column)) for field, column in columns)
        return {"shape": list(value.shape), **described}


class PolarsMaterializer(BaseMaterializer):
    """A data frame or a series of polars."""

    REGISTRY_KEY: ClassVar[str] = "polars.parquet/1"
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = (
        "polars.dataframe.frame.DataFrame",
        "polars.series.series.Series",
        "polars.lazyframe.frame.LazyFrame",
    )
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    EXTRA: ClassVar[str] = "polars"

    def save(self, value: Any) -> None:
        """Write ``data.parquet``, the enums there are, and ``series.json`` with the name of a series."""
        import polars as pl

        if isinstance(value, pl.LazyFrame):
            raise MaterializerTypeError(
                "a polars LazyFrame is a plan, not data, and cannot be saved", hint="save value.collect() instead"
            )
        if type(value) not in (pl.DataFrame, pl.Series):
            self.save_as(materializer_named(LAST_RESORT), value)
            return
        _refuse_objects(value)
        frame = value.to_frame("values") if isinstance(value, pl.Series) else value
        with _panics():
            frame.write_parquet(self.files.folder() / "data.parquet", compression="uncompressed")
        enums = [
            [place, dtype.categories.to_list()]
            for place, dtype in enumerate(frame.dtypes)
            if isinstance(dtype, pl.Enum)
        ]
        if enums:
            with self.open(_ENUMS, "w") as file:
                json.dump(enums, file)
        if frame is not value:
            with self.open("series.json", "w") as file:
                json.dump({"name": value.name}, file)

    def load(self, data_type: type | None) -> Any:
        """The frame or series."""
        import polars as pl

        with self.open("data.parquet", "rb") as file:
            data: bytes = file.read()  # polars reads all of it at once too, and ends in a panic where a file fails
        with _panics():
            frame = pl.read_parquet(data, use_pyarrow=False)
        for place, categories in self._enums():
            column = frame.to_series(place)
            if not isinstance(column.dtype, pl.Enum):
                frame.replace_column(place, column.cast(pl.Enum(categories)))
        if "series.json" not in self.files.paths():
            return frame
        with self.open("series.json") as file:
            return frame.to_series().alias(json.load(file)["name"])

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``shape`` and ``dtype``, and ``mean``, ``std``, ``min``, ``max``; for a frame by column."""
        shape = list(value.shape)
        if len(shape) == 1:
            return {"shape": shape, "dtype": str(value.dtype), **_describe_polars(value)}
        described = describe_columns((column.name, column.dtype, _describe_polars(column)) for column in value)
        return {"shape": shape, **described}

    def _enums(self) -> list[tuple[int, list[str]]]:
        """The places of the columns that were enums, and the categories of each."""
        if _ENUMS not in self.files.paths():
            return []
        with self.open(_ENUMS) as file:
            return [(place, categories) for place, categories in json.load(file)]


def _refuse_unreadable(schema: Any) -> None:
    """Raise `MaterializerTypeError` for a dictionary of dictionaries, which Arrow writes and does not read."""
    for field in schema:
        if _holds_dictionary_of_dictionaries(field.type):
            raise MaterializerTypeError(
                f"column {shown(field.name)} is {field.type}, and Arrow reads no dictionary of dictionaries",
                hint="decode the outer dictionary: array.dictionary_decode()",
            )


def _holds_dictionary_of_dictionaries(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return pa.types.is_dictionary(kind.value_type) or _holds_dictionary_of_dictionaries(kind.value_type)
    return any(_holds_dictionary_of_dictionaries(kind.field(place).type) for place in range(kind.num_fields))


def _describe_arrow(column: Any) -> dict[str, Any]:
    """``mean``, ``std``, ``min`` and ``max`` of a column of integers or floats, as far as it has them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_integer(column.type) or pa.types.is_float32(column.type) or pa.types.is_float64(column.type)):
        return {}
    extremes = pc.min_max(column).as_py()
    return _known({"mean": pc.mean(column).as_py(), "std": pc.stddev(column, ddof=1).as_py(), **extremes})


def _describe_polars(column: Any) -> dict[str, Any]:
    """``mean``, ``std``, ``min`` and ``max`` of a column of integers or floats, as far as it has them."""
    if not (column.dtype.is_integer() or column.dtype.is_float()):
        return {}
    return _known({"mean": column.mean(), "std": column.std(), "min": column.min(), "max": column.max()})


def _known(statistics: dict[str, Any]) -> dict[str, Any]:
    return {name: number for name, number in statistics.items() if number is not None}


def _refuse_objects(value: Any) -> None:
    """Raise `MaterializerError` for a frame or series that holds Python objects."""
    import polars as pl

    kind, columns = ("series", [value]) if isinstance(value, pl.Series) else ("column", value.get_columns())
    for column in columns:
        if column.dtype == pl.Object:
            raise MaterializerError(
                f"the {kind} {column.name!r} has the dtype Object, which polars cannot write",
                hint=f"convert the {kind} to a dtype of polars' own",
                column=column.name,
            )


@contextmanager
def _panics() -> Iterator[None]:
    """Turn a panic of polars, which ``except Exception`` does not catch, into a `MaterializerError`."""
    import polars as pl

    try:
        yield
    except pl.exceptions.PanicException as error:
        reason = (str(error).splitlines() or [""])[0][:_REASON_LIMIT]
        raise MaterializerError(
            f"polars {pl.__version__} ends in a panic: {reason}", hint="another release of polars may not"
        ) from error
