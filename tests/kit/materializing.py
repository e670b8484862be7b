"""A value's files in memory, and the contract that every materializer keeps."""

import io
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import IO, Any, BinaryIO

import pytest

from ledger.enums import ArtifactType, TrustClass
from ledger.errors import MaterializerError, UntrustedArtifactError
from ledger.materializers import SavedValue, load_value, materializer_named, save_value

PICKLE_MAGIC = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


class _Stream(io.RawIOBase):
    """A stream that can only be written, and keeps its bytes when it is closed."""

    def __init__(self, keep: Callable[[bytes], None]) -> None:
        self._pieces = bytearray()
        self._keep = keep

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return len(self._pieces)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._pieces += view
        return len(view)

    def close(self) -> None:
        if not self.closed:
            self._keep(bytes(self._pieces))
        super().close()


class MemoryFiles:
    """The files of one value in a dict; ``trusted`` says whether its code may run."""

    def __init__(self, scratch: Path, held: dict[str, bytes] | None = None, *, trusted: bool = False) -> None:
        self.held = {} if held is None else held
        self.trusted = trusted
        self.asked: list[str] = []
        self._scratch = scratch
        self._prefix = ""
        self._folder: Path | None = None
        self._children: list[MemoryFiles] = []

    def open(self, path: str, mode: str = "rb") -> IO[Any]:
        assert not path.startswith("/")
        assert ".." not in path.split("/")
        full = self._prefix + path
        if mode in ("rb", "r"):
            data = io.BytesIO(self.held[full])
            return data if mode == "rb" else io.TextIOWrapper(data, encoding="utf-8", newline="")
        assert mode in ("wb", "w")
        stream = _Stream(lambda data: self.held.__setitem__(full, data))
        return stream if mode == "wb" else io.TextIOWrapper(stream, encoding="utf-8", newline="")  # type: ignore[return-value, type-var]

    def add(self, path: str, source: Path) -> None:
        target = self.folder() / path
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy(source, target)

    def folder(self) -> Path:
        if self._folder is None:
            self._folder = Path(mkdtemp(dir=self._scratch))
            for path in self.paths():
                target = self._folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self.held[self._prefix + path])
        return self._folder

    def drop_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None

    def local(self, path: str) -> BinaryIO:
        return open(self.folder() / path, "rb")

    def paths(self) -> tuple[str, ...]:
        return tuple(sorted(path.removeprefix(self._prefix) for path in self.held if path.startswith(self._prefix)))

    def below(self, prefix: str) -> "MemoryFiles":
        child = MemoryFiles(self._scratch, self.held, trusted=self.trusted)
        child.asked = self.asked
        child._prefix = f"{self._prefix}{prefix}/"
        self._children.append(child)
        return child

    def require_trust(self, what: str) -> None:
        self.asked.append(what)
        if not self.trusted:
            raise UntrustedArtifactError(f"not trusted: {what}", hint="ledger trust NAME@VERSION")

    def collect(self) -> None:
        """Take what lies in the local folders into the files, as a save does in the end."""
        if self._folder is not None:
            for parent, _, names in os.walk(self._folder):
                for name in names:
                    path = Path(parent, name)
                    self.held[self._prefix + path.relative_to(self._folder).as_posix()] = path.read_bytes()
        for child in self._children:
            child.collect()


