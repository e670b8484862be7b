"""A history is made, found, and judged safe to open."""

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import (
    ConfigError,
    FormatError,
    IntegrityError,
    LedgerExistsError,
    StorageError,
    UnsupportedFormatError,
)
from ledger.history import History
from ledger.history.git.remotes import Remote
from ledger.history.git.repository import check_format
from ledger.history.git.settings import check_settings, write_settings
from ledger.history.sharing.syncing import plan_sync
from ledger.history.upkeep import check_git_file, plan_packing
from tests.conftest import check_histories
from tests.kit.histories import AUTHOR, NOW, git, new_history, publish, versions_of


def test_a_new_history_is_a_sound_bare_repository(history: History) -> None:
    """Git agrees: bare, on main, one commit that states the format, nothing loose, no garbage collection by itself."""
    assert "true" == git(history, "rev-parse", "--is-bare-repository")
    assert "refs/heads/main" == git(history, "symbolic-ref", "HEAD")
    assert {"features": [], "format": 1} == json.loads(git(history, "show", "main:ledger.json"))
    assert "start a ledger\n\nTime: 2026-11-23T10:00:00.123456Z" == git(history, "log", "-1", "--format=%B")
    assert ["0", "never", "false"] == [
        git(history, "config", key) for key in ("gc.auto", "gc.pruneExpire", "maintenance.auto")
    ]


def test_a_history_is_never_made_over_another(tmp_path: Path) -> None:
    """A second start in the same place is LedgerExistsError, and the first is as it was."""
    tip = new_history(tmp_path).tip()
    with pytest.raises(LedgerExistsError):
        new_history(tmp_path)
    assert tip == History.open(tmp_path / ".ledger").tip()


@pytest.mark.parametrize("name", ["history.git", "facts.git"])
def test_the_history_is_the_one_git_directory(tmp_path: Path, name: str) -> None:
    """Its name may be anything that ends in ``.git``; files that end so are nothing."""
    history = new_history(tmp_path)
    history.git_dir.rename(history.git_dir.parent / name)
    (history.git_dir.parent / "notes.git").write_text("")
    assert name == History.open(history.git_dir.parent).git_dir.name


def test_two_histories_are_one_too_many(tmp_path: Path) -> None:
    """A second ``*.git`` directory, or none, is an IntegrityError that lists what was found."""
    ledger_dir = new_history(tmp_path).git_dir.parent
    (ledger_dir / "other.git").mkdir()
    with pytest.raises(IntegrityError, match=r"should hold one history .* found history\.git, other\.git") as caught:
        History.open(ledger_dir)
    assert "move all but the ledger's own away" == caught.value.hint
    for name in ("history.git", "other.git"):
        (ledger_dir / name).rename(tmp_path / name)
    with pytest.raises(IntegrityError, match="found none") as caught:
        History.open(ledger_dir)
    assert "clone the ledger anew" in caught.value.hint


