"""What every test stands on: an environment of its own, and a ledger that is checked afterwards."""

import gc
import itertools
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ledger import Ledger
from tests.kit.faults import Proxy, proxy_before
from tests.kit.git import check_objects, run_git
from tests.kit.s3 import Bucket, new_bucket, running_server, s3_environment
from tests.kit.scripts import LIBRARIES_OF_EXAMPLES, ScriptServer, running_script_server

# How long an example takes says what else the machine does. The rest is Hypothesis's own profile, which is another one
# where CI is set: there the same examples are tried each time, and half as many.
settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=50 if "CI" in os.environ else 100,
)
settings.load_profile("any machine")

# A shell's background jobs ignore Ctrl-C, and so would every program that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

FOREIGN_VARIABLES = [name for name in os.environ if name.startswith(("GIT_", "AWS_"))]
FOREIGN_VARIABLES += ["LEDGER_DIR", "PYTHONUNBUFFERED", "SSL_CERT_DIR", "XDG_CONFIG_HOME"]
FOREIGN_VARIABLES += ["COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"]


def pytest_collection_finish() -> None:
    """What the collection made stays until the end: Python need not look through it for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders that are not there yet, one for each test; pytest's own are found by listing all before them."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_environment(homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the machine's user shows: no Git identity, no trust file, no cache, no cloud, no ledger of theirs.

    Programs that tests start buffer what they print, as Python does where nobody has told it otherwise. Nor do the
    user's terminal and umask show.
    """
    home = next(homes)
    home.mkdir()
    for name in FOREIGN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Ada")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "ada@example.com")
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that this process makes durable, in their order; one that is cleared goes on being filled."""
    found: list[str] = []
    really = os.fsync

    def note(descriptor: int) -> None:
        found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return found


@pytest.fixture
def fast_switches() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """An S3 server of this test process."""
    with running_server() as port:
        yield port


@pytest.fixture(scope="session")
def scripts() -> Iterator[ScriptServer]:
    """A server of this test process that runs scripts as users write them."""
    with running_script_server(*LIBRARIES_OF_EXAMPLES) as made:
        yield made


@pytest.fixture
def bucket(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket, and an environment that leads to it."""
    for name, value in s3_environment(s3_port).items():
        monkeypatch.setenv(name, value)
    return new_bucket(s3_port)


@pytest.fixture
def proxy(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy on the way to the bucket, under which all goes well until it is told otherwise."""
    with proxy_before(bucket.port) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{running.port}")
        yield running


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; a ledger made in it is checked afterwards."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield folder
    check_histories(folder)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger; its history is checked afterwards."""
    folder = tmp_path / "with-ledger"
    folder.mkdir()
    yield Ledger.init(folder / ".ledger")
    check_histories(folder)


def check_histories(folder: Path) -> None:
    """Every history below a folder is sound for Git, and its commits only ever added paths."""
    for git_dir in histories_below(folder):
        fsck = check_objects(git_dir)
        assert (0, "") == (fsck.returncode, fsck.stderr), fsck
        edits = run_git(git_dir, "log", "--oneline", "--diff-filter=MDRT", "--name-status", "main")
        assert (0, "") == (edits.returncode, edits.stdout), edits


def histories_below(folder: Path) -> Iterator[Path]:
    """The bare repositories of the ledgers below a folder."""
    for path, folders, _ in os.walk(folder):
        if "history.git" in folders:
            yield Path(path, "history.git")
        folders[:] = [name for name in folders if name not in {"history.git", "chunks"}]
