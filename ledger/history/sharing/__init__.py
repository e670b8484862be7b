"""How a history is shared with others: a second face of this package.

It is apart from the first one, since most programs talk to no remote and need not load this.
"""

from ledger.history.git.tips import accepted_tips
from ledger.history.sharing.syncing import SyncPlan, adopt_plan, clone_history, gained, join_plan, plan_sync, push_plan

__all__ = [
    "SyncPlan",
    "accepted_tips",
    "adopt_plan",
    "clone_history",
    "gained",
    "join_plan",
    "plan_sync",
    "push_plan",
]
