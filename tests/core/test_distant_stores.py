"""Whole ledgers whose bytes are in a bucket, or behind a web server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest

from ledger import Ledger, step
from ledger.core.noted_stores import NOTED_STORES_FILE
from ledger.errors import (
    IntegrityError,
    LedgerError,
    StorageError,
    StoreAccessError,
    StoreMismatchError,
    StoreUnavailableError,
)
from ledger.lookup import write_remote
from tests.conftest import check_histories
from tests.kit.contents import noise
from tests.kit.faults import Fault, Proxy, on
from tests.kit.hubs import new_hub
from tests.kit.s3 import Bucket
from tests.kit.web import served


@pytest.fixture
def distant(tmp_path: Path, bucket: Bucket) -> Iterator[Ledger]:
    """A ledger whose bytes are in a bucket."""
    yield Ledger.init(tmp_path / "ada" / ".ledger", bucket.url)
    check_histories(tmp_path)


@step
def makes_noise() -> Annotated[bytes, "made"]:
    return noise(300_000)


@step
def counts() -> int:
    return 1


def sharing(folder: Path, bucket: Bucket) -> Ledger:
    """A ledger with its bytes at home, and a remote whose bytes are in the bucket."""
    made = Ledger.init(folder / "ada" / ".ledger")
    write_remote(made.path, "origin", str(new_hub(folder)), store=bucket.url)
    return Ledger.open(made.path)


def forget_cache() -> None:
    shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)


def test_values_live_in_a_bucket(distant: Ledger, bucket: Bucket) -> None:
    """Small and large values are saved, loaded and checked; nothing is in the ledger's own folder."""
    values = {"numbers": np.random.default_rng(0).random(200_000), "small": {"lr": 0.1}}
    for name, value in values.items():
        distant.save(value, name)
    forget_cache()
    again = Ledger.open(distant.path)
    assert values["small"] == again.load("small")
    assert np.array_equal(np.asarray(values["numbers"]), again.load("numbers"))
    assert again.verify().ok
    assert {"store.json", "chunks", "packs", "tables"} == {key.partition("/")[0] for key in bucket.objects()}
    assert not (distant.path / "store").exists()


def test_a_second_load_fetches_nothing_large(distant: Ledger, proxy: Proxy) -> None:
    """What was loaded once is read from the cache."""
    distant.save(noise(3_000_000), "data")
    forget_cache()
    first, second = Ledger.open(distant.path), Ledger.open(distant.path)
    before = proxy.count("GET", "/packs/")
    assert noise(3_000_000) == first.load("data")
    between = proxy.count("GET", "/packs/")
    assert noise(3_000_000) == second.load("data")
    assert (True, between) == (before < between, proxy.count("GET", "/packs/"))


def test_a_new_version_does_not_read_again_what_it_shares(distant: Ledger, proxy: Proxy) -> None:
    """Of a pack whose ETag is still that of the pages in the cache, only the index is read."""
    distant.save(noise(3_000_000), "data")
    before, told = proxy.count("GET", "/packs/"), proxy.count("HEAD", "/packs/")
    Ledger.open(distant.path).save(noise(3_000_000) + b"more", "data")
    assert (before + 2, told + 1) == (proxy.count("GET", "/packs/"), proxy.count("HEAD", "/packs/"))
    forget_cache()
    assert noise(3_000_000) + b"more" == Ledger.open(distant.path).load("data")


def test_the_table_of_equal_versions_is_fetched_once(distant: Ledger, proxy: Proxy) -> None:
    """A save looks at the newest two versions of its name; where they have one content, that is one request."""
    for _ in range(2):
        distant.save(noise(300_000), "data")
    opened = Ledger.open(distant.path)
    before = len(proxy.requests)
    opened.save(noise(300_000) + b"more", "data")
    asked = [each.path for each in proxy.requests[before:] if each.method == "GET" and "/tables/" in each.path]
    assert sorted(set(asked)) == sorted(asked)


