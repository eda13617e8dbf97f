"""The process that stands in for AWS: moto's server, which answers as moto does, and sooner."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import threading
import traceback
from functools import cache, wraps
from io import BytesIO
from typing import Any

from moto.dynamodb.responses import DynamoHandler  # noqa: TID253 - this process is moto
from moto.moto_server.werkzeug_app import (  # noqa: TID253
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.exceptions import InternalServerError
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from rheo_platforms.local import moto_changes


class Dispatcher(DomainDispatcherApplication):
    """Finds the service that a request is for; moto tries the addresses of all services for each request."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self.get_backend_for_host = cache(super().get_backend_for_host)  # type: ignore[method-assign]


class Handler(MotoRequestHandler):
    """Answers the requests of a connection one after the other; werkzeug's own ends the connection after the first."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # what an answer consists of is sent at once,
    disable_nagle_algorithm = (
        True  # and where it is long, no part of it waits for what the client says of the one before
    )

    def run_wsgi(self) -> None:
        """Answer one request."""
        environ = self.make_environ()
        body = environ["wsgi.input"]
        whole = "wsgi.input_terminated" in environ  # it comes in chunks
        environ["wsgi.input"] = BytesIO(
            body.read() if whole else body.read(int(environ.get("CONTENT_LENGTH") or 0))
        )
        try:
            content, status, headers = run_wsgi_app(self.server.app, environ, buffered=True)
        except Exception:  # noqa: BLE001 - a client must hear of every fault, as a server fault
            self.log_error("%s %s:\n%s", self.command, self.path, traceback.format_exc())
            content, status, headers = run_wsgi_app(InternalServerError(), environ, buffered=True)
        data = b"".join(content)
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if "Content-Length" not in headers and int(code) not in (204, 304):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def handle_expect_100(self) -> bool:
        """Let the client send what it asks for leave to send."""
        went_on = super().handle_expect_100()
        self.wfile.flush()
        return went_on

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Only faults are logged: clients ask hundreds of times a second."""


def one_at_a_time(lock: threading.RLock) -> None:
    """Let each call of DynamoDB be whole before the next begins, as it is in AWS; moto's threads may come between.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithItems.html: conditional writes.
    """
    act = DynamoHandler.call_action

    @wraps(act)
    def alone(self: DynamoHandler) -> Any:
        with lock:
            return act(self)

    DynamoHandler.call_action = alone  # type: ignore[method-assign]


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    os.environ["MOTO_PORT"] = str(options.port)  # where moto calls itself
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: sys.exit(0))
    moto_changes.install()
    one_at_a_time(threading.RLock())
    gc.freeze()
    make_server(
        "127.0.0.1", options.port, Dispatcher(), threaded=True, request_handler=Handler
    ).serve_forever()


if __name__ == "__main__":
    main()
