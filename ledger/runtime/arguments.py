"""What a step's arguments are when it starts: the versions that they name, and the values that its body gets.

In two moves, because a step whose outputs are cached loads nothing: `resolve_inputs` finds the versions, by which the
step's cache key is made, and `Inputs.load` reads their values for the body.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.core import ArtifactVersion, Ledger, ledger_for_reading, ledger_for_writing
from ledger.errors import LedgerError, StepInterfaceError
from ledger.records import InputKind, StepInput, raw_value
from ledger.runtime.annotations import class_of, names_class, spelled
from ledger.runtime.graph import FactPath, FromLookup, FromOutside, FromStep, FromVersion, Plain
from ledger.runtime.notes import noted
from ledger.runtime.parameters import PARAMETERS_LIMIT, as_parameters, beyond_record
from ledger.runtime.plan import PlannedStep, check_input
from ledger.wording import shown

Versions = Mapping[tuple[str, str], ArtifactVersion]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a step gets: versions by argument, plain values by argument, and how they are recorded."""

    versions: dict[str, ArtifactVersion]
    values: dict[str, Any]
    parameters: dict[str, Any]
    records: tuple[StepInput, ...]

    @property
    def has_external(self) -> bool:
        """Whether a value from outside is among them."""
        return any(record.kind == "external" for record in self.records)

    def load(self, planned: PlannedStep) -> dict[str, Any]:
        """The arguments as the function takes them; a parameter annotated as `ArtifactVersion` gets the handle."""
        loaded = dict(self.values)
        for argument, version in self.versions.items():
            annotation = planned.step.signature.hints.get(argument, Any)
            if names_class(annotation, ArtifactVersion):
                loaded[argument] = version
                continue
            with noted(_note(planned, argument)):
                value = version.load(data_type=class_of(annotation))
            check_input(planned.name, planned.step.signature, argument, value)
            loaded[argument] = value
        return loaded


def ledger_of(plan: Iterable[PlannedStep]) -> Ledger:
    """The ledger that a plan runs on; raises `StepInterfaceError` for a version of another one.

    A plan that takes a version makes no ledger: the version's own must be there already.
    """
    given = [
        (planned.name, name, argument.version)
        for planned in plan
        for name, argument in planned.arguments.items()
        if isinstance(argument, FromVersion)
    ]
    ledger = ledger_for_reading() if given else ledger_for_writing()
    for step, name, version in given:
        if not ledger.holds(version):
            raise StepInterfaceError(
                f"argument {name!r} of step {step!r} is {version.claim.label} of another ledger "
                f"than {ledger.path}, on which the step would run",
                hint="save its value here first, or set LEDGER_DIR to its ledger",
                step=step,
                argument=name,
            )
    return ledger


def resolve_inputs(
    planned: PlannedStep, ledger: Ledger, outputs: Versions, external: Mapping[int, ArtifactVersion]
) -> Inputs:
    """Find out what each argument is, without loading it; a look-up that fails raises as it would anywhere."""
    versions: dict[str, ArtifactVersion] = {}
    values: dict[str, Any] = {}
    records: list[StepInput] = []
    for name, argument in planned.arguments.items():
        if isinstance(argument, Plain):
            values[name] = argument.value
            continue
        with noted(_note(planned, name)):
            found, kind = _resolve(planned, name, argument, ledger, outputs, external)
        if isinstance(found, ArtifactVersion):
            versions[name] = found
            records.append(StepInput(argument=name, name=found.name, id=found.claim_id, kind=kind))
        else:
            check_input(planned.name, planned.step.signature, name, found)
            values[name] = found
    parameters = as_parameters(planned.name, values)
    return Inputs(versions=versions, values=values, parameters=parameters, records=tuple(records))


def _note(planned: PlannedStep, argument: str) -> str:
    return f"while step {planned.name!r} was given its argument {argument!r}"


def _resolve(
    planned: PlannedStep,
    name: str,
    argument: FromStep | FromLookup | FromVersion | FromOutside,
    ledger: Ledger,
    outputs: Versions,
    external: Mapping[int, ArtifactVersion],
) -> tuple[Any, InputKind]:
    """The version that an argument is, or the fact of one, and how the record of the step calls such an input.

    What the run itself has saved is taken as it is by now, like a look-up: a step between may have tagged it, and a
    sync moved it.
    """
    match argument:
        case FromStep():
            output = ledger.refreshed(outputs[argument.step, argument.output])
            return _fact(planned, name, output, argument.path), "step"
        case FromVersion():
            return argument.version, "lookup"
        case FromOutside():
            return ledger.refreshed(external[id(argument.artifact)]), "external"
        case FromLookup():
            found = ledger.get(argument.wanted, argument.version, tag=argument.tag)
            return _fact(planned, name, found, argument.path), "lookup"


def _fact(planned: PlannedStep, name: str, version: ArtifactVersion, path: FactPath) -> Any:
    """What a placeholder asked for; raises `StepInterfaceError` for no such thing, and for what is no parameter."""
    try:
        found = _follow(version, path)
    except (LookupError, TypeError) as error:
        if isinstance(error, LedgerError):
            raise
        message, hint = f"{version.claim.label} has no {_asked(path)}", _what_there_is(version, path[0][1])
        raise _strange_fact(planned, name, message, hint) from error
    if not isinstance(found, ArtifactVersion) and beyond_record({name: found}):
        label, kind = f"{version.claim.label}{_asked(path)}", spelled(type(found))
        message = f"{label} is no parameter: expected JSON of at most {PARAMETERS_LIMIT} bytes, got {kind}"
        hint = "give the step the version or its whole value, and let its body take that part"
        raise _strange_fact(planned, name, message, hint)
    return found


def _strange_fact(planned: PlannedStep, name: str, message: str, hint: str) -> StepInterfaceError:
    return StepInterfaceError(
        f"argument {name!r} of step {planned.name!r}: {message}", hint=hint, step=planned.name, argument=name
    )


def _asked(path: FactPath) -> str:
    """The way to a fact as code writes it."""
    asked = "".join(f".{key}" if how == "attribute" else f"[{shown(key)}]" for how, key in path)
    return asked.replace(".load", ".load()", 1) if path[0][1] == "load" else asked


def _what_there_is(version: ArtifactVersion, fact: str) -> str:
    """The hint that says what a fact of a version has, where a part of it was asked for that is not there."""
    match fact:
        case "run_metadata":
            return f"its metadata has {', '.join(version.metadata) or 'no keys'}"
        case "tags":
            return f"its tags are {', '.join(version.tags) or 'none'}"
        case "load":
            return f"its value is of the type {version.data_type}"
        case _:
            return f"its {fact} is {getattr(version, fact)}, of which there are no parts"


def _follow(version: ArtifactVersion, path: FactPath) -> Any:
    """The fact of a version that a placeholder asked for; its value is the version itself, loaded later."""
    found: Any = version
    if path[:1] == (("attribute", "load"),):
        path = path[1:]
        found = version.load() if path else version
    for how, key in path:
        if how == "item":
            found = found[key]
        else:  # a fact of a version, or the `.value` of a fact, which may be the fact itself
            found = getattr(found, key) if isinstance(found, ArtifactVersion) else getattr(found, key, found)
    return {key: raw_value(each) for key, each in found.items()} if type(found) is dict else raw_value(found)
