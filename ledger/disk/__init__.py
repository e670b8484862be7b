"""Durable writes, reads that never lie, and the lock.

Every durable write of a ledger goes through this package, and it alone uses fsync and filelock. Each part states the
rules it keeps (specs/concurrency.md).
"""

from ledger.disk.beside import folder_beside
from ledger.disk.given import absolute, given_path, given_text, temporary_folder, users_folder, working_directory
from ledger.disk.holds import Hold, alone, hold_file, hold_open_file, is_abandoned
from ledger.disk.locks import HeldLock, LockFile, locks_end_here
from ledger.disk.modes import MODE, is_private
from ledger.disk.reading import (
    close_anyway,
    is_file,
    is_folder,
    link_on_way,
    mode_of,
    names_in,
    open_regular,
    read_file,
    status_of,
    storage_errors,
    walk,
)
from ledger.disk.settling import settle, settle_everything, settle_file, settle_files
from ledger.disk.staged import StagedFile, stage_together, write_parts
from ledger.disk.syncing import current_durability, durability, sync_directory, sync_file
from ledger.disk.writing import (
    TEMPORARY_PREFIX,
    add_to_file,
    create_file,
    fresh_name,
    link_file,
    make_directory,
    move_file,
    patch_file,
    remove_abandoned,
    remove_folder,
    remove_if_there,
    scratch_file,
    stage_file,
    unnamed_copy,
    write_all,
    write_derived_file,
    write_file,
    write_new_file,
)

__all__ = [
    "MODE",
    "TEMPORARY_PREFIX",
    "HeldLock",
    "Hold",
    "LockFile",
    "StagedFile",
    "absolute",
    "add_to_file",
    "alone",
    "close_anyway",
    "create_file",
    "current_durability",
    "durability",
    "folder_beside",
    "fresh_name",
    "given_path",
    "given_text",
    "hold_file",
    "hold_open_file",
    "is_abandoned",
    "is_file",
    "is_folder",
    "is_private",
    "link_file",
    "link_on_way",
    "locks_end_here",
    "make_directory",
    "mode_of",
    "move_file",
    "names_in",
    "open_regular",
    "patch_file",
    "read_file",
    "remove_abandoned",
    "remove_folder",
    "remove_if_there",
    "scratch_file",
    "settle",
    "settle_everything",
    "settle_file",
    "settle_files",
    "stage_file",
    "stage_together",
    "status_of",
    "storage_errors",
    "sync_directory",
    "sync_file",
    "temporary_folder",
    "unnamed_copy",
    "users_folder",
    "walk",
    "working_directory",
    "write_all",
    "write_derived_file",
    "write_file",
    "write_new_file",
    "write_parts",
]
