"""A full or read-only disk: a typed error, nothing half-written, and everything works again afterwards."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.errors import ConfigError, DiskFullError, LockTimeoutError, ReadOnlyError, StorageError
from ledger.materializers import BaseMaterializer
from tests.conftest import check_histories
from tests.kit.disks import disk_at, remount
from tests.kit.forking import in_a_fork
from tests.kit.hubs import new_hub, shared
from tests.kit.ledgers import files_below, git, state_of, store_of


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    with disk_at(tmp_path / "disk", "4m") as disk:
        yield disk
        check_histories(disk)


def test_a_full_disk_publishes_nothing(small_disk: Path) -> None:
    """Where the bytes find no room, the error is typed, nothing is published or left, and later saves work."""
    ledger = Ledger.init(small_disk / ".ledger")
    ledger.save("before", "x")
    before = state_of(ledger)
    with pytest.raises(OSError, match="No space") as caught:
        ledger.save([os.urandom(3 << 20), os.urandom(3 << 20)], "x")
    assert DiskFullError is type(caught.value)
    assert errno.ENOSPC == caught.value.errno
    assert "free some space" in caught.value.hint
    assert before == state_of(ledger)
    assert ("before", "2") == (ledger.load("x"), ledger.save("after", "x").version)
    assert ledger.verify().ok


def test_a_disk_that_fills_up_at_any_byte_publishes_whole_or_nothing(small_disk: Path) -> None:
    """Wherever a save runs out of room, in the store or in the history, it happened or it did not."""
    ledger = Ledger.init(small_disk / ".ledger")
    ledger.save("before", "x")
    filler = small_disk / "filler"
    published = 1
    for room in range(0, 64 << 10, 4 << 10):
        _fill(filler, small_disk, leave=room)
        try:
            ledger.save(os.urandom(9000), "x")
            published += 1
        except StorageError as error:
            assert DiskFullError is type(error)  # noqa: PT017  # it may also succeed
        filler.unlink()
        assert published == len(Ledger.open(ledger.path).versions("x"))
        assert Ledger.open(ledger.path).verify().ok
    assert published > 1
    assert str(published + 1) == ledger.save("after", "x").version


def _fill(filler: Path, disk: Path, *, leave: int) -> None:
    """Write a file that leaves so many bytes of a disk free."""
    status = os.statvfs(disk)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(status.f_bavail * status.f_frsize - leave, 1))


def test_a_fetch_that_finds_no_room_takes_none(small_disk: Path, tmp_path: Path) -> None:
    """What there was of the pack goes, so that a save finds the room that it found before."""
    theirs = shared(tmp_path / "theirs", hub := new_hub(tmp_path))
    theirs.sync()
    ledger = Ledger.clone(hub, small_disk / ".ledger")
    theirs.save("large record", "x", run_metadata={str(number): os.urandom(300).hex() for number in range(1500)})
    theirs.sync()
    _fill(small_disk / "filler", small_disk, leave=200 << 10)
    with pytest.raises(DiskFullError, match="cannot fetch"):
        ledger.sync()
    assert "1" == ledger.save("small", "y").version


def test_a_read_only_disk_can_be_read(small_disk: Path) -> None:
    """On a read-only disk everything loads, a save is a `ReadOnlyError`, and it works again afterwards."""
    ledger = Ledger.init(small_disk / ".ledger")
    ledger.save(b"value", "x")
    remount(small_disk, "ro")
    before = state_of(ledger)
    fresh = Ledger.open(ledger.path)
    assert (b"value", True) == (fresh.load("x"), fresh.verify().ok)
    for call in (lambda: fresh.save(b"more", "x"), lambda: fresh.tag("x", ["t"])):
        with pytest.raises(PermissionError) as caught:
            call()
        assert ReadOnlyError is type(caught.value)
        assert errno.EROFS == caught.value.errno
    assert before == state_of(ledger)
    remount(small_disk, "rw")
    assert "2" == fresh.save(b"more", "x").version


def test_a_folder_that_cannot_be_written_is_named(ledger: Ledger) -> None:
    """Without the right to write, the error names the path, and nothing is published."""
    ledger.save(1, "x")
    before = state_of(ledger)
    folders = [path for path in ledger.path.rglob("*") if path.is_dir()]
    for folder in folders:
        folder.chmod(0o500)
    try:
        if os.access(folders[0], os.W_OK):
            pytest.skip("root may write anywhere")
        with pytest.raises(ReadOnlyError, match=str(ledger.path)):
            ledger.save(b"new", "x")
    finally:
        for folder in folders:
            folder.chmod(0o700)
    assert before == state_of(ledger)


class Sprawling(BaseMaterializer):
    """A materializer that needs as much local disk as its value says."""

    SKIP_REGISTRATION = True

    def save(self, data: Any) -> None:
        Path(self.uri, "data").write_bytes(bytes(data))

    def load(self, data_type: type | None) -> Any:
        return data_type, Path(self.uri, "data").read_bytes()


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("disk", "DiskFullError: cannot write the temporary files of a value of type builtins.int: "),
        ("gone", "StorageError: cannot write a temporary file: "),
    ],
)
def test_no_room_for_local_files_is_no_fault_of_the_value(
    ledger: Ledger, small_disk: Path, place: str, told: str
) -> None:
    """Where a materializer's folder is on a full disk, or can be nowhere, the error says that, and not who failed."""

    def save() -> str:
        tempfile.__dict__.update(tempdir=None, _candidate_tempdir_list=lambda: [str(small_disk.with_name(place))])
        with pytest.raises(StorageError) as caught:
            ledger.save(8 << 20, "x", materializer=Sprawling)
        return f"{type(caught.value).__name__}: {caught.value}"

    assert in_a_fork(save).startswith(told)
    assert [] == ledger.artifacts()


