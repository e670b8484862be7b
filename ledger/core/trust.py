"""Which contents this user lets run code: the local trust file.

One content digest per line, in the user's state directory, outside every ledger. A line is added when this user saves a
value that runs code when it is loaded, or says that a version is trusted. No environment variable and no file of a
ledger grants trust; the digest covers every byte that would run.
"""

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from ledger.disk import is_private, open_regular, storage_errors, sync_file, users_folder, write_all
from ledger.errors import ReadOnlyError
from ledger.ids import Digest


class TrustFile:
    """The digests that one user trusts on one machine."""

    _only_here: ClassVar[set[tuple[Path, Digest]]] = set()
    """What this process trusts besides, in all its ledgers, with the path of the file that could not be written."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @property
    def path(self) -> Path:
        """Where the file is, for the user whom the environment names at this moment."""
        return users_folder(self._environment, "XDG_STATE_HOME", ".local/state") / "ledger" / "trust"

    def holds(self, digest: Digest) -> bool:
        """Whether a content is trusted; what others may write, or put in its place, is no evidence."""
        if (self.path, digest) in self._only_here:
            return True
        with storage_errors(self.path, "read"):
            try:
                descriptor, status = open_regular(self.path)
            except FileNotFoundError:
                return False
            with open(descriptor, encoding="utf-8", errors="replace") as file:
                lines = file.read().splitlines()
            folder = self.path.parent
            _check_is_private(folder, os.stat(folder), "the folder of the trust file", remedy=f"chmod 700 {folder}")
        _check_is_private(self.path, status, "the trust file", remedy=f"chmod 600 {self.path}")
        return any(line.split(" ", 1)[0] == digest for line in lines)

    def add_here(self, digest: Digest) -> None:
        """Trust a content in this process: for what it has saved itself where the file cannot be written."""
        self._only_here.add((self.path, digest))

    def add(self, digest: Digest, label: str, now: dt.datetime) -> None:
        """Trust a content from now on, durably."""
        line = f"{digest} {label} {now.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode()
        with storage_errors(self.path, "write"):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_APPEND | os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                size = os.fstat(descriptor).st_size
                # A full disk or a power cut may have left half a line, which must not become one with this one.
                is_begun = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
                write_all(descriptor, b"\n" + line if is_begun else line)
                sync_file(descriptor)
            finally:
                os.close(descriptor)


def _check_is_private(path: Path, status: os.stat_result, what: str, *, remedy: str) -> None:
    if not is_private(status):
        is_own = status.st_uid == os.geteuid()
        way = f"run `{remedy}`" if is_own else "move it away, or set XDG_STATE_HOME to a folder of your own"
        raise ReadOnlyError(
            f"{what} {path} can be written by others, so it says nothing",
            hint=f"look at what is listed, then {way}",
            path=str(path),
        )
