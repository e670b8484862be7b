"""Metadata and tags: one rule everywhere, later wins, and nothing that was said is lost."""

import datetime as dt
import enum
import math
import pathlib
import time
import uuid
from typing import Any

import numpy as np
import pytest

from ledger import Ledger
from ledger.errors import ArgumentTypeError, ArtifactNotFoundError, InvalidTagError, MetadataError, VersionNotFoundError
from ledger.history import Claim
from ledger.ids import EventId, VersionId
from ledger.lookup.facts import facts_of
from ledger.materializers import BaseMaterializer
from ledger.records import Name, TagsEvent, VersionString, decode_manifest
from tests.kit.clones import manifest_bytes
from tests.kit.ledgers import git, manifest_of, state_of


class Colour(enum.Enum):
    """An enumeration of texts."""

    RED = "red"


MOMENT = dt.datetime(2026, 11, 23, 10, 0, tzinfo=dt.UTC)
ID = uuid.UUID(int=19)
NORMALISED: list[tuple[Any, Any]] = [
    ("text", "text"),
    ("", ""),
    (True, True),
    (None, None),
    (2**80, 2**80),
    (-0.0, -0.0),
    (1e300, 1e300),
    ([1, [2, {"a": None}]], [1, [2, {"a": None}]]),
    ((1, 2), [1, 2]),
    ({3, 1, 2}, [1, 2, 3]),
    (frozenset({"b", "a"}), ["a", "b"]),
    (np.float32(0.5), 0.5),
    (np.float64(0.1), 0.1),
    (np.int64(7), 7),
    (np.bool_(True), True),
    ((np.int64(150), np.int64(5)), [150, 5]),
    (MOMENT, "2026-11-23T10:00:00+00:00"),
    (dt.date(2026, 11, 23), "2026-11-23"),
    (pathlib.PurePosixPath("a/b"), "a/b"),
    (ID, str(ID)),
    (Colour.RED, "red"),
    ({"$float": "nan"}, {"$float": "nan"}),
    ({"ü": "\u2028"}, {"ü": "\u2028"}),
]


@pytest.mark.parametrize(("given", "expected"), NORMALISED)
def test_values_are_normalised_alike_at_both_entry_points(ledger: Ledger, given: object, expected: object) -> None:
    """A value reads back the same whether it came with the save or was logged later."""
    ledger.save(0, "x", run_metadata={"key": given})
    assert expected == ledger.get("x").metadata["key"]
    ledger.save(0, "y", extract_metadata=False)
    ledger.log_metadata({"key": given}, "y")
    found = ledger.get("y").metadata["key"]
    assert (expected, type(expected)) == (found, type(found))


def test_a_long_value_is_kept(ledger: Ledger) -> None:
    """As long as a record has room for it, a value is never passed over for its length, at either entry point."""
    text = "ab" * 100_000
    ledger.save(0, "x", run_metadata={"saved": text})
    ledger.log_metadata({"logged": {"rows": [text]}}, "x")
    found = ledger.get("x").metadata
    assert (text, {"rows": [text]}) == (found["saved"], found["logged"])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_hold_survives(ledger: Ledger, value: float) -> None:
    """NaN and the infinities come back as themselves, nested and at the top, and the record stays JSON."""
    saved = ledger.save(0, "x", run_metadata={"a": value, "b": {"c": [value]}})
    found = ledger.get("x").metadata
    assert [repr(value)] * 2 == [repr(found["a"]), repr(found["b"]["c"][0])]
    assert {"$float": repr(value)} == manifest_of(ledger, saved)["metadata"]["a"]


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        ({"a": {"b": [0, object()]}}, "a.b.1"),
        ({"a": b"bytes"}, "a"),
        ({"a": 1j}, "a"),
        ({"a": np.zeros(3)}, "a"),
        ({"a": {1: 2}}, "a.1"),
        ({"a": "\ud800"}, "a"),
    ],
)
def test_other_values_are_refused_with_their_path(ledger: Ledger, bad: dict[str, Any], path: str) -> None:
    """A value that is no metadata is a MetadataError with the key path, and nothing is written."""
    ledger.save(0, "x")
    before = state_of(ledger)
    for call in (lambda: ledger.log_metadata(bad, "x"), lambda: ledger.save(1, "x", run_metadata=bad)):
        with pytest.raises(MetadataError) as caught:
            call()
        assert path == caught.value.path  # type: ignore[attr-defined]
    assert before == state_of(ledger)


