"""What surrounds every materializer: errors, metadata, visualizations, trust and types."""

import os
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from ledger.enums import ArtifactType, TrustClass, VisualizationType
from ledger.errors import (
    DiskFullError,
    MaterializerError,
    MaterializerTypeError,
    MissingDependencyError,
    UnknownTypeError,
    UntrustedArtifactError,
)
from ledger.materializers import BaseMaterializer, SavedValue, load_value, save_value
from ledger.materializers.pickles import python_version
from ledger.materializers.registry import materializer_named, qualified_name
from tests.kit.materializing import Bench, MaterializerContract, Watch


class Shape:
    def __init__(self, sides: int) -> None:
        self.sides = sides

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and self.sides == other.sides

    def __hash__(self) -> int:
        return hash(self.sides)


class Square(Shape):
    pass


class ShapeMaterializer(BaseMaterializer):
    """As a user would write it: through self.uri and self.open."""

    ASSOCIATED_TYPES = (Shape,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.STATISTICS
    REGISTRY_KEY: ClassVar[str] = "tests.shape/1"
    NEEDS_TYPE: ClassVar[bool] = True

    def save(self, value: Shape) -> None:
        with self.open(os.path.join(self.uri, "sides.txt"), "w") as file:
            file.write(str(value.sides))
        with open(os.path.join(self.uri, "more.txt"), "w", encoding="utf-8") as file:
            file.write("local")

    def load(self, data_type: type | None) -> Any:
        assert data_type is not None
        with open(os.path.join(self.uri, "sides.txt"), encoding="utf-8") as file:
            return data_type(int(file.read()))

    def extract_metadata(self, value: Shape) -> dict[str, Any]:
        if value.sides == 13:
            raise RuntimeError("no luck")
        if value.sides == 15:
            return {"sides": 15, "bad": Unreadable(), 10**5000: 1}  # type: ignore[dict-item]  # as users do
        return {"sides": value.sides, "bad": object(), "": 1}

    def save_visualizations(self, value: Shape) -> dict[str, VisualizationType]:
        if value.sides == 13:
            raise RuntimeError("no luck")
        if value.sides == 14:
            raise DiskFullError("no room")
        path = os.path.join(self.uri, "shape.md")
        with self.open(path, "w") as file:
            file.write("# shape")
        return {path: VisualizationType.MARKDOWN}


class Unreadable(Mapping[str, Any]):
    """A dict that fails when it is read."""

    def __getitem__(self, key: str) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("no luck")

    def __len__(self) -> int:
        return 1


class Anything:
    """A class without a materializer."""

    def __init__(self, held: int) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Anything) and self.held == other.held

    def __hash__(self) -> int:
        return hash(self.held)


class TestLastResort(MaterializerContract):
    """Whatever has no materializer is pickled, with a warning, and needs trust."""

    key = "builtin.cloudpickle/1"
    trust = TrustClass.CODE
    warns = True

    def values(self) -> list[Any]:
        return [Anything(5), len]


def test_files_of_the_folder_and_streams_join(bench: Bench) -> None:
    """A user's materializer may write through self.open and into self.uri; both are its files."""
    with pytest.warns(UserWarning, match="is left out"):
        saved, held = bench.save(Square(4))
    assert held == {"sides.txt": b"4", "more.txt": b"local"}
    assert (saved.key, saved.data_type) == ("tests.shape/1", f"{__name__}.Square")
    assert bench.load(saved, held) == Square(4)
    assert type(bench.load(saved, held)) is Square


def test_metadata_that_is_none_costs_only_its_own_key(bench: Bench) -> None:
    """A metadata value that is not plain is left out by name; the others stay."""
    with pytest.warns(UserWarning, match="is left out") as caught:
        saved, _ = bench.save(Shape(3))
    assert saved.metadata == {"sides": 3}
    assert [str(warning.message).split("'")[1] for warning in caught] == ["bad", ""]


