"""Which commit a revision or a moment means."""

import datetime as dt
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.errors import AmbiguousIdError, ArgumentError, ArgumentTypeError, IntegrityError, RevisionNotFoundError
from ledger.history import History, time_of
from ledger.history.git.forms import Commit, ObjectId
from ledger.history.git.revisions import leads_to
from ledger.ids import CommitId
from tests.kit.histories import NOW, again, draft, git, new_history, packs_of, publish


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A history of six commits, ten seconds apart."""
    history = new_history(tmp_path_factory.mktemp("story"))
    for number in range(1, 6):
        publish(history, seconds=10 * number)
    return history


def commits(history: History) -> list[CommitId]:
    """All commits as real Git lists them, newest first."""
    return [CommitId(line) for line in git(history, "rev-list", "main").splitlines()]


@pytest.mark.parametrize(
    "revision", ["HEAD", "main", "HEAD~0", "main^0", "HEAD~2", "HEAD^", "HEAD^^~1", "main~~", "HEAD~5", "HEAD^1^1"]
)
def test_revisions_mean_what_they_mean_to_git(story: History, revision: str) -> None:
    """HEAD, main and steps back lead to the commit that `git rev-parse` gives."""
    assert git(story, "rev-parse", revision) == story.resolve(revision)


def test_a_commit_is_known_by_its_beginning(story: History) -> None:
    """Four digits on, in any case, are enough where they are one commit's, alone and with steps behind."""
    for commit in commits(story):
        for length in (8, 20, 40):
            assert commit == story.resolve(commit[:length]) == story.resolve(commit[:length].upper())
    assert commits(story)[3] == story.resolve(f"{story.tip()[:10]}~3")


@pytest.mark.parametrize(
    "revision",
    [
        "HEAD~6",
        "main^^^^^^",
        "HEAD^2",
        "HEAD~999999999",
        "0000000",
        "abc",
        "",
        "head",
        "v1",
        "HEAD~x",
        "HEAD~-1",
        "HEAD@{1}",
        " HEAD",
        "HEAD\n",
        "..",
        "refs/heads/main",
        "HEAD~" + "9" * 5000,
        "a" * 41,
    ],
    ids=lambda revision: ascii(revision)[:20],
)
def test_other_revisions_are_not_found(story: History, revision: str) -> None:
    """What leads nowhere is RevisionNotFoundError with the revision in it."""
    with pytest.raises(RevisionNotFoundError, match=r"no revision .* in this ledger") as caught:
        story.resolve(revision)
    assert {"revision": revision} == caught.value.facts


def test_a_commit_says_how_many_parents_it_has(story: History) -> None:
    """Whoever asks for a second one is told of the first."""
    with pytest.raises(RevisionNotFoundError, match="has 1 parent\n"):
        story.resolve("HEAD^2")


@pytest.fixture
def tagged(history: History) -> History:
    """A history with tags: of commits, with a message, of a tag, of a tree, and named as a commit might begin."""
    for number in range(1, 4):
        publish(history, seconds=10 * number)
    says = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
    git(history, "tag", "paper", "main~1")
    git(history, *says, "tag", "-a", "-m", "sent", "sent/2026.1", "main~2")
    git(history, *says, "tag", "-a", "-m", "again", "again", "sent/2026.1")
    git(history, "tag", "tree", "main^{tree}")
    git(history, "tag", "2026", "main~1")
    git(history, "tag", "\u00e9t\u00e9", "main~3")
    return history


@pytest.mark.parametrize("packed", [False, True])
def test_a_tag_of_gits_is_a_revision(tagged: History, *, packed: bool) -> None:
    """Tags lead where `git rev-parse` says, with steps behind, loose and packed, and before a commit that begins so."""
    if packed:
        git(tagged, "pack-refs", "--all")
    for revision in ("paper", "paper~1", "sent/2026.1", "sent/2026.1^", "again", "2026", "\u00e9t\u00e9"):
        assert git(tagged, "rev-parse", f"{revision}^{{commit}}") == tagged.resolve(revision), revision


