"""Damage every file of a ledger in every way, one at a time, and see whether it is found and harms nobody.

    python -m tests.maintenance.corruption --count 10000

For each damage: ``verify`` must find it, unless nothing depends on the file (`HARMLESS` says why);
a load gives the value that was saved or an error of the ledger; versions that do not need the file
load; whatever fails to load is named by ``verify``; and what ``git fsck`` finds is found. Prints a
table, and every damage that passed where it should not; exits with 1 if there was one.
"""

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import zstandard

from ledger import Ledger
from ledger.core import Problem, Report
from ledger.errors import LedgerError
from tests.maintenance.needs import files_needed
from tests.maintenance.varied import Varied, content_of, make_varied

HARMLESS = {
    "lock": "holds no fact: a name in it only says who held it last",
    "fold.lock": "holds no fact: a name in it only says who folded last",
    ".gitignore": "for a project around the ledger; never read",
    "config.toml": "local settings, which may be anything: another remote, another patience",
    "remote-stores.json": "local: which stores the remotes had; the next sync says that it is damaged",
    "cache": "derived: what is damaged in it is made again",
    "queue": "publications of writers that wait; whoever waits asks the history what became of its own",
    "history.git/description": "never read",
    "history.git/ledger-keep": "holds no fact: it is put beside a new pack until that is published",
    "history.git/config": "a preference of Git's housekeeping; nothing that is read depends on it",
    "history.git/objects/pack/*.bitmap": "derived, for Git alone: without it Git looks itself",
    "history.git/objects/pack/*.rev": "derived, for Git alone: without it Git looks itself",
    "history.git/objects/info": "derived, for Git alone: a list of packs, a graph of commits",
    "history.git/info": "derived, for a protocol that nobody speaks any more",
    "history.git/packed-refs": "a loose ref of the same name comes first, or a remote is only asked again",
    "history.git/ledger-offered": "says what a killed fetch may have brought; the next one writes it anew",
    "history.git/refs/ledger": "names what a sync was about and what a remote held: it is asked again",
    "history.git/refs/remotes": "tells Git what a remote held; the next sync writes it anew",
}
"""Why damage may pass unseen, by the beginning of the path; whatever else passes is a failure."""

KINDS = ("flip", "truncate", "zero", "delete", "swap", "duplicate")


class Damage(NamedTuple):
    """One damage: what was done to which files, and what it came to."""

    number: int
    kind: str
    path: str
    found: bool
    failures: tuple[str, ...]


def damage_all(sound: "Sound", count: int, *, seed: int = 0) -> Iterator[Damage]:
    """Damage a ledger, again and again, each time from its sound state."""
    assert sound.look().ok, sound.look()
    for number in range(count):
        yield sound.damage(number, random.Random(f"{seed} {number}"))


