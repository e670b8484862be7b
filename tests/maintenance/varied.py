"""A ledger with something of every kind in it, and what each of its versions is."""

import shutil
import subprocess
from pathlib import Path
from typing import Annotated, NamedTuple

from ledger import ArtifactVersion, Ledger, pipeline, step
from tests.kit.contents import noise
from tests.kit.ledgers import git

Value = object


class Varied(NamedTuple):
    """A ledger, and the value of each version by its label; of registered data, its files."""

    ledger: Ledger
    values: dict[str, Value]


@step
def counted() -> Annotated[list[int], "counted"]:
    return list(range(100))


@step
def added(numbers: list[int]) -> Annotated[int, "total"]:
    return sum(numbers)


@step
def failing(number: int) -> None:
    message = "as it should"
    raise RuntimeError(message)


@pipeline
def adding() -> None:
    added(counted())


@pipeline
def breaking() -> None:
    failing(added(counted()))


def make_varied(folder: Path) -> Varied:
    """Make a ledger of small, large, shared, registered and custom versions, with events, runs, cache entries and
    a remote, whose history lies in packs of ours and of Git's, in loose objects, and in packed and loose refs.
    """
    ledger = Ledger.init(folder / ".ledger")
    _save_bytes(ledger, folder)
    for number in range(8):  # with what is there more than a tier: some packs are folded
        ledger.save({"number": number}, "filler")
    ledger.tag("filler", ["first"], 1)
    ledger.log_metadata({"accuracy": 0.9, "nested": {"deep": [1, 2]}}, "filler", 1)
    _run(ledger)
    _share(ledger, folder)
    _let_git_keep_house(ledger)
    ledger.save({"number": 17}, "filler")
    ledger.tag("weights", ["late"], 2)
    ledger.save("last", "filler", "final")
    _loosen(ledger)
    return Varied(ledger, {str_of(version): content_of(version.load()) for version in every_version(ledger)})


def every_version(ledger: Ledger) -> list[ArtifactVersion]:
    """All versions of a ledger."""
    return [version for artifact in ledger.artifacts() for version in artifact.versions]


def str_of(version: ArtifactVersion) -> str:
    """``NAME@VERSION``."""
    return f"{version.name}@{version.version}"


def content_of(value: object) -> Value:
    """A value that can be compared: of a path, what lies there."""
    if isinstance(value, Path):
        files = sorted(path for path in value.rglob("*") if path.is_file()) if value.is_dir() else [value]
        return [(path.name, path.read_bytes()) for path in files]
    return value


def _save_bytes(ledger: Ledger, folder: Path) -> None:
    ledger.save({"rows": 150}, "iris", tags=["raw"])
    ledger.save("text " * 500, "iris", "clean-1.0")
    ledger.save(b"", "iris")
    ledger.save({"rows": 150}, "iris_copy")
    weights = noise(400_000)
    ledger.save(weights, "weights")
    ledger.save(weights[:200_000] + b"edited" + weights[200_000:], "weights")
    ledger.save(b"compressible line\n" * 40_000, "log")
    tree = folder / "tree"
    for number in range(65):
        path = tree / f"part-{number % 4}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"file {number}\n")
    ledger.save(tree, "tree")
    for name, count in (("raw-2026", 3), ("many-2026", 70)):
        place = ledger.path / "store" / name
        place.mkdir()
        for number in range(count):
            (place / f"{number}.csv").write_text(f"a,b\n{number},{number}\n")
        ledger.register(place, name)


def _run(ledger: Ledger) -> None:
    import os

    os.environ["LEDGER_DIR"] = str(ledger.path)
    try:
        adding()
        adding()
        breaking()
    except RuntimeError:
        return
    finally:
        del os.environ["LEDGER_DIR"]


def _share(ledger: Ledger, folder: Path) -> None:
    hub = folder / "hub.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(hub)], check=True)
    config = ledger.path / "config.toml"
    config.write_text(config.read_text() + f'\n[remotes.origin]\nurl = "{hub}"\n')
    ledger.sync()
    for kind in ("chunks", "packs", "tables"):  # else what this ledger loses would be read from there
        shutil.rmtree(hub / "ledger-store" / kind, ignore_errors=True)


def _let_git_keep_house(ledger: Ledger) -> None:
    """Leave packs with deltas, a commit graph, an index of packs and packed refs, as Git's own maintenance does."""
    git(ledger, "repack", "-d", "-q")
    git(ledger, "repack", "-a", "-d", "-q", "-b")
    git(ledger, "commit-graph", "write", "--reachable")
    git(ledger, "pack-refs", "--all")


def _loosen(ledger: Ledger) -> None:
    """Turn the newest pack into loose objects."""
    packs = sorted((ledger.git_dir / "objects" / "pack").glob("*.pack"), key=lambda path: path.stat().st_mtime_ns)
    data = packs[-1].read_bytes()
    packs[-1].with_suffix(".idx").unlink()
    packs[-1].unlink()
    git(ledger, "unpack-objects", "-q", data=data)
