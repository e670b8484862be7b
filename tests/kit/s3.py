"""Real S3 protocol for tests: a server in a process of its own, buckets in it, and their raw objects."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.kit.asking import ask

ROOT = Path(__file__).parents[2]
AUTHORITY = Path(__file__).with_name("nobodys_authority.pem")


@dataclass(frozen=True)
class Bucket:
    """A bucket, seen past every client: requests go straight to the server."""

    port: int
    name: str

    @property
    def url(self) -> str:
        return f"s3://{self.name}/folder"

    def objects(self) -> dict[str, bytes]:
        """Every object below the store's root by its key."""
        return {path.removeprefix("folder/"): self._ask("GET", f"/{self.name}/{path}") for path in self._paths()}

    def uploads(self) -> int:
        """How many multipart uploads are neither completed nor aborted."""
        tree = ET.fromstring(self._ask("GET", f"/{self.name}?uploads"))
        return sum(each.tag.endswith("}Upload") for each in tree.iter())

    def plant(self, key: str, data: bytes) -> None:
        """Put bytes under a key, whatever is there."""
        self._ask("PUT", f"/{self.name}/folder/{key}", data)

    def drop(self, key: str) -> None:
        """Delete the object under a key."""
        self._ask("DELETE", f"/{self.name}/folder/{key}")

    def remove(self) -> None:
        """Delete the bucket with everything in it."""
        for path in self._paths():
            self._ask("DELETE", f"/{self.name}/{path}")
        self._ask("DELETE", f"/{self.name}")

    def make(self) -> None:
        self._ask("PUT", f"/{self.name}")

    def _paths(self) -> list[str]:
        tree = ET.fromstring(self._ask("GET", f"/{self.name}?list-type=2&max-keys=10000"))
        return sorted(str(each.text) for each in tree.iter() if each.tag.endswith("}Key"))

    def _ask(self, method: str, path: str, body: bytes = b"") -> bytes:
        # The server takes any signature, but refuses who has none.
        headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"}
        return ask(self.port, method, path, headers, body)


@contextmanager
def running_server() -> Iterator[int]:
    """The port of a server, which ends with the block, or with this process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV_")}
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.kit.s3_server"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def new_bucket(port: int) -> Bucket:
    """An empty bucket that nobody else uses."""
    bucket = Bucket(port, f"bucket-{uuid.uuid4().hex}")
    bucket.make()
    return bucket


def s3_environment(port: int) -> dict[str, str]:
    """The variables by which every client finds the server.

    Each client reads the certificates of all authorities that it trusts, although nobody shows it one here: the file of
    a single one is read in no time, and the hundreds of the system are not.
    """
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "canary-secret",
        "AWS_REGION": "us-east-1",
        "SSL_CERT_FILE": str(AUTHORITY),
    }
