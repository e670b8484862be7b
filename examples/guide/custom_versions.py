"""Versions count 1, 2, 3 by themselves; `ArtifactConfig` gives one a word, which can be taken only once."""

from pathlib import Path
from typing import Annotated

import pandas as pd
from sklearn.datasets import load_iris

from ledger import ArtifactConfig, pipeline, step
from ledger.client import Client
from ledger.errors import EntityExistsError


@step
def automatic_loader() -> Annotated[pd.DataFrame, "iris_dataset"]:
    return pd.DataFrame(load_iris().data)


@step
def training_data_loader() -> Annotated[pd.DataFrame, ArtifactConfig(name="iris_dataset", version="raw_2023")]:
    return pd.DataFrame(load_iris().data)


@pipeline
def automatic_pipeline() -> None:
    automatic_loader()


@pipeline
def release_pipeline() -> None:
    training_data_loader()


CONFIGURATION = """
steps:
  training_data_loader:
    outputs:
      iris_dataset:
        artifact_config:
          version: raw_2024
          tags: [release]
"""

if __name__ == "__main__":
    for _ in range(2):
        automatic_pipeline.with_options(enable_cache=False)()
    first = release_pipeline()
    print([each.version for each in Client().get_artifact("iris_dataset").versions])

    # The same step again gives the version that is there; made anew it is refused, as the word is taken.
    again = release_pipeline()
    made, served = (run.steps["training_data_loader"] for run in (first, again))
    assert (served.status, served.output) == ("cached", made.output)
    try:
        release_pipeline.with_options(enable_cache=False)()
    except EntityExistsError as error:
        print(f"refused: {error}")
    else:
        raise AssertionError

    # The next release needs no change of the code.
    Path("release.yaml").write_text(CONFIGURATION)
    release_pipeline.with_options(config_path="release.yaml")()
    release = Client().get_artifact_version("iris_dataset", version="raw_2024")
    assert release.tags == ("release",)
    print([each.version for each in Client().get_artifact("iris_dataset").versions])
