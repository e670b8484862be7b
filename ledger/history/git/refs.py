"""Refs, read and written by us as the files that they are, and the names of those that note what is known of remotes.

A ref that cannot be read is an error, never "no such ref". `branch` knows how the one ref that publishes is moved.
"""

import errno
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from ledger.disk import (
    fresh_name,
    make_directory,
    mode_of,
    read_file,
    remove_if_there,
    storage_errors,
    sync_directory,
    write_new_file,
)
from ledger.errors import IntegrityError, LedgerError, StorageError, UnsupportedFormatError
from ledger.history.git.forms import is_object_id
from ledger.ids import CommitId
from ledger.system_errors import storage_error

BRANCH = "refs/heads/main"
PACKED_REFS = "packed-refs"
TAGS = "refs/tags"

INCOMING = "refs/ledger/incoming"
"""The folder of what is being fetched, and not judged yet."""

QUARANTINE = "refs/ledger/quarantine"
"""The folder of what was refused, kept as evidence."""

STAGED = "tmp_ref_"
"""The prefix of a ref's file until it gets its name: it lies outside of ``refs``, where Git would take it for a ref."""

OFFERED = "ledger-offered"
"""A folder beside Git's refs: among them, Git would take a ref whose commit has not arrived yet for damage."""

CHOOSE_BRANCH = (
    "`ledger git fsck --lost-found` and `ledger git for-each-ref` list the commits that may have been its last, "
    f"and `ledger git update-ref {BRANCH} COMMIT` brings one back"
)
"""What a person does about a branch that is lost: which commit was its last, nobody else can say.

Git calls a commit lost that no ref reaches; the second command names what was at a remote when last heard of.
"""

_ATTEMPTS = 20
_LONGEST_TAG = 255  # bytes, as of the name of a file
_LONGEST_REF = 1024  # bytes that are read of the file of a ref
_TABLES = "reftable"


def known_ref(remote: str) -> str:
    """The ref that says what a remote's branch held when it was last heard of and accepted.

    It is not Git's own ref for this, which a plain `git fetch` moves to whatever there is.
    """
    return f"refs/ledger/known/{remote}"


def offered_ref(remote: str) -> str:
    """The ref that says which commit a remote offered last; it is noted before Git brings any object."""
    return f"{OFFERED}/{remote}"


def brought_ref(remote: str) -> str:
    """The ref of the newest commit whose bytes, as far as they lie here, the remote's store has been given."""
    return f"refs/ledger/brought/{remote}"


def merged_ref(remote: str) -> str:
    """The ref that keeps a merge behind a remote while it is pushed there."""
    return f"refs/ledger/merged/{remote}"


def refuse_other_refs(git_dir: Path) -> None:
    """Refuse a repository whose refs are no files, as `git refs migrate` may leave it: nobody reads them here."""
    if mode_of(git_dir / _TABLES):
        raise UnsupportedFormatError(
            f"the history {git_dir} keeps its refs as reftable, this program reads them as files",
            hint=f"run `git --git-dir={shlex.quote(str(git_dir))} refs migrate --ref-format=files`",
            found=_TABLES,
            supported="files",
            where=str(git_dir),
        )


def read_ref(git_dir: Path, ref: str) -> CommitId | None:
    """The commit a ref names, loose or packed; ``None`` only where the system says there is no such file."""
    try:
        text = read_file(f"{git_dir}/{ref}", length=_LONGEST_REF).decode(errors="replace").strip()
    except FileNotFoundError:
        # A ref that Git packs at this moment is written to packed-refs before its file goes.
        packed = (CommitId(id) for name, id in read_packed(git_dir) if name == ref and is_object_id(id))
        return next(packed, None)
    except StorageError:
        refuse_other_refs(git_dir)
        raise
    if not is_object_id(text):
        raise IntegrityError(
            f"the ref {git_dir / ref} holds {text[:60]!r}, not a commit",
            hint=f"delete that file; then {CHOOSE_BRANCH}" if ref == BRANCH else "",
            where=str(git_dir / ref),
        )
    return CommitId(text)


def read_tag(git_dir: Path, name: str) -> str | None:
    """What a tag of Git's names, a commit or a tag with a message; ``None`` where there is none of that name."""
    is_path = name.isprintable() and {"", ".", ".."}.isdisjoint(name.split("/"))
    if not is_path or len(name.encode()) > _LONGEST_TAG:
        return None
    if os.path.isdir(git_dir / TAGS / name):
        return None  # a part of other tags' names
    try:
        return read_ref(git_dir, f"{TAGS}/{name}")
    except StorageError as error:
        if error.errno == errno.ENOTDIR:
            return None  # a tag has the name of a folder that it would be in
        raise


def read_packed(git_dir: Path) -> Iterator[tuple[str, str]]:
    """The refs that Git has packed, each with what it names; raises `StorageError`."""
    try:
        text = read_file(git_dir / PACKED_REFS).decode(errors="replace")
    except FileNotFoundError:
        return
    for line in text.split("\n"):  # and at no other character, which a name may hold
        id, _, ref = line.partition(" ")
        if ref.startswith("refs/"):
            yield ref, id


def write_ref(git_dir: Path, ref: str, commit: CommitId) -> None:
    """Point a ref that is not the branch at a commit, durably: what a remote held, or evidence that is kept."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _write_once(git_dir, ref, commit)
        except StorageError as error:
            # While Git packs refs, it removes every folder that it finds empty.
            if error.errno != errno.ENOENT or attempt == _ATTEMPTS:
                raise
        else:
            return


def note_known(git_dir: Path, remote: str, commit: CommitId) -> None:
    """Remember what a remote's branch holds, once that is accepted, and note it in Git's own ref as well."""
    write_ref(git_dir, known_ref(remote), commit)
    write_ref(git_dir, f"refs/remotes/{remote}/main", commit)


def replace_ref(git_dir: Path, ref: str, commit: CommitId) -> None:
    """Point a ref at a commit. Its bytes are durable, its name is not yet: the caller syncs the folder."""
    staging = str(git_dir / fresh_name(STAGED))
    create_ref_file(staging, commit)
    try:
        rename_ref_file(staging, git_dir / ref)
    except LedgerError:
        remove_if_there(staging)
        raise


def create_ref_file(path: str, commit: CommitId) -> os.stat_result:
    """Write the file of a ref, or Git's lock on one, its bytes durable; ``FileExistsError`` where there is one.

    Returns its status, by which it can be told from another file that has its name since.
    """
    try:
        return write_new_file(path, [f"{commit}\n".encode()])
    except FileExistsError:
        raise
    except OSError as error:
        raise storage_error(error, path, "write") from error


def rename_ref_file(source: str, target: str | Path) -> None:
    """Give the file of a ref another name."""
    with storage_errors(target, "write"):
        os.rename(source, target)


def _write_once(git_dir: Path, ref: str, commit: CommitId) -> None:
    folder = (git_dir / ref).parent
    make_directory(folder)
    replace_ref(git_dir, ref, commit)
    sync_directory(folder)
