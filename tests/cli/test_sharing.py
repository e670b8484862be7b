"""Cloning, syncing and remotes from the shell."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from ledger import Ledger
from ledger.cli.program import run
from ledger.lookup import read_config
from tests.cli.conftest import Cli
from tests.kit.hubs import new_hub


@pytest.fixture
def two(cli: Cli, workdir: Path) -> tuple[str, str]:
    """Two ledgers, ``a`` and ``b``, that share ``iris@1`` through a hub, and saved one more each."""
    (workdir / "data.csv").write_text("1")
    hub = new_hub(workdir)
    cli("init", "a")
    cli("--ledger", "a", "remote", "add", "origin", str(hub))
    cli("--ledger", "a", "save", "data.csv", "--name", "iris")
    cli("--ledger", "a", "sync")
    cli("clone", "hub.git", "b")
    for name in ("a", "b"):
        cli("--ledger", name, "save", "data.csv", "--name", "iris")
    return "a", "b"


def test_a_sync_says_what_it_did(cli: Cli, two: tuple[str, str]) -> None:
    """What moved, what was pushed, what was fetched, a line each."""
    lines = cli("--ledger", "a", "sync").out.splitlines()
    assert ["pushed iris@2"] == lines[:-1]
    lines = cli("--ledger", "b", "sync").out.splitlines()
    assert ["iris@2 is now iris@3", "pushed iris@3", "fetched iris@2"] == lines[:-1]
    commit = Ledger.open("b").revision[:10]
    assert f"origin and this ledger are both at {commit}" == lines[-1]


def test_a_sync_of_very_many_versions_is_told_in_short(cli: Cli, two: tuple[str, str]) -> None:
    """Of more than fifty versions that went one way the first are named, and the others counted; JSON has all."""
    with Ledger.open("a").transaction() as transaction:
        for number in range(60):
            transaction.save(number, "number")
    lines = cli("--ledger", "a", "sync").out.splitlines()
    assert ["pushed iris@2", "pushed number@1"] == lines[:2]
    assert ["pushed number@48", "pushed 12 more versions"] == lines[-3:-1]
    assert 50 + 1 == len(lines)
    assert 61 == len(json.loads(cli("--ledger", "b", "sync", "--json").out)["fetched"])


def test_a_sync_counts_what_else_goes_either_way(cli: Cli, two: tuple[str, str]) -> None:
    """Tags, metadata and runs are counted where they went from and where they came to, also as their versions move."""
    cli("--ledger", "a", "sync")
    cli("--ledger", "a", "tag", "iris@1", "good")
    cli("--ledger", "b", "tag", "iris@2", "mine")
    lines = cli("--ledger", "b", "sync").out.splitlines()
    assert "pushed 1 other record (tags, metadata, runs)" in lines
    cli("--ledger", "b", "tag", "iris@1", "better")
    lines = cli("--ledger", "a", "sync").out.splitlines()
    assert ["pushed 1 other record (tags, metadata, runs)", "fetched iris@3"] == lines[:2]
    # That of a tag, and that of iris@3, which was iris@2.
    assert "fetched 2 other records (tags, metadata, runs)" in lines
    found = json.loads(cli("--ledger", "b", "sync", "--json").out)
    assert (1, 1) == (found["other_pushed"], found["other_fetched"])


def test_the_log_of_a_version_that_was_renumbered(cli: Cli, two: tuple[str, str]) -> None:
    """`log` of NAME@VERSION shows what concerns that version under each number it had, and none that it took over."""
    cli("--ledger", "b", "tag", "iris@2", "mine")
    for name in two:
        cli("--ledger", name, "sync")
    ids = {version: str(Ledger.open("b").get("iris", version).id) for version in ("2", "3")}
    shown = {
        version: [commit["subject"] for commit in json.loads(cli("--ledger", "b", "log", word, "--json").out)]
        for version, id in ids.items()
        for word in (id, f"iris@{version}")
    }
    assert ["save iris@2"] == shown["2"]
    assert ["merge behind origin, 1 version renumbered", "tag iris@2: mine", "save iris@2"] == shown["3"]


def test_a_sync_as_json(cli: Cli, two: tuple[str, str]) -> None:
    """The report, key by key."""
    cli("--ledger", "a", "sync")
    found = json.loads(cli("--ledger", "b", "sync", "--json").out)
    ledger = Ledger.open("b")
    moved = {"id": str(ledger.get("iris").id), "before": "iris@2", "after": "iris@3"}
    expected = {
        "remote": "origin",
        "commit": ledger.revision,
        "pushed": ["iris@3"],
        "fetched": ["iris@2"],
        "renumbered": [moved],
        "other_pushed": 0,
        "other_fetched": 0,
    }
    assert expected == found


def test_status_shows_the_remote_and_what_is_provisional(cli: Cli, two: tuple[str, str], workdir: Path) -> None:
    """Before a sync the name stands there, afterwards it does not."""
    before = json.loads(cli("--ledger", "a", "status", "--json").out)
    assert (str(workdir / "hub.git"), ["iris"]) == (before["remote"], before["provisional"])
    cli("--ledger", "a", "sync")
    assert [] == json.loads(cli("--ledger", "a", "status", "--json").out)["provisional"]


def test_a_clone_as_json(cli: Cli, two: tuple[str, str], workdir: Path) -> None:
    """Where it is, what it came from, and its commit."""
    found = json.loads(cli("clone", "hub.git", "c", "--json").out)
    assert {"path": str(workdir / "c"), "remote": "hub.git", "commit": Ledger.open("c").revision} == found


def test_a_clone_is_told_where_the_bytes_are(cli: Cli, two: tuple[str, str], workdir: Path) -> None:
    """They are read from the store that was named, and a sync puts new ones there; the setting is the remote's."""
    (workdir / "hub.git" / "ledger-store").rename(workdir / "bytes")
    cli("clone", "hub.git", "c", "--store", "bytes")
    assert str(workdir / "bytes") == read_config(workdir / "c").remotes["origin"].store
    cli("--ledger", "c", "get", "iris@1", "-o", "back.csv")
    assert "1" == (workdir / "back.csv").read_text()
    (workdir / "more.csv").write_text("more")
    cli("--ledger", "c", "save", "more.csv", "--name", "more")
    before = set((workdir / "bytes").rglob("*"))
    assert "pushed more@1" in cli("--ledger", "c", "sync").out
    assert before < set((workdir / "bytes").rglob("*"))
    assert not (workdir / "hub.git" / "ledger-store").exists()


