"""Ledgers that several tests begin with: made once, and copied."""

import subprocess
from collections.abc import Callable
from pathlib import Path


def copy_of(model: Path, target: Path, make: Callable[[Path], object]) -> Path:
    """Copy a folder, which is made when the first test needs it, into another one; returns that."""
    if not model.exists():
        make(model)
    target.mkdir(exist_ok=True)
    subprocess.run(["cp", "-Rp", f"{model}/.", str(target)], check=True)
    return target
