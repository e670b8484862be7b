"""Saving when there is no room."""

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import os, resource, sys
from ledger.blobs import ContentReader, ContentWriter, create_store
from ledger.errors import DiskFullError

store = create_store(sys.argv[1])
data = os.urandom(3 << 20)


def save():
    writer = ContentWriter(store)
    with writer.open("a") as file:
        file.write(data)
    return writer.finish()


_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
try:
    save()
except DiskFullError as error:
    print("full:", error.hint)
print(sorted(name for _, _, names in os.walk(store.root) for name in names))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(ContentReader(store, save(), label="a@1").read("a") == data)
"""


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    """A write that does not fit is a DiskFullError, leaves no file, and succeeds once there is room."""
    run = [sys.executable, "-c", _PROGRAM, str(tmp_path / "store")]
    result = subprocess.run(run, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [
        "full: free some space and try again; nothing was published",
        "['store.json']",
        "True",
    ]
