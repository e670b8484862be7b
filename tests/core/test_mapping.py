"""`load(mmap=True)`: arrays and tables mapped from sealed copies in the cache."""

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from ledger import Ledger
from ledger.blobs import ContentReader, LocalStore
from ledger.core.mapping import MappedCopies, mapped_folder
from ledger.errors import IntegrityError, StorageError
from ledger.lookup import write_cache_limit
from tests.kit.contents import noise, save
from tests.kit.disks import disk_at
from tests.kit.ledgers import damage, objects_of

np = pytest.importorskip("numpy")

MEBI = 1 << 20


def copies(ledger: Ledger) -> list[Path]:
    """The copies in the cache, oldest first."""
    folder = mapped_folder(ledger.path)
    return sorted(folder.glob("*/bytes"), key=lambda path: path.stat().st_ctime_ns) if folder.exists() else []


def backing(array: Any) -> Any:
    """What an array is a view of, in the end."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array


@pytest.mark.parametrize(
    "array",
    [
        np.arange(1000.0),
        np.asfortranarray(np.arange(12).reshape(3, 4)),
        np.zeros((2, 3), dtype=[("a", "<i4"), ("b", "<f8")]),
        np.array(5),
        np.array(["text", "more"]),
        np.zeros((0, 3)),
    ],
    ids=["floats", "fortran", "structured", "no dimensions", "texts", "empty"],
)
def test_arrays_come_back_mapped(ledger: Ledger, array: Any) -> None:
    """Values, dtype, shape and memory order are those of a load, and nothing can be written."""
    loaded = ledger.save(array, "a").load(mmap=True)
    np.testing.assert_array_equal(array, loaded, strict=True)
    assert array.flags.f_contiguous == loaded.flags.f_contiguous
    if array.size:
        assert type(loaded) is np.memmap
        with pytest.raises(ValueError, match="read-only"):
            loaded[...] = 0


def test_kinds_of_arrays_keep_their_kind(ledger: Ledger) -> None:
    """Masked arrays and records are mapped too, and stay what they are."""
    masked = ledger.save(np.ma.MaskedArray([1.0, 2.0], mask=[True, False]), "m").load(mmap=True)
    assert (np.ma.MaskedArray, [None, 2.0]) == (type(masked), masked.tolist())
    records = ledger.save(np.rec.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), "r").load(mmap=True)
    assert (np.recarray, [1]) == (type(records), records.a.tolist())
    assert isinstance(backing(records), type(backing(masked.data)))


def test_a_table_of_arrow_is_mapped(ledger: Ledger) -> None:
    """An Arrow table lies where its file is mapped: nothing is allocated for its columns."""
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"a": list(range(20_000)), "b": [f"row {row}" for row in range(20_000)]})
    version = ledger.save(table, "t")
    before = pa.total_allocated_bytes()
    loaded = version.load(mmap=True)
    assert pa.total_allocated_bytes() - before < 10_000
    assert loaded.equals(table)


def test_the_copy_is_made_once_and_only_for_reading(ledger: Ledger) -> None:
    """A second load maps the same file, which nobody may write."""
    version = ledger.save(np.arange(1000), "a")
    version.load(mmap=True)
    (copy,) = copies(ledger)
    first = copy.stat()
    version.load(mmap=True)
    assert (first.st_ino, stat.S_IRUSR) == (copy.stat().st_ino, stat.S_IMODE(copy.stat().st_mode))


@pytest.mark.parametrize("way", ["plainly", "with its old time set again"])
def test_a_copy_that_was_touched_is_made_anew(ledger: Ledger, way: str) -> None:
    """A flipped byte is never served, though size and time of the copy be as before."""
    array = np.arange(1000)
    version = ledger.save(array, "a")
    version.load(mmap=True)
    (copy,) = copies(ledger)
    before = copy.stat()
    damage(copy)
    copy.chmod(stat.S_IRUSR)
    if way != "plainly":
        os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    np.testing.assert_array_equal(array, version.load(mmap=True))
    np.testing.assert_array_equal(array, np.load(copy))


@pytest.mark.parametrize("lost", ["bytes", "seal"])
def test_half_a_copy_is_made_anew(ledger: Ledger, lost: str) -> None:
    """Bytes without a seal, or a seal without bytes, are no copy."""
    version = ledger.save(np.arange(1000), "a")
    version.load(mmap=True)
    (copy,) = copies(ledger)
    (copy.parent / lost).unlink()
    assert 999 == version.load(mmap=True)[-1]


def test_damage_in_the_store_is_found_before_there_is_a_copy(ledger: Ledger) -> None:
    """A copy is checked while it is put together; of damaged bytes none is left."""
    version = ledger.save(np.arange(1000), "a")
    (chunk,) = objects_of(ledger, "chunks")
    damage(chunk)
    with pytest.raises(IntegrityError, match="a@1"):
        version.load(mmap=True)
    assert [] == list(mapped_folder(ledger.path).iterdir())


def test_a_map_outlives_its_copy(ledger: Ledger) -> None:
    """The cache may be deleted while a program uses what lay in it."""
    loaded = ledger.save(np.arange(100_000), "a").load(mmap=True)
    shutil.rmtree(ledger.path / "cache")
    assert 50_000 * 99_999 == int(loaded.sum())
    assert 7 == ledger.load("a", mmap=True)[7]


def test_copies_used_longest_ago_go_first(ledger: Ledger) -> None:
    """Over the limit the oldest by use go, and what died half-made goes after a day where nobody can tell before."""
    versions = [ledger.save(np.full(1000, number), "a") for number in range(3)]
    for version in versions:
        version.load(mmap=True)
    folder = mapped_folder(ledger.path)
    first, second, third = (copy.parent for copy in copies(ledger))
    for age, entry in ((30, second), (20, third), (10, first)):
        os.utime(entry / "seal", ns=(0, (10**9 - age) * 10**9))
    for name in ("tmp_old", "tmp_young"):
        (folder / name).mkdir()
    os.utime(folder / "tmp_old", (10**9, 10**9))
    MappedCopies(folder, 20_000).trim()
    assert {first.name, third.name, "tmp_young"} == {path.name for path in folder.iterdir()}


def test_a_copy_is_durable_before_it_is_sealed(ledger: Ledger, synced: list[str]) -> None:
    """After a power cut there is no seal of bytes that were never written."""
    version = ledger.save(np.arange(1000), "a")
    synced.clear()
    version.load(mmap=True)
    names = [Path(path).name for path in synced]
    assert names.index("bytes") < names.index("seal")


def test_to_load_a_copy_is_to_use_it(ledger: Ledger) -> None:
    """One that was made first and is mapped again outlives those that nobody has asked for since."""
    versions = [ledger.save(np.full(1000, number), "a") for number in range(2)]
    for version in versions:
        version.load(mmap=True)
    first, second = copies(ledger)
    for age, copy in ((20, first), (10, second)):
        os.utime(copy.with_name("seal"), ns=(0, (10**9 - age) * 10**9))
    versions[0].load(mmap=True)
    MappedCopies(mapped_folder(ledger.path), 10_000).trim()
    assert [first] == copies(ledger)


def test_half_a_copy_goes_with_its_maker(tmp_path: Path) -> None:
    """What a maker that was killed left of a copy goes with the next one; what a living one is at stays."""
    store, copies = LocalStore(tmp_path / "store"), MappedCopies(tmp_path / "mapped", 10 * MEBI)
    content = save(store, {"data": noise(MEBI)})

    class Killed(ContentReader):
        def open(self, path: str) -> BinaryIO:
            os.kill(os.getpid(), signal.SIGKILL)
            return super().open(path)

    class Trimming(ContentReader):
        def open(self, path: str) -> BinaryIO:
            copies.trim()
            return super().open(path)

    child = os.fork()
    if not child:
        try:
            copies.open(content.digest, Killed(store, content, label="a@1"), "data")
        finally:
            os._exit(0)
    assert -signal.SIGKILL == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert [True] == [path.name.startswith("tmp_") for path in copies.folder.iterdir()]
    copies.open(content.digest, Trimming(store, content, label="a@1"), "data").close()
    assert [True] == [(path / "seal").exists() for path in copies.folder.iterdir()]


def test_each_file_of_a_content_has_its_copy(tmp_path: Path) -> None:
    """Copies of several files of one content are told apart, made at first as found later; the limit itself is kept."""
    files = {"a": noise(1000), "b": noise(1000, 1), "c": noise(1000, 2)}
    content = save(LocalStore(tmp_path / "store"), files)
    copies = MappedCopies(tmp_path / "mapped", 3000)
    for _ in range(2):
        for path, data in files.items():
            reader = ContentReader(LocalStore(tmp_path / "store"), content, label="a@1")
            with copies.open(content.digest, reader, path) as file:
                assert data == file.read()
        assert (3, 3000) == copies.usage()


def test_the_limit_of_the_settings_is_kept(ledger: Ledger) -> None:
    """A ledger keeps as many bytes of copies as its settings say, and the newest in any case."""
    versions = [ledger.save(np.full(1000, number), "a") for number in range(3)]
    write_cache_limit(ledger.path, 20_000)
    again = Ledger.open(ledger.path)
    for version in versions:
        assert version.version == str(int(again.load("a", version.version, mmap=True)[0]) + 1)
    assert (2, True) == (again.mapped.usage().files, 16_000 < again.mapped.usage().size <= 20_000)
    write_cache_limit(ledger.path, 1)
    Ledger.open(ledger.path).save(np.arange(9000), "b").load(mmap=True)
    assert (1, 72_128) == again.mapped.usage()


@pytest.mark.parametrize("limit", [0, 1 << 20], ids=["a temporary file", "a copy"])
def test_workers_of_joblib_take_a_mapped_array(ledger: Ledger, limit: int) -> None:
    """As those of scikit-learn do (`n_jobs`): they map the copy again; an array in a file without a name is copied."""
    joblib = pytest.importorskip("joblib")
    write_cache_limit(ledger.path, limit)
    loaded = Ledger.open(ledger.path).save(np.arange(1000), "a").load(mmap=True)
    parallel = joblib.Parallel(n_jobs=2, backend="multiprocessing", max_nbytes=1000)
    assert [(True, 999)] * 2 == parallel([joblib.delayed(_last_of_map)(loaded)] * 2)


def _last_of_map(array: Any) -> tuple[bool, int]:
    return isinstance(array, np.memmap), int(array[-1])


def test_with_a_limit_of_0_nothing_is_kept(ledger: Ledger) -> None:
    """Where nothing is to be kept, an array is mapped from a temporary file."""
    write_cache_limit(ledger.path, 0)
    loaded = Ledger.open(ledger.path).save(np.arange(1000), "a").load(mmap=True)
    assert (np.ndarray, 999, []) == (type(loaded), loaded[-1], copies(ledger))


def test_all_copies_can_be_removed(ledger: Ledger) -> None:
    """Clearing says what was there, leaves what is mapped readable, and a copy that is being made alone.

    What died half-made long ago goes as well.
    """
    loaded = ledger.save(np.arange(1000), "a").load(mmap=True)
    (folder := mapped_folder(ledger.path)).joinpath("tmp_young").mkdir()
    (folder / "tmp_old").mkdir()
    os.utime(folder / "tmp_old", (10**9, 10**9))
    usage = ledger.mapped.usage()
    assert (1, 8128) == usage
    (folder / "half").mkdir()
    (folder / "stray").write_text("no copy")
    assert usage == ledger.mapped.usage()
    assert (usage, (0, 0)) == (ledger.mapped.clear(), ledger.mapped.usage())
    assert (999, ["tmp_young"]) == (loaded[-1], [path.name for path in folder.iterdir()])


def test_a_ledger_of_which_nothing_was_mapped_has_no_copies(ledger: Ledger) -> None:
    """There is no folder then, which is no error."""
    assert ((0, 0), (0, 0)) == (ledger.mapped.usage(), ledger.mapped.clear())


def test_a_copy_that_cannot_be_removed_is_told_where_it_is_to_go(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clearing is an error then, which names it; to make room is tried again the next time."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    ledger.save(np.arange(1000), "a").load(mmap=True)
    (copy,) = copies(ledger)
    monkeypatch.setattr(os, "rename", refuse)
    MappedCopies(mapped_folder(ledger.path), 1).trim()
    with pytest.raises(StorageError, match=f"cannot delete {copy.parent}: "):
        ledger.mapped.clear()


def test_a_cache_that_is_deleted_while_a_copy_is_made_is_done_without(tmp_path: Path) -> None:
    """Whoever removes the cache, or puts a file in its place, takes the bytes from nobody who is just mapping them."""
    store, data = LocalStore(tmp_path / "store"), noise(2 * MEBI)
    content = save(store, {"data": data})

    class Reader(ContentReader):
        def open(self, path: str) -> BinaryIO:
            shutil.rmtree(tmp_path / "cache", ignore_errors=True)
            return super().open(path)

    copies = MappedCopies(tmp_path / "cache" / "mapped", 10 * MEBI)
    with copies.open(content.digest, Reader(store, content, label="a@1"), "data") as file:
        assert data == file.read()
    (tmp_path / "cache").write_text("in the way")
    with copies.open(content.digest, ContentReader(store, content, label="a@1"), "data") as file:
        assert data == file.read()


def test_a_ledger_that_cannot_be_written_maps_all_the_same(ledger: Ledger) -> None:
    """Where the cache is on a read-only disk the array is mapped from a temporary file."""
    ledger.save(np.arange(1000), "a")
    code = (
        "import numpy\n"
        "from ledger import Ledger\n"
        f"array = Ledger.open({str(ledger.path)!r}).load('a', mmap=True)\n"
        "assert not array.flags.owndata and array[-1] == 999, array\n"
    )
    mount = f"mount --bind {ledger.path} {ledger.path} && mount -o remount,ro,bind {ledger.path}"
    if (
        os.geteuid()
        or subprocess.run(["unshare", "-m", "sh", "-c", mount], check=False, capture_output=True).returncode
    ):
        pytest.skip("needs root, to mount a folder read-only")
    command = ["unshare", "-m", "sh", "-c", f"{mount} && exec {sys.executable} -"]
    done = subprocess.run(command, input=code, capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    assert [] == copies(ledger)


def test_mapping_takes_no_memory_for_the_array(ledger: Ledger) -> None:
    """Loading an array of 16 MiB mapped raises a process's own memory by far less."""
    ledger.save(np.zeros(2 * MEBI), "big")
    code = (
        "import numpy, resource\n"
        "from ledger import Ledger\n"
        f"ledger = Ledger.open({str(ledger.path)!r})\n"
        "ledger.save(numpy.arange(10), 'small')\n"
        "ledger.load('small', mmap=True)\n"
        "def private():\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(line.split()[1]) for line in lines if line.startswith('RssAnon'))\n"
        "ledger.load('big', mmap=True)\n"
        "before = private()\n"
        "array = ledger.load('big', mmap=True)\n"
        "assert float(array.sum()) == 0\n"
        "print(private() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4 * 1024


def test_a_small_copy_takes_little_memory(tmp_path: Path) -> None:
    """What a copy is put together in is no larger than the file, be it made in the cache or where nothing is kept."""
    store = LocalStore(tmp_path / "store")
    content = save(store, {"data": noise(1000)})
    tracemalloc.start()
    try:
        for limit in (MEBI, 0):
            copies = MappedCopies(tmp_path / f"mapped-{limit}", limit)
            copies.open(content.digest, ContentReader(store, content, label="a@1"), "data").close()
        assert tracemalloc.get_traced_memory()[1] < 4 * MEBI
    finally:
        tracemalloc.stop()


def test_copies_that_change_places_are_made_anew(ledger: Ledger) -> None:
    """A seal says which content its copy is of: under another one's name it is no copy."""
    versions = [ledger.save(np.full(1000, number), "a") for number in range(2)]
    for version in versions:
        version.load(mmap=True)
    first, second = (copy.parent for copy in copies(ledger))
    aside = first.rename(first.with_name("aside"))
    second.rename(first)
    aside.rename(second)
    assert [0, 1] == [int(version.load(mmap=True)[0]) for version in versions]


def put_other_values(copy: Path, value: int) -> None:
    """Put other values of the same size into a copy, for reading only."""
    copy.chmod(stat.S_IRUSR | stat.S_IWUSR)
    copy.write_bytes(copy.read_bytes()[:-8000] + np.full(1000, value).tobytes())
    copy.chmod(stat.S_IRUSR)


def seal_again(copy: Path) -> None:
    """Make the seal of a copy fit what the copy is now, as its user can."""
    seal = copy.with_name("seal")
    now = copy.stat()
    seen = {"changed": now.st_ctime_ns, "inode": now.st_ino, "size": now.st_size, "written": now.st_mtime_ns}
    seal.write_text(json.dumps({**json.loads(seal.read_text()), **seen}, sort_keys=True))


@pytest.mark.parametrize("way", ["another's", "writable by all"])
@pytest.mark.parametrize("place", ["bytes", "seal", "folder", "folder of all"])
def test_what_another_user_may_have_made_is_no_copy(ledger: Ledger, place: str, way: str) -> None:
    """Where the file, its seal or a folder is another's, or others may write it, its values are not given."""
    if os.geteuid():
        pytest.skip("needs root, to give files away")
    version = ledger.save(np.full(1000, 1), "a")
    version.load(mmap=True)
    (copy,) = copies(ledger)
    put_other_values(copy, 666)
    seal_again(copy)
    assert 666 == version.load(mmap=True)[0]  # nobody is protected from himself
    places = {"bytes": copy, "seal": copy.with_name("seal"), "folder": copy.parent, "folder of all": copy.parent.parent}
    if way == "another's":
        os.chown(places[place], 4001, 4001)
    else:
        places[place].chmod(places[place].stat().st_mode | stat.S_IWOTH)
    seal_again(copy)
    loaded = version.load(mmap=True)
    assert (False, 1) == (loaded.flags.owndata, loaded[0])


def test_a_folder_of_copies_that_is_a_link_is_left_alone(ledger: Ledger, tmp_path: Path) -> None:
    """Nothing is kept in, or cleared from, a folder that the place of the copies leads to."""
    (mine := tmp_path / "mine").mkdir()
    mine.chmod(0o755)
    (mine / "letter").write_text("dear")
    (folder := mapped_folder(ledger.path)).parent.mkdir(parents=True)
    folder.symlink_to(mine)
    assert 999 == ledger.save(np.arange(1000), "a").load(mmap=True)[-1]
    assert (0, 0) == ledger.mapped.clear()
    assert ["letter"] == [path.name for path in mine.iterdir()]
    assert 0o755 == stat.S_IMODE(mine.stat().st_mode)


def test_a_ledger_on_a_full_disk_maps_all_the_same(ledger: Ledger) -> None:
    """Where the copy does not fit on the ledger's disk the array is mapped from a temporary file elsewhere."""
    version = ledger.save(np.arange(200_000), "a")
    (folder := mapped_folder(ledger.path)).mkdir(parents=True)
    with disk_at(folder, "1m"):
        loaded = version.load(mmap=True)
        assert (np.ndarray, 199_999, []) == (type(loaded), loaded[-1], list(folder.iterdir()))


@pytest.mark.parametrize("call", ["chmod", "fsync"])
def test_a_ledger_on_a_failing_disk_maps_all_the_same(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Where the cache's disk cannot do what a copy needs the array is mapped from a temporary file elsewhere."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    version = ledger.save(np.arange(1000), "a")
    monkeypatch.setattr(os, call, refuse)
    loaded = version.load(mmap=True)
    assert (np.ndarray, 999, []) == (type(loaded), loaded[-1], copies(ledger))