def test_metadata_that_fails_when_it_is_read_costs_only_its_own_key(bench: Bench) -> None:
    """A dict that raises, or a key that Python will not write, is left out by name; the others stay."""
    with pytest.warns(UserWarning, match="is left out") as caught:
        saved, _ = bench.save(Shape(15))
    assert {"sides": 15} == saved.metadata
    assert ["'bad'", "<int whose repr fails: ValueError>"] == [
        str(warning.message).removeprefix("metadata ").partition(" of the ")[0] for warning in caught
    ]


def test_a_failing_extractor_or_picture_costs_a_warning(bench: Bench) -> None:
    """Metadata and visualizations that fail cost a warning each, not the value."""
    with pytest.warns(UserWarning, match="no luck") as caught:
        saved, held = bench.save(Shape(13), visualizations=bench.files())
    assert len(caught) == 2
    assert all("RuntimeError: no luck" in str(warning.message) for warning in caught)
    assert (saved.metadata, saved.visualizations) == ({}, {})
    assert bench.load(saved, held) == Shape(13)


def test_a_picture_that_finds_no_room_costs_the_value(bench: Bench) -> None:
    """Where nothing more can be written, the error says so: the value could not be finished either."""
    with pytest.raises(DiskFullError), pytest.warns(UserWarning, match="is left out"):
        bench.save(Shape(14), visualizations=bench.files())


class Silent:
    """A value whose materializer says nothing where a dict is expected."""


class SilentMaterializer(BaseMaterializer):
    """Forgets what to return."""

    ASSOCIATED_TYPES = (Silent,)
    REGISTRY_KEY = "tests.silent/1"

    def save(self, value: Silent) -> None:  # noqa: ARG002  # the interface of materializers
        with self.open("silent.txt", "w"):
            pass

    def load(self, data_type: type | None) -> Silent:  # noqa: ARG002  # the same
        return Silent()

    def extract_metadata(self, value: Silent) -> dict[str, Any]:  # noqa: ARG002  # the same
        return None  # type: ignore[return-value]  # as users do

    def save_visualizations(self, value: Silent) -> dict[str, VisualizationType]:  # noqa: ARG002  # the same
        return None  # type: ignore[return-value]  # as users do


def test_what_gives_no_dict_costs_a_warning(bench: Bench) -> None:
    """An extractor or artist that returns nothing is told what it should have, and the value is saved."""
    with pytest.warns(UserWarning, match="tests.silent/1") as caught:
        saved, _ = bench.save(Silent(), visualizations=bench.files())
    told = [str(warning.message).partition(" of the ")[0] for warning in caught]
    assert ["no metadata", "no visualization"] == told
    assert all(re.search(r"Silent: \w+ of .* gives a dict, got NoneType", str(warning.message)) for warning in caught)
    assert ({}, {}) == (saved.metadata, saved.visualizations)


