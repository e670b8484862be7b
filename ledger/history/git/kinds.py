"""How Git tells objects apart: by their kinds, as numbers and as words, and by ids of one length."""

from typing import Final

COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4
"""A history holds the first three; a tag with a message is its user's."""

KINDS = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
"""How Git spells each kind; entries of a pack that are of no such kind are deltas."""

RawObject = tuple[int, bytes]
"""An object as it is stored: its kind, and its bytes."""

ID_BYTES: Final = 20
"""The length of an id in trees, packs and indexes."""
