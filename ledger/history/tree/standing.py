"""Whether the records of one commit stand as they should, a part of the tree at a time.

Owns what must hold of an artifact as a whole (positions dense, counters right, version strings found,
a pointer exactly where one is needed, no name that differs only in case) and of every other record
(in its place, in canonical form, within its limits). Reports everything that is wrong, each error with the
version, artifact or place that it touches; `admission` stops at the first.
"""

from collections.abc import Iterator
from itertools import chain, islice

from ledger.errors import FormatError, InvalidVersionError, LedgerError
from ledger.history.tree import layout
from ledger.history.tree.comparing import DEPTH_LIMIT, PATH_LIMIT
from ledger.history.tree.layout import Claim, TreePath
from ledger.history.tree.record_checking import check_file
from ledger.history.tree.snapshot import Snapshot
from ledger.history.tree.trees import Folders
from ledger.records import Name, number_of

Wrong = tuple[str, LedgerError]
"""The version, artifact or place that is touched, and what is wrong."""


def places_of(folders: Folders) -> Iterator[TreePath]:
    """Every part of a tree that `check_place` takes: the root, and each folder of runs, cache entries and artifacts."""
    yield ()
    for top in (layout.RUNS, layout.CACHE):
        yield from ((*top, name) for name in folders.names(top))
    yield layout.ARTIFACTS


def check_place(folders: Folders, place: TreePath) -> Iterator[Wrong]:
    """What is wrong with the records of one place; `check_artifact` checks those of artifacts."""
    if place == layout.ARTIFACTS:
        yield from _check_shards(folders)
    elif place:
        yield from _check_files(folders, place)
    else:
        known = {path[0] for path in (layout.ARTIFACTS, layout.RUNS, layout.CACHE)}
        for name in folders.names(()):
            if name not in known or folders.read((name,)) is not None:
                yield from _check_files(folders, (name,))


def check_artifact(folders: Folders, name: Name) -> Iterator[Wrong]:
    """What is wrong with the records of an artifact and where they stand."""
    snapshot = Snapshot(folders)
    root = layout.artifact_path(name)
    for other in snapshot.names_like(name):
        yield name, FormatError(f"artifact {name!r} differs only in case from {other!r}")
    yield from ((name, FormatError(problem)) for problem in _intruders(folders, snapshot, name))
    pointers: set[TreePath] = set()
    before: Claim | None = None
    for claim in snapshot.claims(name):
        problem = order_problem(claim, before)
        if problem is not None:
            yield claim.label, FormatError(f"{claim.label}: {problem}")
        if claim.pointer is not None:
            pointers.add(claim.pointer)
        yield from _check_claim(snapshot, claim)
        before = claim
    yield from ((name, FormatError(problem)) for problem in pointer_problems(folders, name, pointers))
    if layout.EVENTS in folders.names(root):
        yield from ((name, error) for _, error in _check_files(folders, (*root, layout.EVENTS)))


def order_problem(claim: Claim, before: Claim | None) -> str | None:
    """What is wrong with the position or counter of a claim, by the one before it (``None``: it is the first)."""
    due = before.position + 1 if before is not None else 1
    if claim.position != due:
        return f"position {claim.position} where {due} was due"
    counter = max(before.counter if before is not None else 0, number_of(claim.version) or 0)
    return f"counter {claim.counter} where {counter} was due" if claim.counter != counter else None


def lookup_problems(snapshot: Snapshot, claim: Claim) -> Iterator[str]:
    """Why a look-up does not find a version: it has no manifest, or its version string leads elsewhere."""
    if layout.MANIFEST not in snapshot.folders.names(claim.path):
        yield "it has no manifest"
    if snapshot.claim_of(claim.name, claim.version) != claim:
        yield f"looking up version {claim.version!r} does not find it"


def pointer_problems(folders: Folders, name: Name, expected: set[TreePath]) -> Iterator[str]:
    """Each pointer of an artifact that is there and not expected, or the other way round."""
    folder = (*layout.artifact_path(name), layout.NAMES)
    found = {(*folder, page, entry) for page in folders.names(folder) for entry in folders.names((*folder, page))}
    for path in sorted(found ^ expected):
        yield f"{'/'.join(path)}: a pointer that {'leads nowhere' if path in found else 'is missing'}"


def _intruders(folders: Folders, snapshot: Snapshot, name: Name) -> Iterator[str]:
    """What stands in the folders of an artifact and is no part of it, and each file that stands for such a folder."""
    root = layout.artifact_path(name)
    tops = list[TreePath]()
    for entry in folders.names(root):
        if layout.is_page(entry) or entry == layout.NAMES:
            tops.append((*root, entry))
        elif entry != layout.EVENTS:
            yield f"artifact {name!r}: {entry!r} is no part of one"
    below = ((*top, entry) for top in tops for entry in folders.names(top))
    for path in (root, *tops, *below):
        if folders.read(path) is not None:
            yield f"{'/'.join(path)}: a file where a folder belongs"
    for entry in snapshot.strays(name):
        yield f"{entry!r} stands among its versions and is not a claim on a position"


def _check_claim(snapshot: Snapshot, claim: Claim) -> Iterator[Wrong]:
    try:
        for problem in lookup_problems(snapshot, claim):
            yield claim.label, FormatError(f"{claim.label}: {problem}")
    except LedgerError as error:
        yield claim.label, error
    yield from ((claim.label, error) for _, error in _check_files(snapshot.folders, claim.path))


def _check_shards(folders: Folders) -> Iterator[Wrong]:
    """Each entry below ``artifacts`` that is not the folder of an artifact whose name belongs there."""
    for shard in folders.names(layout.ARTIFACTS):
        entries = folders.names((*layout.ARTIFACTS, shard))
        for entry in entries or [""]:
            name = layout.parse_name(entry)
            path = (*layout.ARTIFACTS, shard, entry)
            if name is None or layout.artifact_path(name) != path:
                where = "/".join(path)
                yield where, FormatError(f"{where}: this is no artifact's folder")


def _check_files(folders: Folders, place: TreePath) -> Iterator[Wrong]:
    """Each file at or below a place that cannot be read, or is not the record that its path says."""
    where = "/".join(place)
    try:
        paths = list(islice(_paths(folders, place), PATH_LIMIT + 1))
    except LedgerError as error:
        yield where, error
        return
    if len(paths) > PATH_LIMIT:
        yield where, FormatError(f"{where}: more than {PATH_LIMIT} files")
        return
    for path in paths:
        try:
            check_file(path, folders.read(path) or b"")
        except InvalidVersionError as error:
            yield "/".join(path), FormatError(f"{'/'.join(path)}: {error}")
        except LedgerError as error:
            yield "/".join(path), error


def _paths(folders: Folders, place: TreePath) -> Iterator[TreePath]:
    """The file at a place, or the files below it; raises `FormatError` where it is too deep. No folder is empty."""
    names = folders.names(place)
    if not names:
        yield place
    elif len(place) > DEPTH_LIMIT:
        raise FormatError(f"{'/'.join(place)}: folders nest deeper than {DEPTH_LIMIT}")
    yield from chain.from_iterable(_paths(folders, (*place, name)) for name in names)
