"""Shape and size of a table are logged by themselves, whether a pipeline saved it or not."""

from sklearn.datasets import load_iris

from ledger import save_artifact
from ledger.client import Client

if __name__ == "__main__":
    saved = save_artifact(load_iris(as_frame=True).frame, name="iris_dataset")

    # By id, in full or by its beginning.
    artifact = Client().get_artifact_version(str(saved.id))
    assert Client().get_artifact_version(str(saved.id)[:30]) == artifact

    assert artifact.run_metadata["storage_size"].value == artifact.size
    assert artifact.run_metadata["shape"].value == [150, 5]
    for key, entry in artifact.run_metadata.items():
        print(key, entry.value)
