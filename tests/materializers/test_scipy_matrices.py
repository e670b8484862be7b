"""Sparse values keep their format, container, dtype and numbers."""

import io
from typing import Any

import pytest

from ledger.errors import MaterializerError
from tests.kit.materializing import Bench, MaterializerContract

np = pytest.importorskip("numpy")
sparse = pytest.importorskip("scipy.sparse")


class TestSparse(MaterializerContract):
    """All formats, as matrix and as array."""

    key = "scipy.sparse/1"

    def values(self) -> list[Any]:
        dense = np.array([[0, 1.5, 0, 0], [2, 0, 0, 3]])
        formats = ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")
        made = [getattr(sparse, f"{name}_{kind}")(dense) for name in formats for kind in ("matrix", "array")]
        wide = [getattr(sparse, name)(dense) for name in ("csr_array", "csc_matrix", "bsr_matrix")]
        for value in wide:
            value.indices, value.indptr = value.indices.astype("i8"), value.indptr.astype("i8")
        diagonals = sparse.dia_array(dense)
        diagonals.offsets = diagonals.offsets.astype("i8")
        return [*made, sparse.csr_matrix((3, 4), dtype="i2"), *wide, diagonals]

    def same(self, left: Any, right: Any) -> bool:
        names = [name for name in ("indices", "indptr", "offsets") if hasattr(left, name)]
        indices = all(getattr(left, name).dtype == getattr(right, name).dtype for name in names)
        return bool(left.dtype == right.dtype and left.shape == right.shape and indices and (left != right).nnz == 0)


@pytest.mark.parametrize("layout", ["csr", "csc", "bsr"])
def test_indices_that_lie_are_refused(bench: Bench, layout: str) -> None:
    """Indices beyond the shape never reach scipy's C code."""
    saved, held = bench.save(getattr(sparse, f"{layout}_array")(np.eye(3)))
    indices = io.BytesIO()
    np.save(indices, np.array([0, 1, 9], "i4"))
    with pytest.raises(MaterializerError):
        bench.load(saved, held | {"indices.npy": indices.getvalue()})


def test_metadata(bench: Bench) -> None:
    """Shape, dtype and the number of stored elements are noted."""
    assert bench.save(sparse.csr_matrix(np.eye(2)))[0].metadata == {"shape": [2, 2], "dtype": "float64", "nnz": 2}


class Tagged(sparse.csr_matrix):  # type: ignore[misc, name-defined]
    pass


def test_a_class_of_ones_own_is_left_to_the_last_resort(bench: Bench) -> None:
    """A matrix of a derived class is not made scipy's own."""
    value = Tagged(np.eye(2))
    value.tag = "x"
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(value)
    loaded = bench.load(saved, held, trusted=True)
    assert (saved.key, Tagged, "x") == ("builtin.cloudpickle/1", type(loaded), loaded.tag)
