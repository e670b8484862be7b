"""Trying again: when, how often, how long."""

import errno
import io
import logging
import random
import uuid
from collections.abc import Callable, Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.blobs.stores.answers import Answer, is_beyond_the_end, is_transient, read_answer, refusal
from ledger.blobs.stores.fsspec_store import FsspecStore
from ledger.blobs.stores.retrying import ATTEMPTS, PATIENCE, UNHEARD_ATTEMPTS, RetryingStore, pause_before
from ledger.errors import StorageError, StoreAccessError, StoreUnavailableError
from tests.kit.stores import KEY, StoreContract


class TestRetryingStore(StoreContract):
    """A store that is asked again is a store."""

    @pytest.fixture
    def store(self) -> RetryingStore:
        return RetryingStore(FsspecStore(f"memory://{uuid.uuid4().hex}/store"))


class Failing:
    """A store of one object whose first answers are errors."""

    url = "test://store"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0

    def answer(self) -> None:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        del key, start, length
        self.answer()
        return b"bytes"

    def has(self, key: str) -> bool:
        return bool(self.get(key))

    def etag(self, key: str, *, just_put: bool = False) -> str:
        self.get(key)
        return "as it was put" if just_put else "as it is"

    def put(self, key: str, parts: Sequence[bytes]) -> None:
        del parts
        self.get(key)

    def list(self, prefix: str) -> Iterator[str]:
        yield KEY
        self.get(prefix)

    def delete(self, key: str) -> None:
        self.get(key)


def busy(count: int) -> list[StoreUnavailableError]:
    return [StoreUnavailableError("busy") for _ in range(count)]


def test_processes_that_have_seeded_random_alike_do_not_wait_alike() -> None:
    """Workers of one program often have the same seed, and would come back to a busy service all at once."""
    waited: list[float] = []
    for _ in range(2):
        random.seed(0)
        RetryingStore(Failing(*busy(1)), sleep=waited.append).get(KEY)
    first, second = waited
    assert first != second


@pytest.mark.parametrize("call", ["get", "get_into", "has", "size", "etag", "put", "put_file", "list", "delete"])
def test_every_call_is_repeated(call: str) -> None:
    """Whatever is asked is asked again; a listing is not given in halves."""
    inner = Failing(*busy(2))
    store = RetryingStore(inner, sleep=lambda _: None)
    calls: dict[str, Callable[[], object]] = {
        "get": lambda: store.get(KEY),
        "get_into": lambda: store.get_into(KEY, 0, memoryview(bytearray(5))),
        "has": lambda: store.has(KEY),
        "size": lambda: store.size(KEY),
        "etag": lambda: store.etag(KEY, just_put=True),
        "put": lambda: store.put(KEY, []),
        "put_file": lambda: store.put_file(KEY, io.BytesIO()),
        "list": lambda: list(store.list("chunks")),
        "delete": lambda: store.delete(KEY),
    }
    answers = {"get": b"bytes", "get_into": 5, "has": True, "size": 5, "etag": "as it was put", "list": [KEY]}
    assert (answers.get(call), 3) == (calls[call](), inner.asked)


@pytest.mark.parametrize(
    "error", [StorageError("no"), StoreAccessError("no"), FileNotFoundError("no"), ValueError("no")]
)
def test_other_failures_are_raised_at_once(error: Exception) -> None:
    """What trying again does not mend is not tried again."""
    inner = Failing(error)
    with pytest.raises(type(error)) as caught:
        RetryingStore(inner).get(KEY)
    assert (error, 1) == (caught.value, inner.asked)


def test_a_store_that_is_asked_once_says_it_plainly() -> None:
    """Where one attempt is all there is, no number of them is told."""
    with pytest.raises(StoreUnavailableError) as caught:
        RetryingStore(Failing(*busy(1)), attempts=1).get(KEY)
    assert "busy" == str(caught.value)


