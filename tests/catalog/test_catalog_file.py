"""The file of the catalog: whatever is put into it, and whatever becomes of it, it says the truth or nothing."""

import itertools
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.catalog import (
    Catalog,
    CatalogDamage,
    Filter,
    LineChange,
    Place,
    Traits,
    catalog_file,
    encode_line,
    key_of,
    make_query,
    overlay,
    read_catalog,
    update_catalog,
)
from ledger.catalog.catalog_file import extend
from ledger.catalog.lines import EPOCH
from ledger.catalog.segments import TOKEN_BYTES, TRAILER_BYTES, Segment, encode_segment, read_trailer
from ledger.errors import StorageError
from ledger.ids import VersionId
from tests.kit.histories import die_at

COMMIT = "c" * 40

Model = dict[int, tuple[str, bytes]]
"""By number: the line that a version has, and its tag."""


def line_of(number: int, tag: str = "x") -> bytes:
    id = VersionId(f"018cc251-fb94-76df-9be0-{number:012x}")
    traits = Traits(type="DataArtifact", tags=(tag,), metadata={"n": number}, created_at=EPOCH)
    return encode_line(Place(id, f"name-{number % 3}", number + 1, str(number + 1), number + 1, id), traits)


def put(model: Model, number: int, tag: str) -> LineChange:
    """The change that gives a version a line; the model has it then."""
    replaced = key_of(model[number][1]) if number in model else None
    model[number] = (tag, line_of(number, tag))
    return LineChange(model[number][1], replaced)


def drop(model: Model, number: int) -> LineChange:
    return LineChange(None, key_of(model.pop(number)[1]))


def tagged(catalog: Catalog, tag: str) -> list[int]:
    """The numbers of what has a tag, newest first."""
    return [found.place.position - 1 for found in catalog.search(make_query(Filter(tags=(tag,))))]


def agrees(catalog: Catalog, model: Model) -> None:
    assert sorted(line for _, line in model.values()) == list(catalog.live_lines())
    for tag in "xy":
        assert sorted((n for n, (has, _) in model.items() if has == tag), reverse=True) == tagged(catalog, tag)
    for number in range(12):
        found = [place.position - 1 for place in catalog.find(f"018cc251fb9476df9be0{number:012x}")]
        assert ([number] if number in model else []) == found
    assert len(model) == catalog.count("018cc251fb9476")


STEPS = st.lists(st.lists(st.tuples(st.integers(0, 11), st.sampled_from("xy-")), max_size=6), min_size=1, max_size=12)


@given(STEPS)
def test_a_catalog_says_what_was_put_into_it(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[tuple[int, str]]]
) -> None:
    """After any new, replaced and gone lines, in memory and in the file: exactly the lines that hold are found."""
    path = tmp_path_factory.mktemp("catalog") / "catalog"
    catalog, model = None, Model()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_file, "RUN_LINES", 4)
        patch.setattr(catalog_file, "_SPARE_BYTES", 300)
        for number, step in enumerate(steps):
            changes = [
                put(model, n, tag) if tag != "-" else drop(model, n)
                for n, tag in dict(step).items()
                if tag != "-" or n in model
            ]
            commit = f"{number:040x}"
            if catalog is not None:
                agrees(extend(catalog, changes, commit).catalog, model)
                agrees(overlay(catalog, changes, commit), model)
            after = update_catalog(path, catalog, changes, commit)
            assert after is not None
            agrees(after, model)
            catalog = read_catalog(path)
            assert catalog is not None
            assert commit == catalog.commit
            agrees(catalog, model)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model]:
    """A catalog of 3,000 lines in many blocks and three segments."""
    path, model = tmp_path_factory.mktemp("cache") / "catalog", Model()
    update_catalog(path, None, [put(model, number, "x") for number in range(3000)], COMMIT)
    for size, tag in ((100, "y"), (3, "x")):  # without the last of the segments other lines would hold
        before = read_catalog(path)
        assert before is not None
        update_catalog(path, before, [put(model, number, tag) for number in range(size)], COMMIT)
    again = read_catalog(path)
    assert again is not None
    assert 3 == len(again.segments)
    return path, model


