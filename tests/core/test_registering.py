"""`register_artifact`: data in the store is linked where it lies, and watched."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
import pytest

from ledger import ArtifactVersion, Ledger, Progress, progress
from ledger.blobs import Store, check_linked
from ledger.core import version_checking
from ledger.enums import ArtifactType
from ledger.errors import IntegrityError, LedgerError, OutsideStoreError, UnsupportedFileError, VersionExistsError
from ledger.records import Content
from tests.kit.ledgers import files_below, git, state_of, store_of


@pytest.fixture
def raw(ledger: Ledger) -> Path:
    """A folder of data in the store."""
    folder = store_of(ledger) / "raw"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.csv").write_text("a,b\n1,2\n")
    (folder / "sub" / "b.bin").write_bytes(bytes(1000))
    return folder


@pytest.fixture
def registered(ledger: Ledger, raw: Path) -> ArtifactVersion:
    """That folder, registered."""
    return ledger.register(raw, "raw")


def test_data_is_linked_not_copied(ledger: Ledger, raw: Path) -> None:
    """Registering writes no byte into the store, and loads as the path where the data lies."""
    before = files_below(store_of(ledger))
    saved = ledger.register(raw, "raw", tags=["t"], run_metadata={"rows": 1}, artifact_type=ArtifactType.MODEL)
    assert before == files_below(store_of(ledger))
    assert isinstance(ledger.load("raw"), Path)
    assert raw == ledger.load("raw")
    assert (("t",), 1, ArtifactType.MODEL) == (saved.tags, saved.metadata["rows"], saved.type)


def test_names_that_no_bucket_takes_are_refused(ledger: Ledger, raw: Path) -> None:
    """All of them at once, and before a version has them that no sync with a bucket could ever bring there."""
    (raw / "tab\t.csv").write_text("")
    (raw / "sub" / "line\n").mkdir()
    with pytest.raises(UnsupportedFileError) as caught:
        ledger.register(raw, "raw")
    told = "it holds '{}', which no object store takes"
    expected = ("'sub/line\\n': " + told.format("\\n"), "'tab\\t.csv': " + told.format("\\t"))
    assert expected == caught.value.facts["problems"]
    assert [] == ledger.artifacts()


def test_a_registered_version_knows_its_files(registered: ArtifactVersion, raw: Path) -> None:
    """Size, files, digest, type and place are recorded, sub folders included."""
    assert {"a.csv": 8, "sub/b.bin": 1000} == {file.path: file.size for file in registered.files()}
    assert (1008, 1008) == (registered.size, registered.metadata["storage_size"])
    assert ("preexisting", "pathlib.Path", ArtifactType.DATA) == (
        registered.save_type,
        registered.data_type,
        registered.type,
    )
    assert str(raw) in registered.uri
    assert registered.digest.startswith("sha256:")


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}", "file://localhost{}", "local://{}"])
def test_paths_of_every_form_are_taken(ledger: Ledger, raw: Path, form: str) -> None:
    """A str, a Path, a URL as a store may have and a trailing slash mean the same folder."""
    assert raw == ledger.register(form.format(raw), "raw").load() == ledger.register(raw, "path").load()


def test_a_relative_path_is_taken_from_the_working_directory(
    ledger: Ledger, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path that leads into the store is as good as an absolute one."""
    monkeypatch.chdir(store_of(ledger))
    assert raw == ledger.register("raw", "here").load()
    monkeypatch.chdir(raw / "sub")
    assert raw == ledger.register("..", "up").load()


def test_a_single_file_can_be_registered(ledger: Ledger, raw: Path) -> None:
    """One file is a version of one file, and loads as its path."""
    saved = ledger.register(raw / "a.csv", "file")
    assert (raw / "a.csv", 8) == (saved.load(), saved.size)
    assert ["a.csv"] == [file.path for file in saved.files()]


def test_data_outside_is_refused(ledger: Ledger, raw: Path, tmp_path: Path) -> None:
    """Outside, beside, behind a link, missing, the store itself and its objects: all are FileNotFoundErrors."""
    store = store_of(ledger)
    evil = store.with_name("store_evil")
    evil.mkdir()
    (evil / "a.txt").write_text("a")
    (tmp_path / "a.txt").write_text("outside")
    (store / "link").symlink_to(tmp_path)
    (raw / "inner").symlink_to(tmp_path / "a.txt")
    ledger.save(1, "x")
    before = git(ledger, "rev-parse", "main")
    bad = [tmp_path / "a.txt", evil, evil / "a.txt", store / "link", store / "link" / "a.txt", raw / "inner"]
    bad += [
        store / "nowhere",
        store / "raw" / ".." / ".." / "store_evil",
        store,
        store / "chunks",
        store / "store.json",
    ]
    for path in bad:
        with pytest.raises(FileNotFoundError) as caught:
            ledger.register(path, "raw")
        assert OutsideStoreError is type(caught.value)
        assert str(path) in str(caught.value)
        assert str(store) in str(caught.value)
        assert "save_artifact(Path(" in caught.value.hint
    assert before == git(ledger, "rev-parse", "main")


