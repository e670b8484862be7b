"""Check the versions of an artifact: their records, and that the bytes they need are there.

Objects that the store has listed are read by themselves, not here: many versions may need one.
"""

from ledger.blobs import (
    Store,
    absent,
    check_linked,
    check_objects,
    check_table,
    is_present,
    needs_of,
    sizes_of,
)
from ledger.core.findings import Findings
from ledger.core.links import check_links
from ledger.core.reports import Problem
from ledger.core.workspace import Workspace
from ledger.errors import FormatError, LedgerError
from ledger.history import Claim, Snapshot
from ledger.history.upkeep import check_artifact
from ledger.ids import hex_of, undashed
from ledger.records import Content, Manifest, Name

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
        """The objects that those need, chunks with their plain size."""
        self._elsewhere: dict[str, int | None] = {}  # those that were not listed and not looked for yet
        self._with_links: dict[tuple[bytes, int, int | None], bool] = {}  # by what a manifest says of a content
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
                if claim.label not in wrong:
                    self._check_version(snapshot, claim)
        except LedgerError as error:
            self._found.note_error(name, error)
        if len(self._elsewhere) >= _TOGETHER:
            self.finish()

    def finish(self) -> None:
        """Look for what lies in the stores of remotes, or in a store that cannot be listed: many at a time."""
        elsewhere = {key: size for key, size in self._elsewhere.items() if key not in self._found.store}
        self._elsewhere.clear()
        if self._deep:
            self._found.note(done.fault for done in check_objects(self._stores, elsewhere))
        else:
            self._found.note(absent(self._stores, elsewhere))

    def _check_id(self, claim: Claim) -> None:
        id = bytes.fromhex(undashed(claim.id))  # of a million versions there are a million
        if id in self._ids:
            error = FormatError(f"{claim.label} has the id {claim.id}, which another version has too")
            self._found.note_error(claim.label, error)
        self._ids.add(id)

    def _check_version(self, snapshot: Snapshot, claim: Claim) -> None:
        try:
            manifest = self._workspace.facts(snapshot, claim).manifest
        except LedgerError as error:
            self._found.note_error(claim.label, error)
            return
        content = manifest.content
        if content.linked is not None and not self._is_linked_whole(claim, content):
            # That its files are damaged is told once; the objects that list them are needed all the same.
            self.named.update(dict.fromkeys(needs_of(self._stores, content).stretches))
            return
        if self._check_content_once(content) and self._deep and content.linked is None:
            # The links of registered data were checked with its files.
            self._check_links(claim, manifest)

    def _check_content_once(self, content: Content) -> bool:
        """Check a content as `_check_content` does, but of equal ones that have a table only the first."""
        if not content.has_table:
            return self._check_content(content)
        identity = (bytes.fromhex(hex_of(content.digest)), content.size, content.file_count)
        if identity not in self._with_links:
            self._with_links[identity] = self._check_content(content)
        return self._with_links[identity]

    def _check_content(self, content: Content) -> bool:
        """Check what a content needs; says whether it has links, as far as that can be told."""
        needs = needs_of(self._stores, content)
        sizes = sizes_of(content)
        new = needs.stretches.keys() - self.named.keys()
        self.named.update({key: sizes.get(key) for key in needs.stretches})
        self._elsewhere.update({key: sizes.get(key) for key in new - self._listed})
        self._found.note([needs.fault])
        if self._deep and needs.fault is None:
            self._found.note([check_table(self._stores, content)])
        return needs.fault is None and needs.has_links

    def _check_links(self, claim: Claim, manifest: Manifest) -> None:
        try:
            check_links(self._stores, manifest, label=claim.label)
        except LedgerError as error:
            self._found.note_error(claim.label, error)

    def _is_linked_whole(self, claim: Claim, content: Content) -> bool:
        """Whether registered data is whole; notes what is wrong. Equal data of many versions is read once."""
        if content in self._whole:
            return True
        try:
            store = self._workspace.store_holding(content)
            if self._deep:
                check_linked(store, content, label=claim.label)
            elif not is_present(store, content):
                message = f"its files ({content.linked}) are not in {store.url}"
                self._found.add(Problem(kind="missing", label=claim.label, message=message, versions=(claim.label,)))
                return True  # of what lists it nothing is known yet
        except LedgerError as error:
            self._found.note_error(claim.label, error)
            return False
        self._whole.add(content)
        return True
