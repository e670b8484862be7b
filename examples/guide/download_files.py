"""Get the files of a version as one zip, without building the value."""

import io
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
from sklearn.datasets import load_iris

from ledger import save_artifact
from ledger.client import Client

if __name__ == "__main__":
    frame = load_iris(as_frame=True).frame
    save_artifact(frame, name="iris_dataset")

    client = Client()
    artifact = client.get_artifact_version(name_id_or_prefix="iris_dataset")
    Path("path/to").mkdir(parents=True, exist_ok=True)
    artifact.download_files("path/to/save.zip", overwrite=True)

    with zipfile.ZipFile("path/to/save.zip") as archive:
        assert archive.testzip() is None
        tables = [name for name in archive.namelist() if name.endswith(".parquet")]
        assert pq.read_metadata(io.BytesIO(archive.read(tables[0]))).num_rows == len(frame)
        print(archive.namelist())
    for path, expected in (("path/to/save.tar", ValueError), ("path/to/save.zip", FileExistsError)):
        try:
            artifact.download_files(path)
        except expected as error:
            print(f"refused: {error}")
        else:
            raise AssertionError
