"""Many versions of one large file, beside the blocks that edits touch and what restic and borg store.

Nothing is timed here: bytes are counted, and they are the same on every machine.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ledger.blobs import ContentWriter, LocalStore
from tests.benchmarks.measuring import MIB, stored_bytes

BLOCK = 64 << 10
EDITED = 100  # one part in so many
VERSIONS = 10
EDITS = (1, 10, 40)
"""Into how many places the edits of a version are divided."""


class Growth(NamedTuple):
    """Bytes added by ten versions: by us, by others, and of the blocks that were touched."""

    ours: int
    others: dict[str, int]
    touched: int


def report(folder: Path, size: int) -> Iterator[str]:
    """A line for each kind of edit."""
    for places in EDITS:
        found = grow(folder / str(places), size, places)
        others = (
            ", ".join(f"{name} {added / MIB:.1f}" for name, added in found.others.items()) or "restic and borg absent"
        )
        yield (
            f"{VERSIONS} versions of {size // MIB} MiB, 1 % edited in {places} places, and one with 1 KB inserted: "
            f"{found.ours / MIB:.1f} MiB added = {found.ours / found.touched:.2f} x the blocks touched; {others}"
        )


def grow(folder: Path, size: int, places: int) -> Growth:
    """What is stored for the versions after the first."""
    folder.mkdir(parents=True)
    source, rng = folder / "file", random.Random(places)
    savers = {"": _ours(folder / "store", source), **_others(folder, source)}
    with source.open("wb") as file:
        for start in range(0, size, 64 * MIB):
            file.write(rng.randbytes(min(64 * MIB, size - start)))
    for save in savers.values():
        save()
    first = {name: save() for name, save in savers.items()}
    touched = 0
    for _ in range(VERSIONS):
        touched += _edit(source, rng, size // EDITED // places, places)
        last = {name: save() for name, save in savers.items()}
    data = source.read_bytes()
    source.write_bytes(data[:5000] + rng.randbytes(1000) + data[5000:])
    last = {name: save() for name, save in savers.items()}
    added = {name: last[name] - first[name] for name in savers}
    shutil.rmtree(folder)
    return Growth(added.pop(""), added, touched + BLOCK)


def _edit(source: Path, rng: random.Random, length: int, places: int) -> int:
    """Write over a few stretches of a file; the bytes of the blocks that were touched."""
    blocks: set[int] = set()
    size = source.stat().st_size
    with source.open("r+b") as file:
        for _ in range(places):
            at = rng.randrange(size - length)
            file.seek(at)
            file.write(rng.randbytes(length))
            blocks.update(range(at // BLOCK, (at + length - 1) // BLOCK + 1))
    return len(blocks) * BLOCK


def _ours(store: Path, source: Path) -> Callable[[], int]:
    """Saves the file and tells what the store takes."""
    contents: list[object] = []

    def save() -> int:
        writer = ContentWriter(LocalStore(store), similar=contents[-1:])  # type: ignore[arg-type]  # contents are in it
        writer.add_file("file", source)
        contents.append(writer.finish())
        return stored_bytes(store)

    return save


def _others(folder: Path, source: Path) -> dict[str, Callable[[], int]]:
    """The same for the programs that are installed."""
    environment = {
        **os.environ,
        "RESTIC_PASSWORD": "benchmark",
        "RESTIC_CACHE_DIR": str(folder / "restic-cache"),
        "BORG_BASE_DIR": str(folder / "borg-base"),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
    }

    def taking(repository: Path, *command: object) -> int:
        """What a repository takes after a command."""
        done = subprocess.run([str(word) for word in command], env=environment, check=False, capture_output=True)
        assert done.returncode in (0, 1), done.stderr  # with 1 both say that they did it and warn
        return stored_bytes(repository)

    savers: dict[str, Callable[[], int]] = {}
    if shutil.which("restic"):
        restic = folder / "restic"
        taking(restic, "restic", "-r", restic, "init")
        savers["restic"] = lambda: taking(restic, "restic", "-r", restic, "backup", source)
    if shutil.which("borg"):
        borg = folder / "borg"
        taking(borg, "borg", "init", "-e", "none", borg)
        savers["borg"] = lambda: taking(borg, "borg", "create", f"{borg}::{{now:%H%M%S%f}}", source)
    return savers
