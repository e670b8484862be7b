"""Look-ups through the catalog say what walking through every record says, whatever happened to ledger or file."""

import contextlib
import datetime as dt
import itertools
import math
import os
import random
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger import Ledger
from ledger.catalog import LineChange, lines, read_catalog, update_catalog
from ledger.catalog.segments import encode_segment
from ledger.core.workspace import Workspace
from ledger.errors import AmbiguousIdError
from ledger.history import Claim
from ledger.ids import VersionId
from ledger.lookup import cataloguing
from ledger.meters import Progress, progress
from ledger.records import Name
from tests.conftest import check_histories
from tests.kit.copying import copy_of
from tests.kit.forking import ended, forks
from tests.kit.grown import grow
from tests.kit.histories import die_at
from tests.kit.hubs import new_hub, shared
from tests.kit.ledgers import canonical, forge, git, manifest_of, plant
from tests.kit.machines import run_machine
from tests.kit.walking import Walk, search, walk

NAMES = ("a", "a/b", "c")
TAGS = ("x", "y", 'q"uote\\', "ü")
VALUES: tuple[Any, ...] = (
    1,
    1.0,
    True,
    None,
    0,
    -0.0,
    "1",
    "text",
    "ü\n\t",
    math.nan,
    math.inf,
    10**30,
    1e30,
    0.5,
    [1, {"k": 1}],
    {},
)
KEYS = ("n", "m", "$key", 'q"')

START = dt.datetime(2026, 11, 23, 10, tzinfo=dt.UTC)

names = st.sampled_from(NAMES)
tags = st.lists(st.sampled_from(TAGS), max_size=3, unique=True)
leaves = st.sampled_from(VALUES)
metadata = st.dictionaries(
    st.sampled_from(KEYS),
    leaves | st.dictionaries(st.sampled_from(KEYS), leaves, max_size=2),
    max_size=3,
)


def searches(ledger: Ledger) -> Iterator[dict[str, Any]]:
    """Questions of every kind."""
    yield from ({}, {"limit": 3}, {"type": "ModelArtifact"}, {"type": "ModelArtifact", "limit": 2}, {"version": 1})
    yield from ({"tag": tag} for tag in TAGS)
    yield from ({"run_metadata": {key: value}} for key in KEYS for value in VALUES)
    yield from ({"run_metadata": {key: {"n": value}}} for key in KEYS for value in VALUES[:4])
    yield from ({"limit": 100}, {"tag": "x", "limit": 100}, {"version": 2}, {"version": "word"})
    yield from ({"name": name, "tag": "x", "limit": limit} for name in NAMES for limit in (1, None))
    yield from ({"version": version, "tag": "y"} for version in (1, 2, "word"))
    yield from ({"created_after": START + dt.timedelta(seconds=seconds)} for seconds in (-1, 0, 2, 50))
    yield from ({"created_after": edge.replace(tzinfo=dt.UTC)} for edge in (dt.datetime.min, dt.datetime.max))  # noqa: DTZ901
    yield {"tag": ["x", "y"], "run_metadata": {"n": 1}, "limit": 2}


def check(ledger: Ledger, *, every: int = 1, first: int = 0) -> None:
    """Every search finds the same as walking, and every version is found by its id; or some do, from the first on."""
    by_walking = Walk(ledger)
    for asked in list(searches(ledger))[first::every]:
        assert by_walking(**asked) == search(ledger, **asked), asked
    for version in ledger.search()[first::every]:
        assert version.claim == ledger.get(version.id).claim


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few versions there are, they are catalogued."""
    monkeypatch.setattr(cataloguing, "FEW", 0)


def catalog_of(ledger: Ledger) -> Path:
    return ledger.path / "cache" / "catalog"


@pytest.fixture(scope="module")
def model_of_filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the ledger is made that all that are filled are copies of."""
    return tmp_path_factory.mktemp("filled") / ".ledger"