@pytest.mark.parametrize("name", [None, 3])
def test_a_caller_may_have_any_name(bench: Bench, name: object) -> None:
    """What runs code for others, such as a template, gives it what name it likes; Python warns nobody without one."""
    names = {"__name__": name, "save": save_value, "value": Anything(1), "files": bench.files()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec("saved = save(value, files)", names)
    assert isinstance(names["saved"], SavedValue)


def test_warnings_point_at_the_caller(bench: Bench) -> None:
    """A warning names the line that called into the ledger, not one inside of it."""
    with pytest.warns(UserWarning, match="cloudpickle") as caught:
        save_value(Anything(1), bench.files())
    assert caught[0].filename == __file__


def test_visualizations_have_files_of_their_own(bench: Bench) -> None:
    """Visualizations go to their own files, named relative to these."""
    shown = bench.files()
    with pytest.warns(UserWarning, match="is left out"):
        saved, held = bench.save(Shape(3), visualizations=shown)
    assert saved.visualizations == {"shape.md": VisualizationType.MARKDOWN}
    assert shown.held == {"shape.md": b"# shape"}
    assert "shape.md" not in held


def test_an_explicit_materializer_takes_only_its_types(bench: Bench) -> None:
    """The error names the materializer, what it saves, and what it got."""
    with pytest.raises(MaterializerTypeError, match=r"tests\.shape/1 saves .*Shape, got a value of type builtins\.int"):
        bench.save(5, materializer=ShapeMaterializer)


def test_an_explicit_materializer_without_types_takes_all(bench: Bench) -> None:
    """A materializer that claims no types can be asked for with any value."""

    class Any_(BaseMaterializer):  # noqa: N801
        SKIP_REGISTRATION = True

        def save(self, value: Any) -> None:
            with self.open("x", "w") as file:
                file.write(str(value))

        def load(self, _: type | None) -> Any:
            with self.open("x") as file:
                return file.read()

    saved, held = bench.save(5, materializer=Any_)
    assert bench.load(saved, held) == "5"


def test_a_class_that_is_not_defined_is_an_error_where_it_is_needed(bench: Bench) -> None:
    """A materializer that needs the class is not run without it; the caller may pass it."""
    held = {"sides.txt": b"4"}
    with pytest.raises(UnknownTypeError, match="gone"):
        load_value("tests.shape/1", "gone.Shape", bench.files(held))
    assert load_value("tests.shape/1", "gone.Shape", bench.files(held), data_type=Square) == Square(4)


def test_a_name_outside_the_folder_is_refused(bench: Bench) -> None:
    """A materializer cannot write beside its files."""
    material = ShapeMaterializer(bench.files())
    for path in ("../x", "/etc/passwd", ".", "a/../../x"):
        with pytest.raises(MaterializerError, match="not a file below"):
            material.open(path, "w")
    assert material.relative("a/./b") == "a/b"


def test_a_failing_load_is_an_error_of_ours(bench: Bench) -> None:
    """What a materializer raises while loading is a MaterializerError with the cause."""
    with pytest.raises(MaterializerError, match=r"tests\.shape/1 cannot load") as caught:
        load_value("tests.shape/1", qualified_name(Shape), bench.files({"sides.txt": b"x"}))
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("key", "library", "extra"),
    [
        ("pandas.parquet/1", "pyarrow.parquet", "pandas"),
        ("scipy.sparse/1", "scipy.sparse", "scipy"),
        ("torch.module/1", "torch", "torch"),
    ],
)
def test_a_missing_library_says_what_to_install(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, key: str, library: str, extra: str
) -> None:
    """Without the library that a format needs, the error names the extra that has it."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependencyError) as caught:
        load_value(key, "x.Y", bench.files({"python.txt": python_version().encode()}, trusted=True))
    assert caught.value.hint == f"pip install 'ledger[{extra}]'"


@pytest.mark.parametrize(
    ("value", "library", "extra"),
    [(pd.DataFrame({"a": [1]}), "pyarrow", "pandas"), ({"a": [pd.Series([1])]}, "pyarrow", "pandas")],
)
def test_a_library_that_is_missing_for_saving_says_what_to_install(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, value: Any, library: str, extra: str
) -> None:
    """A value whose own library is installed, but not that of its format, is an error that names the extra."""
    for module in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=rf"needs '{library}.*' to save a value of type pandas") as caught:
        bench.save(value)
    assert caught.value.hint == f"pip install 'ledger[{extra}]'"


def test_a_library_that_another_format_misses_is_told_as_that_ones(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one left a value to another, as JSON leaves a state dict to safetensors, that one's extra is named."""

    class Leaving(BaseMaterializer):
        SKIP_REGISTRATION = True

        def save(self, value: Any) -> None:
            self.save_as(materializer_named("pandas.parquet/1"), value)

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pandas\.parquet/1 needs 'pyarrow'") as caught:
        bench.save(pd.DataFrame({"a": [1]}), materializer=Leaving)
    assert "pip install 'ledger[pandas]'" == caught.value.hint


def test_a_value_that_another_one_could_not_save_is_ones_own(bench: Bench) -> None:
    """Who writes a value after all that another materializer failed to save is the one that the record names."""

    class Failing(BaseMaterializer):
        SKIP_REGISTRATION = True

        def save(self, _: Any) -> None:
            raise ValueError

    class Trying(BaseMaterializer):
        SKIP_REGISTRATION = True

        def save(self, value: Any) -> None:
            try:
                self.save_as(Failing, value)
            except ValueError:
                with self.open("value.txt", "w") as file:
                    file.write(value)

        def load(self, _: Any) -> Any:
            with self.open("value.txt") as file:
                return file.read()

    saved, held = bench.save("x", materializer=Trying)
    assert (Trying.REGISTRY_KEY, "x") == (saved.key, bench.load(saved, held))


