"""Syncs among what surrounds them: the user's own Git and its settings, remotes that are not what they should be."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import (
    DiskFullError,
    FormatError,
    HistoryRewrittenError,
    IntegrityError,
    RemoteError,
    StorageError,
    UnsupportedFormatError,
)
from ledger.history.sharing.git_program import REACH
from ledger.lookup import write_remote
from tests.conftest import check_histories
from tests.kit.disks import disk_at, remount
from tests.kit.git import run_git
from tests.kit.hubs import EVE, hub_git, hub_tip, new_hub, push_by_hand, shared
from tests.kit.ledgers import git
from tests.kit.ports import free_port

_SSH = """\
#!/bin/sh
echo "$@" >> "$(dirname "$0")/asked"
while [ "${1#-}" != "$1" ]; do [ "$1" = -o ] && shift; shift; done
shift
exec sh -c "$*"
"""
_OLD_GIT = """\
#!/bin/sh
for word in "$@"; do
    [ "$word" = --no-write-fetch-head ] && echo "error: unknown option \\`no-write-fetch-head'" >&2 && exit 129
done
exec {git} "$@"
"""


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    return new_hub(tmp_path)


@pytest.fixture
def ada(tmp_path: Path, hub: Path) -> Iterator[Ledger]:
    """A ledger that shares ``iris@1`` through the hub."""
    made = shared(tmp_path / "ada", hub)
    made.save("first", "iris")
    made.sync()
    yield made
    check_histories(tmp_path)


def set_globally(key: str, value: str) -> None:
    subprocess.run(["git", "config", "--global", key, value], check=True)


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def far(ledger: Ledger, hub: Path) -> Ledger:
    """The ledger with the hub as a remote over ssh."""
    write_remote(ledger.path, "far", f"ssh://host{hub}", store=str(hub / "ledger-store"))
    return Ledger.open(ledger.path)


def test_the_ssh_of_the_users_configuration_is_used(ada: Ledger, hub: Path, tmp_path: Path) -> None:
    """Who needs a key or a jump host says so in `core.sshCommand`, and syncs as plain Git does."""
    ssh = program(tmp_path / "bin" / "ssh", _SSH)
    set_globally("core.sshCommand", str(ssh))
    ada.save("second", "iris")
    assert ("iris@2",) == far(ada, hub).sync("far").pushed
    assert "git-receive-pack" in (ssh.parent / "asked").read_text()


def test_what_the_environment_says_to_git_is_told_not_to_be_used(
    ada: Ledger, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable of Git's has a say; who counts on one is told what has."""
    monkeypatch.setenv("GIT_SSH_COMMAND", str(program(tmp_path / "bin" / "good", _SSH)))
    program(tmp_path / "bin" / "ssh", "#!/bin/sh\nexit 255\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(RemoteError) as caught:
        far(ada, hub).sync("far")
    unused = "GIT_SSH_COMMAND is not used: say the same by `git config --global core.sshCommand`"
    assert f"{REACH}; {unused}" == caught.value.hint
    monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "ours.pem"))
    write_remote(ada.path, "web", f"https://127.0.0.1:{free_port()}/hub.git", store=str(hub / "ledger-store"))
    with pytest.raises(RemoteError) as caught:
        Ledger.open(ada.path).sync("web")
    unused = "GIT_SSL_CAINFO is not used: say the same by `git config --global http.sslCAInfo`"
    assert f"{REACH}; {unused}" == caught.value.hint
    monkeypatch.delenv("GIT_SSL_CAINFO")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "0")
    with pytest.raises(RemoteError) as caught:
        Ledger.open(ada.path).sync("web")
    assert f"{REACH}; GIT_CONFIG_COUNT is not used: say the same in ~/.gitconfig" == caught.value.hint


