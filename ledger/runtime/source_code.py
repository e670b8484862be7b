"""What a function's source says: its text, what it closes over, and what its return statements return.

Pure but for reading the source. Where Python has none, as of a program on standard input or at an older prompt, or
another one by now, the compiled code answers instead. It knows no comments and no names of types, but is the same in
every process of one version of Python.
"""

import ast
import dis
import functools
import inspect
import os
import textwrap
import time
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

_texts: dict[int, str] = {}
"""What was read first for each function's code, or class: its file may be edited while the program goes on with it.

A function that is made again, as each call of the function around it makes it, has the same code, and so the same text.
The keys are `id`s, because a metaclass may call classes equal, or give them no hash.
"""

_ADDING = {"add", "append", "appendleft", "extend", "extendleft", "insert", "update"}
"""The methods that add to a list, a dict, a set or a deque."""

_BEGAN = time.time()
_LAMBDA = "<lambda>"
_CONSTANTS = frozenset({"LOAD_CONST", "LOAD_COMMON_CONSTANT"})
_EXIT = frozenset({"PRECALL", "CALL", "GET_AWAITABLE", "SEND", "YIELD_VALUE", "RESUME", "JUMP_BACKWARD_NO_INTERRUPT"})
"""What the exit of a ``with`` consists of, beside instructions without an argument or with ``None``."""


def source_text(function: Callable[..., Any]) -> str | None:
    """The source of a function or class, what a function compiles to where there is none, else ``None``.

    A function's text is its own, not that of one it wraps. Each stays what it was when it was read first.
    """
    function = getattr(function, "__func__", function)
    if not inspect.isclass(function) and not inspect.isfunction(function):
        return None
    defined = function if inspect.isclass(function) else function.__code__
    key = id(defined)
    if key not in _texts:
        text = _read(defined) if inspect.isclass(defined) else _text_of_code(defined)
        if text is None:
            return None
        _texts[key] = text
        weakref.finalize(defined, _texts.pop, key, None).atexit = False
    return _texts[key]


def _text_of_code(code: CodeType) -> str:
    text, compiled = _read(code), "\n".join(_lines(code))
    if text is None or _is_edited(code):
        return compiled
    return text + compiled if code.co_name == _LAMBDA else text  # several lambdas may stand in the same lines


def _is_edited(code: CodeType) -> bool:
    """Whether the file of some code was written since the program began, and no longer says that code.

    A function in a function is decorated when that is called, which may be long after the file was imported.
    """
    try:
        if os.stat(code.co_filename).st_mtime < _BEGAN:
            return False
        with warnings.catch_warnings(action="ignore"):  # the import has told of them
            whole = compile(Path(code.co_filename).read_bytes(), code.co_filename, "exec", dont_inherit=True)
    except OSError:
        return False  # no file, but a cell of a notebook
    except (SyntaxError, ValueError):
        return True
    return code not in _codes_in(whole)


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes_in(constant)


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


def held_by(made: type) -> dict[str, Any]:
    """What a class that was made in a function holds, by name; empty for any other class.

    The function may make classes of the same source that hold something else. Counted are what the body of the class
    defines and assigns, and bases that were made in a function too. ``...`` stands for what is no longer there, because
    a decorator or a base keeps it elsewhere, as the default of a field.
    """
    if not _is_made_in_function(made):
        return {}
    try:
        names = [name for statement in _statements(source_text(made) or "") for name in _bound_in(statement)]
    except SyntaxError:  # there is no source
        return {}
    bases = {f"base {place}": base for place, base in enumerate(made.__bases__) if _is_made_in_function(base)}
    return {**bases, **{name: _function_of(vars(made).get(name, ...)) for name in names}}


def _is_made_in_function(made: type) -> bool:
    return "<locals>" in made.__qualname__


def _bound_in(definition: ast.stmt) -> Iterator[str]:
    """The names that the body of a class binds, whatever block of it they stand in."""
    waiting: list[ast.AST] = list(definition.body) if isinstance(definition, ast.ClassDef) else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif not _is_apart(node):
            waiting.extend(ast.iter_child_nodes(node))


def _is_apart(node: ast.AST) -> bool:
    """Whether names in a part of a class's body are not the class's own: a comprehension's, a field without a value."""
    return isinstance(node, ast.comprehension) or (isinstance(node, ast.AnnAssign) and node.value is None)


def _function_of(held: Any) -> Any:
    """The function in a static method, a class method or a property that is only read; else the value itself."""
    if isinstance(held, staticmethod | classmethod):
        return held.__func__
    is_read = isinstance(held, property) and held.fset is None and held.fdel is None
    return held.fget if is_read else held


