"""The steps between two histories: what is planned, pushed and adopted, and in which order."""

import contextlib
import os
import re
import shutil
import socket
import sys
import threading
import time
import tracemalloc
from functools import partial
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import ArgumentError, FormatError, RemoteError, StorageError
from ledger.history import RecordDraft, Remote, check_remote, refuse_secrets
from ledger.history.sharing import adopt_plan, git_program, plan_sync, push_plan, syncing, transport
from ledger.history.sharing.ancestry import commits_between
from ledger.ids import CommitId
from ledger.wording import without_secrets
from tests.kit.git import set_hook
from tests.kit.histories import AUTHOR, NOW
from tests.kit.hubs import copy_with_hub, hub_git, hub_tip, new_hub, shared
from tests.kit.ledgers import git


def make_ada(folder: Path) -> None:
    folder.mkdir()
    ada = shared(folder / "ada", new_hub(folder))
    ada.save("first", "iris")
    ada.sync()


def make_pair(folder: Path) -> None:
    make_ada(folder)
    ada, bob = Ledger.open(folder / "ada" / ".ledger"), Ledger.clone(folder / "hub.git", folder / "bob" / ".ledger")
    ada.save("of ada", "iris")
    ada.sync()
    bob.save("of bob", "iris")


@pytest.fixture
def ada(tmp_path: Path, hub: Path, models: Path) -> Ledger:
    """A ledger that shares ``iris@1`` through the hub."""
    copy_with_hub(models / "ada", tmp_path, make_ada)
    return Ledger.open(tmp_path / "ada" / ".ledger")


@pytest.fixture
def pair(tmp_path: Path, hub: Path, models: Path) -> tuple[Ledger, Ledger]:
    """Two ledgers that share ``iris@1``; the hub has ``iris@2`` of the first, the second has one of its own."""
    copy_with_hub(models / "pair", tmp_path, make_pair)
    return Ledger.open(tmp_path / "ada" / ".ledger"), Ledger.open(tmp_path / "bob" / ".ledger")