def test_groups_merge_key_by_key(ledger: Ledger) -> None:
    """A later dict adds to an earlier one at every level; any other value replaces."""
    ledger.save(0, "x", extract_metadata=False, run_metadata={"m": {"acc": 1, "by": {"a": 1}}, "l": [1, 2]})
    ledger.log_metadata({"m": {"loss": 2, "by": {"b": 2}}, "l": [3]}, "x")
    found = ledger.get("x").metadata
    assert {"acc": 1, "loss": 2, "by": {"a": 1, "b": 2}} == found["m"]
    assert [3] == found["l"]
    ledger.log_metadata({"m": 1}, "x")
    assert 1 == ledger.get("x").metadata["m"]


def test_the_users_metadata_beats_the_automatic(ledger: Ledger) -> None:
    """What is given with the save wins over what was worked out; `storage_size` is always worked out."""
    saved = ledger.save([1, 2, 3], "x", run_metadata={"length": "mine"})
    assert ("mine", saved.size) == (saved.metadata["length"], saved.metadata["storage_size"])


class Luckless(BaseMaterializer):
    """Saves what a text says, and fails at saying anything of it."""

    SKIP_REGISTRATION = True

    def save(self, value: str) -> None:
        with self.open("text", "w") as file:
            file.write(value)

    def load(self, _: type | None) -> str:
        with self.open("text") as file:
            return str(file.read())

    def extract_metadata(self, value: str) -> dict[str, Any]:
        raise RuntimeError(value)


def test_a_failing_extractor_costs_its_own_keys_only(ledger: Ledger) -> None:
    """The size and what the user says are there as ever, and the value loads."""
    with pytest.warns(UserWarning, match="RuntimeError: four"):
        saved = ledger.save("four", "x", materializer=Luckless, run_metadata={"mine": 1})
    assert {"mine": 1, "storage_size": 4} == saved.metadata
    assert "four" == saved.load()


def test_the_users_metadata_stays_without_the_automatic(ledger: Ledger) -> None:
    """`extract_metadata=False` turns off what is worked out about the value, not what the user says."""
    saved = ledger.save([1, 2, 3], "x", extract_metadata=False, run_metadata={"mine": 1})
    assert 1 == saved.metadata["mine"]
    assert "length" not in saved.metadata


def test_later_wins_and_every_value_stays_in_history(ledger: Ledger) -> None:
    """The newest value shows; every one ever logged is in `git log`."""
    ledger.save(0, "x", run_metadata={"score": "value-000"})
    for number in range(1, 6):
        ledger.log_metadata({"score": f"value-00{number}"}, "x")
    assert "value-005" == ledger.get("x").metadata["score"]
    log = git(ledger, "log", "-p", "main")
    assert all(f"value-00{number}" in log for number in range(6))


def test_a_version_of_many_tags_is_read_once_through() -> None:
    """Each event costs what it says, not what those before it said: there may be any number of them."""
    manifest = decode_manifest(manifest_bytes(VersionId(str(ID)), None), where="a manifest")
    events = [
        TagsEvent(id=EventId(str(ID)), created_at="", created_by="", add=(f"tag {number}",), remove=())
        for number in range(20_000)
    ]
    claim = Claim(Name(manifest.name), 1, VersionString("1"), 1, manifest.id)
    before = time.process_time()
    assert len(facts_of(claim, manifest, events).tags) == 20_000 + len(manifest.tags)
    assert time.process_time() - before < 1