def test_a_library_that_a_materializer_of_ones_own_misses_is_named(bench: Bench) -> None:
    """What a user's materializer imports in vain while it saves is named, and is no extra of ours."""

    class Importing(BaseMaterializer):
        SKIP_REGISTRATION = True

        def save(self, _: Any) -> None:
            import nothing_like_it  # type: ignore[import-not-found]  # noqa: F401

    with pytest.raises(MissingDependencyError) as caught:
        bench.save(1, materializer=Importing)
    assert caught.value.hint == "make 'nothing_like_it' importable"


def test_an_interrupt_goes_through(bench: Bench) -> None:
    """Ctrl-C while saving is Ctrl-C, not an error of the materializer."""

    class Stopping(BaseMaterializer):
        SKIP_REGISTRATION = True

        def save(self, _: Any) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.save(1, materializer=Stopping)


def test_the_last_resort_says_what_to_do_instead(bench: Bench) -> None:
    """The warning names the type, the consequence and the way out."""
    with pytest.warns(
        UserWarning, match=r"^a value of type \S+Anything is saved by cloudpickle: .*trust it as code; use a dataclass"
    ):
        bench.save(Anything(1))


def saved_by_a_script(folder: Path, script: str) -> dict[str, bytes]:
    """The files of what cloudpickle saves in a program of its own, which has a ``bench`` and calls them ``held``."""
    before = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from pathlib import Path\n"
        "from tests.kit.materializing import Bench\n"
        "bench = Bench(Path(sys.argv[1]))\n"
    )
    after = "Path(sys.argv[1], 'value.pkl').write_bytes(held['value.pkl'])\n"
    subprocess.run([sys.executable, "-c", before + script + after, str(folder)], check=True)
    return {"value.pkl": (folder / "value.pkl").read_bytes(), "python.txt": python_version().encode()}


def test_a_class_of_a_script_is_brought_along(bench: Bench, tmp_path: Path) -> None:
    """An instance of a class that a script defined itself loads where that script never ran."""
    held = saved_by_a_script(
        tmp_path,
        "class Mine:\n    def __init__(self): self.answer = 42\nsaved, held = bench.save(Mine())\n",
    )
    assert load_value("builtin.cloudpickle/1", "__main__.Mine", bench.files(held, trusted=True)).answer == 42


def test_a_load_leaves_the_programs_own_class_as_it_is(bench: Bench) -> None:
    """What the class has come to hold since the save stays, and its functions are those that the program defined."""

    class Own:
        made = 1

        def answer(self) -> int:
            return 42

    answer = Own.answer
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(Own())
    Own.made = 2
    assert type(bench.load(saved, held, trusted=True)) is Own
    assert (2, answer) == (Own.made, Own.answer)


def test_a_class_that_was_brought_along_is_as_the_pickle_loaded_last_says(bench: Bench, tmp_path: Path) -> None:
    """A script that saves, changes its class and saves again has the change in its second pickle."""
    held = saved_by_a_script(
        tmp_path,
        "class Mine:\n    made = 1\n"
        "_, first = bench.save(Mine())\n"
        "Mine.made = 2\n"
        "_, second = bench.save(Mine())\n"
        "saved, held = bench.save(lambda: (first['value.pkl'], second['value.pkl']))\n",
    )
    both = load_value("builtin.cloudpickle/1", "builtins.function", bench.files(held, trusted=True))()
    kinds = [
        load_value("builtin.cloudpickle/1", "__main__.Mine", bench.files({**held, "value.pkl": each}, trusted=True))
        for each in both
    ]
    assert type(kinds[0]) is type(kinds[1])
    assert kinds[1].made == 2