@pytest.fixture
def kept(tmp_path: Path, made: tuple[Path, Model]) -> tuple[Path, Model]:
    """A copy of that catalog."""
    (folder := tmp_path / "cache").mkdir()
    return Path(shutil.copy(made[0], folder)), dict(made[1])


def test_few_segments_hold_many_additions(tmp_path: Path) -> None:
    """A thousand additions of one line leave few segments, and a file not much larger than its lines."""
    path, model = tmp_path / "catalog", Model()
    update_catalog(path, None, [put(model, 0, "x")], COMMIT)
    for number in range(1, 1000):
        before = read_catalog(path)
        assert before is not None
        update_catalog(path, before, [put(model, number, "x")], COMMIT)
    catalog = read_catalog(path)
    assert catalog is not None
    assert list(range(999, -1, -1)) == tagged(catalog, "x")
    assert len(catalog.segments) <= 6
    assert path.stat().st_size < 6 << 20


@pytest.mark.parametrize(
    ("sizes", "new", "expected"),
    [
        ([30], 1, [30, 1]),
        ([4], 1, [5]),
        ([5], 1, [5, 1]),
        ([300, 20, 4], 1, [300, 25]),
        ([300, 21, 4], 1, [300, 21, 5]),
        ([30, 4], 0, [30, 4, 0]),
        ([9, 0], 0, [9, 0]),
    ],
)
def test_segments_are_taken_in_while_they_are_small(sizes: list[int], new: int, expected: list[int]) -> None:
    """A new segment takes in the newest as long as they have at most four times its lines."""
    catalog, numbers = Catalog(COMMIT, [], token=bytes(TOKEN_BYTES)), itertools.count()
    for size in sizes:
        catalog = overlay(catalog, [LineChange(line_of(next(numbers)), None) for _ in range(size)], COMMIT)
    extended = extend(catalog, [LineChange(line_of(next(numbers)), None) for _ in range(new)], COMMIT).catalog
    assert expected == [segment.lines for segment in extended.segments]


def is_written_anew(path: Path, lines: list[bytes]) -> bool:
    """Whether these lines cost the file, or go behind its end."""
    before = path.stat().st_ino
    update_catalog(path, read_catalog(path), [LineChange(line, None) for line in lines], COMMIT)
    return path.stat().st_ino != before


@pytest.mark.parametrize(
    ("sizes", "new", "expected"), [([4], 1, True), ([5], 1, False), ([200, 7], 2, True), ([200, 6], 2, False)]
)
def test_when_a_catalog_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int], new: int, *, expected: bool
) -> None:
    """Where one segment alone would come of it, or one of more lines than are held in memory at once."""
    monkeypatch.setattr(catalog_file, "RUN_LINES", 8)
    numbers = itertools.count()
    first, *others = [[line_of(next(numbers)) for _ in range(size)] for size in (*sizes, new)]
    update_catalog(tmp_path / "catalog", None, [LineChange(line, None) for line in first], COMMIT)
    *before, last = [is_written_anew(tmp_path / "catalog", lines) for lines in others]
    assert ([False] * len(before), expected) == (before, last)


