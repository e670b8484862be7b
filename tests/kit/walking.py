"""What walking through every record finds: what a search through the catalog has to find as well."""

from typing import Any

from ledger import Ledger
from ledger.lookup.searching import Search, make_filter, walked
from ledger.records import check_name, check_version


def walk(ledger: Ledger, **asked: Any) -> list[str]:
    """The labels of what a search finds, and their ids' beginnings, oldest first, without any catalog."""
    name, version, limit = (asked.pop(word, None) for word in ("name", "version", "limit"))
    view = ledger._view
    snapshot = view.snapshot()
    question = Search(
        name=check_name(name) if name is not None else None,
        version=check_version(version) if version is not None else None,
        wanted=make_filter(**asked),
        limit=limit,
    )
    return [f"{claim.label} {claim.id}" for claim in walked(view, snapshot, question)][::-1]


def search(ledger: Ledger, **asked: Any) -> list[str]:
    """The same of the program's own search."""
    return [f"{version.claim.label} {version.claim.id}" for version in ledger.search(**asked)]
