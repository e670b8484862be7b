"""Arguments of a wrong kind: an error of ours that names what was given, before anything is written."""

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ledger import (
    ExternalArtifact,
    Ledger,
    get_step_context,
    load_artifact,
    log_artifact_metadata,
    pipeline,
    register_artifact,
    save_artifact,
    step,
)
from ledger.client import Client
from ledger.errors import (
    ArgumentError,
    ArgumentTypeError,
    InvalidVersionError,
    LedgerError,
    MetadataError,
    RemoteNotFoundError,
    StepInterfaceError,
    StorageError,
)
from ledger.maintenance import (
    Part,
    execute_gc,
    execute_packing,
    execute_repair,
    find_source,
    plan_gc,
    plan_packing,
    plan_repair,
    verify_part,
)
from tests.kit.ledgers import git

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

Call = Callable[[Ledger, Any], object]

TAKES_A_PATH: dict[str, Call] = {
    "open": lambda _, path: Ledger.open(path),
    "init": lambda _, path: Ledger.init(path),
    "init with a store": lambda _, path: Ledger.init("made", store=path),
    "clone": lambda ledger, path: Ledger.clone(ledger.path, path),
    "clone of": lambda _, path: Ledger.clone(path, "made"),
    "clone with a store": lambda ledger, path: Ledger.clone(ledger.path, "made", store=path),
    "download_files": lambda ledger, path: ledger.get("a").download_files(path),
    "restore": lambda ledger, path: ledger.get("a").restore(path),
    "register_artifact": lambda _, path: register_artifact(path, "registered"),
}
MAY_BE_LEFT_OUT = ("open", "init with a store", "clone with a store")


@pytest.fixture
def held(workdir: Path) -> Ledger:
    """A ledger with one version, in the working directory."""
    ledger = Ledger.init(workdir / ".ledger")
    ledger.save([1], "a", tags=["t"])
    return ledger


def state(folder: Path, ledger: Ledger) -> tuple[list[str], str]:
    """What lies in the working directory, and what was published."""
    return sorted(os.listdir(folder)), git(ledger, "rev-parse", "main")


@pytest.mark.parametrize("call", TAKES_A_PATH)
def test_a_path_is_a_str_or_a_path(held: Ledger, workdir: Path, call: str) -> None:
    """Anything else is a TypeError of ours that shows it, and makes no file or folder."""
    before = state(workdir, held)
    for given in (5, b"z.zip", ["a.zip"], *(() if call in MAY_BE_LEFT_OUT else (None,))):
        with pytest.raises(ArgumentTypeError, match="is a str or a Path, got ") as caught:
            TAKES_A_PATH[call](held, given)
        assert str(caught.value).endswith(f"{type(given).__name__}: {given!r}")
        assert before == state(workdir, held)


@pytest.mark.parametrize("call", TAKES_A_PATH)
def test_a_path_that_no_system_takes_is_refused(held: Ledger, workdir: Path, call: str) -> None:
    """A null character, or half a surrogate pair, is an error of ours that shows it."""
    before = state(workdir, held)
    for given in ("a\0.zip", "\ud800.zip"):
        with pytest.raises(ArgumentError, match="no file has such a name") as caught:
            TAKES_A_PATH[call](held, given)
        assert repr(given) in str(caught.value)
        assert before == state(workdir, held)


@pytest.mark.parametrize("call", ["open", "init", "clone", "download_files", "restore"])
def test_an_empty_text_is_no_path(held: Ledger, workdir: Path, call: str) -> None:
    """It would be the working directory; whoever means that writes a dot, so nothing is made there unasked."""
    before = state(workdir, held)
    with pytest.raises(ArgumentError, match="cannot be '': no file has such a name") as caught:
        TAKES_A_PATH[call](held, "")
    assert "give a path; '.' is the working directory" == caught.value.hint
    assert before == state(workdir, held)