def collected_in(function: Callable[..., Any]) -> frozenset[str]:
    """The names of what a function's source adds to and never reads: a list of its calls, a counter."""
    return _collected(source_text(function) or "")


@functools.lru_cache(maxsize=256)  # functions that call each other are met very often in one look
def _collected(text: str) -> frozenset[str]:
    try:
        statements = _statements(text)
    except SyntaxError:  # a lambda in the lines that it stands in, or compiled code
        return frozenset()
    nodes = [node for statement in statements for node in ast.walk(statement)]
    met = Counter(node.id for node in nodes if isinstance(node, ast.Name))
    added = Counter(_root(target) for node in nodes for target in _added_to(node))
    return frozenset(name for name in added if added[name] == met[name])


def _added_to(node: ast.AST) -> Sequence[ast.expr]:
    """What a statement assigns to, whole or in part, or adds to by a method whose result it drops."""
    if isinstance(node, ast.Assign):
        return node.targets
    if isinstance(node, ast.AugAssign):
        return [node.target]
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = node.value.func
        if isinstance(called, ast.Attribute) and called.attr in _ADDING:
            return [called.value]
    return []


def _root(node: ast.expr) -> str:
    """The name that an expression like ``seen["x"].total`` begins with, or an empty one."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def returns_several(function: Callable[..., Any]) -> bool:
    """Whether a function returns a tuple of two or more that is written out as one."""
    tree = _tree(function)
    if tree is None:
        return any(isinstance(value, tuple) and len(value) > 1 for value in _compiled_returns(function))
    return any(isinstance(value, ast.Tuple) and len(value.elts) > 1 for value in _returns(tree))


def returns_nothing(function: Callable[..., Any]) -> bool:
    """Whether every return of a function is bare, or of ``None``; not where that cannot be told."""
    tree = _tree(function)
    if tree is None:
        return hasattr(function, "__code__") and all(value is None for value in _compiled_returns(function))
    constants = (value.value if isinstance(value, ast.Constant) else value for value in _returns(tree))
    return all(value is None for value in constants)


def _tree(function: Callable[..., Any]) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The parsed definition of a function, or ``None`` where it has no source or is a lambda."""
    try:
        first = _statements(source_text(inspect.unwrap(function)) or "")[0]
    except SyntaxError:  # a lambda in the lines that it stands in, or compiled code
        return None
    return first if isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef) else None


def _statements(text: str) -> list[ast.stmt]:
    """The statements of a text, however deep they stand; raises ``SyntaxError`` where there are none.

    `textwrap.dedent` does not bring all to the left: a line of a comment or of a text inside may be there already.
    """
    (block,) = ast.parse(f"if True:\n{textwrap.indent(text, ' ')}").body
    assert isinstance(block, ast.If)
    return block.body


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
    code = getattr(inspect.unwrap(function), "__code__", None)  # as `inspect.getsource` reads what a wrapper wraps
    instructions = list(dis.get_instructions(code)) if code is not None else []
    for at, instruction in enumerate(instructions):
        if instruction.opname == "RETURN_CONST":  # Python 3.12 and 3.13
            yield instruction.argval
        elif instruction.opname == "RETURN_VALUE":
            made = _maker(instructions, at - 1)
            if made.opname == "BUILD_TUPLE":
                yield (...,) * made.argval
            else:
                yield made.argval if made.opname in _CONSTANTS else ...


def _maker(instructions: list[dis.Instruction], at: int) -> dis.Instruction:
    """The instruction that made the value on top of the stack after the instruction at index ``at``.

    A value that is returned out of a ``with`` or ``for`` was moved out of the way of the exit, whose own value is
    dropped.
    """
    while instructions[at].opname == "POP_TOP":
        moved = at - 1
        while instructions[moved].opname in _EXIT or instructions[moved].argval is None:
            moved -= 1
        if instructions[moved].opname != "SWAP":
            return instructions[at]
        while instructions[moved].opname == "SWAP":  # twice since Python 3.14
            moved -= 1
        at = moved
    return instructions[at]


def _lines(code: CodeType) -> Iterator[str]:
    """Compiled code as text that is the same in every process."""
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars}"
    yield f"{code.co_argcount} {code.co_kwonlyargcount} {code.co_flags} {code.co_exceptiontable.hex()}"
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines(constant)
        else:
            # A set has its members in another order in every process.
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)
