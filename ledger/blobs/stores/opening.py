"""From a URL to a store.

The one place that names the concrete stores and puts wrappers around them. A path or a
``file://`` URL is a `LocalStore`, buckets and web addresses are a `BucketStore`, everything else
is fsspec's; what is not local is asked again when it fails, and read through the cache. The
store's own ``store.json`` tells it from an empty or a swapped one.
"""

import contextlib
import stat
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from ledger.blobs.stores.buckets import BucketStore
from ledger.blobs.stores.cache import ObjectCache
from ledger.blobs.stores.cached import CachedStore
from ledger.blobs.stores.endpoints import EXTRAS
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.blobs.stores.layout import OBJECT_KINDS, STORE_KEY, chunk_shards
from ledger.blobs.stores.local import LocalStore
from ledger.blobs.stores.readonly import ReadOnlyStore
from ledger.blobs.stores.retrying import ATTEMPTS, RetryingStore
from ledger.blobs.stores.store import PrunableStore, Store
from ledger.disk import given_text, is_folder, make_directory, mode_of
from ledger.errors import ArgumentError, FormatError, StoreMismatchError, UnsupportedFormatError
from ledger.ids import is_uuid
from ledger.records import FORMAT, decode, encode
from ledger.wording import without_secrets

_HINT = "use a path, or a URL such as s3://bucket/folder"
_LOCAL = ("file://", "local://")
_MEMORY = "memory"
_MOST_BYTES = 4096  # of ``store.json``
_WEB = ("http", "https")


class _StoreRecord(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    format: int = FORMAT


def open_store(url: str, *, cache: ObjectCache | None = None, attempts: int = ATTEMPTS) -> Store:
    """The store behind a URL or a path, its objects kept in ``cache`` if it is distant; nothing is read yet.

    ``attempts`` is how often a distant one is asked before its failure is believed.
    Raises `ArgumentError` for what is no URL or of a protocol nobody knows, and `MissingDependencyError`
    for one whose library is not installed.
    """
    if not given_text(url, "the URL of a store").strip():
        raise ArgumentError("the URL of a store is empty", hint=_HINT)
    if url.startswith(_LOCAL):
        return LocalStore(_local_path(url))
    if "://" not in url:
        return LocalStore(Path(url).expanduser())
    return _distant_store(url, cache, attempts)


def create_store(url: str, *, cache: ObjectCache | None = None, id: str = "") -> Store:
    """The store behind a URL, made where there is none, under a new id or a given one; one that exists keeps its id.

    Raises `ReadOnlyError` where nothing can be written.
    """
    store = open_store(url, cache=cache)
    if isinstance(store, LocalStore):
        make_directory(store.root)
    if not store.has(STORE_KEY):
        if isinstance(store, LocalStore):
            # Made now: to make the folder of its one chunk durably would take a fifth of the time of a small save.
            store.make_folders(chunk_shards())
        store.put(STORE_KEY, [store_record(id or str(uuid.uuid4()))])
    return store


def store_record(id: str) -> bytes:
    """The ``store.json`` of a store with an id."""
    return encode(_StoreRecord(id=id))


def is_deleted(store: LocalStore) -> bool:
    """Whether somebody deleted a store, or its ``store.json``, so that it may be made again.

    An empty folder, or what a link leads to, does not count: it may belong to a disk that is away, or never have been a
    store. Raises `StorageError` where it cannot be told.
    """
    if mode_of(store.root / STORE_KEY, follow=False):
        return False
    mode = mode_of(store.root, follow=False)
    return not mode or (not stat.S_ISLNK(mode) and any(is_folder(store.root / kind) for kind in OBJECT_KINDS))


def store_id(store: Store, *, expected: str = "") -> str:
    """The id that a store was given when it was made.

    Where it is not the ``expected`` one, or cannot be told, it is read once more: a bad transfer proves nothing.
    Raises `StoreMismatchError` where there is no store, and `FormatError` for a damaged ``store.json``.
    """
    with contextlib.suppress(FormatError):
        found = _read_id(store)
        if expected in ("", found):
            return found
    try:
        return _read_id(store)
    except UnsupportedFormatError:
        raise
    except FormatError as error:
        error.hint = f"put back a copy of that {STORE_KEY}: it holds the id of the store"
        raise


def refuse_other_store(store: Store, id: str, *, known: str) -> None:
    """Raise `StoreMismatchError` where a store has another id, or none; ``known`` says in words where ``id`` is from.

    The id of another store is its fact ``found``. Its cause is a `FormatError` where ``store.json`` is damaged.
    """
    try:
        found = store_id(store, expected=id)
    except UnsupportedFormatError:
        raise
    except FormatError as error:
        message = f"the store {store.url} cannot be told from another one: {error}"
        raise StoreMismatchError(message, url=store.url, expected=id) from error
    if id and found != id:
        message = f"the store {store.url} has the id {found}, {known}"
        raise StoreMismatchError(message, url=store.url, found=found, expected=id)


def _read_id(store: Store) -> str:
    where = f"{store.url}/{STORE_KEY}"
    try:
        data = store.get(STORE_KEY, 0, _MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise StoreMismatchError(
            f"no artifact store at {store.url}: {STORE_KEY} is missing",
            hint="check that the right disk is mounted and the URL in config.toml is the right one; a store moves "
            "with all its files (specs/stores.md, 7)",
            url=store.url,
        ) from error
    if len(data) > _MOST_BYTES:
        raise FormatError(f"{where}: more than {_MOST_BYTES} bytes", where=where)
    record = decode(data, _StoreRecord, where=where)
    if not is_uuid(record.id):
        raise FormatError(f"{where}: id {record.id!r} is not a UUID", where=where)
    return record.id


def _local_path(url: str) -> Path:
    """The path of a folder's URL, which is taken as it stands; `ArgumentError` for one of another machine."""
    path = url.split("://", maxsplit=1)[1].removeprefix("localhost")
    if not path.startswith("/"):
        raise ArgumentError(
            f"the store {url!r} names no absolute path", hint="use a path, or a URL such as file:///data/store", url=url
        )
    return Path(path)


def _distant_store(url: str, cache: ObjectCache | None, attempts: int) -> Store:
    if url != url.strip():
        raise ArgumentError(
            f"the URL of the store {without_secrets(url)!r} begins or ends with white space", hint=_HINT
        )
    try:
        urlsplit(url)
    except ValueError as error:  # not with the URL, which may hold a password
        raise ArgumentError(f"the URL of a store is none: {error}", hint=_HINT) from error
    protocol = url.split("://", maxsplit=1)[0]
    found = BucketStore(url) if protocol in EXTRAS else FsspecStore(url)
    store: PrunableStore = RetryingStore(found, attempts=attempts)
    if cache is not None and cache.limit > 0 and protocol != _MEMORY:
        store = CachedStore(store, cache)
    return ReadOnlyStore(store) if protocol in _WEB else store