def test_the_number_of_attempts_is_bounded() -> None:
    """A store that stays unavailable is asked twelve times, with growing pauses; one that never spoke six."""
    inner, pauses = Failing(*busy(100)), list[float]()
    store = RetryingStore(inner, sleep=pauses.append)
    with pytest.raises(StoreUnavailableError, match="busy, 6 times"):
        store.get(KEY)
    assert (UNHEARD_ATTEMPTS, UNHEARD_ATTEMPTS - 1) == (inner.asked, len(pauses))
    inner.errors[0] = StoreUnavailableError("busy", status=503)
    with pytest.raises(StoreUnavailableError, match="busy, 12 times"):
        store.get(KEY)
    assert (UNHEARD_ATTEMPTS + ATTEMPTS, sum(pauses) > 30) == (inner.asked, True)


def test_a_store_that_has_answered_is_asked_as_often_as_one_that_is_busy() -> None:
    """It was there a moment ago: that nothing is heard of it may be a network that comes back."""
    inner = Failing()
    store = RetryingStore(inner, sleep=lambda _: None)
    store.get(KEY)
    inner.errors = [*busy(100)]
    with pytest.raises(StoreUnavailableError, match="busy, 12 times"):
        store.get(KEY)


def test_the_time_is_bounded() -> None:
    """No attempt begins when patience is over."""
    inner, now = Failing(*busy(100)), iter([0.0, 1.0, PATIENCE + 1])
    with pytest.raises(StoreUnavailableError, match="busy, 2 times"):
        RetryingStore(inner, sleep=lambda _: None, clock=lambda: next(now)).get(KEY)


@pytest.mark.parametrize(("seconds", "told"), [(0.1, 0), (1.0, 1)])
def test_who_waits_for_long_is_told_why(caplog: pytest.LogCaptureFixture, seconds: float, told: int) -> None:
    """What is over in a moment is not worth a word; after that each failure is told, and which attempt comes next."""
    now = iter([0.0, seconds])
    with caplog.at_level(logging.INFO, "ledger"):
        RetryingStore(Failing(*busy(1)), sleep=lambda _: None, clock=lambda: next(now)).get(KEY)
    assert [("ledger", logging.INFO, "busy; asking again, 2 of 6 times")][:told] == caplog.record_tuples


def test_of_many_that_wait_one_is_told_of_in_a_second(caplog: pytest.LogCaptureFixture) -> None:
    """Sixteen threads that wait for one service fill no screen."""
    now = iter([0.0, 2.0, 2.9, 3.1])
    with caplog.at_level(logging.INFO, "ledger"):
        RetryingStore(Failing(*busy(3)), sleep=lambda _: None, clock=lambda: next(now)).get(KEY)
    assert ["2 of 6", "4 of 6"] == [message[-12:-6] for message in caplog.messages]


@given(st.integers(1, 50), st.floats(0, 1))
def test_pauses_grow_and_are_spread(attempt: int, chance: float) -> None:
    """A pause is between half and all of its length, which doubles up to ten seconds."""
    whole = min(0.2 * 2 ** (attempt - 1), 10.0)
    assert whole / 2 <= pause_before(attempt, chance) <= whole
    assert pause_before(attempt, 0.0) <= pause_before(attempt + 1, 0.0)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (0, "", True),
        (408, "", True),
        (429, "", True),
        (500, "InternalError", True),
        (502, "", True),
        (503, "SlowDown", True),
        (504, "", True),
        (400, "RequestTimeout", True),
        (400, "BadDigest", True),
        (409, "ConditionalRequestConflict", True),
        (400, "InvalidRequest", False),
        (403, "AccessDenied", False),
        (404, "NoSuchKey", False),
        (404, "NoSuchUpload", True),
        (409, "BlobAlreadyExists", False),
        (412, "PreconditionFailed", False),
        (416, "InvalidRange", False),
        (501, "NotImplemented", False),
        (507, "", False),
    ],
)
def test_what_is_worth_another_attempt(status: int, code: str, expected: bool) -> None:  # noqa: FBT001  # a table
    """Nobody answered, the service is busy or failing, or the bytes were hurt on their way; nothing else."""
    assert expected == is_transient(Answer(status, code, ""))


def test_an_answer_is_read_out_of_the_words() -> None:
    """Status, code and message are the service's own; the rest is left out."""
    text = (
        "Generic S3 error: Error performing PUT http://host/b/k in 1.2ms - Server returned non-2xx status code: "
        "503 Service Unavailable: <Error><Code>SlowDown</Code><Message>Please\n  reduce</Message></Error>\n\nDebug: x"
    )
    assert Answer(503, "SlowDown", "503 SlowDown: Please reduce") == read_answer(text)


