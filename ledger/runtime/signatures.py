"""What a step takes and gives, read off its signature.

Pure but for reading the function's source. The rules: one output by default, named ``output``;
a tuple annotation is several outputs only where the function really returns a tuple
literal; names come from ``Annotated``; nothing annotated is one output of any type, unless the
function returns nothing.
"""

import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from ledger.errors import StepInterfaceError, StepOutputsError
from ledger.notices import warn_user
from ledger.records import raw_value
from ledger.runtime.annotations import annotations_of, spelled_out, union_members, without_extras
from ledger.runtime.configuration import ArtifactConfig
from ledger.runtime.declarations import named_parameters
from ledger.runtime.source_code import closed_over, returns_nothing, returns_several

DEFAULT_OUTPUT = "output"
_SAYING = ("Annotated", "ArtifactConfig")
"""The words with which an annotation names an output; where one of these is not defined, no `_Unknown` stands in."""
_ANNOTATION_RULE = (
    "write Annotated[...] with the type and then a name, an ArtifactConfig, or one of each, with the name said once"
)


@dataclass(frozen=True, kw_only=True)
class Output:
    """One output of a step: its key, which is its own name if ``config`` has one, its type, and how it is saved."""

    key: str
    annotation: Any
    config: ArtifactConfig


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A step's interface."""

    parameters: Mapping[str, inspect.Parameter]
    hints: Mapping[str, Any]
    outputs: tuple[Output, ...]
    is_split: bool
    """Whether the returned tuple is several outputs."""


def read_signature(function: Callable[..., Any], name: str) -> Signature:
    """The interface of a step function; raises `StepInterfaceError` for one that cannot be a step."""
    named = named_parameters(function, f"step {name!r}")
    parameters = {key: parameter.replace(default=raw_value(parameter.default)) for key, parameter in named.items()}
    hints = resolve_hints(function)
    outputs, is_split = _outputs(function, hints, name)
    refuse_doubles(name, [output.key for output in outputs])
    return Signature(parameters=parameters, hints=hints, outputs=outputs, is_split=is_split)


def refuse_doubles(step: str, keys: list[str]) -> None:
    """Raise `StepOutputsError` if two outputs of a step have one name."""
    for key in keys:
        if keys.count(key) > 1:
            raise StepOutputsError(
                f"step {step!r} has two outputs named {key!r}", hint="give each its own name", step=step
            )


