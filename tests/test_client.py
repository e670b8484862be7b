"""`Client`: the look-ups of the public contract."""

import datetime as dt
import time
import uuid
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ledger import Artifact, ArtifactVersion, Ledger, load_artifact, save_artifact
from ledger.client import Client
from ledger.errors import (
    AmbiguousIdError,
    ArgumentError,
    ArgumentTypeError,
    ArtifactNotFoundError,
    InvalidTagError,
    VersionNotFoundError,
)
from tests.kit.ledgers import forge, git


@pytest.fixture
def client(workdir: Path) -> Client:
    """A client of a ledger with three versions of x and one of y."""
    save_artifact("one", "x", tags=["t"], run_metadata={"m": {"acc": 1}})
    save_artifact("two", "x", "cat", artifact_type="ModelArtifact")
    save_artifact("three", "x", tags=["t", "u"])
    save_artifact("other", "y")
    return Client()


def test_a_client_shows_its_ledger(workdir: Path) -> None:
    """The one it was given, or that it is the default one, which is found at each call."""
    shown = repr(Client(Ledger.init(workdir / "given")))
    assert ("<Client of the default ledger>", f"<Client of <Ledger {workdir / 'given'}>>") == (repr(Client()), shown)


def test_a_tag_finds_the_newest_version_that_has_it(client: Client) -> None:
    """A tag means the newest of the versions that have it, by look-up and by load, now and at a revision."""
    found = client.get_artifact_version("x", tag="t")
    assert ("x@2", "three") == (found.claim.label, load_artifact("x", tag="t"))
    client.update_artifact_version("x", "cat", add_tags=["t"], exclusive=True)
    ledger = Ledger.open()
    assert ("two", "two", "three") == (
        load_artifact("x", tag="t"),
        ledger.get("x", tag="t").load(),
        ledger.at("HEAD~1").load("x", tag="t"),
    )


@pytest.mark.parametrize(
    ("wanted", "given", "error", "named"),
    [
        ("x", {"tag": "u", "version": "1"}, ArgumentError, ("'1'", "'u'")),
        ("x@1", {"tag": "u"}, ArgumentError, ("'1'", "'u'")),
        ("x", {"tag": "v"}, VersionNotFoundError, ("'x'", "'v'")),
        ("y", {"tag": "u"}, VersionNotFoundError, ("'y'", "'u'")),
        ("z", {"tag": "u"}, ArtifactNotFoundError, ("'z'",)),
        ("x", {"tag": ["u"]}, ArgumentTypeError, ("['u']",)),
        ("x", {"tag": ""}, InvalidTagError, ()),
    ],
)
def test_a_tag_that_finds_nothing_is_told(
    client: Client, wanted: str, given: dict[str, Any], error: type[Exception], named: tuple[str, ...]
) -> None:
    """A tag that no version has, is none, or stands beside a version is an error that names what was asked."""
    for look_up in (client.get_artifact_version, load_artifact):
        with pytest.raises(error) as raised:
            look_up(wanted, **given)
        assert error is type(raised.value)
        assert all(each in str(raised.value) for each in named)


class Stage(StrEnum):
    """Stages of a model, as a program may name its tags."""

    LIVE = "u"
    OLD = "v"


def test_a_tag_of_a_subclass_is_its_text(client: Client) -> None:
    """A member of an enumeration finds what its text finds, and an error says that text."""
    assert "three" == load_artifact("x", tag=Stage.LIVE)
    with pytest.raises(VersionNotFoundError, match="the tag 'v'") as raised:
        load_artifact("x", tag=Stage.OLD)
    assert str is type(raised.value.facts["tag"])


@pytest.mark.parametrize("as_id", [lambda id: id, str, lambda id: str(id)[:30]], ids=["uuid", "text", "prefix"])
def test_a_tag_beside_an_id_is_refused(client: Client, as_id: Callable[[uuid.UUID], Any]) -> None:
    """An id names one version, which a tag never makes another one of."""
    given = as_id(client.get_artifact_version("x", "1").id)
    for look_up in (client.get_artifact_version, load_artifact):
        with pytest.raises(ArgumentError) as raised:
            look_up(given, tag="t")
        assert str(given) in str(raised.value)
        assert "'t'" in str(raised.value)


def test_a_version_that_is_a_tag_is_told_how_to_ask(client: Client) -> None:
    """Where a tag was given as the version, the hint has the words that find it."""
    with pytest.raises(VersionNotFoundError) as raised:
        load_artifact("x", "u")
    assert "tag='u'" in raised.value.hint


