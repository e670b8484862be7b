"""Which materializer is in charge, and what a declaration must say."""

import subprocess
import sys
from typing import Any, ClassVar

import pytest

from ledger.enums import ArtifactType, TrustClass
from ledger.errors import MaterializerInterfaceError, UnknownMaterializerError
from ledger.materializers import BaseMaterializer, materializer_for, materializer_named
from ledger.materializers.registry import qualified_name
from tests.kit.materializing import Bench


class Base:
    pass


class Derived(Base):
    pass


class _Text(BaseMaterializer):
    SKIP_REGISTRATION: ClassVar[bool] = True

    def save(self, value: Any) -> None:
        with self.open("x.txt", "w") as file:
            file.write(str(value))

    def load(self, _: type | None) -> Any:
        with self.open("x.txt") as file:
            return file.read()


def test_a_subclass_is_registered_by_being_defined() -> None:
    """A class is in charge of its types and their subclasses as soon as it is defined, by its default key too."""

    class Parent:
        pass

    class Child(Parent):
        pass

    class Mine(_Text):
        ASSOCIATED_TYPES = (Parent,)

    assert materializer_for(Parent) is Mine
    assert materializer_for(Child) is Mine
    assert materializer_named(f"{qualified_name(Mine)}/1") is Mine


def test_the_nearest_class_wins() -> None:
    """A materializer for a nearer base beats one for a farther one."""

    class Far(_Text):
        ASSOCIATED_TYPES = (Base,)

    class Near(_Text):
        ASSOCIATED_TYPES = (Derived,)

    assert (materializer_for(Base), materializer_for(Derived)) == (Far, Near)


def test_a_class_without_a_hash_is_left_to_the_last_resort() -> None:
    """A metaclass may compare its classes, which Python then takes the hash from."""

    class Comparing(type):
        def __eq__(cls, other: object) -> bool:
            return cls is other

        __hash__ = None  # type: ignore[assignment]  # as Python sets it

    class Odd(metaclass=Comparing):
        pass

    assert "builtin.cloudpickle/1" == materializer_for(Odd).REGISTRY_KEY


def test_the_users_materializer_beats_the_built_in_one() -> None:
    """For a type that has a built-in materializer the user's is taken."""

    class Special(complex):
        pass

    class Mine(_Text):
        ASSOCIATED_TYPES = (Special,)

    assert materializer_named("builtin.json/1") is materializer_for(complex)
    assert materializer_for(Special) is Mine


def test_a_redefined_class_replaces_the_earlier_one() -> None:
    """Running a notebook cell again replaces the class of that key, and the types it no longer claims are free."""

    def define(kind: type) -> type[BaseMaterializer]:
        class Cell(_Text):
            REGISTRY_KEY = "tests.cell/1"
            ASSOCIATED_TYPES = (kind,)

        return Cell

    class One:
        pass

    class Two:
        pass

    first, second = define(One), define(Two)
    assert materializer_for(One) is not first
    assert (materializer_for(Two), materializer_named("tests.cell/1")) == (second, second)


def test_a_class_of_another_name_takes_a_key_with_a_warning() -> None:
    """A key that was copied along with the class would have the copy read what the original saved."""

    class Original(_Text):
        REGISTRY_KEY = "tests.copied/1"
        ASSOCIATED_TYPES = (Derived,)

    with pytest.warns(UserWarning, match=r"Copy takes the key 'tests.copied/1' of .*Original, and so reads what"):

        class Copy(_Text):
            REGISTRY_KEY = "tests.copied/1"
            ASSOCIATED_TYPES = (Derived,)

    assert materializer_named("tests.copied/1") is Copy


def test_the_key_of_a_built_in_one_is_refused() -> None:
    """Nobody takes the place of a built-in materializer by its key."""
    with pytest.raises(MaterializerInterfaceError, match="built in"):
        type("Thief", (_Text,), {"REGISTRY_KEY": "numpy.npy/1", "ASSOCIATED_TYPES": (Base,)})