@pytest.mark.parametrize(
    "revision",
    [
        "sent",
        "sent/",
        "/paper",
        "../heads/main",
        "sent/../paper",
        "./paper",
        "paper/again",
        "x/" * 3000 + "x",
        "x" * 300,
        "pap\0er",
        "\ud800",
    ],
)
def test_what_is_no_tag_is_not_found(tagged: History, revision: str) -> None:
    """A folder of tags, or a path that leads out of them, is none."""
    with pytest.raises(RevisionNotFoundError, match="neither HEAD, main, a Git tag nor a commit") as caught:
        tagged.resolve(revision)
    assert len(str(caught.value)) < 200


def test_a_tag_of_a_tree_is_no_commit(tagged: History) -> None:
    """It is told as that."""
    with pytest.raises(RevisionNotFoundError, match="no revision 'tree' in this ledger: the tag names no commit"):
        tagged.resolve("tree")


def test_trees_and_blobs_are_no_revisions(story: History) -> None:
    """An object of another kind is no commit to go to."""
    with pytest.raises(RevisionNotFoundError, match="no commit begins so"):
        story.resolve(git(story, "rev-parse", "main^{tree}"))


def test_a_whole_id_is_found_beside_a_damaged_index(tmp_path: Path) -> None:
    """It is asked for as any object is: whether others begin like it does not matter."""
    history = new_history(tmp_path)
    first = history.tip()
    publish(history)
    newest = max(packs_of(history), key=lambda pack: pack.stat().st_mtime_ns)
    newest.with_suffix(".idx").write_bytes(b"")
    assert first == again(history).resolve(first)


@pytest.mark.parametrize("harm", ["emptied", "deleted", "a folder"])
def test_the_beginning_of_an_id_is_found_beside_a_lost_index(tmp_path: Path, harm: str) -> None:
    """The index is made again of its pack, as for any object that is missed."""
    history = new_history(tmp_path)
    publish(history)
    newest = max(packs_of(history), key=lambda pack: pack.stat().st_mtime_ns)
    index, tip = newest.with_suffix(".idx"), history.tip()
    index.unlink()
    if harm == "emptied":
        index.write_bytes(b"")
    elif harm == "a folder":
        index.mkdir()
    assert tip == again(history).resolve(tip[:12])


@pytest.mark.parametrize("revision", [1, None, b"HEAD", dt.date(2026, 11, 23)])
def test_a_revision_is_a_str_or_a_datetime(story: History, revision: object) -> None:
    """Anything else is a TypeError."""
    with pytest.raises(ArgumentTypeError, match="a revision is a str or a datetime"):
        story.resolve(revision)  # type: ignore[arg-type]


def test_an_ambiguous_beginning_lists_the_commits(tmp_path: Path) -> None:
    """Where several commits begin so, none is guessed."""
    history = new_history(tmp_path)
    seen: dict[str, CommitId] = {}
    for number in range(2000):
        message = f"commit-tree -m {number}"
        commit = CommitId(object_of(history, message))
        if commit[:4] in seen:
            pair = sorted([commit, seen[commit[:4]]])
            break
        seen[commit[:4]] = commit
    for name in pair:
        git(history, "hash-object", "-t", "commit", "-w", "--stdin", data=BODIES[name])
    with pytest.raises(AmbiguousIdError, match=f"beginning of 2 commits: {pair[0]}, {pair[1]}"):
        again(history).resolve(pair[0][:4])


BODIES: dict[str, bytes] = {}


def object_of(history: History, message: str) -> str:
    import hashlib

    tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
    body = f"tree {tree}\nauthor A <a@b> 0 +0000\ncommitter A <a@b> 0 +0000\n\n{message}".encode()
    name = hashlib.sha1(b"commit %d\0" % len(body) + body).hexdigest()
    BODIES[name] = body
    return name


