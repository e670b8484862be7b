"""The command line program, as ``ledger`` and as ``python -m ledger``."""

import gc

from ledger.interrupts import was_interrupt

# Garbage collection during the imports, and at exit among what they loaded, would take an eighth of a short command.
gc.disable()
try:
    from ledger.cli import main
except BaseException as error:
    if not was_interrupt(error):
        raise
    raise SystemExit(130) from None
finally:
    gc.freeze()
    gc.enable()

if __name__ == "__main__":
    main()
