"""A sweep: one step trains for each setting, one compares what they gave, and a tag says which version is in use."""

from typing import Annotated
from uuid import UUID

from ledger import ArtifactConfig, get_step_context, log_artifact_metadata, pipeline, step
from ledger.client import Client

RATES = (0.1, 0.5, 2.0)


@step
def train(rate: float) -> Annotated[dict[str, float], ArtifactConfig(name="trial", tags=["sweep"])]:
    log_artifact_metadata({"rate": rate, "loss": (rate - 0.4) ** 2})
    return {"weight": 1 / rate}


@step(enable_cache=False)  # what it finds through its run is no input of it
def choose() -> Annotated[str, "chosen"]:
    run = Client().get_pipeline_run(get_step_context().run_id)
    best = min((trial.output for trial in run.steps.values()), key=lambda trial: trial.metadata["loss"])
    return str(best.id)


@pipeline
def sweep() -> None:
    choose(after=[train(rate) for rate in RATES])


if __name__ == "__main__":
    chosen = UUID(sweep().steps["choose"].output.load())
    Client().update_artifact_version(chosen, add_tags=["production"], exclusive=True)  # off all others of the name
    for trial in Client().list_artifact_versions(name="trial", tag="sweep"):
        print(trial.version, trial.metadata["rate"], round(trial.metadata["loss"], 4), trial.tags)
    (in_use,) = Client().list_artifact_versions(name="trial", tag="production")
    assert in_use.id == chosen
    assert in_use.metadata["rate"] == 0.5
