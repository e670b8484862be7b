"""``ledger://``: versions read through fsspec."""

import os
import pickle
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest

from ledger import Ledger
from ledger.blobs import LocalStore
from ledger.errors import (
    ArgumentTypeError,
    IntegrityError,
    LedgerNotFoundError,
    PathNotFoundError,
    ReadOnlyError,
    StorageError,
)
from ledger.filesystem import LedgerFileSystem
from tests.kit.hubs import new_hub, shared
from tests.kit.ledgers import damage, loose_object, objects_of, run_python, store_of

MEBI = 1 << 20


@pytest.fixture
def files(ledger: Ledger) -> LedgerFileSystem:
    return LedgerFileSystem(ledger_dir=ledger.path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "parts"
    (made / "sub").mkdir(parents=True)
    (made / "a.csv").write_text("a,b\n1,2\n")
    (made / "sub" / "b@2.csv").write_text("b")
    (made / "link").symlink_to("sub")
    (made / "empty").mkdir()
    return made


def test_the_protocol_is_known_by_entry_point(ledger: Ledger) -> None:
    """Where the package is installed, fsspec finds the file system by its protocol, before anybody imported it."""
    ledger.save(b"bytes", "blob")
    (name,) = [file.path for file in ledger.get("blob").files()]
    code = f"import fsspec; print(fsspec.open('ledger://blob@1/{name}').open().read())"
    assert "b'bytes'\n" == run_python(code, ledger.path.parent).stdout


def test_lists_names_versions_and_folders(ledger: Ledger, files: LedgerFileSystem, folder: Path) -> None:
    """The top lists what names begin with, a version its files, in folders."""
    ledger.save(folder, "team/parts")
    ledger.save(1, "p::s::o")
    assert ["p%3A%3As%3A%3Ao", "team"] == files.ls("", detail=False)
    assert ["team/parts"] == files.ls("ledger://team", detail=False)
    assert ["team/parts/parts"] == files.ls("team/parts", detail=False)
    below = ["a.csv", "empty", "link", "sub"]
    assert [f"team/parts@1/parts/{name}" for name in below] == files.ls("team/parts@1/parts/", detail=False)
    assert ["team/parts/parts/a.csv"] == files.ls("team/parts/parts/a.csv", detail=False)
    assert [] == files.ls("team/parts/parts/empty")


def test_a_name_may_begin_other_names(ledger: Ledger, files: LedgerFileSystem) -> None:
    """An artifact whose name is the beginning of others lists its files and them."""
    ledger.save(b"1", "team")
    ledger.save(b"2", "team/iris")
    listed = files.ls("team", detail=False)
    assert "team/iris" in listed
    assert 2 == len(listed)


def test_what_names_begin_with_is_a_folder_also_below_an_artifact(ledger: Ledger, files: LedgerFileSystem) -> None:
    """Names that go on two steps below another artifact's are reached from it, and from the top, folder by folder."""
    ledger.save(b"1", "team")
    ledger.save(b"2", "team/raw/iris")
    expected = ["team/data.bin", "team/raw/iris/data.bin"]
    assert (expected, expected) == (files.find(""), files.find("team"))
    assert (True, ["team/raw/iris"]) == (files.isdir("team/raw"), files.ls("team/raw", detail=False))
    assert (2, [*expected[1:]]) == (files.du(""), files.glob("team/*/iris/*"))
    assert not files.exists("team@1/raw")
    assert not files.exists("team/ra")


def test_a_folder_of_a_version_may_begin_other_names(ledger: Ledger, files: LedgerFileSystem, folder: Path) -> None:
    """A folder of the latest version that names begin with, too, lists its own files and them."""
    ledger.save(folder, "team")
    ledger.save(b"2", "team/parts/iris")
    below = ["a.csv", "empty", "iris", "link", "sub"]
    assert [f"team/parts/{name}" for name in below] == sorted(files.ls("team/parts", detail=False))
    assert "team@1/parts/iris" not in files.ls("team@1/parts", detail=False)


def test_names_begin_as_they_stand_or_quoted(ledger: Ledger, files: LedgerFileSystem) -> None:
    """The beginning of names is a folder with its colons as they stand, and what it lists goes on with them."""
    ledger.save(1, "p::s/o")
    assert (["p::s/o"], ["p%3A%3As/o"]) == (files.ls("p::s", detail=False), files.ls("p%3A%3As", detail=False))
    assert ["p::s/o/data.json"] == files.find("p::s")


def test_a_listing_needs_no_other_artifact(ledger: Ledger, files: LedgerFileSystem, tmp_path: Path) -> None:
    """A version, and the top, are listed without a look at the versions of other artifacts, whatever became of them."""
    ledger.save(1, "iris")
    other = ledger.save(2, "other")
    _, path = loose_object(ledger, f"main:{'/'.join(other.claim.path[:3])}")
    lost = path.rename(tmp_path / "lost")
    listed = files.ls("iris@1", detail=False), files.ls("", detail=False)
    lost.rename(path)
    assert (["iris@1/data.json"], ["iris", "other"]) == listed


def test_tells_what_is_there(ledger: Ledger, files: LedgerFileSystem, folder: Path) -> None:
    """`info` has the size, the type and the version; links are what they lead to."""
    version = ledger.save(folder, "parts")
    found = files.info("ledger://parts/parts/a.csv")
    assert ("parts/parts/a.csv", "file", 8) == (found["name"], found["type"], found["size"])
    assert ("parts@1", str(version.id), version.created_at) == (found["version"], found["id"], found["created"])
    assert ("directory", True) == (files.info("parts/parts/link")["type"], files.info("parts/parts/link")["islink"])
    assert b"b" == files.cat_file("parts/parts/link/b@2.csv")
    assert version.created_at == files.modified("parts/parts/a.csv")


def test_a_file_lists_itself_as_it_is_told(ledger: Ledger, files: LedgerFileSystem, folder: Path) -> None:
    """`ls` of a file says what `info` does, whichever way leads there: only the file itself can be a link."""
    (folder / "link2").symlink_to("a.csv")
    ledger.save(folder, "parts")
    for at in ("a.csv", "sub/../a.csv", "./a.csv", "link/b@2.csv", "link2"):
        assert [files.info(f"parts/parts/{at}")] == files.ls(f"parts/parts/{at}")


def test_finds_and_globs(ledger: Ledger, files: LedgerFileSystem, folder: Path) -> None:
    """`find` and `glob` work on versions as on any other folders."""
    ledger.save(folder, "parts")
    csv = ["parts@1/parts/a.csv", "parts@1/parts/sub/b@2.csv"]
    assert csv == files.find("parts@1")
    assert csv == files.glob("ledger://parts@1/**/*.csv")
    assert csv[:1] == files.glob("parts@1/parts/*.csv")


def test_sizes_come_from_the_listings(ledger: Ledger, folder: Path) -> None:
    """`du` says what fsspec's own would, without a look-up for each file; a link is what it leads to."""

    class Asked(LedgerFileSystem):
        asked = 0

        def info(self, path: str, **options: Any) -> dict[str, Any]:
            self.asked += 1
            return super().info(path, **options)

    (folder / "link2").symlink_to("a.csv")
    ledger.save(folder, "parts")
    files = Asked(ledger_dir=ledger.path)
    sizes = {"parts/parts/a.csv": 8, "parts/parts/link2": 8, "parts/parts/sub/b@2.csv": 1}
    before = files.asked
    assert (17, sizes) == (files.du("parts"), files.du("ledger://parts", total=False))
    walked = files.asked - before
    for each in range(50):
        (folder / f"{each}.bin").write_bytes(bytes(3))
    ledger.save(folder, "parts")
    before = files.asked
    assert 167 == files.du("parts")
    assert walked == 2 * (files.asked - before)
    assert [8, 8] == [files.du("parts/parts/a.csv"), files.du("parts/parts", maxdepth=1, withdirs=True) - 158]


def test_links_to_folders_are_not_gone_through(ledger: Ledger, files: LedgerFileSystem, folder: Path) -> None:
    """As on a local disk: a link that leads back finds nothing twice, and one that is named is followed."""
    (folder / "sub" / "up").symlink_to("..")
    (folder / "link2").symlink_to("a.csv")
    ledger.save(folder, "parts")
    expected = ["parts/parts/a.csv", "parts/parts/link2", "parts/parts/sub/b@2.csv"]
    assert expected == files.find("parts")
    walked = [(top, sorted(folders)) for top, folders, _ in files.walk("parts/parts")]
    below = [("parts/parts/empty", []), ("parts/parts/sub", ["up"])]
    assert [("parts/parts", ["empty", "link", "sub"]), *below] == walked
    assert ["parts/parts/link/b@2.csv"] == files.find("parts/parts/link")
    assert [True, False, True] == [
        files.info(f"parts/parts/{at}")["islink"] for at in ("link", "link/b@2.csv", "link/up")
    ]


def test_a_walk_goes_the_way_that_is_asked(ledger: Ledger, files: LedgerFileSystem, folder: Path) -> None:
    """From the top, or from the bottom, and no deeper than is asked."""
    ledger.save(folder, "parts")
    down = [at for at, _, _ in files.walk("parts@1")]
    assert ["parts@1", "parts@1/parts", "parts@1/parts/empty", "parts@1/parts/sub"] == down
    assert ["parts@1/parts", "parts@1"] == [at for at, _, _ in files.walk("parts@1", maxdepth=2, topdown=False)]


def test_a_link_that_leads_nowhere_hides_nothing(ledger: Ledger, files: LedgerFileSystem, folder: Path) -> None:
    """It is not there, as links in circles are not, and what lies beside it is."""
    for name, target in (("gone", "nothing"), ("one", "two"), ("two", "one")):
        (folder / name).symlink_to(target)
    ledger.save(folder, "parts")
    assert ["a.csv", "empty", "link", "sub"] == [
        path.rpartition("/")[2] for path in files.ls("parts/parts", detail=False)
    ]
    assert ["parts/parts/a.csv", "parts/parts/sub/b@2.csv"] == files.find("parts")
    assert [False, False] == [files.exists(f"parts/parts/{name}") for name in ("gone", "one")]
    with pytest.raises(PathNotFoundError, match=r"has no file 'parts/gone': that is a link that leads nowhere\n"):
        files.info("parts/parts/gone")
    with pytest.raises(PathNotFoundError, match=r"has no file 'parts/empty': that is an empty folder\n"):
        files.open("parts/parts/empty")


def test_a_walk_calls_no_damage_an_absence(ledger: Ledger, files: LedgerFileSystem, folder: Path) -> None:
    """A folder that cannot be listed, because a link in it is damaged, is an error and not empty."""
    ledger.save(folder, "parts")
    for chunk in (store_of(ledger) / "chunks").rglob("*"):
        if chunk.is_file():
            damage(chunk)
    with pytest.raises(IntegrityError, match="parts@1"):
        files.find("parts@1")


def test_without_a_version_it_is_the_latest_of_the_moment(ledger: Ledger, files: LedgerFileSystem) -> None:
    """A new version is seen at once; an earlier one stays what it was."""
    path = ledger.save(b"one", "text").files()[0].path
    assert b"one" == files.cat_file(f"text/{path}")
    ledger.save(b"two", "text")
    assert (b"two", b"one") == (files.cat_file(f"text/{path}"), files.cat_file(f"text@1/{path}"))


@pytest.mark.parametrize(
    ("start", "end"), [(None, None), (0, 4), (2, None), (None, 3), (-3, None), (-4, -1), (5, 2), (100, 200), (0, 0)]
)
def test_ranges_are_those_of_a_slice(
    ledger: Ledger, files: LedgerFileSystem, start: int | None, end: int | None
) -> None:
    """`cat_file` gives the bytes that a slice would."""
    path = ledger.save(b"0123456789", "bytes").files()[0].path
    assert b"0123456789"[start:end] == files.cat_file(f"bytes/{path}", start, end)


def test_an_open_file_knows_its_size(ledger: Ledger, files: LedgerFileSystem) -> None:
    """As fsspec's own files do, which its blocks between delimiters need."""
    path = ledger.save(b"one\ntwo\nthree\n", "text").files()[0].path
    with files.open(f"text/{path}") as file:
        assert (14, b"one\n", False) == (file.size, file.readline(), file.closed)
    assert file.closed
    assert b"e\ntwo" == files.read_block(f"text/{path}", 2, 5)
    assert b"two\n" == files.read_block(f"text/{path}", 2, 3, delimiter=b"\n")
    assert b"two\nthree\n" == files.read_block(f"text/{path}", 2, None, delimiter=b"\n")


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # fsspec's, of its blocks
@pytest.mark.parametrize("cache", ["blockcache", "filecache", "simplecache"])
def test_the_caches_of_fsspec_keep_what_was_read(ledger: Ledger, tmp_path: Path, cache: str) -> None:
    """Blocks or whole files are read by way of them, and again without the ledger."""
    data = os.urandom(3 * MEBI + 17)
    path = ledger.save(data, "blob").files()[0].path
    options: dict[str, Any] = {"ledger": {"ledger_dir": ledger.path}, cache: {"cache_storage": str(tmp_path / "kept")}}
    address = f"{cache}::ledger://blob@1/{path}"
    with fsspec.open(address, **options) as file:
        file.seek(2 * MEBI)
        assert data[2 * MEBI : 2 * MEBI + 10] == file.read(10)
        file.seek(0)
        assert data == file.read()
    shutil.rmtree(store_of(ledger))
    with fsspec.open(address, **options) as file:
        file.seek(-20, os.SEEK_END)
        assert data[-20:] == file.read()


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # fsspec's, of its blocks
def test_a_closed_file_lets_go_of_its_blocks(ledger: Ledger, tmp_path: Path) -> None:
    """Whoever keeps a file that is closed keeps no file of fsspec's block cache open with it."""
    path = ledger.save(b"bytes", "blob").files()[0].path
    kept = tmp_path / "kept"
    options: dict[str, Any] = {"ledger": {"ledger_dir": ledger.path}, "blockcache": {"cache_storage": str(kept)}}
    file = fsspec.open(f"blockcache::ledger://blob@1/{path}", **options).open()
    assert b"bytes" == file.read()
    file.close()
    descriptors = Path("/proc/self/fd").iterdir()
    assert not [each for each in descriptors if os.path.realpath(each).startswith(f"{kept}/")]


def test_only_what_is_touched_is_read(ledger: Ledger, files: LedgerFileSystem) -> None:
    """A read in the middle of a large file needs the chunks there and no other."""
    data = os.urandom(8 * MEBI)
    path = ledger.save(data, "large").files()[0].path
    (pack,) = [each for each in store_of(ledger).rglob("*") if each.is_file() and each.stat().st_size > MEBI]
    with files.open(f"ledger://large@1/{path}") as file:
        file.seek(-10, os.SEEK_END)
        end = file.read()
        raw = bytearray(pack.read_bytes())
        raw[MEBI] ^= 1
        pack.write_bytes(raw)
        file.seek(4 * MEBI)
        assert (data[-10:], data[4 * MEBI : 4 * MEBI + 10]) == (end, file.read(10))


def test_many_small_files_are_read_from_the_store_at_once(
    ledger: Ledger, files: LedgerFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads a folder file by file reads its table, and each index and chunk, once."""
    folder = tmp_path / "many"
    folder.mkdir()
    contents = {f"many@1/many/{number:02}": os.urandom(5000) for number in range(40)}
    for path, data in contents.items():
        (tmp_path / path.removeprefix("many@1/")).write_bytes(data)
    ledger.save(folder, "many")
    gets: list[str] = []
    get = LocalStore.get

    def counted(store: LocalStore, key: str, start: int = 0, length: int | None = None) -> bytes:
        gets.append(key)
        return get(store, key, start, length)

    monkeypatch.setattr(LocalStore, "get", counted)
    assert contents == files.cat("many@1/many/*")
    assert len(gets) <= 2 + 200_000 // (16 << 10)  # no chunk but the last is smaller


def test_damaged_bytes_are_never_handed_out(ledger: Ledger, files: LedgerFileSystem) -> None:
    """A flipped byte in the store is an IntegrityError that names the version."""
    path = ledger.save(os.urandom(1000), "blob").files()[0].path
    (chunk,) = objects_of(ledger, "chunks")
    damage(chunk)
    with pytest.raises(IntegrityError, match="blob@1"):
        files.cat_file(f"blob/{path}")


@pytest.mark.parametrize(
    "path", ["nothing", "nothing@1/x", "text@7/x", "text/x", "text@1/data.txt/x", "text@a b/x", "tex"]
)
def test_what_is_not_there_is_a_file_not_found(ledger: Ledger, files: LedgerFileSystem, path: str) -> None:
    """Every way to miss is one error of ours, which is a FileNotFoundError, and `exists` says no."""
    ledger.save("one", "text")
    assert not files.exists(path)
    assert not files.isfile(path)
    assert not files.isdir(path)
    for look in (files.info, files.ls, files.open, files.cat_file):
        with pytest.raises(PathNotFoundError):
            look(path)
    assert issubclass(PathNotFoundError, FileNotFoundError)


def test_a_folder_cannot_be_opened(ledger: Ledger, files: LedgerFileSystem, folder: Path) -> None:
    """A folder is no file, and the error says so."""
    ledger.save(folder, "parts")
    with pytest.raises(PathNotFoundError, match="that is a folder"):
        files.open("parts@1/parts/sub")
    with pytest.raises(PathNotFoundError, match="no file ledger://parts@1: parts@1 by itself is no file; it has"):
        files.open("parts@1")


@pytest.mark.parametrize("look", ["open", "info", "ls"])
def test_a_misspelt_file_is_told_what_the_version_has(ledger: Ledger, files: LedgerFileSystem, look: str) -> None:
    """And the command of its hint can be run as it stands."""
    ledger.save("one", "text")
    with pytest.raises(
        PathNotFoundError, match=r"^no file ledger://text@1/data\.jsn: .*; it has data\.json\n"
    ) as caught:
        getattr(files, look)("text@1/data.jsn")
    assert "`ledger artifact version show text@1`" in caught.value.hint


def test_a_ledger_that_is_not_there_is_no_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`exists` does not call a missing ledger a missing file."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LedgerNotFoundError):
        LedgerFileSystem().exists("iris")


def refused(write: Callable[[], object]) -> None:
    with pytest.raises(ReadOnlyError, match="versions never change"):
        write()


def test_nothing_is_ever_written(ledger: Ledger, files: LedgerFileSystem, tmp_path: Path) -> None:
    """Every call that would change something is refused, and is a PermissionError."""
    ledger.save("one", "text")
    local = tmp_path / "local"
    local.write_text("x")
    refused(lambda: files.open("text/x", "wb"))
    refused(lambda: files.open("text/x", "a"))
    refused(lambda: files.pipe_file("text/x", b""))
    refused(lambda: files.pipe({"text/x": b""}))
    refused(lambda: files.put_file(str(local), "text/x"))
    refused(lambda: files.put(str(local), "text/x"))
    refused(lambda: files.mkdir("text/x"))
    refused(lambda: files.makedirs("text/x", exist_ok=True))
    refused(lambda: files.rm("text", recursive=True))
    refused(lambda: files.rm_file("text"))
    refused(lambda: files.rmdir("text"))
    refused(lambda: files.mv("text", "other"))
    refused(lambda: files.copy("text", "other"))
    refused(lambda: files.touch("text/x"))


def test_what_is_not_written_is_named(files: LedgerFileSystem) -> None:
    """The error of a write is about the place in the ledger, not about what was to go there."""
    writes: list[Callable[[], object]] = [
        lambda: files.put("local", "text/x"),
        lambda: files.put_file(lpath="local", rpath="text/x"),
        lambda: files.copy("other", "text/x"),
        lambda: files.pipe({"text/x": b"bytes"}),
        lambda: files.rm(["text/x"]),
    ]
    for write in writes:
        with pytest.raises(ReadOnlyError, match=r"^cannot write text/x: versions never change"):
            write()


def test_an_unknown_option_is_refused(tmp_path: Path) -> None:
    """A misspelt option does not read the default ledger instead."""
    with pytest.raises(TypeError, match="no option 'ledger'"):
        fsspec.filesystem("ledger", ledger=tmp_path)


def test_a_pickled_one_reads_the_same_ledger(workdir: Path) -> None:
    """A worker in another folder gets the ledger that its sender had found."""
    ledger = Ledger.init(workdir / ".ledger")
    path = ledger.save(b"bytes", "blob").files()[0].path
    pickled = pickle.dumps(fsspec.filesystem("ledger")).hex()
    code = f"import pickle; print(pickle.loads(bytes.fromhex('{pickled}')).cat_file('blob@1/{path}'))"
    assert "b'bytes'\n" == run_python(code, workdir.parent).stdout


def test_the_letters_of_a_mode_have_no_order(workdir: Path) -> None:
    """``br`` is ``rb``, as for any file of Python's."""
    path = Ledger.init(workdir / ".ledger").save(b"bytes", "blob").files()[0].path
    with fsspec.filesystem("ledger").open(f"blob/{path}", "br") as file:
        assert b"bytes" == file.read()


def test_an_open_file_goes_to_another_process(workdir: Path) -> None:
    """A pickled file is of the same version, at the same place in it, though another one is the latest by then."""
    ledger = Ledger.init(workdir / ".ledger")
    path = ledger.save(b"bytes", "a::blob").files()[0].path
    with fsspec.filesystem("ledger").open(f"a%3A%3Ablob/{path}") as file:
        assert ("rb", b"by") == (file.mode, file.read(2))
        pickled = pickle.dumps(file).hex()
        assert b"tes" == file.read()
    ledger.save(b"later", "a::blob")
    code = f"import pickle; print(pickle.loads(bytes.fromhex('{pickled}')).read())"
    assert "b'tes'\n" == run_python(code, workdir.parent).stdout


def test_a_version_that_a_sync_renumbered_is_not_taken_for_another(tmp_path: Path) -> None:
    """A file that was open before stays that of its version when it is pickled; paths mean the numbers of now."""
    hub = new_hub(tmp_path)
    mine = shared(tmp_path / "mine", hub)
    mine.sync()
    theirs = Ledger.clone(hub, tmp_path / "theirs" / ".ledger")
    path = mine.save(b"mine", "blob").files()[0].path
    theirs.save(b"theirs", "blob")
    theirs.sync()
    files = LedgerFileSystem(ledger_dir=mine.path)
    with files.open(f"blob@1/{path}") as file:
        mine.sync()
        for number, value in (("1", b"theirs"), ("2", b"mine")):
            asked = f"blob@{number}/{path}"
            assert (value, f"blob@{number}") == (files.cat_file(asked), files.info(asked)["version"])
        assert b"mine" == pickle.loads(pickle.dumps(file)).read()


def test_the_default_ledger_is_that_of_the_moment(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`LEDGER_DIR` and the working directory are followed at every call, though fsspec keeps the instance."""
    files = fsspec.filesystem("ledger")
    for name in ("one", "two"):
        Ledger.init(workdir / name).save(1, name)
        monkeypatch.setenv("LEDGER_DIR", str(workdir / name))
        assert [name] == files.ls("", detail=False)


def test_the_default_ledger_is_that_of_the_working_directory(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who goes to another project reads its ledger, with an instance from before too."""
    files = fsspec.filesystem("ledger")
    for name in ("one", "two"):
        Ledger.init(workdir / name / ".ledger").save(1, name)
        monkeypatch.chdir(workdir / name)
        assert ([name], [name]) == (files.ls("", detail=False), fsspec.filesystem("ledger").ls("", detail=False))


@pytest.mark.parametrize("is_configured", [False, True])
def test_a_relative_option_means_the_working_directory_of_the_moment(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, *, is_configured: bool
) -> None:
    """fsspec keeps instances by their options: the same words in another project are another ledger."""
    options = {} if is_configured else {"ledger_dir": ".ledger"}
    if is_configured:
        monkeypatch.setitem(fsspec.config.conf, "ledger", {"ledger_dir": ".ledger"})
    for name in ("one", "two"):
        ledger = Ledger.init(workdir / name / ".ledger")
        ledger.save(1, name)
        monkeypatch.chdir(workdir / name)
        files = fsspec.filesystem("ledger", **options)
        assert [name] == files.ls("", detail=False)
        assert files is fsspec.filesystem("ledger", ledger_dir=ledger.path)


def test_a_relative_option_needs_a_working_directory(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the working directory was removed, that is what the error says."""
    (gone := workdir / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(StorageError, match="cannot find the working directory"):
        fsspec.filesystem("ledger", ledger_dir=".ledger")


def test_the_option_is_a_path_as_elsewhere(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` leads home, and what is no path is refused in words of ours."""
    monkeypatch.setenv("HOME", str(workdir))
    Ledger.init(workdir / "one").save(1, "x")
    assert ["x"] == fsspec.filesystem("ledger", ledger_dir="~/one").ls("", detail=False)
    with pytest.raises(ArgumentTypeError, match="ledger_dir is a str or a Path, got int: 7"):
        fsspec.filesystem("ledger", ledger_dir=7)


def test_a_clone_is_read_from_its_own_place(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions have their ids in every clone; what one of them held is not asked for another's."""
    files = fsspec.filesystem("ledger")
    one = Ledger.init(workdir / "one")
    path = one.save(b"bytes", "blob").files()[0].path
    shutil.copytree(workdir / "one", workdir / "two")
    for name in ("one", "two"):
        monkeypatch.setenv("LEDGER_DIR", str(workdir / name))
        assert b"bytes" == files.cat_file(f"blob@1/{path}")
        shutil.rmtree(workdir / name)


def test_threads_read_one_version_at_once(ledger: Ledger, files: LedgerFileSystem, tmp_path: Path) -> None:
    """Files of one version that are read in many threads give their own bytes each."""
    folder = tmp_path / "many"
    folder.mkdir()
    contents = {f"{number}.bin": os.urandom(MEBI // 2) for number in range(8)}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    ledger.save(folder, "many")
    opened = {name: files.open(f"many@1/many/{name}") for name in contents}
    read: dict[str, bytes] = {}

    def piecewise(name: str) -> None:
        read[name] = b"".join(iter(lambda: opened[name].read(10_000), b""))

    threads = [threading.Thread(target=piecewise, args=(name,)) for name in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents == read


def test_a_missing_version_is_named_as_it_was_asked_for(ledger: Ledger, files: LedgerFileSystem) -> None:
    """The error has the URL with the version in it, and the nearest one that there is."""
    ledger.save(b"bytes", "blob")
    with pytest.raises(PathNotFoundError, match=r"^nothing at ledger://blob@9: .* the nearest is 1\n"):
        files.open("ledger://blob@9/data.bin")