def test_looking_after_equal_versions_asks_for_each_table_once(distant: Ledger, proxy: Proxy) -> None:
    """Whether everything is there, and how much it takes, is asked of a content, not of each version of it."""
    for _ in range(4):
        distant.save(noise(300_000), "data")
    for look in (lambda: Ledger.open(distant.path).verify(deep=False), lambda: Ledger.open(distant.path).usage()):
        before = len(proxy.requests)
        look()
        assert ["GET"] == [each.method for each in proxy.requests[before:] if "/folder/tables/" in each.path]


@pytest.mark.parametrize("is_known", [True, False])
def test_damage_is_healed_by_the_next_version_though_the_cache_is_good(
    distant: Ledger,
    bucket: Bucket,
    is_known: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    """A pack with another ETag than its pages in the cache, or with none, is read before a version relies on it."""
    distant.save(noise(3_000_000), "data")
    (pack,) = (key for key in bucket.objects() if key.startswith("packs/"))
    good = bucket.objects()[pack]
    bucket.plant(pack, bytes([good[0] ^ 1]) + good[1:])
    (etag,) = Path(os.environ["XDG_CACHE_HOME"]).rglob("*.etag")
    if not is_known:
        etag.unlink()
    with pytest.warns(UserWarning, match="a stored chunk is damaged and is written again"):
        Ledger.open(distant.path).save(noise(3_000_000) + b"more", "data")
    forget_cache()
    assert noise(3_000_000) + b"more" == Ledger.open(distant.path).load("data")


def test_the_cache_can_be_switched_off(distant: Ledger) -> None:
    """With a limit of 0 nothing is kept on this machine."""
    settings = distant.path / "config.toml"
    settings.write_text(f"cache_limit = 0\n{settings.read_text()}")
    forget_cache()
    Ledger.open(distant.path).save(noise(300_000), "data")
    assert not (Path(os.environ["XDG_CACHE_HOME"]) / "ledger").exists()


def test_damage_in_the_bucket_shows_behind_the_cache(distant: Ledger, bucket: Bucket) -> None:
    """`verify` looks at what the bucket holds, not at what this machine has kept of it."""
    distant.save(noise(300_000), "data")
    assert noise(300_000) == distant.load("data")
    for key, data in bucket.objects().items():
        if key.startswith("packs/"):
            bucket.plant(key, bytes(1000) + data[1000:])
    assert ["data@1"] == [problem.label for problem in Ledger.open(distant.path).verify().problems]
    forget_cache()
    with pytest.raises(IntegrityError, match="data@1"):
        Ledger.open(distant.path).load("data")


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is asked for again at once."""
    monkeypatch.setattr("ledger.blobs.stores.retrying._FIRST_PAUSE", 0.0)


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    "fault", [Fault("answer", 503, 503, "SlowDown"), Fault("lose-answer"), Fault("cut-request", 9)]
)
def test_a_save_outlives_a_fault(distant: Ledger, proxy: Proxy, fault: Fault) -> None:
    """Whatever request of a save fails once, the version is published, and its bytes are in the bucket."""
    for number in range(4):
        opened = Ledger.open(distant.path)
        before = len(proxy.requests)
        proxy.plan = on(fault, number)
        opened.save(noise(300_000, number), f"data-{number}")
        assert number < len(proxy.requests) - before
        proxy.plan = lambda _: None
        forget_cache()
        assert noise(300_000, number) == Ledger.open(distant.path).load(f"data-{number}")


def save_three(ledger: Ledger) -> None:
    for seed in range(3):
        ledger.save(noise(300_000, seed), "data")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("answer", status=403, code="AccessDenied"), StoreAccessError),
        (Fault("answer", status=404, code="NoSuchBucket"), StoreMismatchError),
    ],
)
@pytest.mark.parametrize("number", range(3))
def test_a_save_that_is_refused_publishes_nothing(
    distant: Ledger, proxy: Proxy, fault: Fault, kind: type[LedgerError], number: int
) -> None:
    """Whatever request is refused for good, no version appears, earlier ones stay, and the next save is whole."""
    distant.save("first", "data")
    opened = Ledger.open(distant.path)
    assert "first" == opened.load("data")
    before = len(proxy.requests)
    proxy.plan = lambda request: fault if request.number >= before + number else None
    with pytest.raises(kind):
        save_three(opened)
    proxy.plan = lambda _: None
    kept = [version.version for version in Ledger.open(distant.path).versions("data")]
    opened.save("after", "data")
    forget_cache()
    values = [version.load() for version in Ledger.open(distant.path).versions("data")]
    assert (len(kept) + 1, "first", "after") == (len(values), values[0], values[-1])


@pytest.mark.usefixtures("no_pauses")
def test_an_unavailable_store_is_an_error_with_a_name(distant: Ledger, proxy: Proxy) -> None:
    """A store that stays away fails the save with its own error, and the ledger is as it was."""
    opened = Ledger.open(distant.path)
    before = opened.revision
    assert opened.store.url
    proxy.plan = on(Fault("answer", status=503, code="SlowDown"))
    with pytest.raises(StoreUnavailableError, match="SlowDown"):
        opened.save("x", "data")
    assert before == Ledger.open(distant.path).revision


def test_a_transaction_whose_small_bytes_cannot_be_put_publishes_nothing(
    distant: Ledger, proxy: Proxy, bucket: Bucket
) -> None:
    """Small values wait for each other, and are durable before a commit names them: one that is refused stops all."""
    before, refused = distant.revision, distant.transaction()
    for number in range(3):
        refused.save(number, f"n/{number}")
    refused.save(noise(300_000), "large")
    assert "tables" not in {key.partition("/")[0] for key in bucket.objects()}
    proxy.plan = on(Fault("answer", status=403, code="AccessDenied"), 1, method="PUT")
    with pytest.raises(StoreAccessError):
        refused.commit()
    assert before == Ledger.open(distant.path).revision
    with distant.transaction() as transaction:
        for number in range(3):
            transaction.save(number, f"n/{number}")
        transaction.save(noise(300_000), "large")
    forget_cache()
    assert noise(300_000) == Ledger.open(distant.path).load("large")
    assert [0, 1, 2] == [Ledger.open(distant.path).load(f"n/{number}") for number in range(3)]


def test_an_output_that_cannot_be_put_names_its_step(
    distant: Ledger, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small output goes into the bucket when the step publishes, and the error says which step that was."""
    monkeypatch.setenv("LEDGER_DIR", str(distant.path))
    proxy.plan = on(Fault("answer", status=403, code="AccessDenied"), method="PUT")
    with pytest.raises(StoreAccessError) as caught:
        counts()
    assert "while 'run counts: counts' was published" == caught.value.__notes__[-1]


def test_a_new_bucket_gets_what_is_whole(tmp_path: Path, bucket: Bucket) -> None:
    """A damaged version that others have already keeps the rest from nothing when a remote's store is replaced."""
    ada = sharing(tmp_path, bucket)
    for value in (b"one", b"two", noise(400_000)):
        ada.save(value, "data")
    ada.sync()
    for key in bucket.objects():
        bucket.drop(key)
    (ada.path / NOTED_STORES_FILE).unlink()
    chunk = next(path for path in (ada.path / "store/chunks").rglob("*") if path.is_file())
    chunk.write_bytes(b"bad")
    with pytest.warns(UserWarning, match=r"^not put into s3://.*: data@[12]: "):
        Ledger.open(ada.path).sync()
    assert ["chunks", "packs", "store.json", "tables"] == sorted(key.partition("/")[0] for key in bucket.objects())


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.filterwarnings("ignore:going on without what lies in the store:UserWarning")
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("cut-request"), StoreUnavailableError),
        (Fault("answer", status=400, code="ExpiredToken"), StoreAccessError),
    ],
    ids=["offline", "expired"],
)
def test_a_clone_saves_while_its_remotes_store_is_away(
    tmp_path: Path, proxy: Proxy, bucket: Bucket, fault: Fault, kind: type[LedgerError]
) -> None:
    """Small, large and changed values go to the own store at once; what only the bucket has cannot be read."""
    ada = sharing(tmp_path, bucket)
    ada.save(noise(400_000), "data")
    ada.sync()
    bob = Ledger.clone(tmp_path / "hub.git", tmp_path / "bob" / ".ledger", bucket.url)
    forget_cache()
    proxy.plan = on(fault)
    for opened in (Ledger.open(ada.path), Ledger.open(bob.path)):
        before = len(proxy.requests)
        values = {"small": b"s", "large": noise(500_000, seed=1), "data": noise(400_000) + b"more"}
        for name, value in values.items():
            opened.save(value, name)
        assert values == {name: opened.load(name) for name in values}
        assert len(proxy.requests) <= before + 1
    with pytest.raises(kind):
        Ledger.open(bob.path).load("data", "1")


