"""What happens to readers when stored bytes are not what they were."""

from pathlib import Path

import pytest

from ledger.blobs import ContentReader, LocalStore
from ledger.errors import IntegrityError, UnsupportedFormatError
from ledger.records import Content
from tests.kit.contents import load, noise, save
from tests.kit.stores import objects

SHRINKING = {f"{number:02}.txt": f"line {number % 7}\n".encode() * (12 if number == 40 else 1) for number in range(65)}
SMALL = {"a": noise(90), "b": b"\x1f\x8b mistakable"}
MEANINGLESS = 0.02
LARGE = {"a": noise(200_000), "b": noise(400_000, 1), "c": b"the end"}


def is_harmless(store: LocalStore, content: Content, expected: dict[str, bytes]) -> bool:
    """Whether reading gives the expected bytes; `False` for an error that names the content. Anything else fails."""
    try:
        found = load(store, content)
    except (IntegrityError, UnsupportedFormatError) as error:
        said = str(error)
    else:
        assert found == expected
        return True
    assert "iris@3" in said
    return False


@pytest.mark.parametrize(("files", "each"), [(SMALL, 1), (SHRINKING, 3)], ids=["chunk", "pack and table"])
def test_no_flipped_bit_gives_wrong_bytes(store: LocalStore, files: dict[str, bytes], each: int) -> None:
    """Any bit of any byte of an object may flip: readers get the bytes that were saved, or an error."""
    content = save(store, files)
    for key, data in objects(store).items():
        path, damaged, harmless = store.root / key, bytearray(data), 0
        for bit in range(0, 8 * len(data), each):
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            harmless += is_harmless(store, content, files)
            damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        # A frame holds a few bits that mean nothing for the bytes inside, such as codes of letters that do not occur.
        assert harmless <= 8 * len(data) / each * MEANINGLESS
    assert is_harmless(store, content, files)


@pytest.mark.parametrize("files", [SMALL, LARGE], ids=["chunk", "pack and table"])
@pytest.mark.parametrize("left", [0, 1, 31, 0.5, -33, -32, -1, None])
def test_a_cut_object_is_an_error(store: LocalStore, files: dict[str, bytes], left: float | None) -> None:
    """Truncated, empty and missing objects are an IntegrityError, whichever it is."""
    content = save(store, files)
    for key, data in objects(store).items():
        path = store.root / key
        if left is None:
            path.unlink()
        else:
            path.write_bytes(data[: int(left * len(data)) if left == 0.5 else int(left)])
        assert not is_harmless(store, content, files)
        path.write_bytes(data)


@pytest.mark.parametrize("change", ["longer", "zeros", "doubled"])
def test_other_damage_gives_no_wrong_bytes(store: LocalStore, change: str) -> None:
    """Appended, zeroed and doubled objects are an error or harmless."""
    content = save(store, LARGE)
    for key, data in objects(store).items():
        (store.root / key).write_bytes({"longer": data + b"x", "zeros": bytes(len(data)), "doubled": data * 2}[change])
        is_harmless(store, content, LARGE)
        (store.root / key).write_bytes(data)


def test_swapped_objects_are_noticed(store: LocalStore) -> None:
    """An object under another's name is an error, because names are digests."""
    contents = {seed: save(store, {"a": noise(300_000, seed)}) for seed in (1, 2)}
    small = {seed: save(store, {"a": noise(300, seed)}) for seed in (1, 2)}
    for folder in ("chunks", "packs", "tables"):
        first, second = list(store.list(folder))
        one, other = store.get(first), store.get(second)
        (store.root / first).write_bytes(other)
        (store.root / second).write_bytes(one)
        for seed, content in (small if folder == "chunks" else contents).items():
            assert not is_harmless(store, content, {"a": noise(300 if folder == "chunks" else 300_000, seed)})
        (store.root / first).write_bytes(one)
        (store.root / second).write_bytes(other)


def test_swapped_chunks_of_a_pack_are_noticed(store: LocalStore) -> None:
    """Two chunks that changed places in their pack are an error."""
    files = {"a": bytes(range(256)) * 64 + noise(400_000)}
    content = save(store, files)
    key = next(iter(store.list("packs")))
    data = store.get(key)
    index = [line.split() for line in data[-32 - int(data[-12:-1]) : -32].splitlines()]
    first, second = int(index[0][3]), int(index[1][3])
    swapped = data[first : first + second] + data[:first] + data[first + second :]
    (store.root / key).write_bytes(swapped)
    assert not is_harmless(store, content, files)


def test_an_error_says_what_and_where(store: LocalStore) -> None:
    """The error names the content, the chunk's digest, and the object, and holds them as facts."""
    content = save(store, {"a": b"bytes"})
    reader = ContentReader(store, content, label="iris@3")
    path = Path(reader.location.removeprefix("file://"))
    path.write_bytes(b"byteS")
    digest = (content.chunks or ())[0][0]
    with pytest.raises(IntegrityError) as caught:
        reader.read("a")
    assert all(word in str(caught.value) for word in ("iris@3", digest, str(path)))
    assert caught.value.facts["digest"] == digest
