"""Which version a name, an id or a prefix means, and that it is never another one."""

import time
import uuid
from collections.abc import Callable

import pytest

from ledger import Ledger
from ledger.errors import (
    AmbiguousIdError,
    ArgumentError,
    ArgumentTypeError,
    ArtifactNotFoundError,
    LedgerError,
    RunNotFoundError,
    VersionNotFoundError,
)
from ledger.history.tree.layout import shard_of
from ledger.lookup.resolving import nearest
from tests.kit.hubs import push_by_hand


@pytest.fixture
def saved(ledger: Ledger) -> Ledger:
    """A ledger with versions 1, 2 and cat of x, and 1 of y."""
    for value, name, version in ((1, "x", None), (2, "x", None), ("cat", "x", "cat"), (3, "y", None)):
        ledger.save(value, name, version)
    return ledger


def test_a_name_means_its_latest_version(saved: Ledger) -> None:
    """Without a version, the version published last is meant."""
    assert "cat" == saved.load("x")


def test_a_version_means_exactly_that_one(saved: Ledger) -> None:
    """A number, its digits and a word each find their version."""
    assert (1, 2, "cat") == (saved.load("x", 1), saved.load("x", "2"), saved.load("x", "cat"))


def test_name_at_version_means_the_same(saved: Ledger) -> None:
    """`NAME@VERSION` is accepted where a name is, and may repeat the version but not contradict it."""
    assert saved.get("x", 1) == saved.get("x@1") == saved.get("x@1", 1)
    with pytest.raises(ArgumentError, match=r"'1'.*'2'"):
        saved.get("x@1", 2)


@pytest.mark.parametrize("form", [str, lambda id: id, lambda id: str(id).upper(), lambda id: id.hex])
def test_an_id_finds_its_version(saved: Ledger, form: Callable[[uuid.UUID], object]) -> None:
    """A UUID, its text in either case, and its digits alone find the version."""
    wanted = saved.get("x", 1)
    assert wanted == saved.get(form(wanted.id))  # type: ignore[arg-type]


def test_a_prefix_of_an_id_finds_its_version(saved: Ledger) -> None:
    """Enough digits of an id in either case, with the dash or without, find the one version they fit."""
    wanted = saved.get("y")
    assert wanted == saved.get(str(wanted.id)[:23]) == saved.get(wanted.id.hex[:20])
    assert wanted == saved.get(str(wanted.id)[:-1].upper())


def test_an_ambiguous_prefix_lists_what_it_fits(ledger: Ledger) -> None:
    """A prefix of several ids is an error that lists their labels and ids; none of them is picked."""
    pair = [ledger.save(1, "a"), ledger.save(2, "b")]
    prefix = pair[0].id.hex[:4]
    assert pair[1].id.hex.startswith(prefix)
    with pytest.raises(AmbiguousIdError) as caught:
        ledger.get(prefix)
    assert isinstance(caught.value, KeyError)
    assert all(part in str(caught.value) for part in ("a@1", "b@1", str(pair[0].id), str(pair[1].id)))
    assert "more" not in str(caught.value)


def test_a_short_prefix_is_none(saved: Ledger) -> None:
    """Fewer than four digits, and the empty string, find nothing; the hint says how many digits it takes."""
    digits = saved.get("y").id.hex
    for wanted in (digits[:3], ""):
        with pytest.raises(ArtifactNotFoundError) as caught:
            saved.get(wanted)
        assert ("first 4 digits or more" in caught.value.hint) == bool(wanted)


def test_a_prefix_of_no_id_finds_nothing(saved: Ledger) -> None:
    """Ids begin with a time, and no time of ours with those digits."""
    with pytest.raises(ArtifactNotFoundError, match="no artifact has the name, id or id prefix 'ffff'"):
        saved.get("ffff")


def test_versions_are_listed_by_the_name_alone(saved: Ledger) -> None:
    """The error for an id does not say that no version has it."""
    with pytest.raises(ArtifactNotFoundError, match="no artifact has the name '"):
        saved.versions(str(saved.get("y").id))