@pytest.mark.parametrize(
    ("seconds", "back"),
    [(0, 5), (0.000001, 5), (9.999999, 5), (10, 4), (10.000001, 4), (35, 2), (50, 0), (10**8, 0)],
)
def test_a_moment_means_what_was_published_then(story: History, seconds: float, back: int) -> None:
    """The newest commit at or before the moment, to the microsecond."""
    assert commits(story)[back] == story.resolve(NOW + dt.timedelta(seconds=seconds))


def test_a_moment_may_be_in_any_time_zone(story: History) -> None:
    """The same moment means the same commit, whatever zone it is written in."""
    there = dt.timezone(dt.timedelta(hours=-9, minutes=-30))
    assert commits(story)[3] == story.resolve((NOW + dt.timedelta(seconds=25)).astimezone(there))


@pytest.fixture(params=["UTC", "Asia/Tokyo", "America/New_York"])
def local_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_moment_without_a_zone_is_local_time(story: History, local_zone: None) -> None:
    """What a clock on the wall says is what a naive datetime means."""
    wall = (NOW + dt.timedelta(seconds=25)).astimezone().replace(tzinfo=None)
    assert commits(story)[3] == story.resolve(wall)


@pytest.mark.parametrize("moment", [NOW - dt.timedelta(microseconds=1), dt.datetime.min, dt.datetime(1969, 1, 1)])  # noqa: DTZ001, DTZ901  # naive on purpose
def test_before_the_beginning_there_is_nothing(story: History, moment: dt.datetime, local_zone: None) -> None:
    """A moment before the first commit is not found, however early it is."""
    with pytest.raises(RevisionNotFoundError, match="the history begins later"):
        story.resolve(moment)


def test_after_the_end_is_now(story: History, local_zone: None) -> None:
    """The last moment there is means the newest commit."""
    assert story.tip() == story.resolve(dt.datetime.max)  # noqa: DTZ901  # naive on purpose


def test_a_timestamp_of_pandas_is_a_moment(story: History, local_zone: None) -> None:
    """A Timestamp means what the same datetime does, with a zone and without one."""
    pd = pytest.importorskip("pandas")
    moment = pd.Timestamp(NOW + dt.timedelta(seconds=25))
    wall = pd.Timestamp(moment.to_pydatetime().astimezone().replace(tzinfo=None))
    assert [commits(story)[3]] * 2 == [story.resolve(moment), story.resolve(wall)]
    assert story.tip() == story.resolve(pd.Timestamp.max)


def test_no_moment_is_told(story: History) -> None:
    """The NaT of pandas, a datetime to ``isinstance`` alone, is refused and not taken for an early moment."""
    pd = pytest.importorskip("pandas")
    with pytest.raises(ArgumentError, match="NaT is no moment"):
        story.resolve(pd.NaT)


def test_a_clock_that_ran_back_hides_nothing(history: History) -> None:
    """A commit made while the clock was behind is found at every later moment."""
    publish(history, seconds=100)
    late = publish(history, seconds=50).commit
    assert late == history.resolve(NOW + dt.timedelta(seconds=60))
    assert late == history.resolve(NOW + dt.timedelta(seconds=1000))


def test_the_log_is_what_git_logs(story: History) -> None:
    """Every commit, newest first, from the tip or from any other."""
    assert commits(story) == [commit.id for commit in story.log()]
    assert commits(story)[2:] == [commit.id for commit in story.log(commits(story)[2])]


def test_the_log_of_a_merge_has_each_commit_once(history: History) -> None:
    """Both sides of a merge are there, each commit once and no parent before its children."""
    publish(history)
    base = history.tip()
    mine = publish(history, seconds=10).commit
    tree = git(history, "rev-parse", "main^{tree}")
    who = ["-c", "user.name=B", "-c", "user.email=b@c"]
    theirs = git(history, *who, "commit-tree", tree, "-p", base, "-m", "theirs")
    merge = git(history, *who, "commit-tree", tree, "-p", theirs, "-p", mine, "-m", "merge")
    git(history, "update-ref", "refs/heads/main", merge)
    found = [commit.id for commit in again(history).log()]
    assert sorted(commits(history)) == sorted(found)
    assert merge == found[0]
    assert found.index(base) > max(found.index(mine), found.index(CommitId(theirs)))
    assert [theirs, mine] == [again(history).resolve(f"HEAD^{number}") for number in (1, 2)]


