"""Check the versions of an artifact: their records, and that the bytes they need are there.

Objects that the store has listed are read by themselves, not here: many versions may need one.
"""

from collections.abc import Iterable, Mapping

from ledger.blobs import (
    CHANGED_IN_PLACE,
    Checked,
    Fault,
    Needs,
    Store,
    absent,
    check_linked,
    check_objects,
    is_present,
    look_into,
    missized,
    needs_of,
    whole_files,
)
from ledger.core.findings import Findings
from ledger.core.links import check_links
from ledger.core.reports import Problem
from ledger.core.workspace import Workspace
from ledger.enums import FaultKind
from ledger.errors import FormatError, IntegrityError, LedgerError
from ledger.history import Claim, Snapshot
from ledger.history.upkeep import check_artifact
from ledger.ids import bytes_of, undashed
from ledger.records import Content, Name
from ledger.system_errors import raise_if_inconclusive

_TOGETHER = 256  # objects, of which a distant store is asked about many at a time


class VersionCheck:
    """Artifacts checked one after another; ``stores`` is asked for what is not among the objects ``listed``."""

    def __init__(
        self, workspace: Workspace, stores: Store, listed: frozenset[str], found: Findings, *, deep: bool
    ) -> None:
        self._workspace = workspace
        self._stores = stores
        self._listed = listed
        self._found = found
        self._deep = deep
        self.count = 0
        """How many versions were checked."""
        self.named: dict[str, int | None] = {}
        """The objects that these need, chunks with the plain size that the first manifest gives them."""
        self.hides_needs = False
        """Whether damage hides what one of them needs, so that more may be needed than is named."""
        self.awaited: frozenset[str] = frozenset()
        """The objects that the caller reads afterwards; other chunks are read in `finish`, to learn their sizes."""
        self._other_sizes: dict[str, set[int]] = {}  # other plain sizes that later manifests give chunks
        self._elsewhere: set[str] = set()  # objects that `finish` has still to look for or to read
        self._with_tables: dict[tuple[bytes, int, int | None, bool], tuple[bool, str | None]] = {}
        """What was found of contents that have a table, by what a manifest says of them."""
        self._whole: set[Content] = set()  # of registered data, whose files were read
        self._ids: set[bytes] = set()

    def check(self, snapshot: Snapshot, name: Name) -> None:
        """Check the records of an artifact, and that what its versions need is there and whole, now or in `finish`."""
        wrong: set[str] = set()
        try:
            for label, error in check_artifact(snapshot.folders, name):
                wrong.add(label)
                self._found.note_error(label, error)
            for claim in snapshot.claims(name):
                self.count += 1
                self._check_id(claim)
                self._check_version(snapshot, claim, is_told=claim.label in wrong)
        except LedgerError as error:
            self.hides_needs = True
            self._found.note_error(name, error)
        if len(self._elsewhere) >= _TOGETHER:
            self.finish()

    def finish(self) -> None:
        """Look for what lies in the stores of remotes, or in a store that cannot be listed: many at a time."""
        elsewhere = sorted(self._elsewhere - self._found.store.keys())
        self._elsewhere.clear()
        if self._deep:
            self._found.note(map(self.fault_of, check_objects(self._stores, elsewhere)))
        else:
            self._found.note(absent(self._stores, elsewhere))

    def fault_of(self, done: Checked) -> Fault | None:
        """What is wrong with an object that was read, by itself or by what manifests say of its size."""
        said = (self.named.get(done.key), *self._other_sizes.get(done.key, ()))
        return done.fault or missized(self._stores, done.key, done.plain, said)

    def _check_id(self, claim: Claim) -> None:
        id = bytes.fromhex(undashed(claim.id))  # the shortest form, as there may be a million
        if id in self._ids:
            error = FormatError(f"{claim.label} has the id {claim.id}, which another version has too")
            self._found.note_error(claim.label, error)
        self._ids.add(id)

    def _check_version(self, snapshot: Snapshot, claim: Claim, *, is_told: bool) -> None:
        """Check what a version needs; ``is_told`` says that a fault in its records has been noted already."""
        try:
            manifest = self._workspace.facts(snapshot, claim).manifest
        except LedgerError as error:
            self.hides_needs = True
            if not is_told:
                self._found.note_error(claim.label, error)
            return
        content = manifest.content
        if not self._is_whole(claim, content):
            # The fault is noted already; what the content names is needed all the same.
            self._note_needed(self._needs_of(content).stretches, {})
            return
        has_links, contradiction = self._check_content_once(content)
        try:
            if contradiction is not None:
                raise IntegrityError(f"{claim.label}: {contradiction}", label=claim.label)
            if has_links and self._deep and content.linked is None:
                # The links of registered data were checked with its files.
                check_links(self._stores, manifest, label=claim.label)
        except LedgerError as error:
            self._found.note_error(claim.label, error)

    def _check_content_once(self, content: Content) -> tuple[bool, str | None]:
        """As `_check_content`; of equal contents with a table only the first is checked."""
        if not content.has_table:
            return self._check_content(content)
        identity = (bytes_of(content.digest), content.size, content.file_count, content.linked is not None)
        if identity not in self._with_tables:
            self._with_tables[identity] = self._check_content(content)
        return self._with_tables[identity]

    def _check_content(self, content: Content) -> tuple[bool, str | None]:
        """Check what a content needs; whether it has links, as far as that can be told, and what contradicts it."""
        needs, fault = look_into(self._stores, content, deep=self._deep)
        self.hides_needs |= needs.fault is not None
        unsized = needs.sizes.keys() - self.awaited if self._deep else set[str]()
        new = self._note_needed(needs.stretches, needs.sizes)
        self._elsewhere |= {key for key in new if key in unsized or key not in self._listed}
        self._found.note([needs.fault, fault])
        return needs.fault is None and needs.has_links, needs.contradiction

    def _needs_of(self, content: Content) -> Needs:
        needs = needs_of(self._stores, content)
        self.hides_needs |= needs.fault is not None
        return needs

    def _note_needed(self, keys: Iterable[str], sizes: Mapping[str, int]) -> set[str]:
        """Note which objects a content needs; gives those that no other needed, and chunks that had another size."""
        new: set[str] = set()
        for key in keys:
            size = sizes.get(key)
            if key not in self.named:
                self.named[key] = size
                new.add(key)
            elif size is not None and size != self.named[key]:
                self._other_sizes.setdefault(key, set()).add(size)
                new.add(key)
        return new

    def _is_whole(self, claim: Claim, content: Content) -> bool:
        """Whether the parts of a manifest agree, and registered data is whole; notes what is wrong."""
        if content.linked is not None:
            return self._is_linked_whole(claim, content)
        try:
            if not content.has_table:
                whole_files(content, label=claim.label)
        except LedgerError as error:
            self._found.note_error(claim.label, error)
            return False
        return True

    def _is_linked_whole(self, claim: Claim, content: Content) -> bool:
        """Whether registered data is whole; notes what is wrong. Equal data of many versions is read once."""
        if content in self._whole:
            return True
        try:
            store = self._workspace.store_holding(content)
            is_there = is_present(store, content)
            if is_there and self._deep:
                check_linked(store, content, label=claim.label)
        except LedgerError as error:
            if self._needs_of(content).fault is not None:
                return True  # the table that lists its files is at fault, which is noted with what the content needs
            raise_if_inconclusive(error)
            self._found.add(_registered_problem("corrupt", claim, str(error)))
            return False
        if is_there:
            self._whole.add(content)
        elif self._needs_of(content).fault is None:
            message = f"its files ({content.linked}) are not in {store.url}"
            self._found.add(_registered_problem("missing", claim, message))
        return True


def _registered_problem(kind: FaultKind, claim: Claim, message: str) -> Problem:
    return Problem(kind=kind, label=claim.label, message=message, versions=(claim.label,), hint=CHANGED_IN_PLACE)
