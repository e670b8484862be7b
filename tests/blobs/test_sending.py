"""Packs that wait on this machine's disk, and go to a bucket in parts."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import BinaryIO

import pytest

from ledger.blobs import ContentWriter, create_store
from ledger.blobs.stores import buckets
from ledger.blobs.stores.buckets import BucketStore
from ledger.blobs.stores.retrying import RetryingStore
from ledger.errors import StorageError, StoreAccessError
from tests.kit.contents import add, load, noise, save
from tests.kit.faults import Fault, Proxy, Request, on
from tests.kit.s3 import Bucket
from tests.kit.waiting import wait_until

KEY = "packs/ab/" + "c" * 62
DATA = noise(13 << 20)


@pytest.fixture
def store(bucket: Bucket, proxy: Proxy) -> RetryingStore:
    """A store behind a proxy; asking again takes no time."""
    return RetryingStore(BucketStore(bucket.url, timeout=5), sleep=lambda _: None)


@pytest.fixture
def file() -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as made:
        made.write(DATA)
        yield made


def test_a_large_file_goes_up_in_parts(store: RetryingStore, proxy: Proxy, bucket: Bucket, file: BinaryIO) -> None:
    """Its object is there when all parts are, and no upload is left; a part has no more than 6 MiB."""
    store.put_file(KEY, file)
    assert ({KEY: DATA}, 0) == (bucket.objects(), bucket.uploads())
    told = store.etag(KEY, just_put=True)
    assert (1, 3, 2) == tuple(map(proxy.count, ("HEAD", "PUT", "POST")))
    assert told == store.etag(KEY)


def test_a_very_large_file_goes_up_in_larger_parts(
    store: RetryingStore, proxy: Proxy, bucket: Bucket, file: BinaryIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no more parts than a service takes of one object."""
    monkeypatch.setattr(buckets, "_MOST_PARTS", 2)
    store.put_file(KEY, file)
    assert ({KEY: DATA}, 2) == (bucket.objects(), proxy.count("PUT"))


def test_a_small_file_is_one_request(store: RetryingStore, proxy: Proxy, bucket: Bucket) -> None:
    """What fits into one request is created by one, only if it is not there."""
    with tempfile.TemporaryFile() as file:
        file.write(DATA[: 1 << 20])
        store.put_file(KEY, file)
    assert (["PUT"], {KEY: DATA[: 1 << 20]}) == ([each.method for each in proxy.requests], bucket.objects())


def test_what_is_there_is_compared(store: RetryingStore, proxy: Proxy, bucket: Bucket, file: BinaryIO) -> None:
    """An equal object stays as it is; one with other bytes is replaced, and that is said."""
    bucket.plant(KEY, DATA)
    store.put_file(KEY, file)
    assert (0, 0) == (proxy.count("PUT"), proxy.count("POST"))
    bucket.plant(KEY, DATA[:-1] + b"x")
    with pytest.warns(UserWarning, match=f"{KEY} held other bytes"):
        store.put_file(KEY, file)
    assert {KEY: DATA} == bucket.objects()


FAULTS = {
    "error 500": Fault("answer", status=500),
    "slow down": Fault("answer", status=503, code="SlowDown"),
    "reset at once": Fault("cut-request"),
    "reset in the body": Fault("cut-request", at=100_000),
    "answer lost": Fault("lose-answer"),
    "body altered": Fault("alter-request"),
}


# Only the bytes of a part are long enough to be cut, and only they go with their checksum.
@pytest.mark.parametrize(
    ("number", "name"),
    [(3, name) for name in FAULTS] + [(number, name) for number in (1, 5) for name in FAULTS if "body" not in name],
)
def test_a_file_goes_up_whatever_fails_once(
    store: RetryingStore, proxy: Proxy, bucket: Bucket, file: BinaryIO, number: int, name: str
) -> None:
    """A failure of the beginning, of a part or of the end is made good: the object is whole."""
    proxy.plan = on(FAULTS[name], number)
    store.put_file(KEY, file)
    assert {KEY: DATA} == bucket.objects()


def test_a_part_that_fails_is_sent_again_by_itself(
    store: RetryingStore, proxy: Proxy, bucket: Bucket, file: BinaryIO
) -> None:
    """A busy service costs the refused requests, not the upload: nothing is given up, and nothing begun is left."""
    proxy.plan = on(Fault("answer", status=503, code="SlowDown"), 1, 3, 7)
    store.put_file(KEY, file)
    assert ({KEY: DATA}, 0) == (bucket.objects(), bucket.uploads())
    assert (1, 0, 9) == (proxy.count("HEAD"), proxy.count("DELETE"), len(proxy.requests))


@pytest.mark.parametrize("number", range(1, 6))
def test_an_upload_that_fails_shows_nothing(bucket: Bucket, proxy: Proxy, file: BinaryIO, number: int) -> None:
    """Whatever request of an upload is refused, no object appears, and what was begun is given up."""
    store = RetryingStore(BucketStore(bucket.url, timeout=5), attempts=1)
    proxy.plan = on(Fault("answer", status=403, code="AccessDenied"), number)
    with pytest.raises(StoreAccessError, match=KEY):
        store.put_file(KEY, file)
    # While another part comes in this server may go on listing an upload that was given up, or have to be told twice.
    assert ({}, number > 1) == (bucket.objects(), proxy.count("DELETE") > 0)


