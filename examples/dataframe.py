"""Save a DataFrame twice: index, dtypes and names come back, and only the change is stored again."""

import numpy as np
import pandas as pd

from ledger import load_artifact, save_artifact
from ledger.client import Client


def main() -> None:
    hours = pd.date_range("2026-01-01", periods=50_000, freq="h", name="hour")
    readings = pd.DataFrame(
        {"sensor": pd.Categorical(["north", "south"] * 25_000), "value": np.sin(np.arange(50_000))}, hours
    )
    save_artifact(readings, "readings", tags=["raw"])

    corrected = readings.copy()
    corrected.iloc[20_000:20_010, 1] = 0.0
    version = save_artifact(corrected, "readings", tags=["corrected"], run_metadata={"reason": "sensor north was down"})

    loaded = load_artifact("readings")
    assert loaded.equals(corrected)
    assert (loaded.index.name, loaded.index.dtype) == (corrected.index.name, corrected.index.dtype)
    print(f"{version.name}@{version.version}: shape {version.metadata['shape']}, mean {version.metadata['mean']}")

    raw = Client().list_artifact_versions(name="readings", tag="raw")[-1]
    print(f"the raw one is {raw.name}@{raw.version}, saved {raw.created_at:%Y-%m-%d %H:%M} UTC by {raw.created_by}")


if __name__ == "__main__":
    main()