@pytest.mark.parametrize("call", ["open", "init", "clone", "download_files", "restore"])
def test_a_url_is_no_path(held: Ledger, workdir: Path, call: str) -> None:
    """It would be one from the working directory; the error shows it without its secrets."""
    before = state(workdir, held)
    with pytest.raises(ArgumentError, match=r"is on this machine, got the URL 'https://host/x\.zip'") as caught:
        TAKES_A_PATH[call](held, "https://ada:canary@host/x.zip?sig=canary")
    assert "canary" not in f"{caught.value}{caught.value.hint}{caught.value.facts}"
    assert before == state(workdir, held)


def test_a_url_is_no_remote(held: Ledger) -> None:
    """Remotes have names; who gives a URL for one sees it without its secrets."""
    with pytest.raises(RemoteNotFoundError, match=r"no remote 'https://host/x\.git'") as caught:
        held.sync("https://ada:canary@host/x.git?sig=canary")
    assert "canary" not in f"{caught.value}{caught.value.hint}{caught.value.facts}"


@pytest.mark.parametrize("call", ["open", "init", "clone", "download_files", "restore"])
def test_a_name_that_is_too_long_is_named(held: Ledger, workdir: Path, call: str) -> None:
    """A name that the system refuses for its length is a storage error with that advice."""
    name = f"{'x' * 300}.zip"
    with pytest.raises(StorageError) as caught:
        TAKES_A_PATH[call](held, name)
    assert "x" * 300 in str(caught.value)
    assert "choose a shorter name" == caught.value.hint


def test_a_zip_may_have_the_longest_name_there_is(held: Ledger, workdir: Path) -> None:
    """A name that the file system takes is taken, although a zip is written under another one first."""
    name = f"{'x' * 251}.zip"
    held.get("a").download_files(name)
    assert [name] == [found for found in os.listdir(workdir) if found.endswith(".zip")]


@pytest.mark.filterwarnings("ignore:the bytes of what was cloned cannot be read yet")
@pytest.mark.parametrize("call", ["init", "clone", "init with a store", "clone with a store"])
def test_a_tilde_is_the_home_directory(held: Ledger, workdir: Path, call: str) -> None:
    """A path that begins with ``~`` leads home, as in a shell, wherever a ledger or store is made."""
    TAKES_A_PATH[call](held, "~/kept")
    assert "~" not in os.listdir(workdir)
    if "clone with" not in call:  # whose store is made by the first sync
        assert (Path.home() / "kept").is_dir()


