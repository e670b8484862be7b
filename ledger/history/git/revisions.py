"""Which commit a revision or a moment means, and the commits in order.

Owns the small part of Git's language of revisions that is understood here. The order is that of Git: by the times of
the commits, and a commit before its parents. A moment is looked up along first parents, by the time that a commit's
message tells.
"""

import datetime as dt
import heapq
import re
from collections.abc import Callable, Iterator

from ledger.errors import AmbiguousIdError, ArgumentError, ArgumentTypeError, IntegrityError, RevisionNotFoundError
from ledger.history.git.forms import Commit, ObjectId, decode_tag, is_object_id
from ledger.history.git.kinds import COMMIT, TAG
from ledger.history.git.objects import Objects
from ledger.ids import CommitId
from ledger.records import parse_time
from ledger.wording import counted, shown, shown_with_type

_REVISION = re.compile(r"([^~^]+)((?:[~^][0-9]{0,9})*)")
_BEGINNING = re.compile(r"[0-9a-f]{4,40}")
_STEP = re.compile(r"([~^])([0-9]*)")
_SEE_LOG = "see `ledger git log --oneline` for the commits there are"
_TIME = re.compile(r"^Time: (\S+)$", re.MULTILINE)

LAST_SECOND = 253_402_300_799
"""The end of the year 9999, in seconds: no moment is later. Git's own times may be."""


def resolve_revision(
    objects: Objects, tip: CommitId, tagged: Callable[[str], str | None], revision: str | dt.datetime
) -> CommitId:
    """The commit that a revision names, or that was published last at a moment.

    A revision is ``HEAD``, ``main``, a tag of Git's, or 4 to 40 digits of a commit, with Git's ``~N`` and ``^N`` behind
    it. ``tagged`` says what a tag names. A moment without a time zone is local time. Raises `RevisionNotFoundError`.
    """
    if isinstance(revision, dt.datetime):
        return _at_moment(objects, tip, revision)
    if not isinstance(revision, str):
        raise ArgumentTypeError(f"a revision is a str or a datetime, got {shown_with_type(revision)}")
    match = _REVISION.fullmatch(revision)
    if match is None:
        raise _unknown(revision)
    commit = tip if match[1] in ("HEAD", "main") else _named(objects, tagged, match[1], revision)
    for mark, digits in _STEP.findall(match[2]):
        number = int(digits or 1)
        if mark == "~":
            commit = _ancestor(objects, commit, number, revision)
        elif number:
            commit = _parent(objects, commit, number, revision)
    return commit


def commit_behind(objects: Objects, id: str) -> CommitId | None:
    """The commit that an object is or, if it is a tag, leads to; ``None`` if that is a tree or a file.

    Raises `IntegrityError` or `StorageError` for what cannot be read.
    """
    kind, data = objects.read(ObjectId(id))
    while kind == TAG:
        try:
            id = decode_tag(data)
        except ValueError as error:
            raise IntegrityError(f"git tag {id} cannot be read: {error}", digest=id) from error
        kind, data = objects.read(ObjectId(id))
    return CommitId(id) if kind == COMMIT else None


def time_of(commit: Commit) -> dt.datetime:
    """When a commit was made, to the microsecond where its trailer says so; always in UTC."""
    # Another program may have made the commit; the time that Git itself notes is there too.
    noted = dt.datetime.fromtimestamp(min(commit.time, LAST_SECOND), dt.UTC)
    match = _TIME.search(commit.message)
    return parse_time(match[1], noted) if match is not None else noted


def leads_to(objects: Objects, tip: CommitId, commit: CommitId, *, since: CommitId) -> bool:
    """Whether a commit that is no part of the history at ``since`` is part of it at ``tip``."""
    return any(found.id == commit for found in walk_commits(objects, tip, since=since))


def walk_commits(objects: Objects, tip: CommitId, *, since: CommitId | None = None) -> Iterator[Commit]:
    """Every commit that is part of a history, newest first; the walk does not go through ``since``."""
    order = 0
    waiting = [(0, order, tip)] if tip != since else []
    seen = {tip, since}
    while waiting:
        commit = objects.commit(heapq.heappop(waiting)[2])
        yield commit
        for parent in commit.parents:
            if parent not in seen:
                seen.add(parent)
                order += 1
                heapq.heappush(waiting, (-objects.commit(parent).time, order, parent))


