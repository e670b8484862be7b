"""Log metadata in the step that produces an artifact, and afterwards on a version that exists."""

from typing import Annotated

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.svm import SVC

from ledger import ArtifactConfig, log_artifact_metadata, step
from ledger.client import Client


@step
def model_finetuner_step(
    model: ClassifierMixin, dataset: tuple[np.ndarray, np.ndarray]
) -> Annotated[ClassifierMixin, ArtifactConfig(name="my_model", tags=["SVC", "trained"])]:
    model.fit(dataset[0], dataset[1])
    accuracy = model.score(dataset[0], dataset[1])
    log_artifact_metadata(
        artifact_name="my_model",  # may be left out, as the step has one output
        version=None,  # nothing or None is the version that the step produces
        metadata={"accuracy": float(accuracy)},
    )
    log_artifact_metadata(metadata={"metrics": {"accuracy": accuracy}})
    return model


if __name__ == "__main__":
    iris = load_iris()
    model_finetuner_step(SVC(), (iris.data, iris.target))
    trained = Client().get_artifact_version("my_model")
    accuracy = trained.run_metadata["accuracy"].value
    assert accuracy > 0.9
    assert trained.metadata["metrics"] == {"accuracy": accuracy}
    assert trained.tags == ("SVC", "trained")

    # Later, and from anywhere: groups grow key by key.
    log_artifact_metadata({"metrics": {"loss": 0.1}}, artifact_name="my_model", version=trained.version)
    assert Client().get_artifact_version("my_model").metadata["metrics"] == {"accuracy": accuracy, "loss": 0.1}
    print(Client().get_artifact_version("my_model").metadata["metrics"])
