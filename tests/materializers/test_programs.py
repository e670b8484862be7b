"""Classes that the program defines which was started: as a script, as a module, and in the workers that it spawns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ledger import Ledger
from tests.kit.scripts import ScriptServer

PROGRAM = '''
import json
import multiprocessing
import sys
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from ledger import Ledger
from ledger.materializers import BaseMaterializer


class Mode(Enum):
    FAST = "fast"


class Point(NamedTuple):
    x: int


@dataclass
class Result:
    loss: float
    mode: Mode = Mode.FAST


class Route:
    def __init__(self, stops):
        self.stops = stops


class RouteMaterializer(BaseMaterializer):
    ASSOCIATED_TYPES = (Route,)

    def save(self, value):
        with self.open("route.json", "w") as file:
            json.dump(value.stops, file)

    def load(self, data_type):
        with self.open("route.json") as file:
            return data_type(json.load(file))


def save(label):
    ledger = Ledger.open()
    values = (Result(0.5), Point(1), [Mode.FAST, Result(0.25)], Route([1, 2]))
    return [ledger.save(value, f"{label}/{number}") for number, value in enumerate(values)]


def look(label):
    """Whether everything came back as values of the classes here, and what they are called in records."""
    ledger = Ledger.open()
    versions = [ledger.get(f"{label}/{number}") for number in range(4)]
    result, point, pair, route = (version.load() for version in versions)
    same = (result, point, pair) == (Result(0.5), Point(1), [Mode.FAST, Result(0.25)]) and type(point) is Point
    print(json.dumps([same and type(route) is Route and route.stops == [1, 2], *(v.data_type for v in versions)]))


if __name__ == "__main__":
    act, *words = sys.argv[1:]
    if act == "save":
        save("kept")
    elif act == "spawn":
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.map(save, ["kept"])
    look("kept")
'''

NAMES = ["Result", "Point", "list", "Route"]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").touch()
    (tmp_path / "app" / "jobs.py").write_text(PROGRAM)
    Ledger.init(tmp_path / ".ledger")
    return tmp_path


def _run(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def _told(output: str) -> list[object]:
    return list(json.loads(output.splitlines()[-1]))


def _called(module: str) -> list[object]:
    return [True, *("builtins.list" if name == "list" else f"{module}.{name}" for name in NAMES)]


def test_the_classes_of_a_module_that_was_started_are_called_as_others_import_them(app: Path) -> None:
    """What `python -m app.jobs` saves is read by importers, by itself, and by the same file started as a script."""
    assert _called("app.jobs") == _told(_run(app, "-m", "app.jobs", "save"))
    assert _called("app.jobs") == _told(_run(app, "-c", "from app.jobs import look; look('kept')"))
    assert _called("app.jobs") == _told(_run(app, "app/jobs.py", "look"))


def test_what_importers_save_is_read_by_the_program_itself(app: Path) -> None:
    """Started as a module or as a script, it has the classes that the records name."""
    _run(app, "-c", "from app.jobs import save; save('kept')")
    assert _called("app.jobs") == _told(_run(app, "-m", "app.jobs", "look"))
    assert _called("app.jobs") == _told(_run(app, "app/jobs.py", "look"))


def test_spawned_workers_call_the_classes_of_the_program_as_it_does(app: Path) -> None:
    """Python calls the program otherwise in them, which no other process understands."""
    assert _called("app.jobs") == _told(_run(app, "-m", "app.jobs", "spawn"))
    assert _called("__main__") == _told(_run(app, "app/jobs.py", "spawn"))


def test_a_class_of_a_script_is_found_beside_the_class_that_is_passed(app: Path) -> None:
    """Whoever imports the script later passes the class; what is nested in it lies in the same module."""
    assert _called("__main__") == _told(_run(app, "app/jobs.py", "save"))
    load = "from app.jobs import *; v = Ledger.open().get('kept/0'); print(v.load(data_type=Result) == Result(0.5))"
    error = "from ledger.errors import UnknownTypeError as E\ntry: v.load()\nexcept E as error: print(error.hint)"
    came_back, hint = _run(app, "-c", f"{load}\n{error}").splitlines()
    assert "True" == came_back
    assert "version.load(data_type=...)" in hint


def test_a_materializer_of_a_script_is_found_by_its_key(app: Path) -> None:
    """The error of whoever imports the script later says how to declare it."""
    _run(app, "app/jobs.py", "save")
    key = "__main__.RouteMaterializer/1"
    look = "from app.jobs import *; v = Ledger.open().get('kept/3')"
    told = "try: v.load()\nexcept Exception as error: print(error.hint)"
    assert f"REGISTRY_KEY = {key!r}" in _run(app, "-c", f"{look}\n{told}")
    own = f"class Again(RouteMaterializer): ASSOCIATED_TYPES, REGISTRY_KEY = (Route,), {key!r}"
    assert "[1, 2]\n" == _run(app, "-c", f"{look}\n{own}\nprint(v.load(data_type=Route).stops)")


def test_what_runs_a_program_lends_it_no_name(app: Path) -> None:
    """The classes of a program under a profiler or debugger are the program's."""
    _run(app, "-m", "pdb", "-c", "continue", "-c", "quit", "app/jobs.py", "save")
    profiled = subprocess.run(
        [sys.executable, "-m", "cProfile", "-o", "out", "app/jobs.py", "save"], cwd=app, check=False
    )
    assert profiled.returncode in {0, 1}  # before Python 3.12 it finds no class of its own again
    saved = {version.data_type for version in Ledger.open(app / ".ledger").search()}
    assert not [name for name in saved if "cProfile" in name]


