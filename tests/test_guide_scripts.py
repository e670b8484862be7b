"""Every code block of the guide to artifacts, as a script of its own, does what the guide says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.client import Client
from tests.kit.ledgers import git
from tests.kit.scripts import EXAMPLES, ScriptServer

SCRIPTS = sorted((EXAMPLES / "guide").glob("*.py"))


def ledger_command(*arguments: str) -> str:
    """What the command line prints in the working directory."""
    command = [sys.executable, "-m", "ledger", *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.usefixtures("workdir")
def test_a_block_of_the_guide_runs_and_runs_again(path: Path, scripts: ScriptServer) -> None:
    """The script's own asserts hold in an empty folder and beside what its first run left; the ledger is sound."""
    assert scripts.run(path, times=2)


@pytest.mark.usefixtures("workdir")
def test_the_blocks_run_one_after_another_in_one_folder(scripts: ScriptServer) -> None:
    """What some left under names that others use too is in nobody's way, as where all are tried in one clone."""
    for name in ("logging_metadata", "custom_versions", "giving_names", "other_pipelines", "artifact_types"):
        scripts.run(EXAMPLES / "guide" / f"{name}.py")


@pytest.mark.usefixtures("workdir")
def test_the_full_example_makes_what_the_guide_describes(scripts: ScriptServer) -> None:
    """One dataset, an untrained model and two trained ones; two runs; one commit for each step that publishes."""
    output = scripts.run(EXAMPLES / "digits_pipeline.py")
    client = Client()
    assert {"my_dataset": ["1"], "my_model": ["1", "2", "3"]} == {
        artifact.name: [version.version for version in artifact.versions] for artifact in client.list_artifacts()
    }
    untrained, first, second = client.get_artifact("my_model").versions
    assert [("SVC", "untrained"), ("SVC", "trained"), ("SVC", "trained")] == [
        version.tags for version in (untrained, first, second)
    ]
    (dataset,) = client.get_artifact("my_dataset").versions
    assert ("classification", "computer vision", "digits") == dataset.tags
    assert {("ModelArtifact", "restricted")} == {(each.type.value, each.trust_class) for each in (untrained, first)}
    assert "accuracy" not in untrained.metadata
    assert first.metadata["accuracy"] > 0.99

    one, two = client.list_pipeline_runs("model_finetuning_pipeline")
    assert ["versioned_data_loader_step", "model_finetuner_step"] == list(one.steps)
    assert ["model_finetuner_step"] == list(two.steps)
    assert {"completed"} == {each.status for run in (one, two) for each in run.steps.values()}
    assert {"model": untrained, "dataset": dataset} == one.steps["model_finetuner_step"].inputs
    assert {"model": first, "dataset": dataset} == two.steps["model_finetuner_step"].inputs
    assert (one, two, None) == (first.run, second.run, untrained.run)
    assert {"dataset_version": "1", "model_version": None} == two.parameters

    latest = client.get_artifact_version("my_model")
    assert second == latest
    images, labels = dataset.load()
    assert ((1797, 64), (1797,)) == (images.shape, labels.shape)
    assert (latest.load().predict(images) == labels).mean() > 0.99
    assert not hasattr(untrained.load(), "support_")

    assert [
        "run model_finetuning_pipeline: model_finetuner_step: save my_model@3",
        "run model_finetuning_pipeline: model_finetuner_step: save my_model@2",
        "run model_finetuning_pipeline: versioned_data_loader_step: save my_dataset@1",
        "save my_model@1",
        "start a ledger",
    ] == git(Ledger.open(), "log", "--format=%s").splitlines()
    assert "my_model@3 knows 17" in output

    # The commands that the example names work.
    commands = [line.split()[1:] for line in output.splitlines() if line.startswith("  ledger ")]
    assert [["run", "list"], ["run", "show", str(two.id)], ["git", "log", "--oneline"]] == commands
    assert all(ledger_command(*command) for command in commands)
    assert [str(one.id), str(two.id)] == [run["id"] for run in json.loads(ledger_command("run", "list", "--json"))]
    assert scripts.run(EXAMPLES / "digits_pipeline.py")
