"""EMR Serverless's HTTP protocol -> job runs that really run on the same local Spark as Glue's."""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any

from rheo_platforms.local.aws_stand_in import ACCOUNT
from rheo_platforms.local.glue_jobs import ACTIVE, Run
from rheo_platforms.local.http import HttpReply, HttpRequest

Json = dict[str, Any]
DEFAULT_MINUTES = 720
# Glue's states of a run -> those of EMR Serverless.
STATES = {
    "WAITING": "SCHEDULED",
    "STARTING": "SCHEDULED",
    "RUNNING": "RUNNING",
    "STOPPING": "CANCELLING",
    "STOPPED": "CANCELLED",
    "SUCCEEDED": "SUCCESS",
}
_ARN = f"arn:aws:emr-serverless:us-east-1:{ACCOUNT}:/applications"


class EmrError(Exception):
    """A fault of the client, by the service's own name for it."""

    def __init__(self, kind: str, message: str, status: int = 400) -> None:
        self.kind, self.status = kind, status
        super().__init__(message)


class Emr:
    """All applications and runs; ``submit`` gets each new run, ``cancel`` each run that is to stop."""

    def __init__(self, submit: Callable[[Run], None], cancel: Callable[[Run], None]) -> None:
        self._submit, self._cancel = submit, cancel
        self._applications: dict[str, Json] = {}
        self._runs: dict[str, dict[str, tuple[Run, Json]]] = {}
        self._lock = threading.RLock()

    def answer(self, request: HttpRequest) -> HttpReply | None:
        """Answer a call of EMR Serverless, None for any other."""
        url = urllib.parse.urlsplit(request.path)
        if not re.match(r"/applications(/|$)", url.path):
            return None
        parts = [urllib.parse.unquote(part) for part in url.path.strip("/").split("/")[1:]]
        body: Json = json.loads(request.body or b"{}")
        try:
            with self._lock:
                content = self._call(request.method, parts, body, urllib.parse.parse_qs(url.query))
        except EmrError as error:
            header = {"x-amzn-ErrorType": error.kind}
            return HttpReply.of(error.status, {"message": str(error)}, header)
        return HttpReply.of(200, content)

    def _call(self, method: str, parts: list[str], body: Json, query: dict[str, list[str]]) -> Json:
        match method, parts:
            case "POST", []:
                return self._create(body)
            case "GET", []:
                return {"applications": list(self._applications.values())}
            case "GET", [app]:
                return {"application": self._application(app)}
            case "POST", [app, "start"]:
                self._application(app)["state"] = "STARTED"
                return {}
            case "POST", [app, "jobruns"]:
                return self._start(app, body)
            case "GET", [app, "jobruns"]:
                self._application(app)
                found = [_describe(run, job) for run, job in self._runs[app].values()]
                wanted = query.get("states")
                return {"jobRuns": [r for r in found if wanted is None or r["state"] in wanted]}
            case "GET", [app, "jobruns", id]:
                return {"jobRun": _describe(*self._run(app, id))}
            case "DELETE", [app, "jobruns", id]:
                run, _ = self._run(app, id)
                if run.state in ACTIVE:
                    self._cancel(run)
                return {"applicationId": app, "jobRunId": id}
        raise EmrError("ValidationException", f"{method} /{'/'.join(parts)} is not played here")

    def _create(self, body: Json) -> Json:
        same = [a for a in self._applications.values() if a["name"] == body.get("name")]
        if not same:
            id = f"00{uuid.uuid4().hex[:14]}"
            self._runs[id] = {}
            self._applications[id] = {
                "applicationId": id,
                "id": id,
                "name": body.get("name", id),
                "arn": f"{_ARN}/{id}",
                "releaseLabel": body["releaseLabel"],
                "type": body["type"],
                "state": "CREATED",
                "createdAt": 0,
                "updatedAt": 0,
            }
            same = [self._applications[id]]
        return {key: same[0][key] for key in ("applicationId", "name", "arn")}

    def _start(self, app: str, body: Json) -> Json:
        self._application(app)
        for run, job in self._runs[app].values():
            if job["clientToken"] == body["clientToken"]:
                return _started(app, run)
        submit = body["jobDriver"]["sparkSubmit"]
        words = tuple(submit.get("entryPointArguments", ()))
        run = Run(
            id=f"00{uuid.uuid4().hex[:14]}",
            job=self._applications[app]["name"],
            # What names S3 places; the script gets the words as they are.
            arguments={str(n): word for n, word in enumerate(words)} | _settings(submit),
            script=submit["entryPoint"],
            timeout=body.get("executionTimeoutMinutes", DEFAULT_MINUTES),
            like={},
            words=words,
        )
        self._runs[app][run.id] = run, {**body, "applicationId": app}
        self._submit(run)
        return _started(app, run)

    def _application(self, id: str) -> Json:
        if id not in self._applications:
            raise EmrError("ResourceNotFoundException", f"Application {id} does not exist", 404)
        return self._applications[id]

    def _run(self, app: str, id: str) -> tuple[Run, Json]:
        self._application(app)
        if id not in self._runs[app]:
            raise EmrError("ResourceNotFoundException", f"Job run {id} does not exist", 404)
        return self._runs[app][id]


def _settings(submit: Json) -> dict[str, str]:
    """Of what spark-submit is told, the settings that a session of a running Spark takes, and its modules."""
    text = submit.get("sparkSubmitParameters", "")
    pairs = re.findall(r"--conf\s+(spark\.sql\.[^\s=]+=\S+)", text)
    settings = {"--conf": " --conf ".join(pairs)} if pairs else {}
    if modules := re.search(r"--py-files\s+(\S+)", text):
        settings["--extra-py-files"] = modules[1]
    return settings


def _started(app: str, run: Run) -> Json:
    return {"applicationId": app, "jobRunId": run.id, "arn": f"{_ARN}/{app}/jobruns/{run.id}"}


def _describe(run: Run, job: Json) -> Json:
    state = STATES.get(run.state, "FAILED")
    details = run.error or (f"the run ended as {run.state}" if state == "FAILED" else "")
    return {
        "applicationId": job["applicationId"],
        "jobRunId": run.id,
        "id": run.id,
        "arn": f"{_ARN}/{job['applicationId']}/jobruns/{run.id}",
        "name": job.get("name", ""),
        "createdBy": f"arn:aws:iam::{ACCOUNT}:user/local",
        "executionRole": job["executionRoleArn"],
        "createdAt": run.asked,
        "updatedAt": run.changed,
        "state": state,
        "stateDetails": details,
        "releaseLabel": "",
        "jobDriver": job["jobDriver"],
        "executionTimeoutMinutes": run.timeout,
    }