class Sound:
    """The sound state of a ledger: what is in it, and how to get back there."""

    def __init__(self, varied: Varied) -> None:
        self.ledger_dir = varied.ledger.path
        self.values = varied.values
        self.files = {path: path.read_bytes() for path in _files(self.ledger_dir)}
        self.needs = files_needed(varied.ledger)
        self._stamps = {path: _stamp(path) for path in self.files}

    def look(self) -> Report:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Ledger.open(self.ledger_dir).verify()

    @contextlib.contextmanager
    def damaged(self, number: int, chance: random.Random, *, below: tuple[str, ...] = ("",)) -> Iterator[set[Path]]:
        """A block in which files are damaged; gives those, damaged by the kind whose turn it is."""
        paths = sorted(path for path in self.files if str(path.relative_to(self.ledger_dir)).startswith(below))
        touched = _DAMAGES[KINDS[number % len(KINDS)]](chance.choice(paths), paths, chance)
        try:
            yield set(touched)
        finally:
            self._restore()

    def damage(self, number: int, chance: random.Random) -> Damage:
        """Damage something and judge what comes of it."""
        with self.damaged(number, chance) as touched:
            changed = {each for each in touched if not each.exists() or each.read_bytes() != self.files.get(each)}
            found, failures = self._judge(changed)
        shown = " and ".join(str(each.relative_to(self.ledger_dir)) for each in sorted(touched))
        return Damage(number, KINDS[number % len(KINDS)], shown, found or not changed, tuple(failures))

    def _judge(self, changed: set[Path]) -> tuple[bool, list[str]]:
        failures: list[str] = []
        report: Report | None = None
        try:
            report = self.look()
            found = not report.ok
        except LedgerError:
            found = True  # it cannot even be opened, and says why
        except Exception as error:  # noqa: BLE001  # a foreign exception is what is looked for
            return True, [f"verify raised {type(error).__name__}: {error}"]
        lost = self.lost(failures)
        needing = {label for label, files in self.needs.items() if files & changed}
        if lost - needing:
            failures.append(f"these do not need it and do not load: {sorted(lost - needing)[:5]}")
        if report is not None and report.problems and not any(map(_concerns_all, report.problems)):
            named = {label for problem in report.problems for label in (problem.label, *problem.versions)}
            unnamed = {label for label in lost if not named & {label, label.partition("@")[0], "artifacts"}}
            if unnamed:
                failures.append(f"verify does not name {sorted(unnamed)[:5]}, which do not load: {report.problems[:3]}")
        if not found and changed:
            failures += self._judge_unseen(changed, lost)
        return found, failures

    def lost(self, failures: list[str]) -> set[str]:
        """The versions that do not load; a wrong value is a failure."""
        lost: set[str] = set()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                ledger = Ledger.open(self.ledger_dir)
            except LedgerError:
                return set(self.values)
            for label, value in self.values.items():
                name, _, version = label.partition("@")
                try:
                    if content_of(ledger.load(name, version)) != value:
                        failures.append(f"{label} has another value")
                except LedgerError:
                    lost.add(label)
                except Exception as error:  # noqa: BLE001  # a foreign exception is what is looked for
                    failures.append(f"loading {label} raised {type(error).__name__}: {error}")
        return lost

    def _judge_unseen(self, changed: set[Path], lost: set[str]) -> list[str]:
        failures = [f"not found, and these do not load: {sorted(lost)[:5]}"] if lost else []
        unseen = (path.relative_to(self.ledger_dir) for path in changed)
        failures += [f"not found: {path}" for path in unseen if reason_for(path) is None and not self._holds_same(path)]
        if any("history.git" in path.parts for path in changed):
            git_dir = self.ledger_dir / "history.git"
            command = ["git", f"--git-dir={git_dir}", "fsck", "--full", "--strict", "--no-dangling"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode or "error" in done.stderr:
                failures.append(f"git fsck finds it: {done.returncode} {done.stderr} {done.stdout}"[:300])
        return failures

    def _holds_same(self, path: Path) -> bool:
        """Whether a compressed file still holds what it held: compression leaves some bits unused."""
        now = self.ledger_dir / path
        before, after = self.files[now], now.read_bytes() if now.exists() else b""
        try:
            return _plain(path, before) == _plain(path, after)
        except (zlib.error, zstandard.ZstdError):
            return False

    def _restore(self) -> None:
        there = set(_files(self.ledger_dir))
        for path in there - self.files.keys():
            path.unlink()
        for path, data in self.files.items():
            if path not in there or _stamp(path) != self._stamps[path]:
                path.unlink(missing_ok=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                self._stamps[path] = _stamp(path)


def _concerns_all(problem: Problem) -> bool:
    """Whether a problem is one of the history or the store as a whole: which versions it touches cannot be told."""
    return problem.object in ("history", "store.json") or problem.object.startswith(("commit ", "refs/heads/"))


def reason_for(path: Path) -> str | None:
    """Why damage to a file may pass unseen, or ``None``."""
    return next((why for start, why in HARMLESS.items() if path.match(start) or path.is_relative_to(start)), None)


def _plain(path: Path, data: bytes) -> bytes:
    if path.is_relative_to("store"):
        return zstandard.ZstdDecompressor().decompress(data)
    return zlib.decompress(data)


def _flip(path: Path, _: list[Path], chance: random.Random) -> list[Path]:
    data = bytearray(path.read_bytes())
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        _write(path, data)
    return [path]


def _truncate(path: Path, _: list[Path], chance: random.Random) -> list[Path]:
    data = path.read_bytes()
    lengths = [0, 1, 12, 20, 32, 100, 4096, len(data) // 2, len(data) - 32, len(data) - 20, len(data) - 1]
    possible = [length for length in lengths if 0 <= length < len(data)]
    if possible:
        _write(path, data[: chance.choice(possible)])
    return [path]


def _zero(path: Path, _: list[Path], chance: random.Random) -> list[Path]:
    data = bytearray(path.read_bytes())
    block = chance.choice([512, 4096, len(data) or 1])
    start = chance.randrange(-(-len(data) // block) or 1) * block
    stop = min(start + block, len(data))
    data[start:stop] = bytes(stop - start)
    _write(path, data)
    return [path]


def _delete(path: Path, _: list[Path], chance: random.Random) -> list[Path]:
    path.unlink()
    return [path]


def _swap(path: Path, paths: list[Path], chance: random.Random) -> list[Path]:
    other = _partner(path, paths, chance)
    one, two = path.read_bytes(), other.read_bytes()
    _write(path, two)
    _write(other, one)
    return [path, other]


def _duplicate(path: Path, paths: list[Path], chance: random.Random) -> list[Path]:
    _write(path, _partner(path, paths, chance).read_bytes())
    return [path]


def _partner(path: Path, paths: list[Path], chance: random.Random) -> Path:
    """Another file, mostly of the same kind, where a mistake is hardest to see."""
    alike = [
        each for each in paths if each != path and each.suffix == path.suffix and each.parts[:-2] == path.parts[:-2]
    ]
    return chance.choice(alike if alike and chance.random() < 0.8 else [each for each in paths if each != path])


_DAMAGES: dict[str, Callable[[Path, list[Path], random.Random], list[Path]]] = {
    "flip": _flip,
    "truncate": _truncate,
    "zero": _zero,
    "delete": _delete,
    "swap": _swap,
    "duplicate": _duplicate,
}


def _write(path: Path, data: bytes | bytearray) -> None:
    """Replace a file: Git makes its own read-only, and somebody may have it mapped."""
    path.unlink()
    path.write_bytes(data)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def main(arguments: list[str]) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="tests.maintenance.corruption", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="stop after so long, and say how far it got"
    )
    chosen = parser.parse_args(arguments)
    done: Counter[str] = Counter()
    found: Counter[str] = Counter()
    failed = 0
    deadline = time.monotonic() + 60 * chosen.minutes
    with tempfile.TemporaryDirectory() as folder:
        for damage in damage_all(Sound(make_varied(Path(folder))), chosen.count, seed=chosen.seed):
            done[damage.kind] += 1
            found[damage.kind] += damage.found
            for failure in damage.failures:
                failed += 1
                print(f"{damage.number} {damage.kind} {damage.path}: {failure}", flush=True)
            if time.monotonic() > deadline:
                break
    print(f"{'damage':10} {'done':>6} {'found':>6} {'harmless':>8}")
    for kind in KINDS:
        print(f"{kind:10} {done[kind]:6} {found[kind]:6} {done[kind] - found[kind]:8}")
    print(f"{'all':10} {done.total():6} {found.total():6} {done.total() - found.total():8}")
    print(f"{failed} failures")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
