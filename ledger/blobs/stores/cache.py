"""Pages of distant objects, kept in a folder of bounded size.

Owns the folder: who may use it, what lies where, and what goes when it is full. Shared by all
processes and ledgers of one user, because a page is called by the digest in its object's key.
Nothing here is truth: files appear by renaming and are not synced, whoever reads a page checks
it, and anything may be deleted at any time. Whatever goes wrong costs speed and a warning, never
a read or a write.
"""

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from random import SystemRandom
from typing import NamedTuple

from ledger.disk import READ_ONLY, remove_if_there, users_folder, walk, write_derived_file
from ledger.forks import ThreadLock
from ledger.notices import warn_user
from ledger.system_errors import storage_error

_KEPT_SHARE = 0.9  # of the limit, after clearing: so that it is not cleared again at once
_LOOKS = 20  # how often, on the way from empty to full, the size is looked at
_USE_NOTED = 3600.0  # seconds for which a use need not be noted again
_FLAGS = READ_ONLY | os.O_NOFOLLOW


class CachedPage(NamedTuple):
    """A file of the cache: its path, its size in bytes, and when it was used last."""

    path: str
    size: int
    used: float


class CacheUsage(NamedTuple):
    """What a cache holds."""

    files: int
    size: int


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where this user's cache is."""
    return users_folder(environment, "XDG_CACHE_HOME", ".cache") / "ledger" / "objects"


def excess(pages: Iterable[CachedPage], limit: int) -> list[CachedPage]:
    """The pages to remove, used longest ago first, to leave nine tenths of the limit; none while all fit in it."""
    by_use = sorted(pages, key=lambda page: page.used)
    total = sum(page.size for page in by_use)
    if total <= limit:
        return []
    goal, going = int(limit * _KEPT_SHARE), []
    for page in by_use:
        if total <= goal:
            break
        going.append(page)
        total -= page.size
    return going


class ObjectCache:
    """Pages by name in ``folder``, at most about ``limit`` bytes of them; for any thread."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._is_usable: bool | None = None
        self._lock = ThreadLock()
        # The first look comes at a random time, so that processes that store little look now and then, too. The numbers
        # of a program that has seeded ``random`` stay its own.
        self._until_look = int(SystemRandom().random() * limit / _LOOKS)
        self._folders: set[str] = set()

    def get(self, name: str) -> bytes | None:
        """The bytes of a page, unchecked, or ``None``."""
        if not self._usable():
            return None
        try:
            descriptor = os.open(self._path(name), _FLAGS)
            try:
                status = os.fstat(descriptor)
                if time.time() - status.st_mtime > _USE_NOTED:
                    os.utime(descriptor)
                return os.read(descriptor, status.st_size)
            finally:
                os.close(descriptor)
        except OSError as error:
            if not _was_cleared(error):
                self._give_up(error, "read")
            return None

    def has(self, name: str) -> bool:
        """Whether there is a page of that name."""
        return self._usable() and os.path.exists(self._path(name))

    def remember(self, name: str, data: bytes | memoryview) -> None:
        """Remember a page, if that is possible."""
        if len(data) > self.limit or not self._usable():
            return
        path = self._path(name)
        try:
            self._make_folder(os.path.dirname(path))
            write_derived_file(path, data)
        except OSError as error:
            if _was_cleared(error):
                self._folders.clear()  # the next page makes them again
            else:
                self._give_up(error, "write")
            return
        with self._lock:
            self._until_look -= len(data)
            is_due = self._until_look < 0
            if is_due:
                self._until_look = self.limit // _LOOKS
        if is_due:
            self.trim()

    def forget(self, prefix: str) -> None:
        """Drop all pages whose names begin with ``prefix``."""
        folder, _, beginning = self._path(prefix).rpartition("/")
        if not self._usable():
            return
        try:
            for each in os.listdir(folder):
                if each.startswith(beginning):
                    remove_if_there(os.path.join(folder, each))
        except (FileNotFoundError, NotADirectoryError):
            return  # there are none
        except OSError as error:
            self._give_up(error, "clean")

    def trim(self) -> None:
        """Make room: drop what was used longest ago, until it fits."""
        try:
            going = excess(self._pages(), self.limit)
        except OSError as error:
            self._give_up(error, "clean")
            return
        for page in going:
            remove_if_there(page.path)

    def usage(self) -> CacheUsage:
        """How many pages there are and how many bytes they have. Raises `StorageError` where that cannot be told."""
        sizes = [page.size for page in self._pages()]
        return CacheUsage(len(sizes), sum(sizes))

    def clear(self) -> CacheUsage:
        """Drop everything; gives what was there. Raises `StorageError` where something stays."""
        pages = list(self._pages())
        for page in pages:
            try:
                os.unlink(page.path)
            except FileNotFoundError:
                continue  # another process was faster
            except OSError as error:
                raise storage_error(error, page.path, "delete") from error
        return CacheUsage(len(pages), sum(page.size for page in pages))

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _pages(self) -> Iterator[CachedPage]:
        """Every file of the cache, also what writers that died have left, which goes like the others.

        A link in place of the folder is never used: what lies behind it is no part of the cache.
        """
        if os.path.islink(self.folder):
            return
        for folder, _, names in walk(self.folder):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    status = os.lstat(path)
                except FileNotFoundError:
                    continue  # another process was faster
                except OSError as error:
                    raise storage_error(error, path, "read") from error
                yield CachedPage(path, status.st_size, status.st_mtime)

    def _usable(self) -> bool:
        if self._is_usable is None:
            with self._lock:
                self._is_usable = self._prepare()
        return bool(self._is_usable)

    def _prepare(self) -> bool | None:
        """Make the folder, or see whether it is this user's alone: others could put links or other bytes there.

        ``None`` where that cannot be told, because somebody is clearing the cache.
        """
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            status = os.lstat(self.folder)
        except OSError as error:
            if _was_cleared(error):
                return None
            self._give_up(error, "use")
            return False
        if stat.S_ISLNK(status.st_mode):
            warn_user(f"the cache {self.folder} is a link and is not used; put it in place of {self.folder.parent}")
            return False
        is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
        if not is_own or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            warn_user(
                f"the cache {self.folder} is not this user's alone and is not used; `chmod 700` it if it is yours"
            )
            return False
        return True

    def _make_folder(self, folder: str) -> None:
        if folder not in self._folders:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            for each in (os.path.dirname(folder), folder):
                # Only these two: if the cache's own folder is being cleared now, it would come back open to others.
                with contextlib.suppress(FileExistsError):
                    os.mkdir(each, 0o700)
            self._folders.add(folder)

    def _give_up(self, error: OSError, doing: str) -> None:
        """Go on without the cache: the store has everything."""
        self._is_usable = False
        warn_user(f"the cache is not used from here on: {storage_error(error, self.folder, doing)}")


def _was_cleared(error: OSError) -> bool:
    """Whether a page could not be kept or read only because somebody removed it, or the cache, at that moment."""
    if isinstance(error, FileExistsError):
        # Making the folder found it there, and a moment later it was gone; but a file in its place stays.
        return not os.path.lexists(error.filename) or os.path.isdir(error.filename)
    # To a network file system, what another machine has removed is stale.
    return isinstance(error, FileNotFoundError) or error.errno == errno.ESTALE
