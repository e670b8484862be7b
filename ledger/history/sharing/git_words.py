"""What the words of Git and of a remote mean where something was not done, and what to do about it.

Pure. Words are all there is: Git ends most failures with one code. They are English, as `git_program` has Git speak it.
"""

import re
import shlex
from pathlib import Path
from typing import Final

# Patterns are compiled by `re` when they are first used: most programs ask no remote.
_OWNER = r"(?m)^fatal: .*dubious ownership in repository at '([^'*]+)'"
_ABSENT = r"fatal: '(.+?)' does not appear to be a git repository"
_LOCKED = r"Unable to create '([^']+\.lock)': File exists"
_BROKEN = (
    r"bad (?:numeric |boolean )?config (?:line|variable|value)|unknown value for config|bad zlib compression"
    r"|maximum include depth"
)
_SWEPT = (
    r"unable to migrate objects|missing necessary objects"
    r"|(?:No such file or directory|requires a git repository).*\(unpacker error\)"
)
_FULL = r"(?:^|; )(?!remote: )[^;]*(?:No space left on device|Out of diskspace|Disk quota exceeded|File too large)"
_FAILING = ("Input/output error", "Read-only file system", "Permission denied", "couldn't write")
"""What Git says of a file that it cannot use; of a ref that it cannot write, such as on a full disk, not why."""
_UNFIT = ("unresolved delta", "did not receive expected", "existing object", "is corrupt", "COLLISION", "expected type")
"""What Git says of objects that lie here already, when those that came are joined with them."""

_THERE = "on the remote side"
_LOST = (
    "the remote has lost objects: `rsync -a` of a whole ledger's history.git/objects/ to its objects/ brings them back"
)
_SIGN_IN = (
    "Git has no user name and password for it, or a wrong one: `git config --global credential.helper` says which "
    "program has them (gitcredentials(7)); no question is asked here, and GIT_ASKPASS is not used"
)
_NEWER = "the repository is kept in a way that the Git which reads it does not know: install a later one there"
_ADVICE: Final = {
    "could not read Username": _SIGN_IN,
    "could not read Password": _SIGN_IN,
    "Authentication failed": _SIGN_IN,
    _THERE: _LOST,
    "missing necessary objects": _LOST,
    "unresolved delta": _LOST,
    "fsck error": "what Git itself refuses was pushed there: `git fsck --strict` in the remote names it",
    "upload-pack: not our ref": _LOST,
    "unable to migrate objects": "try again when Git's housekeeping there is done; else who syncs may not write there",
    "bad object refs/": "a ref here is damaged: run `ledger verify`, and `ledger repair --from` the remote or a clone",
    "current working directory": "change to a folder that is there",
    "fatal: transport '": "a remote is a Git repository, at a path or a URL of https, http, ssh or git; "
    "the URL of a bucket or other store is given as the remote's store, by --store",
    "exceeds maximum allowed size": "the remote takes less in one push: `receive.maxInputSize` there bounds it",
    "not support --signed push": "`git config --global push.gpgSign if-asked` signs only where that is taken",
    "unknown repository extension": _NEWER,
    "Expected git repo version": _NEWER,
    "unknown option": "Git is too old here: install 2.29 or a later one",
    "algorithm": "a history has the hashes of SHA-1: make the remote by `git init --bare --object-format=sha1 PATH`",
    "matches more than one": "another ref there ends in refs/heads/main: `git push URL --delete REF` takes it away",
    "branch is currently checked out": "share through a bare repository: `git init --bare -b main PATH` makes one",
}


def advice(words: str, default: str) -> str:
    """What to do about a remote that did not do what was asked; ``default`` where its words and Git's do not tell."""
    owned = re.search(_OWNER, words)
    if owned is not None:  # by default Git reads no repository of another user
        return f"if you trust who owns it, run `git config --global --add safe.directory {shlex.quote(owned[1])}`"
    absent = re.search(_ABSENT, words)
    if absent is not None:  # without its path the command would make one of the folder it is run in
        make = f"`git init --bare -b main {shlex.quote(absent[1])}`"
        return f"check the path; if it is right, and nothing lies there yet, {make} makes a new remote"
    locked = re.search(_LOCKED, words)
    if locked is not None:  # Git never removes another's lock
        return f"try again in a minute; if {locked[1]} is still there then, its push has died: remove it in the remote"
    if re.search(_BROKEN, words) is not None:
        return (
            "mend that setting of Git, mostly in ~/.gitconfig: `git config --list --show-origin` says which file has "
            "which, and ./config is the remote's"
        )
    return next((hint for known, hint in _ADVICE.items() if known in words), default)


def is_full_here(words: str) -> bool:
    """Whether it was the disk here that had no room, and not the remote's."""
    return re.search(_FULL, words) is not None


def is_failing_here(words: str, git_dir: Path) -> bool:
    """Whether it was a file of the history here that Git could not use."""
    here = [said for said in words.split("; ") if f"{git_dir}/" in said and not said.startswith("remote: ")]
    return any(known in said for said in here for known in _FAILING)


def is_damaged_here(words: str) -> bool:
    """Whether it may be an object here that Git found lost or damaged."""
    return _THERE not in words and any(known in words for known in _UNFIT)


def is_locked(words: str) -> bool:
    """Whether another push holds a lock in the remote, or left it there when it was killed."""
    return re.search(_LOCKED, words) is not None


def was_swept(words: str) -> bool:
    """Whether the remote's own housekeeping may have deleted the objects of a push as they arrived.

    Of objects that it misses Git does not say whether they have just come or had been there.
    """
    return re.search(_SWEPT, words) is not None
