"""Tables: what is believed of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ledger.blobs import ContentReader, LocalStore
from ledger.blobs.chunks import tables
from ledger.blobs.chunks.codec import encode_frame
from ledger.blobs.chunks.tables import Table, load_runs, load_table, put_table
from ledger.blobs.stores.layout import table_key
from ledger.errors import FormatError, IntegrityError, UnsupportedFormatError
from ledger.ids import Digest
from ledger.records import Content, FileEntry, content_digest, decode_compact, encode_compact, segments_of

PACK = "ab" * 32
CHUNKS = [(Digest(f"sha256:{number:064x}"), 10) for number in range(3)]
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "packs.json").read_text(encoding="utf-8"))["table"]


def make(**changes: Any) -> tuple[Table, Content]:
    """A table, its digest right for its files and segments, and the content that names it."""
    fields: dict[str, Any] = {
        "files": (FileEntry(path="a", size=30),),
        "segments": segments_of(CHUNKS),
        "runs": ((PACK, 0, 3),),
        "size": 30,
        **changes,
    }
    fields.setdefault("digest", content_digest(fields["files"], fields["segments"]))
    table = Table(**fields)
    return table, Content(digest=table.digest, size=30, file_count=len(table.files))


def stored(store: LocalStore, table: Table, content: Content) -> Content:
    """Put a table where the content is sought."""
    store.put(table_key(content.digest), [encode_frame(encode_compact(table))])
    return content


def test_a_table_comes_back(store: LocalStore) -> None:
    """Loading gives the table that was put."""
    table, content = make()
    put_table(store, table)
    assert load_table(store, content, label="iris@3") == table


def test_tables_have_one_form() -> None:
    """The plain bytes of a table are the golden ones, and the golden frame decodes to them."""
    table = decode_compact(GOLDEN["plain"].encode(), Table, where="golden")
    assert encode_compact(table).decode() == GOLDEN["plain"]
    frame = bytes.fromhex(GOLDEN["frame"])
    assert zstandard.ZstdDecompressor().decompress(frame).decode() == GOLDEN["plain"]
    assert content_digest(table.files, table.segments) == table.digest == GOLDEN["digest"]


FILE = FileEntry(path="a", size=30)


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": Digest("sha256:" + "0" * 64)},
        {"size": 31},
        {"size": -30},
        {"files": (FileEntry(path="a", size=29),)},
        {"files": (FileEntry(path="a", size=40), FileEntry(path="b", size=-10))},
        {"files": (FILE, FileEntry(path="a", size=0))},
        {"files": (FILE, FileEntry(path="a/b", size=0))},
        {"files": (FILE, FileEntry(path="b/", size=0))},
        *(
            {"files": (FileEntry(path=path, size=30),)}
            for path in ["", "/a", "../a", "a/../b", "a//b", ".", "a\0", "a" * 1025]
        ),
        {"files": (FILE, FileEntry(path="d", size=0, kind="directory"), FileEntry(path="d/x", size=0))},
        {"files": (FileEntry(path="a", size=30, kind="directory"),)},
        {"runs": ()},
        {"runs": ((PACK, 0, 0),)},
        {"runs": ((PACK, -1, 3),)},
        {"runs": (("../../etc", 0, 3),)},
        {"runs": ((PACK, 0, 31),)},
        {"runs": ((PACK, 0, 10**15),)},
        {"segments": ()},
        {"segments": segments_of(CHUNKS) * 2},
    ],
)
def test_a_table_that_contradicts_itself_is_refused(store: LocalStore, changes: dict[str, Any]) -> None:
    """Digest, sizes, counts, paths and runs must agree before anything is read for a table."""
    table, content = make(**changes)
    stored(store, table, content)
    with pytest.raises(IntegrityError, match="iris@3"):
        load_table(store, content, label="iris@3")


@pytest.mark.parametrize("run", [(PACK, -1, 3), (PACK, 0, 0), ("..", 0, 3), (PACK, 0, 31)])
def test_runs_of_a_similar_content_are_looked_at_before_they_are_believed(
    store: LocalStore, run: tuple[str, int, int]
) -> None:
    """Where only the runs of a table are wanted, impossible ones are refused all the same."""
    sound, content = make()
    assert sound.runs == load_runs(store, stored(store, sound, content), label="iris@3")
    table, content = make(runs=(run,))
    with pytest.raises(IntegrityError, match=r"impossible run|has 31 chunks"):
        load_runs(store, stored(store, table, content), label="iris@3")


def test_a_table_of_another_content_is_refused(store: LocalStore) -> None:
    """A table under another digest is not believed."""
    table, _ = make()
    _, other = make(files=(FileEntry(path="b", size=30),))
    stored(store, table, other)
    with pytest.raises(IntegrityError, match=str(other.digest)):
        load_table(store, other, label="iris@3")


def test_a_missing_table_names_where_it_was_sought(store: LocalStore) -> None:
    """The error says which content, and which object is missing."""
    _, content = make()
    with pytest.raises(IntegrityError, match="missing") as caught:
        ContentReader(store, content, label="iris@3")
    assert caught.value.facts["location"] == f"{store.url}/{table_key(content.digest)}"


def test_a_table_of_the_future_says_so(store: LocalStore) -> None:
    """A greater format number is no damage: the program is too old."""
    table, content = make(format=2)
    stored(store, table, content)
    with pytest.raises(UnsupportedFormatError, match="format 2"):
        load_table(store, content, label="iris@3")


@pytest.mark.parametrize("text", ['{"kind":"table"}', "[]", "{", '{"a":1,"a":2}', "", " {}"])
def test_a_table_that_is_none_is_refused(store: LocalStore, text: str) -> None:
    """Anything but the canonical form of a table is an IntegrityError."""
    _, content = make()
    store.put(table_key(content.digest), [encode_frame(text.encode())])
    with pytest.raises(IntegrityError):
        load_table(store, content, label="iris@3")


def test_a_table_is_written_up_to_the_limit_that_is_read(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that nobody could read again is an error of the save, and not put; one of just the limit comes back."""
    table, content = make()
    size = len(encode_compact(table))
    monkeypatch.setattr(tables, "TABLE_LIMIT", size - 1)
    with pytest.raises(FormatError, match=f"has {size} bytes, over the limit of {size - 1}") as caught:
        put_table(store, table)
    assert ("save the folder in several parts", []) == (caught.value.hint, list(store.list("tables")))
    monkeypatch.setattr(tables, "TABLE_LIMIT", size)
    put_table(store, table)
    assert table == load_table(store, content, label="iris@3")


def test_a_huge_table_is_refused_before_decompression(store: LocalStore) -> None:
    """A table may have a GiB; one that declares more is not decompressed."""
    _, content = make()
    compressor = zstandard.ZstdCompressor().compressobj(size=(1 << 30) + 1)
    frame = compressor.compress(bytes(1 << 20))  # the header is enough
    store.put(table_key(content.digest), [frame or b"", compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)])
    with pytest.raises(IntegrityError, match="over the limit"):
        load_table(store, content, label="iris@3")
