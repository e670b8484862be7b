"""What is no plain file where the ledger has its own: fifos, links, files with holes, and files of the user's."""

import contextlib
import os
import shutil
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import LedgerError, StorageError, StoreMismatchError
from ledger.history import remote_url


@pytest.mark.parametrize("where", ["store/chunks", "store/packs", "store/tables", "store/store.json", "history.git"])
def test_a_fifo_in_place_of_a_file_is_not_waited_for(ledger: Ledger, where: str) -> None:
    """Whoever may write to a shared ledger can stop nobody: a load is a typed error, and a check reports it."""
    ledger.save("small", "x")
    ledger.save(bytes(range(256)) * 4000, "x")
    place = ledger.path / where
    found = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    kinds = (".pack", "HEAD") if where == "history.git" else ("",)
    held = {path: path.read_bytes() for path in found if path.name.endswith(kinds)}
    for path in held:
        path.unlink()
        os.mkfifo(path)
    loads = [told(partial(Ledger.load, name_or_id="x", version=version), ledger.path) for version in (1, 2)]
    is_sound = told(lambda opened: opened.verify().ok, ledger.path)
    for path, data in held.items():  # Git, which looks at every history in the end, waits for fifos
        path.unlink()
        path.write_bytes(data)
    assert "error" in loads
    assert is_sound in (False, "error")


def told(look: Callable[[Ledger], object], path: Path) -> object:
    """What a look at a ledger says, or that it is an error."""
    try:
        return look(Ledger.open(path))
    except LedgerError:
        return "error"


def test_a_fifo_in_place_of_the_settings_of_git_is_not_waited_for(ledger: Ledger) -> None:
    """Who asks for the remotes of a ledger that came from elsewhere gets an error."""
    path = ledger.path / "history.git" / "config"
    aside = path.rename(path.with_name("aside"))
    os.mkfifo(path)
    with pytest.raises(StorageError, match=f"cannot read {path}: Not a regular file"):
        remote_url(path.parent, "origin")
    aside.rename(path)  # Git, which looks at every history in the end, waits for fifos


def test_the_settings_of_git_include_nothing(ledger: Ledger) -> None:
    """A ledger may come from anybody, and what it has Git include may be a fifo, or have no end."""
    path = ledger.path / "history.git" / "config"
    held = path.read_text()
    os.mkfifo(path.with_name("fifo"))
    path.write_text(f'{held}[include]\n\tpath = fifo\n[remote "origin"]\n\turl = /hub.git\n')
    assert "/hub.git" == remote_url(path.parent, "origin")
    path.write_text(held)


def test_no_store_is_made_where_a_link_leads(ledger: Ledger, tmp_path: Path) -> None:
    """A ledger may come from anybody, and the user may have a folder of that name."""
    (own := tmp_path / "own" / "tables").mkdir(parents=True)
    shutil.rmtree(ledger.path / "store")
    (ledger.path / "store").symlink_to(own.parent)
    with pytest.raises(StoreMismatchError):
        Ledger.open(ledger.path).save("one", "iris")
    assert [own] == list(own.parent.iterdir())


@pytest.mark.parametrize("place", ["config.toml", "remote-stores.json", "history.git/config", "history.git/HEAD"])
def test_a_file_with_holes_takes_no_memory(ledger: Ledger, tmp_path: Path, place: str) -> None:
    """A ledger may come from anybody; a file of 64 GiB may take no room in it."""
    ledger.save("one", "iris")
    copy = Path(shutil.copytree(ledger.path, tmp_path / "copy"))
    with open(copy / place, "a") as file:
        file.truncate(1 << 36)
    tracemalloc.start()
    try:
        with contextlib.suppress(StorageError):
            assert not Ledger.open(copy).verify().ok or place == "remote-stores.json"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 27


def test_a_run_that_left_a_file_with_holes_takes_no_memory(ledger: Ledger) -> None:
    """The record of a run's beginning is no larger than any record: what is says nothing, and is not read."""
    folder = ledger.path / "running"
    folder.mkdir(exist_ok=True)
    with open(folder / "019a5d0c-3a7e-7cc2-9d3f-1c0e6b8a4d21", "wb") as file:
        file.truncate(1 << 28)
    tracemalloc.start()
    try:
        assert [] == list(ledger.runs())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 27


@pytest.mark.parametrize("place", ["chunks", "packs", "tables", "chunks/ab"])
def test_nothing_is_stored_beside_the_users_own_files(ledger: Ledger, tmp_path: Path, place: str) -> None:
    """A ledger may come from anybody: a link in its store leads where the user keeps something else."""
    (own := tmp_path / "own").mkdir()
    (own / "letter").write_text("dear")
    ledger.save("one", "iris")
    copy = Path(shutil.copytree(ledger.path, tmp_path / "copy"))
    shutil.rmtree(copy / "store" / place, ignore_errors=True)
    (copy / "store" / place).symlink_to(own)
    with pytest.raises(StorageError, match=f"{place}: it is a link"):
        Ledger.open(copy).save("two", "iris")
    assert ["letter"] == os.listdir(own)