@pytest.mark.parametrize("call", ["download_files", "restore", "register_artifact"])
def test_files_are_found_from_home(held: Ledger, workdir: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A path that begins with ``~`` leads home where files are written and registered, too."""
    monkeypatch.setenv("HOME", str(held.path / "store"))
    if call == "register_artifact":
        (held.path / "store" / "kept.zip").write_bytes(b"data")
    TAKES_A_PATH[call](held, "~/kept.zip")
    assert (held.path / "store" / "kept.zip").is_file()


def test_the_variable_may_begin_with_a_tilde(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``LEDGER_DIR`` is a path as any other: a shell leaves a quoted ``~`` in it."""
    monkeypatch.setenv("LEDGER_DIR", "~/team")
    made = Ledger.init("~/team")
    assert made.path == Ledger.open().path == Path.home() / "team"


@step
def plain(value: int) -> int:
    return value


WRONG: dict[str, tuple[Call, type[LedgerError], str]] = {
    "sync(5)": (lambda ledger, five: ledger.sync(five), ArgumentTypeError, "a remote is named by a str, got int: 5"),
    "Client(5)": (lambda _, five: Client(five), ArgumentTypeError, "a client is given a Ledger, got int: 5"),
    "list_artifacts(name=5)": (
        lambda ledger, five: Client(ledger).list_artifacts(name=five),
        ArgumentTypeError,
        "an artifact name is a str, got int: 5",
    ),
    "find_cached(5)": (
        lambda ledger, five: ledger.find_cached(five),
        ArgumentTypeError,
        "a cache key is a str, got int: 5",
    ),
    "list_pipeline_runs(5)": (
        lambda ledger, five: Client(ledger).list_pipeline_runs(five),
        ArgumentTypeError,
        "a pipeline name is a str, got int: 5",
    ),
    "with_options(parameters=5)": (
        lambda _, five: plain.with_options(parameters=five),
        ArgumentTypeError,
        "parameters are a dict by argument, got int: 5",
    ),
    "with_options(output_materializers=5)": (
        lambda _, five: plain.with_options(output_materializers=five),
        StepInterfaceError,
        "output 'output' of step 'plain': 5 is no materializer class",
    ),
    "save(tags=dict)": (
        lambda ledger, _: ledger.save(1, "b", tags={"best": 1}),
        ArgumentTypeError,
        "tags are a list of str, got dict: {'best': 1}",
    ),
    "tag(None)": (
        lambda ledger, _: ledger.tag("a", None),  # type: ignore[arg-type]
        ArgumentTypeError,
        "tags are a list of str, got NoneType: None",
    ),
    "untag(None)": (
        lambda ledger, _: ledger.untag("a", None),  # type: ignore[arg-type]
        ArgumentTypeError,
        "tags are a list of str, got NoneType: None",
    ),
    "log_metadata(None)": (
        lambda ledger, _: ledger.log_metadata(None, "a"),  # type: ignore[arg-type]
        MetadataError,
        "metadata is a dict, got NoneType: None",
    ),
    "save(run_metadata=list)": (
        lambda ledger, _: ledger.save(1, "b", run_metadata=["best"]),  # type: ignore[arg-type]
        MetadataError,
        "metadata is a dict, got list: ['best']",
    ),
    "save(artifact_type=5)": (
        lambda ledger, five: ledger.save(1, "b", artifact_type=five),
        ArgumentError,
        "unknown artifact type 5",
    ),
    "search(limit=str)": (
        lambda ledger, _: ledger.search(limit="5"),  # type: ignore[arg-type]
        ArgumentError,
        "a limit is a whole number from 0, got str: '5'",
    ),
    "runs(status=5)": (lambda ledger, five: ledger.runs(status=five), ArgumentError, "no run has the status 5"),
    "plan_gc(grace_days=str)": (
        lambda ledger, _: plan_gc(ledger, grace_days="5"),  # type: ignore[arg-type]
        ArgumentTypeError,
        "grace_days is a number, got str: '5'",
    ),
    "plan_gc(grace_days=-5)": (
        lambda ledger, five: plan_gc(ledger, grace_days=-five),
        ArgumentError,
        "grace_days is a number from 0, got -5",
    ),
    "verify_part(share=str)": (
        lambda ledger, five: verify_part(ledger, Part(share=f"{five}%")),  # type: ignore[arg-type]
        ArgumentTypeError,
        "a share is a number, got str: '5%'",
    ),
    "verify_part(5)": (verify_part, ArgumentTypeError, "a part is given as a Part, got int: 5"),
    "tag(tags=array of one)": (
        lambda ledger, five: ledger.tag("a", np.array(five)),
        ArgumentTypeError,
        "tags are a list of str, got ndarray: array(5)",
    ),
    "load(data_type=5)": (
        lambda ledger, five: ledger.load("a", data_type=five),
        ArgumentTypeError,
        "data_type is a class, got int: 5",
    ),
    "find_source(5)": (find_source, ArgumentTypeError, "a source of good copies is a str or a Path, got int: 5"),
    "find_source('')": (
        lambda ledger, _: find_source(ledger, ""),
        ArgumentError,
        "a source of good copies cannot be ''",
    ),
    "verify_part(seconds=beyond floats)": (
        lambda ledger, _: verify_part(ledger, Part(seconds=-(10**400))),
        ArgumentError,
        "cannot check a share of 1 in -inf s",
    ),
    "log_artifact_metadata(None)": (
        lambda *_: log_artifact_metadata(None, "a"),  # type: ignore[arg-type]
        MetadataError,
        "metadata is a dict, got NoneType: None",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_makes_no_sense_is_refused(held: Ledger, workdir: Path, case: str) -> None:
    """What was given is shown, and nothing is published, where a call would do nothing or something else."""
    call, kind, message = WRONG[case]
    before = state(workdir, held)
    with pytest.raises(kind) as caught:
        call(held, 5)
    assert message == str(caught.value)
    assert before == state(workdir, held)


@step
def described(output: int) -> int:
    get_step_context().add_output_metadata({"k": 1}, 10**output)
    return 1


TAKES_A_NAME: dict[str, tuple[Callable[[Any], object], str]] = {
    "steps": (lambda name: pipeline(name="p")(lambda: None)().steps[name], "has no step"),
    "output": (lambda _: described(5000), "step 'described' has no output"),
    "output_materializers": (
        lambda name: described.with_options(output_materializers={name: int}),
        "step 'described' has no output",
    ),
    "parameters": (lambda name: described.with_options(parameters={name: 1}), "step 'described' has no parameter"),
}


@pytest.mark.parametrize("call", TAKES_A_NAME)
def test_an_int_that_python_does_not_write_is_no_name(workdir: Path, call: str) -> None:
    """What has more digits than Python turns into text is no step, output or parameter, as any other int."""
    look_up, told = TAKES_A_NAME[call]
    with pytest.raises(LedgerError, match=f"{told} <int whose repr fails"):
        look_up(10**5000)


TAKES_A_LEDGER: dict[str, tuple[Call, str]] = {
    "plan_gc": (lambda _, five: plan_gc(five), "Ledger"),
    "execute_gc": (lambda ledger, five: execute_gc(five, plan_gc(ledger)), "Ledger"),
    "execute_gc its plan": (execute_gc, "GcPlan"),
    "plan_packing": (lambda _, five: plan_packing(five), "Ledger"),
    "execute_packing": (lambda ledger, five: execute_packing(five, plan_packing(ledger)), "Ledger"),
    "execute_packing its plan": (execute_packing, "PackingPlan"),
    "find_source": (lambda ledger, five: find_source(five, ledger.path), "Ledger"),
    "plan_repair": (lambda _, five: plan_repair(five, five), "Ledger"),
    "plan_repair its source": (plan_repair, "Source"),
    "execute_repair": (lambda _, five: execute_repair(five, five, now=NOW), "Ledger"),
    "execute_repair its plan": (lambda ledger, five: execute_repair(ledger, five, now=NOW), "RepairPlan"),
    "verify_part": (lambda _, five: verify_part(five, Part()), "Ledger"),
}


@pytest.mark.parametrize("call", TAKES_A_LEDGER)
def test_maintenance_is_given_a_ledger_and_plans(held: Ledger, workdir: Path, call: str) -> None:
    """Anything else, such as the path of a ledger, is a TypeError of ours that shows it, and changes nothing."""
    work, kind = TAKES_A_LEDGER[call]
    before = state(workdir, held)
    with pytest.raises(ArgumentTypeError) as caught:
        work(held, 5)
    assert f"maintenance is given a {kind} here, got int: 5" == str(caught.value)
    assert before == state(workdir, held)


TAKES_A_SWITCH: dict[str, tuple[Call, str]] = {
    "save_artifact": (lambda _, no: save_artifact(1, "b", extract_metadata=no), "extract_metadata"),
    "save": (lambda ledger, no: ledger.save(1, "b", include_visualizations=no), "include_visualizations"),
    "ExternalArtifact": (lambda _, no: ExternalArtifact(1, store_artifact_metadata=no), "store_artifact_metadata"),
    "load_artifact": (lambda _, no: load_artifact("a", trust=no), "trust"),
    "Ledger.load": (lambda ledger, no: ledger.load("a", mmap=no), "mmap"),
    "Artifact.load": (lambda ledger, no: ledger.artifact("a").load(mmap=no), "mmap"),
    "download_files": (lambda ledger, no: ledger.get("a").download_files("x.zip", no), "overwrite"),
    "restore": (lambda ledger, no: ledger.get("a").restore("x", overwrite=no), "overwrite"),
    "tag": (lambda ledger, no: ledger.tag("a", ["t"], exclusive=no), "exclusive"),
    "update_artifact_version": (
        lambda ledger, no: Client(ledger).update_artifact_version("a", add_tags=["new"], exclusive=no),
        "exclusive",
    ),
    "verify": (lambda ledger, no: ledger.verify(deep=no), "deep"),
    "verify_part": (lambda ledger, no: verify_part(ledger, Part(), deep=no), "deep"),
    "plan_gc": (lambda ledger, no: plan_gc(ledger, exclusive=no), "exclusive"),
    "execute_gc": (lambda ledger, no: execute_gc(ledger, plan_gc(ledger), exclusive=no), "exclusive"),
}


def tag_pending(ledger: Ledger, version: Any, *, by_name: bool = False) -> None:
    """Tag what is saved in the same transaction, under the version that the text of 1.0 would be."""
    with ledger.transaction() as transaction:
        saved = transaction.save(1, "a", "1.0")
        transaction.tag("a" if by_name else saved, ["new"], version)


def body_with(version: Any) -> Callable[[], None]:
    """A pipeline's body that looks up a version."""

    def body() -> None:
        plain(load_artifact("a", version))

    return body


TAKES_A_VERSION: dict[str, Call] = {
    "get": lambda ledger, version: ledger.get("a", version),
    "get by label": lambda ledger, version: ledger.get("a@1.0", version),
    "search": lambda ledger, version: ledger.search(version=version),
    "save": lambda ledger, version: ledger.save(1, "b", version),
    "log_metadata": lambda ledger, version: ledger.log_metadata({"k": 1}, "a", version),
    "tag": lambda ledger, version: ledger.tag("a", ["new"], version),
    "tag what is pending": tag_pending,
    "tag by the name of what is pending": lambda ledger, version: tag_pending(ledger, version, by_name=True),
    "in a pipeline's body": lambda _, version: pipeline(body_with(version))(),
}


@pytest.mark.parametrize("call", TAKES_A_VERSION)
def test_a_version_is_an_int_or_a_str(held: Ledger, workdir: Path, call: str) -> None:
    """Nothing else stands for one, though its text would; nor does a number that no text has room for."""
    before = state(workdir, held)
    for given in (1.0, True, b"1", ["1"], 10**5000):
        with pytest.raises((ArgumentTypeError, InvalidVersionError)) as caught:
            TAKES_A_VERSION[call](held, given)
        assert str(caught.value).startswith(("a version is an int or a str, got ", "invalid version of an int: "))
        assert before == state(workdir, held)


@pytest.mark.parametrize("call", TAKES_A_SWITCH)
def test_a_switch_is_a_bool(held: Ledger, workdir: Path, call: str) -> None:
    """Nothing else counts as on or off: a text that says no would be on."""
    switch, name = TAKES_A_SWITCH[call]
    before = state(workdir, held)
    for given in ("no", None, 0):
        with pytest.raises(ArgumentTypeError) as caught:
            switch(held, given)
        assert f"{name} is True or False, got {type(given).__name__}: {given!r}" == str(caught.value)
        assert before == state(workdir, held)


@pytest.mark.parametrize(
    "call",
    [
        lambda ledger, array: ledger.runs(status=array),
        lambda _, array: log_artifact_metadata({}, "a", array),
        lambda _, array: log_artifact_metadata({}, "a", artifact_version=array),
    ],
)
def test_an_array_is_refused_as_any_other_type(held: Ledger, call: Call) -> None:
    """It says of each of its elements whether that is equal to something, which is no answer for the whole."""
    with pytest.raises(LedgerError, match=r"array\(\[1, 2\]\)"):
        call(held, np.array([1, 2]))
