"""The store is readable with zstd and coreutils (specs/format.md, 7)."""

import hashlib
import shutil
import subprocess

import pytest

from ledger.blobs import LocalStore
from tests.kit.contents import noise, save

pytestmark = pytest.mark.skipif(shutil.which("zstd") is None, reason="needs the zstd program")

_PACK = """
set -eu
length=$(tail -c 32 "$1" | cut -d ' ' -f 3 | sed 's/^0*//')
tail -c $((length + 32)) "$1" | head -c "$length" > "$2"
sha256sum < "$2" | cut -d ' ' -f 1
offset=0
while read -r digest codec plain size; do
  tail -c +$((offset + 1)) "$1" | head -c "$size" | zstd -dcf | sha256sum | cut -d ' ' -f 1
  offset=$((offset + size))
done < "$2"
"""


def run(program: str, *arguments: str) -> list[str]:
    result = subprocess.run(["sh", "-c", program, "sh", *arguments], capture_output=True, text=True, check=True)
    return result.stdout.split()


@pytest.mark.parametrize("data", [b"plain", bytes(90_000), b"\x28\xb5\x2f\xfd magic", b"\x1f\x8b gzip"])
def test_a_small_chunk_is_read_by_zstd(store: LocalStore, data: bytes) -> None:
    """`zstd -dcf` gives the bytes whose SHA-256 is the object's name."""
    save(store, {"a": data})
    (key,) = store.list("chunks")
    digest = run('zstd -dcf "$1" | sha256sum', str(store.root / key))[0]
    assert digest == hashlib.sha256(data).hexdigest() == "".join(key.split("/")[1:])


def test_a_pack_is_read_by_coreutils(store: LocalStore) -> None:
    """tail, head and zstd give every chunk of a pack, and the name is the SHA-256 of the index."""
    save(store, {"a": noise(150_000), "b": b"text that shrinks\n" * 20_000})
    (key,) = store.list("packs")
    name, *digests = run(_PACK, str(store.root / key), str(store.root / "index"))
    named = [line.split()[0] for line in (store.root / "index").read_text().splitlines()]
    assert (name, digests) == ("".join(key.split("/")[1:]), named)


def test_a_table_is_read_by_zstd(store: LocalStore) -> None:
    """`zstd -dc` gives a table's JSON."""
    content = save(store, {"a": noise(300_000)})
    (key,) = store.list("tables")
    text = subprocess.run(["zstd", "-dcf", str(store.root / key)], capture_output=True, check=True).stdout.decode()
    assert text.startswith(f'{{"digest":"{content.digest}","files":[{{"path":"a","size":300000}}]')
