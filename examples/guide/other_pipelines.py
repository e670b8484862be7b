"""An artifact of another pipeline is an input: looked up in the body, found and loaded when the step starts."""

from typing import Annotated
from uuid import UUID

import pandas as pd
from sklearn.datasets import load_iris

from ledger import ArtifactConfig, pipeline, step
from ledger.client import Client


@step
def automatic_loader() -> Annotated[pd.DataFrame, "shared_iris"]:
    return pd.DataFrame(load_iris().data)


@step
def raw_loader() -> Annotated[pd.DataFrame, ArtifactConfig(name="shared_iris", version="raw_2023")]:
    return pd.DataFrame(load_iris().data[:100])


@pipeline
def upstream_pipeline() -> None:
    raw_loader()
    automatic_loader(after="raw_loader")


@step
def trainer(dataset: pd.DataFrame) -> Annotated[int, "rows"]:
    return len(dataset)


@pipeline
def training_pipeline(dataset_id: str) -> None:
    client = Client()
    by_id = client.get_artifact_version(name_id_or_prefix=UUID(dataset_id))
    latest = client.get_artifact_version(name_id_or_prefix="shared_iris")
    by_version = client.get_artifact_version(name_id_or_prefix="shared_iris", version="raw_2023")
    trainer(dataset=by_id, id="by_id")
    trainer(dataset=latest, id="latest")
    trainer(dataset=by_version, id="by_version")


if __name__ == "__main__":
    made = upstream_pipeline()
    newest = made.steps["automatic_loader"].output
    run = training_pipeline(dataset_id=str(newest.id))
    assert run.steps["by_id"].inputs["dataset"] == run.steps["latest"].inputs["dataset"] == newest
    assert run.steps["by_version"].inputs["dataset"].version == "raw_2023"
    assert [step.output.load() for step in run.steps.values()] == [150, 150, 100]
    for name, done in run.steps.items():
        print(name, done.inputs["dataset"], done.output.load())
