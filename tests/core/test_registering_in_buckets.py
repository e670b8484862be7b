"""`register_artifact` in a bucket: objects are linked where they lie, over real S3 protocol, and watched."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from ledger import ArtifactVersion, Ledger
from ledger.blobs.stores.store import FETCH_SIZE
from ledger.errors import IntegrityError, OutsideStoreError, StorageError, StoreAccessError
from ledger.ids import digest_of
from tests.conftest import check_histories
from tests.kit.contents import noise
from tests.kit.faults import Fault, Proxy, Request, on
from tests.kit.s3 import Bucket

OBJECTS = {"a.csv": b"a,b\n1,2\n", "sub/b.bin": noise(100_000), "sub/empty": b""}


@pytest.fixture
def ledger(tmp_path: Path, bucket: Bucket) -> Iterator[Ledger]:
    """A ledger whose store is in a bucket, with data of the user's own beside the store's objects."""
    for path, data in OBJECTS.items():
        bucket.plant(f"raw/{path}", data)
    bucket.plant("raw-too/c.csv", b"another folder, of a name that begins alike")
    yield Ledger.init(tmp_path / ".ledger", bucket.url)
    check_histories(tmp_path)


@pytest.fixture
def registered(ledger: Ledger, bucket: Bucket) -> ArtifactVersion:
    """That data, registered."""
    return ledger.register(f"{bucket.url}/raw", "raw")


def test_objects_are_linked_not_copied(ledger: Ledger, bucket: Bucket) -> None:
    """Registering lists each object with its size and checksum, and puts none."""
    before = bucket.objects()
    saved = ledger.register(f"{bucket.url}/raw", "raw", tags=["t"])
    assert before == bucket.objects()
    assert {path: (len(data), digest_of(data)) for path, data in OBJECTS.items()} == {
        file.path: (file.size, file.digest) for file in saved.files()
    }
    assert (f"{bucket.url}/raw", "preexisting", 100_008) == (saved.uri, saved.save_type, saved.size)


def test_they_are_found_in_the_list(ledger: Ledger, registered: ArtifactVersion) -> None:
    """A ledger that is opened anew lists the version with its place, and finds nothing wrong."""
    again = Ledger.open(ledger.path)
    assert [(registered.id, registered.uri)] == [(version.id, version.uri) for version in again.versions("raw")]
    assert (["raw"], True) == ([artifact.name for artifact in again.artifacts()], again.verify().ok)


def test_loading_gives_a_checked_copy(ledger: Ledger, registered: ArtifactVersion) -> None:
    """What loads is a local folder with every object, byte for byte; one object is a file to seek in."""
    loaded = Ledger.open(ledger.path).load("raw")
    assert OBJECTS == {path: (loaded / path).read_bytes() for path in OBJECTS}
    with registered.open("sub/b.bin") as file:
        file.seek(99_990)
        assert OBJECTS["sub/b.bin"][99_990:] == file.read()


def test_one_object_can_be_registered(ledger: Ledger, bucket: Bucket) -> None:
    """A single object is a file under its own name."""
    loaded = ledger.register(f"{bucket.url}/raw/a.csv", "file").load()
    assert ("a.csv", OBJECTS["a.csv"]) == (loaded.name, loaded.read_bytes())


def test_an_object_that_changes_while_it_is_hashed_is_not_registered(
    ledger: Ledger, bucket: Bucket, proxy: Proxy
) -> None:
    """One that is replaced between two of the requests that read it would be a version that nobody can load."""
    bucket.plant("raw/large", noise(FETCH_SIZE + 1))
    read: list[Request] = []

    def replace_once(request: Request) -> None:
        if request.method == "GET" and request.path.endswith("/raw/large"):
            read.append(request)
            if len(read) == 2:
                bucket.plant("raw/large", bytes(FETCH_SIZE + 1))

    proxy.plan = replace_once
    with pytest.raises(StorageError, match="raw/large changed while it was read"):
        ledger.register(f"{bucket.url}/raw", "raw")
    assert [] == ledger.artifacts()
    assert bytes(FETCH_SIZE + 1) == (ledger.register(f"{bucket.url}/raw", "raw").load() / "large").read_bytes()


def test_one_of_many_is_opened_without_a_listing(ledger: Ledger, bucket: Bucket, proxy: Proxy) -> None:
    """What it costs to open an object does not grow with how many were registered with it."""
    for number in range(80):
        bucket.plant(f"many/{number:02}", b"" if number % 2 else b"x")
    opened = Ledger.open(ledger.path)
    saved = opened.register(f"{bucket.url}/many", "many")
    before = len(proxy.requests)
    with saved.open("42") as file:
        assert b"x" == file.read()
    asked = proxy.requests[before:]
    assert [] == [request for request in asked if "list-type" in request.path or request.method == "HEAD"]
    assert len(asked) <= 6


def test_a_large_object_is_hashed_in_ranges(ledger: Ledger, bucket: Bucket, proxy: Proxy) -> None:
    """An object of more than one request has the checksum of all its bytes, and comes back whole."""
    data = noise(FETCH_SIZE + 1)
    bucket.plant("large/data.bin", data)
    saved = Ledger.open(ledger.path).register(f"{bucket.url}/large/data.bin", "large")
    assert [digest_of(data)] == [file.digest for file in saved.files()]
    assert 2 <= proxy.count("GET", "large/data.bin")
    assert data == saved.load().read_bytes()


def test_many_objects_are_listed_in_a_table(ledger: Ledger, bucket: Bucket) -> None:
    """A folder of more objects than a manifest lists is watched object by object as well."""
    for number in range(70):
        bucket.plant(f"many/{number:02}", b"x")
    saved = ledger.register(f"{bucket.url}/many", "many")
    assert (70, 1) == (len(saved.files()), sum(key.startswith("tables/") for key in bucket.objects()))
    bucket.plant("many/66", b"y")
    with pytest.raises(IntegrityError, match=r"'66' has 1 byte, sha256:.*, expected 1 byte, sha256:"):
        saved.load()


CHANGES: dict[str, tuple[Callable[[Bucket], None], str]] = {
    "changed": (lambda bucket: bucket.plant("raw/a.csv", b"a,b\n1,3\n"), "'a.csv' has 8 bytes, sha256:"),
    "longer": (lambda bucket: bucket.plant("raw/a.csv", b"a,b\n1,2\n3,4\n"), "'a.csv' has 9 bytes"),
    "shorter": (lambda bucket: bucket.plant("raw/sub/b.bin", b""), "'sub/b.bin' has 0 bytes"),
    "vanished": (lambda bucket: bucket.drop("raw/sub/b.bin"), "'sub/b.bin' is missing"),
    "added": (lambda bucket: bucket.plant("raw/new.csv", b"1"), "'new.csv' was added"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_named(ledger: Ledger, registered: ArtifactVersion, bucket: Bucket, what: str) -> None:
    """An object that was changed, vanished or was added is named on load and by `verify`; the hint says what to do."""
    change, said = CHANGES[what]
    change(bucket)
    opened = Ledger.open(ledger.path)
    with pytest.raises(IntegrityError, match="raw@1") as caught:
        opened.load("raw")
    assert (True, True) == (said in str(caught.value), "register it again" in caught.value.hint)
    (problem,) = opened.verify().problems
    assert ("raw@1", True) == (problem.label, said in str(problem))


def test_registered_again_it_is_another_version(ledger: Ledger, registered: ArtifactVersion, bucket: Bucket) -> None:
    """After a change the new version loads, and the old one still says that its bytes are gone."""
    bucket.plant("raw/a.csv", b"new")
    again = ledger.register(f"{bucket.url}/raw", "raw")
    assert ("2", b"new") == (again.version, (again.load() / "a.csv").read_bytes())
    with pytest.raises(IntegrityError, match="raw@1"):
        registered.load()


def test_changed_bytes_are_not_handed_out(registered: ArtifactVersion, bucket: Bucket, tmp_path: Path) -> None:
    """Opening and restoring a changed object fail, and nothing appears; the others can be opened."""
    bucket.plant("raw/a.csv", b"a,b\n1,3\n")
    for read in (lambda: registered.open("a.csv"), lambda: registered.restore(tmp_path / "out")):
        with pytest.raises(IntegrityError, match=r"'a\.csv'"):
            read()
    assert not (tmp_path / "out").exists()
    with registered.open("sub/b.bin") as file:
        assert OBJECTS["sub/b.bin"] == file.read()


def test_a_cache_never_stands_in_for_an_object(ledger: Ledger, registered: ArtifactVersion, bucket: Bucket) -> None:
    """What was loaded once is looked at again in the bucket, and nothing of it is kept on this machine."""
    registered.load()
    kept = Path(os.environ["XDG_CACHE_HOME"])
    assert [] == [
        path for path in kept.rglob("*") if path.is_file() and OBJECTS["sub/b.bin"][:100] in path.read_bytes()
    ]
    shutil.rmtree(kept, ignore_errors=True)
    bucket.drop("raw/a.csv")
    with pytest.raises(IntegrityError, match=r"'a\.csv' is missing"):
        registered.load()


@pytest.mark.parametrize(
    "fault", [Fault("answer", status=503, code="SlowDown"), Fault("cut-answer", at=3), Fault("cut-request")], ids=str
)
def test_it_is_registered_whatever_fails_once(
    ledger: Ledger, bucket: Bucket, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """A request that fails once is made again: checksums are those of the objects."""
    monkeypatch.setattr("ledger.blobs.stores.retrying._FIRST_PAUSE", 0.0)
    for number in range(5):
        opened = Ledger.open(ledger.path)
        assert bucket.url == opened.store.url
        before = len(proxy.requests)
        proxy.plan = on(fault, number)
        saved = opened.register(f"{bucket.url}/raw", f"raw-{number}")
        assert number < len(proxy.requests) - before
        assert {path: digest_of(data) for path, data in OBJECTS.items()} == {
            file.path: file.digest for file in saved.files()
        }


ODD = ["a#1", "a?v=2", "a%20b", "a+b &c", "é/☃", "a::b", "'\"*|<"]


@pytest.mark.parametrize("name", ODD)
def test_a_url_is_taken_as_it_stands(ledger: Ledger, bucket: Bucket, name: str) -> None:
    """Nothing in it is decoded or left out: the object with exactly that key is registered, and the folder too."""
    bucket.plant("odd/a", b"another one")
    bucket.plant(f"odd/{quote(name)}/{quote(name)}", name.encode())
    one = ledger.register(f"{bucket.url}/odd/{name}/{name}", "one")
    folder = ledger.register(f"{bucket.url}/odd/{name}", "folder")
    assert f"{bucket.url}/odd/{name}" == folder.uri
    assert [name.encode()] * 2 == [one.load().read_bytes(), (folder.load() / name).read_bytes()]


def test_a_folder_with_one_object_of_its_name(ledger: Ledger, bucket: Bucket) -> None:
    """Loads as a folder, as it does from a disk."""
    bucket.plant("models/model/model", b"weights")
    loaded = ledger.register(f"{bucket.url}/models/model", "folder").load()
    assert b"weights" == (loaded / "model").read_bytes()


def test_a_key_that_no_request_can_name_is_refused(ledger: Ledger, bucket: Bucket, proxy: Proxy) -> None:
    """A control character is not passed over, and nobody asks again and again."""
    bucket.plant("raw/ab", b"another one")
    opened = Ledger.open(ledger.path)
    assert bucket.url == opened.store.url
    before = len(proxy.requests)
    with pytest.raises(StorageError, match="Could not parse path") as caught:
        opened.register(f"{bucket.url}/raw/a\x7fb", "raw")
    assert (0, True) == (len(proxy.requests) - before, "control characters" in caught.value.hint)
    with pytest.raises(StorageError, match="Could not parse path"):
        opened.register(f"{bucket.url}/raw/a\nb", "raw")


def test_objects_that_no_folder_can_hold_are_refused(ledger: Ledger, bucket: Bucket) -> None:
    """One object whose key is the beginning of another's: such a version could never be read."""
    bucket.plant("raw/sub", b"beside sub/b.bin")
    with pytest.raises(OutsideStoreError, match=r"'sub/b\.bin' lies below 'sub'"):
        ledger.register(f"{bucket.url}/raw", "raw")
    assert [] == list(ledger.artifacts())


