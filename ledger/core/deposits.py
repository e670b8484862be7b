"""Values on their way: in the store already, but in no version yet.

Owns what a transaction must not forget on that way: gc leaves alone what no record names yet; small objects that wait
for each other are in the store before the commit; and this user trusts what this user saves. Makes no records:
`core.transactions` does, and says when they are published.
"""

from collections.abc import Iterable

from ledger.blobs import ContentWriter, GatheredPuts
from ledger.core.saving import Options, store_value
from ledger.core.workspace import Workspace
from ledger.disk import Hold, durability, locks_end_here
from ledger.enums import TrustClass
from ledger.errors import StorageError
from ledger.forks import ThreadLock
from ledger.ids import Digest
from ledger.materializers import SavedValue
from ledger.meters import task
from ledger.notices import warn_user
from ledger.records import Content


class Deposit:
    """The values of one transaction, kept from gc until they are published. Threads may share it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._hold: Hold | None = None
        self._gathered: GatheredPuts | None = None
        self._lock = ThreadLock()

    def hold(self) -> None:
        """Keep gc away, from before bytes are relied on until they are published (specs/maintenance.md, 3)."""
        with self._lock, locks_end_here():
            if self._hold is None:
                self._hold = self._workspace.hold_store()

    def put(
        self, value: object, options: Options, *, name: str, similar: Iterable[Content]
    ) -> tuple[SavedValue, Content]:
        """Write a value; ``similar`` are contents that it may share bytes with."""
        workspace = self._workspace
        with task(f"save {name}"), durability(workspace.config.durability):
            # When a folder around the ledger is saved, the ledger is left out: it would save itself with all it holds.
            writer = ContentWriter(
                workspace.stores_for_saving(), similar=similar, without=workspace.path, gathered=self._gather()
            )
            saved, content = store_value(writer, value, options)
            if saved.trust is not TrustClass.DATA:
                self._trust_own(content.digest, name)
        return saved, content

    def finish(self) -> None:
        """Put into the store what waits, before anything names it; raises as `check_place` does."""
        if self._gathered is not None:
            self._gathered.finish()
        self.check_place()

    def check_place(self) -> None:
        """Raise `StorageError` if the store was deleted, or replaced, as by a backup: it lacks what was put."""
        hold = self._hold  # which another thread may let go
        if hold is not None and not hold.is_in_place():
            url = self._workspace.store.url
            raise StorageError(
                f"the store {url} was replaced or deleted after something had been saved into it",
                hint="save it again; nothing was published",
                url=url,
            )

    def let_go(self) -> None:
        """Let gc remove what was put: it is published, or nobody's."""
        hold, self._hold = self._hold, None  # at once: two threads may let go
        if hold is not None:
            hold.let_go()

    def _gather(self) -> GatheredPuts:
        """Where small objects wait for each other until the commit."""
        with self._lock:
            if self._gathered is None:
                self._gathered = GatheredPuts(self._workspace.store)
            return self._gathered

    def _trust_own(self, digest: Digest, name: str) -> None:
        try:
            self._workspace.trust.add(digest, name, self._workspace.now())
        except StorageError as error:
            self._workspace.trust.add_here(digest)
            warn_user(f"{name} is saved, but other processes will ask for trust before they load it: {error}")
