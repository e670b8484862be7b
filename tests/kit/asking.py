"""One request to a server of this machine, past every client of ours."""

from collections.abc import Mapping
from http.client import HTTPConnection


def ask(port: int, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """What the server answers; it must do what it is asked for."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, target, body, dict(headers))
        answer = connection.getresponse()
        data = answer.read()
    finally:
        connection.close()
    assert answer.status < 300, (method, target, answer.status, data)
    return data
