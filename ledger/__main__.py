"""The command line program, as ``ledger`` and as ``python -m ledger``."""

import gc

# To look for garbage among what is being imported takes a twentieth of a short command; `main` turns it on again.
gc.disable()

from ledger.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
