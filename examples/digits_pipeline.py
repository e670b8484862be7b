"""Finetune a model on scikit-learn's digits in a pipeline that keeps every version of data and model.

The first run makes the dataset and trains the untrained model on it; the second trains the latest model once more,
on an older version of the dataset. The ledger records which run made what from what. Run it again: the dataset is
served from the cache, and every training adds a version.
"""

from typing import Annotated

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from ledger import (
    ArtifactConfig,
    PipelineRun,
    load_artifact,
    log_artifact_metadata,
    pipeline,
    save_artifact,
    step,
)
from ledger.client import Client
from ledger.errors import VersionExistsError


@step
def versioned_data_loader_step() -> Annotated[
    tuple[np.ndarray, np.ndarray],
    ArtifactConfig(name="my_dataset", tags=["digits", "computer vision", "classification"]),
]:
    """Every image as one row of 64 pixels, and the digit that it shows."""
    digits = load_digits()
    return digits.images.reshape((len(digits.images), -1)), digits.target


@step
def model_finetuner_step(
    model: ClassifierMixin, dataset: tuple[np.ndarray, np.ndarray]
) -> Annotated[ClassifierMixin, ArtifactConfig(name="my_model", tags=["SVC", "trained"])]:
    """The model, trained on the dataset; its accuracy there is logged on the new version."""
    images, labels = dataset
    model.fit(images, labels)
    log_artifact_metadata(metadata={"accuracy": float(model.score(images, labels))})
    return model


@pipeline
def model_finetuning_pipeline(dataset_version: str | None = None, model_version: str | None = None) -> None:
    client = Client()
    if dataset_version:
        dataset = client.get_artifact_version(name_id_or_prefix="my_dataset", version=dataset_version)
    else:
        dataset = versioned_data_loader_step()
    # Without a version it is the latest model, whichever that is when the training starts.
    model = client.get_artifact_version(name_id_or_prefix="my_model", version=model_version)
    model_finetuner_step(model=model, dataset=dataset)


def show(run: PipelineRun) -> None:
    """Print what a run made from what."""
    print(f"run {run.id} {run.status}")
    for done in run.steps.values():
        taken = ", ".join(f"{each.name}@{each.version}" for each in done.inputs.values()) or "nothing"
        given = ", ".join(f"{each.name}@{each.version}" for each in done.outputs.values())
        print(f"  {done.name}: {done.status}, {given} from {taken}")


def main() -> None:
    try:
        save_artifact(SVC(gamma=0.001), name="my_model", version="1", tags=["SVC", "untrained"])
    except VersionExistsError:
        print("my_model@1 is there already: training goes on from the latest model")

    show(model_finetuning_pipeline())
    run = model_finetuning_pipeline(dataset_version="1")
    show(run)

    latest_trained_model = load_artifact("my_model")
    old_dataset = load_artifact("my_dataset", version="1")
    predicted = latest_trained_model.predict(old_dataset[0])
    trained = Client().get_artifact_version("my_model")
    right = int((predicted == old_dataset[1]).sum())
    print(f"my_model@{trained.version} knows {right} of {len(predicted)} digits: {trained.metadata['accuracy']:.3f}")

    print("look at it with:")
    print("  ledger run list")
    print(f"  ledger run show {run.id}")
    print("  ledger git log --oneline")


if __name__ == "__main__":
    main()
