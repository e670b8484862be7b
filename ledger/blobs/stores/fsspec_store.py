"""A store behind any other URL that fsspec understands: SFTP, WebDAV, HDFS, memory and so on.

The only module of a store that imports fsspec. Publishes complete bytes only: in one call where the service shows an
object when it is complete, elsewhere under a temporary name and by renaming. A writer under the object's own name would
publish half of it when an exception closes it. Every foreign exception becomes one of `ledger.errors` here.
"""

import contextlib
import errno
import os
import re
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from ledger.blobs.stores.layout import refuse_replacing
from ledger.blobs.stores.spooled import blocks_of, holds_file, whole
from ledger.disk import fresh_name, is_temporary
from ledger.errors import (
    ArgumentError,
    LedgerError,
    MissingDependencyError,
    StorageError,
    StoreAccessError,
    StoreUnavailableError,
)
from ledger.forks import ThreadLock
from ledger.system_errors import storage_error

_OBJECT_STORES = frozenset({"oss", "oci", "memory"})
"""Protocols that show an object only when it is complete, and cannot rename."""

_COPIES = frozenset({"simplecache", "filecache", "blockcache", "cached"})
"""Protocols of fsspec that keep copies of what lies behind them."""

_RUNNING = frozenset({"reference", "dask"})
"""Protocols of fsspec that run what the other end gives: the templates of references, the pickles of a scheduler."""

_LEDGER = "ledger"
"""The protocol by which the versions of a ledger are read, which asks for the store of that ledger."""

_FOLDERS = frozenset({"file", "local"})
"""Folders of this machine, by fsspec's names, in which it syncs nothing; by themselves they are a `LocalStore`'s."""

_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN})
_CUT_WORDS = ("Socket is closed", "Unable to connect to port")
_CUT_KINDS = frozenset({"SSHException", "ConnectionError", "Timeout", "error_temp"})
_ACCESS_KINDS = frozenset({"AuthenticationException", "BadHostKeyException", "SSLError"})
_ACCESS_WORDS = ("No authentication methods available", "530 ")  # the number is FTP's

_SILENT_SECONDS = 120.0

_locks: weakref.WeakKeyDictionary[Any, ThreadLock] = weakref.WeakKeyDictionary()
"""A lock for each connection that fsspec keeps; stores of one place share it."""

_SECRETS = re.compile(r"(?<=/)[^/\s]*@|\?[^\s'\"]+")
"""The parts of a URL that may be secret, and are left out of errors: user and password, and the query."""