@pytest.mark.filterwarnings("ignore:going on without what lies in the store:UserWarning")
def test_a_step_runs_again_where_the_store_that_has_its_output_is_away(
    tmp_path: Path, proxy: Proxy, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An output that only a remote's store has is reused while that can be asked, and made anew while it cannot."""
    ada = sharing(tmp_path, bucket)
    monkeypatch.setenv("LEDGER_DIR", str(ada.path))
    makes_noise()
    ada.sync()
    bob = Ledger.clone(tmp_path / "hub.git", tmp_path / "bob" / ".ledger", bucket.url)
    monkeypatch.setenv("LEDGER_DIR", str(bob.path))
    makes_noise()
    forget_cache()
    proxy.plan = on(Fault("cut-request"))
    makes_noise()
    assert ["completed", "cached", "completed"] == [run.steps["makes_noise"].status for run in bob.runs()]
    assert ["1", "2"] == [version.version for version in bob.versions("made")]


def test_damage_in_a_remotes_store_is_told_where_it_is(tmp_path: Path, bucket: Bucket) -> None:
    """A version that a clone reads from the bucket has its place there, and so has what is wrong with it."""
    ada = sharing(tmp_path, bucket)
    ada.save(noise(300_000), "data")
    ada.sync()
    bob = Ledger.clone(tmp_path / "hub.git", tmp_path / "bob" / ".ledger", bucket.url)
    (pack,) = (key for key in bucket.objects() if key.startswith("packs/"))
    bucket.plant(pack, b"no pack")
    assert bob.get("data").uri.startswith(f"{bucket.url}/tables/")
    with pytest.raises(IntegrityError, match=pack) as caught:
        bob.load("data")
    assert f"{bucket.url}/{pack}" == caught.value.facts["location"]


def test_another_store_is_refused(distant: Ledger, bucket: Bucket) -> None:
    """A bucket whose store was replaced, or emptied, is not written to."""
    text = json.dumps({"format": 1, "id": "00000000-0000-4000-8000-000000000000"}, separators=(",", ":"))
    original = bucket.objects()["store.json"].decode()
    bucket.plant("store.json", original.replace(json.loads(original)["id"], json.loads(text)["id"]).encode())
    with pytest.raises(StoreMismatchError, match="has the id 00000000"):
        Ledger.open(distant.path).save("x", "data")
    bucket.remove()
    bucket.make()
    with pytest.raises(StoreMismatchError, match=r"store\.json is missing"):
        Ledger.open(distant.path).save("x", "data")


def test_two_ledgers_share_one_bucket(tmp_path: Path, bucket: Bucket) -> None:
    """Saved offline under one name, synced through a hub: both load everything, from the bucket."""
    hub = new_hub(tmp_path)
    ada = Ledger.init(tmp_path / "ada" / ".ledger")
    write_remote(ada.path, "origin", str(hub), store=bucket.url)
    ada.save(noise(300_000), "data")
    ada.sync()
    bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger", bucket.url)
    assert noise(300_000) == bob.load("data")
    bob.save(noise(300_000) + b"more", "data")
    ada.save(noise(300_000, 1), "data")
    for ledger in (ada, bob, ada):
        ledger.sync()
    forget_cache()
    expected = [noise(300_000), noise(300_000, 1), noise(300_000) + b"more"]
    for ledger in (ada, bob):
        assert expected == [version.load() for version in ledger.versions("data")]
    check_histories(tmp_path)


def test_registered_data_travels_to_a_bucket(tmp_path: Path, bucket: Bucket) -> None:
    """From a laptop's folder: it is read by a clone, and by one that has the bucket for its own, which shares it on."""
    ada = sharing(tmp_path, bucket)
    checkpoints = ada.path / "store" / "checkpoints"
    checkpoints.mkdir()
    for number in range(70):
        (checkpoints / f"{number}.pt").write_bytes(noise(1000, number))
    ada.register(checkpoints, "checkpoints")
    ada.sync()
    bob = Ledger.clone(tmp_path / "hub.git", tmp_path / "bob" / ".ledger", bucket.url)
    assert noise(1000, 69) == (bob.load("checkpoints") / "69.pt").read_bytes()
    assert (True, True) == (ada.verify().ok, bob.verify().ok)
    again = new_hub(tmp_path / "other")
    write_remote(bob.path, "folder", str(again))
    Ledger.open(bob.path).sync("folder")
    cid = Ledger.clone(again, tmp_path / "cid" / ".ledger")
    assert noise(1000, 69) == (cid.load("checkpoints") / "69.pt").read_bytes()
    check_histories(tmp_path)


def test_a_public_ledger_is_read_over_the_web(tmp_path: Path) -> None:
    """A clone reads the bytes of a remote's store behind a web server, and cannot put any there."""
    hub = new_hub(tmp_path)
    ada = Ledger.init(tmp_path / "ada" / ".ledger")
    write_remote(ada.path, "origin", str(hub))
    ada.save(noise(300_000), "data")
    ada.sync()
    with served(hub / "ledger-store") as url:
        bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger", url)
        assert noise(300_000) == bob.load("data")
        bob.save("mine", "note")
        with pytest.raises(LedgerError, match="can only be read"):
            bob.sync()
        assert "mine" == bob.load("note")


def test_registered_data_is_read_over_the_web(tmp_path: Path) -> None:
    """A server lists nothing: every file is found by its name and checked, and one that is missing is named."""
    hub = new_hub(tmp_path)
    ada = Ledger.init(tmp_path / "ada" / ".ledger")
    write_remote(ada.path, "origin", str(hub))
    raw = ada.path / "store" / "raw"
    (raw / "empty").mkdir(parents=True)
    for number in range(70):
        (raw / f"{number}.csv").write_text(f"{number}\n")
    ada.register(raw, "raw")
    ada.register(raw / "7.csv", "single")
    ada.sync()
    with served(hub / "ledger-store") as url:
        bob = Ledger.clone(hub, tmp_path / "bob" / ".ledger", url)
        loaded = bob.load("raw")
        assert ("69\n", True) == ((loaded / "69.csv").read_text(), (loaded / "empty").is_dir())
        assert ("7\n", True) == (bob.load("single").read_text(), bob.verify().ok)
        (hub / "ledger-store/raw/69.csv").unlink()
        with pytest.raises(IntegrityError, match=r"raw@1: the file '69\.csv' is missing"):
            bob.load("raw")
        assert not bob.verify().ok


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.filterwarnings("ignore:going on without what lies in the store:UserWarning")
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("answer", status=503, code="SlowDown"), StoreUnavailableError),
        (Fault("answer", status=403, code="AccessDenied"), StoreAccessError),
        (Fault("answer", status=301, code="PermanentRedirect"), StoreAccessError),
    ],
    ids=["away", "closed", "elsewhere"],
)
def test_a_store_out_of_reach_is_no_damage(
    tmp_path: Path, proxy: Proxy, bucket: Bucket, fault: Fault, kind: type[LedgerError]
) -> None:
    """What cannot be asked for was not judged: checking ends with the store's error, and calls nothing corrupt."""
    ada = sharing(tmp_path, bucket)
    ada.save(noise(300_000), "data")
    ada.sync()
    bob = Ledger.clone(tmp_path / "hub.git", tmp_path / "bob" / ".ledger", bucket.url)
    for deep in (True, False):
        proxy.plan = lambda _: None
        forget_cache()
        assert Ledger.open(bob.path).verify(deep=deep).ok
        proxy.plan = on(fault)
        with pytest.raises(kind):
            Ledger.open(bob.path).verify(deep=deep)


