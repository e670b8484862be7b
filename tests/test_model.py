"""Two clones and their hub beside a model of them: a few lists and dictionaries that say what each has to show.

The model knows nothing of Git, stores, packs or locks. Whatever order saves, tags, metadata, transactions, syncs,
packing and cleaning come in, each clone shows what its model does, now and as it was.
"""

import copy
import datetime as dt
import random
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ledger import ArtifactVersion, Ledger
from ledger.core.workspace import Workspace
from ledger.errors import VersionExistsError
from ledger.history.folds import packing
from ledger.maintenance import execute_gc, execute_packing, plan_gc, plan_packing
from tests.conftest import check_histories
from tests.kit.hubs import new_hub, shared
from tests.kit.machines import run_machine

if TYPE_CHECKING:
    from ledger.core.pending import PendingVersion

START = dt.datetime(2026, 11, 23, 10, tzinfo=dt.UTC)
WORDS = ("best", "raw")
KEYS = ("n", "m")


def _large(seed: int, edit: bytes) -> bytes:
    """A value of several chunks, which values of the same seed share but for an edit."""
    data = random.Random(seed).randbytes(1 << 19)
    return data[: 1 << 18] + edit + data[1 << 18 :]


places = st.integers(0, 1)
names = st.sampled_from(("iris", "iris/model", "Log"))
words = st.sampled_from((None, None, *WORDS))
tags = st.sets(st.sampled_from(("x", "y", "ü")), max_size=2)
metadata = st.dictionaries(st.sampled_from(KEYS), st.integers(0, 3) | st.text(max_size=3), max_size=2)
spellings = st.sampled_from([lambda version: version, lambda version: version.id, lambda version: version.id.hex])
values = st.one_of(
    st.integers(),
    st.text(),
    st.lists(st.tuples(st.floats(allow_nan=False), st.none() | st.booleans()), max_size=3),
    st.builds(_large, st.integers(0, 1), st.binary(max_size=20)),
)

Shown = dict[tuple[str, int], tuple[str, str, Any, frozenset[str], dict[str, Any]]]
"""By name and position: the version string, the id, the value, tags and metadata."""


class Change(NamedTuple):
    """What happened to a version: tags that came and went, and metadata."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    metadata: Mapping[str, Any] = MappingProxyType({})


class Saved(NamedTuple):
    """What stays of a version wherever it goes."""

    id: str
    value: Any
    word: str | None


class Model:
    """What one ledger holds: versions in their order by name, and what happened to each, by the time it did."""

    def __init__(self) -> None:
        self.versions: dict[str, list[Saved]] = {}
        self.labels: dict[str, str] = {}
        self.changes: dict[str, dict[int, Change]] = {}

    def add(self, name: str, saved: Saved) -> None:
        """Give a version the next position, and its version string."""
        versions = self.versions.setdefault(name, [])
        taken = {self.labels[each.id] for each in versions}
        number = 1 + sum(each.word is None for each in versions)
        label = saved.word if saved.word is not None else str(number)
        versions.append(saved)
        digits = 4
        while label in taken:
            label = f"{saved.word}.variant-{saved.id.replace('-', '')[:digits]}"
            digits += 1
        self.labels[saved.id] = label
        self.changes.setdefault(saved.id, {})

    def take_up(self, other: "Model") -> None:
        """Merge: what only the other has comes behind what is here, in the other's order; what happened is united."""
        here = {each.id for versions in self.versions.values() for each in versions}
        for name, versions in other.versions.items():
            for each in versions:
                if each.id not in here:
                    self.add(name, each)
        for id, changes in other.changes.items():
            self.changes[id] |= changes

    def shown(self) -> Shown:
        """What the ledger has to show."""
        return {
            (name, position): (self.labels[each.id], each.id, each.value, *self._sum_of(each.id))
            for name, versions in self.versions.items()
            for position, each in enumerate(versions, 1)
        }

    def _sum_of(self, id: str) -> tuple[frozenset[str], dict[str, Any]]:
        tags, metadata = set[str](), dict[str, Any]()
        for _, change in sorted(self.changes[id].items()):
            tags = (tags - change.removed) | change.added
            metadata |= change.metadata
        return frozenset(tags), metadata


def shown_by(ledger: Ledger) -> Shown:
    return {(each.name, each.position): _all_of(each) for artifact in ledger.artifacts() for each in artifact.versions}


def _all_of(version: ArtifactVersion) -> tuple[str, str, Any, frozenset[str], dict[str, Any]]:
    logged = {key: version.metadata[key] for key in KEYS if key in version.metadata}
    return version.version, str(version.id), version.load(), frozenset(version.tags), logged


class Copy:
    """A ledger, its model, and what it showed at each of its commits."""

    def __init__(self, ledger: Ledger, model: Model) -> None:
        self.ledger = ledger
        self.model = model
        self.past: dict[str, Shown] = {}

    def check(self) -> None:
        """The ledger shows what the model does, to whoever has it open and to whoever opens it."""
        expected = self.model.shown()
        assert expected == shown_by(self.ledger)
        self.past[self.ledger.revision] = expected


