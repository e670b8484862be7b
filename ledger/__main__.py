"""The command line program, as ``ledger`` and as ``python -m ledger``."""

import gc

# To look for garbage among what is being imported, and once more at the end, takes an eighth of a short command.
gc.disable()
try:
    from ledger.cli import main
except KeyboardInterrupt:
    raise SystemExit(130) from None
finally:
    gc.freeze()
    gc.enable()

if __name__ == "__main__":
    main()
