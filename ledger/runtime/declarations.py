"""Which functions can be steps and pipelines, and what those are called.

Pure. Refuses at the decorator what could not be recorded later: values without names, and
functions that return before they have done anything.

A step or pipeline is `Declared`: copied and pickled as the function that it is declared on would be.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

from ledger.errors import ArgumentTypeError, InvalidNameError, StepInterfaceError
from ledger.forks import cached_property
from ledger.records import Name, check_name
from ledger.runtime.annotations import signature_of
from ledger.wording import shown, shown_with_type

_PROGRAM = "__main__"
_MAKER = "_maker"
_OWNERS = ("self", "cls")
_LATER = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)


Function = TypeVar("Function", bound=Callable[..., Any])


class Declared(Generic[Function]):
    """A step or a pipeline, which stands for a function under the function's own name.

    A type checker knows the function's own types of ``entrypoint``. A call of the whole has none: in the body of a
    pipeline it takes and gives placeholders.
    """

    entrypoint: Function
    _chosen: ClassVar[tuple[str, ...]] = ()
    """The attributes that options choose. All others come from the function."""

    def __copy__(self) -> Self:
        return self  # nothing of it changes

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle it by module and name, if it is found there, for processes that import the module as well.

        One that was made from the original there, by options or as the method of an object, is pickled as the original
        or as an attribute of the object, with what the options chose.
        """
        module, name = getattr(self, "__module__", _PROGRAM), getattr(self, "__qualname__", "")
        stands = _standing(module, name)
        if stands is self:
            return (_restored, (self._maker,)) if module == _PROGRAM else name
        owner = getattr(self.entrypoint, "__self__", None)
        place = (stands, "") if owner is None else (owner, name.rpartition(".")[2])
        plain = _found(*place)
        if not isinstance(plain, Declared) or plain.entrypoint != self.entrypoint:
            return super().__reduce_ex__(protocol)
        return _with_chosen, (*place, {key: vars(self)[key] for key in self._chosen})

    @cached_property
    def _maker(self) -> Callable[[], Any]:
        """A function that makes this object again, named as an attribute of this object in the program's main module.

        A worker of multiprocessing has the same main module, so that pickle only names the function. A worker of joblib
        or dask has another one: there cloudpickle writes the function out, with all that it needs.
        """
        kind, state = type(self), dict(vars(self))

        def made() -> Any:
            again = kind.__new__(kind)
            vars(again).update(state)
            return again

        made.__module__, made.__qualname__ = _PROGRAM, f"{getattr(self, '__qualname__', '')}.{_MAKER}"
        return made


def _restored(maker: Callable[[], Any]) -> Any:
    """What a maker makes; if it is an attribute of an object in this program, that very object."""
    name = maker.__qualname__
    stands = _standing(_PROGRAM, name) is maker
    return _standing(_PROGRAM, name.removesuffix(f".{_MAKER}")) if stands else maker()


def _with_chosen(holder: Any, attribute: str, chosen: Mapping[str, Any]) -> Any:
    """What is found in a place, with what options have chosen for it."""
    plain = _found(holder, attribute)
    again = object.__new__(type(plain))
    vars(again).update({**vars(plain), **chosen})
    return again


def _found(holder: Any, attribute: str) -> Any:
    """The attribute of ``holder`` or, where ``attribute`` is empty, ``holder`` itself."""
    return getattr(holder, attribute, None) if attribute else holder


def _standing(module: str, name: str) -> Any:
    """What a loaded module has under a qualified name, or ``None``."""
    place: Any = sys.modules.get(module)
    return functools.reduce(lambda inside, part: getattr(inside, part, None), name.split("."), place)


def checked_name(name: object, what: str) -> Name:
    """The name of a step or pipeline, whose grammar is that of artifacts as it becomes part of their names."""
    if not isinstance(name, str):
        raise ArgumentTypeError(f"a {what} name is a str, got {shown_with_type(name)}")
    try:
        return check_name(name)
    except InvalidNameError as error:
        message = str(error).replace("artifact name", f"{what} name")
        raise InvalidNameError(message, hint=error.hint, name=name) from error


def name_of(function: Callable[..., Any], given: str | None, what: str) -> Name:
    """The name given, or else the function's own; raises `StepInterfaceError` for what is no plain function."""
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        is_method = isinstance(function, (staticmethod, classmethod))
        hint = f"put @{type(function).__name__} above @{what}" if is_method else f"decorate a function with @{what}"
        raise StepInterfaceError(f"a {what} is made of a function, got {shown(function)}", hint=hint)
    name = checked_name(given, what) if given is not None else _own_name(function, what)
    if any(test(function) for test in _LATER):
        raise StepInterfaceError(
            f"{what} {name!r} is a generator or a coroutine, so calling it does nothing yet",
            hint="make it a plain function",
        )
    return name


def _own_name(function: Callable[..., Any], what: str) -> Name:
    """The name of a function, where it can be a step's; Python allows others, and a lambda has none."""
    try:
        return checked_name(function.__name__, what)
    except InvalidNameError as error:
        error.hint = f"give it another one: @{what}(name=...); {error.hint}"
        raise


def named_parameters(function: Callable[..., Any], owner: str) -> Mapping[str, inspect.Parameter]:
    """A function's parameters; raises `StepInterfaceError` for one that cannot be given by name, as records give it."""
    parameters = signature_of(function).parameters
    for parameter in parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise StepInterfaceError(
                f"{owner} takes {str(parameter).partition(':')[0]!r}, whose values have no names to be recorded under",
                hint="name every argument, and let it be given by name; a decorator below takes `functools.wraps`",
            )
    return parameters


def is_handed_class(args: Sequence[Any], parameters: Iterable[str]) -> bool:
    """Whether a class method hands its class on with the call.

    Python does so from 3.13 on; earlier releases bind the step or pipeline to the class first, by ``__get__``.
    """
    return bool(args) and isinstance(args[0], type) and next(iter(parameters), None) == _OWNERS[-1]


def is_of_owner(parameters: Iterable[str]) -> bool:
    """Whether the first parameter of a function is ``self`` or ``cls``, as that of a method."""
    return next(iter(parameters), None) in _OWNERS
