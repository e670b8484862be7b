"""Sparse matrices and arrays of scipy, as the npy arrays they are made of.

``sparse.json`` says which format, whether matrix or array, and the shape. Compressed
formats are checked in full when they are read: scipy's C code trusts its indices.
"""

import json
from typing import Any, ClassVar

from ledger.enums import ArtifactType
from ledger.errors import MaterializerError
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.npy import read_npy, write_npy
from ledger.materializers.registry import LAST_RESORT, materializer_named
from ledger.wording import shown

_PARTS = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "bsr": ("data", "indices", "indptr"),
    "dia": ("data", "offsets"),
    "coo": ("data",),
    "dok": ("data",),
    "lil": ("data",),
}
_AS_COO = ("coo", "dok", "lil")
"""Formats that are kept as coo, whose coordinates are files of their own; dok and lil have no arrays."""


class ScipySparseMaterializer(BaseMaterializer):
    """A sparse matrix or array in any of scipy's formats."""

    REGISTRY_KEY: ClassVar[str] = "scipy.sparse/1"
    ASSOCIATED_TYPE_NAMES: ClassVar[tuple[str, ...]] = (
        "scipy.sparse._base._spbase",
        "scipy.sparse._matrix.spmatrix",
        "scipy.sparse._base.spmatrix",
    )
    ASSOCIATED_ARTIFACT_TYPE: ClassVar[ArtifactType] = ArtifactType.DATA
    EXTRA: ClassVar[str] = "scipy"

    def save(self, value: Any) -> None:
        """Write ``sparse.json`` and an npy file for each array that makes up the value."""
        import scipy.sparse

        layout = value.format
        container = "array" if isinstance(value, scipy.sparse.sparray) else "matrix"
        if type(value) is not getattr(scipy.sparse, f"{layout}_{container}", None):  # a class derived from it
            self.save_as(materializer_named(LAST_RESORT), value)
            return
        taken = value.tocoo() if layout in _AS_COO else value
        parts = {name: getattr(taken, name) for name in _PARTS[layout]}
        if layout in _AS_COO:
            parts |= {f"coordinates{axis}": index for axis, index in enumerate(_coordinates(taken))}
        for name, array in parts.items():
            with self.open(f"{name}.npy", "wb") as file:
                write_npy(file, array)
        with self.open("sparse.json", "w") as file:
            json.dump({"format": layout, "container": container, "shape": list(value.shape)}, file)

    def load(self, data_type: type | None) -> Any:
        """The matrix or array, in the format it had."""
        import scipy.sparse

        with self.open("sparse.json") as file:
            facts = json.load(file)
        layout, shape = facts["format"], tuple(facts["shape"])
        if layout not in _PARTS or facts["container"] not in ("array", "matrix"):
            raise MaterializerError(
                f"sparse.json names the format {shown(layout)}, which scipy does not have", format=layout
            )
        through = "coo" if layout in _AS_COO else layout
        make = getattr(scipy.sparse, f"{through}_{facts['container']}")
        arrays = [self._read(name) for name in _PARTS[layout]]
        if through == "coo":
            coordinates = tuple(self._read(f"coordinates{axis}") for axis in range(len(shape)))
            return make((arrays[0], coordinates), shape=shape).asformat(layout)
        value = make(tuple(arrays), shape=shape)
        for name, array in zip(_PARTS[layout], arrays, strict=True):
            # Of wide indices scipy makes narrow ones where these would do.
            setattr(value, name, getattr(value, name).astype(array.dtype, copy=False))
        if layout != "dia":
            value.check_format(full_check=True)
        return value

    def extract_metadata(self, value: Any) -> dict[str, Any]:
        """``shape``, ``dtype`` and ``nnz``, the number of stored elements."""
        return {"shape": list(value.shape), "dtype": str(value.dtype), "nnz": int(value.nnz)}

    def _read(self, name: str) -> Any:
        with self.open(f"{name}.npy", "rb") as file:
            return read_npy(file, name)


def _coordinates(triples: Any) -> tuple[Any, ...]:
    """The index arrays of a coo value; older scipy knows only rows and columns."""
    return tuple(triples.coords) if hasattr(triples, "coords") else (triples.row, triples.col)
