"""Checkpoints written into the artifact store are linked as an artifact where they lie, and load as a path."""

import os
from pathlib import Path
from uuid import uuid4

import numpy as np

from ledger import load_artifact, register_artifact, step
from ledger.client import Client


def fit(folder: str, epochs: int) -> None:
    """Fit a line by gradient descent, keeping the weights of every epoch, as a deep learning framework would."""
    os.makedirs(folder)
    x = np.linspace(-1.0, 1.0, 50)
    weights = np.zeros(2)
    for epoch in range(epochs):
        error = weights[0] * x + weights[1] - (3 * x + 1)
        weights -= np.array([(error * x).mean(), error.mean()])
        np.save(os.path.join(folder, f"checkpoint-epoch={epoch:02d}.npy"), weights)


@step
def last_weights(checkpoints: Path) -> list[float]:
    last = max(checkpoints.iterdir())
    return [float(weight) for weight in np.load(last)]


if __name__ == "__main__":
    # Below the store, in a folder of its own for each training.
    prefix = Client().active_stack.artifact_store.path
    default_root_dir = os.path.join(prefix, uuid4().hex)
    try:
        fit(default_root_dir, epochs=40)
    finally:
        # Also when training breaks off: what was written until then is kept.
        version = register_artifact(default_root_dir, name="all_my_model_checkpoints")

    loaded = load_artifact("all_my_model_checkpoints")
    assert isinstance(loaded, Path)
    assert len(list(loaded.iterdir())) == 40
    assert version.data_type == "pathlib.Path"
    weights = last_weights(version)
    assert abs(weights[0] - 3) < 0.01
    print(f"{version.name}@{version.version}: {len(version.files())} files in {version.uri}, at last {weights}")
