"""The recording of one pipeline call: every step called in the body becomes a node of the graph.

Owns what calls return in a body, the names that calls get, and what "after" means while some of the steps are not
called yet. Nothing is run, looked up or written here.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Self

from ledger.core import Artifact, ArtifactVersion
from ledger.errors import StepInterfaceError
from ledger.forks import ThreadLock
from ledger.runtime.annotations import spelled
from ledger.runtime.configuration import ExternalArtifact
from ledger.runtime.declarations import checked_name
from ledger.runtime.graph import (
    Argument,
    DeclaredStep,
    FromOutside,
    FromStep,
    FromVersion,
    Invocation,
    Plain,
    in_order,
)
from ledger.runtime.lazy import LazyVersion, Placeholder
from ledger.runtime.parameters import Foreign, find_foreign, is_json, own
from ledger.wording import shown

_Followed = str | DeclaredStep
"""What a step is to run after: the name of a call, or a step of which no call is recorded yet."""

_current: ContextVar["Recording | None"] = ContextVar("ledger_recording", default=None)
_calls = itertools.count(1)


class Order:
    """What ``step.after(…)`` says: that the step is to run after others."""

    def __init__(self, others: tuple[Any, ...]) -> None:
        self.others = others


class _Call:
    """What a call in a pipeline's body returns: other steps can be ordered by it."""

    _recording: "Recording"
    _invocation: Invocation

    @property
    def step_name(self) -> str:
        """The name that the step has in this run."""
        return self._invocation.name

    def after(self, *others: Any) -> Self:
        """Let this step run after others: calls, outputs, steps or names. Returns what it is called on."""
        self._recording.order(self._invocation, others)
        return self


class StepCall(_Call):
    """A step that gives nothing, called in a pipeline's body."""

    def __init__(self, recording: "Recording", invocation: Invocation) -> None:
        self._recording = recording
        self._invocation = invocation

    def __repr__(self) -> str:
        return f"<call of step {self._invocation.name}>"


class LazyOutput(_Call, LazyVersion):
    """What a step will give, in a pipeline's body."""

    def __init__(self, recording: "Recording", invocation: Invocation, output: str) -> None:
        super().__init__(
            FromStep(step=invocation.name, output=output, call=recording.call),
            f"output {output!r} of step {invocation.name!r}",
        )
        self._recording = recording
        self._invocation = invocation


class Recording:
    """The steps called so far in one pipeline body; threads of it may share the recording."""

    def __init__(self, pipeline: str) -> None:
        self.pipeline = pipeline
        self.call = next(_calls)
        self.invocations: dict[str, Invocation] = {}
        self._calls_of: defaultdict[Callable[..., Any], list[str]] = defaultdict(list)
        """The names of the calls of each function so far, in order."""
        self._counts: dict[str, int] = {}
        """The number that the last call of each step has in its name."""
        self._after: dict[str, list[_Followed]] = {}
        """What each call is to run after."""
        self._orders: list[tuple[DeclaredStep, Order, list[_Followed]]] = []
        """What all calls of a step are to run after, and the order that says so."""
        self._lock = ThreadLock()

    def add(self, step: DeclaredStep, arguments: Mapping[str, Any], *, id: str | None, after: list[Any]) -> Any:
        """Record a call; returns what stands for its outputs: one placeholder, a tuple of them, or a `StepCall`."""
        with self._lock:
            chosen = self._name(step.name, id)
            given = {key: _argument_of(value, step=chosen, name=key) for key, value in arguments.items()}
            for key, argument in given.items():
                self._refuse_strange(argument, f"argument {key!r} of step {chosen!r}")
            self._after[chosen] = self._followed(after)  # before this call is added, which it cannot mean
            invocation = Invocation(name=chosen, step=step, arguments=given)
            self.invocations[chosen] = invocation
            self._calls_of[step.entrypoint].append(chosen)
            # What `step.after(…)` returned is being called itself, so its order was not for all calls of the step.
            self._orders = [each for each in self._orders if not any(each[1] is other for other in after)]
        outputs = tuple(LazyOutput(self, invocation, output.key) for output in step.signature.outputs)
        if not outputs:
            return StepCall(self, invocation)
        return outputs if step.signature.is_split else outputs[0]

    def order_all(self, step: DeclaredStep, order: Order) -> None:
        """Let every call of a step in this body run after others, unless what ``step.after(…)`` returned is called."""
        with self._lock:
            self._orders.append((step, order, self._followed(order.others)))

    def order(self, invocation: Invocation, others: Iterable[Any]) -> None:
        """Let one call run after others."""
        with self._lock:
            self._after[invocation.name] += self._followed(others)

    def in_order(self) -> tuple[Invocation, ...]:
        """The calls in the order they run, once the body is over."""
        calls = self.invocations.values()
        return in_order([replace(invocation, after=tuple(self._names_after(invocation))) for invocation in calls])

    def _names_after(self, invocation: Invocation) -> Iterator[str]:
        """The names of the calls that one is to run after, as said of itself and of all calls of its step."""
        of_step = (followed for step, _, followed in self._orders if _is_call_of(invocation, step))
        for followed in itertools.chain(self._after[invocation.name], *of_step):
            yield followed if isinstance(followed, str) else self._first_call(followed)

    def _followed(self, others: Iterable[Any]) -> list[_Followed]:
        """Steps given as calls, placeholders, step objects or names: by name, but a step not called yet as itself."""
        return [followed for other in others for followed in self._meant_by(other)]

    def _meant_by(self, other: Any) -> list[_Followed]:
        """The steps that a user means by one thing to run after; raises `StepInterfaceError` where it means none."""
        if isinstance(other, str):
            return [other]
        if isinstance(other, LazyOutput):
            self._refuse_strange(other.argument, "what a step is to run after")
        if isinstance(other, _Call):
            return [other.step_name]
        if isinstance(other, Order):
            return self._followed(other.others)
        if isinstance(other, (tuple, list)):
            return self._followed(other)
        function = getattr(other, "entrypoint", None)
        if function is None:
            raise StepInterfaceError(
                f"a step cannot run after {shown(other)}: it is neither a step of this pipeline nor its output",
                hint="give what calling the step returned, or the step's name",
            )
        calls = self._calls_of[function]
        return [calls[-1] if calls else other]  # the latest call so far or, before any, the step itself

    def _first_call(self, step: DeclaredStep) -> str:
        """The name of the first call of a step, or the step's own where it is never called."""
        calls = self._calls_of[step.entrypoint]
        return calls[0] if calls else step.name

    def _refuse_strange(self, argument: Argument, label: str) -> None:
        """Refuse a placeholder that stands for an output in another call of a pipeline."""
        if isinstance(argument, FromStep) and argument.call != self.call:
            raise StepInterfaceError(
                f"{label} is output {argument.output!r} of step {argument.step!r} in another call of a pipeline",
                hint="a placeholder is good in the body that made it: take the version from the run, or look it up",
                step=argument.step,
            )

    def _name(self, name: str, id: str | None) -> str:
        """The name of a new call in the run: its ``id`` or else the step's name, numbered from the second call on."""
        if id is not None:
            checked = checked_name(id, "step")
            if checked in self.invocations:
                raise StepInterfaceError(
                    f"pipeline {self.pipeline!r} has two steps with the id {id!r}",
                    hint="give each call its own",
                    step=id,
                )
            return checked
        count = self._counts.get(name, 1)
        while (chosen := name if count == 1 else f"{name}_{count}") in self.invocations:
            count += 1
        self._counts[name] = count
        return chosen


