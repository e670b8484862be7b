"""The program that is killed: one operation on one ledger.

    python -m tests.crash.worker save path/to/.ledger

It opens the ledger, opens /dev/null as a mark in the trace of its system calls, does the
operation, and prints ``acknowledged`` when the call has returned. The harness runs the same in
forks of itself, where all modules are loaded already, and stops each until it is traced.
"""

import os
import signal
import sys
import warnings
from importlib import import_module
from pathlib import Path

from ledger import Ledger
from ledger.errors import LedgerError
from tests.crash.operations import OPERATIONS

MARK = os.devnull
ACKNOWLEDGED = "acknowledged"


def work(operation: str, ledger_dir: Path, *, opened: bool = True) -> str:
    """Do an operation; returns ``acknowledged``, or the error that the caller got. ``opened``: before the mark."""
    os.chdir(ledger_dir.parent)
    os.environ["LEDGER_DIR"] = str(ledger_dir)
    ledger = Ledger.open(ledger_dir) if opened else None
    os.close(os.open(MARK, os.O_RDONLY))
    try:
        OPERATIONS[operation].act(ledger or Ledger.open(ledger_dir))
    except LedgerError as error:
        return f"{type(error).__name__} {error.exit_code}: {error}"
    except BaseException as error:  # noqa: BLE001  # what reaches the caller is the result
        return f"raw {type(error).__name__}: {error}"
    return ACKNOWLEDGED


def load_modules() -> None:
    """Import what an operation imports at first use: here it is the ledger's files that fail, not Python's."""
    for name in (
        "concurrent.futures.thread",
        "dulwich.config",
        "encodings.ascii",
        "filelock",
        "getpass",
        "pyfastcdc",
        "zstandard",
    ):
        import_module(name)


def start_stopped(operation: str, ledger_dir: Path, *, opened: bool = True) -> tuple[int, int]:
    """Fork a worker that waits for SIGCONT; returns its pid and where its answer can be read."""
    load_modules()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            _let_anybody_trace()
            os.kill(os.getpid(), signal.SIGSTOP)
            warnings.simplefilter("default")  # a warning is no failure, whatever the tests make of it
            answer = work(operation, ledger_dir, opened=opened)
            os.writev(writing, [answer.encode()])  # a call that nobody tampers with
        finally:
            os._exit(0)  # a fork never goes on as its parent
    os.close(writing)
    os.waitpid(child, os.WUNTRACED)
    return child, reading


def _let_anybody_trace() -> None:
    """Allow a tracer that is no parent, where the system lets nobody else."""
    import ctypes

    set_tracer, anybody = 0x59616D61, -1
    ctypes.CDLL(None).prctl(set_tracer, anybody, 0, 0, 0)


if __name__ == "__main__":
    print(work(sys.argv[1], Path(sys.argv[2]).absolute()), flush=True)