@pytest.mark.parametrize(("spare", "expected"), [(0, True), (1 << 20, False)])
def test_a_catalog_that_is_mostly_dead_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spare: int, *, expected: bool
) -> None:
    """Where more bytes are read by nobody than by somebody, and some more; what is torn counts as well."""
    monkeypatch.setattr(catalog_file, "_SPARE_BYTES", spare)
    path = tmp_path / "catalog"
    update_catalog(path, None, [LineChange(line_of(number), None) for number in range(100)], COMMIT)
    live = path.stat().st_size
    path.write_bytes(path.read_bytes() + bytes(live // 2))
    assert not is_written_anew(path, [line_of(100)])
    path.write_bytes(path.read_bytes() + bytes(live))
    assert not is_written_anew(path, [line_of(101)])
    assert expected == is_written_anew(path, [line_of(102)])


def damages(data: bytes) -> Iterator[bytes]:
    """Files that are not what was written: bytes changed, cut off, put in, overwritten, exchanged."""
    chance = random.Random(7)
    for _ in range(120):
        at = chance.randrange(len(data))
        yield data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    for _ in range(60):
        yield data[: chance.randrange(len(data))]
    for _ in range(40):
        at, length = chance.randrange(len(data)), chance.randrange(1, 5000)
        yield data[:at] + chance.randbytes(length) + data[at + length :]
        yield data[:at] + bytes(length) + data[at + length :]
        yield data[:at] + data[at + length :]
    for cut in range(1, 120):
        yield data[:-cut]
    yield from (b"", b"\0" * len(data), data[:40], b"ledger catalog, format 2\n" + data[25:], b"SQLite format 3\0")
    yield data + data


def test_no_damage_gives_a_wrong_answer(kept: tuple[Path, Model]) -> None:
    """Of 400 damages each is noticed, or what is read is what was put in, now or one step before."""
    path, model = kept
    data = path.read_bytes()
    first = {number: ("x", line_of(number)) for number in range(3000)}
    second = {**first, **{number: ("y", line_of(number, "y")) for number in range(100)}}
    states = [sorted(line for _, line in state.values()) for state in (model, second, first)]
    noticed = 0
    for damaged in damages(data):
        path.write_bytes(damaged)
        catalog = read_catalog(path)
        if catalog is None:
            noticed += 1
            continue
        expected = states[3 - len(catalog.segments)]
        try:
            assert expected == list(catalog.live_lines())
        except CatalogDamage:
            noticed += 1
    assert noticed > 200


def test_every_byte_of_a_trailer_is_judged(kept: tuple[Path, Model]) -> None:
    """It says up to which commit the lines go: where it is altered, the catalog is the one of a step before."""
    path, _ = kept
    data = path.read_bytes()
    for at in range(len(data) - TRAILER_BYTES, len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        catalog = read_catalog(path)
        assert catalog is not None
        assert 2 == len(catalog.segments)


def test_a_question_reads_few_blocks() -> None:
    """An id is found by the blocks that may hold it, and a moment rules blocks out, without reading the others."""
    lines = [line_of(number) for number in range(3000)]
    data = b"".join(encode_segment(lines, (), commit=COMMIT, token=bytes(16), builds_on=0))
    read: list[int] = []

    def source(at: int, length: int) -> bytes:
        read.append(length)
        return data[at : at + length]

    segment = Segment(source, len(data), read_trailer(source, len(data), bytes(16)))
    read.clear()
    assert lines == list(segment.all_lines())
    assert sum(read) > 300_000
    for number in (0, 1500, 2999):
        read.clear()
        assert [lines[number]] == list(segment.lines_beginning(lines[number][:36]))
        assert sum(read) < 140_000
    read.clear()
    assert [] == list(segment.candidates(make_query(Filter(created_after=EPOCH))))
    assert [] == read


def test_a_catalog_of_a_later_format_is_no_help(kept: tuple[Path, Model]) -> None:
    """Its head says so, whatever follows."""
    path, _ = kept
    data = path.read_bytes()
    path.write_bytes(data.replace(b", format 1\n", b", format 2\n", 1))
    assert read_catalog(path) is None


def test_a_segment_that_builds_on_itself_is_no_help(kept: tuple[Path, Model]) -> None:
    """Whatever it says of where the one before it ends, reading comes to an end."""
    path, _ = kept
    head = path.read_bytes()[:41]
    token = head[-16:]
    size = len(b"".join(encode_segment([line_of(1)], (), commit=COMMIT, token=token, builds_on=0)))
    for builds_on, expected in ((len(head), True), (len(head) + 1, False), (len(head) + size, False)):
        segment = encode_segment([line_of(1)], (), commit=COMMIT, token=token, builds_on=builds_on)
        path.write_bytes(head + b"".join(segment))
        assert expected == (read_catalog(path) is not None)


def test_a_segment_names_what_it_replaces_and_is_whole_or_damage() -> None:
    """The keys that were given and no other; an end behind which too little lies is no segment's."""
    data = b"".join(encode_segment([line_of(1)], [b"one", b"two"], commit=COMMIT, token=bytes(16), builds_on=0))

    def source(start: int, length: int) -> bytes:
        return data[start : start + length]

    trailer = read_trailer(source, len(data), bytes(16))
    assert [b"one", b"two"] == Segment(source, len(data), trailer).replaced
    for end in (0, TRAILER_BYTES - 1, len(data) + 1):
        with pytest.raises(CatalogDamage):
            read_trailer(source, end, bytes(16))


def test_a_line_without_a_time_is_damage() -> None:
    """What somebody put into the file under right checksums is not built upon."""
    with pytest.raises(CatalogDamage, match="a line has 2 columns, and no time"):
        list(encode_segment([b"no\tline"], (), commit=COMMIT, token=bytes(16), builds_on=0))


def test_a_torn_end_is_passed_over(kept: tuple[Path, Model]) -> None:
    """What a dead writer left at the end hides nothing that was whole, and the next addition goes behind it."""
    path, model = kept
    size = path.stat().st_size
    catalog = read_catalog(path)
    assert catalog is not None
    torn = extend(catalog, [put(dict(model), 5, "x")], COMMIT).data[:-9]
    path.write_bytes(path.read_bytes() + torn)
    before = read_catalog(path)
    assert before is not None
    agrees_with_file = sorted(line for _, line in model.values())
    assert agrees_with_file == list(before.live_lines())
    update_catalog(path, before, [put(model, 7, "x")], COMMIT)
    after = read_catalog(path)
    assert after is not None
    assert sorted(line for _, line in model.values()) == list(after.live_lines())
    assert path.stat().st_size > size + len(torn)


@pytest.mark.parametrize("torn", [b"x", b"x" * 8, b"\x00lcatend", b"\x00lcatend" * 30, b"\x00lcat"])
def test_little_that_is_torn_hides_nothing(kept: tuple[Path, Model], torn: bytes) -> None:
    """Nor do a few bytes behind the last segment, whatever they look like."""
    path, model = kept
    path.write_bytes(path.read_bytes() + torn)
    catalog = read_catalog(path)
    assert catalog is not None
    assert sorted(line for _, line in model.values()) == list(catalog.live_lines())


def test_what_is_torn_may_be_long(kept: tuple[Path, Model], monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is torn, the end before it is found, also where it lies in two of the pieces that are searched."""
    path, model = kept
    monkeypatch.setattr(catalog_file, "_SEARCH_BYTES", 16)
    whole = path.read_bytes()
    for length in range(200, 216):
        path.write_bytes(whole + bytes(length))
        catalog = read_catalog(path)
        assert catalog is not None
        assert sorted(line for _, line in model.values()) == list(catalog.live_lines())


def test_versions_of_one_string_go_by_their_ids(tmp_path: Path) -> None:
    """Of each name there is one, so that none has to wait for a version of its own name that came later."""
    path = tmp_path / "cache" / "catalog"
    ids = [VersionId(f"018cc251-fb94-76df-9be0-{number:012x}") for number in range(4)]
    traits = Traits(type="DataArtifact", tags=(), metadata={}, created_at=EPOCH)
    places = [
        Place(ids[3], "a", 1, "1", 1, ids[0]),
        Place(ids[0], "a", 2, "2", 2, ids[0]),
        Place(ids[2], "b", 1, "1", 1, ids[2]),
    ]
    catalog = update_catalog(path, None, [LineChange(encode_line(each, traits), None) for each in places], COMMIT)
    assert catalog is not None

    def found(version: str | None) -> list[tuple[str, str]]:
        return [(each.place.name, each.place.version) for each in catalog.search(make_query(Filter(), version=version))]

    assert [("a", "1"), ("b", "1")] == found("1")
    assert [("b", "1"), ("a", "2"), ("a", "1")] == found(None)


def test_of_two_additions_at_once_the_last_is_right(kept: tuple[Path, Model]) -> None:
    """Two that start from one catalog both add to the file: what is read is one of them whole."""
    path, model = kept
    one, other = read_catalog(path), read_catalog(path)
    assert one is not None
    assert other is not None
    models = [dict(model), dict(model)]
    update_catalog(path, one, [put(models[0], 1, "x")], "1" * 40)
    update_catalog(path, other, [put(models[1], 2, "x")], "2" * 40)
    after = read_catalog(path)
    assert after is not None
    assert "2" * 40 == after.commit
    assert sorted(line for _, line in models[1].values()) == list(after.live_lines())


def test_an_addition_to_another_file_is_none(kept: tuple[Path, Model]) -> None:
    """What was made for a file that has been replaced meanwhile is passed over in the new one."""
    path, model = kept
    old = read_catalog(path)
    assert old is not None
    update_catalog(path, None, [put(Model(), 1, "y")], COMMIT)
    update_catalog(path, old, [put(model, 1, "x")], COMMIT)
    after = read_catalog(path)
    assert after is not None
    assert [line_of(1, "y")] == list(after.live_lines())


def test_a_catalog_outlives_its_file(kept: tuple[Path, Model]) -> None:
    """A catalog that is open answers, though its file is removed or replaced."""
    path, model = kept
    catalog = read_catalog(path)
    assert catalog is not None
    path.unlink()
    assert sorted(line for _, line in model.values()) == list(catalog.live_lines())
    after = update_catalog(path, catalog, [put(model, 1, "x")], COMMIT)
    assert after is not None
    assert sorted(line for _, line in model.values()) == list(after.live_lines())


def test_what_cannot_be_kept_is_in_memory_or_an_error(tmp_path: Path) -> None:
    """Where nothing can be written, an addition is in memory; a first catalog is an error that names the path."""
    path, model = tmp_path / "cache" / "catalog", Model()
    update_catalog(path, None, [put(model, number, "x") for number in range(9)], COMMIT)
    catalog = read_catalog(path)
    assert catalog is not None
    path.unlink()
    path.mkdir()
    for number in range(12):
        catalog = update_catalog(path, catalog, [put(model, number, "y")], COMMIT)
        assert catalog is not None
        agrees(catalog, model)
    with pytest.raises(StorageError, match=str(path)):
        update_catalog(path, None, [put(Model(), 1, "x")], COMMIT)
    assert ["catalog"] == os.listdir(path.parent)


def test_no_catalog_is_written_behind_a_link(tmp_path: Path) -> None:
    """A ledger may come from anybody: where its cache is a link, files of the same names are the user's own."""
    (own := tmp_path / "own").mkdir()
    (own / "catalog").write_bytes(b"precious")
    (tmp_path / "cache").symlink_to("own")
    with pytest.raises(StorageError, match=f"cannot write in {tmp_path}/cache: it is a link"):
        update_catalog(tmp_path / "cache" / "catalog", None, [put(Model(), 1, "x")], COMMIT)
    assert [b"precious"] == [path.read_bytes() for path in own.iterdir()]


def test_what_dead_writers_left_goes_after_an_hour(tmp_path: Path) -> None:
    """A temporary file that nobody has touched for an hour is removed by the next who writes a catalog anew.

    What else is kept beside the catalog stays.
    """
    old, new, other = (tmp_path / name for name in ("tmp_catalog_old", "tmp_catalog_new", "other"))
    for path in (old, new, other):
        path.write_bytes(b"x")
    for path in (old, other):
        os.utime(path, (time.time() - 4000,) * 2)
    update_catalog(tmp_path / "catalog", None, [put(Model(), 1, "x")], COMMIT)
    assert (False, True, True) == (old.exists(), new.exists(), other.exists())


def test_a_killed_writer_leaves_what_the_next_one_knows(tmp_path: Path) -> None:
    """What is left of one that dies before its file has its name goes after an hour, too."""
    path = tmp_path / "catalog"
    assert die_at(1, frozenset({"os.rename"}), lambda: update_catalog(path, None, [put(Model(), 1, "x")], COMMIT))
    (left,) = tmp_path.iterdir()
    assert read_catalog(path) is None
    os.utime(left, (time.time() - 4000,) * 2)
    update_catalog(path, None, [put(Model(), 1, "x")], COMMIT)
    assert [path] == list(tmp_path.iterdir())


def test_a_catalog_that_nobody_has_any_more_is_closed(kept: tuple[Path, Model]) -> None:
    """Whoever looks again and again, as a server does, does not run out of open files."""
    path, _ = kept
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        assert read_catalog(path) is not None
    path.write_bytes(b"no catalog")
    assert read_catalog(path) is None
    assert len(os.listdir("/proc/self/fd")) <= before
