"""What of a step's code is part of its cache key: its source, and what it closes over."""

import datetime as dt
import functools
import importlib
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from ledger import pipeline, step
from ledger.client import Client
from ledger.runtime import Step
from tests.kit.ledgers import run_python
from tests.kit.steps import call, step_of

RAN: list[Any] = []


@pytest.fixture(autouse=True)
def project(workdir: Path) -> Path:
    RAN.clear()
    return workdir


def test_changed_source_is_another_key() -> None:
    """A changed body runs again; the same text from another file does not."""
    first = "def made() -> int:\n    return 1"
    assert ["completed", "cached", "completed", "cached"] == [
        call(step_of(body)) for body in (first, first, first.replace("1", "2"), first)
    ]


def make_closing(over: Any) -> Step[Any]:
    @step
    def made() -> int:
        RAN.append(over)
        return 1

    return made


def test_what_is_closed_over_differs_by_its_type_too() -> None:
    """A step that closes over a tuple is another one than that with a list."""
    assert ["completed", "completed", "cached"] == [call(make_closing(each)) for each in ((1,), [1], (1,))]


class Labels(set[str]):
    """A set that carries something beside its members."""

    def __init__(self, unit: str) -> None:
        super().__init__({"a"})
        self.unit = unit


def test_what_no_json_shows_of_a_closed_over_value_is_part_of_the_key() -> None:
    """Moments of one text differ by zone and fold, sets by their attributes."""
    moment = dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    moments = [moment, moment.replace(tzinfo=ZoneInfo("Europe/Berlin")), moment.replace(fold=1), moment]
    assert ["completed"] * 3 + ["cached"] == [call(make_closing(each)) for each in moments]
    labels = [Labels("m"), Labels("s"), Labels("m")]
    assert ["completed", "completed", "cached"] == [call(make_closing(each)) for each in labels]


def test_what_a_step_closes_over_is_part_of_its_key() -> None:
    """Another value runs the step; a function or class counts by its source; what cannot be told is never a hit."""

    def helper() -> int:
        return 1

    def changed() -> int:
        return 2

    values = [1, "1", [1], helper, changed, Path]
    assert ["completed"] * 6 == [call(make_closing(value)) for value in values]
    assert ["cached"] * 6 == [call(make_closing(value)) for value in values]
    unknown = object()
    assert ["completed", "completed"] == [call(make_closing(unknown)), call(make_closing(unknown))]


def test_what_a_step_only_adds_to_does_not_make_it_run_again() -> None:
    """A list of its calls, a dict that it fills and a `nonlocal` are left out of its key, where it never reads them."""
    calls: list[Any] = []
    seen: dict[str, dict[str, Any]] = defaultdict(dict, {"of": {"runs": 0}})
    count = 0

    @step
    def made() -> int:
        nonlocal count
        count += 1
        calls.append(object())
        seen["of"]["runs"] += 1
        seen["last"] = {"at": object()}
        return 1

    assert ["completed", "cached"] == [call(made), call(made)]
    assert [1, 1, 1] == [len(calls), seen["of"]["runs"], count]


def test_a_text_that_stands_left_of_the_code_hides_nothing() -> None:
    """A step in a function is read as any other where a line of a text, or a comment, is not indented as its code."""
    calls: list[Any] = []

    @step
    def made() -> int:
        calls.append("""select *
from iris""")
        return 1

    assert ["completed", "cached"] == [call(made), call(made)]
    assert 1 == len(calls)


def test_what_a_step_changes_and_reads_counts() -> None:
    """A setting that it fills in, or a list that it sorts, is what its result depends on."""

    def summed(rows: list[int]) -> int:
        @step
        def total() -> int:
            rows.append(0)
            rows.sort()
            return sum(rows)

        return cast("int", total())

    assert [3, 7] == [summed([1, 2]), summed([3, 4])]


def make_adding(number: int, extra: Any = None) -> Any:
    """A function that closes over a number and has a default that its source does not show."""

    def adds(x: int, more: Any = extra) -> int:
        return x + number if x < 3 or more else adds(x - 1)

    return adds


