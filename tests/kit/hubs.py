"""A hub that ledgers share through: a bare repository, and commits that somebody else pushed to it."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from ledger import Ledger
from ledger.lookup import write_remote
from tests.kit.copying import copy_of
from tests.kit.git import git_says

EVE = {
    name: value
    for role in ("AUTHOR", "COMMITTER")
    for name, value in ((f"GIT_{role}_NAME", "Eve"), (f"GIT_{role}_EMAIL", "eve@example.com"))
}


def new_hub(folder: Path) -> Path:
    """An empty bare repository."""
    hub = folder / "hub.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(hub)], check=True)
    return hub


def shared(folder: Path, hub: Path) -> Ledger:
    """A new ledger with the hub as its origin."""
    made = Ledger.init(folder / ".ledger")
    write_remote(made.path, "origin", str(hub))
    return Ledger.open(made.path)


def make_two_versions(folder: Path) -> None:
    """A ledger that has shared two versions of ``iris`` with a hub, both in a folder."""
    folder.mkdir()
    made = shared(folder / "a", new_hub(folder))
    made.save("one", "iris")
    made.save("two", "iris")
    made.sync()


def copy_with_hub(model: Path, folder: Path, make: Callable[[Path], object]) -> None:
    """Copy ledgers and the hub that they share through, which are made when the first test needs them."""
    copy_of(model, folder, make)
    for name in ("config.toml", "remote-stores.json"):
        for path in folder.glob(f"*/.ledger/{name}"):
            path.write_text(path.read_text().replace(str(model), str(folder)))


def hub_git(hub: Path, *arguments: str, data: bytes = b"", **environment: str) -> str:
    """What real Git prints about a hub; an error if it fails."""
    return git_says(hub, *arguments, data=data, **{**EVE, **environment})


def hub_tip(hub: Path) -> str:
    """The commit of the hub's branch."""
    return hub_git(hub, "rev-parse", "main")


def push_by_hand(
    hub: Path,
    *,
    add: dict[str, bytes] | None = None,
    remove: tuple[str, ...] = (),
    mode: str = "100644",
    parents: tuple[str, ...] = ("main",),
) -> str:
    """Move the hub's branch to a commit that plain Git makes of its tree; returns the commit."""
    index = str(hub / "index-by-hand")
    hub_git(hub, "read-tree", parents[0], GIT_INDEX_FILE=index) if parents else None
    for path in remove:
        hub_git(hub, "update-index", "--index-info", data=f"0 {'0' * 40}\t{path}\n".encode(), GIT_INDEX_FILE=index)
    for path, data in (add or {}).items():
        blob = hub_git(hub, "hash-object", "-w", "--stdin", data=data)
        hub_git(hub, "update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", GIT_INDEX_FILE=index)
    tree = hub_git(hub, "write-tree", GIT_INDEX_FILE=index)
    above = [word for parent in parents for word in ("-p", parent)]
    commit = hub_git(hub, "commit-tree", tree, *above, "-m", "by hand")
    hub_git(hub, "update-ref", "refs/heads/main", commit)
    os.unlink(index)
    return commit
