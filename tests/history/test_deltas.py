"""A delta makes of its base what it was made for, and nothing else of anything."""

import json
import random
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.history.git import deltas
from ledger.history.git.deltas import apply_delta, encode_delta
from ledger.history.git.entries import encode_delta_entry, encode_entry
from ledger.history.git.forms import Entry, ObjectId, encode_tree
from ledger.history.git.packfile import seal_pack

LINES = st.lists(st.sampled_from([b"a\n", b"bb\n", b"a line that is long enough\n", b"another line of words\n", b"\n"]))
TEXTS = LINES.map(b"".join) | st.binary(max_size=60)
IDS = st.binary(min_size=20, max_size=20).map(lambda id: ObjectId(id.hex()))
TREES = st.dictionaries(st.text("ab01~", min_size=1, max_size=9), st.builds(Entry, st.booleans(), IDS), max_size=12)


@given(TEXTS, TEXTS, st.booleans())
def test_a_delta_makes_its_target(base: bytes, target: bytes, is_tree: bool) -> None:  # noqa: FBT001  # drawn
    """Whatever the two are, the delta of one against the other gives the other."""
    assert target == apply_delta(base, encode_delta(base, target, is_tree=is_tree))


@given(TREES, TREES)
def test_a_delta_of_trees_makes_the_tree(base: dict[str, Entry], changes: dict[str, Entry]) -> None:
    """Entries that are new, gone or changed are no matter."""
    one, other = encode_tree(base), encode_tree({**base, **changes})
    assert other == apply_delta(one, encode_delta(one, other, is_tree=True))
    assert one == apply_delta(other, encode_delta(other, one, is_tree=True))


@given(st.integers(0, 100_000), st.integers(0, 100_000), st.binary(max_size=300))
def test_long_pieces_are_cut(start: int, length: int, between: bytes) -> None:
    """Copies and insertions longer than one instruction holds are several."""
    base = bytes(range(256)) * 400
    target = base[start : start + length] + between * 3 + base[start:]
    assert target == apply_delta(base, encode_delta(base, target))


def tree_of(count: int, changed: dict[int, str] | None = None) -> bytes:
    def id_of(number: int) -> ObjectId:
        return ObjectId(f"{(changed or {}).get(number, number)!s:x>40}".encode().hex()[:40])

    return encode_tree(
        {f"{number:08d}~{number}": Entry(is_directory=True, id=id_of(number)) for number in range(count)}
    )


@pytest.mark.parametrize(
    ("base", "target", "most"),
    [
        (tree_of(100), tree_of(50), 10),
        (tree_of(50), tree_of(51), 60),
        (tree_of(100), tree_of(100, {50: "new"}), 36),
        (tree_of(100), tree_of(100, {10: "new", 50: "new", 90: "new"}), 90),
    ],
    ids=["fewer entries", "one entry more", "one entry changed", "three entries changed"],
)
def test_what_a_tree_shares_with_its_relative_costs_nothing(base: bytes, target: bytes, most: int) -> None:
    """A delta of trees is as large as what differs, and a few bytes for each place."""
    assert len(encode_delta(base, target, is_tree=True)) <= most


def test_what_a_record_shares_with_its_relative_costs_nothing() -> None:
    """A delta of records holds the values that differ, not the lines they stand on."""

    def record(id: str, size: int) -> bytes:
        fields = {"created_by": "Ada <ada@example.com>", "id": id, "kind": "version", "size": size, "zones": ["a"] * 20}
        return json.dumps(fields, indent=2).encode()

    delta = encode_delta(record("0123456789", 1), record("9876543210", 2))
    assert len(delta) <= 32


_JUMPED = [b"%08d\n" % number for number in range(20_000)]
_TANGLED = b"".join(_JUMPED), (_JUMPED[0] + b"new\n" + _JUMPED[-1]) * 10_000


@pytest.mark.parametrize(
    ("base", "target", "is_tree"),
    [(*_TANGLED, False), (b"\1" * 1_000_000, b"\2" * 1_000_000, True)],
    ids=["lines in another order", "nothing alike"],
)
def test_a_delta_takes_no_longer_for_what_is_not_alike(base: bytes, target: bytes, is_tree: bool) -> None:  # noqa: FBT001  # a case
    """A fold, and so a save, waits for it: what lies between two places of the base is not read for each of them."""
    before = time.process_time()
    assert target == apply_delta(base, encode_delta(base, target, is_tree=is_tree))
    assert time.process_time() - before < 2


INSTRUCTIONS = st.lists(
    st.builds(deltas._encode_copy, st.integers(0, 40), st.integers(1, 40))
    | st.binary(min_size=1, max_size=9).map(lambda text: bytes([len(text)]) + text)
)


