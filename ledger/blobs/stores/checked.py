"""What this process has put or compared lately.

So a small value that is saved again and again need not be fetched each time to be compared. What is known is forgotten
soon, because others may remove an object that nothing names, though none that is younger than 14 days
(specs/maintenance.md, 3). For any thread.
"""

import hashlib
import time
from collections.abc import Sequence
from typing import Final

from ledger.blobs.stores.recent import Recent
from ledger.forks import ThreadLock

REMEMBERED_SECONDS: Final = 600.0
"""How long an object is remembered: far less than the 14 days for which one that nothing names is left alone."""

_LARGEST = 1 << 20  # bytes; hashing more than that costs more than it saves
_MOST = 4096


class CheckedObjects:
    """The objects that are known to hold certain bytes, for ten minutes."""

    def __init__(self) -> None:
        self._lock = ThreadLock()
        self._known: Recent[str, tuple[bytes, float]] = Recent(_MOST)

    def holds(self, key: str, parts: Sequence[bytes]) -> bool:
        """Whether an object was seen with exactly these bytes a short time ago."""
        if sum(map(len, parts)) > _LARGEST:
            return False
        with self._lock:
            known = self._known.get(key)
        if known is None:
            return False
        fingerprint, until = known
        return time.monotonic() < until and fingerprint == _fingerprint(parts)

    def note(self, key: str, parts: Sequence[bytes]) -> None:
        """Remember that an object holds these bytes now."""
        if sum(map(len, parts)) <= _LARGEST:
            with self._lock:
                self._known.put(key, (_fingerprint(parts), time.monotonic() + REMEMBERED_SECONDS))

    def forget(self, key: str) -> None:
        """Forget an object that was deleted."""
        with self._lock:
            self._known.drop(key)


def _fingerprint(parts: Sequence[bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()
