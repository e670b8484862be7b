"""The tree of any commit of a history that is a ledger's, of a format that this program reads.

The file ``ledger.json`` says so. All commits of a ledger have the same, so one of them is looked at.
"""

from ledger.errors import IntegrityError
from ledger.history.git.forms import object_id
from ledger.history.git.kinds import BLOB
from ledger.history.git.objects import Objects
from ledger.history.git.repository import check_format
from ledger.history.tree.layout import LEDGER_FILE
from ledger.history.tree.trees import CommittedTree
from ledger.ids import CommitId
from ledger.records import FORMAT, decode, encode

MARKER = encode({"features": [], "format": FORMAT})
"""What the file says in a ledger of this program's format."""

_MARKER_ID = object_id(BLOB, MARKER)


class CheckedTrees:
    """The trees of the commits of one history, whose format is known. Threads may share it."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._is_known = False

    def of(self, commit: CommitId) -> CommittedTree:
        """The tree of a commit.

        Raises `UnsupportedFormatError` for a commit of a ledger of another format, `IntegrityError` for one of no
        ledger.
        """
        tree = CommittedTree(self._objects, self._objects.commit(commit).tree)
        if not self._is_known:
            self._check(tree)
            self._is_known = True
        return tree

    def _check(self, tree: CommittedTree) -> None:
        git_dir = self._objects.git_dir
        where = f"{git_dir}: {LEDGER_FILE[0]}"
        entry = tree.find(LEDGER_FILE)
        if entry is None:
            raise IntegrityError(f"{where} is missing: this is not a ledger's history", where=str(git_dir))
        # The id alone tells what the file holds. As the oldest object it would be sought in every pack, if it were
        # read.
        if entry.id != _MARKER_ID:
            marker = decode(tree.read(LEDGER_FILE) or b"", dict[str, object], where=where)
            check_format(marker.get("format"), marker.get("features"), where)
