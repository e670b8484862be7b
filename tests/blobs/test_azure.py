"""Stores in Azure's containers, over Azure's own protocol, where its emulator is installed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ledger import Ledger
from ledger.blobs.stores.buckets import BucketStore
from ledger.errors import StoreAccessError, StoreMismatchError, StoreUnavailableError
from tests.kit.azure import PROGRAM, Container, azure_environment, new_container, running_emulator
from tests.kit.contents import noise
from tests.kit.faults import Fault, on, proxy_before
from tests.kit.stores import KEY, StoreContract, put_at_once

if PROGRAM is None:
    pytest.skip("azurite-blob is not installed", allow_module_level=True)

PACK = "packs/00/" + "a" * 62


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running_emulator() as port:
        yield port


@pytest.fixture
def container(port: int, monkeypatch: pytest.MonkeyPatch) -> Container:
    """An empty container, and an environment that leads to it."""
    for name, value in azure_environment(port).items():
        monkeypatch.setenv(name, value)
    return new_container(port)


class TestAzureStore(StoreContract):
    """A container keeps objects."""

    @pytest.fixture
    def store(self, container: Container) -> BucketStore:
        return BucketStore(container.url)


def test_only_one_creates(container: Container) -> None:
    """Many that put one object at once make one, and nobody overwrites it."""
    put_at_once([BucketStore(container.url) for _ in range(8)])
    assert b"bytes" == BucketStore(container.url).get(KEY)


def test_a_large_file_goes_up_in_parts(container: Container, tmp_path: Path) -> None:
    """A file of several parts is one object afterwards, and once more is compared with it."""
    data = noise(20 << 20)
    (tmp_path / "file").write_bytes(data)
    store = BucketStore(container.url)
    for _ in range(2):
        with open(tmp_path / "file", "rb") as file:
            store.put_file(PACK, file)
    assert data == store.get(PACK)


def test_an_object_with_other_bytes_has_another_etag(container: Container) -> None:
    """The tag stays while the object does, and is another one for other bytes."""
    store = BucketStore(container.url)
    store.put(KEY, [b"one"])
    tag = store.etag(KEY)
    assert (False, tag) == (tag is None, store.etag(KEY))
    container.plant(KEY, b"two")
    assert tag != store.etag(KEY)


def test_a_ledger_lives_in_a_container(container: Container, tmp_path: Path) -> None:
    """Small and large values are saved, found without the cache, and checked."""
    values = {"numbers": np.random.default_rng(0).random(2_000_000), "small": {"lr": 0.1}}
    made = Ledger.init(tmp_path / ".ledger", container.url)
    for name, value in values.items():
        made.save(value, name)
    shutil.rmtree(os.environ["XDG_CACHE_HOME"])
    again = Ledger.open(tmp_path / ".ledger")
    assert values["small"] == again.load("small")
    assert np.array_equal(np.asarray(values["numbers"]), again.load("numbers"))
    assert again.verify().ok


def test_failures_have_their_names(container: Container, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing container, a wrong key and a service that is busy are told apart."""
    with pytest.raises(StoreMismatchError, match="ContainerNotFound"):
        BucketStore("az://nowhere-at-all/folder").get(KEY)
    with proxy_before(container.port) as proxy:
        proxy.plan = on(Fault("answer", status=503, code="ServerBusy"))
        monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", f"http://127.0.0.1:{proxy.port}/emulated")
        with pytest.raises(StoreUnavailableError, match="ServerBusy"):
            BucketStore(container.url).get(KEY)
        proxy.plan = lambda _: None
        monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "d3Jvbmc=")
        with pytest.raises(StoreAccessError):
            BucketStore(container.url).get(KEY)
