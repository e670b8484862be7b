"""Saving and restoring from the shell."""

import filecmp
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ledger import Ledger
from ledger.cli.program import run
from tests.cli.conftest import Cli
from tests.kit.ledgers import files_below, write_files


def test_a_save_says_which_version_it_made(cli: Cli, workdir: Path) -> None:
    """``save`` prints the version and its id, and the next save is the next number."""
    (workdir / "model").mkdir()
    (workdir / "model" / "weights").write_bytes(b"\0\1")
    cli("init")
    for number in (1, 2):
        printed = cli("save", "model", "--name", "net").out
        assert f"net@{number}  {Ledger.open().get('net').id}\n" == printed


def test_the_first_save_makes_the_ledger(workdir: Path, cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no ledger, a save makes one and says so; a save of nothing makes none."""
    cli("save", "nothing", "--name", "x", code=3)
    assert not (workdir / ".ledger").exists()
    (workdir / "x").write_text("x")
    assert "made a new ledger" in _run(capsys, "save", "x", "--name", "x")


@pytest.mark.parametrize(
    "words", [["--name", "a b"], ["--name", "x", "--tag", ""], ["--name", "x", "--version", "a b"]]
)
def test_a_refused_first_save_makes_no_ledger(workdir: Path, cli: Cli, words: list[str]) -> None:
    """What cannot be recorded is refused before there is a ledger, as in Python."""
    (workdir / "x").write_text("x")
    cli("save", "x", *words, code=2)
    assert ["x"] == os.listdir(workdir)


def test_metadata_is_json_or_text(cli: Cli, iris: dict[str, Any]) -> None:
    """A value of ``--meta`` that is JSON is read as JSON; any other, with ``=`` in it or not, is a string."""
    words = ["a=1", "b=1.5", "c=[1, 2]", 'd={"e": null}', "f=yes=no", "g=", "h=true", 'i="quoted"', "j=007", "k=1e999"]
    cli("save", "data.csv", "--name", "m", *(word for text in words for word in ("--meta", text)))
    found = Ledger.open().get("m").metadata
    expected = {
        "a": 1,
        "b": 1.5,
        "c": [1, 2],
        "d": {"e": None},
        "f": "yes=no",
        "g": "",
        "h": True,
        "i": "quoted",
        "j": "007",
        "k": "1e999",
    }
    assert expected == {key: found[key] for key in expected}


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["save", "nowhere", "--name", "x"], 3, "Error: 'nowhere' does not exist, nothing can be saved\n"),
        (
            ["save", "https://u:p@host/x?s", "--name", "x"],
            2,
            "Error: a path to save is on this machine, got the URL 'https://host/x'",
        ),
        (["save", "data.csv", "--name", "a b"], 2, "Error: invalid artifact name 'a b'"),
        (["save", "data.csv", "--name", "IRIS"], 2, "Error: "),
        (["save", "data.csv", "--name", "iris", "--version", "1"], 4, "Error: "),
        (["save", "data.csv", "--name", "iris", "--version", "a b"], 2, "Error: invalid version 'a b'"),
        (["save", "data.csv", "--name", "iris", "--tag", ""], 2, "Error: invalid tag ''"),
        (["save", "data.csv", "--name", "iris", "--meta", "novalue"], 2, "Usage: ledger save "),
        (["save", "data.csv"], 2, "Usage: ledger save "),
        (["save", "/dev/null", "--name", "x"], 2, "Error: /dev/null is not a regular file"),
        (["save", "-", "--name", "x"], 2, "Usage: ledger save "),
        (["tag", "iris@9", "x"], 3, "Error: artifact 'iris' has no version '9'"),
        (["tag", "iris@1"], 2, "Usage: ledger tag "),
        (["tag", "iris@1", "\t"], 2, "Error: invalid tag '\\t'"),
        (["get", "nope", "-o", "x"], 3, "Error: no artifact"),
        (["get", "iris", "-o", "data.csv"], 4, "Error: data.csv exists already\n"),
        (["get", "iris", "-o", "-"], 2, "Usage: ledger get "),
        (["get", "iris", "-o", "no/where"], 3, "Error: the folder "),
        (["get", "iris", "-o", "new/"], 3, "Error: the folder new does not exist\n"),
    ],
)
def test_what_is_refused(cli: Cli, iris: dict[str, Any], words: list[str], code: int, message: str) -> None:
    """Each refusal has its code and a message, and changes nothing."""
    before = Ledger.open().revision
    outcome = cli(*words, code=code)
    assert ("", message) == (outcome.out, outcome.err[: len(message)])
    assert before == Ledger.open().revision
    assert ["data.csv"] == [name for name in os.listdir() if name != ".ledger"]


def test_what_cannot_be_looked_at_is_not_absent(cli: Cli, workdir: Path) -> None:
    """Where the system does not say whether there is a file, the error is the system's own, and no ledger is made."""
    (workdir / "loop").symlink_to("loop")
    assert cli("save", "loop/x", "--name", "x", code=8).err.startswith("Error: cannot read loop/x: Too many levels")
    assert ["loop"] == os.listdir()


def test_a_file_comes_back_under_the_name_asked_for(cli: Cli, iris: dict[str, Any], workdir: Path) -> None:
    """A version of one file is written to PATH, or into PATH if that is a folder."""
    (workdir / "folder").mkdir()
    assert "iris@1  out.csv\n" == cli("get", "iris", "-o", "out.csv").out
    assert "iris@1  folder/data.csv\n" == cli("get", "iris@1", "-o", "folder").out
    assert b"a,b\n1,2\n" == Path("out.csv").read_bytes() == Path("folder/data.csv").read_bytes()


def test_only_a_file_is_overwritten(cli: Cli, iris: dict[str, Any], workdir: Path) -> None:
    """``--overwrite`` replaces a file, and never a folder."""
    Path("out.csv").write_text("old")
    cli("get", "iris", "-o", "out.csv", "--overwrite")
    assert "a,b\n1,2\n" == Path("out.csv").read_text()
    Path("folder/data.csv").mkdir(parents=True)
    cli("get", "iris", "-o", "folder", "--overwrite", code=4)


def test_a_folder_may_be_asked_for_with_a_slash(cli: Cli, workdir: Path) -> None:
    """What becomes PATH itself is made there, though PATH ends in a slash; a folder in its place is in the way."""
    (workdir / "data").mkdir()
    (workdir / "data" / "a").write_text("1")
    cli("init")
    cli("save", "data/", "--name", "f")
    assert "f@1  restored\n" == cli("get", "f", "-o", "restored/").out
    assert "1" == (workdir / "restored" / "a").read_text()
    assert "restored exists already, and 1 file needs" in cli("get", "f", "-o", "restored/", code=4).err


def test_a_folder_comes_back_as_it_was(cli: Cli, workdir: Path) -> None:
    """A saved folder becomes PATH: files, modes, links and empty folders."""
    (workdir / "folder" / "sub").mkdir(parents=True)
    (workdir / "folder" / "sub" / "run.sh").write_text("#!/bin/sh\n")
    (workdir / "folder" / "sub" / "run.sh").chmod(0o755)
    (workdir / "folder" / "link").symlink_to("sub/run.sh")
    (workdir / "folder" / "empty").mkdir()
    cli("init")
    cli("save", "folder", "--name", "f")
    cli("get", "f", "-o", "back")
    compared = filecmp.dircmp("folder", "back")
    assert ([], [], []) == (compared.left_only, compared.right_only, compared.diff_files)
    assert os.stat("folder/sub/run.sh").st_mode == os.stat("back/sub/run.sh").st_mode
    assert "sub/run.sh" == os.readlink("back/link")
    cli("get", "f", "-o", "back", "--overwrite", code=4)


def test_one_file_of_a_folder_is_had_by_its_path(cli: Cli, workdir: Path) -> None:
    """``--file`` takes it out of the version, to a name or into a folder; what is no file of it is not found."""
    (workdir / "raw" / "days").mkdir(parents=True)
    (workdir / "raw" / "days" / "1.csv").write_text("one")
    (workdir / "raw" / "days" / "2.zip").write_bytes(b"two")
    (workdir / "raw" / "latest").symlink_to("days/1.csv")
    cli("init")
    cli("save", "raw", "--name", "raw")
    cli("get", "raw", "--file", "raw/days/1.csv", "-o", "first.csv")
    cli("get", "raw@1", "--file", "raw/days/2.zip", "-o", ".")
    assert ("one", b"two") == ((workdir / "first.csv").read_text(), (workdir / "2.zip").read_bytes())
    told = cli("get", "raw", "--file", "days", "-o", "x", code=3).err
    assert "raw@1 has no file 'days'" in told
    # The nearest are named first.
    assert "it has raw/days/2.zip, " in cli("get", "raw", "--file", "days/2.zip", "-o", "x", code=3).err
    assert "Hint: run `ledger artifact version show raw@1` to see its files" in told
    assert "is a link" in cli("get", "raw", "--file", "raw/latest", "-o", "x", code=3).err


def test_one_folder_of_a_folder_is_had_by_its_path(cli: Cli, workdir: Path) -> None:
    """It becomes a folder, and no zip, which only all of a version does."""
    write_files(workdir / "raw", {"days/1.csv": b"one", "days/2.csv": b"two", "notes": b""})
    cli("init")
    cli("save", "raw", "--name", "raw")
    cli("get", "raw", "--file", "raw/days/", "-o", "days")
    assert {"1.csv": b"one", "2.csv": b"two"} == files_below(workdir / "days")
    assert "becomes a folder" in cli("get", "raw", "--file", "raw/days", "-o", "days.zip", code=2).err
    assert not (workdir / "days.zip").exists()


def test_a_folder_of_one_file_is_a_folder(cli: Cli, workdir: Path) -> None:
    """A saved folder stays a folder where it holds one file only."""
    (workdir / "folder").mkdir()
    (workdir / "folder" / "file").write_text("x")
    cli("init")
    cli("save", "folder", "--name", "f")
    cli("get", "f", "-o", "back")
    assert "x" == Path("back/file").read_text()


def test_several_files_of_a_value_become_a_folder(cli: Cli, workdir: Path) -> None:
    """Files that are no saved folder keep their whole paths below PATH; visualizations stay behind."""
    frame = pd.DataFrame({"a": [1, 2]})
    ledger = Ledger.init(".ledger")
    version = ledger.save([frame, frame], "frames")
    cli("get", "frames", "-o", "back")
    expected = {file.path for file in version.files()} - set(version.visualizations)
    assert len(expected) > 1
    assert expected == {path.relative_to("back").as_posix() for path in Path("back").rglob("*") if path.is_file()}


def test_registered_data_is_restored_too(cli: Cli, workdir: Path) -> None:
    """A folder that was registered in place becomes PATH with every folder in it."""
    ledger = Ledger.init(".ledger")
    place = ledger.path / "store" / "mine"
    (place / "only").mkdir(parents=True)
    for name in ("a", "b"):
        (place / "only" / name).write_text(name)
    ledger.register(place, "mine")
    cli("get", "mine", "-o", "back")
    assert ["a", "b"] == sorted(os.listdir("back/only"))


def test_a_registered_folder_is_one_with_a_single_file_too(cli: Cli, workdir: Path) -> None:
    """It becomes PATH as one with more files does, also where both have one name; a registered file becomes a file."""
    ledger = Ledger.init(".ledger")
    for name in ("last.ckpt", "mine"):
        place = ledger.path / "store" / name.removesuffix(".ckpt") / "mine"
        place.mkdir(parents=True)
        (place / name).write_text(name)
        ledger.register(place, "folder")
        cli("get", "folder", "-o", f"folder of {name}")
        assert [name] == os.listdir(f"folder of {name}")
        ledger.register(place / name, "file")
        cli("get", "file", "-o", f"file of {name}")
        assert name == Path(f"file of {name}").read_text()


def test_a_link_that_leaves_is_refused(cli: Cli, iris: dict[str, Any], workdir: Path) -> None:
    """A folder with a link to a file outside is not saved."""
    (workdir / "folder").mkdir()
    (workdir / "folder" / "link").symlink_to("../data.csv")
    assert "outside of the folder" in cli("save", "folder", "--name", "x", code=2).err


def test_an_empty_folder_comes_back(cli: Cli, workdir: Path) -> None:
    """A saved folder without files becomes an empty folder PATH."""
    (workdir / "nothing").mkdir()
    cli("init")
    cli("save", "nothing", "--name", "n")
    cli("get", "n", "-o", "back")
    assert [] == os.listdir("back")


def test_a_value_comes_back_as_its_files(cli: Cli, workdir: Path) -> None:
    """The files of a value are restored without loading it, be there one of them or several."""
    ledger = Ledger.init(".ledger")
    ledger.save({"a": 1}, "small")
    cli("get", "small", "-o", "value.json")
    assert {"a": 1} == json.loads(Path("value.json").read_text())


def test_zips(cli: Cli, iris: dict[str, Any], workdir: Path) -> None:
    """A PATH that ends in .zip gets a zip of the files, unless the version is a zip itself."""
    cli("get", "iris", "-o", "x.zip")
    with zipfile.ZipFile("x.zip") as archive:
        assert ["data.csv"] == archive.namelist()
    cli("save", "x.zip", "--name", "z")
    cli("get", "z", "-o", "y.zip")
    assert Path("x.zip").read_bytes() == Path("y.zip").read_bytes()
    cli("get", "iris", "-o", "x.zip", code=4)
    cli("get", "iris", "-o", "x.zip", "--overwrite")


def test_a_folder_with_a_zip_is_zipped(cli: Cli, workdir: Path) -> None:
    """A folder in which one zip lies, saved or registered, is no zip by itself; a zip that was registered is one."""
    place = Ledger.init(".ledger").path / "store" / "raw"
    place.mkdir()
    with zipfile.ZipFile(place / "days.zip", "w") as archive:
        archive.writestr("day", "one")
    cli("save", str(place), "--name", "saved")
    Ledger.open(".ledger").register(place, "registered")
    Ledger.open(".ledger").register(place / "days.zip", "alone")
    for name, inside in (("saved", "raw/days.zip"), ("registered", "days.zip"), ("alone", "day")):
        cli("get", name, "-o", f"{name}.zip")
        with zipfile.ZipFile(f"{name}.zip") as archive:
            assert [inside] == archive.namelist()


def test_get_as_json(cli: Cli, iris: dict[str, Any], workdir: Path) -> None:
    """``get --json`` is the version with the path that was made."""
    assert {**iris, "path": str(workdir / "o")} == json.loads(cli("get", "iris", "-o", "o", "--json").out)


def test_get_takes_a_tag(cli: Cli, workdir: Path) -> None:
    """``--tag`` gets the newest version that has the tag, and is refused beside a version."""
    cli("init")
    for text, tags in (("old", ["--tag", "best"]), ("good", ["--tag", "best"]), ("new", [])):
        (workdir / "file").write_text(text)
        cli("save", "file", "--name", "x", *tags)
    cli("get", "x", "--tag", "best", "-o", "out")
    assert "good" == (workdir / "out").read_text()
    cli("get", "x@1", "--tag", "best", "-o", "other", code=2)
    assert not (workdir / "other").exists()


def test_nothing_of_code_is_run_by_get(cli: Cli, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that only code can rebuild is restored without trust and without running it."""

    class Trap:
        def __reduce__(self) -> Any:
            return os.mkdir, ("sprung",)

    monkeypatch.setenv("XDG_STATE_HOME", str(workdir / "state"))
    with pytest.warns(UserWarning, match="pickle"):
        Ledger.init(".ledger").save(Trap(), "trap")
    (workdir / "state" / "ledger" / "trust").unlink()
    cli("get", "trap", "-o", "files")
    assert Path("files").exists()
    assert not Path("sprung").exists()


def _run(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert 0 == run(words)
    return capsys.readouterr().err


def test_the_way_to_replace_a_file_is_told(cli: Cli, iris: dict[str, Any]) -> None:
    """Where a file is in the way the hint has the option that replaces it."""
    assert "--overwrite" in cli("get", "iris", "-o", "data.csv", code=4).err
