"""Reads that never lie: an operating system error is an error that names the path, never "not there"."""

import contextlib
import os
from collections.abc import Iterator

from ledger.errors import LedgerError, storage_error

_READ_SIZE = 1 << 20


@contextlib.contextmanager
def storage_errors(path: str | os.PathLike[str], doing: str) -> Iterator[None]:
    """A block whose operating system errors are reported as `StorageError` with the path."""
    try:
        yield
    except LedgerError:
        raise  # several of them are OSErrors too, and say more already
    except OSError as error:
        raise storage_error(error, path, doing) from error


def read_file(path: str | os.PathLike[str], *, start: int = 0, length: int | None = None) -> bytes:
    """The bytes of a file, or of a part of it; a negative ``start`` counts from its end.

    Raises ``FileNotFoundError`` as it is, so that the caller says what is missing,
    and ``StorageError`` for everything else.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            if start:
                size = os.fstat(file.fileno()).st_size
                file.seek(max(0, size + start) if start < 0 else start)
            return _read_up_to(file.fileno(), length)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise storage_error(error, path, "read") from error


def mode_of(path: str | os.PathLike[str], *, follow: bool = True) -> int:
    """What a path is and who may use it, as ``stat`` says it; 0 only where the system says that nothing is there.

    ``os.path.exists`` and its kin call what they cannot look at absent.
    """
    try:
        return os.stat(path, follow_symlinks=follow).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise storage_error(error, path, "read") from error


def close_anyway(descriptor: int) -> None:
    """Close a file through which nothing was written that has to last: where that fails, nothing is lost."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _read_up_to(descriptor: int, length: int | None) -> bytes:
    """Read to the end or to a length, whatever short reads the system serves."""
    pieces: list[bytes] = []
    left = length
    while left is None or left > 0:
        piece = os.read(descriptor, _READ_SIZE if left is None else min(left, _READ_SIZE))
        if not piece:
            break
        pieces.append(piece)
        left = None if left is None else left - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
