"""Lists of artifacts and versions, and searches over them.

Decides for each search whether the catalog answers it or a walk through the trees does. Both find the same versions:
they judge by one filter, and the records decide what a line of the catalog cannot.
"""

import datetime as dt
import heapq
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

import msgspec

from ledger.catalog import Catalog, Filter, make_query, matches
from ledger.errors import (
    ArgumentError,
    ArgumentTypeError,
    FormatError,
    IntegrityError,
    VersionNotFoundError,
)
from ledger.history import Claim, Snapshot, in_utc
from ledger.ids import VersionId
from ledger.lookup.cataloguing import CataloguedSnapshot, are_few, claim_of
from ledger.lookup.facts import Facts
from ledger.lookup.handles import Artifact, ArtifactVersion
from ledger.lookup.resolving import check_wanted, resolve, resolve_name, split_label
from ledger.lookup.view import View
from ledger.notices import warn_of_record
from ledger.records import (
    Name,
    VersionString,
    check_limit,
    check_name,
    check_tags,
    check_type,
    check_version,
    normalise,
    parse_time,
)
from ledger.wording import shown, shown_with_type


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """The arguments of a search, checked."""

    name: Name | None
    version: VersionString | None
    wanted: Filter
    limit: int | None
    skips_damaged: bool = True
    """Whether a version that cannot be judged is left out with a warning; else its damage is raised."""


def list_artifacts(view: View, *, name: str | None, tag: str | Iterable[str] | None) -> list[Artifact]:
    """The artifacts in the order of their names; with ``name`` only that one, with ``tag`` only those that have it."""
    snapshot = view.snapshot()
    wanted = check_name(name) if name is not None else None
    names = snapshot.artifact_names() if wanted is None else [wanted]
    if tag is not None:
        search = Search(name=wanted, version=None, wanted=make_filter(tag=tag), limit=None)
        tagged = {claim.name for claim in _found(view, snapshot, search)}
        names = [each for each in names if each in tagged]
    latest = (snapshot.latest(each) for each in names)
    return [Artifact(claim, view, snapshot) for claim in latest if claim is not None]


def find_named_artifact(view: View, name: str) -> Artifact:
    """The artifact of a name; raises `ArtifactNotFoundError`."""
    snapshot = view.snapshot()
    return Artifact(resolve_name(snapshot, name), view, snapshot)


def find_artifact(view: View, name_or_id: str | UUID) -> Artifact:
    """The artifact of a name, or that of a version's id or id prefix; raises `ArtifactNotFoundError`."""
    snapshot = view.snapshot()
    return Artifact(resolve_name(snapshot, resolve(snapshot, name_or_id).name), view, snapshot)


def find_version(
    view: View, snapshot: CataloguedSnapshot, wanted: str | UUID, version: str | int | None, tag: str | None
) -> Claim:
    """The version that is meant; with a tag, the newest of the artifact that has it.

    Raises what `resolve` raises, and `VersionNotFoundError` where no version has the tag. A version that is newer than
    the one found, and whose record is damaged, might be the one that is meant: its damage is raised.
    """
    if tag is None:
        return resolve(snapshot, wanted, version)
    name, tag = check_tagged(wanted, version, tag)
    artifact = resolve(snapshot, name).name
    if artifact != name:
        raise _id_beside_tag(name, tag)
    tagged = Search(name=artifact, version=None, wanted=Filter(tags=(tag,)), limit=1, skips_damaged=False)
    for claim in _found(view, snapshot, tagged):
        return claim
    raise VersionNotFoundError(
        f"artifact {artifact!r} has no version with the tag {tag!r}",
        hint=f"run `ledger artifact version list {artifact}` to see the tags of its versions",
        name=artifact,
        tag=tag,
    )


def check_tagged(wanted: object, version: str | int | None, tag: object) -> tuple[str, str]:
    """The name and the tag of a look-up by tag; raises where they, or a version beside them, make no sense."""
    if not isinstance(tag, str):
        raise ArgumentTypeError(f"a version is found by one tag, a str, got {shown_with_type(tag)}")
    [text] = check_tags([tag])
    name, own = split_label(check_wanted(wanted), version)
    if own is not None:
        raise ArgumentError(
            f"version {shown(own)} of {shown(name)} was given, and the tag {text!r} as well",
            hint="give one of them: either names one version",
        )
    if isinstance(wanted, UUID):
        raise _id_beside_tag(name, text)
    return name, text


def _id_beside_tag(id: str, tag: str) -> ArgumentError:
    return ArgumentError(
        f"the id {shown(id)} was given, and the tag {tag!r} as well",
        hint="give the artifact's name with the tag: an id names one version",
    )


def search_versions(
    view: View, *, name: str | None, version: str | int | None, wanted: Filter, limit: int | None
) -> list[ArtifactVersion]:
    """The versions that match, in the order they were made; ``limit`` keeps the newest.

    Where more than the name and the version string is asked, a version whose record is damaged cannot be judged, and
    is left out with a warning.
    """
    snapshot = view.snapshot()
    search = Search(
        name=check_name(name) if name is not None else None,
        version=check_version(version) if version is not None else None,
        wanted=wanted,
        limit=check_limit(limit),
    )
    return [ArtifactVersion(claim, view, snapshot) for claim in _found(view, snapshot, search)[::-1]]


