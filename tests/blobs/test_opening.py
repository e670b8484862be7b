"""From a URL to a store."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger.blobs import LocalStore, ObjectCache, create_store, open_store, store_id
from ledger.errors import ArgumentError, FormatError, StoreMismatchError


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}", "local://{}"])
def test_paths_are_local(tmp_path: Path, form: str) -> None:
    """A path and a file URL, by either name that fsspec has, are the same local store, where writes are durable."""
    store = open_store(form.format(tmp_path))
    assert (type(store), store.url) == (LocalStore, f"file://{tmp_path}")


@pytest.mark.parametrize("url", ["", "  ", "file://", "file://folder/store", "file://other.host/store"])
def test_a_url_of_no_place_is_refused(url: str) -> None:
    """A variable that is not set, or a path that is not absolute, does not make a store in the working directory."""
    with pytest.raises(ArgumentError, match=r"is empty|names no absolute path"):
        open_store(url)


@pytest.mark.parametrize(
    "url", ["s3://b/x ", " s3://b/x", "s3://b/x\n", "memory://x\t", "http://host/x ", "\u3000memory://x"]
)
def test_white_space_around_a_url_is_refused(url: str) -> None:
    """It is no part of a folder's name that anybody means, and the error shows it; a path is taken as it stands."""
    with pytest.raises(ArgumentError, match="begins or ends with white space") as caught:
        open_store(url)
    assert repr(url) in str(caught.value)
    assert "file:///x " == open_store("/x ").url == open_store("file:///x ").url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("memory://somewhere", "RetryingStore(FsspecStore('memory://somewhere'))"),
        ("s3://bucket/folder/", "CachedStore(RetryingStore(BucketStore('s3://bucket/folder')))"),
        ("gcs://bucket", "CachedStore(RetryingStore(BucketStore('gcs://bucket')))"),
        ("https://host/store", "ReadOnlyStore(CachedStore(RetryingStore(BucketStore('https://host/store'))))"),
    ],
)
def test_stores_are_composed_by_protocol(
    url: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not local is asked again and cached, what is on the web only read, memory not cached."""
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    assert expected == repr(open_store(url, cache=ObjectCache(tmp_path, 1 << 30)))


def test_without_a_cache_nothing_is_kept() -> None:
    """A distant store may be used without a cache."""
    assert "RetryingStore(BucketStore('gs://bucket'))" == repr(open_store("gs://bucket"))


def test_one_store_is_made(tmp_path: Path) -> None:
    """Processes that make a store in one folder at one moment end up with one, of one id."""
    program = """
import sys, time
from ledger.blobs import create_store, store_id
print("ready", flush=True)
for path in sys.stdin.read().split():
    print(store_id(create_store(path)), flush=True)
"""
    paths = "\n".join(str(tmp_path / f"store-{number}") for number in range(20))
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert "ready\n" == process.stdout.readline()
    with ThreadPoolExecutor(len(processes)) as pool:
        told = [answer.split() for answer, _ in pool.map(lambda process: process.communicate(paths), processes)]
    assert [20] * 4 == list(map(len, told))
    assert [1] * 20 == [len(set(ids)) for ids in zip(*told, strict=True)]
    assert [] == list(tmp_path.rglob("tmp_*"))


def test_a_store_that_is_there_keeps_its_id(tmp_path: Path) -> None:
    """Whoever would give a store another id does not, and what lies there is not damage."""
    store = create_store(str(tmp_path))
    first = store_id(store)
    store.put("store.json", [b"{}"])
    assert (first, first) == (store_id(store), store_id(create_store(str(tmp_path))))


@pytest.mark.parametrize("url", ["http://ada:secret@[::1/store", "a\0b"])
def test_what_is_neither_a_url_nor_a_path_is_refused(url: str) -> None:
    """What no library and no system takes, as foreign settings may hold it, is an error of ours, without passwords."""
    with pytest.raises(ArgumentError, match="the URL of a store") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "nonsense://bucket", "github://paper"])
def test_an_unknown_protocol_is_an_argument_error(url: str) -> None:
    """A URL that nobody understands, or that lacks what its protocol needs, is refused with a hint."""
    with pytest.raises(ArgumentError) as caught:
        open_store(url)
    assert "path" in caught.value.hint


def test_a_file_system_that_is_not_registered_is_told_where_it_would_be() -> None:
    """A program may have registered its own with fsspec by hand, which no other program sees."""
    with pytest.raises(ArgumentError, match="Protocol not known: nonsense") as caught:
        open_store("nonsense://bucket")
    assert "the entry point fsspec.specs" in caught.value.hint


def test_a_missing_library_is_named() -> None:
    """A protocol whose library is missing says which extra brings it."""
    program = """
import sys
sys.modules["obstore"] = None
from ledger.blobs import open_store
from ledger.errors import MissingDependencyError
try:
    open_store("s3://bucket/folder")
except MissingDependencyError as error:
    print(error.hint)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == 'pip install "ledger[s3]"\n'


def test_a_store_has_an_id_that_stays(tmp_path: Path) -> None:
    """Opening and creating again give the id of the first time."""
    first = store_id(create_store(str(tmp_path / "a")))
    assert store_id(create_store(str(tmp_path / "a"))) == store_id(open_store(str(tmp_path / "a"))) == first
    assert store_id(create_store(str(tmp_path / "b"))) != first


def test_an_empty_folder_is_no_store(tmp_path: Path) -> None:
    """A folder without store.json is noticed."""
    with pytest.raises(StoreMismatchError, match="no artifact store"):
        store_id(open_store(str(tmp_path)))


@pytest.mark.parametrize("text", ["", "{}", '{"format":1,"id":"x"}', '{\n  "format": 1,\n  "id": "x"\n}'])
def test_a_damaged_store_record_is_refused(tmp_path: Path, text: str) -> None:
    """Anything but the record of a store is a FormatError."""
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(FormatError):
        store_id(open_store(str(tmp_path)))


@pytest.mark.parametrize("bad", [b"", b'{"format":1,"id":"5ca1ab1e-0000-4000-8000-000000000000"}\n'])
def test_one_bad_transfer_is_no_other_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: bytes) -> None:
    """A store.json that comes altered is read once more before the store is called another one."""
    store = create_store(str(tmp_path))
    id = store_id(store)
    answers = [bad, store.get("store.json")]
    monkeypatch.setattr(LocalStore, "get", lambda *_: answers.pop(0))
    assert (id, []) == (store_id(store, expected=id), answers)


def test_a_store_record_without_end_is_not_read(tmp_path: Path) -> None:
    """Of an enormous store.json, which costs whoever made it nothing, only the beginning is read."""
    with (tmp_path / "store.json").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(FormatError, match="more than 4096 bytes"):
        store_id(open_store(str(tmp_path)))


def test_small_work_imports_no_heavy_library(tmp_path: Path) -> None:
    """Saving and loading a small file in a folder imports neither fsspec nor zstandard nor the chunker."""
    program = f"""
import sys
from ledger.blobs import ContentReader, ContentWriter, create_store
store = create_store({str(tmp_path)!r})
writer = ContentWriter(store)
with writer.open("a") as file:
    file.write(b"x" * 400)
assert ContentReader(store, writer.finish(), label="a@1").read("a") == b"x" * 400
print(*sorted({{"fsspec", "zstandard", "pyfastcdc", "numpy"}} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "\n"
