"""Versions: their numbers, their order, and that a refused save leaves nothing."""

import datetime as dt
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.enums import ArtifactType
from ledger.errors import (
    ArgumentError,
    ArgumentTypeError,
    EntityExistsError,
    InvalidNameError,
    InvalidTagError,
    InvalidVersionError,
    LedgerError,
    MetadataError,
    MissingDependencyError,
    NameCollisionError,
    StorageError,
    VersionExistsError,
)
from ledger.materializers import BaseMaterializer
from tests.kit.ledgers import git, manifest_of, state_of

BAD_SAVES: list[tuple[dict[str, Any], type[LedgerError], type[Exception]]] = [
    ({"name": ""}, InvalidNameError, ValueError),
    ({"name": "a" * 201}, InvalidNameError, ValueError),
    ({"name": "../../etc"}, InvalidNameError, ValueError),
    ({"name": "a/./b"}, InvalidNameError, ValueError),
    ({"name": "a//b"}, InvalidNameError, ValueError),
    ({"name": "/a"}, InvalidNameError, ValueError),
    ({"name": "a\n"}, InvalidNameError, ValueError),
    ({"name": "a b"}, InvalidNameError, ValueError),
    ({"name": "-a"}, InvalidNameError, ValueError),
    ({"name": "daten_ü"}, InvalidNameError, ValueError),
    ({"name": 7}, ArgumentTypeError, TypeError),
    ({"name": "x", "version": ""}, InvalidVersionError, ValueError),
    ({"name": "x", "version": " 5 "}, InvalidVersionError, ValueError),
    ({"name": "x", "version": "a/b"}, InvalidVersionError, ValueError),
    ({"name": "x", "version": "v" * 101}, InvalidVersionError, ValueError),
    ({"name": "x", "version": True}, ArgumentTypeError, TypeError),
    ({"name": "x", "version": 1.5}, ArgumentTypeError, TypeError),
    ({"name": "x", "tags": [""]}, InvalidTagError, ValueError),
    ({"name": "x", "tags": ["good", "t" * 101]}, InvalidTagError, ValueError),
    ({"name": "x", "tags": ["line\nbreak"]}, InvalidTagError, ValueError),
    ({"name": "x", "tags": "digits"}, ArgumentTypeError, TypeError),
    ({"name": "x", "tags": [1]}, ArgumentTypeError, TypeError),
    ({"name": "x", "run_metadata": {"": 1}}, MetadataError, ValueError),
    ({"name": "x", "run_metadata": {"k" * 256: 1}}, MetadataError, ValueError),
    ({"name": "x", "run_metadata": {1: 1}}, MetadataError, ValueError),
    ({"name": "x", "run_metadata": [("a", 1)]}, MetadataError, ValueError),
    ({"name": "x", "run_metadata": {"a": {"b": [1, b"bytes"]}}}, MetadataError, ValueError),
    ({"name": "x", "run_metadata": {"long": "z" * 2_000_000}}, MetadataError, ValueError),
    ({"name": "x", "artifact_type": "Model"}, ArgumentError, ValueError),
    ({"name": "x", "materializer": "numpy.npy/1"}, ArgumentTypeError, TypeError),
]


def test_a_save_that_writes_no_file_is_warned_about(ledger: Ledger, tmp_path: Path) -> None:
    """A materializer that writes elsewhere than below its folder saves nothing of the value; an empty folder is one."""

    class Elsewhere(BaseMaterializer):
        SKIP_REGISTRATION = True

        def save(self, value: int) -> None:
            (tmp_path / "value.txt").write_text(str(value))

    with pytest.warns(UserWarning, match=r"Elsewhere/1 has written no file below self.uri"):
        assert ledger.save(1, "x", materializer=Elsewhere).files() == ()
    (tmp_path / "empty").mkdir()
    ledger.save(tmp_path / "empty", "folder")


