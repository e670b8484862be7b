"""The house is built as specs/architecture.md says."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "ledger"
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 600
MOST_FUNCTION_LINES = 60
STORE_ROOMS = {"utils", "util", "helpers", "common", "misc"}

# The package root hands its names on lazily.
LAZY_ROOT = PACKAGE / "__init__.py"

SECOND_FACES = {"ledger.history.sharing", "ledger.history.upkeep"}
"""What few programs need of a package, beside its ``__init__``, so that the others do not load it."""


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """Every module, parsed once."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def without_type_checking(tree: ast.Module) -> ast.Module:
    """A module without what only the type checker reads."""
    body = [node for node in tree.body if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))]
    return ast.Module(body=body, type_ignores=[])


def imports_of(tree: ast.AST) -> Iterator[tuple[ast.ImportFrom | ast.Import, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node, node.module
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name


def test_no_file_is_long() -> None:
    """No file has more than 600 lines, and none of the tests either."""
    files = [*FILES, *(ROOT / "tests").rglob("*.py")]
    assert {} == {str(path): n for path in files if (n := len(path.read_bytes().splitlines())) > MOST_LINES}


def test_no_function_is_long(trees: dict[Path, ast.Module]) -> None:
    """No function has more than 60 lines."""
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > MOST_FUNCTION_LINES
    ]
    assert [] == long


def test_no_first_party_import_hides_in_a_function(trees: dict[Path, ast.Module]) -> None:
    """Imports of our own stand at the top of a module, where the contract sees them."""
    hidden = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in trees.items()
        if path != LAZY_ROOT
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node, name in imports_of(function)
        if name.split(".")[0] == "ledger"
    ]
    assert [] == hidden


def test_nobody_imports_behind_a_package(trees: dict[Path, ast.Module]) -> None:
    """A package's face is its ``__init__``, or a second one; its modules are imported only from inside it."""
    behind = [
        f"{path.relative_to(ROOT)}:{node.lineno} {name}"
        for path, tree in trees.items()
        for node, name in imports_of(tree)
        if name.startswith("ledger.") and name.count(".") > 1
        if name.split(".")[1] not in module_of(path).split(".")[1:2]
        if name not in SECOND_FACES
    ]
    assert [] == behind


def test_looking_something_up_loads_no_second_face() -> None:
    """What a short command imports is not more than it needs: half of its time is importing."""
    look = "import sys, ledger.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True).stdout.split()
    assert set() == SECOND_FACES.intersection(loaded)


def test_no_module_is_a_store_room() -> None:
    """Modules are named for a concept."""
    assert [] == [str(path) for path in FILES if path.stem in STORE_ROOMS]


def test_no_exported_name_hides_a_module(trees: dict[Path, ast.Module]) -> None:
    """``from ledger.x import y`` gives the same as ``import ledger.x.y`` where both exist."""
    clashes = []
    for init in PACKAGE.rglob("__init__.py"):
        tree = trees[init]
        exported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            and node.module != module_of(init)  # what a package imports from itself is the module
            for alias in node.names
        }
        modules = {path.stem for path in init.parent.glob("*.py")} | {
            path.name for path in init.parent.iterdir() if path.is_dir()
        }
        clashes += [f"{module_of(init)}.{name}" for name in exported & modules]
    assert [] == clashes


def test_package_faces_hold_no_logic(trees: dict[Path, ast.Module]) -> None:
    """An ``__init__``, or a second face, is a docstring, imports and ``__all__``."""
    allowed = (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign)
    with_logic = [
        str(path.relative_to(ROOT))
        for path in FILES
        if path != LAZY_ROOT and (path.name == "__init__.py" or module_of(path) in SECOND_FACES)
        if not all(isinstance(node, allowed) for node in trees[path].body)
    ]
    assert [] == with_logic


@pytest.mark.parametrize(
    "package", sorted(path.parent for path in PACKAGE.rglob("__init__.py")), ids=lambda path: path.name
)
def test_modules_of_a_package_form_no_cycle(package: Path, trees: dict[Path, ast.Module]) -> None:
    """Inside a package, too, imports point one way."""
    graph = {
        module_of(path): {
            name
            for node, name in imports_of(without_type_checking(trees[path]))
            if name.startswith(module_of(package) + ".")
        }
        for path in package.glob("*.py")
        if path.stem != "__init__"
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, f"import cycle: {' -> '.join([*above, module])}"
        if module not in done:
            for target in graph.get(module, ()):
                visit(target, (*above, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_every_module_says_what_it_owns(trees: dict[Path, ast.Module]) -> None:
    """Every module has a docstring."""
    assert [] == [str(path) for path, tree in trees.items() if not ast.get_docstring(tree)]