def test_a_tag_moves_to_a_version(client: Client) -> None:
    """``exclusive`` takes an added tag off all others of the name, and leaves those that are not added."""
    moved = client.update_artifact_version("x", "cat", add_tags=["t"], exclusive=True)
    assert ("t",) == moved.tags
    assert [(), ("t",), ("u",)] == [version.tags for version in client.get_artifact("x").versions]


def test_an_artifact_has_name_versions_latest_and_value(client: Client) -> None:
    """`get_artifact` gives the name, all versions oldest first, the latest, and the latest value."""
    found = client.get_artifact("x")
    assert isinstance(found, Artifact)
    assert ("x", ["1", "cat", "2"]) == (found.name, [version.version for version in found.versions])
    assert ("2", "three") == (found.latest.version, found.load())
    assert all(isinstance(version, ArtifactVersion) for version in found.versions)


def test_an_artifact_is_found_by_the_id_of_a_version(client: Client) -> None:
    """An id, its text or its beginning lead to the artifact of that version."""
    version = client.get_artifact_version("x", "cat")
    for reference in (version.id, str(version.id), version.id.hex[:20]):
        assert "x" == client.get_artifact(reference).name


def test_an_artifact_is_found_though_its_latest_record_is_damaged(client: Client) -> None:
    """One bad record hides neither its artifact nor the other versions."""
    ledger = Ledger.open()
    forge(ledger, ledger.get("x", 1), kind="nonsense")
    found = client.get_artifact("x")
    assert 4 == len(found.versions)
    assert "one" == found.versions[0].load()


def test_an_unknown_artifact_is_a_key_error(client: Client) -> None:
    """Names and ids that nothing has are KeyErrors that quote what was asked."""
    for wanted in ("nope", str(uuid.uuid4()), "0000", ""):
        for call in (client.get_artifact, client.get_artifact_version):
            with pytest.raises(KeyError) as caught:
                call(wanted)
            assert ArtifactNotFoundError is type(caught.value)
            assert wanted in str(caught.value)


class Silent:
    """What cannot be shown: Python raises as well for the repr of a very long int."""

    def __repr__(self) -> str:
        raise RuntimeError("no luck")


@pytest.mark.parametrize("wrong", [Silent(), 10**5000], ids=["object", "int"])
def test_what_cannot_be_shown_is_refused_as_what_it_is(client: Client, wrong: Any) -> None:
    """An argument of a wrong type is an error of ours, also where its repr fails."""
    calls: list[Any] = [
        lambda: client.get_artifact(wrong),
        lambda: client.get_artifact_version(wrong),
        lambda: client.get_pipeline_run(wrong),
        lambda: client.update_artifact_version(wrong, add_tags=["a"]),
        lambda: client.list_artifact_versions(created_after=wrong),
        lambda: Ledger.open().at(wrong),
        lambda: Ledger.open().log_metadata({"a": 1}, wrong),
        lambda: save_artifact(1, "x", materializer=wrong),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="repr fails"):
            call()


def test_a_version_is_looked_up_by_one_rule(client: Client) -> None:
    """Name, name and version, label, id and prefix lead to the version; a missing one is named."""
    version = client.get_artifact_version("x", 2)
    same = [client.get_artifact_version("x"), client.get_artifact_version("x", "2"), client.get_artifact_version("x@2")]
    same += [client.get_artifact_version(version.id), client.get_artifact_version(str(version.id)[:28])]
    assert [version] * 5 == same
    with pytest.raises(VersionNotFoundError, match="'prod'"):
        client.get_artifact_version("x", "prod")


def test_an_ambiguous_prefix_is_not_decided(client: Client) -> None:
    """A prefix of several ids lists them."""
    prefix = client.get_artifact_version("x").id.hex[:4]
    with pytest.raises(AmbiguousIdError, match="y@1"):
        client.get_artifact_version(prefix)


def test_artifacts_are_listed_and_filtered(client: Client) -> None:
    """All of them by name, by exact name, and by a tag that one of their versions has."""
    assert ["x", "y"] == [artifact.name for artifact in client.list_artifacts()]
    assert ["y"] == [artifact.name for artifact in client.list_artifacts(name="y")]
    assert ["x"] == [artifact.name for artifact in client.list_artifacts(tag="t")]
    assert [] == client.list_artifacts(name="nope") == client.list_artifacts(name="y", tag="t")


