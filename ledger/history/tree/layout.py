"""Where records stand in the history's tree: the only place that builds or parses a path.

The path is the claim (specs/format.md, 3): it says which position and version
string a version holds, so a manifest need not, and one tree object lists a
hundred versions.
"""

import datetime as dt
import hashlib
import re
import uuid
from functools import lru_cache
from typing import NamedTuple

from ledger.errors import FormatError
from ledger.ids import EventId, VersionId, dashed, is_uuid, undashed
from ledger.records import Name, VersionString, decode_name, encode_name

TreePath = tuple[str, ...]
"""A path in a tree, segment by segment."""

LEDGER_FILE: TreePath = ("ledger.json",)
ARTIFACTS: TreePath = ("artifacts",)
RUNS: TreePath = ("runs",)
CACHE: TreePath = ("cache",)
MANIFEST = "version.json"
NAMES = "names"
EVENTS = "events"

MAX_POSITION = 99_999_999
_PAGE = 100
_CLAIM_FILE_DEPTH = 7  # segments of the path of a manifest or event
_POINTER_DEPTH = 6  # segments of the path of a pointer

_CLAIM = re.compile(r"([0-9]{8})~([A-Za-z0-9_.+-]{1,100})~(0|[1-9][0-9]{0,8})~([0-9a-f]{32})")
_POINTER = re.compile(r"([A-Za-z0-9_.+-]{1,100})~([1-9][0-9]{0,7})~([0-9a-f]{32})")
_PAGE_NAME = re.compile(r"[0-9]{4}")


class Claim(NamedTuple):
    """A version's hold on a position and a version string of its artifact.

    ``counter`` is the highest numeric version the artifact ever had, this one included.
    Claims of one artifact sort in the order of publication.
    """

    name: Name
    position: int
    version: VersionString
    counter: int
    id: VersionId

    @property
    def label(self) -> str:
        """How people write this version: ``iris@3``."""
        return f"{self.name}@{self.version}"

    @property
    def directory(self) -> str:
        """The last segment of the claim's path."""
        return f"{claim_start(self.position)}{self.version}~{self.counter}~{undashed(self.id)}"

    @property
    def path(self) -> TreePath:
        """The directory of the version's manifest and events."""
        return (*artifact_path(self.name), *page_of(self.position), self.directory)

    @property
    def pointer(self) -> TreePath | None:
        """The empty file by which the version string is found; ``None`` if that is the position."""
        if self.version == str(self.position):
            return None
        return (
            *pointer_page(self.name, self.version),
            f"{pointer_start(self.version)}{self.position}~{undashed(self.id)}",
        )


def shard_of(name: str) -> str:
    """The directory of all artifacts whose names may collide with this one in case."""
    return hashlib.sha256(name.lower().encode()).hexdigest()[:2]


@lru_cache(1024)
def artifact_path(name: Name) -> TreePath:
    """The directory of an artifact."""
    return (*ARTIFACTS, shard_of(name), encode_name(name))


def page_of(position: int) -> TreePath:
    """The two directory levels that hold a hundred positions."""
    digits = f"{position // _PAGE:06d}"
    return digits[:4], digits[4:]


def pointer_page(name: Name, version: str) -> TreePath:
    """The directory of the pointer of a version string."""
    return (*artifact_path(name), NAMES, hashlib.sha256(version.encode()).hexdigest()[:2])


def claim_start(position: int) -> str:
    """What the directory of the claim on a position begins with."""
    return f"{position:08d}~"


def pointer_start(version: str) -> str:
    """What the pointer of a version string begins with."""
    return f"{version}~"


def is_page(segment: str) -> bool:
    """Whether a directory of an artifact holds positions."""
    return _PAGE_NAME.fullmatch(segment) is not None


def artifact_of(path: TreePath) -> Name | None:
    """The artifact that a path belongs to as part of a claim or as a pointer, or ``None`` for any other path."""
    if path[:1] != ARTIFACTS or len(path) not in (_CLAIM_FILE_DEPTH, _POINTER_DEPTH):
        return None
    is_placed = is_page(path[3]) if len(path) == _CLAIM_FILE_DEPTH else path[3] == NAMES
    return parse_name(path[2]) if is_placed else None


def run_path(run: str) -> TreePath:
    """The directory of a run's records: the day is in the run's id, a UUIDv7."""
    day = dt.datetime.fromtimestamp((uuid.UUID(run).int >> 80) / 1000, dt.UTC)
    return (*RUNS, f"{day:%Y-%m-%d}", run)


def run_file(run: str, part: str) -> TreePath:
    """The record of a run's beginning or end: ``part`` is ``run`` or ``end``."""
    return (*run_path(run), f"{part}.json")


def step_file(run: str, step: Name) -> TreePath:
    """The record of a step; the name ``run`` or ``end`` is escaped, so that its record is none of the run's own."""
    encoded = encode_name(step)
    if encoded in ("run", "end"):
        encoded = f"%{ord(encoded[0]):02X}{encoded[1:]}"
    return (*run_path(run), f"{encoded}.json")


def cache_folder(key: str) -> TreePath:
    """The directory of the cache entries whose keys begin alike."""
    return (*CACHE, key[:2])


def cache_start(key: str) -> str:
    """What the cache entries of a key begin with."""
    return f"{key}~"


def cache_file(key: str, run: str) -> TreePath:
    """The cache entry that one run made for a key."""
    return (*cache_folder(key), f"{cache_start(key)}{run}.json")


def claim_at(path: TreePath) -> Claim | None:
    """The claim whose manifest stands at a path; ``None`` for another file, or one that is not in its place."""
    name = artifact_of(path)
    if name is None or path[-1] != MANIFEST or not is_claim(path[-2]):
        return None
    claim = parse_claim(name, path[-2])
    return claim if claim.path == path[:-1] else None


def is_claim(directory: str) -> bool:
    """Whether a directory name states a claim."""
    return _CLAIM.fullmatch(directory) is not None


def parse_claim(name: Name, directory: str) -> Claim:
    """The claim that a directory name states; `FormatError` if it states none."""
    match = _CLAIM.fullmatch(directory)
    if match is None:
        raise FormatError(f"artifact {name!r}: {directory!r} is not a claim on a position", name=name)
    position, version, counter, digits = match.groups()
    return Claim(name, int(position), VersionString(version), int(counter), VersionId(dashed(digits)))


def parse_pointer(entry: str) -> tuple[str, int] | None:
    """The version string and position of a pointer, or ``None`` for another file."""
    match = _POINTER.fullmatch(entry)
    return (match[1], int(match[2])) if match else None


def parse_event(entry: str) -> EventId | None:
    """The id of the event that a file holds, or ``None`` for another file."""
    id = entry.removesuffix(".json")
    return EventId(id) if id != entry and is_uuid(id) else None


@lru_cache(1 << 16)  # the error of a name that does not exist needs all names, and a program may ask for many such
def parse_name(entry: str) -> Name | None:
    """The name of the artifact that a directory holds, or ``None`` for another entry."""
    return decode_name(entry)