def test_objects_are_checked_though_the_user_asks_for_no_check(ada: Ledger, hub: Path) -> None:
    """Git's own check of what arrives is the promise of a sync, and not of the user's other repositories."""
    set_globally("fetch.fsckObjects", "false")
    author = "Eve <eve@example.com 1795000000 +0000"  # the address does not end
    lines = [f"tree {hub_git(hub, 'rev-parse', 'main^{tree}')}", f"parent {hub_tip(hub)}", f"author {author}"]
    text = "\n".join([*lines, "committer Eve <eve@example.com> 1795000000 +0000", "", "by hand", ""])
    commit = hub_git(hub, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", data=text.encode())
    hub_git(hub, "update-ref", "refs/heads/main", commit)
    with pytest.raises(RemoteError, match="fsck"):
        ada.sync()


def test_tags_of_the_history_stay_here(ada: Ledger, hub: Path) -> None:
    """A sync moves the remote's branch and nothing else, also for who has `push.followTags`."""
    set_globally("push.followTags", "true")
    set_globally("user.name", "Ada")
    set_globally("user.email", "ada@example.com")
    ada.save("second", "iris")
    git(ada, "tag", "-a", "-m", "mine", "mine", "main")
    ada.sync()
    assert "refs/heads/main" == hub_git(hub, "for-each-ref", "--format=%(refname)")


def test_a_branch_that_the_remote_cannot_read_is_told_with_a_way(ada: Ledger, hub: Path) -> None:
    """Such as a file that a power cut has emptied: no object is lost, and once it is gone the next hint leads on."""
    branch = hub / "refs" / "heads" / "main"
    branch.write_text("")
    ada.save("second", "iris")
    with pytest.raises(RemoteError, match="cannot read its branch main") as caught:
        ada.sync()
    assert "delete the file refs/heads/main in the remote" in caught.value.hint
    branch.unlink()
    with pytest.raises(HistoryRewrittenError) as restored:
        ada.sync()
    subprocess.run(shlex.split(restored.value.hint.split("`")[1])[1:], cwd=ada.git_dir, check=True)
    assert ("iris@2",) == ada.sync().pushed


def test_a_push_is_made_though_the_user_pushes_only_submodules(ada: Ledger) -> None:
    """A history has none: with that setting Git would push nothing, and report success."""
    set_globally("push.recurseSubmodules", "only")
    ada.save("second", "iris")
    assert ada.sync().pushed


def test_a_shallow_remote_is_refused(ada: Ledger, hub: Path, tmp_path: Path) -> None:
    """A history that is cut off cannot be checked; Git fetches nothing from it, and says so by nothing."""
    ada.save("second", "iris")
    ada.sync()
    shallow = tmp_path / "shallow.git"
    hub_git(hub, "clone", "-q", "--bare", "--depth", "1", hub.as_uri(), str(shallow))
    with pytest.raises(RemoteError, match="it is a shallow clone") as caught:
        Ledger.clone(shallow, tmp_path / "copy")
    assert "git fetch --unshallow" in caught.value.hint


def test_grafts_of_a_remote_have_no_part_in_a_clone(ada: Ledger, hub: Path, tmp_path: Path) -> None:
    """Git would leave out what is behind a commit that a repository's `info/grafts` says to have no parents."""
    ada.save("second", "iris")
    ada.sync()
    (hub / "info" / "grafts").write_text(f"{hub_tip(hub)}\n")
    copy = Ledger.clone(hub, tmp_path / "copy")
    (hub / "info" / "grafts").unlink()
    assert ["1", "2"] == [version.version for version in copy.versions("iris")]


def _checked_out(folder: Path) -> Path:
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    return folder


def _of_sha256(folder: Path) -> Path:
    subprocess.run(["git", "init", "-q", "--bare", "--object-format=sha256", "-b", "main", str(folder)], check=True)
    return folder


def _of_later_git(folder: Path) -> Path:
    subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True)
    for setting, value in (("extensions.later", "yes"), ("core.repositoryFormatVersion", "1")):
        subprocess.run(["git", "config", "--file", str(folder / "config"), setting, value], check=True)
    return folder


@pytest.mark.parametrize(
    ("make", "advice"),
    [(_checked_out, "a bare repository"), (_of_sha256, "object-format=sha1"), (_of_later_git, "install a later one")],
)
def test_the_hint_says_which_repository_would_do(
    ada: Ledger, tmp_path: Path, make: Callable[[Path], Path], advice: str
) -> None:
    """A remote that cannot take a history is not the fault of who runs it."""
    write_remote(ada.path, "other", str(make(tmp_path / "other")))
    with pytest.raises(RemoteError) as caught:
        Ledger.open(ada.path).sync("other")
    assert advice in caught.value.hint


