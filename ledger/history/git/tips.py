"""Every ref of the repository, loose or packed, and the commit that each names.

Read from the files themselves, because a ref that cannot be read must not look like one that is not there: it is
reported beside those that can. Nothing here judges what a ref names.
"""

import os
from pathlib import Path
from typing import NamedTuple

from ledger.disk import read_file, walk
from ledger.errors import StorageError
from ledger.history.git.forms import is_object_id
from ledger.history.git.refs import INCOMING, OFFERED, PACKED_REFS, QUARANTINE, read_packed
from ledger.history.git.soundness import GitFault
from ledger.ids import CommitId
from ledger.system_errors import raise_if_inconclusive

_NOT_ACCEPTED = (f"{QUARANTINE}/", f"{INCOMING}/")


class Unread(NamedTuple):
    """A file of refs that cannot be read, relative to the repository, and why."""

    name: str
    error: StorageError

    @property
    def fault(self) -> GitFault:
        """What a check reports of it."""
        return GitFault(self.name, "corrupt", str(self.error))


class RefFiles(NamedTuple):
    """The text of each file below a folder of refs or logs, by its name, and the files that cannot be read."""

    texts: dict[str, str]
    unread: tuple[Unread, ...]


class Tips(NamedTuple):
    """The commit of every ref that names one, by the ref's name, and the files of refs that cannot be read."""

    commits: dict[str, CommitId]
    unread: tuple[Unread, ...]

    @property
    def accepted(self) -> dict[str, CommitId]:
        """Those that belong to this history; what a remote offered, or what was refused, is only kept as evidence."""
        return {ref: commit for ref, commit in self.commits.items() if not ref.startswith(_NOT_ACCEPTED)}


def read_tips(git_dir: Path) -> Tips:
    """The tips of a repository, as far as its refs can be read."""
    # In this order: a ref that Git packs at this moment is written to packed-refs before its file goes.
    loose = read_ref_files(git_dir, "refs")
    packed: dict[str, str] = {}
    unread: list[Unread] = []
    try:
        packed = dict(read_packed(git_dir))
    except StorageError as error:
        raise_if_inconclusive(error)
        unread.append(Unread(PACKED_REFS, error))
    texts = {**packed, **loose.texts}
    commits = {name: CommitId(text.strip()) for name, text in texts.items() if names_object(text)}
    return Tips(commits, (*unread, *loose.unread))


def accepted_tips(git_dir: Path) -> dict[str, CommitId]:
    """The tips that belong to this history; raises `StorageError` where a ref cannot be read."""
    tips = read_tips(git_dir)
    if tips.unread:
        raise tips.unread[0].error
    return tips.accepted


def offered_tips(git_dir: Path) -> list[CommitId]:
    """The commits that remotes offered when last fetched; if a fetch died, perhaps no ref reaches what it brought."""
    return [CommitId(text.strip()) for text in read_ref_files(git_dir, OFFERED).texts.values() if names_object(text)]


def names_object(text: str) -> bool:
    """Whether the text of a ref names an object, as that of every ref of a history does."""
    return is_object_id(text.removesuffix("\n"))


def read_ref_files(git_dir: Path, folder: str) -> RefFiles:
    """The files below ``refs`` or ``logs``, a file each; raises `StorageError` for a folder that cannot be listed."""
    found = sorted(os.path.join(place, name) for place, _, names in walk(git_dir / folder) for name in names)
    texts: dict[str, str] = {}
    unread: list[Unread] = []
    for path in found:
        if path.endswith(".lock"):
            continue  # a writer is at work, or died: the next one moves it aside
        name = os.path.relpath(path, git_dir)
        try:
            texts[name] = read_file(path).decode(errors="replace")
        except FileNotFoundError:
            continue  # packed or removed by Git at this moment
        except StorageError as error:
            raise_if_inconclusive(error)
            unread.append(Unread(name, error))
    return RefFiles(texts, tuple(unread))
