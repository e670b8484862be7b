"""A store in a bucket: S3 and what speaks like it, Google Cloud Storage, Azure, and plain HTTP for reading.

What is held in memory goes up in one conditional request, so it appears whole or not at all. A pack that waits in a
file goes up in parts, which the service makes one object when all are there, and forgets where one fails. Each call
makes one attempt, except that parts of large uploads are sent again: trying again is up to `RetryingStore`. Every
foreign exception becomes one of `ledger.errors` here.
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO, Literal

from ledger.blobs.stores.answers import (
    CONFLICT,
    NOT_IMPLEMENTED,
    is_beyond_the_end,
    is_transient,
    is_unread,
    read_answer,
    refusal,
)
from ledger.blobs.stores.checked import CheckedObjects
from ledger.blobs.stores.endpoints import open_bucket, without_credentials
from ledger.blobs.stores.layout import STORE_KEY, names_its_bytes, refuse_replacing
from ledger.blobs.stores.listing import Listing
from ledger.blobs.stores.requests import answer
from ledger.blobs.stores.spooled import blocks_of, holds_file, size_of_file, whole
from ledger.errors import LedgerError, StorageError
from ledger.forks import cached_property
from ledger.notices import warn_user

_SILENT_SECONDS = 120.0
_LARGE = 8 << 20  # bytes of an upload that may take longer, and from which on a file goes up in parts
_LONG_FACTOR = 8  # how much longer a whole request may take: two uploads of 64 MiB at once over a slow line, 0.15 MB/s
_PART = 6 << 20  # bytes
_MOST_PARTS = 10_000  # of one object: S3 and Google take no more
_PARTS_AT_ONCE = 2  # of each file on its way, besides the one that is read
_PART_RETRIES = 4  # within some 2 s: a part that fails would cost the others, and giving up may fail as well

_first_process: list[int] = []
"""The process in which the library's threads run: a forked child has none of them and would wait for ever."""


