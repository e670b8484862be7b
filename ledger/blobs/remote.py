"""A store behind any other URL that fsspec understands: SFTP, WebDAV, HDFS, memory and so on.

The only module that imports fsspec. Publishes complete bytes only: in one call
where the service shows an object when it is complete, under a temporary name
and by renaming elsewhere; never through a writer under the object's own name, which would
publish half an object when it is closed by an exception. Every foreign exception becomes one of
`ledger.errors` here.
"""

import contextlib
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO
from urllib.parse import urlsplit, urlunsplit

from ledger.blobs.spooled import blocks_of, holds_file, whole
from ledger.disk import fresh_name
from ledger.errors import ArgumentError, LedgerError, MissingDependencyError, StorageError, StoreUnavailableError
from ledger.forks import ThreadLock
from ledger.system_errors import storage_error

_OBJECT_STORES = frozenset({"oss", "oci", "memory"})
"""Protocols that show an object only when it is complete, and cannot rename."""

_TEMPORARY = "tmp_"

_turns: weakref.WeakKeyDictionary[Any, ThreadLock] = weakref.WeakKeyDictionary()
"""Whose turn it is, for each connection that fsspec keeps; stores of one place share one."""


class FsspecStore:
    """Objects behind a URL; see `Store` for what each call promises.

    Raises `ArgumentError` for a protocol that nobody knows and `MissingDependencyError`
    where its library is not installed.
    """

    def __init__(self, url: str) -> None:
        self._protocol = url.split("://", maxsplit=1)[0].rsplit("::", maxsplit=1)[-1]
        self._url = _without_secrets(url)
        self._files, root = _open_file_system(url, self._protocol)
        self._root = root.rstrip("/")
        # Few of the libraries below can be asked by two threads at once: that of SFTP waits for ever.
        self._turn = _turns.setdefault(self._files, ThreadLock())
        self._is_connected = True

    @property
    def url(self) -> str:
        """The URL as it was given, without user, password, query and final slash."""
        return self._url

    def __repr__(self) -> str:
        return f"FsspecStore({self._url!r})"

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or a part of them, in one request."""
        if length is not None and length <= 0:
            return b""
        if start < 0:
            # Not every service counts from the end.
            start = max(0, start + self._size(key))
        end = start + length if length is not None else None
        with self._mapped(key, "read"):
            # Not every service takes 0 for "from the beginning".
            data = bytes(self._files.cat_file(self._path(key), start=start or None, end=end))
        return data if length is None else data[:length]

    def has(self, key: str) -> bool:
        """Whether the service knows an object of that key."""
        try:
            with self._mapped(key, "read"):
                self._files.info(self._path(key))
        except FileNotFoundError:
            return False
        return True

    def size(self, key: str) -> int | None:
        """The bytes of an object, or ``None`` where there is none."""
        try:
            return self._size(key)
        except FileNotFoundError:
            return None

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        """Upload an object in one piece; nothing happens where it is there already."""
        data = b"".join(parts)
        if self._holds(key, data):
            return
        path = self._path(key)
        with self._mapped(key, "write"):
            if self._protocol in _OBJECT_STORES:
                self._files.pipe_file(path, data)
            else:
                self._put_and_rename(path, lambda staging: self._files.pipe_file(staging, data))

    def put_file(self, key: str, file: BinaryIO) -> None:
        """Upload the bytes of a file, a little at a time where they can be renamed when they are complete."""
        if self._protocol in _OBJECT_STORES:
            self.put(key, [whole(file)])
            return
        if holds_file(self, key, file):
            return
        with self._mapped(key, "write"):
            self._put_and_rename(self._path(key), lambda staging: self._copy(file, staging))

    def list(self, prefix: str) -> Iterator[str]:
        """The keys below a folder, in order; temporary objects are none."""
        folder = prefix.rstrip("/")
        try:
            with self._mapped(folder, "list"):
                found = sorted(self._files.find(self._path(folder)))
        except FileNotFoundError:
            return
        for path in found:
            key = self._key_of(path)
            if not key.rpartition("/")[2].startswith(_TEMPORARY):
                yield key

    def delete(self, key: str) -> None:
        """Remove an object."""
        try:
            with self._mapped(key, "delete"):
                self._files.rm_file(self._path(key))
        except FileNotFoundError:
            return

    def _size(self, key: str) -> int:
        with self._mapped(key, "read"):
            return int(self._files.info(self._path(key))["size"])

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _key_of(self, path: str) -> str:
        """The key of a path that was listed; some services show paths without the slash at their beginning."""
        root, shown = self._root.lstrip("/"), path.lstrip("/")
        if root and not shown.startswith(f"{root}/"):
            raise StorageError(f"cannot list {self._url}: {path!r} is not below {self._root!r}", path=self._url)
        return shown[len(root) :].lstrip("/")

    def _holds(self, key: str, data: bytes) -> bool:
        """Whether an object holds exactly these bytes: presence alone is never trusted."""
        try:
            return self._size(key) == len(data) and self.get(key) == data
        except FileNotFoundError:
            return False

    def _copy(self, file: BinaryIO, path: str) -> None:
        with self._files.open(path, "wb") as target:
            for block in blocks_of(file):
                target.write(block)

    def _put_and_rename(self, path: str, write: Callable[[str], object]) -> None:
        folder = path.rpartition("/")[0]
        staging = f"{folder}/{fresh_name(_TEMPORARY)}"
        self._files.makedirs(folder, exist_ok=True)
        try:
            write(staging)
            self._files.mv(staging, path)
        except BaseException:
            # Best effort after a failure whose error matters more: a leftover is never listed.
            with contextlib.suppress(Exception):
                self._files.rm_file(staging)
            raise

    @contextlib.contextmanager
    def _mapped(self, key: str, doing: str) -> Iterator[None]:
        """Ask in turn, and make our errors of what fsspec and the libraries below raise; "not found" stays as it is."""
        place = f"{self._url}/{key}"
        try:
            with self._turn:
                self._connect()
                try:
                    yield
                except FileNotFoundError:
                    raise
                except Exception:
                    self._is_connected = False
                    raise
        except (FileNotFoundError, LedgerError):
            raise
        except (OSError, EOFError) as error:
            if isinstance(error, OSError) and not _is_cut(error):
                raise storage_error(error, place, doing) from error
            reason = getattr(error, "strerror", None) or str(error) or "the connection was cut"
            raise StoreUnavailableError(f"cannot {doing} {place}: {reason}", path=place) from error
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise StorageError(f"cannot {doing} {place}: {reason}", path=place) from error

    def _connect(self) -> None:
        """Have a connection of one's own after a failure: fsspec keeps one that was cut, and gives it again."""
        if not self._is_connected:
            options = {**self._files.storage_options, "skip_instance_cache": True}
            self._files = type(self._files)(*self._files.storage_args, **options)
            self._is_connected = True


