"""Derived views and search over records; disposable, because records are the truth.

Takes plain values and knows no history: `ledger.lookup` brings the catalog up to a commit.
"""

from ledger.catalog.catalog_file import LineChange, overlay, read_catalog, update_catalog
from ledger.catalog.catalogs import Catalog
from ledger.catalog.lines import CatalogDamage, Place, Traits, encode_line, key_of
from ledger.catalog.queries import make_query
from ledger.catalog.search import Filter, matches

__all__ = [
    "Catalog",
    "CatalogDamage",
    "Filter",
    "LineChange",
    "Place",
    "Traits",
    "encode_line",
    "key_of",
    "make_query",
    "matches",
    "overlay",
    "read_catalog",
    "update_catalog",
]
