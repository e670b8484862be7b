"""The kinds of objects that Git has, by number and as Git spells them."""

COMMIT, TREE, BLOB, TAG = 1, 2, 3, 4
"""A history holds the first three; a tag with a message is its user's."""

KINDS = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
"""How Git spells each kind; entries of a pack that are of no such kind are deltas."""
