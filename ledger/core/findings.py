"""What a check has found so far: problems of records, faults of the history, faults of the store.

Each fault is noted once, by its place: what was noted first stays. Knows neither which versions a fault touches
(`touching`) nor what is to be checked (`verifying`).
"""

from collections.abc import Container, Iterable, Mapping

from ledger.blobs import Fault
from ledger.core.reports import Problem, problem_at, versions_among
from ledger.errors import IntegrityError, LedgerError
from ledger.history.upkeep import GitFault
from ledger.system_errors import raise_if_inconclusive


class Findings:
    """What was found wrong, in the order in which it was met."""

    def __init__(self) -> None:
        self.store: dict[str, Fault] = {}
        """The faults of objects of the store, by their keys."""
        self._git: dict[str, GitFault] = {}
        self._problems: list[Problem] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found wrong."""
        return not (self.has_faults or self._problems)

    @property
    def has_faults(self) -> bool:
        """Whether there is a fault of the history or of the store, whose versions are still to be found."""
        return bool(self._git or self.store)

    @property
    def git(self) -> tuple[GitFault, ...]:
        """The faults of the history, each once: an object's is left out where a file's covers it."""
        faults = self._git.values()
        in_files = {id for fault in faults if not _is_of_object(fault) for id in fault.objects}
        return tuple(fault for fault in faults if not (_is_of_object(fault) and fault.objects <= in_files))

    def problems(self, touched: Mapping[str, list[str]], *, without: Container[str]) -> tuple[Problem, ...]:
        """Everything that is wrong, except with the objects of the store that are in ``without``.

        ``touched`` are the versions that the fault of each place touches.
        """
        needed = [(key, fault) for key, fault in self.store.items() if key not in without]
        return (
            *(problem_at(fault.kind, fault.where, fault.message, touched) for fault in self.git),
            *self._problems,
            *(problem_at(fault.kind, key, fault.message, touched) for key, fault in needed),
        )

    def add(self, problem: Problem) -> None:
        """Note a problem that touches nothing but what it names."""
        self._problems.append(problem)

    def note(self, faults: Iterable[Fault | None]) -> None:
        """Note faults of the store."""
        for fault in faults:
            if fault is not None:
                self.store.setdefault(fault.key, fault)

    def note_git(self, faults: Iterable[GitFault | None]) -> None:
        """Note faults of the history."""
        for fault in faults:
            if fault is not None:
                self._git.setdefault(fault.where, fault)

    def note_error(self, label: str, error: LedgerError) -> None:
        """Note what an error says is wrong with a version or an artifact; raises one that says nothing about it."""
        self._note_error(label, error, versions_among([label]))

    def note_error_at(self, place: str, error: LedgerError) -> None:
        """As `note_error`, about a place in the tree, which is no version whatever it is called."""
        self._note_error(place, error, ())

    def _note_error(self, label: str, error: LedgerError, versions: tuple[str, ...]) -> None:
        raise_if_inconclusive(error)
        id = error.facts.get("digest")
        if isinstance(error, IntegrityError) and "is_missing" in error.facts:
            fault = GitFault(
                where=f"object {id}",
                kind="missing" if error.facts["is_missing"] else "corrupt",
                message=str(error),
                objects=frozenset([str(id)]),
            )
            self.note_git([fault])
            return
        self.add(Problem(kind="corrupt", label=label, message=str(error), versions=versions))


def _is_of_object(fault: GitFault) -> bool:
    """Whether a fault is that of an object which somebody read, and not of the file that holds it."""
    return fault.where.startswith("object ")
