"""Which bucket a URL means, and how to reach it.

Owns what URL and environment say beyond what the library finds there by itself: it reads the services' own
environment variables. Nothing is asked of a service yet.
"""

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ledger.errors import ArgumentError, MissingDependencyError, StoreAccessError
from ledger.wording import without_secrets

EXTRAS: Final[Mapping[str, str]] = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "abfs": "az",
    "abfss": "az",
    "http": "http",
    "https": "http",
}
"""The protocols of buckets, and the extra that brings what each needs."""

_NAMED_FIRST = {"s3": "bucket", "gs": "bucket", "az": "container", "http": "host"}
"""What a URL names before the folder, by its extra."""

_CONNECT_SECONDS = 10
_KEPT_CREDENTIALS = timedelta(minutes=10)  # boto3 gives none that end sooner, if it can get others
_S3 = ("s3", "s3a")
_S3_ACCESS = ("AWS_SKIP_SIGNATURE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_AZURE = ("abfs", "abfss")
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""The variables that say where requests to a service go, by its extra; the first that is set counts."""
_IN_HEADERS = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"),
    "az": ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_TOKEN"),
}
"""The variables that go into each request, or into its signature, as they are, by a service's extra."""
_IN_URLS = re.compile(r"[\w.~:/@!$&'()*+,;=%\[\]-]+", re.ASCII)
"""The characters that the URL of a service may have; with others the library would end in a panic."""


def without_credentials(url: str) -> str:
    """The URL of a bucket without final slash.

    Raises `ArgumentError` where it holds a password or no bucket, or would lead to another folder than it names.
    """
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    # In a URL of Azure's the container stands before the @.
    is_container = parts.scheme in _AZURE and ":" not in user
    place = parts.netloc if is_container else parts.netloc.rpartition("@")[2]
    shown = f"{parts.scheme}://{place}{parts.path}".rstrip("/")
    if user and not is_container:
        hint = "give credentials by the service's environment variables (specs/stores.md, 2)"
        raise ArgumentError(f"credentials do not belong in the URL of a store: {shown}", hint=hint, url=shown)
    if not place:
        named = _NAMED_FIRST[EXTRAS[parts.scheme]]
        raise ArgumentError(f"the store {url!r} names no {named}", hint=f"use {parts.scheme}://{named}/folder", url=url)
    reason = _misleading(url)
    if reason:
        raise ArgumentError(
            f"the URL of the store {shown!r} {reason}, which is no part of the name of a folder",
            hint="escape it if it is meant so, as %3F for ? and %23 for #; credentials go into environment variables",
            url=shown,
        )
    return shown


def open_bucket(url: str, timeout: float, *, silence: float | None = None, retries: int = 0) -> Any:
    """The bucket as the library takes it; the service is not asked yet.

    A request may take ``timeout`` seconds in all, and ``silence`` seconds without a byte of its answer. One that fails
    is made again ``retries`` times.
    """
    protocol = url.split("://", maxsplit=1)[0]
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise MissingDependencyError(
            f"the store {url} needs a library that is not installed: {error}",
            hint=f'pip install "ledger[{EXTRAS[protocol]}]"',
            url=url,
        ) from error
    endpoint = _endpoint(protocol, url)
    _check_variables(protocol, url)
    client: dict[str, Any] = {
        "timeout": timedelta(seconds=timeout),
        "connect_timeout": timedelta(seconds=min(timeout, _CONNECT_SECONDS)),
        "allow_http": endpoint.lower().startswith("http://"),
    }
    if silence is not None:
        client["read_timeout"] = timedelta(seconds=silence)
    options = _s3_options(url) if protocol in _S3 else {}
    known = f"gs{url.removeprefix('gcs')}" if protocol == "gcs" else url
    try:
        opener: Any = from_url  # its overloads are by service
        return opener(known, client_options=client, retry_config={"max_retries": retries}, **options)
    except Exception as error:
        reason = str(error).partition("\n")[0]
        hint = "check the URL, and the environment variables of the service (specs/stores.md, 2)"
        raise ArgumentError(f"cannot open the store {url}: {reason}", hint=hint, url=url) from error


def _misleading(url: str) -> str:
    """What in a URL would be ignored silently, so that two URLs would mean one folder, in words; empty if nothing."""
    if not url.isprintable():
        return "has a control character"
    for mark, name in (("#", "a #"), ("?", "a query")):
        if mark in url:
            return f"has {name}"
    steps = {".", ".."} & {*unquote(urlsplit(url).path).split("/")}
    return f"has the step {max(steps)!r}" if steps else ""


def _endpoint(protocol: str, url: str) -> str:
    """Where requests go, if that is said somewhere; plain HTTP is used only where a user named it."""
    names = _ENDPOINTS.get(EXTRAS[protocol], ())
    name = next((name for name in names if name in os.environ), None)
    if name is None:
        return "" if names else url
    endpoint = os.environ[name]
    if not _is_endpoint(endpoint):
        # The library would end in a panic at its first request.
        raise ArgumentError(
            f"cannot open the store {url}: {name} is {without_secrets(endpoint)!r}, which is no URL of a service",
            hint=f"unset {name}, or set it to a URL such as https://s3.example.com or http://127.0.0.1:9000",
            url=url,
        )
    return endpoint


def _check_variables(protocol: str, url: str) -> None:
    """Refuse what no request can carry, such as a key with the line break of the file that it was read from."""
    for name in _IN_HEADERS.get(EXTRAS[protocol], ()):
        if not os.environ.get(name, "").isprintable():
            # The library would end in a panic at its first request, or sign with something else than was meant.
            raise ArgumentError(
                f"cannot open the store {url}: {name} holds a line break or another control character",
                hint=f"set {name} without it",
                url=url,
            )


def _is_endpoint(url: str) -> bool:
    """Whether a text is the URL of a service."""
    try:
        parts = urlsplit(url)
        is_port_possible = parts.port != 0
    except ValueError:  # brackets around what is no address, or a port that is none
        return False
    is_place = is_port_possible and bool(parts.netloc)
    return parts.scheme in ("http", "https") and is_place and _IN_URLS.fullmatch(url) is not None


def _s3_options(url: str) -> dict[str, Any]:
    """What S3 needs besides its variables: a checksum with every upload, credentials as AWS's own tools find them."""
    options: dict[str, Any] = {"checksum_algorithm": "SHA256"}
    given = {name for name in _S3_ACCESS if os.environ.get(name)}
    if "AWS_SKIP_SIGNATURE" in given or len(given) > 1:
        return options
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        return options  # without it the library looks where it can by itself: the environment and the machine's role
    try:
        options["credential_provider"] = Boto3CredentialProvider(ttl=_KEPT_CREDENTIALS)
    except Exception as error:
        # A ValueError says nothing but that none were found.
        reason = "none were found" if type(error) is ValueError else error
        raise StoreAccessError(
            f"no credentials for the store {url}: {reason}",
            hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run `aws configure` or `aws sso login`",
            url=url,
        ) from error
    return options
