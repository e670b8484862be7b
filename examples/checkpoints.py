"""Register checkpoints that a training loop wrote into the artifact store: linked in place, not copied.

Their files are hashed and listed, so a checkpoint that is changed afterwards is noticed when it is loaded.
"""

from pathlib import Path
from uuid import uuid4

import numpy as np

from ledger import load_artifact, register_artifact
from ledger.client import Client
from ledger.errors import IntegrityError


def train(folder: Path, epochs: int) -> None:
    """Fit a line by gradient descent, and write a checkpoint after every epoch."""
    folder.mkdir(parents=True)
    x = np.linspace(0, 1, 100)
    y = 3 * x + 1
    weights = np.zeros(2)
    for epoch in range(epochs):
        error = weights[0] * x + weights[1] - y
        weights -= 0.5 * np.array([(error * x).mean(), error.mean()])
        np.save(folder / f"checkpoint-{epoch:02d}.npy", weights)


def main() -> None:
    folder = Path(Client().active_stack.artifact_store.path) / uuid4().hex
    try:
        train(folder, epochs=20)
    finally:
        version = register_artifact(str(folder), name="all_my_model_checkpoints", run_metadata={"epochs": 20})

    checkpoints = load_artifact("all_my_model_checkpoints")
    last = max(checkpoints.iterdir())
    print(
        f"{version.name}@{version.version}: {len(version.files())} checkpoints, the last says {np.load(last).round(2)}"
    )

    first = folder / "checkpoint-00.npy"
    before = first.read_bytes()
    first.write_bytes(before[:-1] + b"\x00")
    try:
        load_artifact("all_my_model_checkpoints")
    except IntegrityError as error:
        print(f"a changed checkpoint is noticed: {error}")
    first.write_bytes(before)


if __name__ == "__main__":
    main()
