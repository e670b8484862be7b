"""Objects are handed out checked, or not at all."""

import contextlib
import hashlib
import os
import random
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityError, LedgerError, StorageError
from ledger.history import History
from ledger.history.folds.packing import FOLD_AT
from ledger.history.git.forms import (
    Entry,
    ObjectId,
    change_tree,
    decode_commit,
    decode_tree,
    encode_tree,
    find_in_tree,
    names_beginning,
    names_in_tree,
    object_id,
)
from ledger.history.git.kinds import BLOB, COMMIT, TREE
from ledger.history.git.objects import Objects
from ledger.history.tree import layout
from ledger.ids import CommitId
from ledger.records import check_name
from tests.kit.histories import again, draft, git, new_history, packs_of, publish, versions_of

NAMES = st.text("abcAB.-~", min_size=1, max_size=6).filter(lambda name: name not in (".", ".."))
ENTRIES = st.dictionaries(
    NAMES, st.builds(Entry, st.booleans(), st.binary(min_size=20, max_size=20).map(lambda id: ObjectId(id.hex())))
)


@given(st.sampled_from([1, 2, 3]), st.binary(max_size=50))
def test_an_id_is_what_git_calls_the_object(kind: int, data: bytes) -> None:
    """The id is SHA-1 over kind, length and bytes."""
    head = {1: "commit", 2: "tree", 3: "blob"}[kind]
    assert hashlib.sha1(f"{head} {len(data)}\0".encode() + data).hexdigest() == object_id(kind, data)


@given(ENTRIES)
def test_decoding_gives_the_tree_back(entries: dict[str, Entry]) -> None:
    """Trees are encoded and decoded without loss, in Git's order."""
    decoded = decode_tree(encode_tree(entries))
    assert entries == decoded
    assert sorted(decoded, key=lambda name: f"{name}/" if decoded[name].is_directory else name) == list(decoded)


@given(ENTRIES, ENTRIES)
def test_changing_entries_of_a_tree_leaves_the_others(entries: dict[str, Entry], changed: dict[str, Entry]) -> None:
    """Entries put in the place of others, before, between and after them give the tree that has them all."""
    assert encode_tree({**entries, **changed}) == change_tree(encode_tree(entries), changed)


@given(ENTRIES)
def test_what_stands_in_a_tree_is_found(entries: dict[str, Entry]) -> None:
    """Each name is found where its id is, and no other name."""
    data = encode_tree(entries)
    for name, entry in entries.items():
        found = find_in_tree(data, name)
        assert found is not None
        at, shown = found
        assert (entry, bytes.fromhex(entry.id)) == (shown, data[at : at + 20])
    assert find_in_tree(data, "absent-from-all") is None


@given(ENTRIES, st.text("abcAB.-~", min_size=1, max_size=2))
def test_names_that_begin_with_a_text_are_found(entries: dict[str, Entry], start: str) -> None:
    """They are those of all names that do, in the order of the tree."""
    data = encode_tree(entries)
    assert [*decode_tree(data)] == names_in_tree(data)
    assert [name for name in decode_tree(data) if name.startswith(start)] == names_beginning(data, start)


@pytest.mark.parametrize("id", [b"40000 b\0".ljust(20, b"."), b"100644 ba\0".ljust(20, b"."), b"." * 13 + b"40000 b"])
def test_what_looks_like_an_entry_in_an_id_is_none(id: bytes) -> None:
    """An id may be any bytes: a name that stands in one, or begins in one, is not in the tree."""
    entry = Entry(is_directory=True, id=ObjectId(id.hex()))
    data = encode_tree({"a": entry, "c": entry})
    assert find_in_tree(data, "b") is None
    assert [] == names_beginning(data, "b")
    assert ["c"] == names_beginning(data, "c")


def test_names_that_look_like_entries_cost_no_more_than_others() -> None:
    """A name may hold what an entry begins with: a tree full of such names is searched once, not once for each."""
    entry = Entry(is_directory=False, id=ObjectId("ab" * 20))
    data = encode_tree(dict.fromkeys(["!", *(f"{number:05d}40000 !" for number in range(30_000))], entry))
    before = time.process_time()
    assert (len("100644 !\0"), entry) == find_in_tree(data, "!")
    assert time.process_time() - before < 2