def test_an_enum_of_a_script_keeps_all_its_names(bench: Bench, tmp_path: Path) -> None:
    """Its aliases and its flags of several bits are there in the script itself, and where that never ran."""
    held = saved_by_a_script(
        tmp_path,
        "import enum\n"
        "class Mode(enum.Flag):\n    READ = 1\n    WRITE = 2\n    BOTH = 3\n    SEE = 1\n    def mine(self): return 7\n"
        "saved, held = bench.save(lambda: Mode.BOTH)\n"
        "assert bench.load(saved, held, trusted=True)() is Mode.BOTH\n",
    )
    both = load_value("builtin.cloudpickle/1", "builtins.function", bench.files(held, trusted=True))()
    assert ["READ", "WRITE", "BOTH", "SEE"] == list(type(both).__members__)
    assert (3, 7) == (both.value, both.mine())


def test_another_python_is_warned_about(bench: Bench) -> None:
    """Loading what another Python pickled warns with both versions."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(Anything(1))
    held["python.txt"] = b"2.7.18"
    with pytest.warns(UserWarning, match=r"saved by Python 2\.7\.18"):
        assert bench.load(saved, held, trusted=True) == Anything(1)


def test_byte_code_of_another_python_is_refused(bench: Bench) -> None:
    """A function of the program's own, which another Python takes and crashes on, is an error with both versions."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save({"scale": lambda number: number * 2})
    minor = ".".join(python_version().split(".")[:2])
    assert 6 == bench.load(saved, held | {"0/python.txt": f"{minor}.99".encode()}, trusted=True)["scale"](3)
    held["0/python.txt"] = b"3.9.1"
    with (
        pytest.warns(UserWarning, match=r"saved by Python 3\.9\.1"),
        pytest.raises(MaterializerError, match=rf"byte code of Python 3\.9\.1, which Python {minor}") as caught,
    ):
        bench.load(saved, held, trusted=True)
    assert caught.value.hint == "load it with Python 3.9, or save it there by classes of a module"


def test_a_warning_is_one_printable_line(bench: Bench) -> None:
    """What a warning quotes from a ledger reaches no terminal as it is: a version of Python that clears the screen."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save(Anything(1))
    with pytest.warns(UserWarning, match=r"Python 3\.9\\x1b\[2J\\n, loaded"):
        bench.load(saved, held | {"python.txt": b"3.9\x1b[2J\n"}, trusted=True)


def test_what_cannot_be_loaded_says_with_which_libraries_it_was_saved(bench: Bench) -> None:
    """Beside a pickle stand the versions of its libraries; those that differ are the hint where loading it fails."""
    with pytest.warns(UserWarning, match="cloudpickle"):
        saved, held = bench.save([np.random.default_rng(1), Anything(1)])
    assert f"numpy {np.__version__}\n" == held["0/libraries.txt"].decode()
    assert "1/libraries.txt" not in held
    held["0/libraries.txt"] = b"numpy 0.1\nnot-loaded 7\n"
    bench.load(saved, held, trusted=True)
    for pickled in (b"cnumpy\nnothing\n.", b"cnumpy.nothing\nnothing\n."):
        with pytest.raises((MaterializerError, MissingDependencyError)) as caught:
            bench.load(saved, held | {"0/value.pkl": pickled}, trusted=True)
        assert f"it was saved with numpy 0.1; here is numpy {np.__version__}" == caught.value.hint


def test_versions_of_libraries_that_are_no_text_hide_nothing(bench: Bench) -> None:
    """Where the list of libraries is damaged as well, what a value could not be loaded for is still the error."""
    held = {"data.npy": b"\x93NUMPY\x01\0\x02\0{}", "libraries.txt": b"\xff 1\n"}
    with pytest.raises(MaterializerError, match=r"numpy\.npy/1 cannot load"):
        load_value("numpy.npy/1", "numpy.ndarray", bench.files(held))


def test_a_library_that_is_older_than_its_data_is_named(bench: Bench) -> None:
    """What a library does not read has its version as a hint, since a newer one may have written it."""
    with pytest.raises(MaterializerError) as caught:
        load_value("numpy.npy/1", "numpy.ndarray", bench.files({"data.npy": b"\x93NUMPY\x01\0\x02\0{}"}))
    assert caught.value.hint.startswith(f"here is numpy {np.__version__}; a newer one may have written it")


def test_an_open_file_is_refused(bench: Bench, tmp_path: Path) -> None:
    """An open file, which as text would come back as its text, is an error with what to save instead."""
    (tmp_path / "notes.txt").write_text("a")
    for mode in ("r", "rb", "ab", "r+b"):
        with (
            open(tmp_path / "notes.txt", mode) as file,
            pytest.raises(MaterializerTypeError, match=r"notes\.txt") as caught,
        ):
            bench.save(file)
        assert caught.value.hint == "save pathlib.Path(file.name), or what file.read() gives"


def test_a_generator_is_refused(bench: Bench) -> None:
    """A generator, which no pickle takes either, is an error with what to save instead, also inside a container."""
    for value in ((number for number in [1]), {"rows": (number for number in [1])}):
        with pytest.raises(MaterializerTypeError, match="a generator is no value to save") as caught:
            bench.save(value)
        assert caught.value.hint == "save list(...) of it, or an artifact of each part"


def test_a_failing_materializer_of_ones_own_is_not_said_to_be_missing(bench: Bench) -> None:
    """What to do is to write a materializer where there is none, and to look at it where it failed."""

    class Failing(BaseMaterializer):
        SKIP_REGISTRATION = True

        def save(self, _: Any) -> None:
            raise RuntimeError

    for value, materializer, way_out in (
        (1, Failing, "the traceback shows where .*Failing.save failed"),
        (threading.Lock(), None, "save the plain values that it holds, or give a materializer of your own"),
    ):
        with pytest.raises(MaterializerError) as caught:
            bench.save(value, materializer=materializer)
        assert re.match(way_out, caught.value.hint)


def test_what_cannot_be_pickled_either_is_an_error_of_ours(bench: Bench) -> None:
    """The last resort's failure names the type and carries the cause; that it was tried is not told before."""
    with pytest.raises(MaterializerError, match=r"_thread\.lock"):
        bench.save(threading.Lock())