class Bench:
    """Saves and loads values through memory."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def files(self, held: dict[str, bytes] | None = None, *, trusted: bool = False) -> MemoryFiles:
        return MemoryFiles(self._scratch, held, trusted=trusted)

    def save(self, value: object, **options: Any) -> tuple[SavedValue, dict[str, bytes]]:
        """What the record says, and the files."""
        files = self.files()
        saved = save_value(value, files, **options)
        files.collect()
        return saved, files.held

    def load(self, saved: SavedValue, held: dict[str, bytes], *, trusted: bool = False, **options: Any) -> Any:
        return load_value(saved.key, saved.data_type, self.files(held, trusted=trusted), **options)

    def round_trip(self, value: object, *, trusted: bool = False, **options: Any) -> Any:
        """The value, saved and loaded again."""
        saved, held = self.save(value)
        return self.load(saved, held, trusted=trusted, **options)


_watchers: list[list[str]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _watchers and event in ("import", "exec", "os.system", "subprocess.Popen", "pickle.find_class"):
        for seen in _watchers:
            seen.append(f"{event} {arguments[0]}")


class Watch:
    """Records imports and unpickled names while it is open."""

    _is_installed = False

    def __enter__(self) -> list[str]:
        if not Watch._is_installed:  # an audit hook stays for the life of the process
            sys.addaudithook(_watch)
            Watch._is_installed = True
        seen: list[str] = []
        _watchers.append(seen)
        return seen

    def __exit__(self, *failure: object) -> None:
        _watchers.pop()


Kept = list[tuple[Any, SavedValue, dict[str, bytes]]]


class MaterializerContract:
    """What every materializer keeps; a subclass gives values and what is particular to it."""

    key: str
    artifact_type: ArtifactType = ArtifactType.DATA
    trust: TrustClass = TrustClass.DATA
    warns: bool = False

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Bench:
        return Bench(tmp_path)

    def values(self) -> list[Any]:
        """Values to save, each with what is hard about it."""
        raise NotImplementedError

    def same(self, left: Any, right: Any) -> bool:
        """Whether two values are equal; their types are compared by the contract."""
        return bool(left == right)

    def save(self, bench: Bench, value: object) -> tuple[SavedValue, dict[str, bytes]]:
        if not self.warns:
            return bench.save(value)
        with pytest.warns(UserWarning, match="cloudpickle"):
            return bench.save(value)

    @pytest.fixture(scope="class")
    @classmethod
    def kept(cls, tmp_path_factory: pytest.TempPathFactory) -> Kept:
        """Each value with what was saved of it."""
        contract, bench = cls(), Bench(tmp_path_factory.mktemp("kept"))
        return [(value, *contract.save(bench, value)) for value in contract.values()]

    def test_values_come_back_equal_and_of_the_same_type(self, bench: Bench, kept: Kept) -> None:
        """A value that was saved is loaded as an equal value of the same type."""
        for value, saved, held in kept:
            loaded = bench.load(saved, held, trusted=self.trust is not TrustClass.DATA)
            assert type(value) is type(loaded)
            assert self.same(value, loaded), f"{value!r} came back as {loaded!r}"

    def test_the_record_says_who_reads_it(self, kept: Kept) -> None:
        """The record names the registry key, artifact type and trust class; the key finds the class."""
        for _, saved, _ in kept:
            assert (self.key, self.artifact_type, self.trust) == (saved.key, saved.artifact_type, saved.trust)
            assert saved.key == materializer_named(saved.key).REGISTRY_KEY

    def test_equal_values_give_equal_bytes(self, bench: Bench) -> None:
        """Saving a value twice writes the same files, so that nothing is stored twice."""
        if self.trust is TrustClass.DATA:
            for value in self.values():
                assert self.save(bench, value)[1] == self.save(bench, value)[1]

    def test_data_holds_no_pickle(self, bench: Bench, kept: Kept) -> None:
        """What is called data begins with no pickle, and no load of it unpickles or starts anything."""
        if self.trust is TrustClass.DATA:
            for _, saved, held in kept:
                assert not any(data.startswith(PICKLE_MAGIC) for data in held.values())
                with Watch() as seen:
                    bench.load(saved, held)
                assert not [event for event in seen if not event.startswith(("import ", "exec "))]

    def test_names_in_the_data_are_not_imported(self, bench: Bench) -> None:
        """A record that calls the type something else makes nothing be imported."""
        value = self.values()[0]
        saved, held = self.save(bench, value)
        with Watch() as seen:
            try:
                load_value(saved.key, "evil_module.Evil", bench.files(held, trusted=True))
            except MaterializerError:
                seen.append("an error is as good")
        assert not [event for event in seen if "evil" in event]

    def test_metadata_is_plain(self, kept: Kept) -> None:
        """Automatic metadata is made of plain values under plain names."""
        for _, saved, _ in kept:
            assert all(type(key) is str for key in saved.metadata)

    def test_code_is_not_run_without_trust(self, bench: Bench) -> None:
        """Where only code rebuilds the value, loading it without trust is refused before anything is read."""
        if self.trust is TrustClass.CODE:
            saved, held = self.save(bench, self.values()[0])
            with Watch() as seen, pytest.raises(UntrustedArtifactError):
                bench.load(saved, held)
            assert not [event for event in seen if event.startswith("pickle")]