def test_what_a_closed_over_function_closes_over_counts_too() -> None:
    """However deep a value is captured, and a default as well; a function that calls itself is no trouble."""
    numbers = [make_adding(1), make_adding(2), make_adding(1, 5), make_adding(1, object())]
    assert ["completed"] * 4 == [call(make_closing(each)) for each in numbers]
    assert ["cached", "cached", "cached", "completed"] == [call(make_closing(each)) for each in numbers]


def test_a_closed_over_step_counts_by_its_source() -> None:
    """A step that calls another one is served from the cache until that one is changed."""

    @step
    def inner() -> int:
        return 1

    @step(name="inner")
    def changed() -> int:
        return 2

    assert ["completed", "cached", "completed"] == [call(make_closing(each)) for each in (inner, inner, changed)]


def test_what_a_closed_over_callable_is_given_is_part_of_the_key() -> None:
    """A step under other parameters is another one; what stands for a function and holds more is never a hit."""

    @step
    def inner(rate: int = 1) -> int:
        return rate

    rates = [inner.with_options(parameters={"rate": rate}) for rate in (2, 3)]
    assert ["completed", "completed", "cached"] == [call(make_closing(each)) for each in (*rates, rates[0])]
    partials = [functools.update_wrapper(functools.partial(pow, number), make_adding) for number in (2, 3)]
    kept = functools.cache(make_adding(1))
    statuses = [call(make_closing(each)) for each in (*partials, partials[0], kept, kept)]
    assert ["completed", "completed", "completed", "completed", "cached"] == statuses


def test_a_step_that_calls_a_pipeline_under_a_file_is_never_a_hit() -> None:
    """What the file says when the pipeline is called decides what the step gives; without one the pipeline counts."""

    @step
    def inner(rate: int = 1) -> int:
        return rate

    @pipeline
    def whole() -> None:
        inner()

    def calling(given: Any) -> Any:
        @step
        def calls() -> int:
            return cast("int", given().steps["inner"].output.load())

        return calls()

    def under_file(rate: int) -> Any:
        file = Path(f"{rate}.yaml")
        file.write_text(f"steps: {{inner: {{parameters: {{rate: {rate}}}}}}}", encoding="utf-8")
        return whole.with_options(config_path=file)

    assert [2, 3, 1, 1] == [calling(each) for each in (under_file(2), under_file(3), whole, whole)]
    statuses = [run.steps["calls"].status for run in Client().list_pipeline_runs("calls")]
    assert ["completed", "completed", "completed", "cached"] == statuses


def test_the_key_is_the_same_in_another_process(project: Path) -> None:
    """A program run twice is served from the cache, with sets, closures and classes of its own in it."""
    (project / "program.py").write_text(
        "from collections import namedtuple\n"
        "from ledger import step\n"
        "Pair = namedtuple('Pair', 'left right')\n"
        "def make(words):\n"
        "    @step\n"
        "    def made(x: tuple) -> bool:\n"
        "        return x.left in {1, 2, 3} and 'a' in words\n"
        "    return made\n"
        "print(make({'a', 'b', 'c'})(Pair(1, 2)))\n"
    )
    run_python("import runpy; runpy.run_path('program.py')", project, PYTHONHASHSEED="1")
    run_python("import runpy; runpy.run_path('program.py')", project, PYTHONHASHSEED="2")
    assert ["completed", "cached"] == [run.steps["made"].status for run in Client().list_pipeline_runs()]


def test_two_lambdas_of_one_line_are_two_sources() -> None:
    """What stands beside a lambda in its line is not what it is."""
    one, two = [step(name="made")(function) for function in (lambda: 1, lambda: 2)]  # fmt: skip
    assert [1, 2, 1, 2] == [one(), two(), one(), two()]
    assert ["completed", "completed", "cached", "cached"] == [
        run.steps["made"].status for run in Client().list_pipeline_runs()
    ]


class Number(int):
    """A number with a method that is a step."""

    def doubled(self) -> int:
        RAN.append(int(self))
        return 2 * self


