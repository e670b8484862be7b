"""What a run will do: every step with its final arguments, outputs and switches.

Pure. Decides who has the last word on each switch, argument and name (specs/runtime.md, 2 and 2.2). What cannot
be run is refused here, before anything has run.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.core import ArtifactVersion
from ledger.errors import InvalidNameError, NameCollisionError, StepInterfaceError
from ledger.materializers import BaseMaterializer
from ledger.records import Name, check_name
from ledger.runtime.annotations import conforms, hint_for, names_class, shown_for, spelled
from ledger.runtime.configuration import ArtifactConfig, ExternalArtifact
from ledger.runtime.graph import Argument, DeclaredStep, FromOutside, FromVersion, Graph, Invocation, Plain
from ledger.runtime.parameters import as_parameters, own
from ledger.runtime.run_configuration import RunConfiguration, StepConfiguration
from ledger.runtime.settings import Settings
from ledger.runtime.signatures import Output, Signature, refuse_doubles
from ledger.runtime.templates import fill_but_moment, fill_name

_NAMES_LIMIT: Final = 700 * 1024
"""Bytes of the names of all steps: what the record of a run has room for beside its parameters."""
_AROUND: Final = 8
"""Bytes around a name in a record."""


@dataclass(frozen=True, kw_only=True)
class PlannedOutput:
    """An output as it will be saved. ``declared`` is its key in the code, ``key`` the one with templates filled in."""

    declared: str
    key: str
    name: Name
    lasting: tuple[str, ...]
    """The key and the name, as far as the code or the file gives them, with date and time left open: the same in all
    runs with these substitutions."""
    annotation: Any
    config: ArtifactConfig
    materializers: tuple[type[BaseMaterializer], ...]


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step as it will run."""

    name: str
    step: DeclaredStep
    arguments: Mapping[str, Argument]
    outputs: tuple[PlannedOutput, ...]
    enable_cache: bool
    extract_metadata: bool
    include_visualizations: bool


@dataclass(frozen=True, kw_only=True)
class PlannedExternal:
    """A value from outside as it will be saved, under the first step that takes it."""

    artifact: ExternalArtifact
    step: str
    argument: str
    name: Name


def make_plan(
    graph: Graph, settings: Settings, configuration: RunConfiguration, times: Mapping[str, str]
) -> tuple[PlannedStep, ...]:
    """The steps in order; raises `StepInterfaceError`, `ConfigError` or `InvalidNameError` for what cannot be run."""
    configuration.check_steps([invocation.name for invocation in graph.invocations])
    _refuse_too_many(graph)
    plan = tuple(_plan_step(graph, invocation, settings, configuration, times) for invocation in graph.invocations)
    _refuse_collisions(plan, externals_of(graph.pipeline, plan).values())
    return plan


def _refuse_too_many(graph: Graph) -> None:
    """Raise `StepInterfaceError` for more steps than a run's record can name, before the first of them runs in vain."""
    size = sum(len(invocation.name) + _AROUND for invocation in graph.invocations)
    if size > _NAMES_LIMIT:
        raise StepInterfaceError(
            f"pipeline {graph.pipeline!r} has {len(graph.invocations)} steps, whose names take {size} bytes, "
            f"over the {_NAMES_LIMIT} that the record of a run has room for",
            hint="give the calls shorter ids, or make several pipelines of it",
            pipeline=graph.pipeline,
        )


def externals_of(pipeline: str, plan: Sequence[PlannedStep]) -> dict[int, PlannedExternal]:
    """The values from outside that a plan takes, each once; raises `InvalidNameError` for one that cannot be named."""
    externals: dict[int, PlannedExternal] = {}
    for planned in plan:
        for key, argument in planned.arguments.items():
            if isinstance(argument, FromOutside) and id(argument.artifact) not in externals:
                externals[id(argument.artifact)] = PlannedExternal(
                    artifact=argument.artifact,
                    step=planned.name,
                    argument=key,
                    name=_external_name(pipeline, planned.name, key),
                )
    return externals


def _external_name(pipeline: str, step: str, argument: str) -> Name:
    try:
        return check_name(f"{pipeline}::{step}::external_{argument}")
    except InvalidNameError as error:
        raise InvalidNameError(
            f"argument {argument!r} of step {step!r} cannot be saved under its name: {error}",
            hint="name the argument in ASCII letters, or pipeline and step in fewer; or save the value by itself "
            "and take the version",
            **error.facts,
        ) from error


def _plan_step(
    graph: Graph, invocation: Invocation, settings: Settings, configuration: RunConfiguration, times: Mapping[str, str]
) -> PlannedStep:
    """One step with all that is said about it: by the pipeline, then by the step, and last by the file of the run."""
    configured = configuration.step(invocation.name)
    configured.check_outputs([output.key for output in invocation.step.signature.outputs])
    whole = settings.under(Settings(enable_cache=configuration.enable_cache))
    merged = whole.under(invocation.step.options.settings).under(Settings(enable_cache=configured.enable_cache))
    outputs = tuple(
        _plan_output(graph.pipeline, invocation, output, configured, times, merged.substitutions or {})
        for output in invocation.step.signature.outputs
    )
    refuse_doubles(invocation.name, [output.key for output in outputs])
    _refuse_one_artifact_twice(outputs, configured)
    return PlannedStep(
        name=invocation.name,
        step=invocation.step,
        arguments=_arguments(invocation, configured),
        outputs=outputs,
        enable_cache=merged.enable_cache is not False,
        extract_metadata=merged.enable_artifact_metadata is not False,
        include_visualizations=merged.enable_artifact_visualization is not False,
    )