def test_a_link_inside_that_leads_out_is_refused(ledger: Ledger, raw: Path, tmp_path: Path) -> None:
    """A folder with a link to somewhere else cannot be vouched for, and nothing is published."""
    (raw / "out").symlink_to(tmp_path)
    before = state_of(ledger)
    with pytest.raises(LedgerError, match="out"):
        ledger.register(raw, "raw")
    assert before == state_of(ledger)


@pytest.mark.parametrize("change", ["changed", "same size", "removed", "added"])
def test_a_later_change_is_detected(registered: ArtifactVersion, raw: Path, change: str) -> None:
    """A file that was changed, removed or added is named on load, in an error of the version."""
    path = {"changed": "a.csv", "same size": "sub/b.bin", "removed": "sub/b.bin", "added": "sub/c.txt"}[change]
    if change == "removed":
        (raw / path).unlink()
    else:
        (raw / path).write_bytes(b"\1" * 1000 if change == "same size" else b"other")
    with pytest.raises(IntegrityError) as caught:
        registered.load()
    assert path in str(caught.value)
    assert "raw@1" in str(caught.value)
    assert ("raw", "1") == (caught.value.name, caught.value.version)  # type: ignore[attr-defined]
    assert "register" in caught.value.hint


def test_changed_data_can_be_registered_again(ledger: Ledger, raw: Path, registered: ArtifactVersion) -> None:
    """After a change the data is registered as a new version, while the old one stays an error."""
    (raw / "a.csv").write_text("a,b\n3,4\n")
    assert ("2", raw) == (ledger.register(raw, "raw").version, ledger.load("raw"))
    with pytest.raises(IntegrityError):
        ledger.load("raw", 1)
    assert [("raw@1", "corrupt")] == [(problem.label, problem.kind) for problem in ledger.verify().problems]


def test_the_same_data_can_be_registered_twice(ledger: Ledger, raw: Path, registered: ArtifactVersion) -> None:
    """The same data again is a new version of the same digest, and may have another name too."""
    again = ledger.register(raw, "raw")
    assert ("2", registered.digest) == (again.version, again.digest)
    assert registered.digest == ledger.register(raw, "other").digest


