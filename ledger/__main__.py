"""``python -m ledger`` is the command line program."""

from ledger.cli import main

main()
