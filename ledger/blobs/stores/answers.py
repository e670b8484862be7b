"""What a service's answer to a failed request means.

Pure: from the words of the library that asked to one of `ledger.errors`. The words are
all there is, because that library has no class for most failures; status and code in
them are the service's own and documented by it. Knows no store.
"""

import errno
import re
from typing import Final, NamedTuple

from ledger.errors import LedgerError, StorageError, StoreAccessError, StoreMismatchError, StoreUnavailableError

CONFLICT: Final = 409
NOT_IMPLEMENTED: Final = 501

_STATUS = re.compile(r"(?:status |\()code: (\d{3})")  # the second form is for one of several deletions
_CODE = re.compile(r"(?:<Code>|\(code: )([A-Za-z][\w.]*)(?:</Code>|\))")
_MESSAGE = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)
_REASON = re.compile(r"status code: \d{3} ([A-Za-z ]+)")

_RANGE_NOT_SATISFIABLE = 416
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_NOT_FOUND = 404
_NOT_THROUGH_THE_PROXY = 407
_ELSEWHERE = frozenset({301, 302, 307, 308})  # the library follows none of these with the body of an upload
_SERVER_ERRORS = 500
_NO_ROOM = 507
_UNAVAILABLE = frozenset({408, 425, 429})
_NEVER_BETTER = frozenset({NOT_IMPLEMENTED, 505, _NO_ROOM})
_NO_ACCESS = frozenset({_UNAUTHORIZED, _FORBIDDEN, _NOT_THROUGH_THE_PROXY, _NO_ROOM, *_ELSEWHERE})
_TRANSIENT_CODES = frozenset(
    {"BadDigest", "ConditionalRequestConflict", "IncompleteBody", "OperationAborted", "RequestTimeout", "SlowDown"}
    # The upload in parts is over. If it was completed and only the answer was lost, trying again finds the object.
    | {"NoSuchUpload", "Throttling", "ThrottlingException", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}
)
_ABOUT_ONE_OBJECT = ("read", "delete")  # to a put or a listing, "not found" does not say what was not found
_MISSING_OBJECT = "NoSuchKey"
_MISSING_PLACES = frozenset({"NoSuchBucket", "ContainerNotFound"})
_KEYS_OF_THE_BUCKET = "KMS."  # how codes about a bucket's encryption begin
_LOG_IN = "log in again: the credentials are no longer valid"
_SET_THE_REGION = "set AWS_REGION to where the bucket is"
_SET_THE_PLACE = "let the region, or the URL of the service, be where it sends requests on to (specs/stores.md, 2)"
_MAKE_ROOM = "make room in the bucket, or ask whoever keeps it for more"
_ACCESS_HINTS = {
    "ExpiredToken": _LOG_IN,
    "InvalidToken": _LOG_IN,
    "TokenRefreshRequired": _LOG_IN,
    "AuthorizationHeaderMalformed": _SET_THE_REGION,
    "InvalidObjectState": "bring that object back from the archive, and let no rule of the bucket move the store there",
    "QuotaExceeded": _MAKE_ROOM,
    "XMinioAdminBucketQuotaExceeded": _MAKE_ROOM,
    "RequestTimeTooSkewed": "set this machine's clock: the service refuses requests signed at another time",
    "AccessDenied": "ask whoever keeps the store for the right to read, write and list there",
}
_STATUS_HINTS = {_NO_ROOM: _MAKE_ROOM, **dict.fromkeys(_ELSEWHERE, _SET_THE_PLACE)}
_DETAILS = re.compile(r'(?:message|error): "([^"]+)"')
_KIND = re.compile(r"HttpError \{\s+kind: (\w+)")
_KINDS = {"Timeout": "no answer in time", "Interrupted": "the connection was cut", "Connect": "cannot connect"}
_CERTIFICATE = re.compile(r"InvalidCertificate\(\s*(\w+)")
_REFUSAL_HINTS = {
    "InvalidCertificate": "let SSL_CERT_FILE name the certificate of the authority behind it, or behind your proxy",
    "ProxyAuthRequired": "give user and password in the URL of the proxy, in HTTPS_PROXY",
    "incorrectly configured region": _SET_THE_REGION,
}
"""What to do about a refusal for good that has no status, by words of the library in it."""
_UNAUTHENTICATED = "lacked valid authentication credentials"
_METADATA_SERVICES = ("169.254.169.254", "metadata.google.internal")
_ACCESS_WORDS = (_UNAUTHENTICATED, *_METADATA_SERVICES, *_REFUSAL_HINTS)
_NO_PARTS = "serve the store's files with their lengths and with HTTP ranges: parts of them are asked for"
_BAD_KEY = "give that object a key without empty parts, `.`, `..` and control characters"
_SETUP_HINTS = {
    "non-partial response": _NO_PARTS,
    "Range request not supported": _NO_PARTS,
    "Content-Length Header missing": _NO_PARTS,
    "Content-Range header not present": _NO_PARTS,
    "CONTENT_RANGE header": _NO_PARTS,  # such as `bytes 0-7/*`, of a server that does not know the length
    "object with invalid path": _BAD_KEY,
    "Could not parse path": _BAD_KEY,
}
"""Failures without a status that trying again does not mend, by words in them."""