def test_versions_are_listed_and_filtered(client: Client) -> None:
    """Every filter of the contract narrows the list, the metadata filter as well."""
    assert 4 == len(client.list_artifact_versions())
    found = {
        "name": client.list_artifact_versions(name="x"),
        "version": client.list_artifact_versions(version="cat"),
        "tag": client.list_artifact_versions(tag="t"),
        "type": client.list_artifact_versions(type="ModelArtifact"),
        "metadata": client.list_artifact_versions(run_metadata={"m": {"acc": 1}}),
        "limit": client.list_artifact_versions(limit=1),
        "nothing": client.list_artifact_versions(run_metadata={"nope": 1}),
    }
    expected = {
        "name": ["1", "cat", "2"],
        "version": ["cat"],
        "tag": ["1", "2"],
        "type": ["cat"],
        "metadata": ["1"],
        "limit": ["1"],
        "nothing": [],
    }
    assert expected == {filter: [version.version for version in versions] for filter, versions in found.items()}


def test_versions_after_a_moment_are_listed(client: Client) -> None:
    """`created_after` leaves out what was there before."""
    moment = dt.datetime.now(dt.UTC)
    time.sleep(0.002)
    late = save_artifact("late", "z")
    assert [late] == client.list_artifact_versions(created_after=moment)


@pytest.mark.parametrize("given", ["2026-11-28", dt.date(2026, 11, 28)])
def test_what_is_no_moment_is_told_how_it_becomes_one(client: Client, given: Any) -> None:
    """A date, and a text of one, are refused with what to write instead."""
    with pytest.raises(ArgumentTypeError, match="created_after is a datetime") as caught:
        client.list_artifact_versions(created_after=given)
    assert "write created_after=datetime.fromisoformat('2026-11-28')" == caught.value.hint
    with pytest.raises(ArgumentTypeError) as caught:
        client.list_artifact_versions(created_after="yesterday")  # type: ignore[arg-type]
    assert ArgumentTypeError.usual_hint == caught.value.hint


def test_tags_are_updated_in_one_commit(client: Client) -> None:
    """Adding and removing tags is one commit, and what is returned shows them."""
    ledger = Ledger.open()
    before = int(git(ledger, "rev-list", "--count", "main"))
    updated = client.update_artifact_version("x", 1, add_tags=["best", "a"], remove_tags=["t"])
    assert ("a", "best") == updated.tags == client.get_artifact_version("x", 1).tags
    assert before + 1 == int(git(ledger, "rev-list", "--count", "main"))


def test_an_update_that_changes_nothing_is_no_commit(client: Client) -> None:
    """Without tags there is nothing to record."""
    before = git(Ledger.open(), "rev-parse", "main")
    assert ("t",) == client.update_artifact_version("x", 1).tags
    assert before == git(Ledger.open(), "rev-parse", "main")


def test_a_bad_tag_updates_nothing(client: Client) -> None:
    """One bad tag refuses the whole update; a bare string is a TypeError."""
    with pytest.raises(InvalidTagError):
        client.update_artifact_version("x", 1, add_tags=["good", ""], remove_tags=["t"])
    with pytest.raises(TypeError):
        client.update_artifact_version("x", 1, add_tags="best")
    assert ("t",) == client.get_artifact_version("x", 1).tags


def test_the_store_has_a_path(client: Client, workdir: Path) -> None:
    """The active stack's artifact store is a local path, not a URL."""
    path = client.active_stack.artifact_store.path
    assert str(workdir / ".ledger" / "store") == path
    assert Path(path).is_dir()


def test_a_thousand_words_are_not_needed(client: Client) -> None:
    """More versions than any page: all of them are returned, from the artifact and from the list."""
    with Ledger.open().transaction() as transaction:
        for number in range(120):
            transaction.save(number, "many")
    assert 120 == len(client.get_artifact("many").versions)
    assert 120 == len(client.list_artifact_versions(name="many"))


def test_numbers_of_an_array_are_versions_and_limits(client: Client) -> None:
    """A numpy int does as a version to save, load and look up, and as a limit of any list."""
    thirty: Any = np.int64(30)
    one: Any = np.int64(1)
    save_artifact("thirty", "numbers", thirty)
    assert "thirty" == load_artifact("numbers", thirty)
    assert "30" == client.get_artifact_version("numbers", thirty).version
    assert 1 == len(client.list_artifact_versions(name="numbers", version=thirty, limit=one))
    assert [] == client.list_pipeline_runs(limit=one)
