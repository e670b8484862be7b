"""Arrays of numpy, as npy without pickle.

A plain array is one file, ``data.npy``. A masked array, a matrix or an array of records
has ``array.json`` beside it that says so. Arrays of objects and of numpy's own variable
texts become a tree of JSON; a subclass that this program does not know is left to the last
resort, because it would lose what makes it one. Pictures are drawn only where matplotlib is
loaded already: nobody waits for a plotting library to save an array.
"""

import json
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from ledger.enums import ArtifactType, VisualizationType
from ledger.errors import MaterializerError
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.npy import map_npy, read_npy, write_npy
from ledger.materializers.registry import JSON, LAST_RESORT, materializer_named, qualified_name
from ledger.materializers.statistics import describe_numbers, describe_words

if TYPE_CHECKING:
    import numpy as np

_KINDS = {
    "numpy.ndarray": "plain",
    "numpy.memmap": "plain",
    "numpy.matrix": "matrix",
    "numpy.matrixlib.defmatrix.matrix": "matrix",
    "numpy.recarray": "records",
    "numpy.rec.recarray": "records",
    "numpy.ma.MaskedArray": "masked",
    "numpy.ma.core.MaskedArray": "masked",
}
_PICTURE_LIMIT = 1 << 24
_OF_ANOTHER_LIBRARY = 2  # what numpy says in `dtype.isbuiltin`


class NumpyMaterializer(BaseMaterializer):
    """A numpy array of any dtype and shape, in its memory order."""

    REGISTRY_KEY: ClassVar[str] = "numpy.npy/1"
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = ("numpy.ndarray",)
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    EXTRA: ClassVar[str] = "numpy"

    def save(self, value: Any) -> None:
        """Write ``data.npy``, and what a kind of array has beside its numbers."""
        import numpy as np

        kind = _kind_of(value)
        if kind is None:
            self.save_as(materializer_named(LAST_RESORT), value)
        elif value.dtype.kind in "OT" and kind == "plain":
            self.save_as(materializer_named(JSON), value)
        elif value.dtype.hasobject:
            raise MaterializerError(
                f"a {kind} array of dtype {value.dtype} holds Python objects, which only pickle could save",
                hint="convert it to a dtype of numbers or texts, or to a list",
                dtype=str(value.dtype),
            )
        else:
            self._write("data.npy", np.asarray(value))
            if kind != "plain":
                self._write_kind(kind, value)

    def load(self, data_type: type | None) -> Any:
        """The array; mapped from its file where the caller wants that."""
        import numpy as np

        facts: dict[str, Any] = {"kind": "plain"}
        if "array.json" in self.files.paths():
            with self.open("array.json") as file:
                facts = json.load(file)
        kind = facts["kind"]
        array = self._map() if self.mmap else self._read("data.npy")
        if kind == "masked":
            fill: Any = self._read("fill_value.npy")[()] if "fill_value.npy" in self.files.paths() else None
            mask: Any = self._read("mask.npy") if "mask.npy" in self.files.paths() else np.ma.nomask
            return np.ma.MaskedArray(array, mask=mask, fill_value=fill, hard_mask=facts["hard_mask"])
        if kind == "records":
            return array.view(np.recarray)
        if kind == "plain of records":
            return array.view((np.record, array.dtype))
        return array.view(np.matrix) if kind == "matrix" else array

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``shape`` and ``dtype``; ``mean``, ``std``, ``min``, ``max`` of numbers; counts of the words of texts."""
        import numpy as np

        noted: dict[str, Any] = {"shape": list(value.shape), "dtype": str(value.dtype)}
        if value.dtype.kind in "US":
            shown = value.compressed() if isinstance(value, np.ma.MaskedArray) else np.asarray(value)
            return noted | describe_words(shown)
        if value.dtype.kind not in "iuf":
            return noted
        hidden = np.ma.getmask(value)
        return noted | describe_numbers(np.asarray(value), hidden=None if hidden is np.ma.nomask else hidden)

    def save_visualizations(self, value: Any) -> dict[str, VisualizationType]:
        """``histogram.png`` of a row of numbers, ``image.png`` of what looks like a picture."""
        if "matplotlib" not in sys.modules or value.dtype.kind not in "iuf" or not 0 < value.size <= _PICTURE_LIMIT:
            return {}
        if value.ndim == 1:
            import numpy as np

            row = np.ma.masked_invalid(value).compressed()  # a histogram has no place for NaN and infinities
            return self._draw("histogram.png", lambda axes: axes.hist(row, bins=min(row.size, 100))) if row.size else {}
        if value.ndim == 3 and value.shape[2] in (3, 4):  # noqa: PLR2004  # height, width, RGB or RGBA
            return self._draw("image.png", lambda axes: axes.imshow(value))
        return {}

    def _draw(self, name: str, draw: Any) -> dict[str, VisualizationType]:
        # Not through pyplot: a figure of its own needs no display and leaves the user's figures alone.
        from matplotlib.figure import Figure

        figure = Figure()
        draw(figure.subplots())
        with self.open(name, "wb") as file:
            figure.savefig(file, format="png")
        return {name: VisualizationType.IMAGE}

    def _write_kind(self, kind: str, value: Any) -> None:
        """Write ``array.json`` and, of a masked array, its mask and fill value."""
        import numpy as np

        facts: dict[str, Any] = {"kind": kind}
        if kind == "masked":
            facts["hard_mask"] = bool(value.hardmask)
            if value.mask is not np.ma.nomask:
                self._write("mask.npy", np.asarray(value.mask))
            fill = value._fill_value  # noqa: SLF001  # the public one makes up a default and keeps it
            # A default that numpy made up is not of the array's dtype, which would cut it: in a byte, 999999 would be
            # 63.
            if fill is not None and (fill.dtype == value.dtype or fill != np.ma.default_fill_value(value.dtype)):
                self._write("fill_value.npy", np.asarray(fill))
        with self.open("array.json", "w") as file:
            json.dump(facts, file)

    def _write(self, name: str, array: "np.ndarray[Any, Any]") -> None:
        with self.open(name, "wb") as file:
            write_npy(file, array)

    def _map(self) -> "np.ndarray[Any, Any]":
        with self.files.local("data.npy") as file:
            return map_npy(file, "data.npy")

    def _read(self, name: str) -> "np.ndarray[Any, Any]":
        with self.open(name, "rb") as file:
            return read_npy(file, name)


def _kind_of(value: Any) -> str | None:
    """What kind of array a value is, if this program knows all that makes it one."""
    import numpy as np

    kind = _KINDS.get(qualified_name(type(value)))
    if not _is_of_npy(value.dtype):
        return None
    if kind == "plain" and issubclass(value.dtype.type, np.record):
        return "plain of records"
    if kind == "masked" and _KINDS.get(qualified_name(value.baseclass)) != "plain":
        return None
    return kind


def _is_of_npy(dtype: "np.dtype[Any]") -> bool:
    """Whether npy says all of a dtype.

    Of one that another library made, such as bfloat16, it keeps the bytes alone; of numbers with fields, the fields.
    """
    import numpy as np

    if dtype.names is None:
        return dtype.isbuiltin != _OF_ANOTHER_LIBRARY
    fields = (dtype[name].base for name in dtype.names)
    return issubclass(dtype.type, np.void) and all(map(_is_of_npy, fields))
