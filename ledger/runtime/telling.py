"""What a person sees of a run while it goes on: a line where a step begins, and one where it ends.

To whom, and where, is the business of `ledger.notices`.
"""

from collections.abc import Iterable

from ledger.core import ArtifactVersion
from ledger.notices import tell_user


def tell_step(pipeline: str, step: str, what: str, gave: Iterable[ArtifactVersion] = ()) -> None:
    """Say what became of a step, and which versions it gave."""
    labels = ", ".join(version.claim.label for version in gave)
    tell_user(f"{pipeline}: step {step} {what}" + (f": {labels}" if labels else ""))


def tell_run(pipeline: str, run: str, what: str) -> None:
    """Say what became of a run."""
    tell_user(f"{pipeline}: run {run} {what}")
