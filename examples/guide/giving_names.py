"""Outputs of steps get names: their own through `Annotated`, else one made of pipeline, step and output."""

from typing import Annotated

import pandas as pd
from sklearn.datasets import load_iris

from ledger import pipeline, step
from ledger.client import Client


@step
def training_data_loader() -> Annotated[pd.DataFrame, "iris_dataset"]:
    frame: pd.DataFrame = load_iris(as_frame=True).frame
    return frame


@step
def count_rows(frame: pd.DataFrame) -> int:
    return len(frame)


@pipeline
def feature_engineering_pipeline() -> None:
    count_rows(training_data_loader())


if __name__ == "__main__":
    run = feature_engineering_pipeline()

    client = Client()
    iris = run.steps["training_data_loader"].output
    assert iris.name == "iris_dataset"
    assert client.get_artifact_version("iris_dataset", version=iris.version).load().shape == (150, 5)
    assert client.get_artifact_version("feature_engineering_pipeline::count_rows::output").load() == 150
    print([artifact.name for artifact in client.list_artifacts()])
