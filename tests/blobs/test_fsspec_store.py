"""Stores behind fsspec."""

import ftplib
import json
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from ssl import SSLCertVerificationError
from unittest.mock import Mock

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from ledger.blobs import ContentReader, create_store, store_id
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.errors import ArgumentError, StorageError, StoreAccessError, StoreUnavailableError
from tests.kit.contents import load, noise, save
from tests.kit.ports import free_port
from tests.kit.stores import KEY, StoreContract


class TestMemoryStore(StoreContract):
    """A service that shows complete objects keeps objects."""

    @pytest.fixture
    def store(self) -> FsspecStore:
        return FsspecStore(f"memory://{uuid.uuid4().hex}/store")


class TestRenamingStore(StoreContract):
    """A file system that fsspec can rename on keeps objects."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> FsspecStore:
        return FsspecStore(f"file://{tmp_path}/store")


def test_contents_live_in_any_store() -> None:
    """A large content is saved to and read from a store that is no folder."""
    store = create_store(f"memory://{uuid.uuid4().hex}")
    files = {"a": noise(300_000), "b/c": b"small"}
    assert load(store, save(store, files)) == files


def test_a_store_elsewhere_keeps_its_id() -> None:
    """Creating a store twice gives the same id."""
    url = f"memory://{uuid.uuid4().hex}"
    assert store_id(create_store(url)) == store_id(create_store(url))


def test_a_service_is_asked_in_turn_and_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """As SFTP's library wants it: two threads at once would wait for ever, and it does not count from the end."""
    cat, busy, most, starts = MemoryFileSystem.cat_file, [0], [0], list[int | None]()

    def one_at_a_time(files: MemoryFileSystem, path: str, start: int | None = None, end: int | None = None) -> bytes:
        busy[0] += 1
        most[0] = max(most[0], busy[0])
        starts.append(start)
        time.sleep(0.01)
        busy[0] -= 1
        return bytes(cat(files, path, start=start, end=end))

    monkeypatch.setattr(MemoryFileSystem, "cat_file", one_at_a_time)
    url = f"memory://{uuid.uuid4().hex}/store"
    one, other = FsspecStore(url), FsspecStore(url)  # of one connection
    one.put(KEY, [b"0123456789"])
    starts.clear()
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda store, start: store.get(KEY, start), [one, other] * 2, [-4, 6, 6, -4]))
    assert ([b"6789"] * 4, [6] * 4, 1) == (read, starts, most[0])


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionResetError(), StoreUnavailableError),
        (EOFError(), StoreUnavailableError),
        (OSError("Socket is closed"), StoreUnavailableError),
        (ftplib.error_temp("421 Timeout."), StoreUnavailableError),
        (KeyboardInterrupt(f"cannot read memory://, of {KEY}"), KeyboardInterrupt),
    ],
)
def test_a_connection_that_was_cut_is_made_again(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, told: type[BaseException]
) -> None:
    """A connection that fsspec would give again for ever, as that of SFTP, is not used after a failure."""
    cat, store = MemoryFileSystem.cat_file, FsspecStore(f"memory://{uuid.uuid4().hex}/store")
    store.put(KEY, [b"bytes"])
    dead: list[MemoryFileSystem] = []

    def cut(files: MemoryFileSystem, path: str, **part: int | None) -> bytes:
        if not dead:
            dead.append(files)
        if any(files is each for each in dead):
            raise error
        return bytes(cat(files, path, **part))

    monkeypatch.setattr(MemoryFileSystem, "cat_file", cut)
    with pytest.raises(told, match=f"cannot read memory://.*{KEY}"):
        store.get(KEY)
    assert b"bytes" == store.get(KEY)


def test_a_server_that_does_not_answer_is_away() -> None:
    """The library of WebHDFS and others have an error of their own for that, which is none of the interpreter's."""
    pytest.importorskip("requests")
    with pytest.raises(StoreUnavailableError, match="cannot read webhdfs://"):
        FsspecStore(f"webhdfs://127.0.0.1:{free_port()}/store").has(KEY)