def test_a_clone_with_a_store_that_is_none_is_not_made(cli: Cli, two: tuple[str, str], workdir: Path) -> None:
    """A URL that nobody understands is refused before anything is there."""
    cli("clone", "hub.git", "c", "--store", "nonsense://bytes", code=2)
    assert not (workdir / "c").exists()


def test_bytes_are_never_shared_through_memory(cli: Cli, two: tuple[str, str], workdir: Path) -> None:
    """A remote whose store ends with the command would get versions without their bytes: none is added or cloned."""
    for words in (["--ledger", "a", "remote", "add", "other", "hub.git"], ["clone", "hub.git", "c"]):
        told = cli(*words, "--store", "memory://x", code=2).err
        assert told.startswith("Error: a store in memory://x ends with this command")
    assert (["origin"], False) == (list(read_config(Path("a")).remotes), (workdir / "c").exists())


def test_a_clone_goes_where_init_would_make_one(cli: Cli, two: tuple[str, str], workdir: Path) -> None:
    """Without a path it is the working directory's ledger."""
    assert f"cloned 1 artifact into {workdir}/.ledger\n" == cli("clone", "hub.git").out
    cli("get", "iris@1", "-o", "back.csv")
    assert "1" == (workdir / "back.csv").read_text()


def test_a_remote_is_remembered(cli: Cli, two: tuple[str, str], workdir: Path) -> None:
    """With its store, under its name, once; what was in the settings stays."""
    words = ("--ledger", "a", "remote", "add", "backup", "https://ada@example.com/x.git", "--store", "bytes")
    found = json.loads(cli(*words, "--json").out)
    expected = {"name": "backup", "url": "https://example.com/x.git", "store": str(workdir / "bytes")}
    assert expected == found
    assert "backup" in cli(*words, code=4).err
    assert "# Seconds to wait for another writer." in (workdir / "a" / "config.toml").read_text()


