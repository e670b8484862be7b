"""Folders of many small files, beside tar."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from ledger.blobs import ContentReader, ContentWriter, LocalStore
from ledger.records import Content
from tests.benchmarks.measuring import Case, stored_bytes, sync


def save_files(folder: Path, count: int) -> Case:
    """A save of a folder of files of 4 KB beside a tar archive of it, made durable."""
    source, store = files_of(folder, count), folder / "store"

    def before() -> None:
        shutil.rmtree(store, ignore_errors=True)
        (folder / "files.tar").unlink(missing_ok=True)

    return Case(lambda: _save(store, source), {"tar and fsync": lambda: _archive(folder, source)}, before)


def save_files_again(folder: Path, count: int) -> Case:
    """A save of a folder in which one file in a hundred changed, beside a tar archive of all."""
    source, store = files_of(folder, count), folder / "store"
    content = _save(store, source)
    first, rounds = stored_bytes(store), 0

    def change() -> None:
        nonlocal rounds
        for number in range(rounds % 100, count, 100):
            _file(source, number).write_bytes(os.urandom(4096))
        rounds += 1
        (folder / "files.tar").unlink(missing_ok=True)

    def save() -> None:
        nonlocal content
        content = _save(store, source, content)

    def facts() -> str:
        return f"a version adds {(stored_bytes(store) - first) / rounds / first:.1%} of the first"

    return Case(save, {"tar and fsync": lambda: _archive(folder, source)}, change, facts)


def restore_files(folder: Path, count: int) -> Case:
    """A restored folder of files of 4 KB beside an unpacked tar archive."""
    source, store = files_of(folder, count), folder / "store"
    content = _save(store, source)
    with tarfile.open(folder / "files.tar", "w") as archive:
        archive.add(source, ".")
    out, unpacked = folder / "out", folder / "unpacked"

    def before() -> None:
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir()

    def restore() -> None:
        ContentReader(LocalStore(store), content, label="files@1").restore(out)

    def unpack() -> None:
        subprocess.run(["tar", "-C", unpacked, "-xf", folder / "files.tar"], check=True)

    return Case(restore, {"tar": unpack}, before)


def files_of(folder: Path, count: int) -> Path:
    """A folder of files of 4 KB, a hundred in each folder in it."""
    for number in range(count):
        path = _file(folder / "files", number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(4096))
    return folder / "files"


def _file(source: Path, number: int) -> Path:
    return source / f"{number // 100:04}" / f"{number:06}"


def _save(store: Path, source: Path, *similar: Content) -> Content:
    writer = ContentWriter(LocalStore(store), similar=similar)
    writer.add_folder("", source)
    return writer.finish()


def _archive(folder: Path, source: Path) -> None:
    subprocess.run(["tar", "-C", source, "-cf", folder / "files.tar", "."], check=True)
    sync(folder / "files.tar")