@pytest.fixture
def filled(tmp_path: Path, always: None, model_of_filled: Path) -> Iterator[Ledger]:
    """A ledger of 60 versions with a catalog that has three segments or more."""
    yield Ledger.open(copy_of(model_of_filled, tmp_path / ".ledger", make_filled))
    check_histories(tmp_path)


def make_filled(path: Path) -> None:
    ledger = Ledger.init(path)
    fill(ledger, 60)
    ledger.search(tag="x")
    for number in range(3):
        ledger.save(number, "c", tags=["x"])
        ledger.search(tag="x")


def fill(ledger: Ledger, count: int, seed: int = 0) -> None:
    chance = random.Random(seed)
    with ledger.transaction() as transaction:
        for number in range(count):
            transaction.save(
                number,
                chance.choice(NAMES),
                tags=chance.sample(TAGS, 2),
                run_metadata={chance.choice(KEYS): chance.choice(VALUES), "g": {"n": chance.choice(VALUES)}},
                artifact_type=chance.choice(["ModelArtifact", None]),
            )


class SearchesAgree(RuleBasedStateMachine):
    """Two ledgers that save by clocks of their own, tag, log, sync and forget their catalogs."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=Path.home()))
        hub = new_hub(self.folder)
        first = shared(self.folder / "ada", hub)
        first.save(0, "a")
        first.sync()
        second = Ledger.clone(hub, self.folder / "bob" / ".ledger")
        self.seconds = [0, 0]
        self.ledgers = [self._with_clock(ledger, place) for place, ledger in enumerate((first, second))]

    def _with_clock(self, ledger: Ledger, place: int) -> Ledger:
        def clock() -> dt.datetime:
            return START + dt.timedelta(seconds=self.seconds[place])

        return Ledger(Workspace(ledger.path, clock=clock))

    @rule(place=st.integers(0, 1), seconds=st.integers(0, 60))
    def set_clock(self, place: int, seconds: int) -> None:
        self.seconds[place] = seconds

    @rule(place=st.integers(0, 1), name=names, tags=tags, metadata=metadata, is_model=st.booleans())
    def save(self, place: int, name: str, tags: list[str], metadata: dict[str, Any], is_model: bool) -> None:  # noqa: FBT001
        kind = "ModelArtifact" if is_model else None
        self.ledgers[place].save(0, name, tags=tags, run_metadata=metadata, artifact_type=kind)

    @rule(place=st.integers(0, 1), name=names)
    def save_word(self, place: int, name: str) -> None:
        if not self.ledgers[place].search(name=name, version="word"):
            self.ledgers[place].save(0, name, "word")

    @rule(place=st.integers(0, 1), data=st.data(), tags=tags, metadata=metadata)
    def change(self, place: int, data: st.DataObject, tags: list[str], metadata: dict[str, Any]) -> None:
        versions = self.ledgers[place].search()
        version = versions[data.draw(st.integers(0, len(versions) - 1))]
        with self.ledgers[place].transaction() as transaction:
            transaction.tag(version, tags, remove=[tag for tag in TAGS if tag not in tags])
            transaction.log_metadata(metadata, version)

    @rule(place=st.integers(0, 1))
    def sync(self, place: int) -> None:
        self.ledgers[place].sync()

    @rule(place=st.integers(0, 1))
    def forget(self, place: int) -> None:
        catalog_of(self.ledgers[place]).unlink(missing_ok=True)

    @rule(place=st.integers(0, 1), back=st.integers(0, 6))
    def look_back(self, place: int, back: int) -> None:
        commits = git(self.ledgers[place], "rev-list", "main").split()
        check(self.ledgers[place].at(commits[min(back, len(commits) - 1)]), every=5)

    @invariant()
    def they_agree(self) -> None:
        self.step = getattr(self, "step", -1) + 1
        for ledger in getattr(self, "ledgers", ()):
            check(ledger, every=9, first=self.step % 9)

    def teardown(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.mark.usefixtures("always")
def test_searches_agree_with_walking() -> None:
    """Whatever is saved, tagged, merged or forgotten: both ways find the same in the same order, now and back then."""
    run_machine(SearchesAgree, examples=6, steps=8)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("always")
def test_searches_agree_with_walking_at_length() -> None:
    """The same, longer."""
    run_machine(SearchesAgree, examples=60, steps=25)


def test_few_versions_leave_no_file(ledger: Ledger) -> None:
    """In a small ledger searches walk, and write nothing."""
    fill(ledger, 20)
    check(ledger, every=3)
    assert not catalog_of(ledger).exists()


def test_many_versions_are_catalogued_once(tmp_path: Path) -> None:
    """The first search of a larger ledger makes the catalog; the next adds to it what one save changed, no more."""
    ledger = grow(tmp_path / ".ledger", 250, names=20, largest=100)
    assert [] == search(ledger, tag="nothing")
    made = catalog_of(ledger).stat()
    saved = ledger.save(1, "new", tags=["needle"])
    assert [f"new@1 {saved.id}"] == search(ledger, tag="needle", limit=1)
    after = catalog_of(ledger).stat()
    assert made.st_ino == after.st_ino
    assert made.st_size < after.st_size < made.st_size + 1000
    check(Ledger.open(ledger.path), every=20)


def test_a_program_is_told_of_it_and_can_end_it(filled: Ledger) -> None:
    """Making the catalog tells how far it is; what the listener raises ends it, and the next search makes it whole."""
    catalog_of(filled).unlink()
    told: list[Progress] = []
    with progress(told.append):
        filled.search(tag="x")
    assert [("catalog the history", True)] == [(at.label, at.finished) for at in told[-1:]]

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    catalog_of(filled).unlink()
    with pytest.raises(KeyboardInterrupt), progress(stop):
        filled.search(tag="x")
    assert [] == os.listdir(filled.path / "cache")
    check(filled, every=9)


def test_a_search_of_a_record_that_cannot_be_read_warns_each_time(filled: Ledger) -> None:
    """A version whose record is damaged is left out with a warning, by the catalog as by walking."""
    manifest = filled.save(1, "bad", tags=["x"])
    forge(filled, manifest, type="NoSuchType")
    for ledger in (filled, Ledger.open(filled.path)):
        with pytest.warns(UserWarning, match="bad@2"):
            assert "bad@2" not in {label.split()[0] for label in search(ledger, tag="x")}
        assert "bad@2" in {label.split()[0] for label in search(ledger)}


@pytest.mark.parametrize("is_lost", [False, True])
def test_a_record_that_cannot_be_read_keeps_nothing_else_out(filled: Ledger, *, is_lost: bool) -> None:
    """The catalog is brought up to a version whose record says nothing, or is gone, as to any other."""
    forge(filled, filled.save(1, "bad", tags=["x"]), type="NoSuchType")
    if is_lost:
        entries = git(filled, "ls-tree", "-r", "main").splitlines()
        blob = next(entry.split()[2] for entry in entries if "/bad/" in entry and "~2~" in entry)
        (filled.git_dir / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.warns(UserWarning, match="bad@2"):
        search(filled, tag="x")
    made = read_catalog(catalog_of(filled))
    assert made is not None
    assert git(filled, "rev-parse", "main") == made.commit
    shutil.rmtree(filled.path)  # it is beyond what the fixture expects


def test_a_version_string_means_one_version(filled: Ledger) -> None:
    """Where a plain merge left two claims side by side, a version string finds the one that look-ups mean."""
    first = filled.save(1, "twice", tags=["x"])
    beside = "/".join(first.claim.path).replace(first.claim.id.replace("-", ""), "f" * 32)
    manifest = {**manifest_of(filled, first), "id": str(uuid.UUID("f" * 32))}
    plant(filled, {f"{beside}/version.json": canonical(manifest)})
    for asked in ({"version": 1, "tag": "x"}, {"version": 1}, {"tag": "x"}):
        assert walk(filled, **asked) == search(filled, **asked)


def damages(data: bytes) -> Iterator[bytes]:
    chance = random.Random(3)
    for _ in range(30):
        at, length = chance.randrange(len(data)), chance.randrange(1, 400)
        yield data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
        yield data[:at]
        yield data[:at] + chance.randbytes(length) + data[at + length :]
    yield from (b"", b"\0" * len(data), b"ledger catalog, format 2\n" + data[25:], b"not a catalog", data + b"torn")


def test_a_damaged_catalog_is_made_again(filled: Ledger) -> None:
    """After each of 95 damages, in this process and in a new one: right answers, and a sound file."""
    question = {"tag": "x"}
    expected, version = walk(filled, **question), filled.search(limit=1)[0]
    data, tip = catalog_of(filled).read_bytes(), git(filled, "rev-parse", "main")
    for place, damaged in enumerate(damages(data)):
        catalog_of(filled).write_bytes(damaged)
        ledger = filled if place % 2 else Ledger.open(filled.path)
        assert version.claim == ledger.get(version.id).claim
        assert [version] == ledger.search(limit=1)
        assert expected == search(ledger, **question)
        kept = read_catalog(catalog_of(filled))
        assert kept is not None
        assert tip == kept.commit
        assert len(filled.search()) == len(list(kept.live_lines()))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *((lines.NAME, b"\xff"), (lines.POSITION, b"x"), (lines.COUNTER, b"9" * 5000)),
        *((lines.TYPE, b"\xff"), (lines.TYPE, b"one\tmore"), (lines.ID, None)),
        *((lines.TAGS, value) for value in (b'"x" [', b'{"x":1}', b"[" * 3000 + b'"x"' + b"]" * 3000)),
    ],
)
def test_a_line_that_no_version_has_is_damage(filled: Ledger, column: int, value: bytes | None) -> None:
    """Where the check sums fit and a line cannot be read, searches and look-ups say what the history says."""
    version = filled.search(tag="x", limit=1)[0]
    kept = read_catalog(catalog_of(filled))
    assert kept is not None
    columns = next(line for line in kept.live_lines() if line.startswith(str(version.id).encode())).split(b"\t")
    columns[column] = columns[column] + b"x" if value is None else value
    start = catalog_of(filled).read_bytes()[: kept.segments[0].start]
    forged = encode_segment([b"\t".join(columns)], [], commit=kept.commit, token=kept.token, builds_on=len(start))
    altered = start + b"".join(forged)
    catalog_of(filled).write_bytes(altered)
    assert [version] == Ledger.open(filled.path).search(tag="x", limit=1)
    catalog_of(filled).write_bytes(altered)
    assert version == Ledger.open(filled.path).get(version.id)


def test_a_line_about_a_version_that_is_not_there_finds_none(filled: Ledger) -> None:
    """A ledger from elsewhere may bring a catalog that says more than its history holds: a look-up does not."""
    kept, stranger = read_catalog(catalog_of(filled)), str(uuid.uuid4())
    assert kept is not None
    columns = next(kept.live_lines()).split(b"\t")
    columns[lines.ID] = stranger.encode()
    update_catalog(catalog_of(filled), kept, [LineChange(b"\t".join(columns), None)], kept.commit)
    snapshot = Ledger.open(filled.path)._view.snapshot()
    assert ([], 0) == snapshot.claims_with_id(stranger.replace("-", ""))
    assert None is snapshot.claim_by_id(Name(columns[lines.NAME].decode()), VersionId(stranger))


def test_a_catalog_of_another_history_is_no_help(filled: Ledger, tmp_path: Path) -> None:
    """A catalog of a commit that is not there is made again."""
    other = Ledger.init(tmp_path / "other")
    fill(other, 20, seed=1)
    other.search(tag="x")
    shutil.copy(catalog_of(filled), catalog_of(other))
    check(other, every=3)
    kept = read_catalog(catalog_of(other))
    assert kept is not None
    assert git(other, "rev-parse", "main") == kept.commit


def test_a_history_that_went_back_is_followed(filled: Ledger) -> None:
    """Where the branch was set back by hand, what it no longer holds is not found."""
    before = search(filled)
    filled.save(1, "gone", tags=["x"])
    assert "gone@1" in search(filled, tag="x")[-1]
    git(filled, "update-ref", "refs/heads/main", "main~1")
    assert before == search(filled)
    check(Ledger.open(filled.path), every=5)


def test_the_catalog_may_go_at_any_time(filled: Ledger) -> None:
    """Removed while the ledger is open, with its folder: the next look-up makes it again."""
    for _ in range(2):
        shutil.rmtree(filled.path / "cache")
        check(filled, every=9)
        assert catalog_of(filled).exists()


def test_nothing_need_be_written(filled: Ledger) -> None:
    """Where no file can be made or added to, look-ups are right all the same, before and after a save."""
    path = catalog_of(filled)
    filled.save(1, "a", tags=["x"])
    path.unlink()
    path.mkdir()
    check(filled, every=15)
    filled.save(2, "a", tags=["x"])
    check(filled, every=15, first=7)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder in which nobody can write, root included."""
    places = [folder, *folder.iterdir()]
    if os.geteuid():
        subprocess.run(["chmod", "a-w", *map(str, places)], check=True)
    elif (
        not shutil.which("chattr")
        or subprocess.run(["chattr", "+i", *map(str, places)], check=False, capture_output=True).returncode
    ):
        pytest.skip("this file system has no way to refuse root")
    try:
        yield
    finally:
        undo = ["chattr", "-i"] if not os.geteuid() else ["chmod", "u+w"]
        subprocess.run([*undo, *map(str, places)], check=True)


