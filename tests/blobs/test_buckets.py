"""Stores in buckets, over real S3 protocol, and what they do when it fails."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.blobs import ContentReader, create_store, open_store, store_id
from ledger.blobs.stores import buckets
from ledger.blobs.stores.buckets import BucketStore
from ledger.blobs.stores.endpoints import open_bucket
from ledger.blobs.stores.retrying import RetryingStore
from ledger.errors import (
    ArgumentError,
    IntegrityError,
    LedgerError,
    StorageError,
    StoreAccessError,
    StoreMismatchError,
    StoreUnavailableError,
)
from tests.kit.contents import load, noise, save
from tests.kit.faults import Fault, Kind, Proxy, Request, on
from tests.kit.s3 import Bucket
from tests.kit.stores import KEY, OTHER_KEY, StoreContract, put_at_once
from tests.kit.web import served


class TestBucketStore(StoreContract):
    """A bucket keeps objects."""

    @pytest.fixture
    def store(self, bucket: Bucket) -> BucketStore:
        return BucketStore(bucket.url)


@pytest.fixture
def store(bucket: Bucket, proxy: Proxy) -> RetryingStore:
    """A store behind a proxy; asking again takes no time."""
    return RetryingStore(BucketStore(bucket.url, timeout=5), sleep=lambda _: None)


def test_an_object_is_made_by_one_request(store: RetryingStore, proxy: Proxy, bucket: Bucket) -> None:
    """A put is one request, whatever the size, and leaves no upload that is neither completed nor aborted."""
    store.put(KEY, [noise(1 << 20)] * 9)
    assert (["PUT"], 0) == ([request.method for request in proxy.requests], bucket.uploads())


def test_what_is_there_is_compared(store: RetryingStore, bucket: Bucket) -> None:
    """An object with other bytes under its key is replaced, and that is said."""
    bucket.plant(KEY, b"expectee")
    with pytest.warns(UserWarning, match=f"{KEY} held other bytes"):
        store.put(KEY, [b"expec", b"ted"])
    assert {KEY: b"expected"} == bucket.objects()


def test_what_was_compared_is_remembered(store: RetryingStore, proxy: Proxy, bucket: Bucket) -> None:
    """An object is compared once per process; the same bytes again ask nothing."""
    bucket.plant(KEY, b"expected")
    for _ in range(3):
        store.put(KEY, [b"expected"])
    assert ["PUT", "GET"] == [request.method for request in proxy.requests]


def test_an_object_with_other_bytes_has_another_etag(store: RetryingStore, bucket: Bucket) -> None:
    """The tag stays while the object does, is another one for other bytes, and there is none for nothing."""
    store.put(KEY, [b"one"])
    told, tag = store.etag(KEY, just_put=True), store.etag(KEY)
    assert (False, tag, tag) == (tag is None, told, store.etag(KEY))
    assert store.etag(OTHER_KEY, just_put=True) is None
    bucket.plant(KEY, b"two")
    assert (False, None) == (tag == store.etag(KEY), store.etag(OTHER_KEY))


@pytest.mark.parametrize("kind", ["weaken-etag", "omit-etag"])
def test_a_tag_that_may_stay_while_bytes_change_is_none(store: RetryingStore, proxy: Proxy, kind: Kind) -> None:
    """A service that tells a weak tag promises less than a store does; nor does every service tell one."""
    proxy.plan = lambda _: Fault(kind)
    store.put(KEY, [b"bytes"])
    assert (None, None) == (store.etag(KEY, just_put=True), store.etag(KEY))


def test_only_one_creates(bucket: Bucket) -> None:
    """Many that put one object at once make one, and nobody overwrites it."""
    put_at_once([BucketStore(bucket.url) for _ in range(8)])
    assert {KEY: b"bytes"} == bucket.objects()


def test_one_store_is_made(bucket: Bucket) -> None:
    """Many that make a store in one place at once end up with one, of one id."""
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: store_id(create_store(bucket.url)), range(8)))
    assert (1, ["store.json"]) == (len(ids), list(bucket.objects()))


def test_a_conflict_that_says_so_means_that_it_is_there(store: RetryingStore, proxy: Proxy, bucket: Bucket) -> None:
    """Azure refuses by 409 what S3 refuses by 412: what is there is compared, and that is all."""
    bucket.plant(KEY, b"bytes")
    proxy.plan = on(Fault("answer", status=409, code="BlobAlreadyExists"), method="PUT")
    store.put(KEY, [b"bytes"])
    assert ["PUT", "GET"] == [request.method for request in proxy.requests]


def test_a_table_is_replaced_without_a_word(store: RetryingStore, bucket: Bucket) -> None:
    """Where the chunks of a content lie may be written anew; that is no damage."""
    key = KEY.replace("chunks", "tables")
    bucket.plant(key, b"other places")
    store.put(key, [b"places"])
    assert {key: b"places"} == bucket.objects()


FAULTS = {
    "error 500": Fault("answer", status=500),
    "slow down": Fault("answer", status=503, code="SlowDown"),
    "throttled": Fault("answer", status=429, code="Throttling"),
    "conflict": Fault("answer", status=409, code="ConditionalRequestConflict"),
    "reset at once": Fault("cut-request"),
    "reset in the body": Fault("cut-request", at=100_000),
    "answer cut": Fault("cut-answer", at=7),
    "answer lost": Fault("lose-answer"),
    "body altered": Fault("alter-request"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_content_is_saved_whatever_fails_once(
    store: RetryingStore, proxy: Proxy, bucket: Bucket, name: str, number: int
) -> None:
    """A failure of the k-th upload is made good; every object is whole in the end, and the content comes back."""
    files = {"a": noise(300_000), "b": b"small"}
    if name == "conflict":
        proxy.plan = on(FAULTS[name], number, method="PUT")
    else:
        proxy.plan = on(FAULTS[name], number)
    content = save(store, files)
    proxy.plan = lambda _: None
    assert (files, []) == (load(store, content), [key for key, data in bucket.objects().items() if not data])


@pytest.mark.parametrize("name", ["error 500", "slow down", "reset at once", "answer cut", "answer lost"])
@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_content_is_read_whatever_fails_once(store: RetryingStore, proxy: Proxy, name: str, number: int) -> None:
    """A failure of the k-th request of a load is made good."""
    files = {"a": noise(300_000), "b": b"small"}
    content = save(store, files)
    proxy.plan = on(FAULTS[name], number)
    assert files == load(store, content)


@pytest.mark.parametrize(("kind", "times"), [("answer", 12), ("cut-request", 6), ("lose-answer", 6), ("cut-answer", 6)])
def test_what_keeps_failing_is_given_up(
    store: RetryingStore, proxy: Proxy, bucket: Bucket, kind: Kind, times: int
) -> None:
    """The error says what was asked of whom, and how often, more so of who answers; it is an OSError as well."""
    proxy.plan = on(Fault(kind, at=3))
    with pytest.raises(StoreUnavailableError, match=rf"{bucket.url}/{KEY}.*{times} times") as caught:
        store.get(KEY)
    assert (True, times) == (isinstance(caught.value, ConnectionError), len(proxy.requests))


def test_what_is_forbidden_is_named_and_what_is_too_early_tried_again(
    store: RetryingStore, bucket: Bucket, proxy: Proxy
) -> None:
    """Writing anew, deleting and asking of an object fail as reading it does: by an access error, or not in the end."""
    bucket.plant(KEY, b"expectee")
    forbidden = Fault("answer", status=403, code="AccessDenied")
    proxy.plan = on(forbidden, 1, method="PUT")
    with (
        pytest.warns(UserWarning, match=f"{KEY} held other bytes"),
        pytest.raises(StoreAccessError, match=f"cannot write {bucket.url}/{KEY}"),
    ):
        store.put(KEY, [b"expected"])
    proxy.plan = on(forbidden)
    with pytest.raises(StoreAccessError, match=f"cannot delete {bucket.url}/{KEY}"):
        store.delete(KEY)
    for ask in (store.size, store.etag):
        with pytest.raises(StoreAccessError, match=f"cannot read {bucket.url}/{KEY}"):
            ask(KEY)
    proxy.plan = on(FAULTS["slow down"], 0)
    store.delete(KEY)
    assert {} == bucket.objects()


def test_a_stall_ends_with_the_timeout(bucket: Bucket, proxy: Proxy) -> None:
    """A service that accepts a request and says nothing is given up when the time is over."""
    proxy.plan = on(Fault("stall"))
    store = RetryingStore(BucketStore(bucket.url, timeout=0.3), attempts=2)
    with pytest.raises(StoreUnavailableError, match="no answer in time, 2 times"):
        store.put(KEY, [b"bytes"])
    assert {} == bucket.objects()


def test_an_answer_may_take_long_as_long_as_it_comes(bucket: Bucket, proxy: Proxy) -> None:
    """A line over which a part takes longer than a service may say nothing is slow, and not away."""
    bucket.plant(KEY, noise(6000))
    proxy.plan = on(Fault("slow-answer", at=1000))
    assert noise(6000) == RetryingStore(BucketStore(bucket.url, timeout=0.6), sleep=lambda _: None).get(KEY, 0, 6000)


def test_nobody_there_is_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that cannot be connected to is an error with the reason of the operating system."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with pytest.raises(StoreUnavailableError, match="cannot connect: Connection refused"):
        BucketStore(bucket.url).get(KEY)


@pytest.mark.parametrize("endpoint", ["", "127.0.0.1:9000", "minio:9000", "http://", "http:///a", "http://a\nb", "s3"])
def test_an_endpoint_that_is_no_url_is_refused(bucket: Bucket, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """What is in the variable is told, before the library ends in a panic of its own."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(ArgumentError, match="AWS_ENDPOINT_URL is '"):
        BucketStore(bucket.url)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://[a",
        "http://a:99999",
        "http://a:0",
        "http://a/?b=c",
        "http://a/#b",
        " http://a",
        "http://a b",
        "http://ä",
    ],
)
def test_an_endpoint_to_which_no_request_can_go_is_refused(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    """What stands behind its scheme is looked at too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(ArgumentError, match="which is no URL of a service"):
        BucketStore(bucket.url)


def test_no_password_of_an_endpoint_is_told(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused is shown, but for the credentials in it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "ftp://user:canary@host")
    with pytest.raises(ArgumentError, match="AWS_ENDPOINT_URL is 'ftp://host'"):
        BucketStore(bucket.url)


def test_the_service_s_own_endpoint_counts(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """The general variable is not looked at where the one of the service is set."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{bucket.port}")
    assert not BucketStore(bucket.url).has(KEY)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://bucket/a", "AWS_ACCESS_KEY_ID"),
        ("s3://bucket/a", "AWS_SECRET_ACCESS_KEY"),
        ("s3a://bucket/a", "AWS_SESSION_TOKEN"),
        ("s3://bucket/a", "AWS_REGION"),
        ("s3://bucket/a", "AWS_DEFAULT_REGION"),
        ("az://container/a", "AZURE_STORAGE_ACCOUNT_NAME"),
        ("az://container/a", "AZURE_STORAGE_TOKEN"),
    ],
)
def test_a_variable_with_a_line_break_is_refused(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key from a file that ends in one is named, without its value; the library would end in a panic."""
    monkeypatch.setenv(name, "canary\n")
    with pytest.raises(ArgumentError, match=f"{name} holds a line break") as caught:
        BucketStore(url)
    assert "canary" not in str(caught.value)


def test_the_library_s_own_name_of_the_endpoint_is_one(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP is used where it was asked for in a variable that other tools know."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT", f"http://127.0.0.1:{bucket.port}")
    assert not BucketStore(bucket.url).has(KEY)


def test_a_scheme_in_capitals_is_one(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain HTTP is used where it was asked for, however it is spelled."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"HTTP://127.0.0.1:{bucket.port}")
    assert not BucketStore(bucket.url).has(KEY)


def test_a_listing_that_no_path_can_hold_is_refused_at_once(store: RetryingStore, bucket: Bucket, proxy: Proxy) -> None:
    """A key with an empty part is named, and asking again would not help."""
    bucket.plant("raw//x", b"bytes")
    with pytest.raises(StorageError, match="raw//x") as caught:
        list(store.list("raw"))
    assert (StorageError, 1) == (type(caught.value), proxy.count("GET", "list-type"))
    assert "without empty parts" in caught.value.hint


def test_a_listing_that_goes_in_circles_ends(tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service whose every page is the same, and says that there is another, is an error and no work for ever."""
    entry = (
        f"<Contents><Key>folder/{KEY}</Key><LastModified>2026-01-01T00:00:00Z</LastModified><Size>5</Size></Contents>"
    )
    page = f"<IsTruncated>true</IsTruncated><NextContinuationToken>more</NextContinuationToken>{entry}"
    (tmp_path / bucket.name).write_text(f"<ListBucketResult>{page}</ListBucketResult>")
    with served(tmp_path) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(StorageError, match="the same keys for ever"):
            list(BucketStore(bucket.url).list("chunks"))


def test_a_listing_of_nothing_ends(tmp_path: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service whose pages are all empty, and say that there is another, is an error in bounded time."""
    page = "<IsTruncated>true</IsTruncated><NextContinuationToken>more</NextContinuationToken>"
    (tmp_path / bucket.name).write_text(f"<ListBucketResult>{page}</ListBucketResult>")
    with served(tmp_path) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setattr(buckets, "_LONG_FACTOR", 2)
        with pytest.raises(StoreUnavailableError, match=r"no further key within 0\.4 s"):
            list(BucketStore(bucket.url, timeout=0.2).list("chunks"))


def test_not_found_is_an_error_where_nothing_is_sought(store: RetryingStore, proxy: Proxy) -> None:
    """A service that answers a put or a listing so says nothing of an object: that is no absence."""
    proxy.plan = on(Fault("answer", status=404, code="NotHere"))
    for call in (lambda: store.put(KEY, [b"bytes"]), lambda: list(store.list("packs"))):
        with pytest.raises(StorageError, match="404 NotHere"):
            call()


def test_many_empty_objects_are_listed_though_much_fails(store: RetryingStore, bucket: Bucket, proxy: Proxy) -> None:
    """Each is asked for by itself, since it may mark a folder, and again only if that failed."""
    for number in range(60):
        bucket.plant(f"raw/{number:02}", b"")
    bucket.plant("raw/sub/", b"")
    failing = Fault("answer", status=503, code="SlowDown")
    asked: set[str] = set()

    def plan(request: Request) -> Fault | None:
        is_first = request.path not in asked
        asked.add(request.path)
        return failing if is_first and request.method == "HEAD" and request.number % 3 == 0 else None

    proxy.plan = plan
    assert [f"raw/{number:02}" for number in range(60)] == list(store.list("raw"))
    assert proxy.count("HEAD") < 61 + 61 / 2


def test_marks_of_folders_are_no_objects(store: RetryingStore, bucket: Bucket) -> None:
    """An empty object whose name ends in a slash is not listed; any other empty one is."""
    for key in ("raw/", "raw/sub/", "raw/empty/", "raw/sub/a", "raw/b"):
        bucket.plant(key, b"")
    assert ["raw/b", "raw/sub/a"] == list(store.list("raw"))


def test_bytes_altered_on_the_way_back_are_never_handed_out(store: RetryingStore, proxy: Proxy) -> None:
    """A content whose bytes change on their way is damaged, not different; one bad transfer is outlasted."""
    content = save(store, {"a": noise(300_000)})
    proxy.plan = on(Fault("alter-answer"))
    with pytest.raises(IntegrityError):
        load(store, content)
    proxy.plan = on(Fault("alter-answer"), 0)
    assert {"a": noise(300_000)} == load(store, content)


@pytest.mark.parametrize("number", range(6))
def test_a_save_that_fails_for_good_shows_nothing_partial(bucket: Bucket, proxy: Proxy, number: int) -> None:
    """Whatever request is cut for good, every object that is there is whole, and saving again works."""
    files = {"a": noise(300_000), "b": b"small"}
    whole = RetryingStore(BucketStore(bucket.url))
    proxy.plan = lambda request: Fault("cut-request", at=50_000) if request.number >= number else None
    store = RetryingStore(BucketStore(bucket.url), attempts=1)
    with contextlib.suppress(StoreUnavailableError):  # the last numbers are beyond what a save asks
        save(store, files)
    proxy.plan = lambda _: None
    before = bucket.objects()
    content = save(whole, files)
    after = bucket.objects()
    assert (files, before) == (load(whole, content), {key: after[key] for key in before})


REFUSALS = [
    (403, "AccessDenied", StoreAccessError, "right to read"),
    (403, "InvalidAccessKeyId", StoreAccessError, "credentials"),
    (403, "SignatureDoesNotMatch", StoreAccessError, "credentials"),
    (403, "RequestTimeTooSkewed", StoreAccessError, "clock"),
    (400, "ExpiredToken", StoreAccessError, "log in again"),
    (400, "AuthorizationHeaderMalformed", StoreAccessError, "AWS_REGION"),
    (301, "PermanentRedirect", StoreAccessError, "AWS_REGION"),
    (400, "KMS.DisabledException", StoreAccessError, "credentials"),
    (403, "InvalidObjectState", StoreAccessError, "archive"),
    (507, "", StoreAccessError, "make room"),
    (507, "XMinioStorageFull", StoreAccessError, "make room"),
    (400, "XMinioAdminBucketQuotaExceeded", StoreAccessError, "make room"),
    (407, "", StoreAccessError, "credentials"),
    (401, "Unauthorized", StoreAccessError, "credentials"),
    (404, "NoSuchBucket", StoreMismatchError, "URL"),
    (400, "InvalidRequest", StorageError, ""),
    (501, "NotImplemented", StorageError, ""),
]


@pytest.mark.parametrize(("status", "code", "kind", "hint"), REFUSALS)
def test_what_is_refused_is_not_asked_again(
    store: RetryingStore, proxy: Proxy, bucket: Bucket, status: int, code: str, kind: type[LedgerError], hint: str
) -> None:
    """A refusal is its own error at once, names the object, and says what to do; no secret shows."""
    proxy.plan = on(Fault("answer", status=status, code=code))
    with pytest.raises(kind) as caught:
        store.get(KEY)
    text = f"{caught.value} {caught.value.hint}"
    assert (kind, 1) == (type(caught.value), len(proxy.requests))
    assert (True, True, False) == (f"{bucket.url}/{KEY}" in text, hint in text, "canary" in text)


def test_access_that_ends_in_the_middle_can_be_taken_up(store: RetryingStore, proxy: Proxy, bucket: Bucket) -> None:
    """Credentials that expire during a save fail it; with new ones, what was put is used."""
    files = {"a": noise(300_000)}
    proxy.plan = on(Fault("answer", status=400, code="ExpiredToken"), 1, 2, 3, method="PUT")
    with pytest.raises(StoreAccessError, match="ExpiredToken"):
        save(store, files)
    proxy.plan = lambda _: None
    assert files == load(store, save(store, files))


def test_a_bucket_that_is_gone_is_named(bucket: Bucket) -> None:
    """A bucket that somebody deleted is no store, for reading, asking and writing; it is not "missing bytes"."""
    store = create_store(bucket.url)
    content = save(store, {"a": b"bytes"})
    bucket.remove()
    for act in (
        lambda: store.has(KEY),
        lambda: store.put(OTHER_KEY, [b"x"]),
        lambda: ContentReader(store, content, label="iris@1").read("a"),
        lambda: store_id(open_store(bucket.url)),
        lambda: create_store(bucket.url),
    ):
        with pytest.raises(StoreMismatchError, match="bucket"):
            act()


def test_a_service_that_cannot_create_only_is_used_all_the_same(store: RetryingStore, proxy: Proxy) -> None:
    """Where a conditional request is not implemented, objects are put without the condition."""
    proxy.plan = on(Fault("answer", status=501, code="NotImplemented"), 0, method="PUT")
    store.put(KEY, [b"1"])
    store.put(OTHER_KEY, [b"2"])
    assert (b"1", b"2", 3) == (store.get(KEY), store.get(OTHER_KEY), proxy.count("PUT"))


def test_a_put_that_failed_is_not_made_without_its_condition(bucket: Bucket, proxy: Proxy) -> None:
    """Only a service that has no such condition is asked without: others might have made the object meanwhile."""
    proxy.plan = on(Fault("answer", status=500), 0, method="PUT")
    with pytest.raises(StoreUnavailableError):
        BucketStore(bucket.url).put(KEY, [b"bytes"])
    assert ({}, 1) == (bucket.objects(), proxy.count("PUT"))


def test_what_goes_while_it_is_compared_is_put_again(store: RetryingStore, bucket: Bucket, proxy: Proxy) -> None:
    """Nobody takes an object for what it was a moment ago."""
    bucket.plant(KEY, b"bytes")
    proxy.plan = on(Fault("answer", status=404, code="NoSuchKey"), method="GET")
    with pytest.warns(UserWarning, match="written again"):
        store.put(KEY, [b"bytes"])
    assert 2 == proxy.count("PUT")


@pytest.mark.parametrize("url", ["s3://key:canary@bucket/folder", "s3://canary@bucket", "https://me:canary@host/store"])
def test_credentials_in_a_url_are_refused(url: str) -> None:
    """A URL with a password opens nothing, and the password does not show."""
    with pytest.raises(ArgumentError) as caught:
        open_store(url)
    assert "canary" not in f"{caught.value} {caught.value.hint} {caught.value.facts}"


@pytest.mark.parametrize(
    ("url", "lacking", "form"),
    [
        ("s3:///folder", "bucket", "s3://bucket/folder"),
        ("gs://", "bucket", "gs://bucket/folder"),
        ("az://", "container", "az://container/folder"),
        ("https:///folder", "host", "https://host/folder"),
    ],
)
def test_a_url_without_a_bucket_is_refused(url: str, lacking: str, form: str) -> None:
    """A URL has to name a bucket, or what its service has instead; the hint is a URL of the same service."""
    with pytest.raises(ArgumentError, match=f"names no {lacking}\n") as caught:
        open_store(url)
    assert f"use {form}" == caught.value.hint


@pytest.mark.parametrize(
    "folder", ["a#1", "a?sig=canary", "a?", "a\tb", "a/../b", "./a", "%2e%2e/a", "a\nb"], ids=ascii
)
def test_a_url_that_would_lead_elsewhere_is_refused(folder: str) -> None:
    """What no folder's name may hold is not passed over: two ledgers would share a store without knowing it."""
    with pytest.raises(ArgumentError, match="no part of the name of a folder") as caught:
        open_store(f"s3://bucket/{folder}")
    assert "canary" not in f"{caught.value} {caught.value.hint} {caught.value.facts}"


@pytest.mark.parametrize("folder", ["a%23b%3Fc", "with space", "é+b&c=d", "a:b@c"])
def test_any_other_folder_is_used(bucket: Bucket, folder: str) -> None:
    """What is escaped, and what needs no escape, is a part of the names of objects."""
    store = open_store(f"s3://{bucket.name}/{folder}")
    store.put(KEY, [b"bytes"])
    assert (b"bytes", f"s3://{bucket.name}/{folder}") == (store.get(KEY), store.url)


@pytest.mark.parametrize(
    "url",
    ["gs://bucket/folder", "gcs://bucket/folder", "abfs://container@account.dfs.core.windows.net/folder"],
)
def test_other_clouds_go_through_the_same_door(url: str) -> None:
    """Google's and Azure's buckets are opened alike; nothing is asked of them yet."""
    assert url == open_store(url).url


def test_missing_credentials_are_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither environment nor profile has credentials, the error says how to give them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StoreAccessError, match=r"no credentials for the store .*: none were found\n") as caught:
        open_store(bucket.url)
    assert "aws configure" in caught.value.hint


def test_a_profile_is_enough(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials are found in the user's own AWS files, as every AWS tool finds them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    folder = os.path.join(os.environ["HOME"], ".aws")
    os.mkdir(folder)
    with open(os.path.join(folder, "credentials"), "w") as file:
        file.write("[default]\naws_access_key_id = test\naws_secret_access_key = test\n")
    store = create_store(bucket.url)
    assert 36 == len(store_id(store))


def test_credentials_are_asked_for_again_before_they_end(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a role or of SSO end by themselves: they are not kept for longer than `boto3` promises them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    end = datetime.now(UTC) + timedelta(minutes=16)
    given = {"Version": 1, "AccessKeyId": "test", "SecretAccessKey": "test", "Expiration": end.isoformat()}
    folder = os.path.join(os.environ["HOME"], ".aws")
    os.mkdir(folder)
    with open(os.path.join(folder, "config"), "w") as file:
        file.write(f"[default]\ncredential_process = echo '{json.dumps(given)}'\n")
    kept = open_bucket(bucket.url, 1.0).credential_provider()
    assert ("test", True) == (kept["access_key_id"], kept["expires_at"] < end)


def test_a_forked_process_is_told_so(bucket: Bucket) -> None:
    """A process that was forked from one that used a bucket gets an error at once, where the library would hang."""
    program = f"""
import os, warnings
warnings.simplefilter("ignore")
from ledger.blobs import create_store
from ledger.errors import StorageError
store = create_store({bucket.url!r})
child = os.fork()
if child == 0:
    try:
        store.has("store.json")
    except StorageError as error:
        print("spawn" in error.hint, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert result.stdout == "True\n"


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_a_killed_upload_shows_no_object(bucket: Bucket, seconds: float) -> None:
    """A process that is killed while it uploads leaves whole objects or none, and no upload to clean away."""
    program = f"""
from ledger.blobs.stores.buckets import BucketStore
store = BucketStore({bucket.url!r})
data = bytes(4 << 20)
print("ready", flush=True)
for number in range(100):
    store.put(f"packs/ab/{{number:062x}}", [data])
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        threading.Event().wait(seconds)
        process.send_signal(signal.SIGKILL)
    assert {} == {key: len(data) for key, data in bucket.objects().items() if len(data) != 4 << 20}
    assert 0 == bucket.uploads()
