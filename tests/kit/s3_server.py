"""A program: an S3 server on a free port of this machine, which ends with whoever started it."""

import os
import sys
import threading

from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Silent(WSGIRequestHandler):
    """Answers without a line of log for each."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def end_with_parent() -> None:
    """Wait until nobody holds the other end of standard input any more."""
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    # Without moto's dispatcher, which lists the folders of all its services for each request.
    server = make_server("127.0.0.1", 0, create_backend_app("s3"), threaded=True, request_handler=Silent)
    threading.Thread(target=end_with_parent, daemon=True).start()
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
