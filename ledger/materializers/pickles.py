"""Pickles: which Python and which libraries made one, and which of them may not be loaded.

Owns what the materializers that run code have in common. A function or class that a program defined itself is pickled
with its byte code. Another minor version of Python takes that without complaint, and what calls it then ends the
process at an arbitrary place; so it is refused. What is pickled by name loads all the same: if another Python made the
pickle, a warning says so.
"""

import functools
import pickle
import sys
import types
from enum import EnumMeta
from typing import IO, Any
from weakref import WeakSet

from ledger.errors import MaterializerError
from ledger.materializers.base import BaseMaterializer
from ledger.materializers.libraries import write_libraries
from ledger.materializers.programs import SPAWNED
from ledger.notices import warn_user

_PYTHON = "python.txt"
_CLOUDPICKLE = "cloudpickle.cloudpickle"
_MAKES_FUNCTIONS = "_make_function"
_SETS_CLASSES = "_class_setstate"
_NAMED = (type, types.FunctionType, types.BuiltinFunctionType)

_own: WeakSet[type] = WeakSet()
"""The classes that this process has pickled whole."""


@functools.cache
def pickler_class() -> Any:
    """The pickler of cloudpickle, with the names of the modules whose classes and functions it met in ``modules``.

    What the program defines is pickled whole, also in a worker that it has spawned: other programs have no module of
    the name that the program has there.
    """
    import cloudpickle

    spawned = sys.modules.get(SPAWNED)
    if spawned is not None and spawned.__name__ == SPAWNED:  # in the parent that name may lead to ``__main__``
        cloudpickle.register_pickle_by_value(spawned)

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc, unused-ignore]
        def __init__(self, file: IO[bytes]) -> None:
            super().__init__(file)
            self.modules: set[str] = set()

        def reducer_override(self, held: Any) -> Any:
            module = held.__module__ if isinstance(held, _NAMED) else type(held).__module__
            if isinstance(module, str):  # some functions of C have none
                self.modules.add(module)
            reduced = super().reducer_override(held)
            if not (isinstance(held, type) and isinstance(reduced, tuple)):
                return reduced
            _own.add(held)
            return _with_all_members(held, *reduced) if isinstance(held, EnumMeta) else reduced

    return Pickler


def _with_all_members(kind: Any, make: Any, given: tuple[Any, ...], state: tuple[Any, Any], *others: Any) -> Any:
    """How an enum is pickled whole, with the members that cloudpickle takes for attributes.

    These are aliases, and flags of several bits. cloudpickle would set them once the class is made. A class that has
    them already, such as the program's own, refuses that, and in any other they would not become members.
    """
    members = {name: member.value for name, member in kind.__members__.items()}
    known = {member.name: member.value for member in kind}
    attributes, slots = state
    attributes = {name: held for name, held in attributes.items() if name not in members}
    # Of the arguments for the function that makes the class, the one with the members.
    return make, tuple(members if part == known else part for part in given), (attributes, slots), *others


class Unpickler(pickle.Unpickler):
    """Loads what this Python can run; `MaterializerError` for byte code of another one.

    A class that the program has saved itself stays as it is now; cloudpickle alone would set it back to what it was at
    the save, with copies of its functions that see none of the program's variables.
    """

    def __init__(self, file: IO[bytes], python: str) -> None:
        """``python`` is the version of the Python that made the pickle."""
        super().__init__(file)
        self._python = python

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle names."""
        if module != _CLOUDPICKLE:
            return super().find_class(module, name)
        if name == _MAKES_FUNCTIONS and not _is_like_this(self._python):
            raise MaterializerError(
                f"a pickled value holds functions of its program as byte code of Python {self._python}, "
                f"which Python {python_version()} cannot run",
                hint=f"load it with Python {_minor(self._python)}, or save it there by classes of a module",
                saved_by=self._python,
            )
        found = super().find_class(module, name)
        return functools.partial(_set_unless_own, found) if name == _SETS_CLASSES else found


def _set_unless_own(set_state: Any, kind: type, state: Any) -> Any:
    """Give a class what a pickle says of it, unless it is the program's own."""
    return kind if kind in _own else set_state(kind, state)


def write_versions(materializer: BaseMaterializer, modules: set[str]) -> None:
    """Write beside a pickle which Python made it, and the libraries that it takes ``modules`` of."""
    with materializer.open(_PYTHON, "w") as file:
        file.write(python_version())
    write_libraries(materializer.files, modules)


def read_python(materializer: BaseMaterializer) -> str:
    """The version of the Python that made a pickle; warns where it is another minor version than runs now."""
    with materializer.open(_PYTHON) as file:
        saved: str = file.read()
    if not _is_like_this(saved):
        here = python_version()
        warn_user(f"{materializer.key}: saved by Python {saved}, loaded by Python {here}; pickled code may not work")
    return saved


def python_version() -> str:
    """The version of this Python, as ``3.11.4``."""
    return ".".join(map(str, sys.version_info[:3]))


def _is_like_this(python: str) -> bool:
    return _minor(python) == _minor(python_version())


def _minor(python: str) -> str:
    return ".".join(python.split(".")[:2])