class Trainer:
    """A value whose method is a step."""

    scale = 2

    def __init__(self, rate: int) -> None:
        self.rate = rate

    def fit(self) -> int:
        RAN.append(self.rate)
        return self.rate

    @classmethod
    def name_it(cls) -> str:
        RAN.append(cls.scale)
        return cls.__name__


def test_a_methods_own_object_is_part_of_its_key() -> None:
    """A method of another object is another step; of an object that cannot be told it is never a hit."""
    assert [3, 4, 3] == [step(Trainer(rate).fit)() for rate in (3, 4, 3)]
    assert [6, 8, 6] == [step(Number(number).doubled)() for number in (3, 4, 3)]
    assert ["Trainer", "Trainer"] == [step(Trainer.name_it)() for _ in range(2)]
    assert [3, 4, 3, 3, 4, 2] == RAN


def test_a_method_that_a_method_closes_over_is_part_of_its_key() -> None:
    """It is told by what it closes over itself, and not taken for the method that calls it."""

    def passing_on(number: int) -> Any:
        class Inner:
            @classmethod
            def give(cls) -> int:
                return number

        give = Inner.give

        class Outer:
            @classmethod
            def pass_on(cls) -> int:
                return give()

        return step(Outer.pass_on)

    assert [1, 2, 1] == [passing_on(number)() for number in (1, 2, 1)]
    assert ["completed", "completed", "cached"] == [
        run.steps["pass_on"].status for run in Client().list_pipeline_runs()
    ]


def class_that_holds(number: object, extra: object = 0) -> type:
    class Base:
        depth: Any = number

    class Model(Base):
        """One source for all numbers."""

        unit: str
        names = tuple(str(each) for each in range(2))

        def __init__(self) -> None:
            super().__init__()
            self.made = Model

        @staticmethod
        def more() -> Any:
            return extra

        @property
        def most(self) -> Any:
            return self.depth + self.more()

    return Model


def test_a_class_that_a_function_makes_counts_with_what_it_holds() -> None:
    """Of classes with one source each is another one by what it was given, also by way of its base or a method."""
    made = [class_that_holds(1), class_that_holds(2), class_that_holds(1, 3)]
    assert ["completed"] * 3 == [call(make_closing(each)) for each in made]
    assert ["cached"] * 3 == [call(make_closing(each)) for each in made]
    assert ["cached", "cached"] == [call(make_closing(class_that_holds(number))) for number in (1, 2)]
    assert ["completed"] * 2 == [call(make_closing(class_that_holds(object()))) for _ in range(2)]


class Equal(type):
    """A metaclass whose classes are all equal, and have no hash."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(cls, other: object) -> bool:
        return True


def class_of_equals(number: int) -> type:
    class Model(metaclass=Equal):
        depth = number

        class Inner(metaclass=Equal):
            width = number + 1

    return Model


@pytest.mark.filterwarnings("ignore:a value of type .* is saved by cloudpickle")
def test_a_class_is_the_same_one_when_a_value_of_it_has_been_loaded() -> None:
    """A step that gives an object of a class made in a function is a hit after another step has taken the object."""

    class Made:
        def answer(self) -> int:
            return 42

    @step
    def makes() -> Made:
        return Made()

    @step
    def takes(made: Made) -> int:
        return made.answer()

    @pipeline
    def both() -> None:
        takes(makes())

    assert [["completed"] * 2, ["cached"] * 2] == [[each.status for each in both().steps.values()] for _ in range(2)]


def test_classes_are_told_apart_whatever_they_say_of_equality() -> None:
    """A class is known by what it is: where a metaclass calls all classes equal, or has no hash, each counts."""
    made = [class_of_equals(1), class_of_equals(2), class_of_equals(1)]
    assert ["completed", "completed", "cached"] == [call(make_closing(each)) for each in made]


def class_of_fields(number: int) -> type:
    @dataclass
    class Fields:
        depths: list[int] = field(default_factory=lambda: [number])

    return Fields


def test_a_class_whose_body_is_not_all_there_is_never_a_hit() -> None:
    """What a decorator has taken out of a class that a function makes cannot be told."""
    assert ["completed"] * 2 == [call(make_closing(class_of_fields(1))) for _ in range(2)]


def wrapped(number: int, inner: Callable[[], int], extra: int = 0) -> Callable[[], int]:
    """A function wrapped as decorators do, by a wrapper that keeps what it wraps where no closure shows it."""

    @functools.wraps(inner)
    def wrapper(call: Any = inner, *, more: int = extra) -> int:
        RAN.append(number + more)
        return int(call()) + number + more

    return wrapper


def test_a_wrapper_and_what_it_wraps_are_both_part_of_the_key() -> None:
    """A decorator below ``@step`` counts with what it closes over and its defaults, and so does the function inside."""

    def one() -> int:
        return 1

    def two() -> int:
        return 2

    made = [wrapped(1, one), wrapped(2, one), wrapped(1, two), wrapped(1, one), wrapped(1, one, 3)]
    assert [2, 3, 3, 2, 5] == [step(name="made")(each)() for each in made]
    assert [1, 2, 1, 4] == RAN


EDITED = """
import functools
from ledger import step

