"""Registered data is copied to where somebody puts something meanwhile: nothing of theirs is replaced."""

import os
from pathlib import Path

import pytest

from ledger.blobs import LocalStore, create_store, link_content
from ledger.blobs.stores.buckets import BucketStore
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.errors import IntegrityError
from ledger.records import Content
from tests.kit.contents import copy_content
from tests.kit.faults import Proxy, Request
from tests.kit.s3 import Bucket

KEY = "raw/in/1.csv"


@pytest.fixture
def source(store: LocalStore) -> LocalStore:
    """A store with a folder of the user's own."""
    for number in range(3):
        (store.root / f"raw/in/{number}.csv").parent.mkdir(parents=True, exist_ok=True)
        (store.root / f"raw/in/{number}.csv").write_text(f"{number}\n")
    return store


@pytest.fixture
def content(source: LocalStore) -> Content:
    """That folder, registered."""
    return link_content(source, source.root / "raw/in")


@pytest.fixture
def target(tmp_path: Path) -> LocalStore:
    """Another store, with an empty folder in the place of that one."""
    made = create_store(str(tmp_path / "target"))
    assert isinstance(made, LocalStore)
    (made.root / "raw/in").mkdir(parents=True)
    return made


def write_meanwhile(monkeypatch: pytest.MonkeyPatch, path: Path, text: str) -> None:
    """Let there be a file once the first copy was made, and before any has its name."""
    really = os.fsync

    def write(descriptor: int) -> None:
        really(descriptor)
        path.write_text(text)

    monkeypatch.setattr(os, "fsync", write)


def test_an_object_that_somebody_put_meanwhile_stays(
    source: LocalStore, content: Content, bucket: Bucket, proxy: Proxy
) -> None:
    """It was not there when the place was looked at, or the listing left it out."""

    def put_before(request: Request) -> None:
        if request.method == "PUT" and request.path.endswith(KEY):
            bucket.plant(KEY, b"another")

    proxy.plan = put_before
    with pytest.raises(IntegrityError, match=f"'raw/in' is another thing in s3://.*{KEY} has other bytes"):
        copy_content(source, BucketStore(bucket.url), content, label="raw@1")
    assert b"another" == bucket.objects()[KEY]


def test_an_object_that_a_listing_left_out_stays(
    source: LocalStore, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing relies on a listing being complete."""
    far = FsspecStore(f"memory://{source.root}")
    far.put(KEY, [b"another"])
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.find", lambda *_, **__: [])
    with pytest.raises(IntegrityError, match=f"{KEY} has other bytes"):
        copy_content(source, far, content, label="raw@1")
    assert b"another" == far.get(KEY)


def test_a_file_that_somebody_wrote_meanwhile_stays(
    source: LocalStore, target: LocalStore, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files take their names one by one, and none takes one that is taken."""
    write_meanwhile(monkeypatch, target.root / KEY, "another")
    with pytest.raises(IntegrityError, match=r"'raw/in' is another thing in file://.*'1\.csv'"):
        copy_content(source, target, content, label="raw@1")
    assert "another" == (target.root / KEY).read_text()


def test_a_file_that_another_sync_brought_meanwhile_is_no_other(
    source: LocalStore, target: LocalStore, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two may bring the same data to one folder at the same time."""
    write_meanwhile(monkeypatch, target.root / KEY, "1\n")
    copy_content(source, target, content, label="raw@1")
    assert content == link_content(target, target.root / "raw/in")
