"""Train scikit-learn's SVC on its digits, and keep every version of data and model.

Plain Python, no pipeline: a dataset and an untrained model are saved, the model is trained and
saved again with tags and its accuracy, an older version is loaded and used, and the files of one
are downloaded. Run it again: every run adds versions, nothing is overwritten.
"""

from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.svm import SVC

from ledger import load_artifact, log_artifact_metadata, save_artifact
from ledger.client import Client


def main() -> None:
    digits = load_digits()
    images = digits.images.reshape((len(digits.images), -1))
    dataset = save_artifact((images, digits.target), "my_dataset", tags=["digits", "computer vision"])
    untrained = save_artifact(SVC(gamma=0.001), "my_model", tags=["SVC", "untrained"])

    # Train on what the ledger holds, not on what happens to be in memory.
    pixels, labels = load_artifact("my_dataset")
    model = load_artifact("my_model", version=untrained.version)
    model.fit(pixels[:1000], labels[:1000])
    trained = save_artifact(model, "my_model", tags=["SVC", "trained"])
    accuracy = model.score(pixels[1000:], labels[1000:])
    log_artifact_metadata({"metrics": {"accuracy": float(accuracy)}}, "my_model", version=trained.version)

    # An older version is as near as the newest one.
    first_model = load_artifact("my_model", version=untrained.version)
    assert not hasattr(first_model, "support_"), "that version is the untrained model, whatever was saved since"
    latest = load_artifact("my_model")
    assert (latest.predict(pixels[1000:]) == model.predict(pixels[1000:])).all()

    archive = Path("my_dataset.zip")
    Client().get_artifact_version("my_dataset").download_files(archive, overwrite=True)

    print(f"saved my_dataset@{dataset.version}, my_model@{untrained.version} and my_model@{trained.version}")
    print(f"accuracy of my_model@{trained.version}: {accuracy:.3f}")
    print(f"files of my_dataset@{dataset.version}: {archive} ({archive.stat().st_size} bytes)")
    for name in ("my_dataset", "my_model"):
        for version in Client().get_artifact(name).versions:
            tags = ", ".join(version.tags)
            print(f"  {version.name}@{version.version}  {version.type.value}  {version.size} bytes  {tags}")
    print("look at them with:")
    print("  ledger artifact version list")
    print("  ledger artifact version show my_model")
    print("  ledger git log --oneline")


if __name__ == "__main__":
    main()