def claims_tagged(view: View, snapshot: CataloguedSnapshot, name: Name, tag: str) -> list[Claim]:
    """The versions of an artifact that have a tag, newest first; a damaged one is left out with a warning."""
    return _found(view, snapshot, Search(name=name, version=None, wanted=Filter(tags=(tag,)), limit=None))


def make_filter(
    *,
    tag: str | Iterable[str] | None = None,
    type: object = None,
    run_metadata: Mapping[str, Any] | None = None,
    created_after: dt.datetime | None = None,
) -> Filter:
    """The filter of a search's arguments, each checked."""
    kind = check_type(type)
    if created_after is not None and not isinstance(created_after, dt.datetime):
        raise ArgumentTypeError(
            f"created_after is a datetime, got {shown(created_after)}", hint=_moment_of(created_after)
        )
    return Filter(
        tags=check_tags([tag] if isinstance(tag, str) else tag),
        type=kind.value if kind is not None else None,
        metadata=normalise(run_metadata),
        created_after=in_utc(created_after) if created_after is not None else None,
    )


def _moment_of(given: object) -> str:
    """The hint that says how to make a datetime of what was given; empty if that is no date."""
    text = str(given) if isinstance(given, (str, dt.date)) else ""
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return ""
    return f"write created_after=datetime.fromisoformat({text!r})"


def _found(view: View, snapshot: CataloguedSnapshot, search: Search) -> list[Claim]:
    """The versions that match, newest first, by the catalog or by walking, whichever is quicker."""
    claims = None
    if not _is_quick_to_walk(snapshot, search):
        claims = snapshot.ask(lambda catalog: list(catalogued(view, snapshot, catalog, search)))
    return claims if claims is not None else walked(view, snapshot, search)


def _is_quick_to_walk(snapshot: Snapshot, search: Search) -> bool:
    """Whether the trees answer at once, or there are only few versions to judge."""
    if search.name is None:
        return search.limit == 0
    if search.wanted.asks_nothing or search.version is not None:
        return True
    return are_few(snapshot.claims(search.name))


def catalogued(view: View, snapshot: Snapshot, catalog: Catalog, search: Search) -> Iterator[Claim]:
    """The versions that the catalog finds, newest first; where a line cannot decide, the records do."""
    query = make_query(search.wanted, name=search.name, version=search.version)
    found = (
        claim
        for place, is_certain in catalog.search(query)
        if _is_held(snapshot, claim := claim_of(place), search)
        and (is_certain or _is_wanted(view, snapshot, claim, search))
    )
    return itertools.islice(found, search.limit)


def _is_held(snapshot: Snapshot, claim: Claim, search: Search) -> bool:
    """Whether the version string that is searched for, if any, is this version's in the snapshot."""
    return search.version is None or snapshot.claim_of(claim.name, search.version) == claim


def walked(view: View, snapshot: Snapshot, search: Search) -> list[Claim]:
    """What walking through the history finds, newest first."""
    if search.limit is None and search.version is None:
        # Judged name by name, because the records of a name lie together, and then put in order.
        ordered = (pair for name in _names(snapshot, search) for pair in _with_order(snapshot, name))
        found = [(order, claim) for order, claim in ordered if _is_wanted(view, snapshot, claim, search)]
        found.sort(key=lambda pair: (pair[0], pair[1].position), reverse=True)
        return [claim for _, claim in found]
    claims = (claim for claim in _newest_first(snapshot, search) if _is_wanted(view, snapshot, claim, search))
    return list(itertools.islice(claims, search.limit))


def _names(snapshot: Snapshot, search: Search) -> list[Name]:
    return [search.name] if search.name is not None else snapshot.artifact_names()


def _with_order(snapshot: Snapshot, name: Name) -> Iterator[tuple[VersionId, Claim]]:
    """The versions of a name with the id whose place each takes in the order of all (specs/catalog.md, 1)."""
    claims = list(snapshot.claims(name, newest_first=True))
    return zip(itertools.accumulate((claim.id for claim in claims), min), claims, strict=True)


def _newest_first(snapshot: Snapshot, search: Search) -> Iterator[Claim]:
    """The claims in question; read only as far as they are asked for, so that the last few of many cost little."""
    names = _names(snapshot, search)
    if search.version is None:
        each = [snapshot.claims(name, newest_first=True) for name in names]
    else:
        each = [iter([claim]) for name in names if (claim := snapshot.claim_of(name, search.version)) is not None]
    # Compares the newest version left of each name, so that no version comes before a later one of its own name.
    return heapq.merge(*each, key=lambda claim: claim.id, reverse=True)


def _is_wanted(view: View, snapshot: Snapshot, claim: Claim, search: Search) -> bool:
    if search.wanted.asks_nothing:
        return True
    facts = _readable_facts(view, snapshot, claim) if search.skips_damaged else view.facts(snapshot, claim)
    return facts is not None and matches(
        search.wanted,
        tags=facts.tags,
        type=facts.manifest.type,
        metadata=facts.metadata,
        created_at=parse_time(facts.manifest.created_at),
    )


def _readable_facts(view: View, snapshot: Snapshot, claim: Claim) -> Facts | None:
    """The facts of a version, or ``None`` with a warning where its record is damaged."""
    try:
        return view.facts(snapshot, claim)
    except (FormatError, IntegrityError) as error:
        warn_of_record(f"{claim.label} is left out", error)
        return None