def test_a_catalog_that_cannot_be_added_to_is_used(filled: Ledger, tmp_path: Path) -> None:
    """A catalog on a read-only file system is the base of what is in memory."""
    copied = tmp_path / "copied"
    shutil.copytree(filled.path, copied)
    with read_only(copied / "cache"):
        ledger = Ledger.open(copied)
        for number in range(3):
            ledger.save(number, "later", tags=["x"])
            check(ledger, every=5)
    check(Ledger.open(copied), every=5)


def test_the_past_is_searched_through_the_catalog_without_a_trace(filled: Ledger) -> None:
    """A search in the past is right, and leaves the catalog as it is."""
    data = catalog_of(filled).read_bytes()
    for back in (1, 2, 4):
        check(filled.at(f"HEAD~{back}"), every=4)
    assert data == catalog_of(filled).read_bytes()
    past = filled.at("HEAD~2")
    catalog_of(filled).unlink()
    check(past, every=4)
    assert not catalog_of(filled).exists()


def test_a_prefix_counts_what_it_fits(filled: Ledger) -> None:
    """A prefix of many ids names the first few and how many there are, as walking does."""
    fill(filled, 30, seed=5)
    ids = sorted(str(version.id) for version in filled.search())
    prefix = ids[0][:4]
    assert ids[-1].startswith(prefix)
    with pytest.raises(AmbiguousIdError) as caught:
        filled.get(prefix)
    assert f"fits {len(ids)} versions: {ids[0]}" in str(caught.value)
    assert f"and {len(ids) - 8} more" in str(caught.value)


