"""Files and folders are saved as what lies there, under their own names."""

import os
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.errors import MaterializerError, MaterializerTypeError, SourceNotFoundError, UnsupportedFileError
from tests.kit.ledgers import files_below
from tests.kit.materializing import Bench


def test_a_file_keeps_its_name_and_bytes(bench: Bench, tmp_path: Path) -> None:
    """A file comes back as a path of the same name with the same bytes, in another place."""
    source = tmp_path / "report one.txt"
    source.write_bytes(b"hello\r\n")
    loaded = bench.round_trip(source)
    assert (loaded.name, loaded.read_bytes()) == (source.name, b"hello\r\n")
    assert loaded != source


class Located(type(Path())):  # type: ignore[misc]
    pass


def test_a_path_of_a_class_of_ones_own_is_refused(bench: Bench, tmp_path: Path) -> None:
    """A path of a derived class would come back as another, and the hint says what to save."""
    (tmp_path / "file").write_bytes(b"x")
    for value in (Located(tmp_path / "file"), [Located(tmp_path / "file")]):
        with pytest.raises(MaterializerTypeError, match="Located") as caught:
            bench.save(value)
        assert caught.value.hint == "save pathlib.Path(value)"


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
    assert files_below(loaded) == files_below(top)


def test_what_is_special_about_members_survives(ledger: Ledger, tmp_path: Path) -> None:
    """Executable bits, links inside, empty folders and the order of names are those of the folder."""
    top = tmp_path / "data"
    (top / "empty").mkdir(parents=True)
    (top / "run").write_bytes(b"#!")
    (top / "run").chmod(0o755)
    (top / "link").symlink_to("run")
    (top / "a.txt").write_text("a")
    version = ledger.save(top, "data")
    assert [("data/a.txt", "file"), ("data/empty", "directory"), ("data/link", "link"), ("data/run", "executable")] == [
        (file.path, file.kind) for file in version.files()
    ]
    loaded = version.load()
    assert os.access(loaded / "run", os.X_OK)
    assert "run" == os.readlink(loaded / "link")
    assert (loaded / "empty").is_dir()


def test_a_ledger_does_not_save_itself(ledger: Ledger, tmp_path: Path) -> None:
    """A folder that holds the ledger is saved without it, however it is reached; another ledger in it is data."""
    project = ledger.path.parent
    (project / "a.txt").write_text("a")
    Ledger.init(project / "other" / ".ledger")
    (tmp_path / "alias").symlink_to(project)
    for folder in (project, tmp_path / "alias"):
        paths = {file.path.partition("/")[2] for file in ledger.save(folder, "project").files()}
        assert {"a.txt", "other/.ledger/config.toml"} <= paths
        assert set() == {path for path in paths if path.startswith(".ledger/")}
    with pytest.raises(UnsupportedFileError, match="is the ledger itself"):
        ledger.save(ledger.path, "ledger")


def test_an_empty_folder_is_a_value_too(ledger: Ledger, tmp_path: Path) -> None:
    """A folder without anything in it comes back as one, under its name."""
    (tmp_path / "nothing").mkdir()
    loaded = ledger.save(tmp_path / "nothing", "nothing").load()
    assert ("nothing", []) == (loaded.name, list(loaded.iterdir()))


def test_everything_that_cannot_be_saved_is_listed(ledger: Ledger, tmp_path: Path) -> None:
    """A link that leaves the folder and a socket in it are refused together, by name."""
    top = tmp_path / "d"
    top.mkdir()
    (top / "link").symlink_to("../secret")
    os.mkfifo(top / "pipe")
    with pytest.raises(UnsupportedFileError) as caught:
        ledger.save(top, "data")
    assert "'link'" in str(caught.value)
    assert "'pipe'" in str(caught.value)
    assert [] == ledger.artifacts()


def test_names_that_other_systems_lack_are_refused(ledger: Ledger, tmp_path: Path) -> None:
    """A folder with names that Windows or macOS cannot hold is refused with the list of them."""
    top = tmp_path / "data"
    top.mkdir()
    for name in ("con.txt", "Read.me", "read.me", "a:b"):
        (top / name).write_text("x")
    with pytest.raises(UnsupportedFileError) as caught:
        ledger.save(top, "data")
    assert all(repr(name) in str(caught.value) for name in ("con.txt", "a:b"))


def test_nothing_there_is_an_error(bench: Bench) -> None:
    """A path at which nothing lies cannot be saved by itself."""
    with pytest.raises(SourceNotFoundError, match="does not exist"):
        bench.save(Path("no/such/file"))


def test_the_root_has_no_name_to_be_saved_under(bench: Bench) -> None:
    """What lies in it can be saved, as the hint says."""
    with pytest.raises(MaterializerError, match="path '/' has no name") as caught:
        bench.save(Path("/"))
    assert "each by its own path" in caught.value.hint


def test_a_pipe_of_the_shells_is_no_file(ledger: Ledger) -> None:
    """``ledger save <(…)`` is told that a pipe is none, and not that nothing is there."""
    reading, writing = os.pipe()
    with pytest.raises(UnsupportedFileError, match="is not a regular file") as caught:
        ledger.save(Path(f"/dev/fd/{reading}"), "piped")
    os.close(reading)
    os.close(writing)
    assert "to a file" in caught.value.hint


def test_paths_in_containers_bring_their_files(bench: Bench, tmp_path: Path) -> None:
    """A path in a list is saved with its file; one without a file stays a name."""
    source = tmp_path / "a.txt"
    source.write_text("x")
    value: Any = [source, Path("results/none.csv")]
    loaded = bench.round_trip(value)
    assert loaded[0].read_text() == "x"
    assert loaded[1] == Path("results/none.csv")
