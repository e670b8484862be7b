"""State machines of hypothesis, as the tests run them."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

_FEW = 10


def run_machine(machine: type[RuleBasedStateMachine], *, examples: int, steps: int) -> None:
    """Run so many stories of so many steps: few are the same ones each time, and are not made shorter if they fail."""
    is_short = examples < _FEW
    bounds = settings(
        max_examples=examples,
        stateful_step_count=steps,
        suppress_health_check=list(HealthCheck),
        derandomize=is_short,
        phases=[phase for phase in Phase if not (is_short and phase is Phase.shrink)],
    )
    run_state_machine_as_test(machine, settings=bounds)
