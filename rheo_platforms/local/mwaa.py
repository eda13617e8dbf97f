"""MWAA's HTTP protocol -> the REST API of the local Airflow, with MWAA's limits and errors."""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
import urllib.error
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote, urlencode

from rheo_platforms.local.airflow import AirflowApi
from rheo_platforms.local.aws_stand_in import ACCOUNT, REGION
from rheo_platforms.local.http import HttpReply, HttpRequest, HttpService

ENVIRONMENT = "rheo-local"
CALLS_PER_SECOND = 10
SECONDS = 10.0
LONGEST_PATH = 64


class Limit:
    """At most ``rate`` calls in any second that begins with a full measure."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._left = float(rate)
        self._then = time.monotonic()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Count one call, or say that it is one too many."""
        with self._lock:
            now = time.monotonic()
            self._left = min(float(self.rate), self._left + (now - self._then) * self.rate)
            self._then = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


class Mwaa:
    """The service, with one environment."""

    def __init__(self, api: AirflowApi, name: str = ENVIRONMENT) -> None:
        self.api = api
        self.name = name
        self.limit = Limit(CALLS_PER_SECOND)

    def answer(self, request: HttpRequest) -> HttpReply:
        """Answer one call."""
        kind, _, name = request.path.strip("/").partition("/")
        if (request.method, kind, name) == ("GET", "environments", ""):
            return HttpReply.of(200, {"Environments": [self.name]})
        if (request.method, kind) not in (("GET", "environments"), ("POST", "restapi")):
            return _fault(400, "ValidationException", {"message": f"not available locally: {request.path}"})
        if unquote(name) != self.name:
            return _fault(404, "ResourceNotFoundException", {"message": f"no environment {unquote(name)!r}"})
        if kind == "environments":
            return HttpReply.of(200, {"Environment": self._describe()})
        if not self.limit.take():
            return _fault(429, "ThrottlingException", {"message": "Rate exceeded"})
        return self._invoke(json.loads(request.body))

    def _describe(self) -> dict[str, Any]:
        return {
            "Name": self.name,
            "Arn": f"arn:aws:airflow:{REGION}:{ACCOUNT}:environment/{self.name}",
            "Status": "AVAILABLE",
            "AirflowVersion": version("apache-airflow"),
            "WebserverUrl": self.api.url.removeprefix("http://"),
        }

    def _invoke(self, call: dict[str, Any]) -> HttpReply:
        path, method = call.get("Path", ""), call.get("Method", "")
        if not 1 <= len(path) <= LONGEST_PATH or method not in ("GET", "PUT", "POST", "PATCH", "DELETE"):
            text = f"path must have 1 to {LONGEST_PATH} characters, method one of five: {method} {path}"
            return _fault(400, "ValidationException", {"message": text})
        if query := call.get("QueryParameters"):
            path += "?" + urlencode(query, doseq=True)
        try:
            answer = self.api.call(method, path, call.get("Body"), timeout=SECONDS)
        except urllib.error.HTTPError as error:
            kind = "RestApiClientException" if error.code < 500 else "RestApiServerException"
            return _fault(400, kind, _content(error.code, _read(error)))
        except TimeoutError:
            detail = {"detail": f"no answer within {SECONDS:g} seconds"}
            return _fault(400, "RestApiServerException", _content(504, detail))
        except OSError as error:
            return _fault(400, "RestApiServerException", _content(503, {"detail": str(error)}))
        return HttpReply.of(200, _content(200, answer if answer is not None else {}))


def _content(status: int, answer: object) -> dict[str, object]:
    return {"RestApiStatusCode": status, "RestApiResponse": answer}


def _read(error: urllib.error.HTTPError) -> object:
    text = error.read().decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return {"detail": text}


def _fault(status: int, kind: str, content: dict[str, object]) -> HttpReply:
    return HttpReply.of(status, content, {"x-amzn-ErrorType": kind})


def main() -> None:
    """Serve until told to end; the login comes from the environment, where no process list shows it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--airflow", required=True, help="address of the Airflow API server")
    options = parser.parse_args()
    user, password = os.environ["RHEO_AIRFLOW_USER"], os.environ["RHEO_AIRFLOW_PASSWORD"]
    mwaa = Mwaa(AirflowApi(options.airflow, user, password))
    HttpService(options.port, mwaa.answer).serve_until_told()


if __name__ == "__main__":
    main()
