"""`@pipeline`: a function whose body says which steps run with what.

Calling it calls the function once to record the graph, and then runs the graph.
"""

from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial, update_wrapper
from pathlib import Path
from types import MethodType
from typing import Any, overload

from ledger.core import PipelineRun
from ledger.errors import StepInterfaceError
from ledger.runtime.annotations import signature_of
from ledger.runtime.configuration_files import read_run_configuration
from ledger.runtime.declarations import (
    Declared,
    Function,
    checked_name,
    is_handed_class,
    is_of_owner,
    name_of,
    named_parameters,
)
from ledger.runtime.graph import Graph
from ledger.runtime.parameters import recordable
from ledger.runtime.recording import recording_of
from ledger.runtime.run_configuration import RunConfiguration
from ledger.runtime.runner import run_graph
from ledger.runtime.settings import Settings
from ledger.runtime.signatures import resolve_hints


class Pipeline(Declared[Function]):
    """A function as a pipeline. ``entrypoint`` is the plain function."""

    _chosen = ("name", "settings", "config_path")

    def __init__(
        self, function: Function, *, name: str, settings: Settings, config_path: str | Path | None = None
    ) -> None:
        update_wrapper(self, function)  # first, because it brings the attributes of the function as well
        self.entrypoint = function
        self.name = name
        self.settings = settings
        self.config_path = config_path

    def __call__(self, /, *args: Any, **kwargs: Any) -> PipelineRun:
        """Record the graph, run it, and return the run.

        Raises what a step raises, after recording that it failed; `StepInterfaceError` and `ConfigError`
        before anything runs.
        """
        __tracebackhide__ = True
        if is_handed_class(args, signature_of(self.entrypoint).parameters):
            return self.__get__(args[0])(*args[1:], **kwargs)
        # In a copy of the context, so that an interrupt, whenever it comes, leaves the caller in no step and no body.
        return copy_context().run(self._record_and_run, args, kwargs)

    def _record_and_run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> PipelineRun:
        __tracebackhide__ = True
        path = self.config_path
        configuration = read_run_configuration(path) if path is not None else RunConfiguration()
        parameters = self._bind(args, kwargs, configuration)
        accepted = recordable(parameters)  # now: the body may change what it got
        invocations = recording_of(self.name, partial(self.entrypoint, **parameters)).in_order()
        graph = Graph(pipeline=self.name, parameters=accepted, invocations=invocations)
        return run_graph(graph, self.settings, configuration)

    def with_options(
        self,
        *,
        config_path: str | Path | None = None,
        name: str | None = None,
        enable_cache: bool | None = None,
        enable_artifact_metadata: bool | None = None,
        enable_artifact_visualization: bool | None = None,
        substitutions: Mapping[str, str] | None = None,
    ) -> "Pipeline[Function]":
        """The same pipeline under other options; what is left out stays as it is.

        ``config_path`` is a YAML file (specs/runtime.md, 3), which is read at each call and wins over the code; a call
        raises `ConfigError` for one that does not fit. The rest is as for `pipeline`.
        """
        settings = self.settings.under(
            Settings(
                enable_cache=enable_cache,
                enable_artifact_metadata=enable_artifact_metadata,
                enable_artifact_visualization=enable_artifact_visualization,
                substitutions=substitutions,
            )
        )
        return Pipeline(
            self.entrypoint,
            name=checked_name(self.name if name is None else name, "pipeline"),
            settings=settings,
            config_path=config_path if config_path is not None else self.config_path,
        )

    def __get__(self, owner: object, _: type | None = None) -> "Pipeline[Any]":
        """The pipeline of a method, as one of the object or class that it is asked of; any other is itself."""
        if owner is None or not is_of_owner(signature_of(self.entrypoint).parameters):
            return self
        return Pipeline(
            MethodType(self.entrypoint, owner), name=self.name, settings=self.settings, config_path=self.config_path
        )

    def __repr__(self) -> str:
        return f"<Pipeline {self.name}>"

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any], configuration: RunConfiguration) -> dict[str, Any]:
        """The arguments by name; those of the file win over those of the call."""
        signature = signature_of(self.entrypoint)
        hints = resolve_hints(self.entrypoint) if configuration.parameters else {}
        of_file: dict[str, Any] = {}
        for key in configuration.parameters:
            if key not in signature.parameters:
                raise configuration.unknown_parameter(key, signature.parameters)
            of_file[key] = configuration.parameter(key, hints.get(key, Any), signature.parameters[key].default)
        try:
            given = signature.bind_partial(*args, **kwargs).arguments
            bound = signature.bind(**{**given, **of_file})
        except TypeError as error:
            raise StepInterfaceError(
                f"pipeline {self.name!r} was called with arguments that do not fit: {error}",
                hint=f"its arguments are: {', '.join(signature.parameters) or 'none'}",
                pipeline=self.name,
            ) from error
        bound.apply_defaults()
        return dict(bound.arguments)


@overload
def pipeline(function: Function) -> Pipeline[Function]: ...
@overload
def pipeline(
    function: None = None,
    *,
    name: str | None = None,
    enable_cache: bool | None = None,
    enable_artifact_metadata: bool | None = None,
    enable_artifact_visualization: bool | None = None,
    substitutions: Mapping[str, str] | None = None,
) -> Callable[[Function], Pipeline[Function]]: ...


def pipeline(
    function: Function | None = None,
    *,
    name: str | None = None,
    enable_cache: bool | None = None,
    enable_artifact_metadata: bool | None = None,
    enable_artifact_visualization: bool | None = None,
    substitutions: Mapping[str, str] | None = None,
) -> Pipeline[Any] | Callable[[Function], Pipeline[Function]]:
    """Make a function a pipeline: its body calls steps, and a call of the pipeline runs them and returns the run.

    ``with_options(config_path=…)`` is the pipeline under a YAML file (specs/runtime.md, 3).
    ``name`` is the pipeline's name, by default the function's. The switches and ``substitutions`` are those of `step`,
    for the steps that do not set them.
    """
    settings = Settings(
        enable_cache=enable_cache,
        enable_artifact_metadata=enable_artifact_metadata,
        enable_artifact_visualization=enable_artifact_visualization,
        substitutions=substitutions,
    )

    def decorate(plain: Function) -> Pipeline[Function]:
        chosen = name_of(plain, name, "pipeline")
        named_parameters(plain, f"pipeline {chosen!r}")
        return Pipeline(plain, name=chosen, settings=settings)

    return decorate(function) if function is not None else decorate