def test_a_check_reads_equal_data_once(ledger: Ledger, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many versions it has; where it is damaged, each of them is named."""
    for name in ("raw", "raw", "other"):
        ledger.register(raw, name)
    read: list[str] = []

    def noting(store: Store, content: Content, *, label: str) -> None:
        read.append(label)
        check_linked(store, content, label=label)

    monkeypatch.setattr(version_checking, "check_linked", noting)
    assert ledger.verify().ok
    assert 1 == len(read)
    (raw / "a.csv").write_text("a,b\n3,4\n")
    assert {"raw@1", "raw@2", "other@1"} == {problem.label for problem in ledger.verify().problems}


def test_a_taken_version_is_refused(ledger: Ledger, raw: Path, registered: ArtifactVersion) -> None:
    """Registering obeys the same rule for versions as saving."""
    with pytest.raises(VersionExistsError):
        ledger.register(raw, "raw", 1)


def test_many_files_can_be_registered(ledger: Ledger) -> None:
    """A folder of more files than a manifest lists is watched file by file as well."""
    folder = store_of(ledger) / "many"
    folder.mkdir()
    for number in range(150):
        (folder / f"{number:03d}.txt").write_text(str(number))
    saved = ledger.register(folder, "many")
    assert 150 == len(saved.files())
    (folder / "077.txt").write_text("changed")
    with pytest.raises(IntegrityError, match=r"077\.txt"):
        ledger.get(saved.id).load()
    # The table that lists them is needed, though the files are not what it says.
    assert () == ledger.verify().orphans


def test_a_ledger_behind_a_link_finds_its_store(tmp_path: Path) -> None:
    """Where the path to the ledger leads through a link, data can be named either way."""
    (tmp_path / "real").mkdir()
    (tmp_path / "alias").symlink_to("real")
    ledger = Ledger.init(tmp_path / "alias" / ".ledger")
    (ledger.path / "store" / "raw").mkdir()
    (ledger.path / "store" / "raw" / "a.txt").write_text("a")
    for base in ("alias", "real"):
        loaded = ledger.register(tmp_path / base / ".ledger" / "store" / "raw", "raw").load()
        assert os.path.samefile(tmp_path / "real" / ".ledger" / "store" / "raw", loaded)


@pytest.mark.parametrize("name", ["a b", "a#b", "a?b", "a%20b", "ü"])
def test_the_uri_of_a_version_leads_back_to_its_data(ledger: Ledger, name: str) -> None:
    """What `uri` says can be registered again, and so can the quoted URL, whatever letters the path has."""
    folder = store_of(ledger) / name
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    saved = ledger.register(folder, "x")
    assert folder == ledger.register(saved.uri, "x").load() == ledger.register(folder.as_uri(), "x").load()


@pytest.mark.parametrize("host", ["bucket", "[::1"])
def test_a_remote_url_is_refused_without_its_secrets(ledger: Ledger, host: str) -> None:
    """Only data of the store can be linked; the error names the URL but neither its user, password nor query."""
    with pytest.raises(FileNotFoundError) as caught:
        ledger.register(f"s3://key:canary@{host}/data?signature=canary", "x")
    assert OutsideStoreError is type(caught.value)
    assert f"s3://{host}/data" in str(caught.value)
    assert "canary" not in str(caught.value) + repr(caught.value.facts)


def test_progress_of_registering_and_loading(ledger: Ledger, raw: Path) -> None:
    """Both count the bytes that they hash."""
    told: list[Progress] = []
    with progress(told.append):
        ledger.register(raw, "raw").load()
    over = [(at.label, at.done) for at in told if at.finished]
    assert [("register raw", 1008), ("load raw@1", 1008)] == over


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger whose store is an object store, with data in it."""
    root = f"memory://{uuid4().hex}"
    files = fsspec.filesystem("memory")
    files.pipe_file(f"{root}/raw/a.csv", b"a,b\n1,2\n")
    files.pipe_file(f"{root}/raw/sub/b.bin", bytes(1000))
    yield Ledger.init(tmp_path / ".ledger", store=root)
    files.rm(root, recursive=True)


@pytest.mark.parametrize("form", [str, Path, lambda url: f"{url}/"])
def test_objects_are_linked_in_place(remote: Ledger, form: Any) -> None:
    """Data in an object store is linked, and loads as the path of a checked local copy."""
    saved = remote.register(form(f"{remote.store.url}/raw"), "raw")
    assert {"a.csv": 8, "sub/b.bin": 1000} == {file.path: file.size for file in saved.files()}
    loaded = saved.load()
    assert ("raw", b"a,b\n1,2\n", bytes(1000)) == (
        loaded.name,
        (loaded / "a.csv").read_bytes(),
        (loaded / "sub" / "b.bin").read_bytes(),
    )
    assert f"{remote.store.url}/raw" == saved.uri
    with saved.open("a.csv") as file:
        assert b"a,b\n" == file.readline()
    assert remote.verify().ok


def test_one_object_loads_as_a_file(remote: Ledger, tmp_path: Path) -> None:
    """A single object is a file under its own name, and its zip holds it."""
    saved = remote.register(f"{remote.store.url}/raw/a.csv", "file")
    assert ("a.csv", "a,b\n1,2\n") == (saved.load().name, saved.load().read_text())
    with zipfile.ZipFile(saved.download_files(tmp_path / "x.zip")) as archive:
        assert ["a.csv"] == archive.namelist()


@pytest.mark.parametrize("key", ["raw/a.csv", "raw/new"])
def test_changed_objects_are_detected(remote: Ledger, key: str) -> None:
    """An object that was changed or added is named on load."""
    saved = remote.register(f"{remote.store.url}/raw", "raw")
    fsspec.filesystem("memory").pipe_file(f"{remote.store.url}/{key}", b"a,b\n9,9\n")
    with pytest.raises(IntegrityError, match="raw@1") as caught:
        saved.load()
    assert repr(key.removeprefix("raw/")) in str(caught.value)


def test_objects_elsewhere_are_refused(remote: Ledger, tmp_path: Path) -> None:
    """Another bucket, a sibling of the store, a local folder, the root and the store's own objects."""
    url = remote.store.url
    remote.save(1, "x")
    for place in (
        f"{url}x/raw",
        "memory://elsewhere/raw",
        "s3://key:canary@bucket/raw",
        tmp_path,
        url,
        f"{url}/chunks",
    ):
        with pytest.raises(OutsideStoreError) as caught:
            remote.register(place, "raw")
        assert "canary" not in str(caught.value) + repr(caught.value.facts)


def test_a_local_path_that_a_store_of_objects_refuses_is_named(remote: Ledger, tmp_path: Path) -> None:
    """The error says which path was given: it is no URL, of which only the public parts would be shown."""
    with pytest.raises(OutsideStoreError, match=f"^cannot register {tmp_path} in the artifact store ") as caught:
        remote.register(tmp_path, "raw")
    assert str(tmp_path) == caught.value.facts["path"]


IN_ASCII = """
import sys
from pathlib import Path

from ledger import Ledger
from ledger.errors import StorageError

ledger, folder = Ledger.open(sys.argv[1]), Path(sys.argv[2])
for act in (lambda: ledger.load("raw"), lambda: ledger.register(folder, "again")):
    try:
        act()
    except StorageError as error:
        print(type(error).__name__, error, error.hint, sep="|")
"""


def test_names_that_the_locale_lacks_are_no_change(ledger: Ledger, raw: Path) -> None:
    """Where file names are ASCII, one of UTF-8 that still lies there is told as such, and not as other data."""
    (raw / "größe.csv").write_text("x")
    ledger.register(raw, "raw")
    command = [sys.executable, "-c", IN_ASCII, str(ledger.path), str(raw)]
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    name = "größe.csv".encode()
    told = f"StorageError|cannot list {raw}: file names are ascii here, and {name!r} is not|set a locale of UTF-8"
    assert [True, True] == [line.startswith(told) for line in said]