def test_an_object_whose_key_ends_in_a_slash_is_named(ledger: Ledger, bucket: Bucket) -> None:
    """Where it holds something it is no mark of a folder, and no library can ask for it."""
    bucket.plant("raw/marked/", b"not empty")
    with pytest.raises(StorageError, match=r"raw/marked: it was listed and cannot be read") as caught:
        ledger.register(f"{bucket.url}/raw", "raw")
    assert "ends in a slash" in caught.value.hint


def test_an_object_that_goes_meanwhile_is_named(ledger: Ledger, bucket: Bucket, proxy: Proxy) -> None:
    """Listed, and deleted before it was read: an error of ours, and no version."""
    opened = Ledger.open(ledger.path)
    assert bucket.url == opened.store.url
    proxy.plan = lambda request: Fault("answer", status=404, code="NoSuchKey") if "b.bin" in request.path else None
    with pytest.raises(StorageError, match=r"sub/b\.bin: it was listed"):
        opened.register(f"{bucket.url}/raw", "raw")


def test_a_folder_that_moves_to_a_bucket_loads_there(tmp_path: Path, bucket: Bucket) -> None:
    """A store in a folder, put into a bucket by any program: executable bits and empty folders are not lost."""
    made = Ledger.init(tmp_path / "home" / ".ledger")
    root = made.path / "store"
    (root / "raw/empty").mkdir(parents=True)
    (root / "raw/run.sh").write_text("#!/bin/sh\n")
    (root / "raw/run.sh").chmod(0o755)
    made.register(root / "raw", "raw")
    made.save(noise(300_000), "data")
    for path in root.rglob("*"):
        if path.is_file():
            bucket.plant(str(path.relative_to(root)), path.read_bytes())
    settings = made.path / "config.toml"
    settings.write_text(settings.read_text().replace('store = "store"', f'store = "{bucket.url}"'))
    shutil.rmtree(root)
    moved = Ledger.open(made.path)
    loaded = moved.load("raw")
    assert (True, True) == (os.access(loaded / "run.sh", os.X_OK), (loaded / "empty").is_dir())
    assert (True, noise(300_000)) == (moved.verify().ok, moved.load("data"))


