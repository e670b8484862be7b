"""A content goes from one store to another whole, checked on the way, and only as far as it is missing."""

import errno
import os
import shutil
import signal
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from ledger.blobs import (
    ContentReader,
    ContentWriter,
    Copied,
    Copier,
    FallbackStore,
    LocalStore,
    Store,
    create_store,
    link_content,
)
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.blobs.stores.retrying import RetryingStore
from ledger.errors import ArgumentError, DiskFullError, IntegrityError
from ledger.ids import new_uuid
from ledger.records import Content
from tests.kit.contents import add, copy_content, noise, save
from tests.kit.ledgers import files_below
from tests.kit.stores import CountingStore, WholeStore, objects


def stored(store: Store, data: bytes) -> Content:
    """A content of one file."""
    writer = ContentWriter(store)
    add(writer, "data.bin", data)
    return writer.finish()


@pytest.fixture
def source(tmp_path: Path) -> LocalStore:
    store = create_store(str(tmp_path / "source"))
    assert isinstance(store, LocalStore)
    return store


@pytest.fixture
def target(tmp_path: Path) -> LocalStore:
    store = create_store(str(tmp_path / "target"))
    assert isinstance(store, LocalStore)
    return store


@pytest.mark.parametrize("size", [0, 10, 2_000_000])
def test_a_content_arrives_whole(source: LocalStore, target: LocalStore, size: int) -> None:
    """Small ones as a chunk, larger ones as packs and a table, and a second copy changes nothing."""
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    content = stored(source, data)
    copy_content(source, target, content, label="iris@1")
    assert data == ContentReader(target, content, label="iris@1").read("data.bin")
    before = files_below(target.root)
    copy_content(source, target, content, label="iris@1")
    assert before == files_below(target.root)


