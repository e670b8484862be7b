"""A ledger is made whole or not at all."""

import os
import stat
from pathlib import Path

import pytest

from ledger import Ledger, load_artifact, save_artifact
from ledger.errors import (
    ArgumentError,
    LedgerError,
    LedgerExistsError,
    LedgerNotFoundError,
    ReadOnlyError,
    StorageError,
)
from ledger.lookup import settings_for
from tests.kit.forking import ended, forks
from tests.kit.ledgers import files_below, git, run_python


def test_a_new_ledger_has_what_the_format_says(workdir: Path) -> None:
    """The directory holds history, store, cache, settings, locks and an ignore file, and nothing else."""
    ledger = Ledger.init(workdir / ".ledger")
    names = {path.name for path in ledger.path.iterdir()}
    assert {".gitignore", "cache", "config.toml", "fold.lock", "history.git", "lock", "store"} == names
    assert "*\n" == (ledger.path / ".gitignore").read_text()
    assert ledger.path / "history.git" == ledger.git_dir


def test_a_ledger_is_not_called_with_a_path() -> None:
    """Who takes `Ledger` for a function of a path is told what opens and what makes one."""
    with pytest.raises(TypeError, match=r"not made of str: '\.ledger'") as caught:
        Ledger(".ledger")  # type: ignore[arg-type]
    assert "Ledger.open(path)" in caught.value.hint  # type: ignore[attr-defined]


def test_a_new_history_is_plain_git(workdir: Path) -> None:
    """Real Git finds a bare repository with one commit that states the format."""
    ledger = Ledger.init(workdir / ".ledger")
    assert "true" == git(ledger, "rev-parse", "--is-bare-repository")
    assert "1" == git(ledger, "rev-list", "--count", "main")
    assert "ledger.json" == git(ledger, "ls-tree", "-r", "--name-only", "main")


def test_a_ledger_is_not_made_twice(workdir: Path) -> None:
    """Making a ledger where one is raises, and changes not a byte of it."""
    ledger = Ledger.init(workdir / ".ledger")
    ledger.save(1, "one")
    before = files_below(workdir)
    with pytest.raises(FileExistsError, match="is a ledger") as caught:
        Ledger.init(workdir / ".ledger")
    assert LedgerExistsError is type(caught.value)
    assert str(workdir / ".ledger") in str(caught.value)
    assert before == files_below(workdir)


def test_something_else_is_not_overwritten(workdir: Path) -> None:
    """A folder with other files in it, or a file, is left as it is."""
    (workdir / "full").mkdir()
    (workdir / "full" / "thesis.txt").write_text("years of work")
    (workdir / "file").write_text("a file")
    before = files_below(workdir)
    for name in ("full", "file"):
        with pytest.raises(LedgerExistsError, match="not a ledger"):
            Ledger.init(workdir / name)
    assert before == files_below(workdir)


def test_an_empty_folder_becomes_a_ledger(workdir: Path) -> None:
    """A folder that was made beforehand and is empty is used."""
    (workdir / ".ledger").mkdir()
    assert [] == Ledger.init(workdir / ".ledger").artifacts()


@pytest.mark.parametrize("mode", [0o700, 0o2770])
def test_an_empty_folder_stays_as_private_or_as_shared_as_it_was(workdir: Path, mode: int) -> None:
    """A ledger that takes the place of an empty folder has its mode."""
    path = workdir / ".ledger"
    path.mkdir()
    path.chmod(mode)
    Ledger.init(path)
    assert mode == stat.S_IMODE(path.stat().st_mode)


