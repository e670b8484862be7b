"""What of a folder can be saved."""

import contextlib
import errno
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.blobs import ContentReader, ContentWriter, LocalStore
from ledger.blobs.files.folders import is_inside, scan_folder
from ledger.errors import ArgumentError, SourceNotFoundError, StorageError, UnsupportedFileError
from ledger.meters import Progress, progress, task
from tests.kit.ledgers import write_files
from tests.kit.stores import objects


def test_a_folder_comes_back(store: LocalStore, tmp_path: Path) -> None:
    """Files, folders without files, executable bits and links are restored as they were."""
    folder = write_files(tmp_path / "in", {"b.txt": b"b", "a/deep/x": b"x", "a.txt": b"a", "Übung/é": "ü".encode()})
    (folder / "empty" / "inner").mkdir(parents=True)
    (folder / "b.txt").chmod(0o700)
    (folder / "a" / "up").symlink_to("../b.txt")
    (folder / "a" / "folder").symlink_to("deep")
    writer = ContentWriter(store)
    writer.add_folder("data", folder)
    reader = ContentReader(store, writer.finish(), label="iris@3")
    reader.restore(tmp_path / "out", strip="data")
    assert _shape(tmp_path / "out") == {
        "a": "folder",
        "a/deep": "folder",
        "a/deep/x": (0o644, b"x"),
        "a/folder": "-> deep",
        "a/up": "-> ../b.txt",
        "a.txt": (0o644, b"a"),
        "b.txt": (0o755, b"b"),
        "empty": "folder",
        "empty/inner": "folder",
        "Übung": "folder",
        "Übung/é": (0o644, "ü".encode()),
    }


def _shape(folder: Path) -> dict[str, object]:
    shape: dict[str, object] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            shape[name] = f"-> {os.readlink(path)}"
        elif path.is_dir():
            shape[name] = "folder"
        else:
            shape[name] = (path.stat().st_mode & 0o777, path.read_bytes())
    return shape


def test_files_are_in_the_order_of_their_paths(store: LocalStore, tmp_path: Path) -> None:
    """The order is that of the UTF-8 bytes of the whole path, on every system."""
    folder = write_files(tmp_path / "in", {"a/x": b"", "a.b": b"", "a-b": b"", "Z": b"", "é": b""})
    writer = ContentWriter(store)
    writer.add_folder("", folder)
    assert [file.path for file in writer.files] == ["Z", "a-b", "a.b", "a/x", "é"]


def refused(store: LocalStore, folder: Path) -> UnsupportedFileError:
    """The error for a folder that cannot be saved; nothing was stored."""
    writer = ContentWriter(store)
    with pytest.raises(UnsupportedFileError) as caught:
        writer.add_folder("", folder)
    assert (writer.files, objects(store)) == ((), {})
    return caught.value


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside", "..", "loop/../../x"])
def test_links_that_leave_the_folder_are_refused(store: LocalStore, tmp_path: Path, target: str) -> None:
    """A link out of the folder is refused by its path and its target."""
    folder = write_files(tmp_path / "in", {"sub/x": b"x"})
    (folder / "link").symlink_to(target)
    error = refused(store, folder)
    assert "'link'" in str(error)
    assert repr(target) in str(error)


def test_links_that_leave_the_folder_together_are_refused(store: LocalStore, tmp_path: Path) -> None:
    """A link that is harmless by its text but leads out by way of another is refused."""
    folder = write_files(tmp_path / "in", {"p/q/x": b"x"})
    (folder / "p" / "q" / "here").symlink_to(".")
    (folder / "far").symlink_to("p/q/here/../../..")
    assert "through another link" in str(refused(store, folder))


def test_a_chain_of_links_that_no_system_follows_is_judged(tmp_path: Path) -> None:
    """Where Python itself cannot follow a thousand links, they do not stay in the folder; newer ones can."""
    for number in range(1200):
        (tmp_path / str(number)).symlink_to(str(number + 1))
    root = os.path.realpath(tmp_path)
    assert is_inside(root, f"{root}/0") is (sys.version_info >= (3, 13))


