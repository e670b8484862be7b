"""How records are kept: in a bare Git repository that only grows.

A record (manifest, event, run) is a file in a commit's tree; its path says what it is about (`layout`). Publishing
adds a commit and moves the branch to it by compare-and-swap (`history`); a sync merges two branches by pure rules
(`merging`). Writers leave many small packs, which are folded into few (`packing`).

The only package that knows dulwich and Git's files. Knows nothing of stores, values or searches.
"""

from ledger.history.auditing import (
    all_commits,
    check_commit,
    check_git_file,
    check_indexes,
    check_missed,
    check_nothing_taken_back,
    git_files,
    without_index,
)
from ledger.history.changes import ClaimChange, claim_changes
from ledger.history.drafts import (
    UNPLACED,
    Draft,
    EventDraft,
    RecordDraft,
    VersionDraft,
    refuse_collision,
    refuse_existing,
)
from ledger.history.forms import Commit
from ledger.history.history import History, Published
from ledger.history.identity import git_identity
from ledger.history.layout import Claim, cache_file, run_file, step_file
from ledger.history.mending import HistoryMending, mend, plan_mending
from ledger.history.remotes import Remote, check_remote, is_remote_name, path_in, remote_url, without_secrets
from ledger.history.repacking import Packed, PackingPlan, execute_packing, plan_packing
from ledger.history.repository import check_settings
from ledger.history.revisions import in_utc, time_of
from ledger.history.snapshot import Snapshot
from ledger.history.soundness import GitFault
from ledger.history.standing import check_artifact, check_place, places_of
from ledger.history.syncing import SyncPlan, adopt_plan, clone_history, gained, plan_sync, push_plan
from ledger.history.tips import accepted_tips

__all__ = [
    "UNPLACED",
    "Claim",
    "ClaimChange",
    "Commit",
    "Draft",
    "EventDraft",
    "GitFault",
    "History",
    "HistoryMending",
    "Packed",
    "PackingPlan",
    "Published",
    "RecordDraft",
    "Remote",
    "Snapshot",
    "SyncPlan",
    "VersionDraft",
    "accepted_tips",
    "adopt_plan",
    "all_commits",
    "cache_file",
    "check_artifact",
    "check_commit",
    "check_git_file",
    "check_indexes",
    "check_missed",
    "check_nothing_taken_back",
    "check_place",
    "check_remote",
    "check_settings",
    "claim_changes",
    "clone_history",
    "execute_packing",
    "gained",
    "git_files",
    "git_identity",
    "in_utc",
    "is_remote_name",
    "mend",
    "path_in",
    "places_of",
    "plan_mending",
    "plan_packing",
    "plan_sync",
    "push_plan",
    "refuse_collision",
    "refuse_existing",
    "remote_url",
    "run_file",
    "step_file",
    "time_of",
    "without_index",
    "without_secrets",
]
