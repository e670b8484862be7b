"""The npy format, read and written on streams without pickle.

Owns the checks that numpy's own reader leaves out: the header is bounded, and the file
must hold exactly as many bytes as the header says before memory is taken for them.
"""

import ast
import math
import mmap
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any, Literal

from ledger.errors import MaterializerError

if TYPE_CHECKING:
    import numpy as np

_MAGIC = b"\x93NUMPY"
_HEADER_LIMIT = 1 << 20
_LARGE = 1 << 20  # bytes
_PLAIN = (1, 0)
_UNICODE = (3, 0)


def write_npy(file: IO[bytes], array: "np.ndarray[Any, Any]") -> None:
    """Write an array in its memory order; object arrays are refused by numpy."""
    import numpy as np

    array = with_clean_padding(array)
    if not _are_fields_in_order(array.dtype):
        from numpy.lib.recfunctions import repack_fields

        array = repack_fields(array, recurse=True)  # type: ignore[no-untyped-call, unused-ignore]
    # Only field names can need the newer version of the header; numpy would warn if it chose that itself.
    version = _PLAIN if array.dtype.names is None else _UNICODE
    if version == _PLAIN and array.nbytes >= _LARGE and not array.dtype.hasobject and array.flags.forc:
        # numpy would copy it on its way, piece by piece; this writes its memory as it lies there.
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        rows = np.asarray(array if array.flags.c_contiguous else array.T)
        file.write(rows.reshape(-1).view(np.uint8).data)
    else:
        np.lib.format.write_array(file, array, version=version, allow_pickle=False)


def read_npy(file: IO[bytes], name: str) -> "np.ndarray[Any, Any]":
    """The array in a stream that can seek; `MaterializerError` if it is not what its header says."""
    import numpy as np

    dtype, shape, is_fortran = _checked_header(file, name)
    array = _new_array(math.prod(shape), dtype)
    if array.nbytes:
        file.readinto(array.view(np.uint8).data)  # type: ignore[attr-defined]  # every binary stream has it
    return array.reshape(shape, order="F" if is_fortran else "C")


def map_npy(file: IO[bytes], name: str) -> "np.ndarray[Any, Any]":
    """The array in a local file as a map of it, for reading only; `MaterializerError` as `read_npy`."""
    import numpy as np

    dtype, shape, is_fortran = _checked_header(file, name)
    if not math.prod(shape) * dtype.itemsize:
        empty = _new_array(shape, dtype)  # nothing to map
        empty.flags.writeable = False
        return empty
    order: Literal["C", "F"] = "F" if is_fortran else "C"
    if isinstance(file.name, str):
        return np.memmap(file, dtype, "r", file.tell(), shape, order)
    # joblib would give a `memmap` to its workers by the name of its file.
    return np.ndarray(shape, dtype, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), file.tell(), order=order)


def with_clean_padding(array: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """The same numbers, with zeros in the bytes that a long double does not use, instead of what memory held before."""
    import numpy as np

    if array.dtype.char not in "gG" or not array.dtype.isnative:
        return array
    clean: np.ndarray[Any, Any] = np.positive(array, out=np.zeros_like(array))
    return clean


def _are_fields_in_order(dtype: "np.dtype[Any]") -> bool:
    """Whether the fields of a dtype, if it has any, lie one after the other as they are named, as a header says it."""
    try:
        return dtype.names is None or dtype.descr is not None
    except ValueError:
        return False


def _new_array(shape: int | tuple[int, ...], dtype: "np.dtype[Any]") -> "np.ndarray[Any, Any]":
    """An array to be filled. Of texts of no characters, `numpy.empty` would make texts of one."""
    import numpy as np

    return np.ndarray(shape, dtype)


def _checked_header(file: IO[bytes], name: str) -> "tuple[np.dtype[Any], tuple[int, ...], bool]":
    """What the header says, checked against the size of the file; leaves the file where the array begins."""
    dtype, shape, is_fortran = _read_header(file, name)
    start = file.tell()
    found = file.seek(0, 2) - start
    expected = math.prod(shape) * dtype.itemsize
    if found != expected:
        raise MaterializerError(f"{name} holds {found} bytes of array, its header says {expected}", path=name)
    file.seek(start)
    return dtype, shape, is_fortran


def _read_header(file: IO[bytes], name: str) -> "tuple[np.dtype[Any], tuple[int, ...], bool]":
    import numpy as np

    magic = file.read(len(_MAGIC) + 2)
    major = magic[-2] if magic.startswith(_MAGIC) and len(magic) == len(_MAGIC) + 2 else 0
    if major not in (1, 2, 3):
        raise MaterializerError(f"{name} is not an npy file of version 1 to 3: it begins with {magic!r}", path=name)
    length = int.from_bytes(file.read(2 if major == 1 else 4), "little")
    if length > _HEADER_LIMIT:
        raise MaterializerError(f"{name} has a header of {length} bytes, over the limit of {_HEADER_LIMIT}", path=name)
    text = file.read(length).decode("utf-8" if major == 3 else "latin-1")  # noqa: PLR2004  # the version that brought UTF-8
    header = _parsed(text)
    dtype = np.lib.format.descr_to_dtype(header["descr"])
    shape = header["shape"]
    if dtype.hasobject or not all(type(length) is int and length >= 0 for length in shape):
        raise MaterializerError(f"{name} declares dtype {dtype} and shape {shape}, which are not data", path=name)
    return dtype, tuple(shape), bool(header["fortran_order"])


@lru_cache(maxsize=16)  # a value may have very many arrays that are alike
def _parsed(header: str) -> Any:
    """A header as Python literals. No dtype is kept here, because the names of its fields can be changed in place."""
    return ast.literal_eval(header)  # literals only: nothing is evaluated
