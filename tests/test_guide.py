"""Statements of the reference guide that fail where they come from, kept here."""

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.svm import SVC

from ledger import load_artifact, log_artifact_metadata, save_artifact
from ledger.client import Client
from ledger.enums import ArtifactType

FRAME = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
pytestmark = pytest.mark.usefixtures("workdir")


def test_metadata_has_a_value() -> None:
    """`run_metadata["shape"].value` is the shape."""
    save_artifact(FRAME, "frame")
    assert [3, 2] == Client().get_artifact_version("frame").run_metadata["shape"].value


def test_metadata_is_logged_on_a_version() -> None:
    """`log_artifact_metadata(..., version=None)` exists, and means the latest."""
    save_artifact(1, "x")
    log_artifact_metadata({"a": 1}, artifact_name="x", version=None)
    assert 1 == Client().get_artifact_version("x").metadata["a"]


def test_load_artifact_is_short_for_the_clients_load() -> None:
    """`load_artifact(n)`, `get_artifact(n).load()` and `get_artifact_version(n).load()` are the same."""
    save_artifact("value", "x")
    client = Client()
    assert "value" == load_artifact("x") == client.get_artifact("x").load() == client.get_artifact_version("x").load()


@pytest.mark.parametrize("value", [FRAME, FRAME["a"], np.arange(6.0).reshape(2, 3)])
def test_tables_and_arrays_are_data_in_plain_python(value: pd.DataFrame) -> None:
    """A table or array saved outside any pipeline is no pickle, needs no trust, and brings shape and statistics."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saved = save_artifact(value, "x")
    assert ("data", ArtifactType.DATA) == (saved.trust_class, saved.type)
    assert {"shape", "dtype", "mean", "std", "min", "max", "storage_size"} <= saved.metadata.keys()
    assert list(value.shape) == saved.metadata["shape"]
    assert type(value) is type(saved.load())


@pytest.mark.parametrize(
    "value",
    [pd.Series(["a", "b"]), pd.Series(pd.to_datetime(["2020-01-01"])), np.zeros(0), np.array([["a", "b"], ["c", "a"]])],
    ids=["texts", "times", "empty", "table of texts"],
)
def test_what_has_no_mean_has_a_shape(value: pd.Series) -> None:
    """Statistics that do not exist cost neither a warning nor shape, dtype and size."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saved = save_artifact(value, "x")
    assert {"shape", "dtype", "storage_size"} <= saved.metadata.keys()
    assert list(value.shape) == saved.metadata["shape"]


def test_a_trained_model_is_a_model() -> None:
    """An estimator is of type MODEL without being told, and predicts the same when loaded."""
    model = SVC(gamma=0.001).fit(FRAME.to_numpy(), [0, 1, 1])
    saved = save_artifact(model, "my_model")
    assert ArtifactType.MODEL == saved.type
    assert model.predict(FRAME.to_numpy()).tolist() == load_artifact("my_model").predict(FRAME.to_numpy()).tolist()


def test_downloaded_files_are_whole(tmp_path: Path) -> None:
    """A file of more than 8 KiB comes out of the zip as it went in."""
    data = bytes(range(256)) * 100
    save_artifact(data, "x").download_files(str(tmp_path / "x.zip"))
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        [name] = archive.namelist()
        assert data == archive.read(name)


def test_a_frame_is_shown() -> None:
    """A frame brings a description that can be listed and shown."""
    saved = save_artifact(FRAME, "frame")
    assert any(path.endswith(".csv") for path in saved.visualizations)
    assert "mean" in saved.visualize()._repr_html_()
