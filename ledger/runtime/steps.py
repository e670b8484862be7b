"""`@step`: a function whose outputs are versions.

Called in a pipeline's body a step is recorded; called anywhere else it runs as a recorded run
of its own and gives its values; called in another step's body it is the plain function.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import copy_context
from dataclasses import replace
from types import MethodType
from typing import Any, overload

from ledger.errors import ArgumentTypeError, StepInterfaceError
from ledger.materializers import BaseMaterializer
from ledger.records import raw_value
from ledger.runtime.annotations import class_of, signature_of
from ledger.runtime.configuration import ExternalArtifact
from ledger.runtime.context import current_step
from ledger.runtime.declarations import Declared, Function, checked_name, is_handed_class, is_of_owner, name_of
from ledger.runtime.fingerprint import read_sources
from ledger.runtime.graph import Graph
from ledger.runtime.parameters import beyond_record, is_json
from ledger.runtime.recording import Order, Recording, current_recording, is_argument, listed
from ledger.runtime.run_configuration import RunConfiguration
from ledger.runtime.runner import run_graph
from ledger.runtime.settings import Settings, StepOptions
from ledger.runtime.signatures import Signature, read_signature
from ledger.wording import shown, shown_with_type

Materializers = type[BaseMaterializer] | Iterable[type[BaseMaterializer]] | Mapping[str, Any] | None


class Step(Declared[Function]):
    """A function as a step. ``entrypoint`` is the plain function."""

    _chosen = ("name", "options", "_after")

    def __init__(
        self,
        function: Function,
        *,
        name: str,
        options: StepOptions,
        signature: Signature,
        after: tuple[Order, ...] = (),
    ) -> None:
        """``after`` is what the step follows in every pipeline that calls it."""
        functools.update_wrapper(self, function)  # first, because it brings the attributes of the function as well
        self.entrypoint = function
        self.name = name
        self.options = options
        self.signature = signature
        self._after = after

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Record the step, run it, or just call the function, depending on where the call stands."""
        __tracebackhide__ = True
        if is_handed_class(args, self.signature.parameters):
            return self.__get__(args[0])(*args[1:], **kwargs)
        recording = current_recording()
        controls = {
            key: kwargs.pop(key) for key in ("id", "after") if key in kwargs and key not in self.signature.parameters
        }
        arguments = {**self.options.parameters, **self._bind(args, kwargs)}
        if recording is None and current_step() is not None:
            return self.entrypoint(**arguments)
        id, after = controls.get("id"), [*self._after, *listed(controls.get("after"))]
        if recording is None:
            # In a copy of the context, for the same reason as in `Pipeline.__call__`.
            return copy_context().run(self._run_alone, arguments, id=id, after=after)
        return recording.add(self, arguments, id=id, after=after)

    def with_options(
        self,
        *,
        name: str | None = None,
        enable_cache: bool | None = None,
        enable_artifact_metadata: bool | None = None,
        enable_artifact_visualization: bool | None = None,
        output_materializers: Materializers = None,
        parameters: Mapping[str, Any] | None = None,
        substitutions: Mapping[str, str] | None = None,
    ) -> "Step[Function]":
        """The same step under other options; what is left out stays as it is.

        ``parameters`` are arguments by name, for calls that do not give them; the rest is as for `step`. Raises
        `StepInterfaceError` for an argument or an output that the step does not have.
        """
        settings = self.options.settings.under(
            Settings(
                enable_cache=enable_cache,
                enable_artifact_metadata=enable_artifact_metadata,
                enable_artifact_visualization=enable_artifact_visualization,
                substitutions=substitutions,
            )
        )
        chosen = _materializers(output_materializers, self.signature, self.name)
        options = StepOptions(
            settings=settings,
            parameters={**self.options.parameters, **self._checked({} if parameters is None else parameters)},
            materializers={**self.options.materializers, **chosen},
        )
        return Step(
            self.entrypoint,
            name=checked_name(self.name if name is None else name, "step"),
            options=options,
            signature=self.signature,
            after=self._after,
        )

    def after(self, *others: Any) -> "Step[Function]":
        """The same step, to run after others: calls, outputs, steps or names.

        In a pipeline's body this counts for the calls of this step, too, if what it returns is not called.
        """
        order = Order(others)
        changed = Step(
            self.entrypoint,
            name=self.name,
            options=self.options,
            signature=self.signature,
            after=(*self._after, order),
        )
        recording = current_recording()
        if recording is not None:
            recording.order_all(self, order)
        return changed

    def __get__(self, owner: object, _: type | None = None) -> "Step[Any]":
        """The step of a method, as one of the object or class that it is asked of; any other step is itself."""
        names = list(self.signature.parameters)
        if owner is None or not is_of_owner(names):
            return self
        parameters = {name: self.signature.parameters[name] for name in names[1:]}
        return Step(
            MethodType(self.entrypoint, owner),
            name=self.name,
            options=self.options,
            signature=replace(self.signature, parameters=parameters),
            after=self._after,
        )

    def __repr__(self) -> str:
        return f"<Step {self.name}>"

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments by name; those still missing may come from the configuration."""
        try:
            bound = signature_of(self.entrypoint).bind_partial(*args, **kwargs).arguments
        except TypeError as error:
            known = ", ".join(self.signature.parameters) or "none"
            raise StepInterfaceError(
                f"step {self.name!r} was called with arguments it does not take: {error}",
                hint=f"its arguments are: {known}",
                step=self.name,
            ) from error
        return {name: raw_value(value) for name, value in bound.items()}

    def _checked(self, parameters: object) -> Mapping[str, Any]:
        """The parameters of options; raises `StepInterfaceError` for one that the step does not have."""
        if not isinstance(parameters, Mapping):
            raise ArgumentTypeError(f"parameters are a dict by argument, got {shown_with_type(parameters)}")
        for key in parameters:
            if key not in self.signature.parameters:
                raise StepInterfaceError(
                    f"step {self.name!r} has no parameter {shown(key)}",
                    hint=f"its arguments are: {', '.join(self.signature.parameters) or 'none'}",
                    step=self.name,
                )
        return {key: raw_value(value) for key, value in parameters.items()}

    def _run_alone(self, arguments: Mapping[str, Any], *, id: str | None, after: list[Any]) -> Any:
        """A run of one step; a value that is not JSON, or that no record can hold, is saved first."""
        __tracebackhide__ = True
        recording = Recording(self.name)
        defaults = {
            name: parameter.default
            for name, parameter in self.signature.parameters.items()
            if parameter.default is not parameter.empty
        }
        recording.add(self, _for_run_alone({**defaults, **arguments}), id=id, after=after)
        graph = Graph(pipeline=self.name, parameters={}, invocations=recording.in_order())
        (alone,) = run_graph(graph, Settings(), RunConfiguration()).steps.values()
        # The annotation tells classes apart that a function has made under one name.
        classes = [class_of(output.annotation) for output in self.signature.outputs]
        versions = alone.outputs.values()
        values = [version.load(data_type=kind) for version, kind in zip(versions, classes, strict=True)]
        if not values:
            return None
        return tuple(values) if self.signature.is_split else values[0]


def _for_run_alone(arguments: Mapping[str, Any]) -> dict[str, Any]:
    beyond = beyond_record({name: value for name, value in arguments.items() if is_json(value)})
    return {
        name: value if is_argument(value) and name not in beyond else ExternalArtifact(value=value)
        for name, value in arguments.items()
    }


@overload
def step(function: Function) -> Step[Function]: ...
@overload
def step(
    function: None = None,
    *,
    name: str | None = None,
    enable_cache: bool | None = None,
    enable_artifact_metadata: bool | None = None,
    enable_artifact_visualization: bool | None = None,
    output_materializers: Materializers = None,
    substitutions: Mapping[str, str] | None = None,
) -> Callable[[Function], Step[Function]]: ...


def step(
    function: Function | None = None,
    *,
    name: str | None = None,
    enable_cache: bool | None = None,
    enable_artifact_metadata: bool | None = None,
    enable_artifact_visualization: bool | None = None,
    output_materializers: Materializers = None,
    substitutions: Mapping[str, str] | None = None,
) -> Step[Any] | Callable[[Function], Step[Function]]:
    """Make a function a step: what it returns becomes versions, named and described as its annotation says.

    In a pipeline's body, a call takes ``id``, its name in the run, and ``after``, what it waits for, beside the
    function's arguments. Elsewhere, a call runs as a run of its own and returns the value.

    ``name`` is the step's name, by default the function's. ``enable_cache`` says whether the step may take the result
    of an earlier run with the same source, inputs, parameters and settings instead of running. Functions and globals of
    a module that the step uses are not looked at. The other two switches say whether materializers note metadata about
    outputs, and whether they draw visualizations. ``None`` leaves a switch to the pipeline, where it is on by default.
    ``output_materializers`` is a class, a list of classes to choose from by the value's type, or a dict with either for
    each output. ``substitutions`` fill templates in the names of outputs, beside ``{date}`` and ``{time}``.

    Raises `StepInterfaceError` for a signature that cannot be a step's.
    """
    settings = Settings(
        enable_cache=enable_cache,
        enable_artifact_metadata=enable_artifact_metadata,
        enable_artifact_visualization=enable_artifact_visualization,
        substitutions=substitutions,
    )

    def decorate(plain: Function) -> Step[Function]:
        chosen = name_of(plain, name, "step")
        signature = read_signature(plain, chosen)
        read_sources(plain)
        materializers = _materializers(output_materializers, signature, chosen)
        return Step(
            plain, name=chosen, options=StepOptions(settings=settings, materializers=materializers), signature=signature
        )

    return decorate(function) if function is not None else decorate


def _materializers(
    given: Materializers, signature: Signature, name: str
) -> dict[str, tuple[type[BaseMaterializer], ...]]:
    """The materializers to choose from, by output; raises `StepInterfaceError` for an output that is not there."""
    outputs = [output.key for output in signature.outputs]
    if given is None:
        return {}
    if isinstance(given, Iterator):  # gone through once, and there may be several outputs
        given = tuple(given)
    per_output = given if isinstance(given, Mapping) else dict.fromkeys(outputs, given)
    chosen: dict[str, tuple[type[BaseMaterializer], ...]] = {}
    for key, value in per_output.items():
        if key not in outputs:
            raise StepInterfaceError(
                f"step {name!r} has no output {shown(key)} to give a materializer",
                hint=f"its outputs are: {', '.join(outputs) or 'none'}",
                step=name,
            )
        classes = tuple(value) if isinstance(value, Iterable) and not isinstance(value, type) else (value,)
        if not all(isinstance(kind, type) and issubclass(kind, BaseMaterializer) for kind in classes):
            raise StepInterfaceError(
                f"output {key!r} of step {name!r}: {shown(value)} is no materializer class", step=name
            )
        chosen[key] = classes
    return chosen
