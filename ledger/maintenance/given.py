"""What the functions of this package are given: a `Ledger`, and a plan that another of them has made."""

from ledger.core import Ledger
from ledger.errors import ArgumentTypeError
from ledger.wording import shown_with_type


def refuse_other_than_ledger(given: object) -> None:
    """Raise `ArgumentTypeError` for what is no `Ledger`, such as the path of one."""
    _refuse_other_than(Ledger, given, hint="Ledger.open(path) opens one")


def refuse_other_than_made(kind: type, given: object, *, by: str) -> None:
    """Raise `ArgumentTypeError` for what is not of the kind that the function ``by`` makes."""
    _refuse_other_than(kind, given, hint=f"ledger.maintenance.{by} makes one")


def _refuse_other_than(kind: type, given: object, *, hint: str) -> None:
    if not isinstance(given, kind):
        raise ArgumentTypeError(f"maintenance is given a {kind.__name__} here, got {shown_with_type(given)}", hint=hint)