def test_a_merge_has_the_remote_first(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Its first parent is what was published, its second what was saved here; its message names what moved."""
    _, bob = pair
    published, local = hub_tip(hub), bob.revision
    bob.sync()
    assert f"{published} {local}" == git(bob, "log", "-1", "--format=%P", "main")
    message = git(bob, "log", "-1", "--format=%B", "main")
    assert message.startswith("merge behind origin, 1 version renumbered\n\nArtifact: iris@3\nId: ")
    assert "\nRenumbered: iris@2\nTime: " in message
    assert [] == list((bob.git_dir / "objects" / "pack").glob("*.keep")), "Git's housekeeping may have its pack now"


def test_a_merge_that_moves_nothing_says_no_more(pair: tuple[Ledger, Ledger]) -> None:
    """No number of versions is told where there is none."""
    ada, bob = pair
    bob.sync()
    ada.save("of ada", "wine")
    bob.save("of bob", "rose")
    bob.sync()
    ada.sync()
    assert git(ada, "log", "-1", "--format=%B", "main").startswith("merge behind origin\n\nTime: ")


def test_a_plan_counts_events_and_what_runs_recorded(ada: Ledger, hub: Path) -> None:
    """An event by its own name, a record of a run by its path, each once; manifests and pointers are no such news."""
    history = ada.workspace.history
    ada.save("named", "iris", "cat")
    ada.tag("iris", ["good"])
    run = ("runs", "2026-11-29", "run", "run.json")
    history.publish([RecordDraft(path=run, data=b"{}")], author=AUTHOR, now=NOW, subject="run")
    plan = plan_sync(history, Remote("origin", str(hub)), author=AUTHOR, now=NOW)
    assert (2, True) == (len(plan.other_unpublished), run in plan.other_unpublished)


def test_git_is_told_what_the_remote_holds(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """As its own ref of the remote's branch, which no fetch of ours moves."""
    for ledger in pair:
        ledger.sync()
        assert hub_tip(hub) == git(ledger, "rev-parse", "refs/remotes/origin/main")


def test_every_commit_only_adds_to_its_first_parent(pair: tuple[Ledger, Ledger]) -> None:
    """Merges, too."""
    _, bob = pair
    bob.sync()
    changes = git(bob, "log", "--first-parent", "-m", "--format=", "--name-status", "--no-renames", "main")
    assert {"A"} == {line[0] for line in changes.splitlines()}


def test_a_plan_moves_nothing(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Until it is pushed, remote and ledger are as they were, and numbers too."""
    _, bob = pair
    history, before, known = bob.workspace.history, bob.revision, hub_tip(hub)
    plan = plan_sync(history, Remote("origin", str(hub)), author=AUTHOR, now=NOW)
    assert [("iris@2", "iris@3")] == [(was.label, now.label) for was, now in plan.moved]
    assert (["iris@3"], ["iris@2"]) == ([c.label for c in plan.unpublished], [c.label for c in plan.fetched])
    assert (before, known) == (bob.revision, hub_tip(hub))


def test_housekeeping_of_git_leaves_a_merge_that_is_on_its_way(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """No branch has it before it is pushed, and what nothing names goes: it is pushed and adopted all the same."""
    _, bob = pair
    history = bob.workspace.history
    plan = plan_sync(history, Remote("origin", str(hub)), author=AUTHOR, now=NOW)
    git(bob, "gc", "-q", "--prune=now")
    assert push_plan(history, plan)
    assert adopt_plan(history, plan)
    assert "of bob" == Ledger.open(bob.path).load("iris", 3)


def test_a_push_that_comes_late_says_so(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """The branch moved since the plan: nothing is forced, and what is known of the remote stays true."""
    ada, bob = pair
    history = bob.workspace.history
    plan = plan_sync(history, Remote("origin", str(hub)), author=AUTHOR, now=NOW)
    ada.save("faster", "iris")
    ada.sync()
    assert not push_plan(history, plan)
    assert plan.theirs == git(bob, "rev-parse", "refs/ledger/known/origin")
    assert ada.revision == hub_tip(hub)


def test_a_push_whose_answer_is_lost_counts_if_the_remote_has_it(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """What the remote holds decides, not what it said."""
    _, bob = pair
    history = bob.workspace.history
    plan = plan_sync(history, Remote("origin", str(hub)), author=AUTHOR, now=NOW)
    git(bob, "push", "-q", str(hub), f"{plan.tip}:main")
    assert push_plan(history, plan)
    assert adopt_plan(history, plan)
    assert plan.tip == bob.revision == git(bob, "rev-parse", "refs/ledger/known/origin")


def test_a_push_that_the_remote_only_says_it_took_is_an_error(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """What its branch holds decides here, too: nothing moves in the ledger, nor in what it knows of the remote."""
    _, bob = pair
    set_hook(hub, "post-receive", 'while read before after name; do git update-ref "$name" "$before"; done')
    before, published = bob.revision, hub_tip(hub)
    with pytest.raises(RemoteError, match="it said yes, and its branch did not move"):
        bob.sync()
    assert (before, published) == (bob.revision, hub_tip(hub))
    assert published == git(bob, "rev-parse", "refs/ledger/known/origin")


def test_a_plan_is_not_adopted_over_a_new_save(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """The own branch moves by compare-and-swap."""
    _, bob = pair
    history = bob.workspace.history
    plan = plan_sync(history, Remote("origin", str(hub)), author=AUTHOR, now=NOW)
    assert push_plan(history, plan)
    bob.save("meanwhile", "iris")
    before = bob.revision
    assert not adopt_plan(history, plan)
    assert before == bob.revision


def test_a_hand_made_mess_is_not_pushed(ada: Ledger, hub: Path) -> None:
    """What every other ledger would refuse does not leave this one; the hint says how to go on without it."""
    tree = git(ada, "rev-parse", "main~1^{tree}")
    undo = hub_git(ada.git_dir, "commit-tree", tree, "-p", "main", "-m", "undo")
    git(ada, "update-ref", "refs/heads/main", undo)
    before = hub_tip(hub)
    with pytest.raises(FormatError, match="is refused: it removes artifacts") as caught:
        ada.sync()
    assert "specs/sharing.md, 3" in str(caught.value.hint)
    assert before == hub_tip(hub)


@pytest.mark.parametrize("url", ["ext::sh -c touch% /tmp/x", "--upload-pack=x", "", "a\nb", "fd::17"])
def test_urls_that_run_something_are_refused(url: str) -> None:
    """A remote is a place."""
    with pytest.raises(ArgumentError, match="is not one to share through"):
        check_remote("origin", url)


@pytest.mark.parametrize("url", ["/srv/bell\x07/hub.git", "/srv/raw\udcff/hub.git", "https://h/x\u200b"])
def test_a_url_that_cannot_be_printed_is_refused_for_that(url: str) -> None:
    """The error shows which character it is, and the hint is the way out for a folder of that name."""
    with pytest.raises(ArgumentError, match="it holds characters that cannot be printed") as caught:
        check_remote("origin", url)
    assert repr(url) in str(caught.value)
    assert "link" in caught.value.hint


@pytest.mark.parametrize("url", [" https://h/x", "https://h/x ", "git@h:x "])
def test_white_space_around_a_url_is_refused(url: str) -> None:
    """It belongs to no place that anybody means, and the error shows it; a path is taken as it stands."""
    with pytest.raises(ArgumentError, match="begins or ends with white space") as caught:
        check_remote("origin", url)
    assert repr(url) in str(caught.value)
    for path in ("/srv/hub ", "file:///srv/hub "):
        assert path == check_remote("origin", path).url


@pytest.mark.parametrize("name", ["", "-x", "a/b", "a.b", "..", "a" * 65, "é"])
def test_names_that_are_no_ref_are_refused(name: str) -> None:
    """A remote's name is part of a ref and of a setting."""
    with pytest.raises(ArgumentError, match="remote name"):
        check_remote(name, "/srv/hub.git")


@pytest.mark.parametrize(
    "url",
    ["https://ada:p@ss@host/x.git", "https://:token@host/x.git", "ssh://git:secret@host/x", "https:/ada:secret@host/x"],
)
def test_a_password_in_a_url_is_refused(url: str) -> None:
    """It would stand in the settings, where nobody expects one; the error does not show it."""
    with pytest.raises(ArgumentError, match=r"^the URL '(https|ssh)://?host/x(\.git)?' was given with a password"):
        refuse_secrets(url)


@pytest.mark.parametrize("url", ["https://host/x.git?X-Amz-Signature=canary", "http://host/a/b?sv=1&sig=canary"])
def test_a_query_in_a_url_is_refused(url: str) -> None:
    """It is how signatures and tokens are given, and no part of where a history is."""
    with pytest.raises(ArgumentError, match="was given with a query") as caught:
        refuse_secrets(url)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://ada@host:8443/a:b@c.git",
        "ssh://git@[::1]:22/x",
        "git@host:team/x.git",
        "/srv/a:b@c",
        "file:///a:b@c",
        "/srv/a?b",
    ],
)
def test_a_url_with_a_user_or_a_port_has_no_password(url: str) -> None:
    """Nor has a path, whatever its name."""
    refuse_secrets(url)


