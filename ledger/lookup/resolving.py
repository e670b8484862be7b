"""Which version a user means by a name, an id, an id prefix, or ``NAME@VERSION``.

One rule for every entry point: a UUID is the id of the version that has it; otherwise an exact
name; otherwise, if no artifact has that name and it is at least four hex digits, the beginning
of an id. A version that was given and does not exist is an error that names its neighbours,
never something else.
"""

import re
import shlex
from collections.abc import Sequence
from uuid import UUID

from ledger.errors import (
    AmbiguousIdError,
    ArgumentError,
    ArgumentTypeError,
    ArtifactNotFoundError,
    InvalidNameError,
    VersionNotFoundError,
)
from ledger.history import Claim, Snapshot
from ledger.ids import VersionId, is_uuid, undashed
from ledger.lookup.spelling import most_like
from ledger.records import NAME_LIMIT, TAG_LIMIT, Name, check_name, check_version, number_of
from ledger.wording import shown, shown_with_type

_PREFIX = re.compile(r"[0-9a-f]{4,32}")
_SHORT_PREFIX = re.compile(r"[0-9a-f]{1,3}")
_SHOWN = 8
_NEAREST = 3


def resolve(snapshot: Snapshot, wanted: object, version: str | int | None = None) -> Claim:
    """The version that is meant; without a version, the latest one."""
    if isinstance(wanted, UUID):
        return _by_id(snapshot, VersionId(str(wanted)), version)
    wanted, version = split_label(check_wanted(wanted), version)
    if is_uuid(wanted.lower()):
        return _by_id(snapshot, VersionId(wanted.lower()), version, name=wanted)
    name = _name_or_none(wanted)
    if name is not None and snapshot.has_artifact(name):
        return _by_name(snapshot, name, version)
    prefix = undashed(wanted.lower())
    if _PREFIX.fullmatch(prefix):
        return _by_prefix(snapshot, wanted, prefix, version)
    raise _no_artifact(snapshot, wanted)


def check_wanted(wanted: object) -> str:
    """The text by which an artifact or version is sought; raises `ArgumentTypeError` for what is no such text."""
    if not isinstance(wanted, (str, UUID)):
        raise ArgumentTypeError(f"an artifact is found by a str or a UUID, got {shown_with_type(wanted)}")
    return str.__str__(wanted) if isinstance(wanted, str) else str(wanted)


def split_label(wanted: str, version: str | int | None) -> tuple[str, str | None]:
    """``NAME@VERSION`` in its two parts; no name holds an ``@``."""
    name, mark, given = wanted.partition("@")
    text = version_text(version) if version is not None else None
    if not mark:
        return wanted, text
    if text is not None and text != given:
        raise ArgumentError(
            f"{_quoted(wanted)} names version {_quoted(given)}, but version {_quoted(text)} was given as well"
        )
    return name, given


def has_name(snapshot: Snapshot, wanted: str) -> bool:
    """Whether there is an artifact of exactly that name."""
    name = _name_or_none(wanted)
    return name is not None and snapshot.has_artifact(name)


def resolve_name(snapshot: Snapshot, wanted: str) -> Claim:
    """The latest version of the artifact of exactly that name; raises `ArtifactNotFoundError`."""
    name = _name_or_none(wanted)
    latest = snapshot.latest(name) if name is not None else None
    if latest is None:
        raise _no_artifact(snapshot, wanted, by="name")
    return latest


def _no_artifact(snapshot: Snapshot, wanted: str, *, by: str = "name, id or id prefix") -> ArtifactNotFoundError:
    """The error of a name, id or prefix that nothing has; ``by`` is what was looked for."""
    names = snapshot.artifact_names()
    near = [name for name in names if name.lower() == wanted.lower()] or most_like(wanted, names)
    near = _as_elsewhere(snapshot, wanted) or near
    hint = ""
    if near:
        hint = f"did you mean {' or '.join(map(repr, near))}?"
    elif _SHORT_PREFIX.fullmatch(wanted.lower()):
        hint = "an id is found by its first 4 digits or more"
    quoted = _quoted(wanted)
    return ArtifactNotFoundError(f"no artifact has the {by} {quoted}", hint=hint, name=wanted)


def _as_elsewhere(snapshot: Snapshot, wanted: str) -> list[str]:
    """The versions that may be meant by how other programs write one: ``NAME:VERSION``, ``models:/NAME/VERSION`` etc.

    Some count ``v0``, ``v1`` and so on: their ``v0`` may be what is ``1`` here, so that both numbers are tried.
    """
    found = []
    for mark in ":/":
        name, _, version = wanted.removeprefix("models:/").rpartition(mark)
        if not has_name(snapshot, name):
            continue
        if version == "latest":
            found.append(name)
        number = number_of(version.removeprefix("v"))
        numbers = [] if number is None else [number, number + 1] if version.startswith("v") else [number]
        found += [f"{name}@{each}" for each in numbers if snapshot.claim_of(Name(name), str(each))]
    return found