_SAVE_A_FRAME = """
import resource, sys
import polars
from ledger import Ledger
from ledger.errors import StorageError

frame = polars.DataFrame({"a": range(1 << 18)})
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
try:
    Ledger.open(sys.argv[1]).save(frame, "x")
except StorageError as error:
    print(f"{type(error).__name__} {error.errno}: {error}")
"""


def test_no_room_is_understood_where_a_library_tells_it_in_words(ledger: Ledger) -> None:
    """A disk that is full for a library in Rust, whose errors have its number in their text only, is a full disk."""
    pytest.importorskip("polars")
    run = [sys.executable, "-c", _SAVE_A_FRAME, str(ledger.path)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    told = f"DiskFullError {errno.EFBIG}: cannot write the temporary files of a value of type polars."
    assert done.stdout.startswith(told)
    assert [] == ledger.artifacts()


def test_something_in_the_way_of_the_store_is_named(ledger: Ledger) -> None:
    """A file where the store keeps a folder is an operating system error with its path, and heals."""
    tip = git(ledger, "rev-parse", "main")
    chunks = store_of(ledger) / "chunks"
    assert not files_below(chunks)
    shutil.rmtree(chunks)
    chunks.write_text("in the way")
    with pytest.raises(StorageError, match="chunks"):
        ledger.save("value", "x")
    assert tip == git(ledger, "rev-parse", "main")
    chunks.unlink()
    assert "1" == ledger.save("value", "x").version


def test_a_held_lock_times_out_with_its_holder(ledger: Ledger) -> None:
    """A writer waits as long as the settings say, then names the process that holds the lock; readers never wait."""
    ledger.save("value", "x")
    config = ledger.path / "config.toml"
    config.write_text(config.read_text().replace("lock_timeout = 60.0", "lock_timeout = 0.1"))
    from ledger.disk import LockFile

    with LockFile(ledger.path / "lock").hold(timeout=1):
        impatient = Ledger.open(ledger.path)
        assert "value" == impatient.load("x")
        with pytest.raises(TimeoutError, match=rf"waited 0\.1 s for .*pid {os.getpid()} on ") as caught:
            impatient.save("more", "x")
    assert LockTimeoutError is type(caught.value)
    assert "2" == impatient.save("more", "x").version


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("store = [", "not TOML"),
        ("stor = 'x'", "stor"),
        ("lock_timeout = 'long'", "lock_timeout"),
        ("lock_timeout = nan", "lock_timeout"),
        ("cache_limit = -1", "cache_limit"),
        ("\0", "TOML"),
        (f"store = {'[' * 5000}", "not TOML"),
    ],
)
def test_a_bad_setting_is_named(ledger: Ledger, text: str, message: str) -> None:
    """Settings that cannot be used are an error that names the file and the setting."""
    (ledger.path / "config.toml").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        Ledger.open(ledger.path)
    assert ConfigError is type(caught.value)
    assert "config.toml" in str(caught.value)
    (ledger.path / "config.toml").unlink()
    assert [] == Ledger.open(ledger.path).artifacts()


def test_a_lost_state_directory_costs_a_warning(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where trust cannot be written, the value is saved all the same, and the user is told."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="ask for trust"), pytest.warns(UserWarning, match="cloudpickle"):
        saved = Ledger.open(ledger.path).save(stat.S_ISDIR, "function")
    assert "1" == saved.version


@pytest.mark.parametrize("kind", ["chunks", "packs", "tables"])
def test_a_folder_of_the_store_that_cannot_be_looked_at_fails_the_save(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Whether it is a link nobody can say: the error is typed and names it, and nothing is published."""
    real, folder = os.stat, store_of(ledger) / kind

    def look(path: Any, *arguments: Any, **named: Any) -> os.stat_result:
        if not isinstance(path, int) and os.fspath(path) == str(folder):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder))
        return real(path, *arguments, **named)

    with monkeypatch.context() as failing:
        failing.setattr(os, "stat", look)
        failing.setattr(os, "lstat", look)
        with pytest.raises(StorageError, match=f"cannot read {folder}: "):
            Ledger.open(ledger.path).save("one", "iris")
    assert "1" == Ledger.open(ledger.path).save("one", "iris").version