_EMPTY_PARTS = ("Wanted range starting at", '"bytes 0--1/0"')
"""What the library makes of services that answer with an empty part instead of a refusal."""

_NOT_UTF_8 = "FromUtf8Error"
"""What the library makes of a refusal in another encoding, such as a page in Latin-1: its status is not told."""


class Answer(NamedTuple):
    """What a service said: the HTTP status (0 where there was none), its own code, and why, in one line."""

    status: int
    code: str
    reason: str


def read_answer(text: str) -> Answer:
    """The answer in the words of an error; the rest of them is for debugging."""
    status, code = _STATUS.search(text), _CODE.search(text)
    said = _MESSAGE.search(text) or _REASON.search(text)
    words = " ".join(said[1].split()) if said else _silence(text)
    shown = " ".join(match[1] for match in (status, code) if match)
    return Answer(int(status[1]) if status else 0, code[1] if code else "", f"{shown}: {words}" if shown else words)


def is_transient(answer: Answer) -> bool:
    """Whether the same request may go well a moment later: nobody answered, or the service is busy or failing."""
    if answer.code in _TRANSIENT_CODES:
        return True
    is_failing = answer.status >= _SERVER_ERRORS and answer.status not in _NEVER_BETTER
    return answer.status == 0 or answer.status in _UNAVAILABLE or is_failing


def is_beyond_the_end(text: str) -> bool:
    """Whether a part of an object was asked for that begins where it ends, or later."""
    return read_answer(text).status == _RANGE_NOT_SATISFIABLE or any(words in text for words in _EMPTY_PARTS)


def is_unread(text: str) -> bool:
    """Whether the service refused in words that the library could not read, so that nobody knows the status."""
    return _NOT_UTF_8 in text and not read_answer(text).status


def refusal(text: str, place: str, doing: str) -> LedgerError | FileNotFoundError:
    """The error to raise for a request that failed with these words while ``doing`` something to ``place``."""
    answer = read_answer(text)
    message = f"cannot {doing} {place}: {answer.reason}"
    if answer.code in _MISSING_PLACES:
        return StoreMismatchError(
            f"no artifact store at {place}: {answer.reason}", hint="make it, or correct the store's URL", url=place
        )
    if _is_about_access(answer, text):
        return _access_error(answer, text, place, doing)
    is_missing = answer.status == _NOT_FOUND or (not answer.status and answer.code == _MISSING_OBJECT)
    if is_missing and answer.code not in _TRANSIENT_CODES and doing in _ABOUT_ONE_OBJECT:
        return FileNotFoundError(f"{place}: {answer.reason}")
    if not answer.status:
        for words, hint in _SETUP_HINTS.items():
            if words in text:
                number = errno.ENOTSUP if hint == _NO_PARTS else None
                return StorageError(message, hint=hint, path=place, errno=number)
    if not is_transient(answer):
        return StorageError(message, path=place)
    error = StoreUnavailableError(message, path=place)
    if answer.status:
        error.add_facts(status=answer.status)
    return error


def _is_about_access(answer: Answer, text: str) -> bool:
    is_told = answer.code in _ACCESS_HINTS or answer.code.startswith(_KEYS_OF_THE_BUCKET)
    return answer.status in _NO_ACCESS or is_told or any(words in text for words in _ACCESS_WORDS)


def _access_error(answer: Answer, text: str, place: str, doing: str) -> StoreAccessError:
    if any(service in text for service in _METADATA_SERVICES):
        hint = "set the service's environment variables, or log in with its own tool (specs/stores.md, 2)"
        return StoreAccessError(f"cannot {doing} {place}: no credentials found", hint=hint, path=place)
    message = f"cannot {doing} {place}: {answer.reason}"
    refused = (hint for words, hint in _REFUSAL_HINTS.items() if words in text)
    known = _ACCESS_HINTS.get(answer.code) or _STATUS_HINTS.get(answer.status)
    return StoreAccessError(message, hint=known or next(refused, ""), path=place)


def _silence(text: str) -> str:
    """Why there was no answer, as far as the words tell."""
    kind, details = _KIND.search(text), _DETAILS.findall(text)
    certificate = _CERTIFICATE.search(text)
    if certificate:
        return f"the certificate of the service is not valid here: {certificate[1]}"
    first = text.partition("\n")[0].rpartition(" - ")[2]
    meaning = _KINDS.get(kind[1], first) if kind else first
    return f"{meaning}: {details[-1]}" if kind and details else meaning