def kept(function):
    return functools.wraps(function)(lambda: function())

@step
def plain() -> int:
    return {0}

@step
@kept
def wrapped() -> int:
    return {0}

def make():
    def helper():
        return {0}

    class Model:
        number = {0}

    @step
    def calling() -> int:
        return helper()

    @step
    def making() -> int:
        return Model.number

    return calling, making

calling, making = make()
"""


def test_a_file_edited_after_its_import_is_not_the_source(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source is what was imported: an edit counts when it is imported, and never for the code before it."""
    monkeypatch.syspath_prepend(project)
    (project / "edited_later.py").write_text(EDITED.format(1))
    module = importlib.import_module("edited_later")
    (project / "edited_later.py").write_text(EDITED.format(20))
    made = ("plain", "wrapped", "calling", "making")
    assert [1, 1, 1, 1] == [getattr(module, name)() for name in made]
    assert ("cached", 1) == (call(module.plain), module.plain())
    again, _ = module.make()
    assert 1 == again()
    importlib.invalidate_caches()
    sys.modules.pop("edited_later")
    module = importlib.import_module("edited_later")
    assert [20, 20, 20, 20] == [getattr(module, name)() for name in made]


EDITED_EARLY = """
from ledger import step

def make():
    @step
    def made() -> int:
        return {0}

    return made
"""


def test_a_file_edited_before_a_step_in_it_is_made_is_not_the_source(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step in a function is made when that is called: it is known by its code if the file has changed by then."""
    monkeypatch.syspath_prepend(project)
    (project / "edited_early.py").write_text(EDITED_EARLY.format(1))
    make = importlib.import_module("edited_early").make
    (project / "edited_early.py").write_text(EDITED_EARLY.format(20))
    assert [1, "cached"] == [make()(), call(make())]
    importlib.invalidate_caches()
    sys.modules.pop("edited_early")
    make = importlib.import_module("edited_early").make
    assert [20, "cached"] == [make()(), call(make())]


PICKLED = """
import warnings

from ledger import pipeline, step

warnings.filterwarnings("ignore", ".* is saved by cloudpickle")

class Model:
    def predict(self):
        return 7

class Larger(Model):
    pass

@step
def made() -> Model:
    return Larger()

@step(enable_cache=False)
def used(model: Model | None) -> Model:
    assert model.predict() == 7
    return model

@pipeline
def both():
    used(made())

print([each.status for each in both().steps.values()])
"""


def test_a_script_that_runs_again_takes_what_it_has_pickled(project: Path) -> None:
    """What a cached step gave of a class of the script is of that class's pickled copy, and yet as annotated."""
    first, second = (run_python(PICKLED, project).stdout.strip() for _ in range(2))
    assert ("['completed', 'completed']", "['cached', 'completed']") == (first, second)
