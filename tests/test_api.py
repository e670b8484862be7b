"""The functions of the public contract, as a user calls them."""

import pydoc
import re
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger import Ledger, load_artifact, log_artifact_metadata, register_artifact, save_artifact
from ledger.client import Client
from ledger.enums import ArtifactType
from ledger.errors import (
    ArgumentError,
    ArtifactNotFoundError,
    EntityExistsError,
    InvalidVersionError,
    LedgerError,
    VersionExistsError,
    VersionNotFoundError,
)
from ledger.runtime import StepContext
from tests.kit.ledgers import run_python

GUIDE_NAMES = {"Ledger", "load_artifact", "log_artifact_metadata", "register_artifact", "save_artifact"}
"""The names of the contract outside steps and pipelines."""

MODULES_AFTER_IMPORT = """
import sys
before = set(sys.modules)
import ledger
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(sorted(new - set(sys.stdlib_module_names) - {"ledger"}))
"""

MODULES_AFTER_SAVE = """
import sys
from ledger import save_artifact, load_artifact
save_artifact({"a": 1}, "x")
assert load_artifact("x") == {"a": 1}
heavy = {"numpy", "pandas", "pyarrow", "polars", "torch", "sklearn", "scipy", "fsspec", "rich", "click", "cloudpickle"}
print(sorted(heavy & set(sys.modules)))
"""


def test_every_public_name_is_there() -> None:
    """Each name in `__all__` can be imported, and the contract's are among them."""
    assert set(ledger.__all__) >= GUIDE_NAMES
    assert all(getattr(ledger, name) is not None for name in ledger.__all__)


def test_completion_offers_what_is_there_for_users() -> None:
    """`dir` has the public names and the modules that hold more of them, and nothing that the package is made of."""
    modules = {"client", "enums", "errors", "maintenance", "materializers", "results", "types"}
    assert {*ledger.__all__, *modules} == set(dir(ledger))


def test_help_speaks_of_every_promised_attribute() -> None:
    """What the contract says that a handle has is told by `help`, also where it is no property."""
    promised = {
        ledger.Artifact: "name versions latest load",
        ledger.PipelineRun: "id name steps status artifact_versions",
        StepContext: "pipeline_name run_id step_name inputs add_output_metadata add_output_tags",
        ledger.ArtifactConfig: "name version tags run_metadata artifact_type",
        ledger.ExternalArtifact: "value materializer store_artifact_metadata store_artifact_visualizations",
    }
    for kind, names in promised.items():
        told = pydoc.plain(pydoc.render_doc(kind)).partition("__init__(")[0] + " ".join(vars(kind))
        assert {name for name in names.split() if not re.search(rf"\b{name}\b", told)} == set(), kind