def test_the_working_directory_becomes_a_ledger(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that makes one where it is, in an empty folder, is in the new one and not in a folder that is gone."""
    (workdir / "here").mkdir()
    monkeypatch.chdir(workdir / "here")
    Ledger.init(".").save(1, "x")
    assert 1 == Ledger.open(".").load("x") == load_artifact("x")


def test_missing_parents_are_made(workdir: Path) -> None:
    """A ledger can be made below folders that do not exist yet."""
    assert workdir / "a" / "b" / ".ledger" == Ledger.init(workdir / "a" / "b" / ".ledger").path


def test_a_failure_leaves_nothing(workdir: Path) -> None:
    """Where the store cannot be made, no part of a ledger stays behind."""
    (workdir / "blocked").write_text("a file where the store's folder should be")
    with pytest.raises(OSError, match="blocked"):
        Ledger.init(workdir / ".ledger", store=workdir / "blocked" / "store")
    assert [workdir / "blocked"] == list(workdir.iterdir())


def test_a_store_does_not_lie_in_the_ledger_that_is_made_around_it(workdir: Path) -> None:
    """Neither the one that it has by default nor another one: nothing is made, and the error says to name none."""
    for place in (".ledger", ".ledger/store"):
        with pytest.raises(ArgumentError, match="would lie inside the ledger itself") as caught:
            Ledger.init(workdir / ".ledger", store=workdir / place)
        assert "name no store" in caught.value.hint
    assert [] == list(workdir.iterdir())


def test_the_store_may_lie_elsewhere(workdir: Path) -> None:
    """`store=` puts the bytes into another folder, which the opened ledger finds again."""
    ledger = Ledger.init(workdir / ".ledger", store=workdir / "bytes")
    ledger.save(b"payload", "blob")
    assert b"payload" == Ledger.open(workdir / ".ledger").load("blob")
    assert any(path.startswith("chunks/") for path in files_below(workdir / "bytes"))
    assert not (workdir / ".ledger" / "store").exists()


def test_a_url_given_as_a_path_is_a_url(workdir: Path) -> None:
    """Of its slashes pathlib leaves one: the bytes go there all the same, and into no folder called `file:`."""
    store = Path(f"file://{workdir}/bytes")
    ledger = Ledger.init(workdir / ".ledger", store=store)
    assert (f"file://{workdir}/bytes", ["bytes"]) == (
        ledger.store.url,
        [path.name for path in workdir.iterdir() if path.name != ".ledger"],
    )
    assert ["s3://bucket/folder", "sftp://host/x"] == [
        settings_for("git@host:x", str(Path(url))).store for url in ("s3://bucket/folder", "sftp://host/x")
    ]


def test_an_empty_store_is_refused(workdir: Path) -> None:
    """A shell variable that is not set does not fill the working directory."""
    with pytest.raises(ArgumentError, match="the URL of a store is empty"):
        Ledger.init(workdir / ".ledger", store="")
    assert [] == list(workdir.iterdir())
    ledger = Ledger.init(workdir / ".ledger")
    with pytest.raises(ArgumentError, match="the URL of a store is empty"):
        ledger.add_remote("origin", "hub.git", " ")


def test_two_ledgers_may_share_a_store(workdir: Path) -> None:
    """A second ledger on an existing store keeps the store's identity, and both go on working."""
    first = Ledger.init(workdir / "one", store=workdir / "bytes")
    first.save(1, "x")
    second = Ledger.init(workdir / "two", store=workdir / "bytes")
    second.save(2, "x")
    assert (1, 2) == (Ledger.open(workdir / "one").load("x"), Ledger.open(workdir / "two").load("x"))


def test_opening_nothing_is_an_error(workdir: Path) -> None:
    """A path where there is no ledger is named, and nothing is made."""
    with pytest.raises(LedgerNotFoundError, match="nowhere"):
        Ledger.open(workdir / "nowhere")
    assert [] == list(workdir.iterdir())


def test_a_file_in_the_place_of_a_ledger_is_to_be_moved(workdir: Path) -> None:
    """Whoever looks is told so, as is who makes one there: no command could make one."""
    (workdir / ".ledger").touch()
    with pytest.raises(LedgerNotFoundError) as looked:
        load_artifact("x")
    with pytest.raises(LedgerExistsError) as made:
        Ledger.init(workdir / ".ledger")
    assert f"move {workdir / '.ledger'} out of the way, or set LEDGER_DIR to another place" in looked.value.hint
    assert "move it out of the way, or choose another path" == made.value.hint


def save_first(_: int, said: Path) -> None:
    """Save a version, and write down which it is."""
    version = save_artifact({"a": 1}, "race")
    with said.open("a") as file:
        print(version.version, file=file)


def test_processes_that_make_one_at_once_end_up_with_one(workdir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Four first writes at the same moment make one ledger, which holds all four versions."""
    said = workdir.parent / "said"
    with forks(4, save_first, said) as processes:
        assert [0] * 4 == ended(processes)
    assert ["1", "2", "3", "4"] == sorted(said.read_text().split())
    assert 1 == capfd.readouterr().err.count("made a new ledger")
    assert [".ledger"] == os.listdir(workdir)


def test_where_no_ledger_can_be_made_no_folder_is_left(workdir: Path) -> None:
    """Those above it that were made for it go with it; one that was there stays, though it is empty."""
    (workdir / "mine").mkdir()
    place = workdir / "mine" / "new" / "deep" / ".ledger"
    with pytest.raises(LedgerError):
        Ledger.init(place, store="nowhere://bucket")
    with pytest.raises(LedgerError):
        Ledger.clone(workdir / "missing", place)
    assert [workdir / "mine"] == list(workdir.rglob("*"))


def test_an_interrupt_leaves_no_folder_either(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made until Ctrl-C goes, with the folders above it that were made for it."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Ledger.init(workdir / "new" / "deep" / ".ledger")
    assert [] == list(workdir.iterdir())


def test_a_ledger_can_be_moved(workdir: Path) -> None:
    """Nothing in a ledger says where it lies: moved elsewhere, it loads and saves as before."""
    ledger = Ledger.init(workdir / "old" / ".ledger")
    (ledger.path / "store" / "raw").mkdir()
    (ledger.path / "store" / "raw" / "a.txt").write_text("linked")
    ledger.save(list(range(100)), "numbers")
    ledger.save({"parts": [b"x" * 100_000, (b"y" * 100_000,)]}, "parts")
    ledger.register(ledger.path / "store" / "raw", "raw")
    (workdir / "old").rename(workdir / "new")
    moved = Ledger.open(workdir / "new" / ".ledger")
    assert list(range(100)) == moved.load("numbers")
    assert {"parts": [b"x" * 100_000, (b"y" * 100_000,)]} == moved.load("parts")
    assert "linked" == (moved.load("raw") / "a.txt").read_text()
    assert "2" == moved.save(1, "numbers").version
    assert moved.verify().ok


def test_an_unwritable_place_is_a_typed_error(workdir: Path) -> None:
    """Where the folder cannot be written, the error says so and names it."""
    workdir.chmod(0o500)
    try:
        if os.access(workdir, os.W_OK):
            pytest.skip("root may write anywhere")
        with pytest.raises(ReadOnlyError, match="project"):
            Ledger.init(workdir / ".ledger")
    finally:
        workdir.chmod(0o700)


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="needs a folder that nobody can write to")
def test_the_error_names_the_ledger_and_not_what_is_made_on_the_way() -> None:
    """Where no ledger can be made the message has the path that was asked for."""
    with pytest.raises(StorageError) as caught:
        Ledger.init("/proc/.ledger")
    assert str(caught.value).startswith("cannot make /proc/.ledger: ")


def test_a_new_process_finds_what_was_saved(workdir: Path) -> None:
    """What one process saved is there for the next."""
    Ledger.init(workdir / ".ledger").save({"a": [1, 2]}, "x")
    done = run_python("from ledger import load_artifact; print(load_artifact('x'))", workdir)
    assert "{'a': [1, 2]}\n" == done.stdout
