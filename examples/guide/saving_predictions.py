"""Plain Python saves and loads artifacts too: here, what a model says while it serves."""

from sklearn.datasets import load_iris
from sklearn.svm import SVC

from ledger import load_artifact, save_artifact
from ledger.client import Client

if __name__ == "__main__":
    iris = load_iris()
    save_artifact(SVC().fit(iris.data, iris.target), name="iris_model")

    # Elsewhere, later: fetch the latest model and keep what it predicts.
    model = load_artifact("iris_model")
    prediction = model.predict([[1, 1, 1, 1]])
    saved = save_artifact(prediction, name="iris_predictions")

    # Three ways to the latest version.
    client = Client()
    assert client.get_artifact_version("iris_predictions") == saved
    assert load_artifact("iris_predictions").tolist() == prediction.tolist()
    assert client.get_artifact("iris_predictions").load().tolist() == prediction.tolist()
    assert client.get_artifact_version("iris_predictions").load().tolist() == prediction.tolist()
    assert client.get_artifact_version("iris_model").type.value == "ModelArtifact"
    print(saved, prediction)