def _by_name(snapshot: Snapshot, name: Name, version: str | int | None) -> Claim:
    if version is None:
        return resolve_name(snapshot, name)
    wanted = version_text(version)
    claim = snapshot.claim_of(name, wanted) if wanted.isascii() else None
    if claim is None:
        raise _no_version(snapshot, name, wanted)
    return claim


def _by_id(snapshot: Snapshot, id: VersionId, version: str | int | None, *, name: str = "") -> Claim:
    """The version that has an id; else what the text means as a ``name``, if an artifact has it."""
    found, count = snapshot.claims_with_id(undashed(id), most=_SHOWN)
    if count > 1:
        # Whoever may push to a remote can write any id there: which version is meant nobody can tell.
        raise AmbiguousIdError(
            f"{count} versions have the id {id}: {', '.join(claim.label for claim in found)}",
            hint="ids are unique: run `ledger verify`, and give name and version meanwhile",
            id=id,
        )
    if not found and has_name(snapshot, name):
        return _by_name(snapshot, Name(name), version)
    if not found:
        hint = "run `ledger artifact version list` to see the ids there are"
        raise ArtifactNotFoundError(f"no version has the id {id}", hint=hint, id=id)
    return _agreeing(found[0], version)


def _by_prefix(snapshot: Snapshot, wanted: str, prefix: str, version: str | int | None) -> Claim:
    found, count = snapshot.claims_with_id(prefix, most=_SHOWN)
    if not found:
        raise _no_artifact(snapshot, wanted)
    if count > 1:
        listed = ", ".join(f"{claim.id} ({claim.label})" for claim in found)
        more = "" if count <= _SHOWN else f" and {count - _SHOWN} more"
        raise AmbiguousIdError(f"id prefix {wanted!r} fits {count} versions: {listed}{more}", prefix=wanted)
    return _agreeing(found[0], version)


def _agreeing(claim: Claim, version: str | int | None) -> Claim:
    """An id says everything; a version given beside it must be the same one."""
    if version is not None and claim.version != (text := version_text(version)):
        raise VersionNotFoundError(
            f"id {claim.id} is {claim.label}, not version {_quoted(text)}", name=claim.name, version=text
        )
    return claim


def version_text(version: str | int) -> str:
    """The version string that was given; a text that breaks the grammar is kept, as one that no version has."""
    return str.__str__(version) if isinstance(version, str) else check_version(version)


def _no_version(snapshot: Snapshot, name: Name, wanted: str) -> ArtifactNotFoundError:
    """The error of a version that an artifact does not have, with the nearest that it has."""
    existing = [claim.version for claim in snapshot.claims(name)]
    if not existing:
        return _no_artifact(snapshot, name)  # its folder is there, but no version in it
    near = nearest(wanted, existing)
    of_all = f"of its {len(existing)} " if len(existing) > 1 else ""
    are = f"are {', '.join(near)}" if len(near) > 1 else f"is {near[0]}"
    return VersionNotFoundError(
        f"artifact {name!r} has no version {_quoted(wanted)}; the nearest {of_all}{are}",
        hint=_way_to(name, wanted),
        name=name,
        version=wanted,
        nearest=near,
    )


def _way_to(name: Name, wanted: str) -> str:
    """What to do about a version that does not exist, which may be meant as a tag."""
    listing = f"`ledger artifact version list {name}`"
    if wanted == "latest":
        return "leave the version out to get the latest"
    if number_of(wanted) is None and wanted.strip() and wanted.isprintable() and len(wanted) <= TAG_LIMIT:
        tagged = f"`ledger artifact version list {name} --tag {shlex.quote(wanted)}`"
        return f"if it is a tag, run {tagged} to see what has it; loads take tag={wanted!r}, and get takes --tag"
    return f"run {listing} to see them all"


def nearest(wanted: str, existing: Sequence[str]) -> list[str]:
    """The existing versions most like one that does not exist: by number, else by spelling, else the newest."""
    number = number_of(wanted)
    numbered = [version for version in existing if number_of(version) is not None]
    if number is not None and numbered:
        closest = sorted(numbered, key=lambda version: abs(int(version) - number))[:_NEAREST]
        return sorted(closest, key=int)
    return most_like(wanted, existing) or list(existing[-_NEAREST:])


def _quoted(wanted: str) -> str:
    """A text that was looked for, in quotes; one that is longer than any name is shortened."""
    return shown(wanted, most=NAME_LIMIT + 2)


def _name_or_none(wanted: str) -> Name | None:
    try:
        return check_name(wanted)
    except InvalidNameError:
        return None
