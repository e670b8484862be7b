"""Small disks, which fill up and can be made read-only; a test that needs one is skipped where none can be made."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def disk_at(folder: Path, size: str) -> Iterator[Path]:
    """A disk of a size as ``mount`` takes it, at a folder that is made for it, or is there and empty."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("making a small disk takes root and the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(disk: Path, options: str) -> None:
    """Change a disk that is there: its size, or whether it can be written to."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)
