"""Pages that show a ledger in a browser. Nothing is here yet."""
