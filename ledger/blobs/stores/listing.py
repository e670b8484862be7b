"""Which keys a bucket has.

Some programs mark a folder by an empty object whose name ends in a slash, which the library shows without it: so each
empty object is asked for by its name. A listing that does not end is given up.
"""

from collections.abc import AsyncIterator
from typing import Any

from ledger.errors import StorageError, StoreUnavailableError

_HEADS_AT_ONCE = 16  # of empty objects, of which a data set may have thousands
_MOST_IDLE = 3  # pages without a new key, such as one with the mark of a folder behind an object of its name


class Listing:
    """The keys of the objects in what the library knows as a bucket; ``url`` is shown to people.

    ``patience`` bounds how long the service may tell no further key, in seconds.
    """

    def __init__(self, bucket: Any, url: str, *, patience: float) -> None:
        self._bucket = bucket
        self._url = url
        self._patience = patience
        self._doubts: dict[str, dict[str, bool]] = {}  # by folder: whether there is an object of a listed, empty key

    async def keys(self, folder: str) -> set[str]:
        """The keys below a folder, in no order."""
        import asyncio

        sizes = await self._sizes(folder)
        doubtful = [key for key, size in sizes.items() if not size]
        known = self._doubts.setdefault(folder, {})  # what an attempt has found out the next one does not ask again
        asked = [key for key in doubtful if key not in known]
        failed: list[BaseException] = []
        for start in range(0, len(asked), _HEADS_AT_ONCE):
            heads = (self._ask_whether_there(key, known) for key in asked[start : start + _HEADS_AT_ONCE])
            failed += filter(None, await asyncio.gather(*heads, return_exceptions=True))
        if failed:
            raise failed[0]
        self._doubts.pop(folder, None)
        return {key for key, size in sizes.items() if size or known[key]}

    async def _sizes(self, folder: str) -> dict[str, int]:
        """The keys that are listed below a folder, with the bytes of their objects."""
        sizes: dict[str, int] = {}
        idle = 0
        async for page in self._pages(folder):
            before = len(sizes)
            sizes.update({entry["path"]: int(entry["size"]) for entry in page})
            idle += bool(page) and len(sizes) == before
            if idle > _MOST_IDLE:
                raise StorageError(f"cannot list {self._url}/{folder}: the service tells the same keys for ever")
        return sizes

    async def _pages(self, folder: str) -> AsyncIterator[Any]:
        """What the library tells of a folder, page by page; it passes over empty ones, however many there are."""
        import asyncio

        import obstore

        pages = aiter(obstore.list(self._bucket, folder))
        try:
            while True:
                yield await asyncio.wait_for(anext(pages), self._patience)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise StoreUnavailableError(
                f"cannot list {self._url}/{folder}: the service tells no further key within {self._patience:g} s",
                path=self._url,
            ) from error

    async def _ask_whether_there(self, key: str, known: dict[str, bool]) -> None:
        import obstore

        try:
            await obstore.head_async(self._bucket, key)
            known[key] = True
        except FileNotFoundError:
            known[key] = False
