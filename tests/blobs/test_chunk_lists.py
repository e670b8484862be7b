"""Which chunks a stored content has, in order, without reading one."""

import pytest

from ledger.blobs import LocalStore, listed_chunks
from ledger.blobs.chunks.tables import load_table, put_runs
from ledger.errors import IntegrityError
from ledger.ids import digest_of
from tests.kit.contents import noise, save


@pytest.mark.parametrize("size", [0, 10, 2_000_000])
def test_the_chunks_are_those_of_the_stream(store: LocalStore, size: int) -> None:
    """Each with its digest and its size, whether the manifest lists them or a table and the indexes of packs."""
    first = save(store, {"data.bin": noise(size)})
    data = b"before" + noise(size)
    content = save(store, {"data.bin": data}, similar=[first])
    at, pieces = 0, []
    for digest, length in listed_chunks(store, content, label="iris@1"):
        pieces.append((digest, digest_of(data[at : at + length])))
        at += length
    assert (len(data), True) == (at, all(told == found for told, found in pieces))


def test_a_table_that_names_other_chunks_is_damage(store: LocalStore) -> None:
    """Nobody compares by chunks that the segments of the table do not bear out."""
    content = save(store, {"data.bin": noise(2_000_000)})
    [(pack, first, count)] = load_table(store, content, label="iris@1").runs
    put_runs(store, content, ((pack, first + 1, count - 1), (pack, first, 1)))
    with pytest.raises(IntegrityError, match=r"iris@1: .*runs of chunks that are not its segments"):
        listed_chunks(store, content, label="iris@1")