class BucketStore:
    """Objects behind the URL of a bucket; see `Store` for what each call promises.

    ``timeout`` bounds how long the service may say nothing, in seconds; an answer as a whole, and a large upload, may
    take eight times as long. Raises `ArgumentError` for a URL that makes no sense and `MissingDependencyError` where
    the library is not installed.
    """

    puts_at_once = 2  # packs, besides the one that is being filled
    gets_at_once = 4  # parts of up to 8 MiB, each in memory both as it is stored and as plain bytes

    def __init__(self, url: str, *, timeout: float = _SILENT_SECONDS) -> None:
        self._url = without_credentials(url)
        self._timeout = timeout
        self._bucket = open_bucket(self._url, timeout * _LONG_FACTOR, silence=timeout)
        self._can_create = True
        self._checked = CheckedObjects()
        self._last_put = _LastPut()
        self._listing = Listing(self._bucket, self._url, patience=timeout * _LONG_FACTOR)

    @property
    def url(self) -> str:
        """The URL as it was given, without final slash."""
        return self._url

    def __repr__(self) -> str:
        return f"BucketStore({self._url!r})"

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or a part of them, in one request."""
        return bytes(self._fetch(key, start, length))

    def get_into(self, key: str, start: int, target: memoryview) -> int:
        """Fetch a part of an object to where it belongs."""
        data = self._fetch(key, start, len(target))
        target[: len(data)] = data
        return len(data)

    def has(self, key: str) -> bool:
        """Whether there is such an object: a byte is read, because HEAD cannot say that the bucket is missing."""
        try:
            self._fetch(key, 0, 1)
        except FileNotFoundError:
            return False
        return True

    def size(self, key: str) -> int | None:
        """The bytes of an object, or ``None`` where there is none."""
        head = self._head(key)
        return None if head is None else int(head["size"])

    def etag(self, key: str, *, just_put: bool = False) -> str | None:
        """The object's ETag and size, from its put if that told them; ``None`` without an object or a usable tag."""
        if just_put and self._last_put.key == key:
            return self._last_put.etag
        head = self._head(key)
        return None if head is None else _etag(head, head["size"])

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        """Create an object in one request; one that is there is compared, and replaced if it differs.

        But a ``store.json`` stays: whoever made the store first gave it its id. So does registered data, which is the
        user's: `IntegrityError`. In a service without conditional puts neither is looked for.
        """
        self._last_put.key = ""
        if self._checked.holds(key, parts):
            return
        is_done = self._can_create and self._create(key, parts)
        if not is_done and not self._can_create:
            self._replace(key, parts)
        elif not is_done and key != STORE_KEY and not self._holds(key, parts):
            self._meet_other_bytes(key)
            self._replace(key, parts)
        self._checked.note(key, parts)

    def put_file(self, key: str, file: BinaryIO) -> None:
        """Create an object from a file, a large one in parts; one that is there is compared, and replaced if need be.

        Parts are not conditional: if two writers put one object at the same moment, the later one's bytes stand.
        """
        size = size_of_file(file)
        if size < _LARGE:
            self.put(key, [whole(file)])
            return
        self._last_put.key = ""
        is_same = holds_file(self, key, file)
        if is_same:
            return
        if is_same is False:
            self._meet_other_bytes(key)
        is_over = threading.Event()
        # The library gives an upload up when reading its bytes fails: so an interrupt makes the next read fail.
        blocks, put = _until(is_over, blocks_of(file)), _library().put_async
        part = max(_PART, -(-size // _MOST_PARTS))
        sent = partial(put, self._patient_bucket, key, blocks, chunk_size=part, max_concurrency=_PARTS_AT_ONCE)
        with self._mapped(key, "write"):
            made = answer(sent, give_up=is_over.set)
        self._last_put.key, self._last_put.etag = key, _etag(made, size)

    def list(self, prefix: str) -> Iterator[str]:
        """The keys below a folder, in order."""
        with self._mapped(prefix, "list"):
            yield from sorted(answer(partial(self._listing.keys, prefix.rstrip("/"))))

    def delete(self, key: str) -> None:
        """Remove an object."""
        with contextlib.suppress(FileNotFoundError), self._mapped(key, "delete"):
            answer(partial(_library().delete_async, self._bucket, key))
        self._checked.forget(key)

    def _head(self, key: str) -> Any:
        """What the service says about an object without giving it, or ``None`` where there is none."""
        try:
            with self._mapped(key, "read"):
                return answer(partial(_library().head_async, self._bucket, key))
        except FileNotFoundError:
            return None

    def _fetch(self, key: str, start: int, length: int | None) -> Any:
        """The bytes of an object, or a part of them, as a buffer."""
        if length is not None and length <= 0:
            return b""
        with self._mapped(key, "read"):
            library = _library()
            try:
                if start < 0:
                    return memoryview(answer(partial(self._tail, key, -start)))[:length]
                if length is not None:
                    return answer(partial(self._part, key, {"range": (start, start + length)}, length))
                options = {"range": {"offset": start}} if start else {}
                return answer(partial(self._whole, key, options))
            except library.exceptions.GenericError as error:
                if is_beyond_the_end(str(error)) or (is_unread(str(error)) and self._ends_before(key, start)):
                    return b""
                raise

    def _ends_before(self, key: str, start: int) -> bool:
        """Whether an object has no byte at ``start``; raises its refusal, by the status alone: HEAD has no words."""
        head = answer(partial(_library().head_async, self._bucket, key))
        return int(head["size"]) <= start

    async def _whole(self, key: str, options: dict[str, Any]) -> Any:
        return await (await _library().get_async(self._bucket, key, options=options)).bytes_async()

    async def _part(self, key: str, options: Any, length: int) -> Any:
        """A part of an object, at most so many bytes; what a service sends beyond them does not fill the memory."""
        found = await _library().get_async(self._bucket, key, options=options)
        async for data in found.stream(min_chunk_size=length):
            # A server that compresses what it sends may send more; the digest tells whoever reads it.
            return memoryview(data)[:length]
        return b""

    async def _tail(self, key: str, length: int) -> Any:
        """The last bytes of an object."""
        library = _library()
        try:
            return await self._part(key, {"range": {"suffix": length}}, length)
        except library.exceptions.BaseError as error:
            if read_answer(str(error)).status:
                raise
            # Some services count only from the beginning, and none gives a part of an empty object.
            size = (await library.head_async(self._bucket, key))["size"]
            start = max(0, size - length)
            return await self._part(key, {"range": (start, size)}, size - start) if size else b""

    def _meet_other_bytes(self, key: str) -> None:
        """Refuse to replace what is the user's, and warn that a chunk or pack is about to be put right.

        A table may rightly differ.
        """
        refuse_replacing(self._url, key)
        if names_its_bytes(key):
            warn_user(f"{self._url}/{key} held other bytes and is written again")

    @cached_property
    def _patient_bucket(self) -> Any:
        return open_bucket(self._url, self._timeout * _LONG_FACTOR, retries=_PART_RETRIES)

    def _upload(self, key: str, parts: Sequence[bytes], mode: Literal["create", "overwrite"]) -> None:
        size = sum(map(len, parts))
        bucket = self._bucket if size < _LARGE else self._patient_bucket
        # Not joined, which would copy them; the library takes no upload of no parts.
        body = [part for part in parts if part] or [b""]
        made = answer(partial(_library().put_async, bucket, key, body, use_multipart=False, mode=mode))
        self._last_put.key, self._last_put.etag = key, _etag(made, size)

    def _replace(self, key: str, parts: Sequence[bytes]) -> None:
        with self._mapped(key, "write"):
            self._upload(key, parts, "overwrite")

    def _create(self, key: str, parts: Sequence[bytes]) -> bool:
        """Whether a new object was made; notes it where the service cannot create without replacing."""
        library = _library()
        with self._mapped(key, "write"):
            try:
                self._upload(key, parts, "create")
            except library.exceptions.AlreadyExistsError as error:
                said = read_answer(str(error))
                if said.status == CONFLICT and is_transient(said):
                    raise  # somebody else is putting it at this moment
                return False
            except library.exceptions.GenericError as error:
                if read_answer(str(error)).status != NOT_IMPLEMENTED:
                    raise
                self._can_create = False
                return False
        return True

    def _holds(self, key: str, parts: Sequence[bytes]) -> bool:
        """Whether an object holds exactly these bytes: presence alone is never trusted."""
        size = sum(map(len, parts))
        try:
            found = memoryview(self._fetch(key, 0, size + 1))
        except FileNotFoundError:
            return False  # it was deleted meanwhile
        if len(found) != size:
            return False
        offset = 0
        for part in parts:
            if found[offset : offset + len(part)] != part:
                return False
            offset += len(part)
        return True

    @contextlib.contextmanager
    def _mapped(self, key: str, doing: str) -> Iterator[None]:
        """Turn what the library raises into our errors; "not found" stays what it is."""
        _refuse_forked(self._url)
        place = f"{self._url}/{key}"
        try:
            yield
        except LedgerError:
            raise
        except Exception as error:
            raise refusal(str(error), place, doing) from error


def _until(is_over: threading.Event, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The blocks; once ``is_over`` is set, an error in place of the next one, as an end would complete the upload."""
    for block in blocks:
        if is_over.is_set():
            raise InterruptedError
        yield block


class _LastPut(threading.local):
    """The object that a thread has put last, and what the service told of it."""

    key = ""
    etag: str | None = None


def _etag(found: Any, size: int) -> str | None:
    """The ETag in an answer, with a size; ``None`` for a weak one, which may stay when the bytes change."""
    tag = found["e_tag"]
    return None if tag is None or tag.startswith("W/") else f"{tag} {size}"


def _library() -> Any:
    import obstore
    import obstore.exceptions

    return obstore


def _refuse_forked(url: str) -> None:
    """Raise where this process was forked from one that used the library: it would hang."""
    if not _first_process:
        _first_process.append(os.getpid())
    if _first_process[0] != os.getpid():
        raise StorageError(
            f"the store {url} cannot be used in a process that was forked from one that used a bucket",
            hint='start processes with multiprocessing.get_context("spawn") or "forkserver"',
            url=url,
        )