@pytest.mark.parametrize("size", [10, 2_000_000])
@pytest.mark.parametrize("way", ["copied", "written"])
def test_what_is_there_is_made_to_last(
    source: LocalStore, target: LocalStore, synced: list[str], size: int, way: str
) -> None:
    """Who put what a content relies on may have died before it was durable: objects and folders are synced again."""
    data = noise(size)
    content = stored(source, data)
    copy_content(source, target, content, label="iris@1")
    synced.clear()
    if way == "copied":
        copy_content(source, target, content, label="iris@1")
    else:
        assert content.digest == stored(target, data).digest
    objects = [target.root / path for path in files_below(target.root) if "/" in path]
    assert {str(path) for object_ in objects for path in (object_, object_.parent)} <= set(synced)


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_damage_is_not_passed_on(source: LocalStore, target: LocalStore, size: int) -> None:
    """A bad chunk is an error that names the content, and what would make the copy look whole is not written."""
    content = stored(source, bytes(range(250)) * (size // 250) or b"0123456789")
    for path in [*(source.root / "chunks").rglob("*"), *(source.root / "packs").rglob("*")]:
        if path.is_file():
            raw = bytearray(path.read_bytes())
            raw[5] ^= 1
            path.write_bytes(raw)
    with pytest.raises(IntegrityError, match="iris@1: chunk"):
        copy_content(source, target, content, label="iris@1")
    assert ["store.json"] == list(files_below(target.root))


@pytest.mark.parametrize("kind", ["folder", "distant", "whole objects only"])
def test_a_large_pack_is_copied_a_little_at_a_time(source: LocalStore, target: LocalStore, kind: str) -> None:
    """Whatever way the other store takes packs, it ends up with the same bytes."""
    content = stored(source, noise(9 << 20))
    distant = RetryingStore(FsspecStore(f"memory://{new_uuid(0)}"))
    goals: dict[str, Store] = {"folder": target, "distant": distant, "whole objects only": WholeStore(target)}
    copy_content(source, goals[kind], content, label="iris@1")
    assert objects(source) == objects(distant if kind == "distant" else target)


def test_a_pack_goes_in_parts_into_a_store_that_takes_them(source: LocalStore, target: LocalStore) -> None:
    """It is never held in memory as a whole, as what is put is."""

    class Noted(LocalStore):
        def put(self, key: str, parts: Sequence[bytes]) -> None:
            put.append(key.partition("/")[0])
            super().put(key, parts)

    put: list[str] = []
    copy_content(source, Noted(target.root), stored(source, noise(2_000_000)), label="iris@1")
    assert (["tables"], objects(source)) == (put, objects(target))


@pytest.mark.parametrize("place", [1_000, 7_000_000, -1_000, -5])
def test_damage_at_any_place_of_a_large_pack_is_found(source: LocalStore, target: LocalStore, place: int) -> None:
    """A flipped bit in any chunk, in the index or in the footer is an error, and no half of a pack stays."""
    content = stored(source, noise(9 << 20))
    (pack,) = source.list("packs")
    raw = bytearray((source.root / pack).read_bytes())
    raw[place] ^= 1
    (source.root / pack).write_bytes(raw)
    with pytest.raises(IntegrityError, match="iris@1"):
        copy_content(source, target, content, label="iris@1")
    assert ["store.json"] == list(files_below(target.root))


def spoil(path: Path, damage: str) -> None:
    raw = path.read_bytes()
    spoiled = {"cut": raw[: len(raw) // 2], "emptied": b"", "flipped": bytes([raw[0] ^ 1]) + raw[1:]}
    path.write_bytes(spoiled[damage])


@pytest.mark.filterwarnings("ignore:.*is written again")
def test_a_distant_pack_of_another_size_is_put_again(source: LocalStore) -> None:
    """Its index may be all that is left of it."""
    content = stored(source, noise(2_000_000))
    far = FsspecStore(f"memory://{new_uuid(0)}")
    (pack,) = source.list("packs")
    far.put(pack, [source.get(pack)[1000:]])
    copy_content(source, far, content, label="iris@1")
    assert objects(source) == objects(far)


def test_a_distant_pack_that_is_there_is_not_put_again(source: LocalStore, target: LocalStore) -> None:
    """To send it costs more than to look at its index and its size; another copier knows of it as little."""
    content = stored(source, noise(2_000_000))
    far = CountingStore(target)
    copy_content(source, far, content, label="iris@1")
    far.puts.clear()
    copy_content(source, far, content, label="iris@1")
    assert {"tables"} == {key.split("/")[0] for key in far.puts}


def test_each_pack_that_is_there_is_read_once(source: LocalStore, target: LocalStore) -> None:
    """Versions that share packs do not have them read again, nor what was just put."""
    contents = [stored(source, noise(2_000_000)), stored(source, noise(2_000_000)[:-1])]
    sound: set[str] = set()
    copier = Copier(target, sound=sound)
    for content in contents:
        copier.copy(Copied(source, content, "iris@1"))
    packs = list(target.list("packs"))
    assert sorted(sound) == sorted("".join(pack.split("/")[1:]) for pack in packs)
    for pack in packs:
        (target.root / pack).unlink()
    for content in contents:
        copier.copy(Copied(source, content, "iris@1"))
    assert [] == list(target.list("packs"))


def test_chunks_of_a_pack_with_damage_are_put_once(source: LocalStore, target: LocalStore) -> None:
    """Contents that share its sound chunks share them in the target, too, whichever each needs; it is read once."""

    class Counted(LocalStore):
        read = 0

        def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
            found = super().get(key, start, length)
            self.read += len(found)
            return found

    data = noise(2_000_000)
    whole = stored(source, data)
    [pack] = source.list("packs")
    rest = [save(source, {"data.bin": data[start:]}, similar=[whole]) for start in (500_000, 800_000, 200_000)]
    (source.root / pack).write_bytes(b"damaged" + source.get(pack)[7:])
    copier, counted = Copier(target), Counted(source.root)
    for content in rest:
        copier.copy(Copied(counted, content, "iris@1"))
        assert data[-content.size :] == ContentReader(target, content, label="iris@1").read("data.bin")
    assert counted.read < 7_500_000
    assert sum(len(target.get(key)) for key in target.list("packs")) < 3_000_000
    with pytest.raises(IntegrityError, match="iris@1: chunk"):
        copier.copy(Copied(source, whole, "iris@1"))


def test_of_many_contents_those_that_cannot_be_copied_are_told(source: LocalStore, target: LocalStore) -> None:
    """Small, large and registered ones; whoever is told of one that is missing goes on with the others."""
    small, large = (stored(source, noise(size)) for size in (10, 2_000_000))
    gone_small, gone_large = (
        stored(LocalStore(source.root.with_name("gone")), noise(size)) for size in (11, 2_000_001)
    )
    linked = registered(source, 1)
    told: list[str] = []
    contents = {"gone@1": gone_small, "x@1": small, "gone@2": gone_large, "x@2": linked, "x@3": large}
    copied = [Copied(source, content, label) for label, content in contents.items()]
    Copier(target).copy_all(copied, refused=lambda error: told.append(str(error)))
    assert ["gone@1: chunk", "gone@2: table"] == [message.partition(" sha256:")[0] for message in told]
    for content in (small, large, linked):
        ContentReader(target, content, label="x").check()


def test_damage_behind_what_is_needed_is_no_obstacle(source: LocalStore, target: LocalStore) -> None:
    """Of a pack with damage the chunks that a content needs are copied, and not one more."""
    data = noise(2_000_000)
    whole = stored(source, data)
    [pack] = source.list("packs")
    head = save(source, {"data.bin": data[:800_000]}, similar=[whole])
    bad = bytearray(source.get(pack))
    bad[800_000:1_500_000] = bytes(700_000)
    (source.root / pack).write_bytes(bad)
    copy_content(source, target, head, label="iris@1")
    assert data[:800_000] == ContentReader(target, head, label="iris@1").read("data.bin")


@pytest.mark.filterwarnings("ignore:.*is damaged. it was read from")
def test_a_chunk_is_taken_from_where_it_is_sound_though_its_pack_is_so_nowhere(
    source: LocalStore, target: LocalStore, tmp_path: Path
) -> None:
    """Each store may have damage in the same pack, as long as it is in other chunks, or in some that nobody needs."""
    data = noise(2_000_000)
    whole = stored(source, data)
    [pack] = source.list("packs")
    rest = save(source, {"data.bin": data[500_000:]}, similar=[whole])
    other = LocalStore(tmp_path / "other")
    other.put(pack, [b"damaged" + source.get(pack)[7:]])
    (source.root / pack).write_bytes(b"damaged" + source.get(pack)[7:1_500_000] + b"x" + source.get(pack)[1_500_001:])
    stores = FallbackStore(source, [target, other], tries_all=True)  # of which one lacks it
    copy_content(stores, target, rest, label="iris@1")
    assert data[500_000:] == ContentReader(target, rest, label="iris@1").read("data.bin")
    with pytest.raises(IntegrityError, match="iris@1: chunk"):
        copy_content(stores, target, whole, label="iris@1")


@pytest.mark.filterwarnings("ignore:.*is written again")
@pytest.mark.parametrize("size", [10, 2_000_000])
@pytest.mark.parametrize("damage", ["cut", "emptied", "flipped"])
def test_what_is_damaged_there_is_put_again(source: LocalStore, target: LocalStore, size: int, damage: str) -> None:
    """An object that the other store has only half of, or another bit of, is not relied on."""
    data = bytes(range(250)) * (size // 250) or b"0123456789"
    content = stored(source, data)
    copy_content(source, target, content, label="iris@1")
    for path in [path for folder in ("chunks", "packs", "tables") for path in (target.root / folder).rglob("*")]:
        if path.is_file():
            spoil(path, damage)
    copy_content(source, target, content, label="iris@1")
    assert data == ContentReader(target, content, label="iris@1").read("data.bin")


class Fickle(LocalStore):
    """A store that answers right the first time it is asked for the beginning of a table or chunk, and never again."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: set[str] = set()

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        if key in self.asked:
            return b"garbage"
        if not key.startswith("packs/"):
            self.asked.add(key)
        return super().get(key, start, length)


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_what_was_checked_is_what_is_put(source: LocalStore, target: LocalStore, size: int) -> None:
    """A source whose second answer is another one gives the other store nothing that was not checked."""
    content = stored(source, noise(size))
    copy_content(source, target, content, label="iris@1")
    before = files_below(target.root)
    copy_content(Fickle(source.root), target, content, label="iris@1")
    assert before == files_below(target.root)


@pytest.mark.parametrize("folder", ["chunks", "packs", "tables"])
def test_what_is_missing_is_an_error(source: LocalStore, target: LocalStore, folder: str) -> None:
    """The error names the content and where its object was sought."""
    content = stored(source, b"x" * (10 if folder == "chunks" else 2_000_000))
    for path in (source.root / folder).rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(IntegrityError, match=f"iris@1: .*{folder}.* is missing"):
        copy_content(source, target, content, label="iris@1")


def test_linked_files_go_to_the_same_place(source: LocalStore, target: LocalStore) -> None:
    """A folder with a link, an executable and an empty folder comes as it is."""
    folder = source.root / "raw" / "in"
    (folder / "empty").mkdir(parents=True)
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    (folder / "again").symlink_to("run")
    content = link_content(source, folder)
    copy_content(source, target, content, label="raw@1")
    ContentReader(target, content, label="raw@1").check()
    copy_content(source, target, content, label="raw@1")


def test_linked_files_replace_nothing(source: LocalStore, target: LocalStore) -> None:
    """Where something else lies, it stays, and the error says so."""
    (source.root / "a.csv").write_text("1\n")
    content = link_content(source, source.root / "a.csv")
    (target.root / "a.csv").write_text("2\n")
    with pytest.raises(IntegrityError, match=r"'a\.csv' is another thing in"):
        copy_content(source, target, content, label="raw@1")
    assert "2\n" == (target.root / "a.csv").read_text()


def registered(source: LocalStore, files: int) -> Content:
    """A folder of the user's own with an executable, an empty folder and so many files more."""
    folder = source.root / "raw" / "in"
    (folder / "empty").mkdir(parents=True)
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)
    for number in range(files):
        (folder / f"{number}.csv").write_text(f"{number}\n")
    return link_content(source, folder)


def test_linked_files_that_lie_there_are_durable(source: LocalStore, target: LocalStore, synced: list[str]) -> None:
    """Who has copied them by hand, to save a long way, has hardly synced them: each file, and its folder."""
    content = registered(source, 1)
    shutil.copytree(source.root / "raw", target.root / "raw")
    synced.clear()
    copy_content(source, target, content, label="raw@1")
    assert {str(target.root / place) for place in ("raw", "raw/in", "raw/in/0.csv", "raw/in/run")} == set(synced)


def test_the_list_of_linked_files_that_lies_there_is_durable(
    source: LocalStore, target: LocalStore, synced: list[str]
) -> None:
    """Whoever put the table may have died before it was synced."""
    content = registered(source, 70)
    copy_content(source, target, content, label="raw@1")
    synced.clear()
    copy_content(source, target, content, label="raw@1")
    assert any(path.startswith(str(target.root / "tables")) for path in synced)


def test_a_damaged_list_of_linked_files_is_put_again(source: LocalStore, target: LocalStore) -> None:
    """A table of registered data that the other store has only half of is not relied on."""
    content = registered(source, 70)
    copy_content(source, target, content, label="raw@1")
    (table,) = target.list("tables")
    spoil(target.root / table, "cut")
    copy_content(source, target, content, label="raw@1")
    ContentReader(target, content, label="raw@1").check()


def test_linked_files_are_durable_before_they_have_their_names(
    source: LocalStore, target: LocalStore, synced: list[str]
) -> None:
    """A folder that is brought is synced whole beside its place: a power cut leaves all of it or none."""
    content = registered(source, 1)
    synced.clear()
    copy_content(source, target, content, label="raw@1")
    beside = [path.partition(f"{target.root}/raw/.ledger-")[2] for path in synced]
    assert {"files", "files/0.csv", "files/empty", "files/run"} == {path.partition("/")[2] for path in beside if path}


def test_linked_files_of_a_killed_copy_go_with_the_next(
    source: LocalStore, target: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was half brought lies beside its place, where no maintenance looks for it."""
    content = registered(source, 1)
    (target.root / "raw").mkdir()
    child = os.fork()
    if not child:
        try:
            monkeypatch.setattr(os, "fsync", lambda _: os.kill(os.getpid(), signal.SIGKILL))
            copy_content(source, target, content, label="raw@1")
        finally:
            os._exit(1)
    os.waitpid(child, 0)
    assert [".ledger-"] == [path.name[:8] for path in (target.root / "raw").iterdir()]
    copy_content(source, target, content, label="raw@1")
    assert ["in"] == [path.name for path in (target.root / "raw").iterdir()]


def test_each_linked_file_that_was_copied_is_synced_however_many_there_are(
    source: LocalStore, target: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was just written is synced file by file: ``sync`` reports no bytes that did not reach the disk."""
    content = registered(source, 100)
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(stat.S_ISREG(os.fstat(descriptor).st_mode)))
    copy_content(source, target, content, label="raw@1")
    assert sum(synced) >= 100


@pytest.fixture
def far() -> FsspecStore:
    """An object store."""
    return FsspecStore(f"memory://{new_uuid(0)}")


@pytest.mark.parametrize("files", [1, 70])
def test_linked_files_go_to_an_object_store(source: LocalStore, far: FsspecStore, tmp_path: Path, files: int) -> None:
    """Each file is an object there; executable bits and empty folders come back with them, and a copy adds nothing."""
    content = registered(source, files)
    copy_content(source, far, content, label="raw@1")
    before = list(far.list(""))
    copy_content(source, far, content, label="raw@1")
    reader = ContentReader(far, content, label="raw@1")
    reader.check()
    reader.restore(tmp_path / "back")
    assert before == list(far.list(""))
    assert {f"raw/in/{file.path}" for file in reader.files if file.kind != "directory"} == {
        key for key in before if key.startswith("raw/")
    }
    assert (True, True) == ((tmp_path / "back/empty").is_dir(), os.access(tmp_path / "back/run", os.X_OK))


@pytest.mark.parametrize("files", [1, 70])
def test_linked_objects_go_on(source: LocalStore, far: FsspecStore, target: LocalStore, files: int) -> None:
    """From an object store to another one, and from there to a folder, as they were in the first."""
    content = registered(source, files)
    farther = create_store(f"memory://{new_uuid(0)}")
    for start, goal in ((source, far), (far, farther), (farther, target)):
        copy_content(start, goal, content, label="raw@1")
    assert content == link_content(target, target.root / "raw" / "in")


def test_one_linked_file_goes_by_itself(source: LocalStore, far: FsspecStore, target: LocalStore) -> None:
    """To an object store and back, under its name; a second copy finds it there."""
    (source.root / "raw").mkdir()
    (source.root / "raw/a.csv").write_text("1\n")
    content = link_content(source, source.root / "raw/a.csv")
    for start, goal in ((source, far), (source, far), (far, target), (far, target)):
        copy_content(start, goal, content, label="raw@1")
    assert (b"1\n", "1\n") == (far.get("raw/a.csv"), (target.root / "raw/a.csv").read_text())


def test_what_an_attempt_left_is_used(source: LocalStore, far: FsspecStore) -> None:
    """Objects that are there with the same bytes are no obstacle."""
    content = registered(source, 3)
    far.put("raw/in/1.csv", [b"1\n"])
    copy_content(source, far, content, label="raw@1")
    ContentReader(far, content, label="raw@1").check()


@pytest.mark.parametrize(("key", "said"), [("raw/in/1.csv", "other bytes"), ("raw/in", "an object of that key")])
def test_linked_files_replace_no_object(source: LocalStore, far: FsspecStore, key: str, said: str) -> None:
    """Where other objects lie, they stay as they are, and the error says so."""
    content = registered(source, 3)
    far.put(key, [b"another"])
    with pytest.raises(IntegrityError, match=f"'raw/in' is another thing in memory://.*{said}"):
        copy_content(source, far, content, label="raw@1")
    assert b"another" == far.get(key)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("raw/in", "a file"),
        ("raw/in/1.csv", "a file"),
        ("raw/in/1.csv", "a folder"),
        ("raw/in/1.csv", "a link to nothing"),
        ("raw/in/empty", "a file"),
    ],
)
def test_linked_files_replace_no_file(source: LocalStore, target: LocalStore, name: str, what: str) -> None:
    """Nor where a folder is to be completed, and something else has the name of one of its files, or its own."""
    content = registered(source, 3)
    place = target.root / name
    place.parent.mkdir(parents=True)
    if what == "a folder":
        (place / "inside").mkdir(parents=True)
    elif what == "a link to nothing":
        place.symlink_to("nothing")
    else:
        place.write_text("another")
    before = sorted((target.root / "raw").rglob("*"))
    with pytest.raises(IntegrityError, match="'raw/in' is another thing in file://"):
        copy_content(source, target, content, label="raw@1")
    assert before == sorted((target.root / "raw").rglob("*"))


def test_a_folder_that_is_there_is_completed(source: LocalStore, target: LocalStore) -> None:
    """What is lacking of it comes beside what is there, with the folders that it lies in."""
    content = registered(source, 1)
    (source.root / "raw/in/sub").mkdir()
    (source.root / "raw/in/sub/b.csv").write_text("2\n")
    content = link_content(source, source.root / "raw/in")
    (target.root / "raw/in").mkdir(parents=True)
    (target.root / "raw/in/0.csv").write_text("0\n")
    copy_content(source, target, content, label="raw@1")
    assert content == link_content(target, target.root / "raw/in")


def test_a_folder_that_is_not_there_appears_at_once(
    source: LocalStore, target: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One renaming brings all of it; one that fails is an error of ours, and leaves nothing beside its place."""
    content = registered(source, 3)
    rename, renamed = os.rename, list[str]()

    def full(source: str, goal: Path) -> None:
        if os.path.basename(goal) == "files":
            return rename(source, goal)
        renamed.append(str(goal))
        raise OSError(errno.ENOSPC, "No space left on device", str(source))

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", full)
        with pytest.raises(DiskFullError, match="cannot write"):
            copy_content(source, target, content, label="raw@1")
    assert ([str(target.root / "raw/in")], []) == (renamed, list((target.root / "raw").iterdir()))


def test_a_folder_behind_a_link_is_not_filled(source: LocalStore, target: LocalStore, tmp_path: Path) -> None:
    """What lies there could lead a file to any place; of what was to go there nothing stays beside it."""
    (source.root / "raw/in/sub").mkdir(parents=True)
    (source.root / "raw/in/a.csv").write_text("1\n")
    (source.root / "raw/in/sub/b.csv").write_text("2\n")
    content = link_content(source, source.root / "raw/in")
    (target.root / "raw/in").mkdir(parents=True)
    (target.root / "raw/in/a.csv").write_text("1\n")
    (tmp_path / "elsewhere").mkdir()
    (target.root / "raw/in/sub").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(IntegrityError, match="behind a symbolic link"):
        copy_content(source, target, content, label="raw@1")
    assert [] == list((tmp_path / "elsewhere").iterdir())
    assert [target.root / "raw/in"] == list((target.root / "raw").iterdir())


@pytest.mark.parametrize("kind", ["folder", "objects"])
def test_a_folder_that_grows_is_copied_as_often_as_it_is_registered(
    source: LocalStore, target: LocalStore, far: FsspecStore, kind: str
) -> None:
    """A checkpoint more each time: of each version the files that it registered, whatever lies beside them."""
    goal = target if kind == "folder" else far
    folder = source.root / "checkpoints"
    folder.mkdir()
    contents = []
    for number in range(3):
        (folder / f"{number}.pt").write_text(f"{number}")
        contents.append(link_content(source, folder))
    for _ in range(2):
        for content in contents:
            copy_content(source, goal, content, label="checkpoints@1")
    ContentReader(goal, contents[-1], label="checkpoints@3").check()
    assert b"0" == ContentReader(goal, contents[0], label="checkpoints@1").read("0.pt")


def test_links_stay_out_of_object_stores(source: LocalStore, far: FsspecStore) -> None:
    """Only a folder can hold them; nothing is put, and the error names the link."""
    content = registered(source, 1)
    (source.root / "raw/in/again").symlink_to("0.csv")
    content = link_content(source, source.root / "raw/in")
    with pytest.raises(ArgumentError, match=r"raw@1: 'raw/in' was registered in place with the link 'again'"):
        copy_content(source, far, content, label="raw@1")
    assert [] == list(far.list("raw"))


def test_linked_files_that_changed_are_not_sent(source: LocalStore, far: FsspecStore) -> None:
    """Of a file that is not what was registered no byte is put."""
    content = registered(source, 1)
    (source.root / "raw/in/0.csv").write_text("9\n")
    with pytest.raises(IntegrityError, match=r"raw@1: the file '0\.csv' has 2 bytes"):
        copy_content(source, far, content, label="raw@1")
    assert not far.has("raw/in/0.csv")