@pytest.mark.filterwarnings("ignore:going on without what lies in the store:UserWarning")
def test_a_remotes_bucket_that_is_gone_is_no_damage(tmp_path: Path, bucket: Bucket) -> None:
    """As an unmounted disk, it says nothing of what it held; what a clone has itself is saved and read without it."""
    ada = sharing(tmp_path, bucket)
    ada.save(noise(300_000), "data")
    ada.sync()
    bob = Ledger.clone(tmp_path / "hub.git", tmp_path / "bob" / ".ledger", bucket.url)
    bucket.remove()
    with pytest.raises(StoreUnavailableError, match=r"no artifact store at .* does not exist"):
        bob.load("data")
    with pytest.raises(StoreUnavailableError, match=r"no artifact store at .* does not exist"):
        bob.verify()
    bob.save("own", "iris")
    assert "own" == bob.load("iris")


def test_a_server_without_parts_is_no_damage(tmp_path: Path) -> None:
    """A web server that gives whole files only, as Python's own does, damages nothing by it."""
    ada = Ledger.init(tmp_path / "ada" / ".ledger")
    ada.save(noise(300_000), "data")
    with served(tmp_path / "ada" / ".ledger" / "store", parts=False) as url:
        with pytest.warns(UserWarning, match="what was cloned cannot be read yet: .* Range request not supported"):
            bob = Ledger.clone(ada.path, tmp_path / "bob" / ".ledger", url)
        with pytest.raises(StorageError, match="Range request not supported") as caught:
            bob.verify()
        with pytest.warns(UserWarning, match="data@1 is left out: cannot read"):
            bob.usage()
    assert "HTTP ranges" in caught.value.hint


