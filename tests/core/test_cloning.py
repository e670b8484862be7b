"""What a clone begins with, and when none is made."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.errors import (
    ArgumentError,
    FormatError,
    LedgerExistsError,
    LedgerNotFoundError,
    StoreUnavailableError,
)
from ledger.lookup import write_remote
from tests.kit.hubs import hub_git, hub_tip, push_by_hand
from tests.kit.web import served


def test_a_clone_says_that_its_bytes_cannot_be_read_yet(tmp_path: Path, hub: Path) -> None:
    """Whoever gives no store, or another one than the versions were put to, learns it at once."""
    ada = Ledger.init(tmp_path / "ada" / ".ledger")
    write_remote(ada.path, "origin", str(hub), store=str(tmp_path / "bytes"))
    ada.save("first", "iris")
    ada.sync()
    with pytest.warns(UserWarning, match=r"cannot be read yet: no artifact store at .*config.toml says where they are"):
        bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger")
    for judges in (lambda: bob.load("iris"), bob.verify):
        with pytest.raises(StoreUnavailableError, match="no artifact store at"):
            judges()
    hub_git(hub, "update-server-info")
    with served(hub) as url, pytest.warns(UserWarning, match=r"cannot be read yet: nobody has said where they lie"):
        cy = Ledger.clone(url, tmp_path / "url" / ".ledger")
    with pytest.raises(StoreUnavailableError, match="nobody has said where those are that origin"):
        cy.load("iris")
    config = bob.path / "config.toml"
    config.write_text(f'{config.read_text()}store = "{tmp_path / "bytes"}"\n')
    assert "first" == Ledger.open(bob.path).load("iris")


def test_the_hint_of_a_clone_takes_a_commit_by_hand_back(
    pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path
) -> None:
    """Where there is no ledger yet that knows the commit before, a plain clone of the remote knows it."""
    pair[0].save("one", "iris")
    pair[0].sync()
    tip = hub_tip(hub)
    push_by_hand(hub, add={"README.md": b"hello"})
    with pytest.raises(FormatError, match=r"README\.md: no record") as caught:
        Ledger.clone(str(hub), tmp_path / "mine")
    _, get, _, push, _ = str(caught.value.hint).split("`")
    subprocess.run([*shlex.split(get), "-q", str(hub), "plain"], cwd=tmp_path, check=True)
    subprocess.run([*shlex.split(push), "-q"], cwd=tmp_path / "plain", check=True)
    assert tip == hub_tip(hub)


def test_a_clone_of_a_ledger_directory(ledger: Ledger, tmp_path: Path) -> None:
    """A path to a ledger is enough; its bytes are read where they are."""
    ledger.save([1, 2], "iris")
    copy = Ledger.clone(ledger.path, tmp_path / "copy")
    assert [1, 2] == copy.load("iris")
    assert [] == [path for path in (copy.path / "store").rglob("*") if path.is_file() and path.name != "store.json"]


def test_a_clone_of_a_clone_says_where_more_is(pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path) -> None:
    """What the first clone reads from the hub is no damage in the second one, and is read once the hub is named."""
    _, bob = pair
    bob.save("bob's", "iris")
    path = Ledger.clone(bob.path, tmp_path / "cy" / ".ledger").path
    cy = Ledger.open(path)
    assert "bob's" == cy.load("iris")
    for judges in (lambda: cy.load("iris", 1), cy.verify):
        with pytest.raises(StoreUnavailableError, match=f"origin .* reads some of its own from {hub}") as caught:
            judges()
        assert f"`ledger remote add NAME {hub}`" in caught.value.hint
    cy.add_remote("hub", f"{hub.parent}/./{hub.name}")
    assert ("first", True) == (cy.load("iris", 1), cy.verify().ok)
    shutil.rmtree(bob.path / "store" / "chunks")
    assert "missing" in {problem.kind for problem in cy.verify().problems}


def test_a_clone_of_a_clone_that_was_told_of_a_store_says_where_more_is(
    pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path
) -> None:
    """Whoever says where the own bytes of the first clone are, as for a bucket, says nothing of what it reads."""
    _, bob = pair
    cy = Ledger.clone(bob.path, tmp_path / "cy" / ".ledger", bob.path / "store")
    for judges in (lambda: cy.load("iris"), cy.verify):
        with pytest.raises(StoreUnavailableError, match=f"origin .* reads some of its own from {hub}"):
            judges()


def test_the_store_of_a_remote_does_not_lie_in_the_clone(
    pair: tuple[Ledger, Ledger], hub: Path, tmp_path: Path
) -> None:
    """Who takes it for the clone's own would publish versions whose bytes nobody else can read; nothing is made."""
    with pytest.raises(ArgumentError, match="would lie inside the ledger itself"):
        Ledger.clone(hub, tmp_path / "new", tmp_path / "new" / "store")
    assert not (tmp_path / "new").exists()


def test_a_clone_of_nothing(hub: Path, tmp_path: Path) -> None:
    """An empty hub is no ledger yet, and nothing is made."""
    with pytest.raises(LedgerNotFoundError, match="holds no ledger yet"):
        Ledger.clone(hub, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_remote_without_a_url_is_not_what_lies_around(
    pair: tuple[Ledger, Ledger], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a variable of the shell that is not set: the ledger of the working directory is not meant."""
    monkeypatch.chdir(pair[0].path.parent)
    with pytest.raises(ArgumentError, match="URL '' of remote 'origin'"):
        Ledger.clone("", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_clone_never_replaces(pair: tuple[Ledger, Ledger], hub: Path) -> None:
    """Something that is there is left alone."""
    with pytest.raises(LedgerExistsError):
        Ledger.clone(hub, pair[0].path)


def test_a_clone_goes_on_numbering(pair: tuple[Ledger, Ledger]) -> None:
    """The next version of a clone is the one after the published ones."""
    assert "2" == pair[1].save("x", "iris").version
