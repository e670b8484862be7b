"""Annotations as a function has them, whether a value is what one says, and how they are written for people.

Owns what differs between releases of Python. An annotation that cannot be checked lets every value pass. Knows no
steps.
"""

import inspect
import sys
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

from ledger.materializers import is_called, qualified_name
from ledger.wording import shown

if sys.version_info >= (3, 14):
    import annotationlib


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """The signature of a function, also where its annotations name what is not defined yet, or never is."""
    if sys.version_info >= (3, 14):
        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)


def annotations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function; one with a name that means nothing yet is a string, as it was written.

    From Python 3.14 on, no annotation is evaluated before somebody asks for it. In earlier releases such a name fails
    where the function is defined.
    """
    try:
        return function.__annotations__
    except (NameError, AttributeError):
        if sys.version_info >= (3, 14):
            known = annotationlib.get_annotations(function, format=annotationlib.Format.FORWARDREF)
            written = annotationlib.get_annotations(function, format=annotationlib.Format.STRING)
            return {key: value if _is_known(value) else written[key] for key, value in known.items()}
        raise


def conforms(value: object, annotation: Any) -> bool:
    """Whether a value has the annotated type, as ``isinstance`` sees it; what cannot be checked passes.

    Containers are judged by themselves, not by their elements; an int is a float (PEP 484). A class is known by its
    name, because a script or a notebook's cell that runs again defines its classes anew.
    """
    annotation = without_extras(annotation)
    if annotation is Any or annotation is typing.NoReturn:
        return True
    if annotation is None or annotation is type(None):
        return value is None
    members = union_members(annotation)
    if members:
        return any(conforms(value, member) for member in members)
    origin = get_origin(annotation)
    if origin is Literal:
        return any(type(value) is type(member) and value == member for member in get_args(annotation))
    return _is_instance(value, origin if origin is not None else annotation)


def without_extras(annotation: Any) -> Any:
    """The type inside ``Annotated``."""
    annotation = spelled_out(annotation)
    return without_extras(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def spelled_out(annotation: Any) -> Any:
    """What a ``NewType`` or a name given by a ``type`` statement stands for; any type where that cannot be resolved."""
    while isinstance(annotation, typing.NewType):
        annotation = annotation.__supertype__
    alias = get_origin(annotation) or annotation
    while type(alias).__name__ == "TypeAliasType":  # in `typing` since Python 3.12, before in `typing_extensions`
        try:
            annotation = alias.__value__
        except NameError:
            return Any
        alias = get_origin(annotation) or annotation
    return annotation


def union_members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; empty for anything else."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else ()


def names_class(annotation: Any, wanted: type) -> bool:
    """Whether an annotation is the class ``wanted``, or a union that contains it."""
    annotation = without_extras(annotation)
    return any(class_of(member) is wanted for member in union_members(annotation) or (annotation,))


def class_of(annotation: Any) -> type | None:
    """The one class that an annotation names, or ``None`` for unions, ``Any`` and the like."""
    annotation = without_extras(annotation)
    origin = get_origin(annotation) or annotation
    # `isinstance` takes Any, and in some releases of Python unions, for classes.
    return origin if isinstance(origin, type) and origin not in (Any, Union, types.UnionType) else None


def spelled(annotation: Any) -> str:
    """An annotation as a person would write it."""
    annotation = without_extras(annotation)
    if isinstance(annotation, type) and get_origin(annotation) is None:
        module = annotation.__module__
        return annotation.__qualname__ if module == "builtins" else f"{module}.{annotation.__qualname__}"
    return str(annotation)


def shown_for(value: object, annotation: Any) -> str:
    """What an error calls a value that is not as annotated: the value itself against ``Literal``, else its type."""
    is_listed = get_origin(without_extras(annotation)) is Literal
    return shown(value) if is_listed else spelled(type(value))


def hint_for(value: object, otherwise: str) -> str:
    """What to do about a value that is not as annotated."""
    kind = type(value)
    is_scalar = kind.__module__ == "numpy" and getattr(value, "shape", None) == ()
    return f"{kind.__name__} is a class of numpy's own: take .item() of it" if is_scalar else otherwise


def _is_known(annotation: Any) -> bool:
    """Whether every name in an annotation is defined."""
    members = annotation if isinstance(annotation, list) else get_args(annotation)
    return not isinstance(annotation, ForwardRef) and all(map(_is_known, members))


def _is_instance(value: object, kind: Any) -> bool:
    if not isinstance(kind, type):
        return True  # a type variable, a string that could not be resolved
    if typing.is_typeddict(kind):
        return isinstance(value, dict)
    if kind is float and type(value) is int:
        return True
    try:
        return isinstance(value, kind) or any(is_called(kind, qualified_name(base)) for base in type(value).__mro__)
    except TypeError:
        return True  # a protocol that cannot be checked at run time