@pytest.mark.parametrize(
    "body",
    [
        {"ASSOCIATED_TYPES": ()},
        {"ASSOCIATED_TYPES": [int]},
        {"ASSOCIATED_TYPES": ("int",)},
        {"ASSOCIATED_TYPE_NAMES": "pandas.DataFrame"},
        {"ASSOCIATED_TYPES": (Base,), "ASSOCIATED_ARTIFACT_TYPE": "Picture"},
        {"ASSOCIATED_TYPES": (Base,), "TRUST": "maybe"},
        {"ASSOCIATED_TYPES": (Base,), "REGISTRY_KEY": 5},
        {"ASSOCIATED_TYPES": (Base,), "save": BaseMaterializer.save},
        {"ASSOCIATED_TYPES": (Base,), "load": BaseMaterializer.load},
    ],
)
def test_a_declaration_that_cannot_work_is_refused(body: dict[str, Any]) -> None:
    """A class that could not work is refused where it is defined, by name."""
    with pytest.raises(MaterializerInterfaceError, match="Broken"):
        type("Broken", (_Text,), body)


def test_values_of_enums_are_accepted_in_a_declaration() -> None:
    """An artifact type may be given by its value."""
    kind: Any = type("Worded", (_Text,), {"ASSOCIATED_TYPES": (Base,), "ASSOCIATED_ARTIFACT_TYPE": "ModelArtifact"})
    assert kind.ASSOCIATED_ARTIFACT_TYPE is ArtifactType.MODEL


def test_an_unfinished_base_claims_nothing() -> None:
    """With SKIP_REGISTRATION a class is found by its key and by no type."""
    assert materializer_named(_Text.REGISTRY_KEY) is _Text
    assert materializer_for(object).REGISTRY_KEY == "builtin.cloudpickle/1"


def test_an_unfinished_base_saves_nothing(bench: Bench) -> None:
    """Whoever names one, or `BaseMaterializer` itself, for a value is told so before it is called."""
    unfinished: Any = type("Unfinished", (BaseMaterializer,), {"SKIP_REGISTRATION": True})
    for base in (BaseMaterializer, unfinished):
        with pytest.raises(MaterializerInterfaceError, match=f"{base.__qualname__} has no save method of its own"):
            bench.save(Base(), materializer=base)


def test_an_unknown_key_says_what_is_left() -> None:
    """A key that is not registered is an error that says how to get at the files."""
    with pytest.raises(UnknownMaterializerError, match=r"'os\.system/1'") as caught:
        materializer_named("os.system/1")
    assert "REGISTRY_KEY = 'os.system/1'" in caught.value.hint
    assert "download_files" in caught.value.hint


def test_trust_is_inherited() -> None:
    """What derives from a materializer of code is of code as well."""
    kind: Any = type("Pickler", (materializer_named("builtin.cloudpickle/1"),), {"ASSOCIATED_TYPES": (Derived,)})
    assert kind.TRUST is TrustClass.CODE


def test_no_library_is_imported_before_its_type_is_met() -> None:
    """Importing the package, and saving plain values, imports no library that only some values need."""
    libraries = "numpy pandas pyarrow polars torch sklearn skops scipy PIL matplotlib pydantic cloudpickle safetensors"
    script = (
        "import sys, ledger.materializers as m\n"
        "[m.materializer_for(kind) for kind in (int, dict, object, Exception)]\n"
        f"print([name for name in {libraries.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_built_in_ones_are_there_where_imports_come_late() -> None:
    """Python from 3.15 on can be told to import nothing before it is used: what is chosen for a value is the same."""
    code = "from ledger.materializers import materializer_for as of; print(of(int).__name__, of(object).__name__)"
    command = [sys.executable, "-X", "lazy_imports=all", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "JsonMaterializer CloudpickleMaterializer\n" == done.stdout
