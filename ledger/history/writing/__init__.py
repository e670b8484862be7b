"""How drafts become commits: writers wait for their turn, and whoever has it publishes for all of them."""
