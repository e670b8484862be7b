"""What the classes of the program that was started are called.

Python calls that program ``__main__``, and ``__mp_main__`` in a process of a pool that it has spawned. Neither name
means anything to the next program. One that was started as a module (``python -m app.train``) has a name that others
import it by, which is the one for records; the classes of any other stay those of ``__main__``. Nothing is imported.
"""

import os
import sys
import types
from typing import Final

PROGRAM: Final = "__main__"
SPAWNED: Final = "__mp_main__"

_ALIASES = frozenset({PROGRAM, SPAWNED})


def module_name_of(kind: type) -> str:
    """The name of a class's module, as far as there is one by which others import it."""
    if kind.__module__ not in _ALIASES:
        return kind.__module__
    program = sys.modules.get(kind.__module__)
    # A program that runs others, such as a profiler, has a name of its own, and their classes are not in it.
    return _imported_as(program) if program is not None and _defines(program, kind) else PROGRAM


def is_of_program_named(kind: type, name: str) -> bool:
    """Whether a class is of the program that was started, and ``name`` is what it is called here or elsewhere."""
    module, _, rest = name.rpartition(f".{kind.__qualname__}")
    return kind.__module__ in _ALIASES and not rest and _stands_for_program(module)


def is_of_program(name: str) -> bool:
    """Whether the name of a class or function is one that only the program that was started understands."""
    return name.partition(".")[0] in _ALIASES


def modules_named(name: str) -> list[types.ModuleType]:
    """The loaded modules that a name stands for: first the program that was started, if it is called so."""
    found = [sys.modules[PROGRAM]] if _stands_for_program(name) else []
    module = sys.modules.get(name)
    return found if module is None or module in found else [*found, module]


def class_inside(module: types.ModuleType, path: list[str]) -> type | None:
    """The class at a path of attributes in a module, looked up in the dictionaries of module and classes."""
    held: object = module
    for name in path:
        held = vars(held).get(name) if isinstance(held, type) or held is module else None
    return held if isinstance(held, type) else None


def _stands_for_program(module: str) -> bool:
    """Whether a module of that name is the program that was started, be it as a script or as a module."""
    program = sys.modules.get(PROGRAM)
    if program is None or module in {PROGRAM, _imported_as(program)}:
        return program is not None
    return f"/{_file_of(program)}".endswith(f"/{module.replace('.', '/')}.py")


def _imported_as(program: types.ModuleType) -> str:
    spec = vars(program).get("__spec__")
    return spec.name if spec is not None else PROGRAM


def _file_of(program: types.ModuleType) -> str:
    return _absolute(vars(program).get("__file__") or "")


def _absolute(path: str) -> str:
    """A path from the root on; as it is where there is none, or where the working directory has been removed."""
    try:
        return os.path.abspath(path) if path else ""
    except FileNotFoundError:
        return path


def _defines(program: types.ModuleType, kind: type) -> bool:
    """Whether a class is the program's: found in it or, while it is being made, with methods that are written there."""
    # Pydantic calls a generic model with its parameters, as in ``Box[int]``: a class that derives from the program's.
    if class_inside(program, kind.__qualname__.partition("[")[0].split(".")) in kind.__mro__:
        return True
    methods = (held for held in vars(kind).values() if isinstance(held, types.FunctionType))
    return any(_absolute(method.__code__.co_filename) == _file_of(program) for method in methods)