def test_a_clock_that_runs_back_makes_nothing_lose(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two calls the later one wins, though the clock was put back a year between them."""
    ledger.save(0, "x")
    ledger.log_metadata({"a": "first"}, "x")
    ledger.tag("x", ["t"])
    year_ago = time.time_ns() - 365 * 24 * 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: year_ago)
    ledger.log_metadata({"a": "second"}, "x")
    ledger.untag("x", ["t"])
    assert ("second", ()) == (ledger.get("x").metadata["a"], ledger.get("x").tags)


def test_an_entry_says_when_and_by_whom(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry carries its value with the time and the user who logged it last."""
    saved = ledger.save(0, "x", run_metadata={"a": 1, "b": 1})
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Grace")
    before = dt.datetime.now(dt.UTC)
    Ledger.open(ledger.path).log_metadata({"b": 2}, "x")
    entries = ledger.get("x").run_metadata
    assert (1, saved.created_at, "Ada <ada@example.com>") == (
        entries["a"].value,
        entries["a"].recorded_at,
        entries["a"].recorded_by,
    )
    assert (2, "Grace <ada@example.com>") == (entries["b"].value, entries["b"].recorded_by)
    assert before <= entries["b"].recorded_at <= dt.datetime.now(dt.UTC)


def test_an_entry_equals_its_raw_value(ledger: Ledger) -> None:
    """An entry is equal to its value and shows as it, so that code may leave `.value` out."""
    entries = ledger.save(0, "x", run_metadata={"shape": (150, 5), "n": 1, "g": {"a": 1}}).run_metadata
    assert entries["shape"] == [150, 5]
    assert [150, 5] == entries["shape"].value
    assert entries["n"] == 1
    assert [False, True] == [entries["n"] != 1, entries["n"] != 2]
    assert hash(entries["n"]) == hash(1)
    assert entries["g"]["a"] == 1
    assert "[150, 5]" == str(entries["shape"])


def test_an_entry_is_used_as_its_raw_value(ledger: Ledger) -> None:
    """Truth, order, number, members and format are those of the value: a `False` that counts as true would mislead."""
    metadata = {"no": False, "acc": 0.5, "shape": (150, 5), "g": {"a": 1}, "empty": {}}
    entries = ledger.save(0, "x", run_metadata=metadata).run_metadata
    assert [False, True, True, True, False] == [bool(entries[key]) for key in metadata]
    assert entries["no"] < entries["acc"] < 0.9 < entries["shape"][0]
    assert entries["acc"] >= 0.5 >= entries["acc"] > entries["no"] <= 0
    assert ([150, 5], 2, ["a"]) == (list(entries["shape"]), len(entries["shape"]), list(entries["g"]))
    assert "a" in entries["g"]
    assert "50%" == f"{entries['acc']:.0%}"
    assert [0.5, 1.0] == [float(entries["acc"]), math.ldexp(entries["acc"], 1)]
    assert [0, 150] == [int(entries["acc"]), int(entries["shape"][0])]
    with pytest.raises(TypeError, match="list"):
        float(entries["shape"])


@pytest.mark.filterwarnings("error")
def test_an_entry_is_saved_as_its_raw_value(ledger: Ledger) -> None:
    """By itself and in what holds it: never as an object of ours, which only a pickle could keep."""
    entry = ledger.save(0, "x", run_metadata={"acc": 0.5}).run_metadata["acc"]
    for given, expected in [(entry, 0.5), ([entry, (entry,)], [0.5, (0.5,)]), ({entry: {entry}}, {0.5: {0.5}})]:
        saved = ledger.save(given, "y")
        assert ("data", repr(expected)) == (saved.trust_class, repr(saved.load()))


def test_metadata_is_a_copy(ledger: Ledger) -> None:
    """Changing what a handle returned changes neither the handle nor the ledger."""
    saved = ledger.save(0, "x", run_metadata={"g": {"a": 1}})
    saved.metadata["g"]["a"] = 2
    saved.run_metadata["g"].value["a"] = 3
    assert {"a": 1} == saved.metadata["g"] == ledger.get("x").metadata["g"]


def test_metadata_goes_to_the_version_that_is_named(ledger: Ledger) -> None:
    """With a version it goes to that one only, without to the latest only."""
    for value in range(3):
        ledger.save(value, "x")
    ledger.log_metadata({"k": "first"}, "x", 1)
    ledger.log_metadata({"k": "latest"}, "x")
    assert ["first", None, "latest"] == [version.metadata.get("k") for version in ledger.versions("x")]


def test_nothing_to_log_is_no_commit(ledger: Ledger) -> None:
    """Empty metadata and empty tags publish nothing."""
    ledger.save(0, "x")
    before = state_of(ledger)
    ledger.log_metadata({}, "x")
    ledger.tag("x", [])
    assert before == state_of(ledger)


def test_logging_on_what_is_not_there_is_a_key_error(ledger: Ledger) -> None:
    """An unknown artifact and an unknown version are errors of their own, and nothing is written."""
    ledger.save(0, "x")
    before = state_of(ledger)
    with pytest.raises(ArtifactNotFoundError):
        ledger.log_metadata({"a": 1}, "nope")
    with pytest.raises(VersionNotFoundError):
        ledger.tag("x", ["t"], 2)
    assert before == state_of(ledger)


def test_tags_are_sorted_and_single(ledger: Ledger) -> None:
    """Tags come back as a sorted tuple without duplicates, whatever iterable they came in."""
    assert ("a", "b") == ledger.save(0, "x", tags=["b", "a", "b"]).tags
    assert ("a", "b") == ledger.save(0, "x", tags=iter(("b", "a"))).tags
    assert ("grün & blau",) == ledger.save(0, "x", tags={"grün & blau"}).tags
    assert () == ledger.save(0, "x").tags


def test_tags_come_and_go(ledger: Ledger) -> None:
    """Tags are put on and taken off one version, and doing so twice changes nothing more."""
    ledger.save(0, "x", tags=["draft"])
    ledger.save(1, "x")
    for _ in range(2):
        ledger.tag("x", ["best"], 1)
        ledger.untag("x", ["draft", "never there"], 1)
    assert [("best",), ()] == [version.tags for version in ledger.versions("x")]


def test_removing_a_tag_appends_a_record(ledger: Ledger) -> None:
    """A tag that was taken off stays in the history."""
    ledger.save(0, "x", tags=["once"])
    paths = git(ledger, "ls-tree", "-r", "--name-only", "main").splitlines()
    ledger.untag("x", ["once"])
    assert len(paths) + 1 == len(git(ledger, "ls-tree", "-r", "--name-only", "main").splitlines())
    assert '"once"' in git(ledger, "log", "-1", "-p")


@pytest.mark.parametrize("bad", [[""], ["t" * 101], ["a\tb"], ["\u202e\n"], ["   "]])
def test_a_bad_tag_is_refused(ledger: Ledger, bad: list[str]) -> None:
    """A tag that is empty, too long or not printable is refused with good ones beside it, nothing is written."""
    ledger.save(0, "x")
    before = state_of(ledger)
    with pytest.raises(InvalidTagError):
        ledger.tag("x", ["good", *bad])
    assert before == state_of(ledger)


def test_a_bare_string_is_not_a_list_of_tags(ledger: Ledger) -> None:
    """A str where tags are expected is a TypeError that shows the list to write."""
    ledger.save(0, "x")
    with pytest.raises(TypeError) as caught:
        ledger.tag("x", "best")
    assert ArgumentTypeError is type(caught.value)
    assert "['best']" in caught.value.hint


def test_a_handle_shows_the_version_as_it_was(ledger: Ledger) -> None:
    """A handle does not change under its owner; a new look-up shows what came later."""
    saved = ledger.save(0, "x")
    ledger.tag(saved, ["t"])
    assert ((), ("t",)) == (saved.tags, ledger.get(saved.id).tags)
