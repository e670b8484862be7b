"""Where objects lie in a store.

The only module that builds or parses an object's key (specs/format.md, 6). A key
is a path relative to the store's root, with `/` on every system. Digests come
from records and tables, which others wrote: everything that becomes a key is
checked here, so that no key ever leaves its folder.
"""

import re
from typing import Final, Literal

from ledger.errors import FormatError, IntegrityError
from ledger.ids import Digest, hex_of

ObjectKind = Literal["chunks", "packs", "tables"]

STORE_KEY: Final = "store.json"
"""The object that tells one store from another."""

OBJECT_KINDS: Final[tuple[ObjectKind, ...]] = ("chunks", "packs", "tables")

_RESERVED: Final = frozenset({STORE_KEY, *OBJECT_KINDS})
"""First path segments that belong to the store itself; linked data lies elsewhere."""

_HEX = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"(chunks|packs|tables)/([0-9a-f]{2})/([0-9a-f]{62})")


def chunk_shards() -> tuple[str, ...]:
    """The folders of all chunk objects."""
    return tuple(f"chunks/{number:02x}" for number in range(256))


def chunk_key(digest: Digest) -> str:
    """The key of the chunk object with that plain digest."""
    return _key("chunks", hex_of(digest))


def pack_key(pack: str) -> str:
    """The key of a pack, named by the hex SHA-256 of its index."""
    return _key("packs", pack)


def table_key(digest: Digest) -> str:
    """The key of the table of the content with that digest."""
    return _key("tables", hex_of(digest))


def parse_key(key: str) -> tuple[ObjectKind, str] | None:
    """The kind and the hex name of the object of a key, or ``None`` if no chunk, pack or table can have that key."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    kind = next(kind for kind in OBJECT_KINDS if kind == match[1])
    return kind, match[2] + match[3]


def kind_of(key: str) -> ObjectKind | None:
    """The kind of the object of a key, or ``None`` as in `parse_key`."""
    found = parse_key(key)
    return found[0] if found is not None else None


def names_its_bytes(key: str) -> bool:
    """Whether a key says for ever what its object holds, as those of chunks and packs do.

    A table may be written anew when maintenance moves chunks to other packs.
    """
    return kind_of(key) in ("chunks", "packs")


def is_own(key: str) -> bool:
    """Whether an object is the store's own, and no registered data."""
    return key.split("/", maxsplit=1)[0] in _RESERVED


def refuse_replacing(url: str, key: str) -> None:
    """Raise `IntegrityError` before an object with other bytes is replaced, if it is registered data of the user's."""
    if not is_own(key):
        raise IntegrityError(f"{url}/{key} has other bytes", location=f"{url}/{key}")


def is_hex(name: str) -> bool:
    """Whether a text is the hex form of a SHA-256."""
    return _HEX.fullmatch(name) is not None


def _key(kind: ObjectKind, name: str) -> str:
    if not is_hex(name):
        raise FormatError(f"{name!r} in {kind} is not the hex form of a SHA-256", found=name)
    return f"{kind}/{name[:2]}/{name[2:]}"