def test_lineage_of_an_old_version_is_found(filled: Ledger) -> None:
    """A version is found by name and id, however many are newer; one that is not there is not."""
    snapshot = filled._view.snapshot()
    for version in filled.search(name="a"):
        assert version.claim == snapshot.claim_by_id(version.claim.name, version.claim.id)
    assert None is snapshot.claim_by_id(Name("a"), VersionId(str(uuid.uuid4())))
    assert None is snapshot.claim_by_id(Name("c"), filled.get("a").claim.id)


def test_lineage_walks_through_an_artifact_once(filled: Ledger) -> None:
    """A list of what runs gave asks for many versions of few names: the newest of each are read for the first alone."""
    asked: list[str] = []

    class Counting(cataloguing.CataloguedSnapshot):
        def claims(self, name: Name, *, newest_first: bool = False) -> Iterator[Claim]:
            asked.append(name)
            return super().claims(name, newest_first=newest_first)

    view = filled._view
    snapshot = Counting(view.snapshot(), view.commit(), view._catalog, is_past=False)
    for version in filled.search():
        assert version.claim == snapshot.claim_by_id(version.claim.name, version.claim.id)
    assert sorted(artifact.name for artifact in filled.artifacts()) == sorted(asked)


def test_lineage_is_found_where_there_is_no_catalog(filled: Ledger) -> None:
    """In the past none is made: the oldest version of an artifact is found by walking."""
    oldest = filled.search(name="a")[0].claim
    catalog_of(filled).unlink()
    past = filled.at(filled.revision)._view.snapshot()
    assert oldest == past.claim_by_id(oldest.name, oldest.id)


