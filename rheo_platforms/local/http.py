"""A function from request to reply -> an HTTP service on 127.0.0.1."""

from __future__ import annotations

import json
import signal
import sys
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What a client sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What the service answers."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, content: object, headers: Mapping[str, str] | None = None) -> HttpReply:
        """A reply of JSON."""
        kind = {"Content-Type": "application/json"}
        return cls(status, json.dumps(content).encode(), kind | dict(headers or {}))


def call_json(
    method: str,
    url: str,
    content: object = None,
    headers: Mapping[str, str] | None = None,
    *,
    timeout: float = 10.0,
) -> Any:
    """Send JSON, return the answer's JSON (None when it is empty).

    Raises
    ------
    urllib.error.HTTPError
        When the answer's status is a fault.
    OSError
        When there is no answer within ``timeout`` seconds.
    """
    request = urllib.request.Request(
        url,
        method=method,
        data=None if content is None else json.dumps(content).encode(),
        headers={"Content-Type": "application/json", **(headers or {})},
    )
    with urllib.request.urlopen(request, timeout=timeout) as reply:
        data = reply.read()
    return json.loads(data) if data else None


class HttpService(ThreadingHTTPServer):
    """Answers each request in a thread of its own."""

    daemon_threads = True

    def __init__(self, port: int, answer: Callable[[HttpRequest], HttpReply]) -> None:
        self.answer = answer
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def serve_until_told(self) -> None:
        """Serve until SIGTERM or SIGINT."""

        def leave(_sign: int, _frame: FrameType | None) -> None:
            # shutdown() waits for the serving thread, which is the one this handler interrupts.
            threading.Thread(target=self.shutdown).start()

        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, leave)
        self.serve_forever()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpService

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = HttpRequest(
            self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length)
        )
        try:
            reply = self.server.answer(request)
        except Exception as error:  # noqa: BLE001 - a client must hear of every fault, as a server fault
            self.log_error("%s %s: %r", self.command, self.path, error)
            reply = HttpReply.of(
                500, {"message": repr(error)}, {"x-amzn-ErrorType": "InternalServerException"}
            )
        try:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
        except (BrokenPipeError, ConnectionResetError):
            self.log_error("%s %s: the client did not wait", self.command, self.path)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Only faults are logged: clients poll many times a second."""

    def log_error(self, format: str, *args: object) -> None:
        sys.stderr.write(format % args + "\n")
        sys.stderr.flush()
