"""What a ledger in a bucket costs, as ratios to AWS's own program on the same server, in the same run.

    python tests/benchmarks/s3.py [--quick] [--aws PROGRAM]

The server runs in a process of its own on this machine, so nothing waits for a network: what is measured is the work of
each side and of the server, which is the same for both. Every round starts a process for the thing and one for its
reference, in turns; medians of their times, and the peak of the memory of each by the system's account.
``--quick`` takes 256 MiB and 5,000 files where 1 GiB and 20,000 files are usual.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ledger import Ledger
from ledger.blobs.stores.buckets import BucketStore
from tests.kit.s3 import Bucket, new_bucket, running_server, s3_environment

ROUNDS = 3
MIB = 1 << 20
PART = 64 * MIB
SMALL = 4096
SAMPLE = 1000  # files that are put one by one; the time of all is extrapolated


class Cost(NamedTuple):
    """What a process took: seconds, and the peak of its memory in MiB."""

    seconds: float
    peak: float


def run(*words: str) -> Cost:
    """Run a program to its end."""
    began = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    assert process.returncode == 0, words
    return Cost(seconds, usage.ru_maxrss / 1024)


def ours(what: str, *words: str | Path) -> Cost:
    """One of the functions below in a process of its own."""
    return run(sys.executable, "-m", "tests.benchmarks.s3", what, *map(str, words))


def save(ledger: str, path: str) -> None:
    Ledger.open(ledger).save(Path(path), "data", extract_metadata=False, include_visualizations=False)


def get(ledger: str, path: str) -> None:
    Ledger.open(ledger).get("data").restore(path)


def put_each(url: str, path: str) -> None:
    """Put files as objects, one request for each, eight at once."""
    store = BucketStore(url)
    files = sorted(Path(path).iterdir())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda file: store.put(f"single/{file.name}", [file.read_bytes()]), files))


def nothing() -> None:
    """Start and import, for comparison."""


def forget_cache() -> None:
    shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)


def report(title: str, target: str, measured: list[Cost], reference: list[Cost], times: float = 1.0) -> None:
    mine, other = (statistics.median(cost.seconds for cost in costs) for costs in (measured, reference))
    other *= times
    peaks = [max(cost.peak for cost in costs) for costs in (measured, reference)]
    print(
        f"{title}: {mine:.2f} s, reference {other:.2f} s: {mine / other:.2f} x ({target}); "
        f"peak {peaks[0]:.0f} MiB, reference {peaks[1]:.0f} MiB",
        flush=True,
    )


def rounds(thing: Callable[[], Cost], reference: Callable[[], Cost]) -> tuple[list[Cost], list[Cost]]:
    pairs = [(thing(), reference()) for _ in range(ROUNDS)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def one_large_file(folder: Path, port: int, aws: str, size: int) -> None:
    """A file up and down, beside ``aws s3 cp`` of it, and of its bytes in files of the size of our packs.

    The second is the fairer one for what comes down: this server reads a whole object for every part that is asked for.
    """
    source, target, parts = folder / "source.bin", folder / "target.bin", folder / "parts"
    parts.mkdir()
    with open(source, "wb") as file:
        for number in range(size // PART):
            with open(parts / f"{number}.bin", "wb") as part:
                for _ in range(PART // MIB):
                    data = os.urandom(MIB)
                    file.write(data)
                    part.write(data)
    bucket = new_bucket(port)
    copy = f"s3://{new_bucket(port).name}"
    program = (aws, "--endpoint-url", os.environ["AWS_ENDPOINT_URL"], "s3", "cp", "--quiet")

    def up() -> Cost:
        nonlocal bucket
        bucket = renewed(bucket, port, folder)
        return ours("save", folder / "ledger", source)

    def down() -> Cost:
        target.unlink(missing_ok=True)
        return ours("get", folder / "ledger", target)

    def cold() -> Cost:
        forget_cache()
        return down()

    def aws_down() -> Cost:
        target.unlink(missing_ok=True)
        return run(*program, f"{copy}/one.bin", str(target))

    def aws_parts_down() -> Cost:
        shutil.rmtree(folder / "down", ignore_errors=True)
        return run(*program, "--recursive", f"{copy}/parts", str(folder / "down"))

    one, many = "aws s3 cp, at most 1.5", "aws s3 cp --recursive of 64 MiB files, at most 1.5"
    title = f"{size // MIB} MiB"
    report(f"{title} up", one, *rounds(up, lambda: run(*program, str(source), f"{copy}/one.bin")))
    report(f"{title} up", many, *rounds(up, lambda: run(*program, "--recursive", str(parts), f"{copy}/parts")))
    report(f"{title} down", one, *rounds(cold, aws_down))
    report(f"{title} down", many, *rounds(cold, aws_parts_down))
    report(f"{title} from the cache", many, *rounds(down, aws_parts_down))


def renewed(bucket: Bucket, port: int, folder: Path) -> Bucket:
    """A new ledger in a new bucket; the old one is emptied, so that the server holds one at a time."""
    shutil.rmtree(folder / "ledger", ignore_errors=True)
    forget_cache()
    bucket.remove()
    made = new_bucket(port)
    Ledger.init(folder / "ledger", made.url)
    return made


def many_small_files(folder: Path, port: int, aws: str, count: int) -> None:
    """A folder of small files up, beside one object for each of them: by AWS's program, and by requests of our own."""
    source = folder / "small"
    for number in range(count):
        path = source / f"{number % 100:02}" / f"{number:06}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(SMALL))
    sample = folder / "sample"
    sample.mkdir()
    for path in sorted(source.rglob("*.bin"))[:SAMPLE]:
        shutil.copy(path, sample)
    bucket = new_bucket(port)

    def up() -> Cost:
        nonlocal bucket
        bucket = renewed(bucket, port, folder)
        return ours("save", folder / "ledger", source)

    def by_aws() -> Cost:
        words = (aws, "--endpoint-url", os.environ["AWS_ENDPOINT_URL"], "s3", "cp", "--quiet", "--recursive")
        return run(*words, str(sample), f"s3://{new_bucket(port).name}/copy")

    def by_requests() -> Cost:
        cost, start = ours("put_each", new_bucket(port).url, sample), ours("nothing")
        return Cost(cost.seconds - start.seconds, cost.peak)

    title, times = f"{count} files of 4 KB up", count / SAMPLE
    report(title, "aws s3 cp --recursive, at most 0.05", *rounds(up, by_aws), times=times)
    report(title, "eight requests at once", *rounds(up, by_requests), times=times)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="a quarter of all sizes")
    parser.add_argument("--aws", default=shutil.which("aws") or "aws", metavar="PROGRAM", help="the reference")
    arguments = parser.parse_args()
    is_quick, aws = arguments.quick, arguments.aws
    with tempfile.TemporaryDirectory() as name, running_server() as port:
        folder = Path(name)
        os.environ.update(s3_environment(port), XDG_CACHE_HOME=str(folder / "cache"), AWS_EC2_METADATA_DISABLED="true")
        for case in (
            partial(one_large_file, folder, port, aws, (256 if is_quick else 1024) * MIB),
            partial(many_small_files, folder, port, aws, 5_000 if is_quick else 20_000),
        ):
            case()


WORK = {function.__name__: function for function in (save, get, put_each, nothing)}

if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in WORK:
        WORK[sys.argv[1]](*sys.argv[2:])
    else:
        main()
