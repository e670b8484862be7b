"""A ledger seen from outside: its bytes on disk, and records that plain Git planted in it."""

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from ledger import ArtifactVersion, Ledger, PipelineRun
from ledger.blobs import ContentWriter
from ledger.client import Client
from ledger.core.saving import Options, store_value
from ledger.records import FileEntry, content_digest, segments_of
from tests.kit.git import git_says, unpack


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def store_of(ledger: Ledger) -> Path:
    """The folder of the default store."""
    return ledger.path / "store"


def objects_of(ledger: Ledger, kind: str) -> list[Path]:
    """The objects of a kind in the default store, such as ``packs``."""
    return sorted(path for path in (store_of(ledger) / kind).rglob("*") if path.is_file())


def state_of(ledger: Ledger) -> tuple[str, dict[str, bytes], dict[str, bytes]]:
    """What was published, every byte of the store, and every object of the history."""
    return git(ledger, "rev-parse", "main"), files_below(store_of(ledger)), files_below(ledger.git_dir / "objects")


def values_of(ledger: Ledger) -> list[object]:
    """Every value that a ledger holds, to who opens it now."""
    fresh = Ledger.open(ledger.path)
    return [version.load() for artifact in fresh.artifacts() for version in artifact.versions]


def values_by_version(ledger: Ledger, name: str = "iris") -> dict[str, object]:
    """The value of every version of an artifact, by what the version is called."""
    return {version.version: version.load() for version in ledger.versions(name)}


def last_run() -> PipelineRun:
    """The newest run of the default ledger."""
    return Client().list_pipeline_runs()[-1]


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def git(ledger: Ledger, *arguments: str, data: bytes = b"", **environment: str) -> str:
    """What real Git prints about a ledger's history; ``environment`` goes on top of the process's."""
    return git_says(ledger.git_dir, *arguments, data=data, **environment)


def manifest_path(version: ArtifactVersion) -> str:
    """Where a version's manifest stands in the tree."""
    return "/".join((*version.claim.path, "version.json"))


def manifest_of(ledger: Ledger, version: ArtifactVersion) -> dict[str, Any]:
    """A version's manifest, as Git has it."""
    manifest: dict[str, Any] = json.loads(git(ledger, "show", f"main:{manifest_path(version)}"))
    return manifest


def plant(ledger: Ledger, files: dict[str, bytes]) -> None:
    """Publish files by plain Git, as somebody else's program might."""
    index = str(ledger.path / "planted-index")
    git(ledger, "read-tree", "main", GIT_INDEX_FILE=index)
    for path, data in files.items():
        blob = git(ledger, "hash-object", "-w", "--stdin", data=data)
        git(ledger, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", GIT_INDEX_FILE=index)
    tree = git(ledger, "write-tree", GIT_INDEX_FILE=index)
    committer = {"GIT_COMMITTER_NAME": "Eve", "GIT_COMMITTER_EMAIL": "eve@example.com"}
    commit = git(ledger, "commit-tree", tree, "-p", "main", "-m", "plant", data=b"", **committer)
    git(ledger, "update-ref", "refs/heads/main", commit)
    Path(index).unlink()


def forge(ledger: Ledger, model: ArtifactVersion, **changes: Any) -> str:
    """Plant a next version with the manifest of another but for some fields; returns its label."""
    id = str(uuid.uuid4())
    position = len(ledger.versions(model.name)) + 1
    manifest = {**manifest_of(ledger, model), "id": id, **changes}
    folder = "/".join(model.claim.path[:-1])
    claim = f"{position:08d}~{position}~{position}~{id.replace('-', '')}"
    plant(ledger, {f"{folder}/{claim}/version.json": canonical(manifest)})
    return f"{model.name}@{position}"


LIES = ["size", "files", "registered", "digest", "registered digest", "chunk"]
"""What `lie` may be about."""


def lie(ledger: Ledger, about: str, small: ArtifactVersion, large: ArtifactVersion) -> str:
    """Plant a version of what ``small`` is of that says something false of the bytes of sound ones; its label."""
    whole, summed_up = manifest_of(ledger, small)["content"], manifest_of(ledger, large)["content"]
    [[chunk, _]], [file] = whole["chunks"], whole["files"]
    content = {
        "size": {**summed_up, "size": 5},
        "files": {**summed_up, "file_count": 7},
        "registered": {**summed_up, "linked": "elsewhere"},
        "digest": {**whole, "digest": summed_up["digest"]},
        "registered digest": {**whole, "digest": summed_up["digest"], "linked": "elsewhere"},
        "chunk": {
            "chunks": [[chunk, 100]],
            "digest": content_digest([FileEntry(path=file["path"], size=100)], segments_of([(chunk, 100)])),
            "files": [{**file, "size": 100}],
            "size": 100,
        },
    }[about]
    return forge(ledger, small, content=content)


def canonical(record: dict[str, Any]) -> bytes:
    """The canonical bytes of a record."""
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False).encode()


def loose_object(ledger: Ledger, revision: str) -> tuple[str, Path]:
    """The id of an object and its own file, once all objects have one."""
    unpack(ledger.git_dir)
    id = git(ledger, "rev-parse", revision)
    return id, ledger.git_dir / "objects" / id[:2] / id[2:]


def waste(ledger: Ledger, value: object = "never published") -> None:
    """Put a value into the store that no version names, as a save leaves it that dies before it is published."""
    store_value(ContentWriter(ledger.workspace.store), value, Options())


def grow_old(ledger: Ledger, days: float = 15) -> None:
    """Let every file of the default store be so many days old."""
    then = time.time() - days * 86_400
    for path in store_of(ledger).rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def damage(path: Path) -> None:
    """Change a byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.chmod(0o644)
    path.write_bytes(data)


def damage_every_pack(ledger: Ledger) -> None:
    """Damage all packs of a ledger's history."""
    for pack in (ledger.git_dir / "objects" / "pack").glob("*.pack"):
        damage(pack)


def run_python(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program of its own, in a folder."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done
