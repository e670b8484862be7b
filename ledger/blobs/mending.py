"""Good copies of what is damaged or missing in a store, out of another store.

Owns whether another store can make a content whole again, content by content. The other store may hold the same chunks
in other packs: then its table comes with them. Or it does not have that table: then the one that the ledger reads, from
its own store or a remote's, says which packs to take. Everything is checked by its digests before it is counted on and
again as it is copied. Registered data is the user's own and is left alone.
"""

from collections.abc import Callable, Collection
from contextvars import copy_context

from ledger.blobs.auditing import check_objects, look_into
from ledger.blobs.copying import Copied, Copier
from ledger.blobs.stores.faults import missized
from ledger.blobs.stores.layout import kind_of
from ledger.blobs.stores.readonly import ReadOnlyStore
from ledger.blobs.stores.store import Store
from ledger.errors import StorageError
from ledger.notices import collect_warnings
from ledger.records import Content
from ledger.system_errors import raise_if_inconclusive


def mendable_keys(
    source: Store, own: Store, content: Content, faulty: Collection[str], *, read: Store
) -> tuple[str, ...] | None:
    """The objects of ``source`` that would make a content whole again in ``own``; ``None`` where they cannot.

    ``read`` is what the ledger reads from: ``own``, and the stores of the remotes behind it.
    Raises `StoreUnavailableError` or `StoreAccessError` where a store does not say what it holds.
    """
    keys = _keys_of(source, own, content, faulty)
    if keys is None and content.has_table:
        found = _keys_of(_WithTablesOf(source, read), own, content, faulty) or ()
        keys = tuple(key for key in found if not _is_table(key)) or None
    return keys


def mend_content(
    source: Store,
    own: Store,
    content: Content,
    keys: Collection[str],
    *,
    read: Store,
    label: str,
    copy_aside: Callable[[str, bytes], None],
    move_aside: Callable[[str], None],
) -> None:
    """Make a content whole in ``own``; ``copy_aside`` is given what lies at ``keys`` before it is replaced.

    What cannot be read, such as a folder in the place of a file, is for ``move_aside`` to take out of the way.
    """
    if content.has_table and not any(map(_is_table, keys)):
        source = _WithTablesOf(source, read)
    for key in keys:
        try:
            found = own.get(key)
        except FileNotFoundError:
            continue
        except StorageError as error:
            raise_if_inconclusive(error)
            move_aside(key)
            continue
        if found != _given(source, key, len(found) + 1):
            copy_aside(key, found)
    quiet = copy_context()
    quiet.run(collect_warnings, [])  # no warnings of damage, which is why all this is written again
    quiet.run(Copier(own, anew=keys).copy_objects, Copied(source, content, label))


class _WithTablesOf(ReadOnlyStore):
    """The objects of another store, except that tables are those that the ledger reads."""

    def __init__(self, store: Store, read: Store) -> None:
        super().__init__(store)
        self._read = read

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object, or a part of them."""
        return (self._read if _is_table(key) else self._store).get(key, start, length)


def _keys_of(source: Store, own: Store, content: Content, faulty: Collection[str]) -> tuple[str, ...] | None:
    """The objects to take from ``source``, as its tables say; ``None`` where they cannot make the content whole."""
    try:
        needs, fault = look_into(source, content, deep=True)
        if needs.fault is not None or needs.contradiction is not None or fault is not None:
            return None
        wanted = [key for key in needs.stretches if key in faulty or _is_table(key) or not own.has(key)]
        for done in check_objects(source, (key for key in wanted if not _is_table(key))):
            size = needs.sizes.get(done.key)
            fault = done.fault or missized(source, done.key, done.plain, [size])
            if fault is not None and fault.touches(needs.stretches[done.key], size):
                return None
        return tuple(wanted)
    except StorageError as error:
        raise_if_inconclusive(error)
        return None  # what cannot be read is as good as not there


def _given(source: Store, key: str, most: int) -> bytes | None:
    """At most ``most`` bytes of an object of ``source``; ``None`` where it is gone, which copying it will report."""
    try:
        return source.get(key, 0, most)
    except FileNotFoundError:
        return None


def _is_table(key: str) -> bool:
    return kind_of(key) == "tables"
