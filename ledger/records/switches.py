"""Switches as users give them: on or off, and nothing that Python would take for one of the two."""

from ledger.errors import ArgumentTypeError
from ledger.wording import shown_with_type


def check_switches(**given: object) -> None:
    """Raise `ArgumentTypeError`, naming the argument, for a switch that is no bool, such as the text ``no``."""
    for name, value in given.items():
        if not isinstance(value, bool):
            raise ArgumentTypeError(f"{name} is True or False, got {shown_with_type(value)}")