def test_a_name_comes_before_a_prefix(ledger: Ledger) -> None:
    """An artifact named like the beginning of another's id is found by its name."""
    victim = ledger.save("victim", "victim")
    prefix = victim.id.hex[:8]
    ledger.save("named", prefix)
    assert "named" == ledger.load(prefix)


def test_a_missing_version_never_falls_through_to_an_id(ledger: Ledger) -> None:
    """The wrong-artifact bug: a name of hex digits and a version it lacks is an error, not somebody's id."""
    victim = ledger.save("victim", "victim")
    name = victim.id.hex[:6]
    ledger.save("named", name)
    with pytest.raises(VersionNotFoundError) as caught:
        ledger.get(name, "prod")
    assert isinstance(caught.value, KeyError)
    assert name in str(caught.value)
    assert "'prod'" in str(caught.value)


def test_a_prefix_with_another_version_is_an_error(saved: Ledger) -> None:
    """A version given beside an id or prefix has to be the one it is."""
    wanted = saved.get("x", 1)
    assert wanted == saved.get(wanted.id, 1) == saved.get(wanted.id.hex[:20], "1")
    for reference in (wanted.id, wanted.id.hex[:20]):
        with pytest.raises(VersionNotFoundError, match=r"x@1.*'2'"):
            saved.get(reference, 2)


def test_a_missing_version_names_the_nearest(ledger: Ledger) -> None:
    """The error names the existing versions next to the number that was asked for."""
    for version in (1, 2, 3, 50, "raw_2023"):
        ledger.save(version, "x", version)
    with pytest.raises(VersionNotFoundError) as caught:
        ledger.get("x", 48)
    assert ["2", "3", "50"] == caught.value.nearest  # type: ignore[attr-defined]
    with pytest.raises(VersionNotFoundError, match="raw_2023"):
        ledger.get("x", "raw_2022")
    with pytest.raises(VersionNotFoundError, match="the nearest of its 5 is raw_2023\n"):
        ledger.get("x", "raw_2024")


def test_a_text_that_no_version_can_have_does_not_exist(saved: Ledger) -> None:
    """It is missing like any other, by name and beside an id: whoever looks up catches one error, a KeyError."""
    for version in ("", " ", "a/b", "oneof:[1,2]", "v" * 101, "é", "\udc80"):
        for reference in ("x", saved.get("x").id):
            with pytest.raises(VersionNotFoundError):
                saved.get(reference, version)


def test_the_only_version_is_the_nearest(ledger: Ledger) -> None:
    """One version is not counted as several."""
    ledger.save(1, "x")
    with pytest.raises(VersionNotFoundError) as caught:
        ledger.get("x", 7)
    assert str(caught.value) == "artifact 'x' has no version '7'; the nearest is 1"


def test_a_folder_without_versions_is_no_artifact_with_any(ledger: Ledger) -> None:
    """Where another program has left something beside the claims of an artifact that it took away, nothing is found."""
    push_by_hand(ledger.git_dir, add={f"artifacts/{shard_of('x')}/x/0000/00/stray": b""})
    for version in (None, "1"):
        with pytest.raises(ArtifactNotFoundError, match="no artifact has the name"):
            ledger.get("x", version)


def test_another_spelling_is_suggested(ledger: Ledger) -> None:
    """A name that differs only in case is what was meant, however short it is."""
    ledger.save(1, "s")
    ledger.save(1, "t")
    with pytest.raises(ArtifactNotFoundError) as caught:
        ledger.get("S")
    assert "did you mean 's'?" == caught.value.hint


def test_the_nearest_are_close() -> None:
    """Numbers are near by distance, words by spelling, and the newest are named where nothing is like it."""
    assert ["1", "2", "3"] == nearest("0", ["1", "2", "3", "4", "cat"])
    assert ["8", "9", "11"] == nearest("10", ["8", "9", "11", "50"])
    assert ["cat"] == nearest("1", ["cat"])
    assert ["raw_2023"] == nearest("raw_2024", ["1", "2", "raw_2023"])
    assert ["2", "3", "4"] == nearest("zzz", ["1", "2", "3", "4"])