def test_a_folder_of_a_value_that_is_none_any_more_is_named(ledger: Ledger) -> None:
    """A materializer whose library puts a file in the place of ``self.uri`` gets an error with its path."""

    class Replacing(BaseMaterializer):
        SKIP_REGISTRATION = True

        def save(self, value: int) -> None:
            os.rmdir(self.uri)
            Path(self.uri).write_text(str(value))

    with pytest.raises(StorageError, match=r"^cannot list /.*: Not a directory"):
        ledger.save(1, "x", materializer=Replacing)


def test_a_text_that_is_a_path_is_warned_about(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who means the file gets its name otherwise, and would learn that when the file is lost."""
    monkeypatch.chdir(tmp_path)
    Path("data.csv").write_text("a")
    with pytest.warns(UserWarning, match=r"^'data\.csv' is saved as a text, not what lies there"):
        assert "data.csv" == ledger.save("data.csv", "x").load()


def test_a_bad_argument_is_refused_before_anything_is_written(ledger: Ledger) -> None:
    """Each bad argument has its own error, and store and history stay as they were, byte for byte."""
    ledger.save(1, "before")
    before = state_of(ledger)
    for arguments, kind, builtin in BAD_SAVES:
        with pytest.raises(builtin) as caught:
            ledger.save(b"payload" * 1000, **arguments)
        assert kind is type(caught.value), arguments
        assert "\n" not in str(caught.value)
    assert before == state_of(ledger)


def test_the_numbers_of_a_program_that_has_seeded_random_stay_its_own(tmp_path: Path) -> None:
    """A shuffle after a save is the one that the program would have made without it."""
    before = random.getstate()
    Ledger.init(tmp_path / "new").save(1, "x").load()
    assert before == random.getstate()


def test_automatic_versions_count_from_one(ledger: Ledger) -> None:
    """The first version is `1`, and each artifact counts for itself."""
    assert ["1", "2", "3"] == [ledger.save(value, "x").version for value in range(3)]
    assert "1" == ledger.save(0, "y").version


def test_custom_versions_do_not_move_the_counter(ledger: Ledger) -> None:
    """The sequence of the contract: auto, cat, auto, 10, auto, then a smaller number, auto."""
    asked = [None, "cat", None, 10, None, "5", None]
    saved = [ledger.save(at, "x", version) for at, version in enumerate(asked)]
    assert ["1", "cat", "2", "10", "11", "5", "12"] == [version.version for version in saved]
    assert [1, None, 2, 10, 11, 5, 12] == [version.number for version in saved]
    assert [1, 2, 3, 4, 5, 6, 7] == [version.position for version in saved]


def test_latest_is_the_newest_in_the_order_of_the_ledger(ledger: Ledger) -> None:
    """After 10 and 11, an explicit 5 is the latest; no number and no clock is compared."""
    for value, version in ((10, 10), (11, 11), (5, 5)):
        ledger.save(value, "x", version)
    assert 5 == ledger.load("x")
    assert "5" == ledger.get("x").version == ledger.artifact("x").latest.version


@pytest.mark.parametrize("odd", ["007", "1_000", "+3", "1.5", "v1", "1e3", "-3", "1234567890"])
def test_what_is_not_a_canonical_number_is_a_custom_version(ledger: Ledger, odd: str) -> None:
    """Only canonical decimal of at most nine digits is a number; the rest is a word and moves no counter."""
    saved = ledger.save(1, "x", odd)
    assert (odd, None) == (saved.version, saved.number)
    assert "1" == ledger.save(2, "x").version
    assert 1 == ledger.load("x", odd)


def test_ints_and_digits_mean_the_same(ledger: Ledger) -> None:
    """Version 7 and version "7" are one version, for saving and for looking up."""
    ledger.save("seven", "x", 7)
    assert ledger.get("x", 7) == ledger.get("x", "7")
    with pytest.raises(VersionExistsError):
        ledger.save("again", "x", "7")


@pytest.mark.parametrize("version", ["1", "cat"])
def test_a_duplicate_version_leaves_no_bytes(ledger: Ledger, version: str) -> None:
    """Saving an existing version raises, publishes nothing, and no byte of the value stays."""
    first = ledger.save(b"first", "x", version)
    before = state_of(ledger)
    with pytest.raises(EntityExistsError) as caught:
        ledger.save(b"second" * 100_000, "x", version, tags=["t"])
    assert VersionExistsError is type(caught.value)
    assert ("x", version, str(first.id)) == (caught.value.name, caught.value.version, caught.value.id)  # type: ignore[attr-defined]
    assert caught.value.hint
    assert before == state_of(ledger)
    assert b"first" == ledger.load("x", version)


def test_names_that_differ_only_in_case_cannot_coexist(ledger: Ledger) -> None:
    """A second spelling is refused before anything is written, and the error names the first."""
    ledger.save(1, "Iris/Train")
    before = state_of(ledger)
    with pytest.raises(NameCollisionError, match="'Iris/Train'"):
        ledger.save(2, "iris/train")
    assert before == state_of(ledger)


@pytest.mark.parametrize("name", ["a", "_a", "0", "a" * 200, "p::s::o", "a/b/c.d-e", "con", "nul.txt", "a.", "names"])
def test_every_allowed_name_round_trips(ledger: Ledger, name: str) -> None:
    """Names at the edges of the grammar are saved, listed and found."""
    ledger.save(name, name)
    assert name == ledger.load(name)
    assert [name] == [artifact.name for artifact in ledger.artifacts()]


def test_ids_are_unique_and_stay(ledger: Ledger) -> None:
    """Every version has a UUID of its own that tags and metadata do not change."""
    first, second = ledger.save(1, "x"), ledger.save(1, "x")
    ledger.tag("x", ["t"], 1)
    ledger.log_metadata({"a": 1}, "x", 1)
    assert first.id != second.id
    assert (first.id, second.id) == (ledger.get("x", 1).id, ledger.get("x", 2).id)
    assert str(first.id) == manifest_of(ledger, first)["id"]


def test_a_save_is_one_commit(ledger: Ledger) -> None:
    """Bytes, number, tags and metadata of a version come with one commit, whose message names it."""
    before = int(git(ledger, "rev-list", "--count", "main"))
    saved = ledger.save([1, 2], "iris/train", tags=["t"], run_metadata={"a": 1})
    assert before + 1 == int(git(ledger, "rev-list", "--count", "main"))
    message = git(ledger, "log", "-1", "--format=%B").splitlines()
    trailers = ["Artifact: iris/train@1", f"Id: {saved.id}", f"Content: {saved.digest}"]
    assert ["save iris/train@1", "", *trailers] == message[:5]
    assert "Ada <ada@example.com>" == git(ledger, "log", "-1", "--format=%an <%ae>")


def test_the_type_is_the_materializers_unless_one_is_given(ledger: Ledger) -> None:
    """An explicit type beats the materializer's, given as member or value; versions of one name may differ."""
    kinds = [None, ArtifactType.MODEL, "StatisticsArtifact"]
    saved = [ledger.save({"a": 1}, "x", artifact_type=kind).type for kind in kinds]
    assert [ArtifactType.MODEL, ArtifactType.STATISTICS] == saved[1:]
    assert isinstance(saved[0], ArtifactType)


def test_equal_values_are_stored_once(ledger: Ledger) -> None:
    """Three versions of the same value take the room of one."""
    value = bytes(range(256)) * 1000
    ledger.save(value, "x")
    once = state_of(ledger)[1]
    ledger.save(value, "x")
    ledger.save(value, "y")
    assert once == state_of(ledger)[1]


def test_created_at_is_when_it_was_saved(ledger: Ledger) -> None:
    """The time of a version is in UTC, between the clock before and after the save."""
    before = dt.datetime.now(dt.UTC)
    saved = ledger.save(1, "x")
    assert before <= saved.created_at <= dt.datetime.now(dt.UTC)
    assert dt.timedelta(0) == saved.created_at.utcoffset()
    assert "Ada <ada@example.com>" == saved.created_by


def test_without_a_git_identity_the_user_and_host_sign(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody without a Git identity is `user@host`."""
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    import getpass
    import socket

    monkeypatch.setenv("USER", "grace")
    monkeypatch.setenv("LOGNAME", "grace")
    saved = Ledger.open(ledger.path).save(1, "x")
    assert f"{getpass.getuser()}@{socket.gethostname()}" in saved.created_by


def test_a_file_and_a_tree_are_copied(ledger: Ledger, tmp_path: Path) -> None:
    """A path is saved as what lies there: sub folders, empty files and all, whatever happens to the original."""
    tree = tmp_path / "tree"
    (tree / "sub" / "deep").mkdir(parents=True)
    (tree / "sub" / "deep" / "a.bin").write_bytes(bytes(range(256)) * 400)
    (tree / "empty.txt").write_bytes(b"")
    ledger.save(tree, "tree")
    ledger.save(tree / "sub" / "deep" / "a.bin", "file")
    (tree / "sub" / "deep" / "a.bin").write_bytes(b"changed")
    loaded = ledger.load("tree")
    assert bytes(range(256)) * 400 == (loaded / "sub" / "deep" / "a.bin").read_bytes()
    assert b"" == (loaded / "empty.txt").read_bytes()
    assert bytes(range(256)) * 400 == ledger.load("file").read_bytes()
    assert "pathlib" in ledger.get("tree").data_type


@pytest.mark.parametrize("name", ["a\0b", "x" * 300], ids=["null", "long"])
def test_a_path_that_cannot_be_is_refused(ledger: Ledger, name: str) -> None:
    """The error about a path that no file system takes is about the path, and not about its materializer."""
    with pytest.raises((ArgumentError, StorageError)) as caught:
        ledger.save(Path(name), "x")
    assert "materializer" not in str(caught.value)


def test_a_missing_path_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """A path where nothing lies is an error that names it, and nothing is published."""
    before = state_of(ledger)
    with pytest.raises(LedgerError, match="nowhere"):
        ledger.save(tmp_path / "nowhere", "x")
    assert before == state_of(ledger)


def test_what_stands_for_saved_values_is_no_value(ledger: Ledger) -> None:
    """A version, one that is not published yet, and an artifact are refused; their values are what can be saved."""
    version = ledger.save(1, "x")
    with ledger.transaction() as transaction:
        pending = transaction.save(2, "x")
        for handle, told, hint in (
            (version, "x@1 as 'y': it is a version", "save what its load() gives"),
            (pending, "x as 'y': it is a version", "take its `published` handle when the transaction is over"),
            (ledger.artifact("x"), "x as 'y': it is an artifact", "save what its load() gives"),
        ):
            with pytest.raises(ArgumentTypeError, match=f"cannot save {told}, not a value") as caught:
                transaction.save(handle, "y")
            assert caught.value.hint.startswith(hint)
    assert ["x"] == [artifact.name for artifact in ledger.artifacts()]


def test_a_version_whose_library_is_missing_is_named(ledger: Ledger, tmp_path: Path) -> None:
    """The error of a value that needs what cannot be imported names the version as well as what is missing."""
    (tmp_path / "gone_by_now.py").write_text("class Kept:\n    pass\n")
    program = "import gone_by_now, ledger; ledger.Ledger.open('.ledger').save(gone_by_now.Kept(), 'kept')"
    environment = {"PYTHONPATH": f"{tmp_path}:{Path.cwd()}", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", program]
    subprocess.run(command, cwd=ledger.path.parent, check=True, env={**os.environ, **environment})
    with pytest.raises(MissingDependencyError, match="kept@1: a pickled value needs 'gone_by_now'") as caught:
        ledger.load("kept", trust=True)
    assert ("gone_by_now", "1") == (caught.value.name, caught.value.facts["version"])
