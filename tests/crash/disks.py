"""Disks whose power can be cut: file systems in an image file, mounted through a loop device.

The kernel's shutdown ioctl stops a file system as a power cut does: with its journal's
tail lost, or with the journal kept and the data lost that was not written yet. Takes root.
"""

import contextlib
import errno
import fcntl
import functools
import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SHUTDOWN = 0x8004587D
JOURNAL_KEPT, JOURNAL_LOST = 1, 2

MAKERS = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}
# By itself ext4 writes its journal every 5 seconds, and on a busy machine what was never synced would survive.
_OPTIONS = {"ext4": "loop,commit=300", "xfs": "loop"}
_TRIES, _PAUSE = 50, 0.1
_BYTES = 320 << 20  # xfs takes no less than 300 MiB; the file is sparse


class Disk:
    """A mounted file system in an image file."""

    def __init__(self, folder: Path, file_system: str) -> None:
        self._image = folder / f"{file_system}.img"
        self.root = folder / file_system
        self._options = _OPTIONS[file_system]
        self.root.mkdir()
        with self._image.open("wb") as image:
            image.truncate(_BYTES)
        _run(*MAKERS[file_system], str(self._image))

    def mount(self) -> None:
        """Mount it, which replays its journal."""
        _run("mount", "-o", self._options, str(self._image), str(self.root))

    def unmount(self) -> None:
        """Unmount it."""
        _run("umount", str(self.root))

    def settle(self) -> None:
        """Make everything on it durable."""
        _run("sync", "-f", str(self.root))

    def cut_power(self, how: int) -> None:
        """Stop it as a power cut does, and bring it up again."""
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", how))
        finally:
            os.close(descriptor)
        self.unmount()
        self.mount()
        for _ in range(_TRIES):
            if self._is_up():
                return
            # Whoever looks at new devices may have kept the one that was stopped: it goes when they let go.
            self.unmount()
            time.sleep(_PAUSE)
            self.mount()
        raise OSError(errno.EIO, "the disk does not come up again", str(self.root))

    def _is_up(self) -> bool:
        """Whether it takes a file and makes it durable."""
        probe = self.root / "probe"
        try:
            descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY, 0o600)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            probe.unlink()
        except OSError:
            return False
        return True


@contextlib.contextmanager
def mounted(folder: Path, file_system: str) -> Iterator[Disk]:
    """A fresh disk below a folder, unmounted at the end."""
    disk = Disk(folder, file_system)
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()


@functools.cache
def why_not(file_system: str) -> str:
    """Why there can be no such disk here; empty if there can."""
    if os.geteuid() != 0:
        return "cutting a disk's power takes root"
    if shutil.which(MAKERS[file_system][0]) is None:
        return f"needs {MAKERS[file_system][0]}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with mounted(Path(folder), file_system) as disk:
                disk.cut_power(JOURNAL_LOST)
        except (OSError, subprocess.CalledProcessError) as error:
            return f"no loop mounts of {file_system} here: {error}"
    return ""


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
