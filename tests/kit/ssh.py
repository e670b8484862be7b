"""A real SSH server for tests, where one is installed, which lets one key of a test's own in."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from getpass import getuser
from pathlib import Path

from tests.kit.ports import free_port, wait_for

PROGRAM = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
"""OpenSSH's server, or ``None``."""


@dataclass
class Host:
    """This machine as it is seen over SSH; ``key`` is the private key that it lets in."""

    port: int
    key: Path
    process: subprocess.Popen[bytes]
    silent: list[str] = field(default_factory=list)

    def url(self, folder: Path) -> str:
        """A folder of this machine, behind SFTP."""
        return f"sftp://{getuser()}@127.0.0.1:{self.port}{folder}"

    def fall_silent(self) -> None:
        """Stop whoever serves a connection: all stay open, and nobody answers."""
        self.silent = self._children_of(self.process.pid)
        for child in self.silent:
            self.silent += self._children_of(int(child))
            subprocess.run(["kill", "-STOP", child], check=True)

    def stop(self) -> None:
        """End the server and every connection."""
        children = self._children_of(self.process.pid)
        self.process.kill()
        self.process.wait()
        for child in children:
            subprocess.run(["kill", child], check=False)

    def _children_of(self, process: int) -> list[str]:
        return Path(f"/proc/{process}/task/{process}/children").read_text().split()


@contextmanager
def running_host(folder: Path) -> Iterator[Host]:
    """A server of this process, with everything that it needs in a folder; it ends with the block."""
    assert PROGRAM is not None
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    port = free_port()
    settings = {
        "ListenAddress": "127.0.0.1",
        "Port": port,
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "user.pub",
        "StrictModes": "no",
        "PidFile": "none",
        "Subsystem": "sftp internal-sftp",
    }
    (folder / "settings").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # without it the server of Debian does not start
    process = subprocess.Popen([PROGRAM, "-D", "-f", str(folder / "settings")], stderr=subprocess.DEVNULL)
    host = Host(port, folder / "user", process)
    try:
        wait_for(port)
        yield host
    finally:
        process.kill()
        process.wait()
        for child in host.silent:
            subprocess.run(["kill", "-KILL", child], check=False)