def test_a_star_import_brings_the_public_names() -> None:
    """`from ledger import *` brings exactly `__all__`."""
    names: dict[str, Any] = {}
    exec("from ledger import *", names)
    assert set(ledger.__all__) == set(names) - {"__builtins__"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that the package lacks is the usual error, so that `hasattr` works; type checkers see it too."""
    with pytest.raises(AttributeError, match="nonsense"):
        # The type checker calls the ignore unused if it takes the name for one that is there.
        ledger.nonsense  # type: ignore[attr-defined]  # noqa: B018  # asking is the test
    with pytest.raises(ImportError):
        exec("from ledger import nonsense")


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("log_artifact", "save_artifact(value, name)"),
        ("use_artifact", "load_artifact(name)"),
        ("log_metric", "log_artifact_metadata("),
        ("log_params", "arguments of a @pipeline"),
        ("init", "nothing needs to be started"),
    ],
)
def test_a_function_of_another_program_is_told_what_it_is_here(name: str, here: str) -> None:
    """Who comes from MLflow, W&B or ZenML and calls what is called so there learns what there is."""
    with pytest.raises(AttributeError, match=re.escape(f"no attribute {name!r}: ")) as caught:
        getattr(ledger, name)
    assert here in str(caught.value)


def test_no_function_hides_a_module() -> None:
    """No public function is named like a module of the package, so that both can be imported."""
    folder = Path(ledger.__file__).parent
    modules = {path.stem for path in folder.iterdir()} - {"__init__"}
    assert set() == modules & {name for name in ledger.__all__ if callable(getattr(ledger, name))}


def test_importing_the_package_imports_no_third_party(workdir: Path) -> None:
    """`import ledger` costs no more than its own few modules."""
    assert "[]\n" == run_python(MODULES_AFTER_IMPORT, workdir).stdout


def test_the_modules_of_the_contract_are_reached_through_the_package(workdir: Path) -> None:
    """After `import ledger` alone, whatever was used before: an `except ledger.errors.…` can name what it catches."""
    code = "import ledger; ledger.client, ledger.enums, ledger.errors, ledger.materializers, ledger.types"
    run_python(code, workdir)


def test_saving_a_plain_value_imports_nothing_heavy(workdir: Path) -> None:
    """A save and a load of plain values import no array, table or file system library."""
    assert "[]\n" == run_python(MODULES_AFTER_SAVE, workdir).stdout


def test_a_value_makes_the_round_trip(workdir: Path) -> None:
    """The first example of the guide: save, then load by name, by version and by id."""
    saved = save_artifact({"accuracy": 0.97}, "metrics")
    assert "1" == saved.version
    for loaded in (load_artifact("metrics"), load_artifact("metrics", 1), load_artifact(saved.id)):
        assert {"accuracy": 0.97} == loaded
    assert {"accuracy": 0.97} == load_artifact(str(saved.id)) == load_artifact(name_or_id="metrics", version="1")


def test_every_keyword_of_save_has_its_effect(workdir: Path) -> None:
    """Version, type, tags and metadata are on the version that is returned and on the one looked up."""
    saved = save_artifact(
        [1, 2],
        "x",
        "raw_2023",
        artifact_type=ArtifactType.STATISTICS,
        tags=["a"],
        run_metadata={"k": 1},
        extract_metadata=False,
        include_visualizations=False,
    )
    for version in (saved, Client().get_artifact_version("x")):
        assert ("raw_2023", ArtifactType.STATISTICS, ("a",)) == (version.version, version.type, version.tags)
        assert {"k": 1, "storage_size": version.size} == version.metadata


def test_options_of_save_are_keywords(workdir: Path) -> None:
    """What comes after the version is named, so that nobody's tags become a type."""
    with pytest.raises(TypeError):
        save_artifact(1, "x", None, "ModelArtifact")  # type: ignore[call-arg]
    assert [] == list(workdir.iterdir())


def test_a_first_save_that_is_refused_makes_no_ledger(workdir: Path) -> None:
    """Whichever argument is wrong, nothing is left in the folder."""
    wrong: list[dict[str, Any]] = [{"tags": "a"}, {"run_metadata": {1: 2}}, {"artifact_type": "x"}, {"materializer": 5}]
    for arguments in wrong:
        with pytest.raises((LedgerError, TypeError)):
            save_artifact(1, "x", **arguments)
    assert [] == list(workdir.iterdir())


def test_a_version_that_exists_is_the_guides_error(workdir: Path) -> None:
    """`EntityExistsError`, the guide's word, catches what is raised."""
    save_artifact(1, "x", "cat")
    with pytest.raises(EntityExistsError) as caught:
        save_artifact(2, "x", "cat")
    assert VersionExistsError is type(caught.value)
    assert isinstance(caught.value, ValueError)
    assert 1 == load_artifact("x", "cat")


def test_registered_data_loads_in_place(workdir: Path) -> None:
    """The guide's example: data written below the store's path is registered and loads as a path."""
    folder = Path(Client().active_stack.artifact_store.path) / "my_dataset"
    folder.mkdir()
    (folder / "data.txt").write_text("rows")
    saved = register_artifact(folder_or_file_uri=str(folder), name="my_dataset", tags=["raw"])
    assert (folder, ("raw",)) == (load_artifact("my_dataset"), saved.tags)
    with pytest.raises(FileNotFoundError) as caught:
        register_artifact(workdir, "outside")
    assert str(workdir) in str(caught.value)
    assert str(folder.parent) in str(caught.value)


def test_metadata_goes_to_the_latest_or_the_named_version(workdir: Path) -> None:
    """Without a version it goes to the latest; with one, to that one alone, under either keyword."""
    for value in range(3):
        save_artifact(value, "x")
    log_artifact_metadata({"to": "latest"}, "x")
    log_artifact_metadata({"to": "first"}, "x", 1)
    log_artifact_metadata({"to": "second"}, artifact_name="x", artifact_version="2")
    log_artifact_metadata({"same": True}, artifact_name="x", version="2")
    log_artifact_metadata({"both": True}, "x", version=2, artifact_version="2")
    versions = Client().get_artifact("x").versions
    assert ["first", "second", "latest"] == [version.metadata["to"] for version in versions]
    assert [False, True, False] == ["same" in version.metadata for version in versions]
    assert [False, True, False] == ["both" in version.metadata for version in versions]


def test_metadata_reads_as_the_guide_writes_it(workdir: Path) -> None:
    """`run_metadata["key"].value` is the value, and groups nest."""
    save_artifact(0, "x")
    log_artifact_metadata({"metrics": {"accuracy": 0.9}, "rows": 3}, "x")
    found = Client().get_artifact_version("x").run_metadata
    assert (3, {"accuracy": 0.9}) == (found["rows"].value, found["metrics"].value)


@pytest.mark.parametrize(
    ("arguments", "kind", "builtin"),
    [
        ({"artifact_name": "nope"}, ArtifactNotFoundError, KeyError),
        ({"artifact_name": "x", "version": 9}, VersionNotFoundError, KeyError),
        ({"artifact_name": "x", "version": 1, "artifact_version": 2}, ArgumentError, ValueError),
        ({"artifact_name": "x", "version": 1, "artifact_version": 10**5000}, InvalidVersionError, ValueError),
        ({}, ArgumentError, ValueError),
        ({"version": 1}, ArgumentError, ValueError),
    ],
)
def test_metadata_without_a_target_is_refused(
    workdir: Path, arguments: dict[str, Any], kind: type[LedgerError], builtin: type[Exception]
) -> None:
    """An unknown artifact or version, two versions, and no name outside a step are errors of their own."""
    save_artifact(0, "x")
    with pytest.raises(builtin) as caught:
        log_artifact_metadata({"a": 1}, **arguments)
    assert kind is type(caught.value)
    assert "a" not in Client().get_artifact_version("x").metadata


def test_a_string_that_is_too_long_says_so(workdir: Path) -> None:
    """Errors stay one readable line, whatever was passed."""
    with pytest.raises(LedgerError) as caught:
        save_artifact(0, "x", tags=["t" * 100_000])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_saves_of_every_process_meet(workdir: Path) -> None:
    """What another program saved with the same functions is there under the next number."""
    save_artifact("mine", "x")
    run_python("from ledger import save_artifact; save_artifact('theirs', 'x')", workdir)
    assert ("theirs", "3") == (load_artifact("x"), save_artifact("mine again", "x").version)


def test_a_script_may_live_anywhere(workdir: Path) -> None:
    """The package needs no ledger to be imported, and no home to be saved from."""
    code = "from ledger import save_artifact; print(save_artifact(1, 'x').created_by)"
    done = run_python(code, workdir, HOME="/nonexistent", XDG_STATE_HOME="")
    assert "Ada <ada@example.com>\n" == done.stdout


def test_a_ledger_can_be_given_to_the_client(workdir: Path) -> None:
    """`Client(ledger)` works on that ledger, wherever the default one would be."""
    elsewhere = Ledger.init(workdir / "elsewhere")
    elsewhere.save(7, "x")
    assert 7 == Client(elsewhere).get_artifact_version("x").load()


def test_the_user_that_the_environment_names_is_followed(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function writes in the name of the user at that moment, as it goes to the ledger of that moment."""
    names = []
    for name in ("Ada", "Grace"):
        monkeypatch.setenv("GIT_AUTHOR_NAME", name)
        names.append(save_artifact(name, "x").created_by)
    assert ["Ada <ada@example.com>", "Grace <ada@example.com>"] == names