def commit_saying(message: str) -> Commit:
    return Commit(CommitId("a" * 40), ObjectId("b" * 40), (), "A <a@b>", 5, message)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("x\n\nTime: 2026-11-23T10:00:00.123456Z\n", NOW),
        ("x\n\nTime: 2026-11-23T11:00:00.123456+01:00\n", NOW),
        ("x\n\nTime: 2026-11-23T10:00:00.123456\n", NOW),
        ("x\n\nTime: 9999-12-31T23:59:59-12:00\n", dt.datetime(1970, 1, 1, 0, 0, 5, tzinfo=dt.UTC)),
        ("x\n\nTime: 0001-01-01T00:00:00+12:00\n", dt.datetime(1970, 1, 1, 0, 0, 5, tzinfo=dt.UTC)),
        ("x\n\nTime: yesterday\n", dt.datetime(1970, 1, 1, 0, 0, 5, tzinfo=dt.UTC)),
        ("x\n", dt.datetime(1970, 1, 1, 0, 0, 5, tzinfo=dt.UTC)),
    ],
)
def test_a_commit_was_made_when_its_trailer_says(message: str, expected: dt.datetime) -> None:
    """The trailer gives microseconds; a commit by other hands has the time that Git gave it. Always with a zone."""
    assert expected == time_of(commit_saying(message))


@pytest.mark.parametrize("seconds", [10**12, 10**40])
def test_a_commit_behind_the_last_moment_was_made_then(seconds: int) -> None:
    """Git's times go on where those of Python end."""
    expected = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    assert expected == time_of(commit_saying("x\n")._replace(time=seconds))


def test_a_plain_clone_is_a_whole_history(history: History) -> None:
    """`git clone` of the history works, and `git log --grep` finds versions by their trailers."""
    saved = draft()
    publish(history, saved, draft("other"))
    publish(history, draft("iris"))
    clone = history.git_dir.parents[1] / "clone"
    subprocess.run(["git", "clone", "-q", str(history.git_dir), str(clone)], check=True)
    log = ["git", "-C", str(clone), "log", "--format=%s", "--grep"]
    for pattern in ("^Artifact: iris@1$", f"^Id: {saved.id}$", "^Artifact: other@"):
        found = subprocess.run([*log, pattern], capture_output=True, text=True, check=True).stdout
        assert "save 2 versions\n" == found
    assert (clone / "ledger.json").read_text() == git(history, "show", "main:ledger.json")


def test_a_damaged_commit_is_damage_and_not_unknown(tmp_path: Path) -> None:
    """The log stops with an IntegrityError at a commit that cannot be read; it does not end early as if complete."""
    history = new_history(tmp_path)
    first = history.tip()
    publish(history)
    for path in (history.git_dir / "objects" / "pack").iterdir():
        if first in git(history, "show-index", data=path.read_bytes()) if path.suffix == ".idx" else False:
            path.with_suffix(".pack").unlink()
            path.unlink()
    with pytest.raises(IntegrityError, match=f"git object {first} of the history cannot be read"):
        list(again(history).log())


def test_a_commit_is_found_among_those_since(history: History) -> None:
    """Whether the branch has come to hold a commit is answered from those since a moment, not from all there are."""
    since = history.tip()
    commits = [publish(history).commit for _ in range(4)]
    objects, tip = history.objects, history.tip()
    assert [True] * 4 == [leads_to(objects, tip, commit, since=since) for commit in commits]
    assert not leads_to(objects, tip, CommitId("0" * 40), since=since)
    assert not leads_to(objects, commits[1], commits[2], since=since)
    assert not leads_to(objects, since, commits[0], since=since)