@pytest.mark.parametrize(
    "value", [[Anything(1), threading.Lock()], np.array([Anything(1), 1], dtype=object)], ids=["list", "array"]
)
def test_an_element_is_not_warned_about_where_the_value_is_refused(bench: Bench, value: Any) -> None:
    """What is said of how a part is saved is said when the whole is."""
    with pytest.raises(MaterializerError):
        bench.save(value)


def test_a_plain_value_is_loaded_without_seeking_a_class_by_its_name(bench: Bench) -> None:
    """Python's own types are known: to seek all that JSON can hold by name would be a tenth of a small load."""
    saved, held = bench.save({"plain": 1})
    called: set[str] = set()
    sys.setprofile(lambda frame, event, _: called.add(frame.f_code.co_name) if event == "call" else None)
    try:
        loaded = bench.load(saved, held)
    finally:
        sys.setprofile(None)
    assert {"plain": 1} == loaded
    assert "subclass_named" in called
    assert "loaded_class" not in called


def test_every_part_saved_by_the_last_resort_is_warned_about(bench: Bench) -> None:
    """The warnings of a value that is saved come in their order, one for each part."""
    with pytest.warns(UserWarning, match="cloudpickle") as seen:
        bench.save([Anything(1), {"k": len}, Anything(2)])
    told = [str(each.message).split()[4] for each in seen]
    assert [qualified_name(Anything), "builtins.builtin_function_or_method", qualified_name(Anything)] == told


def test_a_record_that_claims_less_trust_than_its_format_is_not_believed(bench: Bench) -> None:
    """A tree of data that names a pickled element asks for trust, whatever the record said of it."""
    tree = b'{"$item": "0", "materializer": "builtin.cloudpickle/1", "type": "int"}'
    files = bench.files({"data.json": tree, "0/value.pkl": b"cos\nsystem\n.", "0/python.txt": b"3.11.0"})
    with Watch() as seen, pytest.raises(UntrustedArtifactError):
        load_value("builtin.json/1", "dict", files)
    assert not [event for event in seen if event.startswith(("pickle", "os"))]
    assert files.asked == ["builtin.cloudpickle/1 runs the code that rebuilds a value of type int"]
