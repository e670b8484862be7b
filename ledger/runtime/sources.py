"""What a function's source says: its text, what it closes over, and what its return statements return.

Pure but for reading the source. Where Python has none (a program on standard input, an older
prompt) the compiled code answers instead: less to the point, as it knows no comments and no names
of types, but the same in every process of one version of Python.
"""

import ast
import dis
import inspect
import textwrap
import weakref
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

_texts: "weakref.WeakKeyDictionary[Callable[..., Any], str]" = weakref.WeakKeyDictionary()
"""What was read for a function first: its file may be edited while the program that compiled it goes on."""

_LAMBDA = "<lambda>"
_WITH_EXIT = "SWAP"
"""What moves a value that is returned out of the way of a ``with`` statement's exit."""


def source_text(function: Callable[..., Any]) -> str | None:
    """The source of a function or class, what a function compiles to where there is none, else ``None``.

    A function's text is its own, not that of one it wraps, and stays what it was when it was read first.
    """
    if inspect.isclass(function):
        return _read(function)
    function = getattr(function, "__func__", function)
    if not inspect.isfunction(function):
        return None
    if function not in _texts:
        text, compiled = _read(function.__code__), "\n".join(_lines(function.__code__))
        if text is None:
            text = compiled
        elif function.__name__ == _LAMBDA:
            text += compiled  # several may stand in the same lines
        _texts[function] = text
    return _texts[function]


def _read(defined: Any) -> str | None:
    """The source of a class or of compiled code, or ``None`` where Python keeps none."""
    try:
        return textwrap.dedent(inspect.getsource(defined))
    except (OSError, TypeError):
        return None


def closed_over(function: Callable[..., Any]) -> dict[str, Any]:
    """What a function takes from the functions around it, by name; what is not defined there yet is left out."""
    names = function.__code__.co_freevars if hasattr(function, "__code__") else ()
    found: dict[str, Any] = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue  # defined further down in the function around this one
    return found


def returns_several(function: Callable[..., Any]) -> bool:
    """Whether a function returns a tuple of two or more that is written out as one."""
    tree = _tree(function)
    if tree is None:
        return any(isinstance(value, tuple) and len(value) > 1 for value in _compiled_returns(function))
    return any(isinstance(value, ast.Tuple) and len(value.elts) > 1 for value in _returns(tree))


def returns_nothing(function: Callable[..., Any]) -> bool:
    """Whether every return of a function is bare, or of ``None``; what cannot be told is something."""
    tree = _tree(function)
    if tree is None:
        return hasattr(function, "__code__") and all(value is None for value in _compiled_returns(function))
    constants = (value.value if isinstance(value, ast.Constant) else value for value in _returns(tree))
    return all(value is None for value in constants)


def _tree(function: Callable[..., Any]) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The parsed definition of a function, or ``None`` where it has no source or is a lambda."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    first = tree.body[0] if tree.body else None
    return first if isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _returns(tree: ast.AST) -> Iterator[ast.expr | None]:
    """What the function's own return statements return; those of functions inside it are theirs."""
    waiting: list[ast.AST] = list(ast.iter_child_nodes(tree))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return):
            yield node.value
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


def _compiled_returns(function: Callable[..., Any]) -> Iterator[Any]:
    """What a function returns as far as its code tells: a constant, a tuple of the right length, else ``...``."""
    code = getattr(function, "__code__", None)
    before: dis.Instruction | None = None
    leaves_with = False
    for instruction in dis.get_instructions(code) if code is not None else ():
        if leaves_with or (instruction.opname, instruction.argval) == (_WITH_EXIT, 2):
            leaves_with = (
                instruction.opname != "POP_TOP"
            )  # what the exit gave is dropped, and the value is on top again
            continue
        if instruction.opname == "RETURN_CONST":  # since Python 3.12
            yield instruction.argval
        elif instruction.opname == "RETURN_VALUE" and before is not None:
            is_tuple = before.opname == "BUILD_TUPLE"
            is_constant = before.opname == "LOAD_CONST"
            yield (...,) * before.argval if is_tuple else before.argval if is_constant else ...
        before = instruction


def _lines(code: CodeType) -> Iterator[str]:
    """Compiled code as text that is the same in every process."""
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines(constant)
        else:
            # A set has another order in every process.
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)