def test_no_secret_is_written_down(distant: Ledger, proxy: Proxy, tmp_path: Path) -> None:
    """Neither ledger nor cache nor errors hold the credentials."""
    distant.save({"a": 1}, "data")
    proxy.plan = on(Fault("answer", status=403, code="SignatureDoesNotMatch"))
    with pytest.raises(StoreAccessError) as caught:
        Ledger.open(distant.path).load("data")
    written = [path for path in [*tmp_path.rglob("*"), *Path(os.environ["HOME"]).rglob("*")] if path.is_file()]
    assert [] == [path for path in written if b"canary-secret" in path.read_bytes()]
    assert "canary-secret" not in f"{caught.value} {caught.value.facts} {caught.value.__cause__!r}"


@pytest.mark.parametrize("seconds", [0.2, 0.5])
def test_a_killed_save_loses_nothing_that_was_acknowledged(distant: Ledger, bucket: Bucket, seconds: float) -> None:
    """A process killed while it saves leaves every acknowledged version, whole objects, and a ledger to go on with."""
    program = f"""
from ledger import Ledger
import os
ledger = Ledger.open({str(distant.path)!r})
print("ready", flush=True)
while True:
    print(ledger.save(os.urandom(3_000_000), "data").version, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        threading.Event().wait(seconds)
        process.send_signal(signal.SIGKILL)
        acknowledged = process.stdout.read().split()
    opened = Ledger.open(distant.path)
    forget_cache()
    saved = [version.version for version in opened.versions("data")] if acknowledged else []
    assert acknowledged == saved[: len(acknowledged)]
    assert (True, 0) == (opened.verify().ok, bucket.uploads())
    opened.save("after", "other")
