"""The files of a version as one zip."""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ledger.blobs import ContentReader
from ledger.core.links import judge_links
from ledger.core.restoring import can_be_replaced, require_folder, take_name, target_exists
from ledger.disk import absolute, folder_beside, given_path, mode_of, storage_errors, sync_file
from ledger.errors import ArgumentError
from ledger.records import FileEntry

if TYPE_CHECKING:
    import zipfile

_BLOCK = 8 << 20
_MODES = {"file": 0o100644, "executable": 0o100755, "link": 0o120777}
_LEVEL = 1
"""How hard to compress: more takes several times as long, to save a tenth."""
_SAMPLE = 1 << 16
"""Bytes from the middle of a file that say whether all of it is worth compressing, which takes 15 times as long."""
_LEAST_SAVING = 8


def download_zip(reader: ContentReader, path: str | Path, *, is_wrapped: bool, overwrite: bool) -> Path:
    """Write every file of a content into a zip, byte for byte; it appears under its name only when it is whole.

    Programs that unpack it make its links without judging them: so they are judged here, as restoring does.
    ``is_wrapped`` says that all paths begin with the name of the one file or folder that was saved, which no link may
    leave.
    """
    target = given_path(path, "the path of a zip")
    _refuse_other_than_zip(target, str(path))
    _check_place(target, overwrite=overwrite)
    judge_links(reader, is_wrapped=is_wrapped)
    with storage_errors(target, "write"), folder_beside(target) as folder:
        _write_zip(reader, Path(folder, "zip"))
        take_name(f"{folder}/zip", target, overwrite=overwrite)
    return target


def _refuse_other_than_zip(target: Path, given: str) -> None:
    """Raise `ArgumentError`, with a path that would do, for a path that names no file with the ending ``.zip``."""
    if target.suffix == ".zip":
        return
    what, instead = "should end with '.zip', as the files are saved as one zip", f"{target}.zip"
    if target.name == ".zip":
        what, instead = "should have a name before '.zip'", str(target.with_name("files.zip"))
    elif target.name in ("", ".."):  # a folder: no ending makes a file of it
        instead = str(target / "files.zip")
    raise ArgumentError(f"the path {given!r} {what}", hint=f"write {instead!r}", path=given)


def _check_place(target: Path, *, overwrite: bool) -> None:
    """Refuse a place where no zip can be made, or where something lies that may not be replaced."""
    if mode_of(target) and not (overwrite and can_be_replaced(target)):
        raise target_exists(target)
    require_folder(absolute(target).parent)


def _write_zip(reader: ContentReader, path: Path) -> None:
    import zipfile

    with open(path, "xb") as file:
        archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        try:
            for entry in reader.files:
                _add(archive, reader, entry)
            archive.close()
        except BaseException:
            archive.fp = None  # so nothing more is written: to close it in the middle of a file would be another error
            raise
        # Before it is renamed: otherwise a power cut could leave the name without the bytes.
        file.flush()
        sync_file(file.fileno())


def _add(archive: "zipfile.ZipFile", reader: ContentReader, entry: FileEntry) -> None:
    import shutil
    import zipfile

    if entry.kind == "directory":
        archive.mkdir(entry.path, 0o755)
        return
    # The plain form ends at 2 GiB, and bytes that do not compress grow a little: so zip64 begins well before that.
    is_large = entry.size >= 1 << 30
    with reader.open(entry.path) as source:
        name = entry.path if _shrinks(source, entry.size) else zipfile.ZipInfo(entry.path)
        with archive.open(name, "w", force_zip64=is_large) as sink:
            shutil.copyfileobj(source, sink, _BLOCK)
    archive.getinfo(entry.path).external_attr = _MODES[entry.kind] << 16


def _shrinks(source: BinaryIO, size: int) -> bool:
    """Whether compressing a file saves an eighth of it, as is asked of chunks; leaves the file at its beginning."""
    import zlib

    if size <= _SAMPLE:
        return True
    source.seek((size - _SAMPLE) // 2)
    sample = source.read(_SAMPLE)
    source.seek(0)
    return len(zlib.compress(sample, _LEVEL)) <= len(sample) - len(sample) // _LEAST_SAVING
