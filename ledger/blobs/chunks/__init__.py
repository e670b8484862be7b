"""How the bytes of a content are kept: cut into chunks, which lie in packs, and listed in a table."""