def test_secrets_in_urls_are_not_shown() -> None:
    """Neither as the URL of a remote nor within what Git says."""
    assert "origin (https://host/x.git)" == str(Remote("origin", "https://ada:secret@host/x.git?token=1"))
    assert "https://host/a@b.git" == without_secrets("https://ada:p@ss@host/a@b.git")
    assert "fatal: 'https://host/x.git/' not found" == without_secrets("fatal: 'https://ada:s@host/x.git/' not found")


def test_a_remote_that_never_answers(ada: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call ends in its time, and Git's helpers with it; the error names the remote."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(transport, "ASK_SECONDS", 0.3)
        monkeypatch.setattr(git_program, "_LEAVE_SECONDS", 0.3)
        with pytest.raises(RemoteError) as caught:
            transport.remote_tip(ada.git_dir, Remote("hub", f"http://ada:secret@127.0.0.1:{port}/x.git"))
    reason = "git ls-remote did not end within 0.3 s"
    assert f"cannot reach hub (http://127.0.0.1:{port}/x.git): {reason}" == str(caught.value)


@pytest.mark.slow
def test_a_web_server_may_take_its_time(ada: Ledger) -> None:
    """It gathers what a large ledger holds, or checks what was pushed: half a minute without a byte is no failure."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as caller:
                time.sleep(33)
                caller.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.git"
        with pytest.raises(RemoteError, match=f"fatal: repository '{url}/' not found"):
            transport.remote_tip(ada.git_dir, Remote("hub", url))
        thread.join()


def test_a_working_directory_that_is_gone_is_what_the_hint_is_about(
    ada: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger goes on without one, and Git does not; there is nothing wrong with the remote."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(RemoteError, match="Unable to read current working directory") as caught:
        ada.sync()
    assert "change to a folder that is there" == caught.value.hint


def test_a_git_that_cannot_be_started_is_an_error_with_its_path(
    ada: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a program of another machine, or any where this process is short of descriptors."""
    program = tmp_path / "git"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StorageError, match=f"cannot run {re.escape(str(program))}: Exec format error"):
        ada.sync()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of another process")
