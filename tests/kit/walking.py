"""What walking through every record finds: what a search through the catalog has to find as well."""

from typing import Any

from ledger import Ledger
from ledger.history import Claim, Snapshot
from ledger.lookup.facts import Facts
from ledger.lookup.searching import Search, make_filter, walked
from ledger.lookup.view import View
from ledger.records import check_name, check_version


class Walk:
    """A ledger as it is now, searched without any catalog; each record is read once, however much is asked."""

    def __init__(self, ledger: Ledger) -> None:
        view = ledger._view
        self._view = _ReadingOnce(view.path, history=view.history, revision=view.revision)
        self._snapshot = self._view.snapshot()

    def __call__(self, **asked: Any) -> list[str]:
        """The labels of what a search finds, and their ids, oldest first."""
        name, version, limit = (asked.pop(word, None) for word in ("name", "version", "limit"))
        question = Search(
            name=check_name(name) if name is not None else None,
            version=check_version(version) if version is not None else None,
            wanted=make_filter(**asked),
            limit=limit,
        )
        return [f"{claim.label} {claim.id}" for claim in walked(self._view, self._snapshot, question)][::-1]


def walk(ledger: Ledger, **asked: Any) -> list[str]:
    """What walking finds for a single question."""
    return Walk(ledger)(**asked)


def search(ledger: Ledger, **asked: Any) -> list[str]:
    """The same of the program's own search."""
    return [f"{version.claim.label} {version.claim.id}" for version in ledger.search(**asked)]


class _ReadingOnce(View):
    """Records that were read are known."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._known: dict[Claim, Facts] = {}

    def facts(self, snapshot: Snapshot, claim: Claim) -> Facts:
        if claim not in self._known:
            self._known[claim] = super().facts(snapshot, claim)
        return self._known[claim]