@given(st.binary(max_size=40), st.integers(0, 90), INSTRUCTIONS, st.binary(max_size=4))
def test_the_compiled_function_makes_the_same(base: bytes, size: int, instructions: list[bytes], end: bytes) -> None:
    """Whatever a delta says, dulwich's function makes of it what our own code makes.

    Of nonsense it makes nothing, or bytes as many as are promised: it stops at a copy from beyond the base.
    """
    head = deltas._encode_size(len(base)) + deltas._encode_size(size)
    delta = b"".join([head, *instructions, end])
    compiled = deltas._compiled()
    assert compiled is not None
    made = compiled(base, delta)
    try:
        expected = deltas._apply(base, delta, len(head), size)
    except (ValueError, IndexError):
        assert made is None or len(made) == size
    else:
        assert expected == made


def test_a_program_without_the_compiled_function_reads_deltas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dulwich that was built without it changes nothing but the time that it takes."""
    monkeypatch.setitem(sys.modules, "dulwich._pack", None)
    monkeypatch.setattr(deltas, "_FEW", 0)
    deltas._compiled.cache_clear()
    try:
        assert deltas._compiled() is None
        assert b"new text" == apply_delta(b"base", encode_delta(b"base", b"new text"))
    finally:
        deltas._compiled.cache_clear()


@given(TEXTS, st.binary(max_size=30))
def test_nonsense_is_refused_or_something(base: bytes, delta: bytes) -> None:
    """Any bytes taken for a delta are refused as one, or make bytes of the size that they promise."""
    try:
        made = apply_delta(base, delta)
    except ValueError:
        return
    assert isinstance(made, bytes)


@pytest.mark.parametrize("few", [0, 1 << 60], ids=["compiled", "ours"])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda delta: delta[:-1], "insert"),
        (lambda delta: delta[:1], "cut short"),
        (lambda delta: b"\x05" + delta[1:], "base of 5 bytes, got one of 4"),
        (lambda delta: delta + b"\x01x", "makes"),
        (lambda delta: delta + b"\0", "insert 0 bytes"),
        (lambda delta: delta[:2] + b"\x91\x03\x05", "beyond the 4 bytes"),
        (lambda delta: delta[:2], "makes 0 bytes or more, expected 8"),
        (lambda _: b"\x04\xff\xff\xff\xff\x7f" + b"\x80" * 1000, "more than any object"),
        (lambda _: b"\xff" * 100_000 + b"\1", "more than any object"),
    ],
)
def test_what_is_no_delta_of_this_base_is_refused(
    damage: Callable[[bytes], bytes], reason: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says what is wrong, whichever code met it."""
    monkeypatch.setattr(deltas, "_FEW", few)
    delta = encode_delta(b"base", b"new text")
    with pytest.raises(ValueError, match=reason):
        apply_delta(b"base", damage(delta))


@pytest.mark.parametrize("few", [0, 1 << 60], ids=["compiled", "ours"])
@pytest.mark.parametrize("length", [127, 128, 254, 255, 0xFFFF, 0x10000, 0x1FFFE, 0x1FFFF])
def test_pieces_of_any_length_make_their_target(length: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One instruction inserts or copies only so much, and the next one begins where it ends."""
    monkeypatch.setattr(deltas, "_FEW", few)
    text = random.Random(length).randbytes(length).replace(b"\n", b".")
    for base, target in ((b"", text), (text, text), (text, b"new" + text)):
        assert target == apply_delta(base, encode_delta(base, target))


@pytest.mark.parametrize("few", [0, 1 << 60], ids=["compiled", "ours"])
def test_a_copy_that_says_no_size_is_of_64_kib(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git writes such where a large object stays as it was, and whichever code reads it makes the same of it."""
    monkeypatch.setattr(deltas, "_FEW", few)
    base = random.Random(1).randbytes(70_000)
    head = deltas._encode_size(len(base)) + deltas._encode_size(1 << 16)
    assert base[: 1 << 16] == apply_delta(base, head + b"\x80")


def test_little_more_is_made_than_a_delta_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes may say to copy the base a thousand times: who fetches them from anybody has memory for no more."""
    monkeypatch.setattr(deltas, "_FEW", 1 << 60)
    base = bytes(1 << 16)
    delta = deltas._encode_size(len(base)) + deltas._encode_size(10) + b"\x80" * 1000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="makes 65536 bytes or more, expected 10"):
            apply_delta(base, delta)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_applies_the_deltas(tmp_path: Path) -> None:
    """What real Git unpacks from a pack of ours with a delta is the target."""
    base, target = tree_of(100), tree_of(100, {3: "x", 50: "y"})
    whole = encode_entry(2, base)
    pack = seal_pack([whole, encode_delta_entry(len(whole), encode_delta(base, target, is_tree=True))])
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "x.git"], check=True)
    git = ["git", f"--git-dir={tmp_path / 'x.git'}"]
    subprocess.run([*git, "unpack-objects", "-q"], input=pack, check=True)
    name = subprocess.run(
        [*git, "hash-object", "-t", "tree", "--stdin", "--literally"], input=target, capture_output=True, check=True
    ).stdout.strip()
    shown = subprocess.run([*git, "cat-file", "tree", name.decode()], capture_output=True, check=True).stdout
    assert target == shown
