"""A proxy before an HTTP service that does to chosen requests what networks and services do.

Like the real service, and unlike the one that stands in for it, it refuses a body whose checksum
is not the one that was sent with it.
"""

import base64
import hashlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Kind = Literal[
    "answer",
    "cut-request",
    "cut-answer",
    "lose-answer",
    "stall",
    "alter-request",
    "alter-answer",
    "slow-answer",
    "weaken-etag",
    "omit-etag",
]

_SLOW_SECONDS = 0.15


@dataclass(frozen=True)
class Fault:
    """What happens to one request: ``at`` is the byte where it is cut, ``status`` and ``code`` what is answered.

    A slow answer comes ``at`` bytes at a time.
    """

    kind: Kind
    at: int = 0
    status: int = 500
    code: str = "InternalError"


@dataclass(frozen=True)
class Request:
    """A request as it came in, and how many came before it."""

    number: int
    method: str
    path: str


Plan = Callable[[Request], Fault | None]


def nothing(_: Request) -> Fault | None:
    """The plan under which all goes well."""
    return None


def on(fault: Fault, *numbers: int, method: str = "") -> Plan:
    """The plan that hits the requests with these numbers, counted from 0 over those of ``method``; without any, all."""
    seen = [0]

    def plan(request: Request) -> Fault | None:
        if method and request.method != method:
            return None
        seen[0] += 1
        return fault if not numbers or seen[0] - 1 in numbers else None

    return plan


@dataclass
class Proxy:
    """A running proxy: where it listens, what it was told to do, and what passed through it."""

    port: int
    plan: Plan = nothing
    requests: list[Request] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, method: str, path: str) -> Fault | None:
        """Take down a request; what is to happen to it."""
        with self.lock:
            request = Request(len(self.requests), method, path)
            self.requests.append(request)
            return self.plan(request)

    def count(self, method: str, part: str = "") -> int:
        """How many requests of a method there were, with ``part`` in their path."""
        return sum(request.method == method and part in request.path for request in self.requests)


@contextmanager
def proxy_before(port: int) -> Iterator[Proxy]:
    """A proxy before the service on a port of this machine."""

    class Handler(_Handler):
        target = port

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Handler.proxy = Proxy(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Handler.proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Connections are cut on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    target: int
    proxy: Proxy

    def do_GET(self) -> None:
        fault = self.proxy.note(self.command, self.path)
        size = int(self.headers.get("Content-Length") or 0)
        if fault is not None and fault.kind == "cut-request":
            self.rfile.read(min(fault.at, size))
            self._cut()
            return
        body = self.rfile.read(size)
        if fault is not None and fault.kind == "stall":
            self.connection.recv(1)  # until the client has had enough
            self._cut()
        elif fault is not None and fault.kind == "answer":
            self._answer(fault.status, fault.code)
        else:
            self._forward(body, fault)

    do_PUT = do_HEAD = do_DELETE = do_POST = do_GET  # noqa: N815  # the base class looks for these names

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _forward(self, body: bytes, fault: Fault | None) -> None:
        if fault is not None and fault.kind == "alter-request":
            body = _altered(body)
        expected = self.headers.get("x-amz-checksum-sha256")
        if expected and base64.b64encode(hashlib.sha256(body).digest()).decode() != expected:
            self._answer(400, "BadDigest")
            return
        connection = HTTPConnection("127.0.0.1", self.target, timeout=60)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        if fault is not None and fault.kind == "lose-answer":
            self._cut()
            return
        if fault is not None and fault.kind == "alter-answer":
            data = _altered(data)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() == "etag" and fault is not None and fault.kind in ("weaken-etag", "omit-etag"):
                if fault.kind == "weaken-etag":
                    self.send_header(name, f"W/{value}")
            elif name.lower() not in {"transfer-encoding", "content-length", "connection"}:
                self.send_header(name, value)
        size = answer.getheader("Content-Length") if self.command == "HEAD" else len(data)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self._give(data, fault)

    def _give(self, data: bytes, fault: Fault | None) -> None:
        if fault is not None and fault.kind == "cut-answer":
            self.wfile.write(data[: fault.at])
            self._cut()
        elif fault is not None and fault.kind == "slow-answer":
            for start in range(0, len(data), fault.at):
                self.wfile.write(data[start : start + fault.at])
                time.sleep(_SLOW_SECONDS)
        elif self.command != "HEAD":
            self.wfile.write(data)

    def _answer(self, status: int, code: str) -> None:
        data = f"<Error><Code>{code}</Code><Message>as the test asked</Message></Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _cut(self) -> None:
        """End the connection without a word, with a reset."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def _altered(data: bytes) -> bytes:
    """The same with one bit of the byte in the middle turned over."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data
