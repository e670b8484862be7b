"""The command line: `ledger`, also as ``python -m ledger`` (specs/command-line.md).

A command parses, calls one function of the layers below and prints. Tables for people,
one JSON document with ``--json``, errors on stderr with an exit code for each kind.
"""

from ledger.cli.program import main

__all__ = ["main"]