def test_who_adds_a_remote_that_needs_a_store_is_told_so(
    cli: Cli, two: tuple[str, str], workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A URL does not tell where the bytes go: said when it is added, and not only when nothing can be pushed to it."""
    words = ("remote", "add", "team", "ssh://git@example.com/x.git")
    assert 0 == run(["--ledger", "a", *words])
    assert (
        "Warning: nothing can be published to team yet: nobody has said where its bytes go; "
        f"`store` below [remotes.team] in {workdir}/a/config.toml says it\n"
    ) == capsys.readouterr().err
    cli("--ledger", "b", *words, "--store", "bytes")
    cli("init", "common", "--store", "common-bytes")
    cli("--ledger", "common", *words)  # others may use the same store


def test_a_remote_beside_the_ledger_is_noted_without_dots(
    cli: Cli, two: tuple[str, str], workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``..`` is worked out, but for what the system has it lead to behind a link."""
    (workdir / "far" / "off").mkdir(parents=True)
    (workdir / "link").symlink_to("far/off")
    monkeypatch.chdir(workdir / "a")
    for url, noted in (("../hub.git", "hub.git"), ("../link/../hub.git", "a/../link/../hub.git")):
        cli("--ledger", ".", "remote", "add", "other", url)
        assert str(workdir / noted) == read_config(workdir / "a").remotes["other"].url
        cli("--ledger", ".", "remote", "remove", "other")


def test_remotes_are_listed(cli: Cli, two: tuple[str, str], workdir: Path) -> None:
    """Each with its URL, without secrets, and its store, where that is known."""
    Ledger.open("a").add_remote("backup", "https://ada@example.com/x.git")
    backup = {"name": "backup", "url": "https://example.com/x.git", "store": None}
    origin = {"name": "origin", "url": str(workdir / "hub.git"), "store": str(workdir / "hub.git" / "ledger-store")}
    assert [backup, origin] == json.loads(cli("--ledger", "a", "remote", "list", "--json").out)
    assert ["NAME", "URL", "STORE"] == cli("--ledger", "a", "remote", "list").out.splitlines()[0].split()


def test_a_remote_is_removed(cli: Cli, two: tuple[str, str], workdir: Path) -> None:
    """It is gone, and every other line of the settings is as it was; what is no such line is left to its writer."""
    settings = workdir / "a" / "config.toml"
    before = settings.read_text()
    cli("--ledger", "a", "remote", "add", "backup", "https://ada@example.com/x.git", "--store", "bytes")
    settings.write_text(f"{settings.read_text()}\n# mine\n[remotes.more]\nurl = '/more.git'\n")
    found = json.loads(cli("--ledger", "a", "remote", "remove", "backup", "--json").out)
    assert {"name": "backup", "url": "https://example.com/x.git", "store": str(workdir / "bytes")} == found
    assert f"{before}\n# mine\n[remotes.more]\nurl = '/more.git'\n" == settings.read_text()
    assert "no remote 'backup'" in cli("--ledger", "a", "remote", "remove", "backup", code=3).err
    settings.write_text("remotes = {origin = {url = '/hub.git'}}")
    assert "edit that file" in cli("--ledger", "a", "remote", "remove", "origin", code=2).err


def test_a_secret_that_somebody_wrote_into_a_remote_is_not_shown(cli: Cli, two: tuple[str, str], workdir: Path) -> None:
    """``remote list`` and ``remote remove`` leave it out, of the URL as of the store."""
    with (workdir / "a" / "config.toml").open("a") as settings:
        settings.write("\n[remotes.more]\nurl = 'https://ada:canary@host/x.git'\nstore = 'https://ada:canary@host/y'\n")
    expected = {"name": "more", "url": "https://host/x.git", "store": "https://host/y"}
    assert expected in json.loads(cli("--ledger", "a", "remote", "list", "--json").out)
    assert expected == json.loads(cli("--ledger", "a", "remote", "remove", "more", "--json").out)


@pytest.mark.parametrize("words", [("add", "backup", "hub.git"), ("remove", "origin")])
def test_a_remote_that_is_written_is_told_though_settings_cannot_be_read_any_more(
    cli: Cli, two: tuple[str, str], workdir: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """What is done is no error: the settings that were just written are not read back to say so."""
    settings, real = workdir / "a" / "config.toml", os.open
    before = settings.stat().st_ino

    def open_old(path: Any, *arguments: Any, **named: Any) -> int:
        if os.fspath(path) == str(settings) and settings.stat().st_ino != before:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(path, *arguments, **named)

    with monkeypatch.context() as failing:
        failing.setattr(os, "open", open_old)
        assert str(workdir / "hub.git") in cli("--ledger", "a", "remote", *words).out
    assert ("backup" in words, "remove" not in words) == tuple(
        name in read_config(workdir / "a").remotes for name in ("backup", "origin")
    )


def test_a_bad_remote_is_not_written(cli: Cli, two: tuple[str, str], workdir: Path) -> None:
    """A URL that runs something changes no setting, nor does a store that nobody understands, nor a password."""
    before = (workdir / "a" / "config.toml").read_bytes()
    cli("--ledger", "a", "remote", "add", "evil", "ext::sh -c true", code=2)
    cli("--ledger", "a", "remote", "add", "team", "hub.git", "--store", "nonsense://bytes", code=2)
    for words in (("--ledger", "a", "remote", "add", "team"), ("clone",)):
        said = cli(*words, "https://ada:canary@example.com/x.git", code=2).err
        assert "'https://example.com/x.git' was given with a password" in said
        assert "canary" not in said
    assert before == (workdir / "a" / "config.toml").read_bytes()


@pytest.mark.parametrize(
    "words", [["init", "x"], ["clone", "a", "x"], ["--ledger", "a", "remote", "add", "hub", "hub.git"]]
)
def test_a_store_whose_path_is_no_text_is_refused(cli: Cli, workdir: Path, words: list[str]) -> None:
    """The settings cannot say where it is: nothing is made, and nothing written."""
    cli("init", "a")
    before = (sorted(os.listdir(workdir)), Path("a/config.toml").read_bytes())
    assert "settings are UTF-8, and its path is not" in cli(*words, "--store", "b\udcff", code=2).err
    assert before == (sorted(os.listdir(workdir)), Path("a/config.toml").read_bytes())


def test_exit_codes(cli: Cli, two: tuple[str, str], workdir: Path) -> None:
    """10: not reachable; 3: not known; 5: rewritten; 4: the path of a clone is taken."""
    assert "`ledger --ledger a remote add nowhere URL`" in cli("--ledger", "a", "sync", "nowhere", code=3).err
    cli("clone", "hub.git", "a", code=4)
    (workdir / "hub.git").rename(workdir / "gone.git")
    assert "cannot ask origin" in cli("--ledger", "a", "sync", code=10).err
    new_hub(workdir)
    assert "has no branch main" in cli("--ledger", "a", "sync", code=5).err


def test_without_git(cli: Cli, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Sharing needs Git, and says so."""
    with monkeypatch.context() as patched:
        patched.setenv("PATH", "/nowhere")
        assert "git is not installed" in cli("--ledger", "a", "sync", code=7).err