def test_a_ledger_directory_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    """No raw system error for a path that is a file or is not there."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "none"):
        with pytest.raises(StorageError, match=f"cannot read {path}"):
            History.open(path)


def test_borrowed_objects_are_refused(tmp_path: Path) -> None:
    """A history that reads objects from elsewhere does not stand on its own."""
    history = new_history(tmp_path)
    (history.git_dir / "objects" / "info").mkdir(exist_ok=True)
    (history.git_dir / "objects" / "info" / "alternates").write_text("/elsewhere\n")
    with pytest.raises(FormatError, match="borrows objects through") as caught:
        History.open(history.git_dir.parent)
    assert "git repack -a -d" in caught.value.hint


@pytest.mark.parametrize(
    ("section", "setting", "key"),
    [
        ("core", "fsmonitor = /tmp/x", "core.fsmonitor"),
        ("core", "sshCommand = /tmp/x", "core.sshcommand"),
        ("core", "gitProxy = /tmp/x", "core.gitproxy"),
        ("core", "hooksPath = /tmp", "core.hookspath"),
        ("credential", "helper = !/tmp/x", "credential.helper"),
        ("gc", "recentObjectsHook = /tmp/x", "gc.recentobjectshook"),
        ("include", "path = /tmp/x", "include.path"),
        ('includeIf "gitdir:**"', "path = /tmp/x", "includeIf.gitdir:\\*\\*.path"),
        ('remote "origin"', "uploadpack = /tmp/x", "remote.origin.uploadpack"),
        ("remote.origin", "receivepack = /tmp/x", "remote.origin.receivepack"),
        ('remote "file:///srv/hub.git"', "url = /elsewhere", "remote.file:///srv/hub.git.url"),
        ('url "/elsewhere"', "insteadOf = /srv", "url./elsewhere.insteadof"),
    ],
)
def test_settings_that_run_something_are_refused(tmp_path: Path, section: str, setting: str, key: str) -> None:
    """A configuration may come from anybody: whatever is not known to be harmless is named, with its file."""
    write_settings(tmp_path)
    with (tmp_path / "config").open("a") as config:
        config.write(f"[{section}]\n\t{setting}\n")
    with pytest.raises(ConfigError, match=f"{tmp_path}/config sets '(?i:{key})'") as caught:
        check_settings(tmp_path)
    assert "git config --global" in caught.value.hint


@pytest.mark.parametrize(
    ("section", "setting", "key"),
    [
        ("extensions", "worktreeConfig = true", "extensions.worktreeconfig"),
        ("extensions", "objectFormat = sha256", "extensions.objectformat"),
        ("extensions", "partialClone = origin", "extensions.partialclone"),
        ('remote "origin"', "promisor = true", "remote.origin.promisor"),
    ],
)
def test_settings_of_another_kind_of_repository_are_refused(
    tmp_path: Path, section: str, setting: str, key: str
) -> None:
    """Objects or refs that lie elsewhere, or in another form: refused, found by a check, and a repair mends it."""
    history = new_history(tmp_path)
    with (history.git_dir / "config").open("a") as config:
        config.write(f"[{section}]\n\t{setting}\n")
    with pytest.raises(ConfigError, match=f"sets '{key}', which makes it another kind of repository") as caught:
        check_settings(history.git_dir)
    assert "ledger repair" in caught.value.hint
    assert ["config"] == [fault.where for fault in check_git_file(history, "config")]


def test_refs_that_are_no_files_are_refused(tmp_path: Path) -> None:
    """`git refs migrate --ref-format=reftable` leaves a file and a folder; the hint undoes it."""
    history = new_history(tmp_path)
    heads = history.git_dir / "refs" / "heads"
    heads.rename(history.git_dir / "aside")
    heads.write_text("this repository uses the reftable format\n")
    (history.git_dir / "reftable").mkdir()
    for act in (history.tip, lambda: History.open(history.git_dir.parent)):
        with pytest.raises(UnsupportedFormatError, match="keeps its refs as reftable") as caught:
            act()
        assert f"git --git-dir={history.git_dir} refs migrate --ref-format=files" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["[core] fsmonitor = /tmp/x\n", "[core]\n\tbare = tr\\\nue\n", "\ufeff[core]\n", "[core]\n\f\n"]
)
def test_a_configuration_in_a_form_of_its_own_is_refused(tmp_path: Path, text: str) -> None:
    """A setting behind its section's heading, or on several lines, is not overlooked."""
    (tmp_path / "config").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=f"{tmp_path}/config: line [0-9] is .*, which is no setting"):
        check_settings(tmp_path)


def test_a_configuration_elsewhere_is_refused(tmp_path: Path) -> None:
    """Git would take settings and hooks from the folder that ``commondir`` names."""
    write_settings(tmp_path)
    (tmp_path / "commondir").write_text("/elsewhere\n")
    with pytest.raises(ConfigError, match="takes its configuration from elsewhere"):
        check_settings(tmp_path)


def test_what_git_itself_writes_is_no_reason_to_refuse(history: History, tmp_path: Path) -> None:
    """Remotes, branches, a user, maintenance, a plain clone: none of it has Git run a program."""
    git(history, "remote", "add", "origin", "https://host/team/ledger.git")
    git(history, "remote", "add", "--mirror=fetch", "copy", str(tmp_path))
    git(history, "config", "branch.main.remote", "origin")
    git(history, "config", "branch.feature/a.merge", "refs/heads/main")
    git(history, "config", "user.email", "ada@example.com")
    git(history, "config", "gc.autoDetach", "false")
    git(history, "config", "core.sharedRepository", "group")
    git(history, "config", "remote.origin.followRemoteHEAD", "never")
    # As `git worktree add --relative-paths` does with another extension, which only Git from 2.48 on knows.
    git(history, "config", "core.repositoryFormatVersion", "1")
    git(history, "config", "extensions.preciousObjects", "true")
    check_settings(history.git_dir)
    assert [] == list(check_git_file(history, "config"))
    clone = tmp_path / "clone.git"
    subprocess.run(["git", "clone", "-q", "--mirror", str(history.git_dir), str(clone)], check=True)
    check_settings(clone)
    (clone / "config").unlink()
    check_settings(clone)


def test_a_ledger_may_ask_git_for_durable_pushes(history: History) -> None:
    """Whoever runs a remote is told how to (specs/sharing.md, 2), and it may be a ledger, which syncs too."""
    git(history, "config", "core.fsync", "all")
    git(history, "config", "receive.unpackLimit", "1")
    check_settings(history.git_dir)


@pytest.mark.parametrize(("missing", "way_out"), [("refs", "ledger verify"), ("objects", "ledger repair --from")])
def test_a_directory_that_is_no_repository_is_refused(tmp_path: Path, missing: str, way_out: str) -> None:
    """Without refs or objects nothing is opened, and what checks or mends a ledger has something to open first."""
    history = new_history(tmp_path)
    (history.git_dir / missing).rename(tmp_path / "aside")
    with pytest.raises(IntegrityError, match=f"is not a Git repository: it has no folder {missing}") as caught:
        History.open(history.git_dir.parent)
    assert f"make it anew, empty, and run `{way_out}" in caught.value.hint


