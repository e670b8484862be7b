"""Save a folder of files as one version, and take one file out of it again."""

import tempfile
from pathlib import Path

from ledger import load_artifact, save_artifact
from ledger.client import Client


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "notes"
        (folder / "2026").mkdir(parents=True)
        (folder / "readme.txt").write_text("what was tried, and what came of it\n")
        for day in range(1, 31):
            (folder / "2026" / f"{day:02d}.txt").write_text(f"day {day}: loss {1 / day:.3f}\n")
        version = save_artifact(folder, "notes")

    print(f"{version.name}@{version.version} has {len(version.files())} files, {version.size} bytes")
    with Client().get_artifact_version("notes").open("notes/2026/07.txt") as file:
        print(file.read().decode().strip())

    copy = load_artifact("notes")
    print("a fresh copy has", sorted(path.name for path in copy.iterdir()))


if __name__ == "__main__":
    main()
