"""Finding versions and runs: where a ledger is, which version is meant, and what is known of it.

Reads records only. Nothing here touches bytes or values, so that looking costs little.
"""

from ledger.lookup.access import Access
from ledger.lookup.config import (
    CONFIG_FILE,
    DEFAULT_STORE,
    Config,
    RemoteConfig,
    read_config,
    setting_named,
    settings_state,
    store_setting,
    store_url,
)
from ledger.lookup.configuring import changing_settings, remove_remote, write_cache_limit, write_config
from ledger.lookup.differences import Change, Origin, VersionDiff
from ledger.lookup.discovery import (
    LEDGER_DIRECTORY,
    find_ledger,
    hint_of_repository,
    is_ledger,
    none_found,
    place_for_new,
)
from ledger.lookup.facts import Facts, leaves
from ledger.lookup.file_differences import FileChange, FilesDiff
from ledger.lookup.finding_runs import RUN_STATUSES
from ledger.lookup.handles import Artifact, ArtifactVersion
from ledger.lookup.named_places import folder_of, given_store
from ledger.lookup.parts import Part, no_file
from ledger.lookup.presence import Presence
from ledger.lookup.reader import Reader, find_path
from ledger.lookup.remotes import (
    find_remote,
    history_at,
    is_absent,
    is_history_of,
    likely_store_of_remote,
    place_named,
    remote_for_git,
    remotes_of,
    settings_for,
    store_of_remote,
    unfollowed_store,
    write_remote,
)
from ledger.lookup.resolving import check_wanted, resolve, split_label, version_text
from ledger.lookup.runs import PipelineRun, StepRun
from ledger.lookup.searching import check_tagged, claims_tagged
from ledger.lookup.spelling import most_like
from ledger.lookup.view import View
from ledger.lookup.visualized import Visualized

__all__ = [
    "CONFIG_FILE",
    "DEFAULT_STORE",
    "LEDGER_DIRECTORY",
    "RUN_STATUSES",
    "Access",
    "Artifact",
    "ArtifactVersion",
    "Change",
    "Config",
    "Facts",
    "FileChange",
    "FilesDiff",
    "Origin",
    "Part",
    "PipelineRun",
    "Presence",
    "Reader",
    "RemoteConfig",
    "StepRun",
    "VersionDiff",
    "View",
    "Visualized",
    "changing_settings",
    "check_tagged",
    "check_wanted",
    "claims_tagged",
    "find_ledger",
    "find_path",
    "find_remote",
    "folder_of",
    "given_store",
    "hint_of_repository",
    "history_at",
    "is_absent",
    "is_history_of",
    "is_ledger",
    "leaves",
    "likely_store_of_remote",
    "most_like",
    "no_file",
    "none_found",
    "place_for_new",
    "place_named",
    "read_config",
    "remote_for_git",
    "remotes_of",
    "remove_remote",
    "resolve",
    "setting_named",
    "settings_for",
    "settings_state",
    "split_label",
    "store_of_remote",
    "store_setting",
    "store_url",
    "unfollowed_store",
    "version_text",
    "write_cache_limit",
    "write_config",
    "write_remote",
]