def _open_file_system(url: str, protocol: str) -> tuple[Any, str]:
    """The fsspec file system for a URL, and the path of the store in it."""
    from fsspec import get_filesystem_class
    from fsspec.core import url_to_fs

    # A cached listing would answer "no" for an object that somebody else has put since.
    options = {"use_listings_cache": False} if protocol in _OBJECT_STORES else {}
    shown = _without_secrets(url)
    try:
        get_filesystem_class(protocol)
        files, root = url_to_fs(url, **options)
    except ImportError as error:
        raise MissingDependencyError(
            f"the store {shown} needs a library that is not installed: {error}", hint=str(error), url=shown
        ) from error
    except ValueError as error:
        hint = "use a path, or a URL such as file:///data/store or s3://bucket/folder"
        raise ArgumentError(f"cannot open the store {shown}: {error}", hint=hint, url=shown) from error
    except OSError as error:
        raise storage_error(error, shown, "open") from error
    except Exception as error:
        raise StorageError(f"cannot open the store {shown}: {error}", url=shown) from error
    return files, str(root)


def _is_cut(error: OSError) -> bool:
    """Whether there is no connection any more; the library of SFTP has nothing but words for it."""
    return isinstance(error, ConnectionError | TimeoutError) or str(error) == "Socket is closed"


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")).rstrip("/")
