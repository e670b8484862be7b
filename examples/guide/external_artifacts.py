"""A value from outside the pipeline is saved when the run starts; the step that takes it always runs."""

import numpy as np

from ledger import ExternalArtifact, pipeline, step
from ledger.client import Client


@step
def print_data(data: np.ndarray) -> None:
    print(data)


@pipeline
def printing_pipeline() -> None:
    data = ExternalArtifact(value=np.array([0]))
    print_data(data=data)


if __name__ == "__main__":
    for _ in range(2):
        run = printing_pipeline()
        assert run.steps["print_data"].status == "completed"
    taken = run.steps["print_data"].inputs["data"]
    assert taken.save_type == "external"
    assert taken.load().tolist() == [0]
    print([f"{version.name}@{version.version}" for version in Client().list_artifact_versions()])
