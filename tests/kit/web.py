"""A web server that serves the files of a folder and parts of them, as static hosts do."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


@contextmanager
def served(
    folder: Path,
    *,
    parts: bool = True,
    lengths: bool = True,
    surplus: int = 0,
    unending: int = 0,
    page: bytes = b"",
) -> Iterator[str]:
    """The URL of a folder behind a server, which gives whole files only without ``parts``, or more than a part.

    Without ``lengths`` it does not say how long the file is that it gives a part of. With ``unending`` it sends so many
    bytes behind the end of what is asked for up to there, and with ``page`` it says why it refuses something.
    """

    class Handler(_Handler):
        root = folder
        has_parts = parts
        has_lengths = lengths
        behind_parts = bytes(surplus)
        behind_the_end = bytes(unending)
        refusal = page

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    root: Path
    has_parts: bool
    has_lengths: bool
    behind_parts: bytes
    behind_the_end: bytes
    refusal: bytes

    def do_GET(self) -> None:
        path = self.root / unquote(self.path.partition("?")[0]).lstrip("/")
        if not path.is_file():
            self._answer(404, self.refusal)
            return
        data = path.read_bytes()
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if match is None or not self.has_parts:
            self._answer(200, data + self.behind_the_end)
            return
        start = int(match[1]) if match[1] else max(0, len(data) - int(match[2]))
        stop = min(int(match[2]) + 1, len(data)) if match[1] and match[2] else len(data)
        if start >= len(data):
            self._answer(416, self.refusal, f"bytes */{len(data)}")
        else:
            behind = self.behind_the_end if match[1] and not match[2] else self.behind_parts
            total = len(data) if self.has_lengths else "*"
            self._answer(206, data[start:stop] + behind, f"bytes {start}-{stop - 1}/{total}")

    do_HEAD = do_GET  # noqa: N815  # the base class looks for this name

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self, status: int, data: bytes, span: str = "") -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(data)))
        if span:
            self.send_header("Content-Range", span)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)
            self.wfile.flush()