@pytest.mark.parametrize(("count", "size"), [(8, 4 << 20), (400, 60_000)])
def test_commits_with_long_messages_do_not_fill_the_memory(tmp_path: Path, count: int, size: int) -> None:
    """Anybody who may push can write megabytes into each message, of which a pack shows nothing."""
    objects = Objects(new_history(tmp_path).git_dir)
    head = f"tree {'0' * 40}\nauthor Eve <> 1 +0000\ncommitter Eve <> 1 +0000\n\n".encode()
    ids = [loose(objects, COMMIT, head + b"%04d" % number + b"x" * (size - 4)) for number in range(count)]
    tracemalloc.start()
    try:
        assert all(len(objects.commit(CommitId(id)).message) == size for id in ids)
        assert tracemalloc.get_traced_memory()[0] < 16 << 20
    finally:
        tracemalloc.stop()


def test_few_entries_of_trees_stay_at_hand(tmp_path: Path) -> None:
    """Those of the newest trees, however many are read: a history has millions."""
    objects = Objects(new_history(tmp_path).git_dir)
    for number in range(8):
        entry = Entry(is_directory=False, id=ObjectId(f"{number:040x}"))
        id = loose(objects, TREE, encode_tree(dict.fromkeys(map(str, range(15_000)), entry)))
        assert objects.tree(id) is objects.tree(id)
        assert sum(map(len, objects._trees.values())) <= 40_000


def test_a_tree_has_the_id_that_git_gives_it(history: History) -> None:
    """`git mktree` of the same entries makes the same object: directories sort as if they ended in a slash."""
    blob, empty = git(history, "hash-object", "-w", "--stdin", data=b""), git(history, "mktree", data=b"")
    entries = {name: Entry(False, ObjectId(blob)) for name in ("a.b", "a-b", "ab", "A")}  # a tuple
    entries |= {name: Entry(True, ObjectId(empty)) for name in ("a", "b")}  # a tuple
    lines = [
        f"{'040000 tree' if entry.is_directory else '100644 blob'} {entry.id}\t{name}\n"
        for name, entry in entries.items()
    ]
    assert git(history, "mktree", data="".join(lines).encode()) == object_id(TREE, encode_tree(entries))


@pytest.mark.parametrize("mode", ["120000", "160000", "100755", "040000", ""])
def test_links_and_submodules_are_no_part_of_a_ledger(tmp_path: Path, mode: str) -> None:
    """A tree with anything but plain files and directories is an IntegrityError that shows the mode."""
    objects = Objects(new_history(tmp_path).git_dir)
    data = f"{mode} x\0".encode() + b"\1" * 20
    loose(objects, TREE, data)
    with pytest.raises(IntegrityError, match=f"is not one of a ledger: 'x' has mode {mode}"):
        objects.tree(object_id(TREE, data))


def loose(objects: Objects, kind: int, data: bytes, *, stored: bytes | None = None) -> ObjectId:
    """An object as a loose file, by default an honest one."""
    name = object_id(kind, data)
    head = {1: "commit", 2: "tree", 3: "blob"}[kind]
    path = objects.directory / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(f"{head} {len(data)}\0".encode() + data) if stored is None else stored)
    return name


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (b"", "damaged loose file"),
        (b"not zlib", "damaged loose file"),
        (zlib.compress(b"blob 4\0data")[:-6], "altered loose file"),
        (zlib.compress(b"blob 5\0other"), "altered loose file"),
        (zlib.compress(b"blub 4\0data"), "damaged loose file"),
        (zlib.compress(b"blob 4\0" + b"\0" * (9 << 20)), "altered loose file"),
    ],
    ids=["empty", "garbage", "cut", "altered", "of no kind", "too large"],
)
def test_a_damaged_loose_object_is_named(tmp_path: Path, stored: bytes, reason: str) -> None:
    """Bytes that are not what the id says are never handed out; the error names the object and the damage."""
    objects = Objects(new_history(tmp_path).git_dir)
    name = loose(objects, BLOB, b"data", stored=stored)
    with pytest.raises(IntegrityError, match=f"git object {name} of the history cannot be read .*{reason}") as caught:
        objects.get(name, BLOB)
    assert name == caught.value.facts["digest"]


