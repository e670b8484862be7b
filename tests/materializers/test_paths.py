"""Files and folders are saved as what lies there, under their own names."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import MaterializerError, UnsupportedFileError
from ledger.materializers import save_value
from tests.kit.materializing import Bench


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_keeps_its_name_and_bytes(bench: Bench, tmp_path: Path) -> None:
    """A file comes back as a path of the same name with the same bytes, in another place."""
    source = tmp_path / "report one.txt"
    source.write_bytes(b"hello\r\n")
    loaded = bench.round_trip(source)
    assert (loaded.name, loaded.read_bytes()) == (source.name, b"hello\r\n")
    assert loaded != source


def test_a_folder_comes_back_whole(bench: Bench, tmp_path: Path) -> None:
    """A folder comes back with every file at its place."""
    top = tmp_path / "data"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "x.bin").write_bytes(b"\x00")
    (top / "a" / "b" / "run.sh").write_bytes(b"#!")
    (top / "a" / "b" / "run.sh").chmod(0o755)
    saved, held = bench.save(top)
    assert sorted(held) == ["data/a/b/run.sh", "data/a/x.bin"]
    loaded = bench.load(saved, held)
    assert loaded.name == "data"
    assert _tree(loaded) == _tree(top)


def test_what_is_special_about_members_goes_through_the_folder(bench: Bench, tmp_path: Path) -> None:
    """Executable bits, links inside and empty folders are handed over as they are on disk."""
    top = tmp_path / "data"
    (top / "empty").mkdir(parents=True)
    (top / "run").write_bytes(b"#!")
    (top / "run").chmod(0o755)
    (top / "link").symlink_to("run")
    files = bench.files()
    save_value(top, files)
    left = files.folder() / "data"
    assert os.access(left / "run", os.X_OK)
    assert os.readlink(left / "link") == "run"
    assert (left / "empty").is_dir()


def test_a_link_that_leaves_is_refused(bench: Bench, tmp_path: Path) -> None:
    """A link out of the folder is refused by name."""
    top = tmp_path / "data"
    top.mkdir()
    (top / "link").symlink_to("../secret")
    with pytest.raises(UnsupportedFileError, match="leaves the folder"):
        bench.save(top)


def test_a_socket_is_refused(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no file cannot be saved."""
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as end:
        end.bind("s")
        with pytest.raises(UnsupportedFileError, match="is a socket"):
            bench.save(Path("s"))


def test_nothing_there_is_an_error(bench: Bench) -> None:
    """A path at which nothing lies cannot be saved by itself."""
    with pytest.raises(MaterializerError, match="does not exist"):
        bench.save(Path("no/such/file"))


def test_paths_in_containers_bring_their_files(bench: Bench, tmp_path: Path) -> None:
    """A path in a list is saved with its file; one without a file stays a name."""
    source = tmp_path / "a.txt"
    source.write_text("x")
    value: Any = [source, Path("results/none.csv")]
    loaded = bench.round_trip(value)
    assert loaded[0].read_text() == "x"
    assert loaded[1] == Path("results/none.csv")