def save_and_search(number: int, path: Path) -> None:
    """Save ten versions, and find them after each."""
    ledger, name = Ledger.open(path), f"by-{number}"
    for count in range(1, 11):
        ledger.save(count, name, tags=["x"])
        own = [version for version in ledger.search(tag="x") if version.name == name]
        assert [str(each) for each in range(1, count + 1)] == [version.version for version in own]
        assert own[0] == ledger.get(own[0].id)


def test_processes_build_and_extend_it_at_once(filled: Ledger) -> None:
    """Three processes that save and search at once, from no catalog on: each finds all its own, always."""
    catalog_of(filled).unlink()
    with forks(3, save_and_search, filled.path) as workers:
        assert [0] * 3 == ended(workers)
    check(filled, every=5)
    kept = read_catalog(catalog_of(filled))
    assert kept is not None
    assert len(filled.search()) == len(list(kept.live_lines()))


def test_what_another_adds_while_one_builds_is_not_in_its_answer(
    filled: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the file is of a later commit by the time it is read again, a search answers by its own commit."""
    expected, other, rename = walk(filled, tag="x"), Ledger.open(filled.path), os.rename
    catalog_of(filled).unlink()

    def rename_and_be_overtaken(source: str, target: str) -> None:
        rename(source, target)
        if target == str(catalog_of(filled)):
            monkeypatch.setattr(os, "rename", rename)
            other.save(1, "a", tags=["x"])
            assert len(expected) + 1 == len(other.search(tag="x"))

    monkeypatch.setattr(os, "rename", rename_and_be_overtaken)
    assert expected == search(filled, tag="x")
    assert len(expected) + 1 == len(search(filled, tag="x"))


FILE_EVENTS = frozenset({"open", "os.rename", "os.remove", "os.listdir", "os.scandir", "os.mkdir"})


def test_a_killed_builder_leaves_nothing_wrong(filled: Ledger) -> None:
    """Killed at every other file operation of building or extending: the next look-up is right."""
    expected = walk(filled, tag="x")
    prepares: list[Callable[[], None]] = [
        lambda: catalog_of(filled).unlink(missing_ok=True),
        lambda: filled.tag("a", ["y"]),
    ]
    for prepare in prepares:
        for step in itertools.count(1, 2):
            prepare()
            if not die_at(step, FILE_EVENTS, lambda: Ledger.open(filled.path).search(tag="x")):
                break
            assert expected == search(Ledger.open(filled.path), tag="x")
            assert step < 200


def test_a_builder_killed_while_it_writes_is_forgotten(filled: Ledger) -> None:
    """A file cut off at any place while it was being added to is gone on with."""
    data = catalog_of(filled).read_bytes()
    filled.save(1, "a", tags=["x"])
    filled.search(tag="x")
    added = catalog_of(filled).read_bytes()
    assert added.startswith(data)
    expected = walk(filled, tag="x")
    for cut in range(len(data), len(added), 7):
        catalog_of(filled).write_bytes(added[:cut])
        assert expected == search(Ledger.open(filled.path), tag="x")