def test_a_sound_copy_is_found_beside_a_damaged_one(tmp_path: Path) -> None:
    """An object that is damaged in one place and sound in another is read."""
    history = new_history(tmp_path)
    publish(history)
    loose(Objects(history.git_dir), BLOB, b"", stored=b"garbage")
    saved = draft("iris", "cat")
    publish(history, saved)  # its pointer is an empty file
    assert ["1", "cat"] == versions_of(again(history))
    data = saved.manifest
    loose(Objects(history.git_dir), BLOB, data)
    packs_of(history)[-1].write_bytes(b"x" * 100)
    assert data == Objects(history.git_dir).get(object_id(BLOB, data), BLOB)


def test_a_loose_file_that_cannot_be_read_hides_nothing_else(tmp_path: Path) -> None:
    """An object is sought on in packs that came since; one that is nowhere else is an error, not absent."""
    history = new_history(tmp_path)
    objects = Objects(history.git_dir)
    objects.read(ObjectId(history.tip()))
    publish(history)
    new, lost = ObjectId(history.tip()), ObjectId("1" * 40)
    for id in (new, lost):
        (history.git_dir / "objects" / id[:2] / id[2:]).mkdir(parents=True)
    assert COMMIT == objects.read(new)[0]
    with pytest.raises(StorageError, match="Is a directory"):
        objects.read(lost)


def test_a_folder_of_loose_objects_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    """Of ids that begin with its name nobody can say how many there are."""
    history = new_history(tmp_path)
    (history.git_dir / "objects" / "ab").write_text("in the way")
    with pytest.raises(StorageError, match=r"objects/ab: Not a directory"):
        Objects(history.git_dir).ids_with_prefix("abc")


@pytest.mark.parametrize("suffix", [".idx", ".pack"])
def test_a_pack_that_cannot_be_read_hides_nothing_else(tmp_path: Path, suffix: str) -> None:
    """Saves go on beside it, and all that lies in other packs is found; what only it has is an error, not absent."""
    history = new_history(tmp_path)
    before = set(packs_of(history))
    publish(history, draft("iris"))
    [pack] = set(packs_of(history)) - before
    publish(history, draft("other"))
    path = pack.with_suffix(suffix)
    path.unlink()
    (path / "something").mkdir(parents=True)
    publish(again(history), draft("other"))
    assert ["1", "2"] == versions_of(again(history), "other")
    claim = layout.parse_claim(check_name("iris"), f"00000001~1~1~{'0' * 32}")
    with pytest.raises(StorageError, match="Is a directory"):
        again(history).snapshot().holds(claim)


def test_an_object_that_is_nowhere_is_damage(tmp_path: Path) -> None:
    """Only what something reachable names is asked for, so what is missing is missing."""
    objects = Objects(new_history(tmp_path).git_dir)
    with pytest.raises(IntegrityError, match="it is nowhere"):
        objects.get(ObjectId("a" * 40), BLOB)


