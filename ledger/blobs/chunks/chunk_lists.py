"""Which chunks the stream of a stored content has, in order: for whoever compares or checks contents.

Reads the table and the indexes of the packs that it names, each once, and no chunk. Nothing is believed that the
segments of the table do not bear out.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from ledger.blobs.chunks.packs import PackIndex, load_index
from ledger.blobs.chunks.tables import Run, load_table, table_sought
from ledger.blobs.stores.store import Store
from ledger.blobs.stores.workers import ask_each
from ledger.ids import Digest
from ledger.records import Content, segments_of


def listed_chunks(store: Store, content: Content, *, label: str) -> Sequence[tuple[Digest, int]]:
    """The digest and the plain size of each chunk; `IntegrityError` where the table or a pack is missing or damaged."""
    if not content.has_table:
        return content.chunks or ()
    table = load_table(store, content, label=label)
    packs = sorted({pack for pack, _, _ in table.runs})
    indexes = dict(zip(packs, ask_each(store, partial(load_index, store, label=label), packs), strict=True))
    chunks = list(named_chunks(table.runs, indexes.__getitem__))
    if segments_of(chunks) != table.segments or sum(size for _, size in chunks) != content.size:
        raise table_sought(store, content.digest, label).damaged("names runs of chunks that are not its segments")
    return chunks


def named_chunks(runs: Iterable[Run], index_of: Callable[[str], PackIndex]) -> Iterator[tuple[Digest, int]]:
    """The chunks that runs name, as the indexes of their packs have them.

    A run that goes beyond the end of its pack gives fewer of them, and so another segment.
    """
    for pack, first, count in runs:
        yield from ((entry.digest, entry.plain_size) for entry in index_of(pack).entries[first : first + count])
