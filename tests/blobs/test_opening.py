"""From a URL to a store."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ledger.blobs import FsspecStore, LocalStore, create_store, open_store, store_id
from ledger.errors import ArgumentError, FormatError, MissingDependencyError, StoreMismatchError


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_paths_are_local(tmp_path: Path, form: str) -> None:
    """A path and a file URL are the same local store."""
    store = open_store(form.format(tmp_path))
    assert (type(store), store.url) == (LocalStore, f"file://{tmp_path}")


def test_other_urls_are_fsspecs() -> None:
    """Any other URL is opened by fsspec."""
    assert isinstance(open_store("memory://somewhere"), FsspecStore)


@pytest.mark.parametrize("url", ["", "nonsense://bucket"])
def test_an_unknown_protocol_is_an_argument_error(url: str) -> None:
    """A URL that nobody understands is refused with a hint."""
    with pytest.raises(ArgumentError) as caught:
        open_store(url)
    assert "path" in caught.value.hint


@pytest.mark.skipif(find_spec("adlfs") is not None, reason="the library is installed")
def test_a_missing_library_is_named() -> None:
    """A protocol whose library is missing says which extra brings it."""
    with pytest.raises(MissingDependencyError) as caught:
        open_store("abfs://container@account/folder")
    assert caught.value.hint == 'pip install "ledger[az]"'


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


def test_small_work_imports_no_heavy_library(tmp_path: Path) -> None:
    """Saving and loading a small file in a folder imports neither fsspec nor zstandard nor the chunker."""
    program = f"""
import sys
from ledger.blobs import ContentReader, ContentWriter, create_store
store = create_store({str(tmp_path)!r})
writer = ContentWriter(store)
writer.add_bytes("a", b"x" * 400)
assert ContentReader(store, writer.finish(), label="a@1").read("a") == b"x" * 400
print(*sorted({{"fsspec", "zstandard", "pyfastcdc", "numpy"}} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "\n"
