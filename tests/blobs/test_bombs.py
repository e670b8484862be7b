"""Stored bytes that would fill the memory of whoever opens them."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from ledger.blobs import ContentReader, ContentWriter, LocalStore, check_objects, create_store
from ledger.blobs.chunks.codec import PLAIN_LIMIT, encode_frame
from ledger.blobs.stores.layout import chunk_key
from ledger.errors import IntegrityError
from ledger.ids import digest_of
from tests.kit.contents import noise
from tests.kit.s3 import Bucket

_PROGRAM = """
import sys
from pathlib import Path
import zstandard
from ledger.blobs import ContentReader, ContentWriter, create_store
from ledger.errors import IntegrityError

honest = zstandard.ZstdCompressor().compress(bytes(1 << 28))
parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=True)
compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj(size=1 << 28)
wide = b"".join([*(compressor.compress(bytes(1 << 20)) for _ in range(1 << 8)), compressor.flush()])
del compressor  # with its window of 128 MiB

for where, size in ("chunks", 40), ("packs", 20_000):
    store = create_store(f"{sys.argv[1]}/{where}")
    writer = ContentWriter(store)
    with writer.open("a") as file:
        file.write(bytes(range(251)) * size)
    content = writer.finish()
    [path] = (path for path in (store.root / where).rglob("*") if path.is_file())
    data = path.read_bytes()
    lying = honest.replace((1 << 28).to_bytes(4, "little"), content.size.to_bytes(4, "little"), 1)
    for frame in honest, wide, lying:
        path.write_bytes(frame + data[len(frame):] if where == "packs" else frame)
        Path("/proc/self/clear_refs").write_text("5")
        try:
            ContentReader(store, content, label="iris@3").read("a")
        except IntegrityError as error:
            print("refused", end=" ")
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        print(int(peak.split()[1]) < 150_000)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of the memory is read from /proc")
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path) -> None:
    """A frame of 256 MiB, with a wide window, or with a lie about its size, is an error that costs no memory."""
    run = [sys.executable, "-c", _PROGRAM, str(tmp_path)]
    result = subprocess.run(run, capture_output=True, text=True, check=True)
    assert ["refused True"] * 6 == result.stdout.splitlines()


def test_a_check_opens_no_bomb(store: LocalStore) -> None:
    """A chunk that says it is larger than any may be is damaged, though it is what its name says."""
    plain = bytes(PLAIN_LIMIT + 1)
    key = chunk_key(digest_of(plain))
    store.put(key, [encode_frame(plain)])
    [done] = check_objects(store, [key])
    assert done.fault is not None
    assert f"has {PLAIN_LIMIT + 1} bytes, over the limit of {PLAIN_LIMIT}" in done.fault.message


def test_a_bomb_is_gone_from_memory_with_its_error_there(bucket: Bucket) -> None:
    """A check keeps the errors of all it has found; a table is inflated once at a time, though it is read twice."""
    store, bomb = create_store(bucket.url), bytes(16 << 20)
    with (writer := ContentWriter(store)).open("a") as file:
        file.write(noise(200_000))
    content = writer.finish()
    [key] = (key for key in bucket.objects() if key.startswith("tables/"))
    bucket.plant(key, encode_frame(bomb))
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError) as caught:
            ContentReader(store, content, label="iris@3").read("a")
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "is damaged: not JSON" in str(caught.value)
    assert (True, True) == (held < len(bomb) // 4, peak < len(bomb) * 3 // 2)