def test_a_remote_that_tells_without_end_takes_little_memory(ada: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git keeps what a remote says that it can do; it is ended before it takes the memory of the machine."""
    told = b"version 2\n", *[b"x" * 60_000] * 4000  # 240 MB
    monkeypatch.setattr(transport, "ASK_MEMORY", 1 << 26)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def tell() -> None:
            with server.accept()[0] as caller, contextlib.suppress(OSError):
                for line in told:
                    caller.sendall(b"%04x%s" % (len(line) + 4, line))

        threading.Thread(target=tell, daemon=True).start()
        url = f"git://127.0.0.1:{server.getsockname()[1]}/x"
        with pytest.raises(RemoteError, match="Out of memory"):
            transport.remote_tip(ada.git_dir, Remote("endless", url))


def test_of_a_remote_that_talks_only_the_end_is_kept(ada: Ledger, hub: Path) -> None:
    """A remote may talk for as long as a transfer may take: 8 MiB of its words take next to no memory here."""
    set_hook(hub, "pre-receive", f"yes '{'x' * 1000}' | head -c {8 << 20} >&2\necho quota exceeded >&2\nexit 1")
    ada.save("x", "iris")
    tracemalloc.start()
    try:
        with pytest.raises(RemoteError, match=r"does not take .*quota exceeded"):
            ada.sync()
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_the_first_and_the_last_of_a_hooks_words_are_told(ada: Ledger, hub: Path) -> None:
    """Some hooks say first why they refuse, others last; what is left out between is marked."""
    set_hook(hub, "pre-receive", "seq -f 'line %g' 30 >&2\nexit 1")
    ada.save("x", "iris")
    with pytest.raises(RemoteError) as caught:
        ada.sync()
    told = re.findall(r"remote: line (\d+)|(\.\.\.)", str(caught.value))
    assert ["1", "2", "3", "...", "25", "26", "27", "28", "29", "30"] == [number or mark for number, mark in told]


def test_a_lock_that_a_killed_push_left_in_a_remote_goes_a_minute_later(ada: Ledger, hub: Path) -> None:
    """Until then it may be a live push's: the error and its hint say which file; then a sync takes it away."""
    ada.save("x", "iris")
    locks = hub / "HEAD.lock", hub / "refs" / "heads" / "main.lock"
    for lock in locks:
        lock.touch()
    with pytest.raises(RemoteError, match=r"Unable to create '.*main\.lock'") as caught:
        ada.sync()
    named = re.search("if (.*) is still there then, its push has died: remove it", caught.value.hint)
    assert named is not None
    assert Path(named[1]) in locks
    for lock in locks:
        os.utime(lock, (time.time() - 61, time.time() - 61))
    ada.sync()
    assert ada.revision == hub_tip(hub)
    assert [] == list(hub.rglob("*.lock"))


def test_a_hooks_words_take_no_file_away(ada: Ledger, hub: Path, tmp_path: Path) -> None:
    """What a remote says is a lock need not be one."""
    ada.save("x", "iris")
    other = tmp_path / "poetry.lock"
    other.touch()
    os.utime(other, (0, 0))
    set_hook(hub, "pre-receive", f"echo \"Unable to create '{other}': File exists\" >&2\nexit 1")
    with pytest.raises(RemoteError, match="poetry"):
        ada.sync()
    assert other.exists()


def test_what_git_lists_is_kept_whole(ada: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits are ours, and none of them is left out."""
    monkeypatch.setattr(git_program, "_KEPT_BYTES", 10)
    listed = git(ada, "rev-list", "--topo-order", "--reverse", "main").splitlines()
    assert listed == commits_between(ada.git_dir, None, CommitId(ada.revision))


def test_a_protocol_that_is_not_listed(ada: Ledger) -> None:
    """Git itself is told which protocols there are."""
    with pytest.raises(RemoteError, match="cannot ask origin"):
        plan_sync(ada.workspace.history, Remote("origin", "ext::sh -c true"), author=AUTHOR, now=NOW)


def test_what_git_wrote_is_made_durable(tmp_path: Path, hub: Path, synced: list[str]) -> None:
    """A path is told to sync what it takes; the folders in which Git has named that, and what `git init` made, are.

    They are also where the path had it all already, whose pusher may have died.
    """
    set_hook(hub, "post-receive", "git config core.fsync > asked")
    ada = shared(tmp_path / "ada", hub)
    ada.sync()
    hub_git(hub, "pack-refs", "--all")
    ada.sync()
    assert "all\n" == (hub / "asked").read_text()
    there = [os.path.relpath(path, hub) for path in synced if path.startswith(str(hub))]
    folders = ["objects/pack", "refs/heads", "."]
    assert ["HEAD", "config", "refs/heads/main", *folders, "HEAD", "config", "packed-refs", *folders] == there
    synced.clear()
    Ledger.clone(hub, tmp_path / "bob")
    assert {str(hub / folder) for folder in folders[:2]} <= {*synced}, "a clone builds on it as well"
    assert 1 == sum(path.endswith("history.git/objects/pack") for path in synced)
    assert {"pack", "info"} == {path.name for path in (hub / "objects").iterdir()}


def test_a_remote_may_keep_its_refs_as_it_likes(hub: Path) -> None:
    """As reftable they are in a folder of their own, and a file is where the branches were."""
    (hub / "refs" / "heads").rmdir()
    (hub / "refs" / "heads").write_text("this repository uses the reftable format\n")
    (hub / "reftable").mkdir()
    transport.settle_remote(Remote("hub", str(hub)), None)


def test_a_push_that_housekeeping_in_the_remote_spoils_is_tried_again(ada: Ledger, hub: Path) -> None:
    """`git gc --prune=now` and `git prune --expire=now` take what just arrives for what a dead push left."""
    set_hook(hub, "pre-receive", 'mkdir "$GIT_DIR/swept" && rm -r "$GIT_QUARANTINE_PATH" || true')
    ada.save("more", "iris")
    ada.sync()
    assert (hub / "swept").is_dir()
    assert ada.revision == hub_tip(hub)


@pytest.mark.parametrize("child", ["index-pack", "rev-list"])
def test_a_push_that_is_spoiled_before_any_hook_runs_is_tried_again(
    ada: Ledger, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child: str
) -> None:
    """Housekeeping there may come before Git has stored what arrives, or has looked whether all of it did."""
    programs, swept = tmp_path / "programs", hub / "swept"
    programs.mkdir()
    (programs / "git").write_text(
        f'#!/bin/sh\nexport GIT_EXEC_PATH="{programs}"\n'
        f'[ "$1" != {child} ] || [ -z "$GIT_QUARANTINE_PATH" ] || ! mkdir "{swept}" || rm -r "$GIT_QUARANTINE_PATH"\n'
        f'exec "{shutil.which("git")}" "$@"\n'
    )
    (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    ada.save("more", "iris")
    ada.sync()
    assert swept.is_dir()
    assert ada.revision == hub_tip(hub)


def test_a_remote_that_lost_objects(ada: Ledger, hub: Path, tmp_path: Path) -> None:
    """Who pushes or clones is told how it gets them back from a ledger that is whole, and that does."""
    for path in (hub / "objects" / "pack").iterdir():
        path.unlink()
    ada.save("more", "iris")
    for refused in (ada.sync, partial(Ledger.clone, hub, tmp_path / "new")):
        with pytest.raises(RemoteError) as caught:
            refused()
        assert caught.value.hint.startswith("the remote has lost objects")
    shutil.copytree(ada.git_dir / "objects", hub / "objects", dirs_exist_ok=True)
    ada.sync()
    assert "more" == Ledger.clone(hub, tmp_path / "new").load("iris")


def test_a_remote_that_asks_who_pushes_is_told_with_a_way(ada: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hosted repository that anybody may read asks for a name first when something is pushed."""
    words = "fatal: could not read Username for 'https://host': terminal prompts disabled"
    monkeypatch.setattr(syncing, "push", lambda *_: words)
    ada.save("x", "iris")
    with pytest.raises(RemoteError, match="could not read Username") as caught:
        ada.sync()
    assert "`git config --global credential.helper`" in caught.value.hint