@pytest.mark.parametrize("has_moved", [False, True])
def test_a_broken_setting_of_the_user_is_told_as_one(
    ada: Ledger, hub: Path, tmp_path: Path, *, has_moved: bool
) -> None:
    """Whichever of Git's commands stumbles over it first, neither the URL, the network nor the history is to blame."""
    if has_moved:
        bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
        bob.save("of bob", "iris")
        bob.sync()
    ada.save("second", "iris")
    own = Path(os.environ["HOME"], ".gitconfig")
    for setting in ("[core", "[core]\ncompression = zz", "[core]\ncompression = 99", "[protocol]\nversion = 9"):
        own.write_text(f"{setting}\n")
        with pytest.raises(RemoteError) as caught:
            ada.sync()
        assert "`git config --list --show-origin`" in caught.value.hint
    own.unlink()
    assert ada.sync().pushed


def test_a_push_that_is_too_large_for_the_remote_is_told(ada: Ledger, hub: Path) -> None:
    """The hint names the setting that bounds it."""
    hub_git(hub, "config", "receive.maxInputSize", "100")
    ada.save("second", "iris")
    with pytest.raises(RemoteError, match="exceeds maximum allowed size") as caught:
        ada.sync()
    assert "`receive.maxInputSize`" in caught.value.hint


def test_a_push_that_the_user_wants_signed_and_the_remote_does_not_is_told(ada: Ledger) -> None:
    """The hint has the setting that signs only where the remote asks for it."""
    set_globally("push.gpgSign", "true")
    ada.save("second", "iris")
    with pytest.raises(RemoteError, match="signed push") as caught:
        ada.sync()
    assert "`git config --global push.gpgSign if-asked`" in caught.value.hint
    set_globally("push.gpgSign", "if-asked")
    assert ada.sync().pushed


def test_a_branch_that_is_named_like_a_ref_is_told(ada: Ledger, hub: Path) -> None:
    """Git pushes to no branch while another one ends like the whole name of it; whoever may push can take it away."""
    ada.save("first", "iris")
    ada.sync()
    twin = "refs/heads/refs/heads/main"
    hub_git(hub, "update-ref", twin, "refs/heads/main")
    ada.save("second", "iris")
    with pytest.raises(RemoteError, match="matches more than one") as caught:
        ada.sync()
    assert "`git push URL --delete REF`" in caught.value.hint
    git(ada, "push", str(hub), "--delete", twin)
    assert ada.sync().pushed


