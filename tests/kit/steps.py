"""Steps made and called in one line, for tests of the cache."""

from pathlib import Path
from typing import Any

from ledger.runtime import Step
from tests.kit.ledgers import last_run


def call(made: Step[Any], *arguments: Any) -> str:
    """The status of a direct call."""
    made(*arguments)
    return last_run().steps[made.name].status


def step_of(body: str, extra: str = "") -> Step[Any]:
    """The step ``made`` of source text, which stands in a file of its own below the working directory."""
    folder = Path("code")
    folder.mkdir(exist_ok=True)
    path = folder / f"module_{len(list(folder.iterdir()))}.py"
    path.write_text(f"from typing import Annotated\nfrom ledger import ArtifactConfig, step\n{extra}\n@step\n{body}\n")
    names: dict[str, Any] = {"__name__": "module"}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), names)
    made = names["made"]
    assert isinstance(made, Step)
    return made
