"""The commands by which the documents copy a store or tidy it, run as they stand: registered data is the user's."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ledger import Ledger
from ledger.lookup import write_remote
from tests.kit.s3 import Bucket

ROOT = Path(__file__).parents[1]
LEFT = "packs/tmp_0123456789abcdef"
NAMES = ("tmp_notes.csv", "tmp_0123456789abcdef", "my_tmp_x", "tmp_dir/x", "queue/x", "cache/x", "packs/tmp_y")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger with registered data whose names are those of temporary files and the like, and one that was left."""
    ledger = Ledger.init(tmp_path / ".ledger")
    ledger.save(bytes(range(256)) * 8, "saved")
    store = ledger.path / "store"
    for path in (*(store / "raw" / name for name in NAMES), store / LEFT):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
        os.utime(path, (10**9, 10**9))
    ledger.register(store / "raw", "raw")
    return ledger


def command_in(document: str, program: str) -> str:
    """The command of a document that has this program in it."""
    text = (ROOT / document).read_text(encoding="utf-8").replace("\\\n", "")
    shell = "".join(re.findall(r"(?ms)^ *```sh\n(.*?)^ *```", text)).splitlines()
    quoted: list[str] = re.findall(r"(?<=[ (])`([^`\n]+)`", text)
    [found] = {line for line in [*quoted, *shell] if program in line}
    return found


def run(command: str, folder: Path, **variables: str) -> None:
    subprocess.run(["sh", "-c", command], cwd=folder, env={**os.environ, **variables}, check=True)


@pytest.mark.skipif(not shutil.which("rsync") or not shutil.which("flock"), reason="needs rsync and flock")
@pytest.mark.parametrize("document", ["README.md", "specs/maintenance.md"])
def test_a_backup_has_all_registered_data(ledger: Ledger, tmp_path: Path, document: str) -> None:
    """A file of the user's may be called as a temporary one is; none of ours is copied."""
    (ledger.path / "fold.lock").touch()
    command = command_in(document, "rsync -a --delete").replace("/backup/", f"{tmp_path}/backup/")
    (tmp_path / "backup").mkdir()
    run(command, tmp_path)
    copy = Ledger.open(tmp_path / "backup" / ".ledger")
    assert (True, False) == (copy.verify().ok, (copy.path / "store" / LEFT).exists())


@pytest.mark.skipif(not shutil.which("rsync"), reason="needs rsync")
def test_a_clone_has_all_bytes_once_they_are_copied(ledger: Ledger, tmp_path: Path) -> None:
    """Those of the remote's store, registered data too, join what the clone saved, and no remote is needed then."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", tmp_path / "hub.git"], check=True)
    write_remote(ledger.path, "origin", str(tmp_path / "hub.git"))
    ledger.sync()
    clone = Ledger.clone(str(tmp_path / "hub.git"), tmp_path / "clone" / ".ledger")
    clone.save(b"saved here", "here")
    command = command_in("specs/sharing.md", "rsync -a --ignore-existing")
    run(command.replace("hub.git/", f"{tmp_path}/hub.git/"), tmp_path / "clone")
    (tmp_path / "hub.git").rename(tmp_path / "away.git")
    alone = Ledger.open(clone.path)
    assert (True, [b"saved here", bytes(range(256)) * 8]) == (alone.verify().ok, [*map(alone.load, ("here", "saved"))])


@pytest.mark.skipif(not shutil.which("aws"), reason="needs the command line of AWS")
def test_a_store_is_moved_with_all_registered_data(ledger: Ledger, bucket: Bucket, tmp_path: Path) -> None:
    """Likewise into a bucket, from which a ledger goes on."""
    command = command_in("specs/stores.md", "aws s3 cp --recursive").replace("s3://bucket/folder", bucket.url)
    run(command, tmp_path, AWS_DEFAULT_REGION="us-east-1")
    config = ledger.path / "config.toml"
    config.write_text(config.read_text().replace('store = "store"', f'store = "{bucket.url}"', 1))
    assert (True, False) == (Ledger.open(ledger.path).verify().ok, LEFT in bucket.objects())


@pytest.mark.skipif(os.name != "posix", reason="needs a find that deletes")
def test_what_syncs_left_goes_and_registered_data_stays(ledger: Ledger, tmp_path: Path) -> None:
    """In a remote's store, which others may have registered data in too."""
    (ledger.path / "store").rename(tmp_path / "ledger-store")
    run(f"{command_in('specs/sharing.md', 'find chunks')} || true", tmp_path)
    raw = tmp_path / "ledger-store" / "raw"
    assert set(NAMES) == {str(path.relative_to(raw)) for path in raw.rglob("*") if path.is_file()}
    assert not (tmp_path / "ledger-store" / LEFT).exists()
