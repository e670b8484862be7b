"""A program: runs scripts that it is told of on standard input, and says of each with which code it ended.

Most of the time of a short script goes to importing modules. Each runs in a fork of this process, which has imported
those modules that its arguments name, and nothing else.
"""

import gc
import importlib
import json
import os
import runpy
import sys


def main() -> None:
    for library in sys.argv[1:]:
        importlib.import_module(library)
    gc.freeze()  # else each fork would go through all of it for garbage, and thereby copy it
    for line in sys.stdin:
        child = os.fork()
        if not child:
            run(**json.loads(line))
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def run(command: list[str], folder: str, environment: dict[str, str], output: str, errors: str, times: int) -> None:
    """Run a script with its arguments in a folder, so many times; what it prints goes to files."""
    for descriptor, path in enumerate((os.devnull, output, errors)):
        opened = os.open(path, os.O_RDWR)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = command
    for _ in range(times):
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    main()
