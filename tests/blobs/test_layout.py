"""Keys of objects."""

import pytest

from ledger.blobs.stores.layout import chunk_key, pack_key, parse_key, table_key
from ledger.errors import FormatError
from ledger.ids import Digest, digest_of

NAME = "ab" + "c" * 62


def test_objects_lie_in_folders_by_their_first_digits() -> None:
    """A key is the kind, two digits and the rest."""
    digest = Digest(f"sha256:{NAME}")
    assert [chunk_key(digest), pack_key(NAME), table_key(digest)] == [
        f"{kind}/ab/{'c' * 62}" for kind in ("chunks", "packs", "tables")
    ]


def test_keys_are_parsed_back() -> None:
    """Parsing a key gives the kind and the name it was built from."""
    assert parse_key(chunk_key(digest_of(b""))) == ("chunks", digest_of(b"").removeprefix("sha256:"))


@pytest.mark.parametrize(
    "key", ["store.json", "chunks/ab", f"chunks/a/{NAME}", f"data/ab/{NAME[2:]}", f"../chunks/{NAME}"]
)
def test_other_paths_are_no_keys(key: str) -> None:
    """What no object is called is not parsed."""
    assert parse_key(key) is None


@pytest.mark.parametrize("name", ["", "../" * 20, NAME.upper(), NAME + "0", f"{NAME}\n"])
def test_a_name_that_is_no_digest_never_becomes_a_key(name: str) -> None:
    """A forged name cannot lead out of its folder."""
    with pytest.raises(FormatError):
        pack_key(name)
