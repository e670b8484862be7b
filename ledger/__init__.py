"""The artifact ledger."""
