"""Where a ledger is found, and where the first write makes one."""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger, load_artifact, log_artifact_metadata, register_artifact, save_artifact, step
from ledger.client import Client
from ledger.errors import ArtifactNotFoundError, LedgerExistsError, LedgerNotFoundError, StorageError
from tests.kit.ledgers import files_below, run_python


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_first_write_makes_a_ledger_in_the_working_directory(workdir: Path) -> None:
    """Without a ledger and without Git, the first save makes `.ledger` where it is called."""
    save_artifact(1, "one")
    assert [workdir / ".ledger"] == list(workdir.iterdir())
    assert 1 == load_artifact("one")


def test_making_a_ledger_is_said_once_on_stderr(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first write says on stderr where it made a ledger; later ones say nothing."""
    save_artifact(1, "one")
    first = capsys.readouterr()
    save_artifact(2, "one")
    assert ("", f"ledger: made a new ledger in {workdir / '.ledger'}\n") == (first.out, first.err)
    assert ("", "") == capsys.readouterr()


def test_where_a_ledger_was_made_is_one_printable_line(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name of a folder may hold what steers a terminal."""
    monkeypatch.setenv("LEDGER_DIR", "here\x1b[2J")
    save_artifact(1, "one")
    assert f"ledger: made a new ledger in {workdir}/here\\x1b[2J\n" == capsys.readouterr().err


def test_the_first_write_makes_a_ledger_at_the_root_of_the_work_tree(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside a Git work tree the ledger is made at its root, whatever sub folder the call comes from."""
    _git(workdir, "init", "-q")
    (workdir / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(workdir / "src" / "deep")
    save_artifact(1, "one")
    assert (workdir / ".ledger").is_dir()
    assert not list((workdir / "src").rglob(".ledger"))


def test_a_working_directory_that_is_gone_is_told(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be sought from it; a ledger that is named by an absolute path is used all the same."""
    ledger = Ledger.init(workdir / ".ledger")
    saved = ledger.save(0, "named")
    (workdir / "gone").mkdir()
    monkeypatch.chdir(workdir / "gone")
    (workdir / "gone").rmdir()
    calls: list[Any] = [lambda: load_artifact("x"), lambda: save_artifact(1, "x"), Ledger.open]
    calls += [lambda: Ledger.open("x"), lambda: Ledger.init("x"), lambda: ledger.save(Path("x"), "x")]
    calls += [lambda: ledger.register("x", "x"), lambda: saved.restore("x"), lambda: saved.download_files("x.zip")]
    for call in calls:
        with pytest.raises(StorageError, match="cannot find the working directory: No such file"):
            call()
    monkeypatch.setenv("LEDGER_DIR", str(ledger.path))
    assert "1" == save_artifact(1, "x").version
    assert 2 == step(name="increase")(lambda value: value + 1)(load_artifact("x"))
    assert ledger.path == Ledger.open().path
    monkeypatch.chdir(workdir)


def test_a_program_whose_working_directory_goes_away_loads(ledger: Ledger) -> None:
    """A program without a file of its own, such as a prompt, asks for no path of where it is."""
    ledger.save({"rows": 1}, "x")
    leave = "import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')"
    load = f"from ledger import Ledger; assert {{'rows': 1}} == Ledger.open({str(ledger.path)!r}).load('x')"
    run_python(f"{leave}; {load}", ledger.path.parent)


def test_a_linked_work_tree_has_a_root_of_its_own(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `.git` is a file, as in a linked work tree or submodule, its folder is the root."""
    (workdir / "linked" / "src").mkdir(parents=True)
    (workdir / "linked" / ".git").write_text("gitdir: elsewhere\n")
    monkeypatch.chdir(workdir / "linked" / "src")
    save_artifact(1, "one")
    assert (workdir / "linked" / ".ledger").is_dir()


def test_a_surrounding_repository_never_sees_the_ledger(workdir: Path) -> None:
    """The status of the project's repository is the same before and after a save, ignored files apart."""
    _git(workdir, "init", "-q")
    (workdir / "code.py").write_text("pass\n")
    before = _git(workdir, "status", "--porcelain")
    save_artifact(1, "one")
    assert before == _git(workdir, "status", "--porcelain")


def test_the_nearest_ledger_upward_is_used(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a sub folder the nearest ledger above is read and written, not the outermost."""
    Ledger.init(workdir / ".ledger")
    inner = Ledger.init(workdir / "inner" / ".ledger")
    (workdir / "inner" / "deep").mkdir()
    monkeypatch.chdir(workdir / "inner" / "deep")
    save_artifact(1, "one")
    assert ["one"] == [artifact.name for artifact in inner.artifacts()]
    assert [] == Ledger.open(workdir / ".ledger").artifacts()


def test_a_folder_that_is_a_ledger_itself_is_found(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder made by `init PATH` that ledger is read and written, and none is made inside of it."""
    Ledger.init(workdir / ".ledger")
    made = Ledger.init(workdir / "project")
    for place in (made.path, made.path / "store"):
        monkeypatch.chdir(place)
        assert made.path == Ledger.open().path
        save_artifact(1, "one")
    assert ["1", "2"] == [version.version for version in made.versions("one")]
    assert not list(made.path.rglob(".ledger"))


def test_a_folder_with_settings_and_a_bare_repository_is_no_ledger(workdir: Path) -> None:
    """Another program's `config.toml` beside a bare repository is not taken for a ledger."""
    _git(workdir, "init", "-q", "--bare", "site.git")
    for text in ('title = "a site"\n', ""):
        (workdir / "config.toml").write_text(text)
        with pytest.raises(LedgerNotFoundError):
            Ledger.open()
    save_artifact(1, "one")
    assert workdir / ".ledger" == Ledger.open().path


def test_ledger_dir_comes_before_the_working_directory(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`LEDGER_DIR` names the ledger directory itself and beats one that is nearer."""
    Ledger.init(workdir / ".ledger")
    monkeypatch.setenv("LEDGER_DIR", str(workdir / "elsewhere"))
    save_artifact(1, "one")
    assert (workdir / "elsewhere" / "history.git" / "HEAD").is_file()
    assert workdir / "elsewhere" == Ledger.open().path
    assert [] == Ledger.open(workdir / ".ledger").artifacts()


def test_ledger_dir_may_be_an_empty_folder(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder made beforehand for the ledger is where the first write makes it."""
    (workdir / "prepared").mkdir()
    monkeypatch.setenv("LEDGER_DIR", str(workdir / "prepared"))
    with pytest.raises(LedgerNotFoundError):
        load_artifact("one")
    save_artifact(1, "one")
    assert 1 == Ledger.open(workdir / "prepared").load("one")


def test_a_link_to_an_empty_folder_is_followed(workdir: Path) -> None:
    """The ledger may be meant to lie on another disk: it is made where the link leads, and found through it."""
    (workdir / "disk").mkdir()
    (workdir / ".ledger").symlink_to("disk")
    save_artifact(1, "one")
    assert (1, True) == (load_artifact("one"), (workdir / ".ledger").is_symlink())
    assert 1 == Ledger.open(workdir / "disk").load("one")
    assert ["disk", ".ledger"] == sorted((path.name for path in workdir.iterdir()), reverse=True)


def test_an_explicit_path_comes_before_ledger_dir(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path given to `Ledger.open` is used whatever `LEDGER_DIR` says."""
    monkeypatch.setenv("LEDGER_DIR", str(workdir / "elsewhere"))
    Ledger.init(workdir / "mine")
    assert workdir / "mine" == Ledger.open(workdir / "mine").path
    assert workdir / "mine" == Ledger.open("mine").path


def test_the_environment_is_read_at_every_call(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of `LEDGER_DIR` or of the working directory is followed by the next call."""
    save_artifact("here", "place")
    monkeypatch.setenv("LEDGER_DIR", str(workdir / "there"))
    save_artifact("over there", "place")
    assert "over there" == load_artifact("place")
    monkeypatch.delenv("LEDGER_DIR")
    assert "here" == load_artifact("place")


@pytest.mark.parametrize("read", ["load", "get", "list"])
def test_a_read_without_a_ledger_names_the_command(workdir: Path, read: str) -> None:
    """A read where there is no ledger raises `LedgerNotFoundError` with the command, and makes nothing."""
    calls: dict[str, Any] = {
        "load": lambda: load_artifact("one"),
        "get": lambda: Client().get_artifact_version("one"),
        "list": lambda: Client().list_artifacts(),
    }
    with pytest.raises(FileNotFoundError) as caught:
        calls[read]()
    assert LedgerNotFoundError is type(caught.value)
    assert str(workdir / ".ledger") in str(caught.value)
    assert "ledger init" in caught.value.hint
    assert [] == list(workdir.iterdir())


def test_a_missing_ledger_dir_is_not_replaced_by_another(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read through a `LEDGER_DIR` that does not exist fails, though a ledger is near, and tells of no search."""
    Ledger.init(workdir / ".ledger")
    monkeypatch.setenv("LEDGER_DIR", str(workdir / "nowhere" / ".ledger"))
    with pytest.raises(LedgerNotFoundError, match=r"nowhere/\.ledger\n"):
        load_artifact("one")


@pytest.mark.parametrize("beside", [None, ".git", "hub.git"])
def test_a_project_folder_is_no_ledger(workdir: Path, monkeypatch: pytest.MonkeyPatch, beside: str | None) -> None:
    """Naming the folder around a ledger says where the ledger is; no repository beside it is taken for its history."""
    Ledger.init(workdir / ".ledger")
    if beside is not None:
        subprocess.run(["git", "init", "-q", "--bare", workdir / beside], check=True)
    monkeypatch.setenv("LEDGER_DIR", str(workdir))
    for use in (load_artifact, lambda name: save_artifact(1, name), lambda _: Ledger.init(workdir)):
        with pytest.raises((LedgerNotFoundError, LedgerExistsError)) as caught:
            use("one")
        assert f"the ledger directory itself is meant: {workdir / '.ledger'}" == caught.value.hint


def test_a_named_path_without_a_ledger_says_how_to_have_one(workdir: Path) -> None:
    """The command that is named makes a ledger, and where a folder is full of something else, one inside it."""
    (workdir / "full of").mkdir()
    (workdir / "full of" / "notes").touch()
    for named, place in (("nowhere", "nowhere"), ("full of", "full of/.ledger")):
        with pytest.raises(LedgerNotFoundError) as caught:
            Ledger.open(named)
        assert caught.value.hint.startswith(f"run `ledger init {shlex.quote(str(workdir / place))}` to make one")
        Ledger.init(place)
    with pytest.raises(LedgerNotFoundError) as caught:
        Ledger.open("full of/notes")
    assert "that is a file" in caught.value.hint


def test_a_remote_is_no_ledger(ledger: Ledger, workdir: Path) -> None:
    """Who names a bare repository reads how to clone it, and no ledger is made in it."""
    ledger.save(1, "one")
    subprocess.run(["git", "clone", "-q", "--bare", str(ledger.git_dir), "hub.git"], check=True)
    for use in (Ledger.open, Ledger.init):
        with pytest.raises((LedgerNotFoundError, LedgerExistsError)) as caught:
            use("hub.git")
        assert f"`ledger clone {workdir / 'hub.git'} PATH` makes a ledger" in caught.value.hint


def test_logging_without_a_ledger_is_about_an_unknown_artifact(workdir: Path) -> None:
    """Metadata for an artifact that cannot exist is a KeyError, and no ledger is made for it."""
    with pytest.raises(KeyError) as caught:
        log_artifact_metadata({"a": 1}, "one")
    assert ArtifactNotFoundError is type(caught.value)
    assert [] == list(workdir.iterdir())


def test_asking_for_the_store_counts_as_a_write(workdir: Path) -> None:
    """The artifact store's path can be asked for first: the ledger is made, and data there can be registered."""
    path = Path(Client().active_stack.artifact_store.path)
    assert (workdir / ".ledger").is_dir()
    (path / "raw").mkdir()
    (path / "raw" / "a.txt").write_text("a")
    assert ["a.txt"] == [file.path for file in register_artifact(str(path / "raw"), "raw").files()]


def test_git_variables_redirect_nothing(workdir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`GIT_DIR` and its like neither move the ledger nor let a save touch another repository."""
    other = tmp_path / "other"
    _git(tmp_path, "init", "-q", str(other))
    before = files_below(other)
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(other / ".git" / "objects"))
    save_artifact(1, "one")
    assert 1 == load_artifact("one")
    assert (workdir / ".ledger").is_dir()
    assert before == files_below(other)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "arguments",
    [{"name": "bad name"}, {"name": "x", "tags": ["\n"]}, {"name": "x", "run_metadata": {"a": object()}}],
)
def test_a_refused_save_makes_no_ledger(workdir: Path, arguments: dict[str, object]) -> None:
    """Arguments are judged before the first write, so that a mistake leaves the folder as it was."""
    with pytest.raises(ValueError, match=r"name|tag|metadata"):
        save_artifact(1, **arguments)  # type: ignore[arg-type]
    assert [] == list(workdir.iterdir())


@pytest.mark.parametrize("variable", [True, False])
def test_something_else_in_its_place_is_left_alone(
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: bool,  # noqa: FBT001
) -> None:
    """A folder that is no ledger, where one is sought, is an error for reads and writes, and stays as it is."""
    place = workdir / ("notes" if variable else ".ledger")
    place.mkdir()
    (place / "thesis.txt").write_text("years of work")
    if variable:
        monkeypatch.setenv("LEDGER_DIR", str(place))
    with pytest.raises(LedgerExistsError, match="not a ledger"):
        save_artifact(1, "one")
    with pytest.raises(LedgerNotFoundError):
        load_artifact("one")
    assert {f"{place.name}/thesis.txt": b"years of work"} == files_below(workdir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("entry", [".ledger", "config.toml"])
def test_a_strangers_ledger_in_a_folder_of_everybodys_is_not_used_unless_named(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    """Whoever may put one into /tmp would get what others save below it; a team's own such folder is another case."""
    planted = Ledger.init(workdir if entry == "config.toml" else workdir / ".ledger").path
    os.chown(workdir / entry, 4711, -1)
    (workdir / "below").mkdir()
    monkeypatch.chdir(workdir / "below")
    save_artifact(1, "before")
    workdir.chmod(0o1777)
    for act in (Ledger.open, lambda: save_artifact(1, "x"), lambda: load_artifact("x")):
        with pytest.raises(LedgerNotFoundError, match="is of user 4711, in a folder where everybody may put") as told:
            act()
    assert "set LEDGER_DIR to it" in told.value.hint
    monkeypatch.setenv("LEDGER_DIR", str(planted))
    save_artifact(1, "named")
    monkeypatch.delenv("LEDGER_DIR")
    os.chown(workdir, 4711, -1)
    assert planted == Ledger.open().path