ESTIMATORS = """
import warnings
from ledger import save_artifact
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

class Doubler(BaseEstimator):
    def fit(self, rows, labels=None):
        return self

    def transform(self, rows):
        return [2 * row for row in rows]

def negated(rows):
    return [-row for row in rows]

if __name__ == "__main__":
    warnings.filterwarnings("ignore", ".* is saved by cloudpickle")
    version = save_artifact(make_pipeline(Doubler(), FunctionTransformer(negated)), "pipe")
    print(version.materializer, version.type.value)
"""

AS_MODULE = """
import runpy, sys
sys.path.insert(0, ".")
runpy.run_module("app.estimators", run_name="__main__", alter_sys=True)
"""
"""What ``python -m app.estimators`` does."""


def test_an_estimator_of_a_programs_own_classes_is_of_use_elsewhere(
    app: Path, scripts: ScriptServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its classes go along, as code: skops would name them by the program, which no other one has."""
    pytest.importorskip("skops")
    monkeypatch.chdir(app)
    script, module, other = app / "app" / "estimators.py", app / "module.py", app / "other.py"
    script.write_text(ESTIMATORS)
    module.write_text(AS_MODULE)
    for start in (module, script):
        assert "builtin.cloudpickle/1 ModelArtifact\n" == scripts.run(start)
    other.write_text(
        "from ledger import load_artifact as l; print(*(l('pipe', number).transform([1, 2]) for number in (1, 2)))"
    )
    assert "[-2, -4] [-2, -4]\n" == scripts.run(other)


PICKLED = """
import multiprocessing

from ledger import Ledger


class Model:
    def predict(self):
        return 7


def save(name):
    Ledger.open().save([Model(), Model().predict], name)


if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.map(save, ["pickled"])
"""


def test_what_a_spawned_worker_pickles_is_loaded_by_any_program(app: Path) -> None:
    """A class of the script is pickled whole, as by the script itself: nobody else could import it."""
    (app / "train.py").write_text(PICKLED)
    _run(app, "-W", "ignore", "train.py")
    load = "from ledger import load_artifact; model, method = load_artifact('pickled')"
    assert "7 7\n" == _run(app, "-c", f"{load}; print(model.predict(), method())")


GENERIC = """
from typing import Generic, TypeVar

from ledger import load_artifact, save_artifact
from pydantic import BaseModel

T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    held: T


def boxed():
    return Box[int](held=1)


if __name__ == "__main__":
    print(save_artifact(boxed(), "box").data_type, load_artifact("box"))
"""


def test_a_generic_model_of_a_module_that_was_started_is_called_as_others_import_it(app: Path) -> None:
    """With parameters that a function gives it, it is in no module by its name, but derives from the class that is."""
    pytest.importorskip("pydantic")
    (app / "app" / "boxes.py").write_text(GENERIC)
    assert "app.boxes.Box[int] held=1\n" == _run(app, "-m", "app.boxes")
    assert "True\n" == _run(app, "-c", "from app.boxes import *; print(boxed() == load_artifact('box'))")
