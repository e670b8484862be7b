"""Which objects of a store a content needs, as its manifest and its table say.

Reads the table and nothing else; whether the objects are there and sound, `auditing` finds out.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ledger.blobs.chunks.tables import Table, contradiction, read_table
from ledger.blobs.stores.faults import Fault, missing
from ledger.blobs.stores.layout import chunk_key, pack_key, table_key
from ledger.blobs.stores.sought import THE_STORE
from ledger.blobs.stores.store import Store
from ledger.errors import FormatError, IntegrityError, StorageError
from ledger.records import Content, FileEntry
from ledger.system_errors import raise_if_inconclusive

Stretch = tuple[int, int]
"""The first of some consecutive chunks of a pack, and the one behind the last."""


class Needs(NamedTuple):
    """The objects of a content by their keys, packs with the stretches of chunks that it needs of them.

    ``sizes`` are the plain sizes that its manifest gives chunk objects. ``fault`` is set where its table does not say
    what it needs. ``has_links`` says whether there are links among its files, ``contradiction`` where the manifest
    contradicts a sound table: then the objects are the table's, since other versions may name it. ``table`` is that
    table, for whoever goes on with it.
    """

    stretches: Mapping[str, tuple[Stretch, ...]]
    sizes: Mapping[str, int] = {}
    fault: Fault | None = None
    has_links: bool = False
    contradiction: str | None = None
    table: Table | None = None


def needs_of(store: Store, content: Content) -> Needs:
    """The objects that a content is made of, as its manifest or its table says."""
    if not content.has_table:
        sizes = {chunk_key(digest): size for digest, size in content.chunks or ()}
        return Needs(dict.fromkeys(sizes, ()), sizes, has_links=_has_links(content.files or ()))
    key = table_key(content.digest)
    try:
        table, _ = read_table(store, content.digest, label=THE_STORE)
    except (IntegrityError, StorageError, FormatError) as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return Needs({key: ()}, fault=missing(store, key))
        raise_if_inconclusive(error)
        return Needs({key: ()}, fault=Fault(key, "corrupt", str(error), cause=error))
    problem = contradiction(content, table)
    return Needs(
        {key: (), **stretches_of(table)}, has_links=_has_links(table.files), contradiction=problem, table=table
    )


def stretches_of(table: Table) -> dict[str, tuple[Stretch, ...]]:
    """The chunks that a table names, by the key of their pack."""
    found: dict[str, list[Stretch]] = {}
    for pack, first, count in table.runs:
        found.setdefault(pack_key(pack), []).append((first, first + count))
    return {key: tuple(stretches) for key, stretches in found.items()}


def _has_links(files: Iterable[FileEntry]) -> bool:
    return any(file.kind == "link" for file in files)
