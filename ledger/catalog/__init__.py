"""Derived views and search over records; disposable, because records are the truth."""

from ledger.catalog.search import Filter, matches

__all__ = ["Filter", "matches"]
