"""Remotes that have a history, but not its bytes: bare clones, pushes by plain Git, and ones that were put back."""

import shlex
import shutil
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import HistoryRewrittenError, StoreMismatchError
from ledger.lookup import write_remote
from tests.kit.git import run_git
from tests.kit.ledgers import git, values_by_version


def test_a_clone_that_knows_of_no_store_makes_none_of_its_own(tmp_path: Path, hub: Path) -> None:
    """Where the bytes of what others saved are elsewhere, nothing is published until somebody says where."""
    ada = Ledger.init(tmp_path / "ada" / ".ledger")
    ada.add_remote("origin", str(hub), store=str(tmp_path / "bucket"))
    ada.save("first", "iris")
    ada.sync()
    with pytest.warns(UserWarning, match="the bytes of what was cloned cannot be read yet"):
        bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    bob.save("second", "iris")
    with pytest.raises(StoreMismatchError, match="no artifact store at") as caught:
        bob.sync()
    assert "the bytes of what others saved are elsewhere" in caught.value.hint
    assert not (hub / "ledger-store").exists()
    assert () == ada.sync().fetched
    bob.remove_remote("origin")
    bob.add_remote("origin", str(hub), store=str(tmp_path / "bucket"))
    assert ("iris@2",) == bob.sync().pushed
    ada.sync()
    assert "second" == ada.load("iris")


def test_a_bare_clone_gets_the_bytes_too(tmp_path: Path) -> None:
    """A remote that Git has made of the history holds all versions and no bytes: the first sync brings them."""
    ada = Ledger.init(tmp_path / "ada" / ".ledger")
    ada.save("first", "iris")
    hub = tmp_path / "bare.git"
    assert 0 == run_git(tmp_path, "clone", "-q", "--bare", str(ada.path / "history.git"), str(hub)).returncode
    write_remote(ada.path, "origin", str(hub))
    assert () == ada.sync().pushed
    assert "first" == Ledger.clone(hub, tmp_path / "bob" / ".ledger").load("iris")


def test_what_plain_git_has_pushed_gets_its_bytes(pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path) -> None:
    """The next sync brings them, and if it fails at that, the one after it."""
    ada, bob = pair
    ada.save("second", "iris")
    assert 0 == run_git(ada.path / "history.git", "push", "-q", str(hub), "main").returncode
    (hub / "ledger-store").rename(tmp_path / "away")
    with pytest.raises(StoreMismatchError):
        ada.sync()
    (tmp_path / "away").rename(hub / "ledger-store")
    assert () == ada.sync().pushed
    bob.sync()
    assert {"1": "first", "2": "second"} == values_by_version(bob)


@pytest.mark.parametrize("what", ["moved back", "gone another way"])
def test_a_remote_that_was_put_back_gets_its_bytes_again(pair: tuple[Ledger, Ledger], hub: Path, what: str) -> None:
    """After the command that the refusal names, its store too has what its copy lacked."""
    ada, bob = pair
    shutil.copytree(hub, hub.parent / "copy")
    ada.save("second", "iris")
    ada.sync()
    shutil.rmtree(hub)
    (hub.parent / "copy").rename(hub)
    if what == "gone another way":
        other = Ledger.clone(hub, hub.parent / "other" / ".ledger")
        other.save("instead", "iris")
        other.sync()
    with pytest.raises(HistoryRewrittenError) as caught:
        ada.sync()
    command = next(each for each in caught.value.hint.split("`") if each.startswith("ledger git push"))
    git(ada, *shlex.split(command)[2:])
    ada.sync()
    bob.sync()
    assert {"1": "first", "2": "second"} == values_by_version(bob)


def test_a_remote_that_was_put_back_and_went_on_gets_all_its_bytes(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Refused once more, when it holds more again: what it lacked at first is brought as well."""
    ada, bob = pair
    shutil.copytree(hub, hub.parent / "copy")
    ada.save("second", "iris")
    ada.sync()
    bob.sync()
    ada.save("third", "iris")
    ada.sync()
    shutil.rmtree(hub)
    (hub.parent / "copy").rename(hub)
    with pytest.raises(HistoryRewrittenError):
        ada.sync()
    for each in (bob, ada):
        with pytest.raises(HistoryRewrittenError) as caught:
            each.sync()
        git(each, *shlex.split(caught.value.hint.split("`")[1])[2:])
    ada.sync()
    bob.sync()
    assert {"1": "first", "2": "second", "3": "third"} == values_by_version(bob)
