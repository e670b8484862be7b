"""What look-ups return: frozen values that show themselves well."""

import copy
import io
import os
import pickle
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ledger import Artifact, ArtifactVersion, Ledger, load_artifact
from ledger.enums import ArtifactType, VisualizationType
from ledger.errors import ArgumentTypeError, LedgerNotFoundError, MaterializerError, PathNotFoundError
from ledger.materializers import BaseMaterializer
from ledger.types import CSVString, HTMLString, MarkdownString
from tests.kit.ledgers import git, run_python, store_of

HOSTILE = "<script>alert('x')</script>"


class Sketch:
    """A value with visualizations of its own."""


class SketchMaterializer(BaseMaterializer):
    """Saves a sketch as one file, and shows it in two ways."""

    REGISTRY_KEY = "tests.sketch/1"
    ASSOCIATED_TYPES = (Sketch,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.DATA_ANALYSIS

    def save(self, value: Any) -> None:  # noqa: ARG002  # the interface of materializers
        with self.open("sketch.txt", "w") as file:
            file.write("sketch")

    def load(self, data_type: type | None) -> Any:  # noqa: ARG002  # the same
        return Sketch()

    def save_visualizations(self, value: Any) -> dict[str, VisualizationType]:  # noqa: ARG002  # the same
        for name, text in (("page.html", HOSTILE), ("notes.md", f"# {HOSTILE}")):
            with self.open(name, "w") as file:
                file.write(text)
        return {"page.html": VisualizationType.HTML, "notes.md": VisualizationType.MARKDOWN}


class Unseen(Sketch):
    """A value whose materializer names a visualization that it does not make."""


class UnseenMaterializer(SketchMaterializer):
    """Shows a sketch in one way more than it draws."""

    REGISTRY_KEY = "tests.unseen/1"
    ASSOCIATED_TYPES = (Unseen,)

    def save_visualizations(self, value: Any) -> dict[str, VisualizationType]:
        return {"no.html": VisualizationType.HTML, **super().save_visualizations(value)}


class Plan(Sketch):
    """A sketch whose materializer names every file by its place below `uri`, as libraries do."""


class PlanMaterializer(BaseMaterializer):
    """Streams to full paths, and leaves nothing in the folder that they are named after."""

    REGISTRY_KEY = "tests.plan/1"
    ASSOCIATED_TYPES = (Plan,)

    def save(self, value: Any) -> None:  # noqa: ARG002  # the interface of materializers
        os.makedirs(os.path.join(self.uri, "sub"))
        with self.open(os.path.join(self.uri, "sub", "plan.txt"), "wt") as file:
            file.write("plan")

    def load(self, data_type: type | None) -> Any:  # noqa: ARG002  # the same
        with self.open(os.path.join(self.uri, "sub", "plan.txt"), "rt") as file:
            return file.read()

    def save_visualizations(self, value: Any) -> dict[str, VisualizationType]:  # noqa: ARG002  # the same
        path = os.path.join(self.uri, "plan.md")
        with self.open(path, "w") as file:
            file.write("# plan")
        return {path: VisualizationType.MARKDOWN}


class Lost:
    """A value that is saved and never comes back."""


class LosingMaterializer(BaseMaterializer):
    """Saves an empty file, and fails to load it."""

    REGISTRY_KEY = "tests.losing/1"
    ASSOCIATED_TYPES = (Lost,)
    ASSOCIATED_ARTIFACT_TYPE = ArtifactType.DATA

    def save(self, value: Any) -> None:  # noqa: ARG002  # the interface of materializers
        with self.open("lost.txt", "w"):
            pass

    def load(self, data_type: type | None) -> Any:  # noqa: ARG002  # the same
        message = "nothing there"
        raise RuntimeError(message)


class Leaning(Lost):
    """A value that needs another version to come back."""


class LeaningMaterializer(LosingMaterializer):
    """Loads the version ``lost`` on the way."""

    REGISTRY_KEY = "tests.leaning/1"
    ASSOCIATED_TYPES = (Leaning,)

    def load(self, data_type: type | None) -> Any:  # noqa: ARG002  # the same
        return load_artifact("lost")


@pytest.fixture
def saved(ledger: Ledger) -> ArtifactVersion:
    """A version with everything a user gives."""
    return ledger.save([1, 2], "iris/train", "raw_2023", tags=["b", "a"], run_metadata={"g": {"acc": 0.9}})


def test_a_handle_has_all_that_the_contract_lists(ledger: Ledger, saved: ArtifactVersion) -> None:
    """Every documented attribute is there, of its documented type."""
    kinds: dict[str, Any] = {
        "id": uuid.UUID,
        "name": str,
        "version": str,
        "type": ArtifactType,
        "tags": tuple,
        "metadata": dict,
        "uri": str,
        "data_type": str,
        "materializer": str,
        "size": int,
        "digest": str,
        "created_by": str,
        "published": bool,
    }
    assert kinds == {name: type(getattr(saved, name)) for name in kinds}
    assert ("iris/train", "raw_2023", None) == (saved.name, saved.version, saved.number)
    assert (("a", "b"), {"acc": 0.9}) == (saved.tags, saved.metadata["g"])
    assert saved.uri.startswith(f"file://{store_of(ledger)}/chunks/")
    assert (None, None) == (saved.run, saved.step)
    assert saved.size == sum(file.size for file in saved.files())
    assert "builtins.list" == saved.data_type


@pytest.mark.parametrize("name", ["name", "version", "tags", "id", "anything", "_claim"])
def test_a_handle_is_frozen(saved: ArtifactVersion, name: str) -> None:
    """Nothing can be set on or taken from a handle; the error names the version."""
    with pytest.raises(AttributeError, match="iris/train@raw_2023"):
        setattr(saved, name, "other")
    with pytest.raises(AttributeError, match="iris/train@raw_2023"):
        delattr(saved, name)
    assert "iris/train" == saved.name


def test_the_name_of_an_artifact_is_fixed(ledger: Ledger, saved: ArtifactVersion) -> None:
    """Nobody renames an artifact by setting its name."""
    artifact = ledger.artifact(saved.name)
    with pytest.raises(AttributeError, match="name"):
        setattr(artifact, "name", "other")  # noqa: B010  # a type checker refuses the plain form
    assert saved.name == artifact.name


def test_files_may_be_named_by_their_place_below_the_folder(ledger: Ledger) -> None:
    """Of a picture and of a part of a list too: folders that were only made for streams are none of their files."""
    alone, parts = ledger.save(Plan(), "plan"), ledger.save([Plan(), 1], "plans")
    assert (".visualizations/plan.md", "plan") == (*alone.visualizations, alone.load())
    assert ["plan", 1] == parts.load()
    assert {"file"} == {file.kind for version in (alone, parts) for file in version.files()}


def test_handles_are_equal_by_id(ledger: Ledger, saved: ArtifactVersion) -> None:
    """Handles of one version are equal and hash alike, from whatever look-up and moment; others are not."""
    other = ledger.save([1, 2], "iris/train")
    ledger.tag(saved, ["late"])
    again = Ledger.open(ledger.path).get(saved.id)
    assert saved == again == copy.copy(saved)
    assert 1 == len({saved, again})
    assert saved != other
    assert saved != str(saved.id)
    assert saved != None  # noqa: E711  # comparing is the test


def test_a_repr_says_what_it_is(saved: ArtifactVersion, ledger: Ledger) -> None:
    """The repr of each handle names what it is of."""
    parts = ("iris/train@raw_2023", "DataArtifact", str(saved.id), "'a', 'b'", f"{saved.size} B")
    assert all(part in repr(saved) for part in parts), repr(saved)
    assert "<Artifact iris/train latest=raw_2023>" == repr(ledger.artifact("iris/train"))
    assert str(ledger.path) in repr(ledger)


def test_the_notebook_form_escapes_everything(ledger: Ledger) -> None:
    """Markup in tags, metadata keys and values shows as text."""
    saved = ledger.save(1, "x", tags=[HOSTILE], run_metadata={HOSTILE: HOSTILE, "g": {"acc": 0.9}})
    shown = saved._repr_html_()
    assert "<script" not in shown
    assert 3 == shown.count("&lt;script&gt;")
    assert all(part in shown for part in ("x@1", "g.acc", "0.9", str(saved.id), "Ada &lt;ada@example.com&gt;"))


def test_a_notebook_shows_very_much_metadata_in_part(ledger: Ledger) -> None:
    """The ends of a long list of entries and of a long text stand for the whole; `metadata` has all of it."""
    metadata = {f"{number:02}": number for number in range(60)} | {"text": "x" * 20_000}
    saved = ledger.save(1, "x", run_metadata=metadata)
    shown = saved._repr_html_()
    assert "<tr><th>24</th><td>24</td></tr><tr><th>… 14 more</th></tr><tr><th>39</th><td>39</td></tr>" in shown
    assert f"<tr><th>text</th><td>{'x' * 500} ... {'x' * 500}</td></tr>" in shown
    assert metadata.items() <= saved.metadata.items()


def test_people_read_sizes_with_units(ledger: Ledger) -> None:
    """As the command line shows them; the exact number is in `size`."""
    saved = ledger.save(bytes(80_000_000), "x")
    assert ("<th>size</th><td>76.3 MiB</td>" in saved._repr_html_(), 80_000_000) == (True, saved.size)
    assert repr(saved).startswith("<ArtifactVersion x@1 DataArtifact 76.3 MiB id=")


def test_an_artifact_has_versions_latest_and_load(ledger: Ledger, saved: ArtifactVersion) -> None:
    """An artifact knows its versions, oldest first, its latest and its value; it is equal by name."""
    second = ledger.save("two", "iris/train")
    found = ledger.artifact("iris/train")
    assert isinstance(found, Artifact)
    assert [saved, second] == found.versions
    assert (second, "two") == (found.latest, found.load())
    assert found == ledger.artifact("iris/train")
    ledger.save(1, "other")
    assert found not in (ledger.artifact("other"), "iris/train")
    assert 1 == len({found, ledger.artifact("iris/train")})
    assert second._repr_html_() == found._repr_html_()


def test_an_artifact_loads_as_its_latest_version_does(ledger: Ledger) -> None:
    """Mapped from a file where that is asked for."""
    ledger.save(np.arange(1000), "array")
    assert isinstance(ledger.artifact("array").load(mmap=True), np.memmap)


def test_an_unknown_file_names_what_it_may_have_meant(ledger: Ledger, tmp_path: Path) -> None:
    """Those of its name come first, as a saved folder's own is easily left out, then those like it. A folder is one."""
    (tmp_path / "data" / "z").mkdir(parents=True)
    for name in ("z/a.csv", *(f"{number}.csv" for number in range(9))):
        (tmp_path / "data" / name).write_text("1\n")
    version = ledger.save(tmp_path / "data", "folder")
    with pytest.raises(PathNotFoundError, match=r"it has data/z/a\.csv, data/0\.csv, .*, data/6\.csv and 2 more\n"):
        version.open("a.csv")
    with pytest.raises(PathNotFoundError, match=r"has no file 'data/8\.cvs'; it has data/8\.csv, "):
        version.open("data/8.cvs")
    with pytest.raises(PathNotFoundError, match=r"has no file 'data/z': that is a folder\n"):
        version.open("data/z")


@pytest.mark.parametrize("path", [b"a.csv", None, Path("a.csv")])
def test_a_file_is_named_by_a_text(ledger: Ledger, path: Any) -> None:
    """Of anything else the error says so, and none of Python's own reaches the user."""
    with pytest.raises(ArgumentTypeError, match=f"named by a str, got {type(path).__name__}"):
        ledger.save(b"1", "x").open(path)


def test_a_file_can_be_opened(ledger: Ledger) -> None:
    """`open` is a seekable stream of one file; an unknown path is a `FileNotFoundError` that lists the known ones."""
    version = ledger.save(b"0123456789", "x")
    [file] = version.files()
    with version.open(file.path) as stream:
        assert b"0123456789" == stream.read()
        stream.seek(-3, io.SEEK_END)
        assert b"789" == stream.read()
    with pytest.raises(FileNotFoundError, match=file.path):
        version.open("nope")


def test_visualizations_are_listed_and_shown(ledger: Ledger) -> None:
    """What a materializer draws is part of the version, listed with its kind, and no part of the value."""
    version = ledger.save(Sketch(), "sketch")
    kinds = {".visualizations/page.html": "html", ".visualizations/notes.md": "markdown"}
    assert kinds == {path: kind.value for path, kind in version.visualizations.items()}
    assert {"sketch.txt", *kinds} == {file.path for file in version.files()}
    shown = version.visualize()
    assert all(path in repr(shown) for path in kinds)
    assert "<script" not in shown._repr_html_()
    assert "sandbox" in shown._repr_html_()
    assert isinstance(version.load(), Sketch)
    assert ArtifactType.DATA_ANALYSIS == version.type


def test_a_csv_is_shown_as_a_table(ledger: Ledger) -> None:
    """A notebook shows its first rows in cells, each as text, and says where there are more."""
    shown = ledger.save(CSVString('a,"b,c"\n1,<b>\n'), "small").visualize()._repr_html_()
    assert "<table><tr><td>a</td><td>b,c</td></tr><tr><td>1</td><td>&lt;b&gt;</td></tr></table>" == shown
    shown = ledger.save(CSVString("1\n" * 1000), "long").visualize()._repr_html_()
    assert (52, "<tr><td>…</td></tr></table>") == (shown.count("<tr>"), shown[-27:])
    assert ledger.save(CSVString("x" * 200_000), "none").visualize()._repr_html_().startswith("<pre>xxx")


def test_a_visualization_that_is_not_there_is_left_out(ledger: Ledger) -> None:
    """A file that is named and was never written costs a warning; the others are shown."""
    with pytest.warns(UserWarning, match=r"'no.html' of the .*Unseen is left out: .* no such file"):
        version = ledger.save(Unseen(), "unseen")
    assert {".visualizations/page.html", ".visualizations/notes.md"} == set(version.visualizations)
    assert "page.html" in repr(version.visualize())


def test_visualizations_can_be_left_out(ledger: Ledger) -> None:
    """`include_visualizations=False` saves the value alone, and there is nothing to show."""
    version = ledger.save(Sketch(), "sketch", include_visualizations=False)
    assert ({}, ["sketch.txt"]) == (version.visualizations, [file.path for file in version.files()])
    assert "sketch@1 has no visualizations" == repr(version.visualize())
    assert "no visualizations" in version.visualize()._repr_html_()


@pytest.mark.parametrize("text", [HTMLString("<b>x</b>"), MarkdownString("# x"), CSVString("a,b\n1,2\n")])
def test_texts_that_say_what_they_are_come_back_as_such(ledger: Ledger, text: str) -> None:
    """A structured text keeps its type, and is a data analysis."""
    version = ledger.save(text, "x")
    assert (text, type(text)) == (version.load(), type(version.load()))
    assert ArtifactType.DATA_ANALYSIS == version.type


def test_a_version_is_published_once_the_remote_has_it(ledger: Ledger) -> None:
    """Without a remote nothing is published; a version is, once the remote's branch holds it."""
    first = ledger.save(1, "x")
    assert not first.published
    git(ledger, "update-ref", "refs/ledger/known/origin", "main")
    second = ledger.save(2, "x")
    assert [True, False] == [version.published for version in ledger.versions("x")]
    git(ledger, "update-ref", "refs/ledger/known/origin", "main")
    assert ledger.get(second.id).published


def test_a_loaded_folder_is_a_copy(ledger: Ledger, tmp_path: Path) -> None:
    """Changing what was loaded changes nothing in the ledger, and the next load is whole."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.txt").write_text("a")
    version = ledger.save(tmp_path / "tree", "tree")
    (version.load() / "a.txt").write_text("changed")
    assert "a" == (ledger.load("tree") / "a.txt").read_text()
    assert ledger.verify().ok


def test_a_ledger_can_be_handed_to_another_process(ledger: Ledger) -> None:
    """A ledger survives pickling by being opened anew, at its revision if it has one."""
    ledger.save("one", "x")
    past = ledger.at("HEAD")
    ledger.save("two", "x")
    again: list[Ledger] = pickle.loads(pickle.dumps([ledger, past]))
    assert [ledger, past] == again
    assert ["two", "one"] == [each.load("x") for each in again]


def test_a_saved_value_that_holds_a_ledger_stays_loadable(ledger: Ledger) -> None:
    """What a ledger is pickled as stays the same: values that hold one are saved in that form."""
    for each in (ledger, ledger.at("HEAD")):
        at = "N" if each is ledger else f"V{each.revision}\n"
        assert each == pickle.loads(f"cledger.core.ledger\n_reopened\n(V{each.path}\n{at}tR.".encode())
        assert b"Workspace" not in pickle.dumps(each)


def test_handles_can_be_pickled(ledger: Ledger, saved: ArtifactVersion) -> None:
    """Versions are what they were when they come back; the ledger they load from is opened anew."""
    versions, artifact = pickle.loads(pickle.dumps((ledger.versions(saved.name), ledger.artifacts()[0])))
    assert ([saved], saved.name) == (versions, artifact.name)
    (version,) = versions
    ledger.tag(saved, ["later"])
    assert (("a", "b"), [1, 2], {"g": {"acc": 0.9}}) == (version.tags, version.load(), {"g": version.metadata["g"]})
    assert (repr(saved), [1, 2], [saved]) == (repr(version), artifact.load(), artifact.versions)
    assert saved.uri == version.uri


def test_a_handle_of_the_past_stays_there(ledger: Ledger, saved: ArtifactVersion) -> None:
    """What was looked up at a revision is looked at there, in another process too."""
    past = ledger.at(ledger.revision).artifact(saved.name)
    ledger.save(3, saved.name)
    (before, now) = pickle.loads(pickle.dumps((past, ledger.artifact(saved.name))))
    assert (["raw_2023"], ["raw_2023", "1"]) == tuple([each.version for each in it.versions] for it in (before, now))


def test_a_pickled_artifact_is_looked_up_anew(ledger: Ledger, saved: ArtifactVersion) -> None:
    """Its latest version is the last of its versions, also if that was published after it was pickled."""
    pickled = pickle.dumps(ledger.artifact(saved.name))
    later = ledger.save(2, saved.name)
    artifact = pickle.loads(pickled)
    assert (later, [saved, later]) == (artifact.latest, artifact.versions)


def test_another_process_loads_what_it_is_handed(ledger: Ledger, saved: ArtifactVersion, tmp_path: Path) -> None:
    """A pickled handle is enough, wherever that process works."""
    (tmp_path / "handle").write_bytes(pickle.dumps(saved))
    code = "import pickle; handle = pickle.load(open('handle', 'rb')); print(handle.load(), handle.name)"
    assert "[1, 2] iris/train\n" == run_python(code, tmp_path).stdout


def test_a_pickled_handle_needs_its_ledger(ledger: Ledger, saved: ArtifactVersion) -> None:
    """Where that is gone, the error says so."""
    pickled = pickle.dumps(saved)
    ledger.path.rename(ledger.path.parent / "elsewhere")
    with pytest.raises(LedgerNotFoundError, match="no ledger"):
        pickle.loads(pickled)


def test_a_copy_of_a_version_is_itself(saved: ArtifactVersion) -> None:
    """A frozen value needs no second one."""
    assert saved is copy.copy(saved)
    assert saved is copy.deepcopy([saved])[0]


def test_a_handle_is_no_value_to_save(ledger: Ledger, saved: ArtifactVersion) -> None:
    """A pickle of a path to a ledger would look like data; what the version holds is saved instead."""
    with pytest.raises(ArgumentTypeError, match="cannot save iris/train@raw_2023 as 'copy': it is a version"):
        ledger.save(saved, "copy")
    assert ["iris/train"] == [artifact.name for artifact in ledger.artifacts()]


def test_a_value_that_cannot_be_made_is_named(ledger: Ledger) -> None:
    """The error of a failing load says of which version, and its hint, in tracebacks too, how to get the files."""
    ledger.save(Lost(), "lost", "final")
    with pytest.raises(MaterializerError) as caught:
        ledger.load("lost")
    error: Any = pickle.loads(pickle.dumps(caught.value))
    assert str(error).startswith("lost@final: materializer tests.losing/1 cannot load ")
    assert ("lost", "final") == (error.name, error.version)
    assert error.hint.startswith("`ledger get lost@final -o PATH` gives the files;")
    assert [f"Hint: {error.hint}"] == error.__notes__


def test_a_version_that_another_needs_keeps_its_name_in_the_error(workdir: Path) -> None:
    """Where loading one version loads another, the error names the one that fails."""
    ledger = Ledger.init(workdir / ".ledger")
    ledger.save(Lost(), "lost")
    ledger.save(Leaning(), "leaning")
    with pytest.raises(MaterializerError, match=r"^lost@1: ") as caught:
        ledger.load("leaning")
    assert ("lost", "1") == (caught.value.facts["name"], caught.value.facts["version"])
