"""`download_files`: every file of any size, byte for byte, whole or not at all."""

import os
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ledger import ArtifactVersion, Ledger, progress
from ledger.errors import ArgumentError, IntegrityError, TargetExistsError
from tests.kit.ledgers import damage, files_below, store_of, write_files

FILES = {
    "empty.txt": b"",
    "small.txt": b"hello\r\n",
    "sub/deep/er/block.bin": bytes(range(256)) * 33,
    "sub/large.bin": os.urandom(3_000_000),
    "sub/ü & ö.txt": b"names",
}


def _unzipped(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(names) == len(set(names))
        return {name: archive.read(name) for name in names if not name.endswith("/")}


@pytest.fixture
def tree(ledger: Ledger, tmp_path: Path) -> ArtifactVersion:
    """A saved tree of files, small, large, empty and deep."""
    return ledger.save(write_files(tmp_path / "tree", FILES), "tree")


def test_every_file_is_in_the_zip(tree: ArtifactVersion, tmp_path: Path) -> None:
    """Files of any size and depth come out of the zip as they went in, under their own paths."""
    done = tree.download_files(tmp_path / "x.zip")
    assert tmp_path / "x.zip" == done
    assert {f"tree/{path}": data for path, data in FILES.items()} == _unzipped(done)
    assert {file.path for file in tree.files()} == set(_unzipped(done))


def test_the_same_content_gives_the_same_zip(
    tree: ArtifactVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it is downloaded: all entries have one date, whether their bytes are worth compressing or not."""
    first = tree.download_files(tmp_path / "first.zip")
    with zipfile.ZipFile(first) as archive:
        assert [(1980, 1, 1, 0, 0, 0)] == list({entry.date_time for entry in archive.infolist()})
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert first.read_bytes() == tree.download_files(tmp_path / "second.zip").read_bytes()


def test_a_str_is_a_path(tree: ArtifactVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain relative string is taken, as the guide writes it."""
    monkeypatch.chdir(tmp_path)
    tree.download_files("x.zip")
    assert len(FILES) == len(_unzipped(tmp_path / "x.zip"))


def test_a_registered_folder_and_file_can_be_downloaded(ledger: Ledger, tmp_path: Path) -> None:
    """Data registered in place is zipped as well, sub folders included, and a single file under its name."""
    folder = write_files(store_of(ledger) / "raw", FILES)
    ledger.register(folder, "folder").download_files(tmp_path / "folder.zip")
    ledger.register(folder / "small.txt", "file").download_files(tmp_path / "file.zip")
    assert FILES == _unzipped(tmp_path / "folder.zip")
    assert {"small.txt": FILES["small.txt"]} == _unzipped(tmp_path / "file.zip")


@pytest.mark.parametrize("value", [{"a": 1}, [1.5, None], "text", b"bytes", 7])
def test_values_of_every_kind_can_be_downloaded(ledger: Ledger, tmp_path: Path, value: object) -> None:
    """The zip of a value holds exactly the files that its version lists, with their sizes."""
    saved = ledger.save(value, "x")
    files = _unzipped(saved.download_files(tmp_path / "x.zip"))
    assert {file.path: file.size for file in saved.files()} == {path: len(data) for path, data in files.items()}
    assert files


@pytest.mark.parametrize("name", ["x.tar", "x", "x.zip.gz", "zip", ".zip"])
def test_another_ending_is_a_value_error(tree: ArtifactVersion, tmp_path: Path, name: str) -> None:
    """A path that does not end in `.zip` is refused, and nothing is written."""
    with pytest.raises(ValueError, match="zip"):
        tree.download_files(tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    ("given", "what", "instead"),
    [
        ("x.tar", "should end with '.zip'", "x.tar.zip"),
        ("sub/.zip", "should have a name before '.zip'", "sub/files.zip"),
        (".", "should end with '.zip'", "files.zip"),
        ("..", "should end with '.zip'", "../files.zip"),
    ],
)
def test_what_is_no_zip_is_told_what_would_be_one(tree: ArtifactVersion, given: str, what: str, instead: str) -> None:
    """The error says what the path lacks, and its hint is a path that is taken."""
    with pytest.raises(ArgumentError, match=f"^the path {given!r} {what}") as caught:
        tree.download_files(given)
    assert f"write {instead!r}" == caught.value.hint
    assert ".zip" == Path(instead).suffix


def test_an_existing_file_is_kept(tree: ArtifactVersion, tmp_path: Path) -> None:
    """A file that is there stays as it is unless overwriting is asked for."""
    (tmp_path / "x.zip").write_bytes(b"mine")
    with pytest.raises(FileExistsError) as caught:
        tree.download_files(tmp_path / "x.zip")
    assert TargetExistsError is type(caught.value)
    assert str(tmp_path / "x.zip") in str(caught.value)
    assert b"mine" == (tmp_path / "x.zip").read_bytes()
    tree.download_files(tmp_path / "x.zip", overwrite=True)
    assert len(FILES) == len(_unzipped(tmp_path / "x.zip"))


def test_what_is_there_is_not_restored_over(tree: ArtifactVersion, tmp_path: Path) -> None:
    """Nor is it replaced by one file of the version, unless overwriting is asked for."""
    (tmp_path / "x").write_bytes(b"mine")
    for file in (None, tree.files()[0].path):
        with pytest.raises(TargetExistsError):
            tree.restore(tmp_path / "x", file=file)
    assert b"mine" == (tmp_path / "x").read_bytes()


@pytest.mark.parametrize(
    "get",
    [
        lambda tree, target: tree.restore(target, file="tree/sub/large.bin"),
        lambda tree, target: tree.restore(target),
        lambda tree, target: tree.download_files(target),
    ],
    ids=["file", "folder", "zip"],
)
def test_what_comes_there_meanwhile_is_not_overwritten(
    tree: ArtifactVersion, tmp_path: Path, get: Callable[[ArtifactVersion, Path], Path]
) -> None:
    """A file that another program puts at the target during the work stays, and nothing is left beside it."""
    target = tmp_path / "out" / "x.zip"
    target.parent.mkdir()
    with progress(lambda _: target.write_bytes(b"theirs")), pytest.raises(TargetExistsError, match="exists already"):
        get(tree, target)
    assert {"x.zip": b"theirs"} == files_below(target.parent)


@pytest.mark.parametrize("folder", ["d/sub", "d/sub/", "d/empty", "d"])
def test_a_folder_of_a_version_is_restored_alone(ledger: Ledger, tmp_path: Path, folder: str) -> None:
    """With its executable files, links and empty folders, and without what lies beside it."""
    sub = tmp_path / "d" / "sub" / "deep"
    sub.mkdir(parents=True)
    (sub / "run.sh").write_text("x")
    (sub / "run.sh").chmod(0o755)
    (sub / "link").symlink_to("run.sh")
    (tmp_path / "d" / "sub.txt").write_text("beside")
    (tmp_path / "d" / "empty").mkdir()
    made = ledger.save(tmp_path / "d", "d").restore(tmp_path / "out", file=folder)
    assert made.is_dir()
    assert _walked(tmp_path / folder) == _walked(made)


def test_a_link_out_of_the_folder_that_is_restored_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    """It leads to what the version has beside that folder, and would lead anywhere without; nothing is made."""
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "d" / "a").write_text("x")
    (tmp_path / "d" / "sub" / "link").symlink_to("../a")
    with pytest.raises(ArgumentError, match="the link 'link' leads out of 'd/sub'"):
        ledger.save(tmp_path / "d", "d").restore(tmp_path / "out", file="d/sub")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_a_version_goes_beside_what_is_there(tree: ArtifactVersion, tmp_path: Path) -> None:
    """It is never mixed with a folder of the user's, whether files may be overwritten or not."""
    (tmp_path / "x").mkdir()
    for overwrite in (False, True):
        with pytest.raises(TargetExistsError, match="a folder of their own"):
            tree.restore(tmp_path / "x", overwrite, file=tree.files()[0].path.partition("/")[0])


def _walked(root: Path) -> dict[str, tuple[int, str]]:
    """Each path below a folder, with its mode and what it holds."""
    return {
        str(path.relative_to(root)): (path.lstat().st_mode, path.read_text() if path.is_file() else "")
        for path in sorted(root.rglob("*"))
    }


def test_a_folder_is_never_replaced(tree: ArtifactVersion, tmp_path: Path) -> None:
    """A folder of that name is in the way, whether files may be overwritten or not."""
    (tmp_path / "x.zip").mkdir()
    for overwrite in (False, True):
        with pytest.raises(TargetExistsError) as caught:
            tree.download_files(tmp_path / "x.zip", overwrite=overwrite)
        assert "choose another path" == caught.value.hint


@pytest.mark.parametrize("is_linked", [False, True])
def test_what_is_no_file_is_never_replaced(tree: ArtifactVersion, tmp_path: Path, *, is_linked: bool) -> None:
    """A fifo, as a device such as /dev/null, stays, and so does a link to one, such as /dev/stdout."""
    target = tmp_path / "x.zip"
    os.mkfifo(tmp_path / "fifo" if is_linked else target)
    if is_linked:
        target.symlink_to("fifo")
    for get in (tree.download_files, partial(tree.restore, file="tree/small.txt")):
        with pytest.raises(TargetExistsError) as caught:
            get(target, overwrite=True)
        assert "choose another path" == caught.value.hint
    assert target.is_fifo()


def test_a_missing_folder_is_named(tree: ArtifactVersion, tmp_path: Path) -> None:
    """Where the folder of the zip does not exist, the error is a FileNotFoundError that names it."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        tree.download_files(tmp_path / "nowhere" / "x.zip")


def test_a_file_in_the_place_of_a_folder_is_told(tree: ArtifactVersion, tmp_path: Path) -> None:
    """Nobody is told to make what is there; for a zip and for files alike."""
    (tmp_path / "file").write_text("x")
    for get, name in ((tree.download_files, "x.zip"), (tree.restore, "x")):
        with pytest.raises(FileNotFoundError, match="file is not a folder") as caught:
            get(tmp_path / "file" / name)
        assert "make it" not in str(caught.value.__notes__)


def test_an_interrupt_comes_out_as_it_is(ledger: Ledger, tmp_path: Path) -> None:
    """Wherever Ctrl-C strikes as the library begins a file of a zip, no error of it hides that, and nothing is left."""
    version = ledger.save(write_files(tmp_path / "d", {"a": b"a", "b": b"b"}), "d")
    met = set[int]()
    is_struck = True

    def strike(frame: FrameType, event: str, _: object) -> Any:
        nonlocal is_struck
        code = frame.f_code
        if is_struck or code.co_filename != zipfile.__file__ or code.co_name not in ("open", "_open_to_write"):
            return None
        if event == "line" and frame.f_lineno not in met:
            met.add(frame.f_lineno)
            is_struck = True
            raise KeyboardInterrupt
        return strike

    (tmp_path / "out").mkdir()
    while is_struck:
        is_struck = False
        sys.settrace(strike)
        with suppress(KeyboardInterrupt):
            version.download_files(tmp_path / "out" / "x.zip")
        sys.settrace(None)
        assert (["x.zip"] if not is_struck else []) == os.listdir(tmp_path / "out")
    assert len(met) > 20


def test_a_failure_leaves_no_half_zip(ledger: Ledger, tmp_path: Path) -> None:
    """Where the bytes turn out damaged, neither a zip nor a part of one appears, and an old one stays."""
    saved = ledger.save(os.urandom(200_000), "x")
    for path in (store_of(ledger) / "packs").rglob("*"):
        if path.is_file():
            damage(path)
    target = tmp_path / "out"
    target.mkdir()
    (target / "x.zip").write_bytes(b"old")
    with pytest.raises(IntegrityError):
        ledger.get(saved.id).download_files(target / "x.zip", overwrite=True)
    assert {"x.zip": b"old"} == files_below(target)


def test_executables_and_links_keep_their_kind(ledger: Ledger, tmp_path: Path) -> None:
    """The zip says which file may be executed and which is a link, and where empty folders are."""
    tree = tmp_path / "tree"
    (tree / "empty").mkdir(parents=True)
    (tree / "run.sh").write_text("true\n")
    (tree / "run.sh").chmod(0o755)
    (tree / "link").symlink_to("run.sh")
    ledger.save(tree, "x").download_files(tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        assert b"run.sh" == archive.read("tree/link")
    assert {"tree/run.sh": 0o100755, "tree/link": 0o120777, "tree/empty/": 0o040755} == modes


def test_a_zip_is_compressed_quickly(ledger: Ledger, tmp_path: Path) -> None:
    """At zlib's first level, a sixth of the usual time for a table; and nothing tells when it was made."""
    data = "".join(f"{number * number % 9973},{number}\n" for number in range(9000)).encode()
    (tmp_path / "table.csv").write_bytes(data)
    ledger.save(tmp_path / "table.csv", "x").download_files(tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        info = archive.getinfo("table.csv")
    assert len(zlib.compress(data, 1, -15)) == info.compress_size
    assert (1980, 1, 1, 0, 0, 0) == info.date_time


def test_what_does_not_shrink_is_in_the_zip_as_it_is(tree: ArtifactVersion, tmp_path: Path) -> None:
    """Random bytes, which cost most to compress, are stored; what repeats itself is compressed."""
    with zipfile.ZipFile(tree.download_files(tmp_path / "x.zip")) as archive:
        large, text = archive.getinfo("tree/sub/large.bin"), archive.getinfo("tree/sub/deep/er/block.bin")
    assert (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) == (large.compress_type, text.compress_type)
    assert (1980, 1, 1, 0, 0, 0) == large.date_time


def test_a_zip_is_on_the_disk_before_it_has_its_name(
    tree: ArtifactVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut leaves no empty file of that name: all of it was synced before it was renamed."""
    synced: list[tuple[int, bool]] = []
    target = tmp_path / "x.zip"
    monkeypatch.setattr(os, "fsync", lambda file: synced.append((os.fstat(file).st_size, target.exists())))
    tree.download_files(target)
    assert [(target.stat().st_size, False)] == synced


def test_a_file_is_replaced_by_one_that_is_on_the_disk(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut leaves the file that was there, or the one that was restored, and nothing half."""
    (tmp_path / "saved").write_bytes(b"restored")
    saved = ledger.save(tmp_path / "saved", "file")
    (target := tmp_path / "target").write_bytes(b"before")
    synced: list[tuple[int, bytes]] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append((os.fstat(file).st_size, target.read_bytes())))
    saved.restore(target, overwrite=True)
    assert ([(8, b"before")], b"restored") == (synced, target.read_bytes())