def test_a_git_that_is_too_old_is_told(ada: Ledger, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL and the network are not to blame."""
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    bob.save("of bob", "iris")
    bob.sync()
    old = program(tmp_path / "bin" / "git", _OLD_GIT.replace("{git}", shutil.which("git") or ""))
    monkeypatch.setenv("PATH", f"{old.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(RemoteError) as caught:
        ada.sync()
    assert "Git is too old here: install 2.29 or a later one" == caught.value.hint
    monkeypatch.undo()


def test_a_git_that_was_killed_is_told_from_one_that_gives_no_reason(
    ada: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that has run out of memory kills it without a word."""
    killed = program(tmp_path / "bin" / "git", "#!/bin/sh\nkill -KILL $$\n")
    monkeypatch.setenv("PATH", f"{killed.parent}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(RemoteError, match=r"cannot ask origin \(.*\): ended by signal 9"):
        ada.sync()
    monkeypatch.undo()


def test_a_remote_that_holds_no_ledger_is_called_so(ada: Ledger, tmp_path: Path) -> None:
    """Whether it is met by a sync or by a clone."""
    project = new_hub(tmp_path / "project")
    push_by_hand(project, add={"main.py": b"print()"}, parents=())
    write_remote(ada.path, "project", str(project))
    with pytest.raises(FormatError, match=r"holds no ledger: there is no ledger\.json"):
        Ledger.open(ada.path).sync("project")
    with pytest.raises(FormatError, match=r"holds no ledger: there is no ledger\.json"):
        Ledger.clone(project, tmp_path / "copy")


def test_a_remote_of_a_later_format_is_called_so(ada: Ledger, hub: Path, tmp_path: Path) -> None:
    """What a later program did to its marker, and whatever else, is not judged by this one."""
    before = ada.revision
    marker = b'{\n  "features": [],\n  "format": 2\n}'
    push_by_hand(hub, remove=("ledger.json",), add={"ledger.json": marker})
    for meet in (ada.sync, lambda: Ledger.clone(hub, tmp_path / "copy")):
        with pytest.raises(UnsupportedFormatError, match="format 2") as caught:
            meet()
        assert "upgrade ledger" in caught.value.hint
    assert before == ada.revision


def test_a_history_that_was_rewritten_here_is_called_so(ada: Ledger) -> None:
    """Who filters the own history has the remote's to go back to, and is told how."""
    root = git(ada, "commit-tree", "main^{tree}", "-m", "filtered", data=b"", **EVE)
    before = ada.revision
    git(ada, "update-ref", "refs/heads/main", root)
    with pytest.raises(IntegrityError, match=f"the history here was rewritten: its branch is at {root}") as caught:
        ada.sync()
    assert "git reflog main" in caught.value.hint
    git(ada, "update-ref", "refs/heads/main", before)
    assert before == ada.sync().commit


@pytest.mark.parametrize("what", [("refs/heads/main", "main~1"), ("-d", "refs/heads/main")])
def test_a_branch_that_was_moved_back_is_restored_as_the_hint_says(
    ada: Ledger, hub: Path, what: tuple[str, ...]
) -> None:
    """Any ledger that knows what a remote held can give it back, by plain Git and without force."""
    before = hub_tip(hub)
    hub_git(hub, "update-ref", *what)
    with pytest.raises(HistoryRewrittenError) as caught:
        ada.sync()
    command = caught.value.hint.split("`")[1]
    words = shlex.split(command)
    assert ["ledger", "git", "push"] == words[:3]
    assert 0 == run_git(ada.git_dir, *words[2:]).returncode
    assert before == ada.sync().commit


def test_a_disk_that_fills_up_while_git_fetches(ada: Ledger, hub: Path, tmp_path: Path) -> None:
    """It is a full disk, and not a remote that cannot be reached; with room, the next one succeeds."""
    for _ in range(2):
        ada.save("large", "large", run_metadata={"noise": os.urandom(400_000).hex()})
    ada.sync()
    with disk_at(tmp_path / "disk", "1m") as disk:
        (disk / "filler").write_bytes(bytes(500_000))
        with pytest.raises(DiskFullError, match="No space left on device"):
            Ledger.clone(hub, disk / "copy")
        remount(disk, "size=16m")
        assert ada.revision == Ledger.clone(hub, disk / "copy").revision


def test_a_fetch_that_runs_out_of_room_at_any_page_fails_for_the_disk_here(
    ada: Ledger, hub: Path, tmp_path: Path
) -> None:
    """Of an index Git says it in other words, and of a ref not why; neither is a remote that cannot be reached."""
    ada.save("first", "first")
    ada.sync()
    with disk_at(tmp_path / "disk", "16m") as disk:
        ben = Ledger.clone(hub, disk / "ben")
        ada.save("second", "second")
        ada.sync()
        failures = 0
        for pages in range(64):
            for left in ben.git_dir.glob("objects/pack/tmp_*"):
                left.unlink()
            with (disk / "filler").open("wb") as filler:
                os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(disk).free - pages * 4096 or 1)
            try:
                ben.sync()
                break
            except StorageError:
                failures += 1
        assert failures > 1
        assert ada.revision == ben.revision


@pytest.mark.usefixtures("ada")
def test_a_limit_on_the_size_of_files_is_what_git_fails_for(hub: Path, tmp_path: Path) -> None:
    """A limit (`ulimit -f`) ends no Git before it can say so, and no advice hides it; it counts as a full disk."""
    program = f"ulimit -f 1 && exec {shlex.quote(sys.executable)} -m ledger clone {hub} {tmp_path / 'copy'}"
    done = subprocess.run(["bash", "-c", program], check=False, capture_output=True, text=True)
    assert (8, True, False) == (done.returncode, "File too large" in done.stderr, "graft" in done.stderr)
