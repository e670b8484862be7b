"""Stores behind SFTP, over the real protocol, where a server and the library are installed."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.errors import StoreAccessError, StoreUnavailableError
from tests.conftest import check_histories
from tests.kit.contents import noise
from tests.kit.ssh import PROGRAM, Host, running_host
from tests.kit.stores import KEY, StoreContract

if PROGRAM is None or importlib.util.find_spec("paramiko") is None:
    pytest.skip("sshd or paramiko is not installed", allow_module_level=True)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A server that lets this test's user in."""
    folder = tmp_path / "ssh"
    folder.mkdir()
    with running_host(folder) as running:
        keys = Path(os.environ["HOME"]) / ".ssh"
        keys.mkdir()
        shutil.copy(running.key, keys / "id_ed25519")
        yield running


class TestSftpStore(StoreContract):
    """A folder of another machine keeps objects."""

    @pytest.fixture
    def store(self, host: Host, tmp_path: Path) -> FsspecStore:
        return FsspecStore(host.url(tmp_path / "store"))


def test_a_ledger_lives_there(host: Host, tmp_path: Path) -> None:
    """Large and small values, and a folder that lies beside them and is registered by its URL, with the user or not."""
    ledger = Ledger.init(tmp_path / ".ledger", host.url(tmp_path / "far"))
    ledger.save(noise(3_000_000), "large")
    ledger.save({"a": 1}, "small")
    (tmp_path / "far/raw/sub").mkdir(parents=True)
    (tmp_path / "far/raw/sub/a b#1.csv").write_text("1\n")
    again = Ledger.open(ledger.path)
    for url in (host.url(tmp_path / "far/raw"), f"{again.store.url}/raw"):
        assert "1\n" == (again.register(url, "raw").load() / "sub/a b#1.csv").read_text()
    assert (noise(3_000_000), {"a": 1}, True) == (again.load("large"), again.load("small"), again.verify().ok)
    check_histories(tmp_path)


def test_each_write_goes_out_at_once(host: Host, tmp_path: Path) -> None:
    """The system does not keep the last packet of a write back until the one before is acknowledged."""
    store = FsspecStore(host.url(tmp_path / "far"))
    connection = store._files.client.get_transport().sock
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_server_that_falls_silent_is_away(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever for an answer; the next request has a connection of its own."""
    monkeypatch.setattr("ledger.blobs.stores.fsspec_store._SILENT_SECONDS", 0.3)
    store = FsspecStore(host.url(tmp_path / "far"))
    store.put(KEY, [b"bytes"])
    host.fall_silent()
    with pytest.raises(StoreUnavailableError):
        store.get(KEY)
    assert b"bytes" == store.get(KEY)


def test_a_connection_that_ends_early_shows_no_traceback(host: Host, tmp_path: Path) -> None:
    """Where nobody set up logging, our error stands alone."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            server.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        url = f"sftp://ada@127.0.0.1:{server.getsockname()[1]}/far"
        command = [sys.executable, "-m", "ledger", "--ledger", str(tmp_path / "new"), "init", "--store", url]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [10, "Error", "Hint"] == [done.returncode, *(line.partition(":")[0] for line in done.stderr.splitlines())]


def test_a_server_that_is_away_is_that_error(host: Host, tmp_path: Path) -> None:
    """In the process that knew it and in another one; and what asks again finds it when it is back."""
    url = host.url(tmp_path / "far")
    store = FsspecStore(url)
    store.put(KEY, [b"bytes"])
    host.stop()
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            store.get(KEY)
    program = f"from ledger.blobs.stores.fsspec_store import FsspecStore\nFsspecStore({url!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "StoreUnavailableError: cannot open sftp://127.0.0.1" in done.stderr
    with pytest.raises(StoreUnavailableError):
        FsspecStore(url).get(KEY)


def test_who_is_not_let_in_is_told_so(host: Host, tmp_path: Path) -> None:
    """A key that the server does not know, or none."""
    key = Path(os.environ["HOME"]) / ".ssh" / "id_ed25519"
    key.unlink()
    with pytest.raises(StoreAccessError, match="cannot open sftp://127"):
        FsspecStore(host.url(tmp_path / "far"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with pytest.raises(StoreAccessError, match="cannot open sftp://127"):
        FsspecStore(host.url(tmp_path / "far"))