def in_utc(moment: dt.datetime) -> dt.datetime:
    """A moment in UTC; one without a zone is taken as local time.

    Raises `ArgumentError` for the NaT of pandas, which is a datetime to ``isinstance`` alone.
    """
    if moment.isoformat() == "NaT":
        raise ArgumentError("NaT is no moment")
    # A Timestamp of pandas is a datetime too, but one without a time zone does not count as local time.
    moment = dt.datetime.combine(moment.date(), moment.timetz())
    try:
        return moment.astimezone(dt.UTC)
    except (OverflowError, ValueError):
        # The moment is less than a day from the first or the last that there is: the time zone does not matter.
        return moment.replace(tzinfo=dt.UTC)


def _at_moment(objects: Objects, tip: CommitId, moment: dt.datetime) -> CommitId:
    wanted = in_utc(moment)
    commit: Commit | None = objects.commit(tip)
    while commit is not None:
        if time_of(commit) <= wanted:
            return commit.id
        commit = objects.commit(commit.parents[0]) if commit.parents else None
    raise _not_found(moment.isoformat(), "the history begins later")


def _named(objects: Objects, tagged: Callable[[str], str | None], word: str, revision: str) -> CommitId:
    """The commit that a tag names, or whose id begins with a word; a whole id is never taken for a tag, as in Git."""
    digits = word.lower()
    named = None if is_object_id(digits) else tagged(word)
    if named is not None:
        commit = commit_behind(objects, named)
        if commit is None:
            raise _not_found(revision, "the tag names no commit")
        return commit
    if not _BEGINNING.fullmatch(digits):
        raise _unknown(revision)
    return _by_prefix(objects, digits)


def _by_prefix(objects: Objects, prefix: str) -> CommitId:
    found = _commits_beginning(objects, prefix)
    if not found and objects.packs.restore_indexes():
        found = _commits_beginning(objects, prefix)
    if not found:
        raise _not_found(prefix, "no commit begins so", hint=_way_to_one(prefix))
    if len(found) > 1:
        raise AmbiguousIdError(
            f"revision {prefix!r} is the beginning of {len(found)} commits: {', '.join(found[:5])}", prefix=prefix
        )
    return CommitId(found[0])


def _commits_beginning(objects: Objects, prefix: str) -> list[ObjectId]:
    found = []
    for name in [ObjectId(prefix)] if is_object_id(prefix) else sorted(objects.ids_with_prefix(prefix)):
        try:
            objects.get(name, COMMIT)
        except IntegrityError:
            continue  # an object of another kind, or a damaged one: not a commit to go to
        found.append(name)
    return found


def _parent(objects: Objects, commit: CommitId, number: int, revision: str) -> CommitId:
    parents = objects.commit(commit).parents
    if number > len(parents):
        raise _not_found(revision, f"{commit[:10]} has {counted(len(parents), 'parent')}")
    return parents[number - 1]


def _ancestor(objects: Objects, commit: CommitId, steps: int, revision: str) -> CommitId:
    for _ in range(steps):
        parents = objects.commit(commit).parents
        if not parents:
            raise _not_found(revision, f"{commit[:10]} is the first commit")
        commit = parents[0]
    return commit


def _not_found(revision: str, reason: str, *, hint: str = _SEE_LOG) -> RevisionNotFoundError:
    return RevisionNotFoundError(
        f"no revision {shown(revision)} in this ledger: {reason}", hint=hint, revision=revision
    )


def _unknown(revision: str) -> RevisionNotFoundError:
    return _not_found(revision, "it is neither HEAD, main, a Git tag nor a commit", hint=_way_to_one(revision))


def _way_to_one(revision: str) -> str:
    """What to do about a text that is no revision, and may be meant as a moment."""
    try:
        dt.datetime.fromisoformat(revision)
    except ValueError:
        return _SEE_LOG
    return f"a moment is given as a datetime: at(datetime.fromisoformat({revision!r}))"
