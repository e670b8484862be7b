"""How a history is checked, mended, and packed by hand: a second face of this package.

It is apart from the first one, since a program that saves, finds or loads something does none of this.
"""

from ledger.history.git.soundness import GitFault
from ledger.history.tree.standing import check_artifact, check_place, places_of
from ledger.history.upkeep.auditing import (
    all_commits,
    check_commit,
    check_git_file,
    check_indexes,
    check_missed,
    check_nothing_taken_back,
    git_files,
    without_index,
)
from ledger.history.upkeep.mending import HistoryMending, mend, plan_mending
from ledger.history.upkeep.repacking import Packed, PackingPlan, execute_packing, plan_packing

__all__ = [
    "GitFault",
    "HistoryMending",
    "Packed",
    "PackingPlan",
    "all_commits",
    "check_artifact",
    "check_commit",
    "check_git_file",
    "check_indexes",
    "check_missed",
    "check_nothing_taken_back",
    "check_place",
    "execute_packing",
    "git_files",
    "mend",
    "places_of",
    "plan_mending",
    "plan_packing",
    "without_index",
]
