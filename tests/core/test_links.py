"""Links of a version that somebody else's program saved, on every way out of the ledger."""

import errno
import json
import os
from pathlib import Path

import pytest

from ledger import ArtifactVersion, Ledger
from ledger.errors import IntegrityError, StorageError
from ledger.materializers import PathMaterializer
from ledger.records import encode
from tests.kit.contents import forged_links
from tests.kit.ledgers import damage, files_below, forge, objects_of

BAD: list[dict[str, str]] = [
    {"d/a": "/etc/passwd"},
    {"d/a": "../mine"},
    {"d/a": "../../mine"},
    {"d/a": "b/" * 2049},
    {"d/far": "p/q/here/../../..", "d/p/q/here": "."},
]


def planted(ledger: Ledger, links: dict[str, str]) -> ArtifactVersion:
    """A version whose files are these links, as no writer saves them."""
    content = json.loads(encode(forged_links(ledger.store, links)))
    changes = {"materializer": PathMaterializer.REGISTRY_KEY, "data_type": "pathlib.Path", "visualizations": []}
    forge(ledger, ledger.save("hello", "x"), content=content, **changes)
    return Ledger.open(ledger.path).get("x", "2")


@pytest.mark.parametrize("links", BAD, ids=str)
def test_a_link_that_leads_out_is_in_no_zip(ledger: Ledger, tmp_path: Path, links: dict[str, str]) -> None:
    """Whoever unpacks a zip gets no link that restoring would refuse; none is written."""
    (target := tmp_path / "out").mkdir()
    with pytest.raises(IntegrityError, match="which no writer saves"):
        planted(ledger, links).download_files(target / "x.zip")
    assert {} == files_below(target)


@pytest.mark.parametrize("links", [*BAD, {"x": ".bashrc"}], ids=str)
def test_a_check_reports_links_that_lead_out(ledger: Ledger, links: dict[str, str]) -> None:
    """What can never be restored is not called sound, though every byte is what its digest says.

    A quick check reads no bytes, and so no links.
    """
    planted(ledger, links)
    assert Ledger.open(ledger.path).verify(deep=False).ok
    [problem] = Ledger.open(ledger.path).verify().problems
    assert ("corrupt", "x@2", ("x@2",)) == (problem.kind, problem.label, problem.versions)
    assert "which no writer saves" in problem.message


def test_links_in_damaged_bytes_are_one_problem(ledger: Ledger, tmp_path: Path) -> None:
    """Where the bytes of a link are damaged, the problem is that of the object alone."""
    (tree := tmp_path / "tree").mkdir()
    (tree / "latest").symlink_to("1")
    ledger.save(tree, "x")
    [chunk] = objects_of(ledger, "chunks")
    damage(chunk)
    assert [f"chunks/{chunk.parent.name}/{chunk.name}"] == [problem.object for problem in ledger.verify().problems]


def test_links_that_stay_inside_are_in_the_zip(ledger: Ledger, tmp_path: Path) -> None:
    """Links to what lies beside, above inside of the folder, or nowhere, are as good in a zip as in a folder."""
    links = {"d/a": "b/c", "d/b/c": "../a/../e", "d/loop": "loop", "d/top": "."}
    assert planted(ledger, links).download_files(tmp_path / "x.zip").exists()
    assert Ledger.open(ledger.path).verify().ok


def test_a_link_by_itself_is_not_put_beside_the_users_files(ledger: Ledger, tmp_path: Path) -> None:
    """A version that is one link becomes no link in the user's folder, where it would lead to another file of his."""
    (home := tmp_path / "home").mkdir()
    (home / ".bashrc").write_text("mine")
    version = planted(ledger, {"x": ".bashrc"})
    for way in (version.restore, version.download_files):
        with pytest.raises(IntegrityError, match="a link by itself"):
            way(home / "out.zip")
    assert [".bashrc"] == [path.name for path in home.iterdir()]


def test_a_link_in_a_folder_of_its_own_stays_there(ledger: Ledger, tmp_path: Path) -> None:
    """Where a folder that holds nothing but a link was registered, it is restored as a folder."""
    (folder := ledger.path / "store" / "raw").mkdir()
    (folder / "latest").symlink_to("2")
    restored = ledger.register(folder, "raw").restore(tmp_path / "out")
    assert ["latest -> 2"] == [f"{path.name} -> {path.readlink()}" for path in restored.iterdir()]


def test_a_file_system_without_links_is_named(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a link that is restored to a USB stick is an error that names the link, and nothing half."""
    (folder := ledger.path / "store" / "raw").mkdir()
    (folder / "latest").symlink_to("2")
    version = ledger.register(folder, "raw")

    (tmp_path / "stick").mkdir()

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(StorageError, match="raw@1: the link 'latest' cannot be made") as caught:
        version.restore(tmp_path / "stick" / "out")
    assert "unlike FAT" in caught.value.hint
    assert [] == list((tmp_path / "stick").iterdir())
