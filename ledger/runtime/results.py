"""Whether what a step returned fits the outputs that it declares."""

from typing import Any

from ledger.errors import StepInterfaceError
from ledger.materializers import BaseMaterializer
from ledger.records import raw_value
from ledger.runtime.annotations import conforms, hint_for, shown_for, spelled
from ledger.runtime.plan import PlannedStep
from ledger.wording import counted


def split_result(planned: PlannedStep, returned: Any) -> dict[str, Any]:
    """The value of each output; raises `StepInterfaceError` for a wrong number or type."""
    outputs = planned.outputs
    if not outputs:
        if returned is not None:
            raise _wrong_number(planned, f"one value ({spelled(type(returned))})")
        return {}
    if not planned.step.signature.is_split:
        values: tuple[Any, ...] = (returned,)
    elif not isinstance(returned, (tuple, list)):
        raise _wrong_number(planned, f"one value ({spelled(type(returned))})")
    else:
        values = tuple(returned)
    if len(values) != len(outputs):
        raise _wrong_number(planned, counted(len(values), "value"))
    values = tuple(map(raw_value, values))
    for output, value in zip(outputs, values, strict=True):
        if not conforms(value, output.annotation):
            raise StepInterfaceError(
                f"wrong type for output {output.key!r} of step {planned.name!r}: "
                f"expected {spelled(output.annotation)}, got {shown_for(value, output.annotation)}",
                hint=hint_for(value, "change the annotation or what the step returns"),
                step=planned.name,
                output=output.key,
            )
    return {output.declared: value for output, value in zip(outputs, values, strict=True)}


def choose_materializer(candidates: tuple[type[BaseMaterializer], ...], value: object) -> type[BaseMaterializer] | None:
    """The candidate made for the nearest class of the value, the first if none is; ``None`` without candidates."""
    if not candidates:
        return None
    for kind in type(value).__mro__:
        for candidate in candidates:
            if kind in candidate.ASSOCIATED_TYPES:
                return candidate
    return candidates[0]


def _wrong_number(planned: PlannedStep, got: str) -> StepInterfaceError:
    names = ", ".join(output.key for output in planned.outputs) or "none"
    return StepInterfaceError(
        f"wrong number of outputs of step {planned.name!r}: expected {len(planned.outputs)} ({names}), got {got}",
        hint="annotate each value that the step returns",
        step=planned.name,
    )