@pytest.mark.parametrize("wanted", ["model_04711x", "model_4711", "odel_04711", "xodel_04711"])
def test_the_nearest_of_very_many_are_found_soon(wanted: str) -> None:
    """A miss among ten thousand names of one family takes milliseconds, wherever the letter is that is wrong."""
    known = [f"model_{number:05d}" for number in range(10_000)]
    started = time.thread_time()
    found = nearest(wanted, known)
    assert (found[0], time.thread_time() - started < 0.03) == ("model_04711", True)


def test_the_nearest_of_very_many_are_found_in_any_order() -> None:
    """Versions stand in the order in which they were published, which need not be that of their spelling."""
    known = [f"model_{number:05d}" for number in reversed(range(1000))]
    assert "model_00471" == nearest("model_00471x", known)[0]


def test_an_unknown_name_suggests_the_nearest(saved: Ledger) -> None:
    """A name that nothing has is a KeyError that quotes it, with a hint."""
    saved.save(1, "iris_dataset")
    with pytest.raises(KeyError, match="'iris_datset'") as caught:
        saved.get("iris_datset")
    assert ArtifactNotFoundError is type(caught.value)
    assert "'iris_dataset'" in caught.value.hint


def test_a_uuid_that_no_version_has_is_a_name(ledger: Ledger) -> None:
    """An artifact named like a UUID is found by its name, with a version and without."""
    name = str(uuid.uuid4()).upper()
    saved = [ledger.save("value", name), ledger.save("other", name)]
    assert ledger.get(name) == saved[1]
    assert ledger.get(name, 1) == saved[0] == ledger.get(f"{name}@1")
    with pytest.raises(VersionNotFoundError, match="no version '3'"):
        ledger.get(name, 3)


def test_an_id_comes_before_a_name(ledger: Ledger) -> None:
    """An artifact named like the id of a version is found by its versions' ids and in lists, not by its name."""
    first = ledger.save("value", "a")
    name = str(first.id)
    named = ledger.save("other", name)
    assert ledger.get(name) == first
    assert ledger.get(named.id) == named
    assert [named] == ledger.versions(name) == ledger.search(name=name)


def test_a_uuid_that_is_no_text_is_never_a_name(ledger: Ledger) -> None:
    """Names are texts: a UUID itself is only an id, even where an artifact is named like it."""
    id = uuid.uuid4()
    ledger.save("value", str(id))
    with pytest.raises(ArtifactNotFoundError, match=f"no version has the id {id}"):
        ledger.get(id)


def test_an_unknown_id_is_a_key_error(saved: Ledger) -> None:
    """A UUID that no version has is an error that quotes it."""
    unknown = uuid.uuid4()
    with pytest.raises(KeyError, match=str(unknown)):
        saved.get(unknown)


def test_a_text_that_can_be_no_name_is_not_repeated_whole(saved: Ledger) -> None:
    """Somebody may give what a file holds where its name is asked for; a name of any length is told whole."""
    text, longest = "all that a file holds\n" * 1000, "n" * 200
    lookups: list[Callable[[], object]] = [
        lambda: saved.get(text),
        lambda: saved.get("x", text),
        lambda: saved.get(f"x@{text}"),
        lambda: saved.get("x@1", text),
        lambda: saved.get(saved.get("x").id, text),
        lambda: saved.run(text),
    ]
    for look_up in lookups:
        with pytest.raises(LedgerError) as caught:
            look_up()
        assert max(len(str(caught.value)), len(caught.value.hint)) < 500
    with pytest.raises(ArtifactNotFoundError, match=f"'{longest}'"):
        saved.get(longest)


