"""What the refs of a history and their logs say, read from the files and checked against the objects.

Owns what must hold of them: each is what Git wrote, and names a commit that can be read.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ledger.disk import read_file
from ledger.errors import IntegrityError, StorageError
from ledger.history.git.forms import ObjectId
from ledger.history.git.kinds import COMMIT
from ledger.history.git.refs import BRANCH, PACKED_REFS, read_packed
from ledger.history.git.soundness import GitFault, unreadable
from ledger.history.git.tips import names_object, read_ref_files, read_tips
from ledger.history.history import History
from ledger.ids import CommitId

_OUR_OWN = "refs/ledger/"
_REPLACING = "refs/replace/"
# From 2.48 on Git writes one with every fetch: which branch a remote's HEAD is. `git symbolic-ref` makes any.
_POINTER = re.compile(r"ref: refs/[\x21-\x7e]+\n")
_LOG_LINE = re.compile(r"[0-9a-f]{40} [0-9a-f]{40} [^<>\n\0]*<[^<>\n\0]*> [0-9]+ [+-][0-9]{4}(?:\t[^\n]*)?")
# A first line such as this is the only comment that Git takes.
_PACKED_REFS = re.compile(
    r"(?:# pack-refs with:[^\n]*\n)?(?:(?:[0-9a-f]{40} refs/[^\x00-\x20\x7f]+|\^[0-9a-f]{40})\n)*"
)


def check_refs(history: History, name: str) -> Iterator[GitFault]:
    """What is wrong with ``refs``, ``packed-refs`` or ``logs``, or with what they name."""
    if name == PACKED_REFS:
        return _check_packed(history)
    return _check_logs(history) if name == "logs" else _check_files(history)


def _check_files(history: History) -> Iterator[GitFault]:
    git_dir = history.git_dir
    refs = read_ref_files(git_dir, "refs")
    if BRANCH not in read_tips(git_dir).commits and not any(unread.name == BRANCH for unread in refs.unread):
        yield GitFault(BRANCH, "missing", f"the history {git_dir} has lost its branch {BRANCH}")
    yield from (unread.fault for unread in refs.unread)
    for ref, text in refs.texts.items():
        may_point = ref != BRANCH and not ref.startswith(_OUR_OWN)
        if not (may_point and _POINTER.fullmatch(text)):  # what it points to is a ref itself
            yield from _check_text(history, ref, text, end="\n")


def _check_packed(history: History) -> Iterator[GitFault]:
    git_dir = history.git_dir
    # A ref's own file wins over its line in packed-refs: what that line names may be gone.
    loose = read_ref_files(git_dir, "refs").texts
    yield from _check_list(git_dir / PACKED_REFS)
    for ref, text in read_packed(git_dir):
        if ref not in loose:
            yield from _check_text(history, ref, text, end="")


def _check_logs(history: History) -> Iterator[GitFault]:
    logs = read_ref_files(history.git_dir, "logs")
    for log, text in logs.texts.items():
        if text and not all(_LOG_LINE.fullmatch(line) for line in text.removesuffix("\n").split("\n")):
            yield GitFault(log, "corrupt", f"{history.git_dir / log} is not a log of a ref")
    yield from (unread.fault for unread in logs.unread)
    for log, text in logs.texts.items():
        for id in _logged(text):
            yield from _check_target(history, f"{log} in the log", id)


def _check_text(history: History, ref: str, text: str, *, end: str) -> Iterator[GitFault]:
    """What is wrong with a ref: it must hold an object's id and this ``end``, name a sound object, and replace none."""
    if ref.startswith(_REPLACING):
        id = ref.removeprefix(_REPLACING)
        message = f"{ref} has Git show another object in the place of {id}; `ledger git replace -d {id}` removes it"
        yield GitFault(ref, "corrupt", message)
    elif names_object(text) and text.endswith(end):
        yield from _check_target(history, ref, CommitId(text.strip()))
    else:
        yield GitFault(ref, "corrupt", f"{history.git_dir / ref} holds {text[:60]!r}, not a commit")


def _check_target(history: History, ref: str, id: CommitId) -> Iterator[GitFault]:
    """What is wrong with the object that a ref names: it must be readable, and a commit if the ref is a branch."""
    try:
        kind, _ = history.objects.read(ObjectId(id))
    except (IntegrityError, StorageError) as error:
        yield unreadable(ref, error)._replace(message=f"{ref} names {id}: {error}")
        return
    if ref.startswith("refs/heads/") and kind != COMMIT:
        yield GitFault(ref, "corrupt", f"{ref} names {id}, which is no commit")


def _logged(text: str) -> Iterator[CommitId]:
    """The commits that a log of a ref names."""
    for line in text.splitlines():
        if _LOG_LINE.fullmatch(line):
            yield from (CommitId(id) for id in line.split(" ", 2)[:2] if id.strip("0"))


def _check_list(path: Path) -> Iterator[GitFault]:
    try:
        text = read_file(path).decode(errors="replace")
    except FileNotFoundError:
        return
    if not _PACKED_REFS.fullmatch(text):
        yield GitFault(path.name, "corrupt", f"{path} is not a list of refs")
        return
    from dulwich.refs import Ref, check_ref_format

    refs = (line.partition(" ")[2] for line in text.split("\n") if line and line[0] not in "#^")
    for ref in refs:
        if not check_ref_format(Ref(ref.encode())):
            yield GitFault(path.name, "corrupt", f"{path} names {ref!r}, which no ref is called")