def test_a_file_that_cannot_be_read_is_no_object(store: RetryingStore, proxy: Proxy, bucket: Bucket) -> None:
    """Where the bytes end with an error, nothing is published of those before it, and nobody tries again."""

    class Failing:
        """The beginning of a file on a disk that fails."""

        def __init__(self, file: BinaryIO) -> None:
            self._file = file
            self.fileno = file.fileno
            self.seek = file.seek

        def read(self, size: int) -> bytes:
            if self._file.tell() >= 10 << 20:
                raise OSError(5, "Input/output error")
            return self._file.read(size)

    with tempfile.TemporaryFile() as whole:
        whole.write(DATA)
        with pytest.raises(StorageError, match="Input/output error"):
            store.put_file(KEY, Failing(whole))  # type: ignore[arg-type]  # as much of a file as is asked for
    assert ({}, True) == (bucket.objects(), proxy.count("DELETE") > 0)


@pytest.mark.parametrize("seconds", [0.0, 0.4])
def test_a_killed_upload_shows_no_object(bucket: Bucket, seconds: float) -> None:
    """A process that is killed while it uploads leaves whole objects or none, and the next one puts them all."""
    program = f"""
import tempfile
from ledger.blobs.stores.buckets import BucketStore
store = BucketStore({bucket.url!r})
with tempfile.TemporaryFile() as file:
    file.write(bytes(13 << 20))
    print("ready", flush=True)
    for number in range(100):
        store.put_file(f"packs/ab/{{number:062x}}", file)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        threading.Event().wait(seconds)
        process.send_signal(signal.SIGKILL)
    assert {} == {key: len(data) for key, data in bucket.objects().items() if len(data) != 13 << 20}


@pytest.mark.parametrize("then", ["", "input()"])
def test_an_interrupted_upload_is_given_up(bucket: Bucket, proxy: Proxy, then: str) -> None:
    """Ctrl-C while parts go up leaves no upload without an end, whether the program ends then or goes on."""
    begun = threading.Event()

    def plan(request: Request) -> Fault | None:
        if "partNumber=2" in request.path:
            begun.set()
        return None

    program = f"""
import tempfile
from ledger.blobs.stores.buckets import BucketStore
store = BucketStore({bucket.url!r})
with tempfile.TemporaryFile() as file:
    file.write(bytes(60 << 20))
    try:
        store.put_file({KEY!r}, file)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
{then}
"""
    proxy.plan = plan
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert begun.wait(60), "a part"
        process.send_signal(signal.SIGINT)
        assert "interrupted\n" == process.stdout.readline()
        if then:
            wait_until(lambda: bucket.uploads() == 0)
        process.communicate("\n", timeout=60)
    assert (0, 0, {}) == (process.returncode, bucket.uploads(), bucket.objects())


def test_a_content_that_is_given_up_shows_nothing(bucket: Bucket) -> None:
    """What waited for its bucket goes with its writer."""
    writer = ContentWriter(create_store(bucket.url))
    add(writer, "a", DATA)
    writer.abort()
    assert (["store.json"], 0) == (list(bucket.objects()), bucket.uploads())


def test_a_large_content_comes_back(bucket: Bucket) -> None:
    """Contents of more than a part are read as they were saved, and saved once."""
    store = create_store(bucket.url)
    content = save(store, {"a": DATA})
    assert {"a": DATA} == load(store, content)
    before = bucket.objects()
    assert (content, before) == (save(store, {"a": DATA}), bucket.objects())


def test_no_room_for_temporary_files_is_named(bucket: Bucket) -> None:
    """Where packs cannot wait the save is a DiskFullError that names the folder; nothing is sent, and it goes later."""
    program = f"""
import os, resource
from ledger.blobs import ContentWriter, create_store
from ledger.errors import DiskFullError
store = create_store({bucket.url!r})
data = os.urandom(4 << 20)

def save():
    writer = ContentWriter(store)
    try:
        with writer.open("a") as file:
            file.write(data)
        return writer.finish()
    finally:
        writer.abort()

_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
try:
    save()
except DiskFullError as error:
    print(error)
print(list(store.list("")))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
print(save().size)
"""
    run = [sys.executable, "-c", program]
    told = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()
    assert f"cannot write a temporary file in {tempfile.gettempdir()}: " in told[0]
    assert ["['store.json']", str(4 << 20)] == told[1:]


def test_memory_holds_no_pack(bucket: Bucket) -> None:
    """Saving more than fits into a pack takes, on two cores, no more memory than a pack and a MiB for each thread."""
    program = f"""
import os
from pathlib import Path
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
from ledger.blobs import ContentWriter, create_store
from ledger.blobs.stores.workers import thread_count

def told(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

store = create_store({bucket.url!r})
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
before = told("VmRSS")
writer = ContentWriter(store)
with writer.open("a") as file:
    for _ in range(80):
        file.write(os.urandom(1 << 20))
writer.finish()
print(told("VmHWM") - before, (64 + thread_count()) << 10)
"""
    # What the C library keeps for each thread says how threads took turns.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "1"}
    run = [sys.executable, "-c", program]
    result = subprocess.run(run, env=environment, capture_output=True, text=True, check=True)
    taken, bound = map(int, re.findall(r"\d+", result.stdout))
    assert taken <= bound