def rewrite_marker(history: History, text: str | None) -> None:
    """A commit by real Git whose ``ledger.json`` is another one."""
    tree = ""
    if text is not None:
        blob = git(history, "hash-object", "-w", "--stdin", data=text.encode())
        tree = f"100644 blob {blob}\tledger.json\n"
    root = git(history, "mktree", data=tree.encode())
    commit = git(history, "-c", "user.name=B", "-c", "user.email=b@c", "commit-tree", root, "-m", "x")
    git(history, "update-ref", "refs/heads/main", commit)


def canonical(**fields: Any) -> str:
    return json.dumps(fields, indent=2, sort_keys=True)


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        (canonical(features=[], format=2), UnsupportedFormatError, "format 2, this program reads up to format 1"),
        (canonical(features=["packs2"], format=1), UnsupportedFormatError, "needs the features 'packs2'"),
        (canonical(features=["x" * 9999], format=1), UnsupportedFormatError, r"needs the features 'x{76}\.\.\., this"),
        (canonical(features=[], format=True), FormatError, "format is True"),
        (canonical(features=[], format=0), FormatError, "format is 0"),
        (canonical(features=None, format=1), FormatError, "features are None"),
        (canonical(), FormatError, "format is None"),
        ("[]", FormatError, "Expected `object`"),
        ("{", FormatError, "not JSON"),
        (None, IntegrityError, "is missing"),
    ],
)
def test_a_ledger_of_another_format_is_neither_read_nor_written(
    tmp_path: Path, text: str | None, kind: type[Exception], reason: str
) -> None:
    """The format is judged before anything else, on every way in, and the error says which program to get."""
    rewrite_marker(new_history(tmp_path), text)
    history = History.open(tmp_path / ".ledger")
    tip = history.tip()
    remote = Remote("origin", str(tmp_path / "nowhere"))
    sync = functools.partial(plan_sync, history, remote, author=AUTHOR, now=NOW)
    for act in (history.snapshot, lambda: publish(history), history.log, lambda: plan_packing(history), sync):
        with pytest.raises(kind, match=f"ledger.json.*{reason}"):
            act()
    assert tip == history.tip()


def test_the_hint_names_the_format_that_is_needed() -> None:
    """Who meets a ledger of the future knows what to upgrade to."""
    with pytest.raises(UnsupportedFormatError) as caught:
        check_format(3, [], "x")
    assert "upgrade ledger to a release that reads format 3" == caught.value.hint


def test_the_environment_of_git_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GIT_DIR and its like, as a hook has them, redirect neither making, nor reading, nor publishing."""
    trap = tmp_path / "trap"
    subprocess.run(["git", "init", "-q", "--bare", str(trap)], check=True)
    before = sorted(trap.rglob("*"))
    for name in ("GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_ALTERNATE_OBJECT_DIRECTORIES"):
        monkeypatch.setenv(name, str(trap))
    monkeypatch.setenv("GIT_INDEX_FILE", str(trap / "index"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.bare=false'")
    (tmp_path / "home").mkdir()
    history = History.create(tmp_path / "home" / ".ledger", author=AUTHOR, now=NOW)
    publish(history)
    assert ["1"] == versions_of(History.open(history.git_dir.parent))
    assert before == sorted(trap.rglob("*"))
    monkeypatch.undo()
    check_histories(tmp_path / "home")


@pytest.mark.parametrize(
    "place",
    [
        "ledger-offered",
        "refs/ledger/known",
        "refs/remotes/origin",
        "refs/heads",
        "logs/refs",
        "packed-refs",
        "objects/ab",
        "objects/info",
        "objects/pack",
    ],
)
def test_a_link_out_of_a_history_is_refused(tmp_path: Path, place: str) -> None:
    """A ledger may come from anybody: a sync wrote the ref of a remote over the user's file of its name."""
    history = new_history(tmp_path / "with-ledger")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "origin").write_text("dear")
    link = history.git_dir / place
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.exists():
        link.rename(tmp_path / "moved")
    link.symlink_to(tmp_path / "own")
    with pytest.raises(FormatError, match=rf"{place} is a link out of the history"):
        History.open(history.git_dir.parent)


def test_links_that_lead_nowhere_else_are_none_of_them(history: History, tmp_path: Path) -> None:
    """Git's own refs may be links, hooks may lie elsewhere, and so may the ledger, its history, and its objects."""
    (history.git_dir / "refs" / "heads" / "alias").symlink_to("main")
    (history.git_dir / "hooks").symlink_to("/usr")
    for place in (history.objects.pack_directory, history.git_dir / "objects", history.git_dir, history.git_dir.parent):
        place.symlink_to(place.rename(tmp_path / f"moved-{place.name}"))
    assert history.tip() == History.open(history.git_dir.parent).tip()