def _is_call_of(invocation: Invocation, step: DeclaredStep) -> bool:
    """Whether a call is one of this step, and not of the same function under another name."""
    return invocation.step.entrypoint == step.entrypoint and invocation.step.name == step.name


def recording_of(pipeline: str, body: Callable[[], Any]) -> Recording:
    """What a pipeline's body records: the calls of steps in it are not run."""
    __tracebackhide__ = True
    if _current.get() is not None:
        raise StepInterfaceError(
            f"pipeline {pipeline!r} was called in the body of another pipeline",
            hint="its `.entrypoint(...)` calls its steps as part of that one; or run it by itself",
        )
    started = Recording(pipeline)
    token = _current.set(started)
    try:
        body()
    finally:
        _current.reset(token)
    return started


def current_recording() -> Recording | None:
    """The recording that is going on, or ``None`` outside pipeline bodies."""
    return _current.get()


def _argument_of(value: Any, *, step: str, name: str) -> Argument:
    """Where an argument comes from; raises `StepInterfaceError` for a plain value that is not JSON.

    A plain value counts as it is now: a body may use the same list for its next call.
    """
    if isinstance(value, Placeholder):
        return value.argument
    if isinstance(value, ArtifactVersion):
        return FromVersion(version=value)
    if isinstance(value, ExternalArtifact):
        if isinstance(value.value, Placeholder):
            raise _not_plain(Foreign(place=f"{name}.value", part=value.value), step, name)
        return FromOutside(artifact=value)
    if isinstance(value, StepCall):
        raise StepInterfaceError(
            f"argument {name!r} of step {step!r} is a call of step {value.step_name!r}, which gives no output",
            hint="use after=... to order steps",
            step=step,
            argument=name,
        )
    foreign = find_foreign(value, name)
    if foreign is not None:
        raise _not_plain(foreign, step, name)
    return Plain(value=own(step, name, value))


def is_argument(value: Any) -> bool:
    """Whether a value can be an argument of a step without an `ExternalArtifact` around it."""
    return isinstance(value, (Placeholder, ArtifactVersion, ExternalArtifact)) or is_json(value)


def _not_plain(foreign: Foreign, step: str, name: str) -> StepInterfaceError:
    """The error of an argument with something in it that no parameter can hold."""
    if isinstance(foreign.part, (Placeholder, StepCall, ArtifactVersion, ExternalArtifact)):
        message = f"argument {name!r} of step {step!r} is not plain: {foreign.place} is {shown(foreign.part)}"
        hint = "give it an argument of its own; a value that is not JSON is passed as ExternalArtifact(value=...)"
    elif isinstance(foreign.part, Artifact):
        message = f"argument {name!r} of step {step!r} is an artifact, not one of its versions: {foreign.place}"
        hint = f"look the version up: {name}=Client().get_artifact_version({foreign.part.name!r})"
    else:
        kind = spelled(type(foreign.part))
        part = f"{foreign.place} is {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
        message = f"argument {name!r} of step {step!r} is not JSON, so it takes an ExternalArtifact: {part}"
        hint = f"pass {name}=ExternalArtifact(value=...) to save it first, or let a step make it"
        if hasattr(foreign.part, "entrypoint"):
            message = f"argument {name!r} of step {step!r} is a step, not what it gives: {part}"
            hint = f"call it: {name}={foreign.part.name}()"
    return StepInterfaceError(message, hint=hint, step=step, argument=name)


def listed(after: Any) -> list[Any]:
    """The list of what a step is to run after, which may be given as ``None``, alone or as a list."""
    if after is None:
        return []
    return list(after) if isinstance(after, (list, tuple, set)) else [after]