@pytest.mark.parametrize("remembered", [True, False])
def test_an_object_of_another_kind_is_refused(tmp_path: Path, remembered: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """A tree is no commit, also where the object is at hand already."""
    history = new_history(tmp_path)
    objects = Objects(history.git_dir)
    root = objects.commit(history.tip()).tree
    if remembered:
        objects.get(root, TREE)
    with pytest.raises(IntegrityError, match=f"git object {root} is a tree, expected a commit"):
        objects.commit(CommitId(root))


@pytest.mark.parametrize("data", [b"", b"tree x", b"committer x\n\n", b"committer A <a@b> soon +0000\n\n"])
def test_a_commit_that_makes_no_sense_is_damage(tmp_path: Path, data: bytes) -> None:
    """A commit object with missing or broken lines is an IntegrityError when its parts are used."""
    objects = Objects(new_history(tmp_path).git_dir)
    name = CommitId(loose(objects, COMMIT, data))
    with pytest.raises(IntegrityError, match="git"):
        objects.tree(objects.commit(name).tree)


def test_the_parts_of_a_commit() -> None:
    """Tree, parents, author, time and message; other headers and signatures are passed over."""
    text = f"tree {'a' * 40}\nparent {'b' * 40}\nparent {'c' * 40}\nauthor A <a@b> 1 +0100\ncommitter C <c@d> 7 -0200\n"
    commit = decode_commit(CommitId("d" * 40), f"{text}gpgsig x\n y\n\nsubject\n\nbody\n".encode())
    assert ("d" * 40, "a" * 40, ("b" * 40, "c" * 40), "A <a@b>", 7, "subject\n\nbody\n") == tuple(commit)


def test_headers_behind_the_committer_say_nothing() -> None:
    """A second tree, parent or committer is passed over, as Git passes it over."""
    text = f"tree {'a' * 40}\nparent {'b' * 40}\nauthor A <a@b> 1 +0100\ncommitter C <c@d> 7 -0200\n"
    more = f"encoding x\ntree {'e' * 40}\nparent {'f' * 40}\nauthor E <e@x> 2 +0000\ncommitter E <e@x> {10**40} +0000\n"
    id = CommitId("d" * 40)
    assert decode_commit(id, f"{text}\nx\n".encode()) == decode_commit(id, f"{text}{more}\nx\n".encode())


@pytest.mark.parametrize("order", [(1, 0, 2, 3), (0, 2, 1, 3), (0, 1, 3, 2), (0, 1, 3), (0, 1, 2), (0, 0, 1, 2, 3)])
def test_a_commit_in_another_order_is_none(order: tuple[int, ...]) -> None:
    """Git takes a tree, parents, an author and a committer in this order and in no other."""
    lines = (f"tree {'a' * 40}\n", f"parent {'b' * 40}\n", "author A <a@b> 1 +0100\n", "committer C <c@d> 7 -0200\n")
    with pytest.raises(ValueError, match="which is not its tree, parents, author and committer"):
        decode_commit(CommitId("d" * 40), ("".join(lines[at] for at in order) + "\nx\n").encode())


def test_a_pack_folder_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Where the system fails, so do we: nothing is taken for missing."""
    history = new_history(tmp_path)
    (history.git_dir / "objects" / "pack").rename(tmp_path / "aside")
    (history.git_dir / "objects" / "pack").write_text("")
    with pytest.raises(StorageError, match="objects/pack"):
        again(history).snapshot()


def test_a_pack_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    """A directory in the place of a pack is a StorageError, not an object that is nowhere."""
    history = new_history(tmp_path)
    pack = packs_of(history)[0]
    pack.unlink()
    pack.mkdir()
    with pytest.raises(LedgerError, match=pack.stem):
        again(history).snapshot()


def packed_by_nobody(history: History) -> None:
    publish(history)


def packed_by_folding(history: History) -> None:
    for number in range(FOLD_AT):
        publish(history, draft("iris", size=300 + number))


def packed_by_git(history: History) -> None:
    for number in range(4):
        publish(history, draft("iris", size=300 + number))
    git(history, "-c", "repack.useDeltaBaseOffset=false", "repack", "-a", "-d", "-f", "--depth=10")


@pytest.mark.parametrize("suffix", [".pack", ".idx"])
@pytest.mark.parametrize("prepare", [packed_by_nobody, packed_by_folding, packed_by_git])
def test_no_damage_of_a_pack_goes_unnoticed(tmp_path: Path, suffix: str, prepare: Callable[[History], object]) -> None:
    """With any byte changed or the file cut anywhere, every object is right or an error of ours, never a crash."""
    history = new_history(tmp_path)
    prepare(history)
    target = max(packs_of(history), key=lambda pack: pack.stat().st_size).with_suffix(suffix)
    names = [
        line.split()[1]
        for line in git(history, "show-index", data=target.with_suffix(".idx").read_bytes()).splitlines()
    ]
    sound = target.read_bytes()
    choices = random.Random(1)
    damaged = [sound[:cut] for cut in choices.sample(range(len(sound)), 20)]
    places = [*range(60), *choices.sample(range(len(sound)), 75), *range(1028, 1036)]
    damaged += [
        sound[:at] + bytes([byte ^ 1 << choices.randrange(8)]) + sound[at + 1 :]
        for at in places
        for byte in sound[at : at + 1]
    ]
    for data in damaged:
        target.unlink()
        target.write_bytes(data)
        objects = Objects(history.git_dir)
        for name in names:
            with contextlib.suppress(IntegrityError):
                kind, found = objects.read(ObjectId(name))
                assert name == object_id(kind, found)


@pytest.mark.parametrize("kind", [0, 5, 6, 7])
def test_a_kind_that_there_is_not_is_damage(tmp_path: Path, kind: int) -> None:
    """A header with a reserved kind, or a delta without a base, is an error of ours that names the pack."""
    history = new_history(tmp_path)
    publish(history)
    pack = packs_of(history)[0]
    listing = git(history, "show-index", data=pack.with_suffix(".idx").read_bytes())
    offset, name = listing.splitlines()[0].split()[:2]
    data = bytearray(pack.read_bytes())
    data[int(offset)] = data[int(offset)] & 0b10001111 | kind << 4
    pack.unlink()
    pack.write_bytes(data)
    with pytest.raises(IntegrityError, match=pack.stem):
        Objects(history.git_dir).read(ObjectId(name))


def test_other_versions_are_read_beside_a_damaged_one(tmp_path: Path) -> None:
    """Damage to one manifest takes that version alone; a new process sees the damage, whatever this one remembers."""
    history = new_history(tmp_path)
    claims = [publish(history, draft("iris", size=5000)).claims[0] for _ in range(3)]
    blob = git(history, "rev-parse", f"main:{'/'.join((*claims[1].path, 'version.json'))}")
    for pack in packs_of(history):
        listing = git(history, "show-index", data=pack.with_suffix(".idx").read_bytes())
        offset = next((int(line.split()[0]) for line in listing.splitlines() if line.split()[1] == blob), None)
        if offset is not None:
            data = bytearray(pack.read_bytes())
            data[offset + 20] ^= 255
            pack.unlink()
            pack.write_bytes(data)
    fresh = again(history).snapshot()
    assert claims == list(fresh.claims(check_name("iris")))
    with pytest.raises(IntegrityError, match=f"git object {blob}"):
        fresh.manifest(claims[1])
    assert all(fresh.manifest(claim) for claim in (claims[0], claims[2]))
    publish(again(history))


def test_packs_that_real_git_made_are_read(history: History) -> None:
    """`git repack` makes packs with deltas and takes ours away, `git gc` as well: an open history goes on."""
    for number in range(12):
        publish(history, draft("iris", size=2000 + number))
    for command in (
        ["repack", "-a", "-d", "-f", "--depth=20"],
        ["gc", "-q", "--prune=now"],
        ["repack", "-a", "-d", "-F"],
    ):
        git(history, *command)
        publish(history)
        for reader in (history, again(history)):
            snapshot = reader.snapshot()
            assert all(snapshot.manifest(claim) for claim in snapshot.claims(check_name("iris")))
    assert 15 == len(versions_of(history))


def test_loose_objects_of_real_git_are_read(history: History) -> None:
    """`git unpack-objects` leaves loose files in place of packs; everything is still there."""
    publish(history)
    packs = [pack.read_bytes() for pack in packs_of(history)]
    for path in (history.git_dir / "objects" / "pack").iterdir():
        path.unlink()
    for pack in packs:
        git(history, "unpack-objects", "-q", data=pack)
    publish(history)
    assert ["1", "2"] == versions_of(again(history))


def test_a_large_loose_object_is_read_as_one_in_a_pack_is(history: History) -> None:
    """A folder of 100,000 events is larger than any record; Git leaves it loose where few objects are pushed."""
    data = bytes(9 << 20)
    id = ObjectId(git(history, "hash-object", "-w", "--stdin", data=data))
    assert (BLOB, data) == Objects(history.git_dir).read(id)


def test_threads_share_the_objects_while_packs_come_and_go(history: History) -> None:
    """Readers in threads find every object while saves fold packs under them."""
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                objects = again(history)
                snapshot = objects.snapshot()
                assert all(snapshot.manifest(claim) for claim in snapshot.claims(check_name("iris")))
        except BaseException as error:  # noqa: BLE001  # told to the main thread
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        publish(history)
    done.set()
    for thread in threads:
        thread.join()
    assert ([], 40) == (failures, len(versions_of(history)))


def test_no_descriptor_stays_open(history: History) -> None:
    """Reading and publishing leave no more files open than they found."""
    publish(history)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    for _ in range(20):
        publish(history)
        again(history).snapshot()
    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    assert after <= before + 20
