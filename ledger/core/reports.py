"""What a check of a ledger found, as values.

Owns the form of the result and nothing else: `verifying` finds what is wrong, `touching` whom it touches.
"""

from collections.abc import Iterable, Mapping

import msgspec

from ledger.enums import FaultKind
from ledger.wording import BoundedRepr


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, and the versions it touches: ``label`` is the first, or what is touched otherwise.

    ``hint`` says what helps where no repair does: with registered data, which is the user's own, and with a store that
    cannot be told from another one.
    """

    kind: FaultKind
    label: str
    message: str
    object: str = ""
    versions: tuple[str, ...] = ()
    hint: str = ""


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """An object in the store that no version names. It takes room; damage to it is no problem."""

    object: str
    is_damaged: bool = False


class Report(BoundedRepr, msgspec.Struct, frozen=True, kw_only=True):
    """What a check found. ``is_whole`` says whether everything was checked, or only a part.

    ``objects`` counts the objects of the store that were read, ``bytes`` is what the chunks in them take there.
    """

    versions: int
    problems: tuple[Problem, ...]
    objects: int = 0
    bytes: int = 0
    orphans: tuple[Orphan, ...] = ()
    is_whole: bool = True

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def problem_at(kind: FaultKind, where: str, message: str, touched: Mapping[str, list[str]]) -> Problem:
    """The problem of a fault at a place; ``touched`` are the versions that the fault of each place touches."""
    labels = list(dict.fromkeys(touched.get(where, ())))
    return Problem(
        kind=kind, label=labels[0] if labels else where, message=message, object=where, versions=versions_among(labels)
    )


def versions_among(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels of versions among labels and names of artifacts: no name holds an ``@``."""
    return tuple(label for label in labels if "@" in label)