class FsspecStore:
    """Objects behind a URL; see `Store` for what each call promises.

    Raises `ArgumentError` for a protocol that nobody knows and `MissingDependencyError`
    where its library is not installed.
    """

    def __init__(self, url: str) -> None:
        self._protocol = url.split("://", maxsplit=1)[0].rsplit("::", maxsplit=1)[-1]
        self._url = _shown(url)
        self._files, root = _open_file_system(url, self._protocol)
        self._root = root.rstrip("/")
        # Few of the libraries below can serve two threads at once: that of SFTP waits for ever.
        self._lock = _locks.setdefault(self._files, ThreadLock())
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
            # Not every service can count from the end.
            start = max(0, start + self._size(key))
        end = start + length if length is not None else None
        with self._asking(key, "read"):
            path = self._path(key)
            try:
                # Not every service takes 0 for "from the beginning".
                data = bytes(self._files.cat_file(path, start=start or None, end=end))
            except OSError as error:
                # Not every service says so when it is a folder that was to be read.
                if isinstance(error, FileNotFoundError) or _is_cut(error) or not self._files.isdir(path):
                    raise
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from error
        return data if length is None else data[:length]

    def has(self, key: str) -> bool:
        """Whether the service knows an object of that key."""
        try:
            with self._asking(key, "read"):
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
        """Upload an object in one piece; nothing happens where one with the same bytes is there already.

        Registered data with other bytes is the user's: `IntegrityError`.
        """
        data = b"".join(parts)
        self._publish(key, lambda path: self._files.pipe_file(path, data), is_same=self._holds(key, data))

    def put_file(self, key: str, file: BinaryIO) -> None:
        """Upload the bytes of a file, a little at a time where they can be renamed when they are complete."""
        if self._protocol in _OBJECT_STORES:
            self.put(key, [whole(file)])
        else:
            self._publish(key, lambda path: self._copy(file, path), is_same=holds_file(self, key, file))

    def list(self, prefix: str) -> Iterator[str]:
        """The keys below a folder, in order; temporary objects are left out."""
        folder = prefix.rstrip("/")
        try:
            with self._asking(folder, "list"):
                found = sorted(self._files.find(self._path(folder)))
        except FileNotFoundError:
            return
        for path in found:
            key = self._key_of(path)
            if not is_temporary(key.rpartition("/")[2]):
                yield key

    def delete(self, key: str) -> None:
        """Remove an object."""
        with contextlib.suppress(FileNotFoundError), self._asking(key, "delete"):
            self._files.rm_file(self._path(key))

    def _size(self, key: str) -> int:
        with self._asking(key, "read"):
            return int(self._files.info(self._path(key))["size"])

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def _key_of(self, path: str) -> str:
        """The key of a path that was listed; some services show paths without the slash at their beginning."""
        root, shown = self._root.lstrip("/"), path.lstrip("/")
        if root and not shown.startswith(f"{root}/"):
            raise StorageError(f"cannot list {self._url}: {path!r} is not below {self._root!r}", path=self._url)
        return shown[len(root) :].lstrip("/")

    def _holds(self, key: str, data: bytes) -> bool | None:
        """Whether an object holds exactly these bytes, ``None`` without one: presence alone is never trusted."""
        try:
            return self._size(key) == len(data) and self.get(key) == data
        except FileNotFoundError:
            return None

    def _copy(self, file: BinaryIO, path: str) -> None:
        with self._files.open(path, "wb") as target:
            for block in blocks_of(file):
                target.write(block)

    def _publish(self, key: str, write: Callable[[str], object], *, is_same: bool | None) -> None:
        """Let ``write`` make an object, unless the one that is there ``is_same``; another one may be the user's."""
        if is_same:
            return
        if is_same is False:
            refuse_replacing(self._url, key)
        with self._asking(key, "write"):
            if self._protocol in _OBJECT_STORES:
                write(self._path(key))
            else:
                self._put_and_rename(self._path(key), write)

    def _put_and_rename(self, path: str, write: Callable[[str], object]) -> None:
        folder = path.rpartition("/")[0]
        staging = f"{folder}/{fresh_name()}"
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
    def _asking(self, key: str, doing: str) -> Iterator[None]:
        """A block that asks the service, one thread at a time; errors become ours, but "not found" stays as it is."""
        place = f"{self._url}/{key}"
        try:
            with self._lock:
                self._connect()
                try:
                    yield
                except FileNotFoundError:
                    raise
                except BaseException:
                    # After an interrupt, too: the rest of the answer may be on its way, and the next request would take
                    # it for its own.
                    self._is_connected = False
                    raise
        except (FileNotFoundError, LedgerError):
            raise
        except Exception as error:
            raise _refusal(error, place, doing) from error

    def _connect(self) -> None:
        """Make a new connection after a failure: fsspec keeps one that was cut, and would give it again."""
        if not self._is_connected:
            options = {**self._files.storage_options, "skip_instance_cache": True}
            self._files = type(self._files)(*self._files.storage_args, **options)
            _hurry(self._files)
            self._is_connected = True


def _open_file_system(url: str, protocol: str) -> tuple[Any, str]:
    """The fsspec file system for a URL, and the path of the store in it."""
    from fsspec import get_filesystem_class
    from fsspec.core import url_to_fs

    # A cached listing would answer "no" for an object that somebody else has put since.
    options = {"use_listings_cache": False} if protocol in _OBJECT_STORES else {}
    shown = _shown(url)
    _refuse_chained(url, shown)
    try:
        get_filesystem_class(protocol)
        _quieten()
        files, root = url_to_fs(url, **options)
    except ImportError as error:
        raise MissingDependencyError(
            f"the store {shown} needs a library that is not installed: {error}",
            hint="install that library where ledger is installed",
            url=shown,
        ) from error
    except (ValueError, TypeError) as error:  # the second where the URL lacks what the class asks for
        hint = (
            "use a path, or a URL such as file:///data/store or s3://bucket/folder; "
            "a package makes a file system of its own known by the entry point fsspec.specs"
        )
        raise ArgumentError(f"cannot open the store {shown}: {error}", hint=hint, url=shown) from error
    except Exception as error:
        raise _refusal(error, shown, "open") from error
    if url.partition("://")[0] not in _FOLDERS and _is_folder_here(files):
        raise ArgumentError(
            f"the store {shown} would be a folder in which nothing is made durable",
            hint="give the path of that folder",
            url=shown,
        )
    _hurry(files)
    return files, str(root)


