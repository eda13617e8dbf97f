"""What the stories of this folder share: raw events, views of runs, and checks of errors."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from support.events import s3_event as s3_event

from rheodsl import Application
from rheodsl.errors import GraphError, RheoError
from rheodsl.testing import Simulator


def daily(app: Application, id: str = "days", name: str = "day", format: str = "%Y-%m-%d") -> Any:
    """A dataset with one partition a day."""
    return app.s3(id, f"s3://lake/{id}/{{{name}:{format}}}")


def regional(app: Application, id: str = "orders") -> Any:
    """A dataset with one partition for each region and day."""
    return app.s3(id, f"s3://lake/{id}/{{region_id:int}}/{{day:%Y-%m-%d}}")


def numbered(app: Application, id: str, name: str = "n") -> Any:
    """A dataset with one partition a number."""
    return app.s3(id, f"s3://lake/{id}/{{{name}:int}}")


def outputs(runs: Iterable[Any], node: str | None = None) -> list[tuple[str, ...]]:
    """The output partition of each run, as texts, in order."""
    return [texts(run.output) for run in runs if node in (None, run.node)]


def texts(partition: dict[str, object]) -> tuple[str, ...]:
    return tuple(str(value) for value in partition.values())


def last_parts(run: Any, alias: str) -> list[str]:
    """The last path segment of each partition that the run reads from one input, tip first."""
    return [path.rstrip("/").rsplit("/", 1)[1] for path in run.inputs[alias].paths]


def window(app: Application, view: Any, tip: Any, alias: str) -> list[str]:
    """Run a node over ``view`` for one event at ``tip``; return what it reads."""
    app.create_data("probe", inputs=[view])
    runs = Simulator(app).send(tip)
    assert len(runs) == 1
    return last_parts(runs[0], alias)


def s3_notification(
    bucket: str, key: str, *, etag: str = "e1", time: str = "2020-03-18T01:00:00.000Z"
) -> dict[str, Any]:
    """The same as a classic S3 notification, whose keys are URL-encoded."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": time,
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
                    "object": {"key": key, "size": 0, "eTag": etag, "sequencer": "0055AED6DCD90281E5"},
                },
            }
        ]
    }


def s3_deleted(bucket: str, key: str, *, time: str = "2020-03-19T01:00:00Z") -> dict[str, Any]:
    """An object deleted from S3, as EventBridge reports it."""
    event = s3_event(bucket, key, time=time)
    event["detail-type"] = "Object Deleted"
    event["detail"] |= {"reason": "DeleteObject", "deletion-type": "Permanently Deleted"}
    del event["detail"]["object"]["size"]
    return event


def catalog_event(
    database: str, table: str, *partitions: str, change: str = "BatchCreatePartition", id: str = "1"
) -> dict[str, Any]:
    """A change in the Glue Data Catalog, as EventBridge reports it."""
    return {
        "version": "0",
        "id": id,
        "detail-type": "Glue Data Catalog Table State Change",
        "source": "aws.glue",
        "account": "111122223333",
        "time": "2024-01-01T01:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:glue:us-east-1:111122223333:table/{database}/{table}"],
        "detail": {
            "databaseName": database,
            "tableName": table,
            "typeOfChange": change,
            "changedPartitions": list(partitions),
        },
    }


class Keys:
    """Raw S3 events below one folder, each a new object a second after the one before."""

    def __init__(self, sim: Simulator, folder: str, bucket: str = "lake") -> None:
        self.sim, self.folder, self.bucket = sim, folder, bucket
        self.sent = 0

    def put(self, key: str) -> list[Any]:
        """An object is written; return the runs that start."""
        self.sent += 1
        time = (self.sim.now + timedelta(seconds=self.sent)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self.sim.send(s3_event(self.bucket, f"{self.folder}/{key}", etag=f"e{self.sent}", time=time))

    def delete(self, key: str) -> list[Any]:
        """An object is deleted; return the runs that start."""
        self.sent += 1
        time = (self.sim.now + timedelta(seconds=self.sent)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self.sim.send(s3_deleted(self.bucket, f"{self.folder}/{key}", time=time))


def below(run: Any, alias: str, folder: str) -> list[str]:
    """What the run reads of one input, as paths below a folder of the lake, in the run's order."""
    return [path.rstrip("/").removeprefix(f"s3://lake/{folder}/") for path in run.inputs[alias].paths]


def days(first: str, count: int) -> list[str]:
    """``count`` days from the first on, as texts."""
    start = date.fromisoformat(first)
    return [str(start + timedelta(days=n)) for n in range(count)]


def send_all(sim: Simulator, *views: Any) -> list[Any]:
    """Send views one after the other; return all the runs that they start."""
    return [run for view in views for run in sim.send(view)]


def reasons(sim: Simulator) -> str:
    """Everything that the simulator says about events without effect."""
    return "\n".join(str(told) for told in [*sim.rejected, *sim.unmatched])


class rejected:
    """Expect an error at once, with these words, and a ``where`` that is the line which raised it."""

    def __init__(self, *words: str, kind: type[RheoError] = RheoError, hint: bool | str = False) -> None:
        self.words = words
        self.kind = kind
        self.hint = hint

    def __enter__(self) -> rejected:
        self.frame = sys._getframe(1)
        self.file = self.frame.f_code.co_filename
        self.start = self.frame.f_lineno
        return self

    def __exit__(self, _type: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is None:
            raise AssertionError(f"accepted, though an error about {self.words} is due")
        if not isinstance(error, RheoError):
            return False
        self.check(error, self._raising_line(trace))
        return True

    def check(self, error: RheoError, line: int) -> None:
        assert isinstance(error, self.kind), repr(error)
        self._check_text(error)
        assert error.where is not None, f"no place: {error}"
        assert Path(error.where.file).name == Path(self.file).name, str(error)
        assert error.where.line == line, f"{error}\nraised by line {line}"

    def _check_text(self, error: RheoError) -> None:
        text = str(error)
        assert error.what
        missing = [word for word in self.words if word.lower() not in text.lower()]
        assert not missing, f"{missing} not said in: {text}"
        if self.hint:
            assert error.hint, f"no hint: {text}"
        if isinstance(self.hint, str):
            assert self.hint.lower() in (error.hint or "").lower(), text

    def _raising_line(self, trace: TracebackType | None) -> int:
        line = 0
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.file:
                line = trace.tb_lineno
            trace = trace.tb_next
        return line


class faulty(rejected):
    """Expect the error at once or in the report of the whole graph: the last line of the block compiles.

    One fault must say all the words, and stand at a line of the block before the last.
    """

    def check(self, error: RheoError, line: int) -> None:
        if not isinstance(error, GraphError):
            super().check(error, line)
            return
        said = [fault for fault in error.faults if all(w.lower() in str(fault).lower() for w in self.words)]
        assert said, f"{self.words} not said in: {error}"
        for fault in said:
            self._check_text(fault)
            assert fault.where is not None, f"no place: {fault}"
            assert Path(fault.where.file).name == Path(self.file).name, str(fault)
            assert self.start <= fault.where.line < line, f"{fault}\nnot between {self.start} and {line}"
