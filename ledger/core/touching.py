"""Which versions a fault touches, and which contents.

Takes a pass over the records of every version, so it is asked only where something is wrong.
"""

from collections.abc import Iterator, Mapping

from ledger.blobs import Fault, Needs, Store, needs_of
from ledger.core.workspace import Workspace
from ledger.errors import LedgerError
from ledger.history import Snapshot
from ledger.records import Content
from ledger.system_errors import raise_if_inconclusive


def every_content(workspace: Workspace, snapshot: Snapshot) -> Iterator[tuple[str, Content | LedgerError]]:
    """Every version's label with its content, or with the error of reading it.

    For an artifact whose versions cannot be listed, its name comes with the error.
    """
    try:
        names = snapshot.artifact_names()
    except LedgerError as error:
        raise_if_inconclusive(error)
        yield "artifacts", error
        return
    for name in names:
        try:
            for claim in snapshot.claims(name):
                try:
                    snapshot.claim_of(name, claim.version)  # raises where its pointer cannot be read
                    yield claim.label, workspace.facts(snapshot, claim).manifest.content
                except LedgerError as error:
                    raise_if_inconclusive(error)
                    yield claim.label, error
        except LedgerError as error:
            raise_if_inconclusive(error)
            yield name, error


def touched_contents(
    workspace: Workspace, snapshot: Snapshot, stores: Store, faults: Mapping[str, Fault]
) -> Iterator[tuple[str, Content]]:
    """Each content that needs a damaged part of the store, once, with a version's label, as far as records tell.

    ``faults`` are by the key of the object that has them.
    """
    seen: set[Content] = set()
    for label, content in every_content(workspace, snapshot):
        if isinstance(content, LedgerError) or content in seen:
            continue
        if any(_touching(needs_of(stores, content), faults)):
            seen.add(content)
            yield label, content


def touched_versions(
    workspace: Workspace,
    snapshot: Snapshot,
    stores: Store,
    faults: Mapping[str, Fault],
    by_object: Mapping[str, str],
) -> tuple[dict[str, list[str]], bool]:
    """The versions that each fault touches, by the place of the fault; and whether every version says what it needs.

    ``faults`` are those of the store, by key; ``by_object`` gives the place of the fault of each damaged object of Git.
    """
    touched: dict[str, list[str]] = {}
    is_readable = True
    for label, found in every_content(workspace, snapshot):
        if isinstance(found, LedgerError):
            is_readable = False
            where = by_object.get(str(found.facts.get("digest")))
            places = [where] if where is not None else []
        else:
            needs = needs_of(stores, found)
            is_readable = is_readable and needs.fault is None
            places = list(_touching(needs, faults))
        for place in places:
            touched.setdefault(place, []).append(label)
    return touched, is_readable


def _touching(needs: Needs, faults: Mapping[str, Fault]) -> Iterator[str]:
    """The keys of the damaged objects of which a content needs a damaged part."""
    for key, stretches in needs.stretches.items():
        fault = faults.get(key)
        if fault is not None and fault.touches(stretches, needs.sizes.get(key)):
            yield key
