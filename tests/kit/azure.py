"""Azure's own protocol for tests: Microsoft's emulator in a process of its own, where it is installed."""

import base64
import hashlib
import hmac
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate

from tests.kit.asking import ask
from tests.kit.ports import free_port, wait_for

PROGRAM = shutil.which("azurite-blob")
"""The emulator (`npm install -g azurite`), or ``None``."""

_ACCOUNT = "emulated"
_KEY = base64.b64encode(b"a key of nobody's account").decode()
_PROTOCOL = "2021-08-06"


@dataclass(frozen=True)
class Container:
    """A container, seen past every client: requests go straight to the emulator."""

    port: int
    name: str

    @property
    def url(self) -> str:
        return f"az://{self.name}/folder"

    def make(self) -> None:
        """Make it; nothing may have its name."""
        self._ask("PUT", f"/{_ACCOUNT}/{self.name}", {"restype": "container"}, {})

    def plant(self, key: str, data: bytes) -> None:
        """Put bytes under a key, whatever is there."""
        self._ask("PUT", f"/{_ACCOUNT}/{self.name}/folder/{key}", {}, {"x-ms-blob-type": "BlockBlob"}, data)

    def _ask(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: bytes = b"") -> bytes:
        headers = {**headers, "x-ms-date": formatdate(usegmt=True), "x-ms-version": _PROTOCOL}
        signature = _signature(method, path, query, headers, len(body))
        headers |= {"Authorization": f"SharedKey {_ACCOUNT}:{signature}", "Content-Length": str(len(body))}
        target = path + "".join(f"?{name}={value}" for name, value in query.items())
        return ask(self.port, method, target, headers, body)


def new_container(port: int) -> Container:
    """An empty container that nobody else uses."""
    container = Container(port, f"container-{uuid.uuid4().hex}")
    container.make()
    return container


def azure_environment(port: int) -> dict[str, str]:
    """The variables by which clients find the emulator."""
    return {
        "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{port}/{_ACCOUNT}",
        "AZURE_STORAGE_ACCOUNT_NAME": _ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": _KEY,
    }


@contextmanager
def running_emulator() -> Iterator[int]:
    """The port of an emulator, which ends with the block."""
    assert PROGRAM is not None
    port = free_port()
    settings = ["--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--blobPort", str(port)]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{_ACCOUNT}:{_KEY}"}
    with subprocess.Popen([PROGRAM, *settings], env=environment, stdout=subprocess.DEVNULL) as emulator:
        try:
            wait_for(port)
            yield port
        finally:
            emulator.kill()


def _signature(method: str, path: str, query: dict[str, str], headers: dict[str, str], length: int) -> str:
    """How Azure has a request signed (https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key)."""
    own = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    asked = "".join(f"\n{name}:{query[name]}" for name in sorted(query))
    # Eleven headers that may be set and are not, but for the length of what is sent.
    standard = ["", "", str(length) if length else "", *[""] * 8]
    text = "\n".join([method, *standard]) + f"\n{own}/{_ACCOUNT}{path}{asked}"
    return base64.b64encode(hmac.digest(base64.b64decode(_KEY), text.encode(), hashlib.sha256)).decode()
