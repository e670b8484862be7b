"""The cache key of a step: what its outputs depend on.

Pure but for reading the source. The key is made of the step's source and settings, its parameters, and the ids of its
inputs; not of the pipeline's name, so that the same step in another pipeline is a hit.
"""

import functools
import hashlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ledger.errors import MetadataError
from ledger.ids import digest_of
from ledger.materializers import qualified_name
from ledger.records import encode_compact, encode_values, raw_value
from ledger.runtime.declarations import Declared
from ledger.runtime.parameters import with_types
from ledger.runtime.settings import StepOptions
from ledger.runtime.source_code import closed_over, collected_in, held_by, source_text
from ledger.wording import shown

_HASHED_AS = b"ledger step 2\n"
_BOUND = "what it is a method of"
_WRAPPED = "what it wraps"
_KEEPS_RESULTS = type(functools.cache(len))


class UntoldError(Exception):
    """Why a step has no key: which part of what its outputs depend on cannot be told."""


def cache_key(
    *, source: str, outputs: Mapping[str, Any], parameters: Mapping[str, Any], inputs: Mapping[str, str]
) -> str:
    """The key, 64 hex digits; raises `UntoldError` for a parameter that cannot be told.

    Parameters differ in it as they do for the step's body: ``1``, ``"1"``, ``True`` and ``None`` are
    four, ``(1,)`` and ``[1]`` two.
    """
    parts = {
        "inputs": dict(inputs),
        "outputs": encode_values(dict(outputs)),
        "parameters": {name: _told_plain(name, value) for name, value in parameters.items()},
        "source": source,
    }
    return hashlib.sha256(_HASHED_AS + encode_compact(parts)).hexdigest()


def source_digest(function: Callable[..., Any]) -> str:
    """The digest of a step's source and of what it closes over; raises `UntoldError` where either cannot be told."""
    return digest_of(encode_compact(_told_of_function(function, ())))


def read_sources(function: Callable[..., Any]) -> None:
    """Read the source of a step and of all functions and classes that it closes over, before their files change."""
    waiting: list[Any] = [function]
    read: set[int] = set()
    while waiting:
        value = waiting.pop()
        while isinstance(value, (Declared, _KEEPS_RESULTS)):
            value = value.entrypoint if isinstance(value, Declared) else value.__wrapped__
        if callable(value) and id(value) not in read and source_text(value) is not None:
            read.add(id(value))
            held = held_by(value) if inspect.isclass(value) else {}
            waiting += [*_captured(value).values(), *_defaults(value).values(), *held.values()]


def _told_of_function(function: Callable[..., Any], above: tuple[Callable[..., Any], ...]) -> Any:
    """A function's source and what it closes over, with those of its defaults that are no parameters of the step.

    ``above`` are the functions that this one was met in: one that closes over itself is told once.
    """
    text = _source_of(function)
    captured = _captured(function)
    if above or hasattr(function, "__wrapped__"):
        captured |= _defaults(function)
    return {"closed": _told_each(captured, (*above, function)), "source": text}


def _told_of_class(made: type, above: tuple[Callable[..., Any], ...]) -> Any:
    """A class's source, with what the class holds if it was made in a function."""
    text, held = _source_of(made), held_by(made)
    return {"held": _told_each(held, (*above, made)), "source": text} if held else {"source": text}


def _source_of(defined: Any) -> str:
    text = source_text(defined)
    if text is None:
        raise UntoldError(f"{getattr(defined, '__qualname__', shown(defined))} has no source")
    return text


def _captured(function: Callable[..., Any]) -> dict[str, Any]:
    """What a function closes over, is a method of and wraps; not what it only adds to, as a list of calls."""
    captured = closed_over(function)
    if captured:
        collected = collected_in(function)
        captured = {name: value for name, value in captured.items() if name not in collected}
    if inspect.ismethod(function):
        captured[_BOUND] = function.__self__
    if hasattr(function, "__wrapped__"):
        captured[_WRAPPED] = function.__wrapped__
    return captured


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """A function's own defaults by place or name: the signature of a wrapper shows those of what it wraps."""
    by_place = enumerate(getattr(function, "__defaults__", None) or ())
    by_name = (getattr(function, "__kwdefaults__", None) or {}).items()
    return {f"default {key}": value for key, value in (*by_place, *by_name)}


def _told_each(values: Mapping[str, Any], above: tuple[Callable[..., Any], ...]) -> dict[str, Any]:
    return {name: _told(name, value, above) for name, value in values.items()}


def _told(name: str, value: Any, above: tuple[Callable[..., Any], ...]) -> Any:
    """A value that a step closes over under a name, as something that can be compared between processes."""
    value = raw_value(value)
    while isinstance(value, _KEEPS_RESULTS):
        value = value.__wrapped__
    if isinstance(value, Declared):
        if getattr(value, "config_path", None) is not None:
            raise UntoldError(f"{name} has a config_path")  # anything may stand there when the pipeline is called
        options = getattr(value, "options", StepOptions())
        return _told_each({"function": value.entrypoint, "parameters": dict(options.parameters)}, above)
    if inspect.isfunction(value) or inspect.ismethod(value) or inspect.isclass(value):
        return _told_of_definition(value, above)
    if inspect.ismodule(value):
        return {"module": value.__name__}
    return {"value": _told_plain(name, value)}


def _told_plain(name: str, value: Any) -> Any:
    try:
        return with_types(value)
    except MetadataError as error:
        raise UntoldError(f"{name} is a {qualified_name(type(value))}") from error


def _told_of_definition(defined: Any, above: tuple[Callable[..., Any], ...]) -> Any:
    """A function, method or class that a step closes over; one of those ``above`` is told by its place there."""
    met = next((place for place, one in enumerate(above) if _is_same(defined, one)), None)
    if met is not None:
        return {"recursion": met}
    return _told_of_class(defined, above) if inspect.isclass(defined) else _told_of_function(defined, above)


def _is_same(defined: Any, one: Any) -> bool:
    """Whether two are one function, method or class, whatever a metaclass says of equality; methods are made anew."""
    return defined is one or (inspect.ismethod(defined) and inspect.ismethod(one) and defined == one)
