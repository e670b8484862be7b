"""Plain arguments of steps and pipelines: what counts as one, how records hold them, how cache keys tell them apart.

Pure. A plain argument is JSON through and through. It is recorded in the form of metadata (specs/format.md, 4.3), and
all arguments of a step together take at most 256 KiB there, so that its record has room for the rest. A record leaves
out differences that JSON cannot express; a cache key keeps them, because the step's body can see them.
"""

import contextlib
import copy
import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ledger.errors import FormatError, MetadataError, StepInterfaceError
from ledger.materializers import qualified_name
from ledger.records import encode, encode_compact, encode_values, normalise, raw_value

PARAMETERS_LIMIT = 256 * 1024
"""Bytes of the plain arguments of one step, indented as in a record."""

_SCALARS = (str, bool, int, float, type(None))
_WITH_ATTRIBUTES = (str, int, float, list, tuple, Mapping, set, frozenset, dt.date, dt.time)
"""The types whose subclasses may have attributes beside their value."""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A part of a value that is not JSON, and how its place is written."""

    place: str
    part: Any


def is_json(value: Any) -> bool:
    """Whether a value is JSON through and through; a tuple counts as a list, an entry of metadata as its value."""
    return find_foreign(value, "") is None


def find_foreign(value: Any, place: str) -> Foreign | None:
    """The first part of a value that is not JSON, the value being called ``place``; ``None`` if all of it is."""
    try:
        return _foreign_in(value, place)
    except RecursionError:
        return Foreign(place=place, part=value)  # a list that holds itself, for one


def _foreign_in(value: Any, place: str) -> Foreign | None:
    value = raw_value(value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return None
    if isinstance(value, (list, tuple)):
        children = [(f"{place}[{index}]", child) for index, child in enumerate(value)]
    elif isinstance(value, dict):
        strange = [key for key in value if not isinstance(key, str)]
        if strange:
            return Foreign(place=f"a key of {place}", part=strange[0])
        children = [(f"{place}[{key!r}]", child) for key, child in value.items()]
    else:
        return Foreign(place=place, part=value)
    found = (_foreign_in(child, where) for where, child in children)
    return next((each for each in found if each is not None), None)


def _as_parameter(value: Any) -> Any:
    """A plain argument as records and keys hold it; raises `MetadataError` for what is not JSON."""
    return normalise({"value": value})["value"]


def with_types(value: Any) -> Any:
    """A plain argument with the type of each of its parts, as cache keys hold it.

    The results for two arguments are equal, in whatever processes, where no body could tell the arguments apart.
    Raises `MetadataError` for what is not JSON, and for what its types and values do not describe completely.
    """
    _as_parameter(value)  # refuses text that no key can hold, and what holds itself
    try:
        return _with_type(value)
    except RecursionError as error:
        raise MetadataError(f"a value of type {qualified_name(type(value))} is nested too deeply to be told") from error


def _with_type(value: Any) -> list[Any]:
    if type(value) in _SCALARS:
        return [qualified_name(type(value)), encode_values(value)]
    told = [qualified_name(type(value)), _content(value)]
    has_attributes = isinstance(value, _WITH_ATTRIBUTES) and not isinstance(value, Enum)
    state = object.__getstate__(value) if has_attributes else None
    return [*told, with_types(state)] if state else told


def _content(value: Any) -> Any:
    """What a value holds, apart from its type and attributes."""
    if isinstance(value, Enum):
        return [value.name, with_types(value.value)]
    if isinstance(value, defaultdict):
        raise MetadataError("what a defaultdict makes of a missing key cannot be told")
    if isinstance(value, Mapping):
        return [[_with_type(key), _with_type(child)] for key, child in value.items()]
    if isinstance(value, (list, tuple)):
        return [_with_type(child) for child in value]
    if isinstance(value, (set, frozenset)):
        return sorted((_with_type(child) for child in value), key=encode_compact)
    told = encode_values(_as_parameter(value))
    return [told, repr(value.tzinfo), value.fold] if isinstance(value, (dt.datetime, dt.time)) else told


def fits_record(parameters: Mapping[str, Any]) -> bool:
    """Whether parameters leave room for the rest of a record."""
    try:
        return len(encode(encode_values(dict(parameters)))) <= PARAMETERS_LIMIT
    except FormatError:
        return False  # over the limit of any record


def beyond_record(values: Mapping[str, Any]) -> set[str]:
    """The plain arguments that no record can hold and, of the others, the largest until a record can hold the rest."""
    left: dict[str, Any] = {}
    for name, value in values.items():
        with contextlib.suppress(MetadataError):  # not in `left`, it is part of the result
            left[name] = _as_parameter(value)
    while not fits_record(left):
        del left[_largest(left)]
    return values.keys() - left.keys()


def as_parameters(step: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The plain arguments of a step as its record holds them.

    Raises `StepInterfaceError` for one that cannot be recorded, and for more than there is room for.
    """
    recorded: dict[str, Any] = {}
    for name, value in values.items():
        try:
            recorded[name] = _as_parameter(value)
        except MetadataError as error:
            raise _unfit(
                step,
                name,
                f"argument {name!r} of step {step!r} cannot be recorded, so it takes an ExternalArtifact: {error}",
            ) from error
    if not fits_record(recorded):
        largest = _largest(recorded)
        message = f"the plain arguments of step {step!r} take over {PARAMETERS_LIMIT} bytes as a record"
        raise _unfit(step, largest, f"{message}, {largest!r} the most of them")
    return recorded


def _largest(recorded: Mapping[str, Any]) -> str:
    return max(recorded, key=lambda name: len(repr(recorded[name])))


def own(step: str, name: str, value: Any) -> Any:
    """A copy of a plain argument for one step: nothing in it that can be changed is shared with what was given.

    So no other step sees what a pipeline's body does to a list after a call, or a step's body to the one that it got.
    Raises `StepInterfaceError` for a value whose class keeps it from being copied.
    """
    try:
        return _copied(value)
    except Exception as error:  # a class of the user's has its own way to be copied
        message = f"argument {name!r} of step {step!r} cannot be copied for it: {type(error).__name__}: {error}"
        raise _unfit(step, name, message) from error


def _copied(value: Any) -> Any:
    value = raw_value(value)
    if type(value) in (list, tuple):
        return type(value)(_copied(child) for child in value)
    if type(value) is dict:
        return {key: _copied(child) for key, child in value.items()}
    return copy.deepcopy(value) if isinstance(value, (list, tuple, dict)) else value


def recordable(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a pipeline that its record can tell: the plain ones, as far as there is room.

    A pipeline may take anything, as only its body sees it. What is left out here stands in the records of the steps, or
    of the versions, that it went into.
    """
    recorded: dict[str, Any] = {}
    for name, value in arguments.items():
        try:
            more = {**recorded, name: _as_parameter(value)} if is_json(value) else recorded
        except MetadataError:
            continue  # text or a nesting that no record can hold
        recorded = more if fits_record(more) else recorded
    return recorded


def _unfit(step: str, argument: str, message: str) -> StepInterfaceError:
    hint = f"pass {argument}=ExternalArtifact(value=...) to save it as an artifact"
    return StepInterfaceError(message, hint=hint, step=step, argument=argument)
