"""A finished run's output -> CloudWatch Logs, where Glue's own clients look for it."""

from __future__ import annotations

import time
from typing import Any

from botocore.exceptions import ClientError

OUTPUT = "/aws-glue/jobs/output"
ERROR = "/aws-glue/jobs/error"
_LONGEST = 250_000  # CloudWatch's limit for one event is 256 KB


class JobLogs:
    """Writes the two log streams of a run, each named by the run."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def write(self, run_id: str, output: str, error: str) -> None:
        """Create both streams and put one event for each line."""
        now = int(time.time() * 1000)
        for group, text in ((OUTPUT, output), (ERROR, error)):
            self._create(group, run_id)
            events = [{"timestamp": now, "message": line[:_LONGEST]} for line in text.splitlines() if line]
            if events:
                self.client.put_log_events(logGroupName=group, logStreamName=run_id, logEvents=events)

    def _create(self, group: str, stream: str) -> None:
        for create, names in (
            (self.client.create_log_group, {"logGroupName": group}),
            (self.client.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
        ):
            try:
                create(**names)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                    raise
