"""Classes by their names, without importing anything.

A record says what the class of a value was called. That name is data: it is only ever
compared with the names of classes that this process has defined already. Attributes are
looked up in the dictionaries of modules and classes, so that no property, module
``__getattr__`` or descriptor runs.
"""

import builtins
import dataclasses
import inspect
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ledger.errors import UnknownTypeError
from ledger.materializers.programs import PROGRAM, class_inside, is_of_program, modules_named
from ledger.materializers.registry import declares_fields, is_called, qualified_name

FACTORIES: tuple[type, ...] = (list, dict, set, tuple, int, float, str, bool, bytes, frozenset)
"""The factories that a default dict may have and be written with, each by its name."""

ORIGIN = "__orig_class__"
"""The attribute in which typing notes the parametrised class that made an instance; only code could restore it."""

_OF_PROGRAM = f"{PROGRAM}."

_HINT = (
    "import the module that defines it first, or pass it: version.load(data_type=...); "
    "where it has moved, import it in a module of the old name as well"
)
_HINT_OF_PROGRAM = (
    "it is a script's: pass the class, version.load(data_type=...), or let a module define it that others import"
)

_HINT_OF_GENERIC = (
    "it is made where a program writes it: do so after importing its module, or pass it: version.load(data_type=...)"
)

_BUILTINS = frozenset(kind for kind in vars(builtins).values() if isinstance(kind, type))


def subclass_named(name: str, roots: Iterable[type]) -> type | None:
    """The class of that name among some classes and all that derive from them.

    Of several it is Python's own, else the one that its module holds now, else the newest. There are several where a
    notebook cell ran again, or where a class was unpickled that was pickled by value.
    """
    kinds: list[type] = []
    for kind in roots:  # no further than needed: roots may be looked up by name on the way, which takes a while
        if kind in _BUILTINS and qualified_name(kind) == name:
            return kind
        kinds.append(kind)
    held = loaded_class(name)
    if held is not None and any(kind in held.__mro__ for kind in kinds):
        return held
    found: type | None = None
    for kind in _with_subclasses(kinds):
        if is_called(kind, name):
            found = kind
    return found


def loaded_class(name: str) -> type | None:
    """The class that an already loaded module holds under a name, if any.

    A class that has moved is found where a module still hands it on under the old name, as pickles find theirs; but
    what a script has imported is not taken for a class of another script.
    """
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        modules = modules_named(".".join(parts[:end]))
        if modules:
            found = [kind for module in modules if (kind := class_inside(module, parts[end:])) is not None]
            moved = None if is_of_program(name) else next(iter(found), None)
            return next((kind for kind in found if is_called(kind, name)), moved)
    return None


def known_class(
    name: str, is_wanted: Callable[[type], bool], *, roots: Iterable[type], passed: type | None, instead: type | None
) -> type:
    """The class that a record names, if it is of the wanted kind.

    It is sought in this order: the class ``passed``, and those that derive from it and from ``roots``; the attributes
    of loaded modules; for the name of a class of the program that was started, the module of the class passed;
    ``instead``, whatever its name; and all classes, because one that a function defined is in no module. Raises
    `UnknownTypeError` where none fits.
    """
    given = () if passed is None else (passed,)
    candidates = (subclass_named(name, (*given, *roots)), loaded_class(name), _beside(passed, name), instead)
    for kind in candidates:
        if kind is not None and is_wanted(kind):
            return kind
    defined = subclass_named(name, (object,))
    if defined is not None and is_wanted(defined):
        return defined
    raise unknown_type(name)


def unknown_type(name: str) -> UnknownTypeError:
    """The error for a class that this process has not defined."""
    usual = _HINT_OF_GENERIC if name.endswith("]") else _HINT  # as pydantic calls a generic model with its parameters
    return UnknownTypeError(
        f"the value is of type {name!r}, which is not defined in this process",
        hint=_HINT_OF_PROGRAM if name.startswith(_OF_PROGRAM) else usual,
        data_type=name,
    )


def _beside(passed: type | None, name: str) -> type | None:
    """The class that a program once defined itself, in the module that now defines the class passed."""
    module = sys.modules.get(passed.__module__) if passed is not None else None
    if module is None or not name.startswith(_OF_PROGRAM):
        return None
    return class_inside(module, name.removeprefix(_OF_PROGRAM).split("."))


def is_plain_dataclass(kind: type) -> bool:
    """Whether instances of a class are nothing but their attributes, and can be made and thrown away without its code.

    A class of attrs is one, too. Judged by the class alone: an instance made to find out would have defaults, and
    perhaps a ``__del__`` that acts on them.
    """
    if not declares_fields(kind) or inspect.isabstract(kind):
        return False
    if any("__del__" in vars(base) for base in kind.__mro__):
        return False
    # An exception, a dict or another type with a layout of its own is made by a function of its own.
    makers = (base for base in kind.__mro__ if isinstance(vars(base).get("__new__"), types.BuiltinFunctionType))
    return next(makers) is object


def fields_of(kind: Any) -> list[str]:
    """The names of the fields that a dataclass, or a class of attrs, declares."""
    declared = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else kind.__attrs_attrs__
    return [field.name for field in declared]


def slots_of(kind: type) -> dict[str, types.MemberDescriptorType]:
    """The slots of a class and of all it derives from, by name; where two have one name, the nearer one."""
    found = ((name, held) for base in reversed(kind.__mro__) for name, held in vars(base).items())
    return {name: held for name, held in found if isinstance(held, types.MemberDescriptorType)}


def is_named_tuple(kind: type) -> bool:
    """Whether a class is what `collections.namedtuple` or `typing.NamedTuple` makes, which takes no attributes."""
    fields: Any = vars(kind).get("_fields")
    is_derived = issubclass(kind, tuple) and kind.__mro__[1] is tuple
    return is_derived and isinstance(fields, tuple) and not kind.__dictoffset__


def _with_subclasses(roots: Iterable[type]) -> Iterator[type]:
    """Some classes and, breadth first, everything that derives from them, in the order of definition."""
    # By identity: a class of classes may say that its classes have no hash, or warn when one is compared.
    seen: dict[int, type] = {}
    waiting = list(roots)
    while waiting:
        kind = waiting.pop(0)
        if id(kind) not in seen:
            seen[id(kind)] = kind
            yield kind
            waiting.extend(type.__subclasses__(kind))
