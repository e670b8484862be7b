"""How records are kept: in a bare Git repository that only grows.

A record (manifest, event, run) is a file in a commit's tree; its path says what it is about (`tree.layout`). Publishing
adds a commit and moves the branch to it by compare-and-swap (`writing.publishing`). Writers leave many small packs,
which are folded into few (`folds.packing`). A sync merges two branches by pure rules (`sharing.merging`).

Two parts that few programs need have faces of their own, so that the others need not load them: `upkeep` and
`sharing`.

The only package that knows dulwich and Git's files. Knows nothing of stores, values or searches.
"""

from ledger.history.changes import ClaimChange, claim_changes
from ledger.history.git.branch import once_published
from ledger.history.git.forms import Commit
from ledger.history.git.refs import BRANCH
from ledger.history.git.remotes import (
    Remote,
    check_remote,
    is_remote_name,
    path_in,
    refuse_secrets,
    remote_url,
    repository_at,
)
from ledger.history.git.repository import LOCK, REPOSITORY
from ledger.history.git.revisions import in_utc, time_of
from ledger.history.git.settings import HONEST_SETTINGS, HONEST_VARIABLES, check_settings
from ledger.history.history import History
from ledger.history.tree.drafts import (
    UNPLACED,
    Draft,
    EventDraft,
    RecordDraft,
    VersionDraft,
)
from ledger.history.tree.layout import Claim, cache_file, run_file, step_file
from ledger.history.tree.placing import refuse_taken
from ledger.history.tree.snapshot import Snapshot
from ledger.history.writing.fold_turns import FOLD_LOCK
from ledger.history.writing.identity import git_identity, host_identity

__all__ = [
    "BRANCH",
    "FOLD_LOCK",
    "HONEST_SETTINGS",
    "HONEST_VARIABLES",
    "LOCK",
    "REPOSITORY",
    "UNPLACED",
    "Claim",
    "ClaimChange",
    "Commit",
    "Draft",
    "EventDraft",
    "History",
    "RecordDraft",
    "Remote",
    "Snapshot",
    "VersionDraft",
    "cache_file",
    "check_remote",
    "check_settings",
    "claim_changes",
    "git_identity",
    "host_identity",
    "in_utc",
    "is_remote_name",
    "once_published",
    "path_in",
    "refuse_secrets",
    "refuse_taken",
    "remote_url",
    "repository_at",
    "run_file",
    "step_file",
    "time_of",
]