def test_special_files_are_refused(store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifos and sockets are refused by name."""
    folder = write_files(tmp_path / "in", {"x": b"x"})
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        message = str(refused(store, folder))
    assert "'pipe': a fifo" in message
    assert "'sock': a socket" in message


@pytest.mark.parametrize(
    "name",
    [
        "con",
        "NUL.txt",
        "com1",
        "LPT9.tar.gz",
        "CONIN$",
        "com\u00b9.txt",
        "a<b",
        "a:b",
        'a"b',
        "a|b",
        "a?",
        "a*",
        "a\\b",
        "a\nb",
        "a\x7f",
        "dot.",
        "space ",
    ],
)
def test_names_no_other_system_can_hold_are_refused(store: LocalStore, tmp_path: Path, name: str) -> None:
    """A name that Windows cannot have is refused, wherever it stands in a path."""
    folder = write_files(tmp_path / "in", {f"sub/{name}/x": b"x"})
    assert "sub/" in str(refused(store, folder))


@pytest.mark.parametrize(
    ("first", "second"), [("a/File", "a/file"), ("Dir/x", "dir/y"), ("stra\u00dfe", "STRASSE"), ("\u00e9", "e\u0301")]
)
def test_names_that_differ_only_in_case_are_refused(store: LocalStore, tmp_path: Path, first: str, second: str) -> None:
    """Two paths that a file system without case, or with one form of Unicode, takes for one are refused together."""
    assert "differ only in case" in str(refused(store, write_files(tmp_path / "in", {first: b"", second: b""})))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_devices_are_refused(store: LocalStore, tmp_path: Path) -> None:
    """A device is refused by name, and never opened."""
    folder = write_files(tmp_path / "in", {"x": b"x"})
    os.mknod(folder / "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    os.mknod(folder / "disk", 0o666 | stat.S_IFBLK, os.makedev(7, 200))
    message = str(refused(store, folder))
    assert "'zero': a character device" in message
    assert "'disk': a block device" in message


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_file_that_becomes_a_link_is_refused(store: LocalStore, tmp_path: Path, size: int) -> None:
    """What was a file when the folder was looked at and is a link when it is read is not followed, large or small."""
    folder = write_files(tmp_path / "in", {"a": os.urandom(3 << 20), "b": bytes(size)})
    (tmp_path / "secret").write_bytes(bytes(size))

    def replace(_: Progress) -> None:
        (folder / "b").unlink()
        (folder / "b").symlink_to(tmp_path / "secret")

    with progress(replace), task("save"), pytest.raises(StorageError, match=r"cannot read .*in/b"):
        ContentWriter(store).add_folder("", folder)


def test_a_file_that_goes_while_the_folder_is_read_is_named(store: LocalStore, tmp_path: Path) -> None:
    """A file that vanished between looking and reading is an error, and the writer makes no content without it."""
    folder = write_files(tmp_path / "in", {"a": bytes(100), "b": bytes(100)})
    writer = ContentWriter(store)

    def remove(_: Progress) -> None:
        (folder / "b").unlink(missing_ok=True)

    (folder / "a").write_bytes(os.urandom(3 << 20))
    with progress(remove), task("save"), pytest.raises(StorageError, match=r"in/b"):
        writer.add_folder("", folder)
    with pytest.raises(ArgumentError):
        writer.finish()


@pytest.mark.parametrize("target", ["/etc/passwd", "b"])
def test_a_link_that_changes_while_the_folder_is_read_is_refused(
    store: LocalStore, tmp_path: Path, target: str
) -> None:
    """A link was judged by where it pointed when the folder was looked at: one that points elsewhere is an error."""
    folder = write_files(tmp_path / "in", {"a": os.urandom(3 << 20), "b": b"x"})
    (folder / "latest").symlink_to("a")
    writer = ContentWriter(store)

    def point_elsewhere(_: Progress) -> None:
        (folder / "latest").unlink()
        (folder / "latest").symlink_to(target)

    with progress(point_elsewhere), task("save"), pytest.raises(StorageError, match=r"in/latest changed.*'a'"):
        writer.add_folder("", folder)


@pytest.mark.parametrize("unreadable", ["file", "folder"])
def test_what_cannot_be_read_is_named(tmp_path: Path, unreadable: str) -> None:
    """A file or folder without permission is a StorageError with its own path; nothing is saved."""
    folder = write_files(tmp_path / "in", {"sub/secret": b"x", "y": b"y"})
    blocked = folder / "sub" / "secret" if unreadable == "file" else folder / "sub"
    code = (
        "from pathlib import Path\n"
        "from ledger import Ledger\n"
        "from ledger.errors import StorageError\n"
        f"ledger = Ledger.init({str(tmp_path / '.ledger')!r})\n"
        "try:\n"
        f"    ledger.save(Path({str(folder)!r}), 'in')\n"
        "except StorageError as error:\n"
        "    print(error, ledger.artifacts())\n"
    )
    # Root may read anything, unless it gives up its capabilities.
    plain = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    if plain and not shutil.which(plain[0]):
        pytest.skip("needs setpriv, to be root without its powers")
    blocked.chmod(0)
    done = subprocess.run([*plain, sys.executable, "-c", code], capture_output=True, text=True, check=False)
    blocked.chmod(0o755)
    doing = "read" if unreadable == "file" else "list"
    assert f"cannot {doing} {blocked}: Permission denied []\n" == done.stdout, done.stderr


def test_what_cannot_be_told_from_a_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system that does not list what its entries are, each is looked at, which may fail as anything may."""

    class Entry:
        name, path = "a", str(tmp_path / "a")

        def is_dir(self, **_: bool) -> bool:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self.path)

    monkeypatch.setattr(os, "scandir", lambda _: contextlib.nullcontext(iter([Entry()])))
    with pytest.raises(StorageError, match=f"cannot list {tmp_path}: Permission denied"):
        scan_folder(tmp_path)


def test_a_name_that_is_not_text_is_refused(store: LocalStore, tmp_path: Path) -> None:
    """A file name that is not UTF-8 is refused."""
    folder = write_files(tmp_path / "in", {})
    folder.mkdir()
    with open(os.path.join(os.fsencode(folder), b"\xff"), "wb"):
        pass
    assert "not valid Unicode" in str(refused(store, folder))


def test_everything_wrong_is_said_at_once(store: LocalStore, tmp_path: Path) -> None:
    """What is no file, links that leave and names that others cannot hold are in one error, and in its facts."""
    folder = write_files(tmp_path / "in", {f"bad{number}?": b"" for number in range(25)})
    os.mkfifo(folder / "fifo")
    (folder / "out").symlink_to("..")
    error = refused(store, folder)
    problems = error.facts["problems"]
    assert isinstance(problems, tuple)
    assert len(problems) == 27
    assert "and 7 more" in str(error)


def test_a_missing_folder_is_named(store: LocalStore, tmp_path: Path) -> None:
    """A folder that is not there is a SourceNotFoundError; a file is no folder."""
    with pytest.raises(SourceNotFoundError, match="gone"):
        ContentWriter(store).add_folder("", tmp_path / "gone")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnsupportedFileError, match="not a folder"):
        ContentWriter(store).add_folder("", tmp_path / "file")