def test_what_is_refused_registers_nothing(ledger: Ledger, bucket: Bucket, proxy: Proxy) -> None:
    """Without the right to read an object no version appears, and the error names it."""
    opened = Ledger.open(ledger.path)
    before = opened.revision
    assert bucket.url == opened.store.url
    proxy.plan = lambda request: Fault("answer", status=403, code="AccessDenied") if "b.bin" in request.path else None
    with pytest.raises(StoreAccessError, match=r"sub/b\.bin"):
        opened.register(f"{bucket.url}/raw", "raw")
    assert before == Ledger.open(ledger.path).revision


def test_objects_elsewhere_are_refused(ledger: Ledger, bucket: Bucket, tmp_path: Path) -> None:
    """Another bucket, beside the store, nothing at all, a local folder, the root and the store's own objects."""
    ledger.save(1, "x")
    beside = bucket.url.removesuffix("/folder")
    for place in (
        f"{bucket.url}x/raw",
        f"{beside}/raw",
        "s3://elsewhere/raw",
        f"{bucket.url}/ra",
        tmp_path,
        bucket.url,
        f"{bucket.url}/chunks",
        f"{bucket.url}/store.json",
    ):
        with pytest.raises(OutsideStoreError):
            ledger.register(place, "raw")


def test_the_ledger_holds_no_byte_and_no_secret(ledger: Ledger, registered: ArtifactVersion) -> None:
    """The history says where the objects are, and holds neither their bytes nor any credentials."""
    assert f"{ledger.store.url}/raw" == registered.uri
    written = b"".join(path.read_bytes() for path in ledger.path.rglob("*") if path.is_file())
    assert (False, False) == (b"canary-secret" in written, OBJECTS["sub/b.bin"][:64] in written)