def _plan_output(
    pipeline: str,
    invocation: Invocation,
    output: Output,
    configured: StepConfiguration,
    times: Mapping[str, str],
    substitutions: Mapping[str, str],
) -> PlannedOutput:
    """One output with its final name; the file of the run has the last word."""
    values = {**times, **substitutions}
    of_file = configured.outputs.get(output.key, ArtifactConfig())
    config = output.config.joined_with(of_file)
    default = f"{pipeline}::{invocation.name}::{output.key}"
    try:
        name = fill_name(config.name, values) if config.name is not None else check_name(default)
    except (StepInterfaceError, InvalidNameError) as error:
        if of_file.name is None:
            raise
        raise configured.refused_name(output.key, str(error), error.hint) from error
    templates = [template for template in (output.config.name, config.name) if template is not None]
    return PlannedOutput(
        declared=output.key,
        key=fill_name(output.key, values),
        name=name,
        lasting=tuple(fill_but_moment(template, substitutions) for template in templates),
        annotation=output.annotation,
        config=config,
        materializers=invocation.step.options.materializers.get(output.key, ()),
    )


def _refuse_one_artifact_twice(outputs: Sequence[PlannedOutput], configured: StepConfiguration) -> None:
    """Raise `ConfigError` where the file gives an output the artifact name of another one."""
    names = [output.name for output in outputs]
    for output in outputs:
        if names.count(output.name) > 1 and output.declared in configured.outputs:
            message = f"step {configured.name!r} would save two outputs as {output.name!r}"
            raise configured.refused_name(output.declared, message, "give each output its own name")


def _refuse_collisions(plan: Sequence[PlannedStep], externals: Iterable[PlannedExternal]) -> None:
    """Raise `NameCollisionError` for what would have names that differ only in case: not all of it could be saved."""
    names: dict[str, Name] = {}
    saved = [
        *((f"argument {each.argument!r} of step {each.step!r}", each.name) for each in externals),
        *(
            (f"output {output.key!r} of step {planned.name!r}", output.name)
            for planned in plan
            for output in planned.outputs
        ),
    ]
    for what, name in saved:
        other = names.setdefault(name.lower(), name)
        if other != name:
            raise NameCollisionError(
                f"{what} would be saved as {name!r}, which differs only in case from {other!r} of the same run",
                hint="choose a name that differs in more than case",
                name=name,
                existing=other,
            )


def _arguments(invocation: Invocation, configured: StepConfiguration) -> dict[str, Argument]:
    """Every argument of the function, from the file, what was recorded of its call, or the default, in this order."""
    signature = invocation.step.signature
    for key in configured.parameters:
        if key not in signature.parameters:
            raise configured.unknown_parameter(key, signature.parameters)
        if not isinstance(invocation.arguments.get(key, Plain(value=None)), Plain):
            raise configured.not_a_parameter(key)
    arguments: dict[str, Argument] = {}
    missing: list[str] = []
    for key, parameter in signature.parameters.items():
        if key in configured.parameters:
            arguments[key] = Plain(value=configured.parameter(key, signature.hints.get(key, Any), parameter.default))
        elif key in invocation.arguments:
            arguments[key] = invocation.arguments[key]
        elif parameter.default is not inspect.Parameter.empty:
            arguments[key] = _default_argument(parameter.default)
        else:
            missing.append(key)
    if missing:
        raise StepInterfaceError(
            f"step {invocation.name!r} was called without {', '.join(map(repr, missing))}",
            hint=f"its arguments are: {', '.join(signature.parameters)}",
            step=invocation.name,
        )
    _check_types(invocation.name, signature, arguments)
    as_parameters(invocation.name, {key: each.value for key, each in arguments.items() if isinstance(each, Plain)})
    return {key: _own(invocation.name, key, each) for key, each in arguments.items()}


def _own(step: str, key: str, argument: Argument) -> Argument:
    """An argument of this run alone: a default, for one, is the same object in all runs."""
    return Plain(value=own(step, key, argument.value)) if isinstance(argument, Plain) else argument


def _default_argument(value: Any) -> Argument:
    """What a default stands for: a version, a value from outside, or a parameter."""
    if isinstance(value, ArtifactVersion):
        return FromVersion(version=value)
    return FromOutside(artifact=value) if isinstance(value, ExternalArtifact) else Plain(value=value)


def _check_types(step: str, signature: Signature, arguments: Mapping[str, Argument]) -> None:
    for key, argument in arguments.items():
        if isinstance(argument, Plain):
            check_input(step, signature, key, argument.value)
        elif isinstance(argument, FromOutside) and not names_class(signature.hints.get(key, Any), ArtifactVersion):
            check_input(step, signature, key, argument.artifact.value)


def check_input(step: str, signature: Signature, argument: str, value: Any) -> None:
    """Raise `StepInterfaceError` for a value that is neither as annotated nor the argument's default itself."""
    annotation = signature.hints.get(argument, Any)
    if value is not signature.parameters[argument].default and not conforms(value, annotation):
        raise StepInterfaceError(
            f"wrong type for input {argument!r} of step {step!r}: "
            f"expected {spelled(annotation)}, got {shown_for(value, annotation)}",
            hint=hint_for(value, "change the annotation or the value"),
            step=step,
            argument=argument,
        )