@pytest.mark.parametrize("wanted", [None, 7, b"x", ["x"]])
def test_another_type_is_a_type_error(saved: Ledger, wanted: object) -> None:
    """What is neither a str nor a UUID is refused by its type."""
    with pytest.raises(TypeError, match=type(wanted).__name__) as caught:
        saved.get(wanted)  # type: ignore[arg-type]
    assert ArgumentTypeError is type(caught.value)
    with pytest.raises(ArgumentTypeError, match=f"an artifact name is a str, got {type(wanted).__name__}"):
        saved.versions(wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("wanted", ["", "train\n"], ids=repr)
def test_a_text_that_is_no_run_is_told_in_quotes(saved: Ledger, wanted: str) -> None:
    """What was asked for is seen in the error, also where it is empty or no single line."""
    with pytest.raises(RunNotFoundError) as caught:
        saved.run(wanted)
    assert f"no run has the id {wanted!r}" == caught.value.args[0]


@pytest.mark.parametrize("operator", ["startswith:x", "contains:x", "oneof:[x]", "x*", "%"])
def test_names_are_no_patterns(saved: Ledger, operator: str) -> None:
    """Nothing in a name is an operator: it is found exactly or not at all."""
    with pytest.raises(ArtifactNotFoundError):
        saved.get(operator)


@pytest.mark.parametrize("operator", ["startswith:c", "contains:a", "oneof:[cat]", "gte:1", "c*", "%"])
def test_neither_versions_nor_what_is_searched_for_are_patterns(saved: Ledger, operator: str) -> None:
    """A version is found exactly or not at all, and so are tags and values of metadata."""
    saved.tag("x", ["cat"])
    saved.log_metadata({"kind": "cat"}, "x")
    with pytest.raises(VersionNotFoundError):
        saved.get("x", operator)
    assert [] == saved.search(tag=operator) == saved.search(run_metadata={"kind": operator})


def test_case_matters(saved: Ledger) -> None:
    """A name in another case finds nothing, and the hint knows better."""
    saved.save(1, "Iris_Dataset")
    with pytest.raises(ArtifactNotFoundError) as caught:
        saved.get("iris_dataset")
    assert "'Iris_Dataset'" in caught.value.hint


def test_looking_up_writes_nothing(saved: Ledger) -> None:
    """A look-up changes no file of the ledger."""
    before = {path: path.stat().st_mtime_ns for path in saved.path.rglob("*")}
    time.sleep(0.01)
    saved.load("x")
    saved.search(tag="t")
    saved.artifacts()
    assert before == {path: path.stat().st_mtime_ns for path in saved.path.rglob("*")}


@pytest.mark.parametrize(
    ("wanted", "version", "hint"),
    [
        ("s", "latest", "leave the version out to get the latest"),
        (
            "s",
            "live",
            "if it is a tag, run `ledger artifact version list s --tag live` to see what has it; loads take tag='live'",
        ),
        ("s:1", None, "did you mean 's@1'?"),
        ("s/1", None, "did you mean 's@1'?"),
        ("s:latest", None, "did you mean 's'?"),
        ("s:v0", None, "did you mean 's@1'?"),
        ("s:v1", None, "did you mean 's@1' or 's@2'?"),
        ("s:v2", None, "did you mean 's@2'?"),
        ("models:/s/1", None, "did you mean 's@1'?"),
        ("models:/s/latest", None, "did you mean 's'?"),
    ],
)
def test_what_other_programs_call_a_version_has_a_hint(
    ledger: Ledger, wanted: str, version: str | None, hint: str
) -> None:
    """A word for the latest, a tag in the place of a version, other marks between both, and numbers that begin at 0."""
    ledger.save(1, "s")
    ledger.save(2, "s")
    with pytest.raises(KeyError) as caught:
        ledger.get(wanted, version)
    assert str(getattr(caught.value, "hint", "")).startswith(hint)


@pytest.mark.parametrize("wanted", ["s:2", "s:v2", "s:vv0", "t:1", "t:latest", ":1", "/1"])
def test_a_version_that_is_not_there_is_no_hint(ledger: Ledger, wanted: str) -> None:
    """What other programs would call a version is proposed only where there is one of that name and number."""
    ledger.save(1, "s")
    with pytest.raises(ArtifactNotFoundError) as caught:
        ledger.get(wanted)
    assert "did you mean" not in caught.value.hint