def resolve_hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations, those written as strings included; what is defined nowhere counts as any type in them."""
    written = inspect.unwrap(function)  # a wrapper shares its annotations, but its module may lack the names in them
    local = {**_callers_names(written), **closed_over(written)}
    return {key: _resolved(written, key, value, local) for key, value in annotations_of(function).items()}


def _resolved(function: Callable[..., Any], key: str, annotation: Any, local: dict[str, Any]) -> Any:
    """What one annotation means. Each is resolved by itself: a name that only the type checker knows spoils no other.

    Raises `StepInterfaceError` where the name or configuration of an output would be lost with it.
    """
    alone = types.SimpleNamespace(__annotations__={key: annotation})
    names = getattr(function, "__globals__", {})
    try:
        found = _evaluated(alone, key, names, dict(local))
    except Exception as error:  # a string is code, which raises what it likes
        if isinstance(annotation, str) and key == "return" and "Annotated" in annotation:
            raise _lost_with(annotation, function, str(error)) from error
        if isinstance(annotation, str) and key == "return" and annotation.startswith("ArtifactConfig("):
            raise _contradiction(annotation, getattr(function, "__name__", "step")) from error
        return Any if isinstance(annotation, str) else annotation
    return Any if isinstance(found, _Unknown) else found


def _evaluated(alone: types.SimpleNamespace, key: str, names: dict[str, Any], local: dict[str, Any]) -> Any:
    """What an annotation means, with `_Unknown` for what is defined nowhere yet, or for the type checker alone."""
    while True:
        try:
            return typing.get_type_hints(alone, globalns=names, localns=local, include_extras=True)[key]
        except NameError as error:
            if not isinstance(alone.__annotations__[key], str) or error.name in (None, *local, *_SAYING):
                raise
            local[str(error.name)] = _Unknown()


class _Unknown:
    """A type that nobody knows at run time, so that any value passes for it, as its attributes and items do."""

    def __repr__(self) -> str:
        return "Any"  # in errors, as what a list is of

    def __getattr__(self, name: str) -> "_Unknown":
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, _: object) -> "_Unknown":
        return self

    def __or__(self, other: Any) -> Any:
        return Any | other

    __ror__ = __or__

    def __call__(self) -> Any:
        """Is never called, but has to be there: `typing` takes for a type what can be called."""
        raise TypeError("a type that is not known makes no values")


def _lost_with(annotation: str, function: Callable[..., Any], reason: str) -> StepInterfaceError:
    name = getattr(function, "__name__", "step")
    return StepInterfaceError(
        f"step {name!r} has the output annotation {annotation}, of which this is not known: {reason}",
        hint="import it at run time, not only for the type checker",
        step=name,
    )


def _callers_names(function: Callable[..., Any]) -> dict[str, Any]:
    """The local names around the definition, where it is being decorated inside another function right now."""
    frame = sys._getframe(1)  # noqa: SLF001  # the only way to see what a string annotation could mean
    code = getattr(function, "__code__", None)
    caller: types.FrameType | None = frame
    while caller is not None:
        if code in caller.f_code.co_consts:
            return dict(caller.f_locals)
        caller = caller.f_back
    return {}


def _outputs(function: Callable[..., Any], hints: Mapping[str, Any], name: str) -> tuple[tuple[Output, ...], bool]:
    """The outputs of a step function, and whether the tuple that it returns is several of them."""
    if "return" not in hints:
        if returns_nothing(function):
            return (), False
        return (_output(Any, DEFAULT_OUTPUT, name),), False
    annotation = spelled_out(hints["return"])
    if annotation is None or annotation is type(None):
        return (), False
    members = _members(annotation, function, name)
    if members is None:
        _warn_of_lost_names(annotation, name)
        return (_output(annotation, DEFAULT_OUTPUT, name),), False
    return tuple(_output(member, f"output_{index}", name) for index, member in enumerate(members)), True


def _members(annotation: Any, function: Callable[..., Any], name: str) -> tuple[Any, ...] | None:
    """The elements of a tuple annotation, if the function returns them as a literal."""
    says_members = get_origin(annotation) is tuple and hasattr(annotation, "__args__")  # a bare `Tuple` has none
    if not says_members or not returns_several(function):
        return None
    members = get_args(annotation)
    if Ellipsis in members:
        raise StepOutputsError(
            f"step {name!r} returns several values, but {annotation} does not say how many",
            hint="variable length output annotations are not allowed: annotate each value",
            step=name,
        )
    return members


def _warn_of_lost_names(annotation: Any, step: str) -> None:
    """Warn where a tuple is one output although its members are annotated with names: these are lost."""
    for kind in union_members(annotation) or (annotation,):
        members = get_args(kind) if get_origin(kind) is tuple else ()
        extras = [extra for member in members for said in _saying(member) for extra in get_args(said)[1:]]
        names = [extra.name if isinstance(extra, ArtifactConfig) else extra for extra in extras]
        names = [name for name in names if isinstance(name, str)]
        if names:
            warn_user(
                f"step {step!r} gives one tuple, and no outputs {', '.join(map(repr, names))}: "
                "write them out where it returns, as in `return a, b`"
            )


def _output(annotation: Any, default: str, step: str) -> Output:
    if isinstance(without_extras(annotation), ArtifactConfig):  # where the type belongs, it would say nothing
        raise _contradiction(annotation, step)
    config = _config_in(annotation, step)
    key = config.name if config.name is not None else default
    return Output(key=key, annotation=without_extras(annotation), config=config)


def _config_in(annotation: Any, step: str) -> ArtifactConfig:
    """How an annotation says that its output is saved: beside the type, or beside one member of a union."""
    said = _saying(annotation)
    if len(said) > 1:
        raise _contradiction(annotation, step)
    return _config_beside(said[0], step) if said else ArtifactConfig()


def _saying(annotation: Any) -> list[Any]:
    """The ``Annotated`` parts of an annotation that say something of an output: itself, and members of a union."""
    annotation = spelled_out(annotation)
    members = [
        said
        for member in union_members(without_extras(annotation))
        for said in _saying(member)
        if any(isinstance(extra, (str, ArtifactConfig)) for extra in get_args(said)[1:])
    ]
    return [annotation, *members] if get_origin(annotation) is Annotated else members


def _config_beside(annotation: Any, step: str) -> ArtifactConfig:
    """What stands beside the type in one ``Annotated``: a name, a configuration, or one of each."""
    extras = get_args(annotation)[1:]
    names = [extra for extra in extras if isinstance(extra, str)]
    configs = [extra for extra in extras if isinstance(extra, ArtifactConfig)]
    too_many = len(names) > 1 or len(configs) > 1
    if too_many or len(names) + len(configs) != len(extras) or (names and configs and configs[0].name is not None):
        raise _contradiction(annotation, step)
    if "" in names:
        raise StepInterfaceError(
            f"step {step!r} has an output whose name is empty", hint="give it a name or none", step=step
        )
    config = configs[0] if configs else ArtifactConfig()
    return config.joined_with(ArtifactConfig(name=names[0])) if names else config


def _contradiction(annotation: Any, step: str) -> StepInterfaceError:
    return StepInterfaceError(f"step {step!r} has the output annotation {annotation}", hint=_ANNOTATION_RULE, step=step)