@pytest.mark.parametrize(
    "error", [SSLCertVerificationError(1, "certificate verify failed"), ftplib.error_perm("530 Login incorrect.")]
)
def test_what_asking_again_would_not_open_is_a_matter_of_access(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Such as a certificate that is not valid here, or a password that an FTP server does not know."""
    monkeypatch.setattr(MemoryFileSystem, "info", Mock(side_effect=error))
    with pytest.raises(StoreAccessError, match=r"verify failed|Login incorrect"):
        FsspecStore(f"memory://{uuid.uuid4().hex}").has(KEY)


def test_the_location_is_a_url() -> None:
    """A reader says by URL which object holds a content."""
    url = f"memory://{uuid.uuid4().hex}"
    store = create_store(url)
    content = save(store, {"a": b"bytes"})
    assert ContentReader(store, content, label="iris@3").location.startswith(f"{url}/chunks/")


@pytest.mark.parametrize("protocol", ["memory", "file"])
def test_keys_are_those_below_the_root(protocol: str, tmp_path: Path) -> None:
    """Folders of the store's own path may be called like those in it."""
    store = FsspecStore(f"{protocol}://{tmp_path}/data/packs/store")
    packed = "packs/ab/" + "c" * 62
    store.put(packed, [b"x"])
    store.put("data/data/f", [b"y"])
    assert ([packed], ["data/data/f"]) == (list(store.list("packs")), list(store.list("data")))
    assert ["data/data/f", packed] == list(store.list(""))


def test_secrets_are_no_part_of_the_url() -> None:
    """User, password and query do not show."""
    assert FsspecStore("memory://user:secret@host/store?token=1").url == "memory://host/store"


@pytest.mark.parametrize("url", ["memory://", "memory:///deep/store", "local:///tmp/store"])
def test_the_url_is_the_one_that_was_given(url: str) -> None:
    """With both of its slashes, so that what is registered below it is found there."""
    assert url == FsspecStore(url).url == FsspecStore(f"{url}?token=canary").url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("zip://::file:///nowhere/a.zip?token=canary", "zip://::file:///nowhere/a.zip"),
        ("zip://me:canary@x::memory://canary@bucket/a.zip/", "zip://x::memory://bucket/a.zip"),
        ("zip://::memory:///nowhere/a.zip?token=canary", "zip://::memory:///nowhere/a.zip"),
    ],
)
def test_secrets_are_no_part_of_a_chain_of_urls(url: str, expected: str) -> None:
    """User, password and query of none of them are in what an error says of the place."""
    with pytest.raises(StorageError) as caught:
        FsspecStore(url)
    assert (expected, False) == (caught.value.facts["path"], "canary" in str(caught.value))


@pytest.mark.parametrize(
    "url",
    [
        "simplecache::memory://store",
        "filecache::file:///tmp/store",
        "blockcache::memory://b",
        "zip://::simplecache::memory://a.zip",
    ],
)
def test_copies_that_nobody_checks_are_refused(url: str) -> None:
    """A chain in which fsspec keeps copies would show a check what was there once."""
    with pytest.raises(ArgumentError, match="would be read through copies") as caught:
        FsspecStore(url)
    assert "a cache of its own" in caught.value.hint


def test_templates_at_the_other_end_are_not_run(tmp_path: Path) -> None:
    """Settings may come from anybody: a list of references that they name is refused before it is read."""
    ran = tmp_path / "ran"
    template = f"{{{{ cycler.__init__.__globals__.os.mkdir('{ran}') }}}}"
    listed = {"version": 1, "refs": {}, "gen": [{"key": template, "url": "a", "dimensions": {"i": [1]}}]}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("listed.json", json.dumps(listed))
    with pytest.raises(ArgumentError, match="could have fsspec run what the other end of reference says"):
        FsspecStore(f"reference::zip://listed.json::{tmp_path}/a.zip")
    assert not ran.exists()


@pytest.mark.parametrize(
    "url", ["reference://", "dask://host:8786/store", "zip://::reference://a.zip", "dir::dask://h"]
)
def test_what_runs_what_it_is_told_is_refused_wherever_it_stands(url: str) -> None:
    """In front of a chain, in the middle of one, and by itself."""
    with pytest.raises(ArgumentError, match="could have fsspec run") as caught:
        FsspecStore(url)
    assert "the place itself" in caught.value.hint


@pytest.mark.parametrize("url", ["ledger://iris@1", "dir::ledger://iris@1/store", "zip://::ledger://iris@1/a.zip"])
def test_no_store_is_in_a_version(url: str) -> None:
    """A ledger that had its store in a version of its own would wait for itself for ever."""
    with pytest.raises(ArgumentError, match="would be in a version of a ledger"):
        FsspecStore(url)


@pytest.mark.parametrize(
    "url",
    [
        "dir::file:///tmp/store",
        "dir::local:///tmp/store",
        "dir://::file:///tmp/store",
        "dir://store::dir:///tmp::/",
        "://bucket/store",
    ],
)
def test_a_folder_behind_a_chain_is_refused(url: str) -> None:
    """However the chain is written: nothing that fsspec writes into a folder is made durable; a path is."""
    with pytest.raises(ArgumentError, match="in which nothing is made durable"):
        FsspecStore(url)


def test_a_failed_put_is_a_storage_error(tmp_path: Path) -> None:
    """What keeps an object from being written is a StorageError that names it."""
    (tmp_path / "chunks").write_text("in the way")
    with pytest.raises(StorageError, match=KEY):
        FsspecStore(f"file://{tmp_path}").put(KEY, [b"bytes"])
