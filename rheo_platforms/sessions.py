"""Sessions of boto3 that make each client once: making one takes as long as many calls."""

from __future__ import annotations

from threading import Lock
from typing import Any

import boto3


class Session(boto3.Session):
    """A boto3 session that hands out the same client of a service again; one with options of its own is new."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._clients: dict[str, Any] = {}
        self._making = Lock()  # sessions are not safe to share among threads, clients are (boto3, "Clients")

    def client(self, service_name: Any, *args: Any, **kwargs: Any) -> Any:
        """Return a client of a service, as ``boto3.Session.client`` does."""
        with self._making:
            if args or kwargs:
                return self._make(service_name, *args, **kwargs)
            if service_name not in self._clients:
                self._clients[service_name] = self._make(service_name)
            return self._clients[service_name]

    def _make(self, service_name: Any, *args: Any, **kwargs: Any) -> Any:
        return super().client(service_name, *args, **kwargs)