def _refuse_chained(url: str, shown: str) -> None:
    """Raise `ArgumentError` for a URL with a protocol that is refused."""
    protocols = {part.split("://", maxsplit=1)[0] for part in url.split("::")}
    if running := protocols & _RUNNING:
        problem = f"could have fsspec run what the other end of {min(running)} says"
        hint = "give the URL of the place itself, where the objects are"
    elif _LEDGER in protocols:
        problem = "would be in a version of a ledger, which has a store of its own"
        hint = "use a path, or a URL such as s3://bucket/folder"
    elif copies := protocols & _COPIES:
        problem = f"would be read through copies that {min(copies)} keeps and nobody checks"
        hint = "give the URL behind it; the ledger has a cache of its own (specs/stores.md, 5)"
    else:
        return
    raise ArgumentError(f"the store {shown} {problem}", hint=hint, url=shown)


def _is_folder_here(files: Any) -> bool:
    """Whether a file system is fsspec's own for folders of this machine, maybe behind those that only add a path."""
    from fsspec.implementations.dirfs import DirFileSystem
    from fsspec.implementations.local import LocalFileSystem

    while isinstance(files, DirFileSystem):
        files = files.fs
    return type(files) is LocalFileSystem  # one of a package that is built on it may sync


def _quieten() -> None:
    """Keep the library of SFTP from printing its traceback beside our error where nobody has set up logging."""
    import logging  # only those who have such a store need it

    library = logging.getLogger("paramiko")
    if not library.handlers:
        library.addHandler(logging.NullHandler())


def _hurry(files: Any) -> None:
    """Let the library of SFTP send at once, and not wait for ever for a host that fell silent.

    It sends 32 KiB and waits for the answer; the system would hold back their end until there is more to send.
    """
    import socket

    with contextlib.suppress(AttributeError, OSError):  # another library, or a connection that was cut since
        files.ftp.get_channel().settimeout(_SILENT_SECONDS)
        files.client.get_transport().sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _refusal(error: Exception, place: str, doing: str) -> StorageError:
    """The error to raise for what fsspec or a library below it raised while ``doing`` something to ``place``."""
    reason = _SECRETS.sub("", getattr(error, "strerror", None) or " ".join(str(error).split()))
    if _is_cut(error):
        return StoreUnavailableError(f"cannot {doing} {place}: {reason or 'the connection was cut'}", path=place)
    reason = reason or type(error).__name__
    if _is_about_access(error):
        return StoreAccessError(f"cannot {doing} {place}: {reason}", path=place)
    if isinstance(error, OSError):
        return storage_error(OSError(error.errno, reason), place, doing)
    return StorageError(f"cannot {doing} {place}: {reason}", path=place)


def _is_cut(error: Exception) -> bool:
    """Whether there is no connection, or none any more; the libraries of SFTP, FTP and HTTP have many words for it."""
    import socket

    is_cut = isinstance(error, ConnectionError | TimeoutError | EOFError | socket.gaierror)
    is_far = isinstance(error, OSError) and error.errno in _UNREACHABLE
    is_told = any(words in str(error) for words in _CUT_WORDS)
    is_named = bool(_kinds(error) & _CUT_KINDS) and not _is_about_access(error)
    return is_cut or is_far or is_told or is_named


def _is_about_access(error: Exception) -> bool:
    """Whether a library could not log in, or does not know whom it talks to."""
    return bool(_kinds(error) & _ACCESS_KINDS) or str(error).startswith(_ACCESS_WORDS)


def _kinds(error: Exception) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _shown(url: str) -> str:
    """A URL, or each of a chain of them, without user, password, query and final slash."""
    plain = re.sub(r"(?<=://)[^/]*@", "", re.split(r"[?#]", url, maxsplit=1)[0]).rstrip("/")
    return f"{plain}//" if plain.endswith(":") else plain