class TwoClonesAndAHub(RuleBasedStateMachine):
    """Ada and Bob, whose clocks agree, and the hub that they sync with."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=Path.home()))
        self.seconds = 0
        hub = new_hub(self.folder)
        ada = shared(self.folder / "ada", hub)
        ada.sync()
        bob = Ledger.clone(hub, self.folder / "bob" / ".ledger")
        self.hub = Model()
        self.copies = [Copy(self._with_clock(ledger), Model()) for ledger in (ada, bob)]

    def _with_clock(self, ledger: Ledger) -> Ledger:
        return Ledger(Workspace(ledger.path, clock=self._now))

    def _now(self) -> dt.datetime:
        return START + dt.timedelta(seconds=self.seconds)

    def _turn(self, place: int) -> Copy:
        self.seconds += 1
        return self.copies[place]

    def _save(self, place: int, wanted: Iterable[tuple[str, str | None, Any, set[str], dict[str, Any]]]) -> None:
        """Save some values in one transaction; one whose version string is taken there is left out, with the error."""
        here = self._turn(place)
        pending: list[tuple[PendingVersion, str, Any, str | None, Change]] = []
        with here.ledger.transaction() as transaction:
            for name, word, value, tags, metadata in wanted:
                taken = {here.model.labels[each.id] for each in here.model.versions.get(name, ())}
                if word is not None and word in taken | {other for _, of, _, other, _ in pending if of == name}:
                    with pytest.raises(VersionExistsError):
                        transaction.save(value, name, word)
                    continue
                one = transaction.save(value, name, word, tags=tags, run_metadata=metadata)
                pending.append((one, name, value, word, Change(frozenset(tags), frozenset(), metadata)))
        for one, name, value, word, change in pending:
            here.model.add(name, Saved(str(one.id), value, word))
            here.model.changes[str(one.id)][self.seconds] = change
        here.check()

    @rule(place=places, name=names, word=words, value=values, tags=tags, metadata=metadata)
    def save(
        self, place: int, name: str, word: str | None, value: Any, tags: set[str], metadata: dict[str, Any]
    ) -> None:
        self._save(place, [(name, word, value, tags, metadata)])

    @rule(place=places, wanted=st.lists(st.tuples(names, words, values, tags, metadata), min_size=2, max_size=6))
    def save_together(self, place: int, wanted: list[tuple[str, str | None, Any, set[str], dict[str, Any]]]) -> None:
        self._save(place, wanted)

    @rule(place=places, data=st.data(), added=tags, removed=tags, metadata=metadata)
    def change(
        self, place: int, data: st.DataObject, added: set[str], removed: set[str], metadata: dict[str, Any]
    ) -> None:
        here = self._turn(place)
        if not here.model.labels:
            return
        id = data.draw(st.sampled_from(sorted(here.model.labels)))
        version = here.ledger.get(id)
        with here.ledger.transaction() as transaction:
            transaction.tag(version, added, remove=removed - added)
            transaction.log_metadata(metadata, version)
        here.model.changes[id][self.seconds] = Change(frozenset(added), frozenset(removed - added), metadata)
        here.check()

    @rule(place=places, name=names, value=values, added=tags, spelled=spellings, syncs=st.booleans())
    def change_what_came_meanwhile(
        self,
        place: int,
        name: str,
        value: Any,
        added: set[str],
        spelled: Callable[[ArtifactVersion], Any],
        *,
        syncs: bool,
    ) -> None:
        here = self._turn(place)
        with here.ledger.transaction() as transaction:
            saved = here.ledger.save(value, name)
            here.model.add(name, Saved(str(saved.id), value, None))
            if syncs:
                self._sync(here)
            transaction.tag(spelled(saved), added)
        here.model.changes[str(saved.id)][self.seconds] = Change(frozenset(added), frozenset(), {})
        here.check()

    @rule(place=places)
    def sync(self, place: int) -> None:
        here = self._turn(place)
        self._sync(here)
        here.check()

    def _sync(self, here: Copy) -> None:
        here.ledger.sync()
        self.hub.take_up(here.model)
        here.model = copy.deepcopy(self.hub)

    @rule(place=places)
    def pack(self, place: int) -> None:
        here = self._turn(place)
        execute_packing(here.ledger, plan_packing(here.ledger))
        here.check()

    @rule(place=places)
    def clean(self, place: int) -> None:
        here = self._turn(place)
        execute_gc(here.ledger, plan_gc(here.ledger, grace_days=0, exclusive=True), exclusive=True)
        here.check()

    @rule(place=places)
    def open_again(self, place: int) -> None:
        here = self._turn(place)
        here.ledger = self._with_clock(here.ledger)
        here.check()

    @rule(place=places, data=st.data())
    def look_back(self, place: int, data: st.DataObject) -> None:
        here = self.copies[place]
        if here.past:
            commit = data.draw(st.sampled_from(sorted(here.past)))
            assert here.past[commit] == shown_by(here.ledger.at(commit))

    def teardown(self) -> None:
        for place in (0, 1, 0):
            self.sync(place)
        ada, bob = (each.ledger for each in self.copies)
        assert ada.revision == bob.revision
        assert (True, True) == (ada.verify().ok, bob.verify().ok)
        check_histories(self.folder)
        shutil.rmtree(self.folder)


@pytest.fixture
def folding_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs are folded after every third save, and folds of few objects are cut into slices already."""
    for name, number in {"FOLD_AT": 3, "AT_ONCE": 60, "SLICE": 16, "SAVES_PER_SLICE": 1}.items():
        monkeypatch.setattr(packing, name, number)


@pytest.mark.usefixtures("folding_often")
def test_two_clones_and_a_hub_do_what_the_model_does() -> None:
    """Whatever they do, each shows what its model does, now and back then; in the end both are sound and the same."""
    run_machine(TwoClonesAndAHub, examples=6, steps=10)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.usefixtures("folding_often")
def test_two_clones_and_a_hub_do_what_the_model_does_at_length() -> None:
    """The same, longer."""
    run_machine(TwoClonesAndAHub, examples=200, steps=40)