def test_an_answer_about_one_of_several_deletions_is_read() -> None:
    """Azure and S3 delete in batches, and tell of each object by itself; a socket's own error code is no status."""
    batch = "Object at location k not found: Bulk delete request failed for key k: There is none. (code: 404)\n\nDebug"
    assert isinstance(refusal(batch, "az://b/k", "delete"), FileNotFoundError)
    expected = {"AccessDenied": StoreAccessError, "NoSuchKey": FileNotFoundError, "SlowDown": StoreUnavailableError}
    batch = "Generic S3 error: DeleteObjects request failed for key f/k: It is locked (code: {})\n\nDebug"
    assert expected == {code: type(refusal(batch.format(code), "s3://b/k", "delete")) for code in expected}
    failing = "status code: 500 Internal Server Error: <Code>NoSuchKey</Code>"
    assert isinstance(refusal(failing, "s3://b/k", "read"), StoreUnavailableError)
    assert 0 == read_answer("error sending request: Os { code: 104, kind: ConnectionReset }").status


@pytest.mark.parametrize("status", ["301 Moved Permanently", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_service_that_is_elsewhere_is_no_failing_one(status: str) -> None:
    """The library follows a redirect only where it has nothing to send; the hint says what is to be set."""
    error = refusal(f"Generic S3 error: Server returned non-2xx status code: {status}: \n\nDebug", "s3://b/k", "write")
    assert isinstance(error, StoreAccessError)
    assert (f"cannot write s3://b/k: {status[:3]}", True) == (str(error)[:26], "URL of the service" in error.hint)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Server returned non-2xx status code: 416 Range Not Satisfiable", True),
        ("Generic MicrosoftAzure error: Wanted range starting at 10, but object was only 10 bytes long", True),
        ('Generic MicrosoftAzure error: Failed to parse value for CONTENT_RANGE header: "bytes 0--1/0"', True),
        ("Server returned non-2xx status code: 404 Not Found", False),
    ],
)
def test_a_part_beyond_the_end_is_known_by_its_answer(text: str, expected: bool) -> None:  # noqa: FBT001
    """Services refuse to give a part of nothing, or give an empty one that the library does not understand."""
    assert expected == is_beyond_the_end(text)


def test_a_web_server_that_tells_no_lengths_is_asked_only_once_more() -> None:
    """One between may not have had the object yet; else the same comes again, and the hint says what is lacking."""
    error = refusal("Generic HTTP error: Content-Length Header missing from response", "http://h/k", "read")
    assert isinstance(error, StorageError)
    assert not isinstance(error, StoreUnavailableError)
    assert ("with their lengths" in error.hint, errno.ENOTSUP) == (True, error.errno)
    assert b"bytes" == RetryingStore(Failing(error), sleep=lambda _: None).get(KEY)
    for attempts, asked in ((1, 1), (ATTEMPTS, 2)):
        failing = Failing(*[error] * ATTEMPTS)
        with pytest.raises(StorageError, match="Content-Length"):
            RetryingStore(failing, attempts=attempts, sleep=lambda _: None).get(KEY)
        assert asked == failing.asked


@pytest.mark.parametrize(
    ("words", "shown", "hint"),
    [
        ("error: InvalidCertificate(\n  UnknownIssuer,\n )", "UnknownIssuer", "SSL_CERT_FILE"),
        ("ProxyAuthRequired,", "cannot connect", "HTTPS_PROXY"),
    ],
    ids=["certificate", "proxy"],
)
def test_a_connection_that_is_refused_for_good_says_what_to_do(words: str, shown: str, hint: str) -> None:
    """An unknown authority, or a proxy that wants a password, is no network to be waited for."""
    error = refusal(f"Generic S3 error\nHttpError {{\n kind: Connect,\n source: (Connect, {words})", "s3://b/k", "read")
    assert isinstance(error, StoreAccessError)
    assert (True, True) == (shown in str(error), hint in error.hint)
