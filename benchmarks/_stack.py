"""A batch beside single runs, and an event beside a pump: on the local stack, with a real Airflow and a real Spark."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar

from codegen.compiler import compile_graph, write
from rheo_platforms.deployment import Deployment
from rheo_platforms.local.platform import LocalPlatform
from rheo_platforms.local.stack import LocalStack
from rheo_runtime.airflow_client import PUMP, dag_id
from rheo_runtime.records import SUCCEEDED
from rheodsl import Application, Batch, BatchCompute, InlinedCompute

T = TypeVar("T")
APP, DATA = "scale", "scale-data"
SINGLE = 200  # partitions with a run each
MANY = 500  # partitions of one batch, as each run of ten thousand has them
PUMPED = 100  # partitions that are announced while others come
MEANWHILE = 10  # events of another node
SECONDS = 1800.0  # how long one part may take

CODE = "output = {source}.selectExpr('price * 2 AS price')"


AT_ONCE = 100  # objects that one message tells of


class Storm(NamedTuple):
    """What became of many partitions that came at once; ``single`` is what one of them takes in a run of its own."""

    seconds: float
    runs: int
    executions: int  # that succeeded, each once
    single: float


class Wide(NamedTuple):
    """What became of many single runs that were announced at once.

    Seconds from the first of their events to the last run that was made, and between the first and the last run; of an
    event of another node to its run, with nothing else to do and meanwhile; of the slowest answer of Airflow's API.
    """

    pumps: int
    seconds: float
    making: float
    alone: Sequence[float]
    meanwhile: Sequence[float]
    slowest: float


class Carried(NamedTuple):
    """Seconds of each partition in a batch, and in a run of its own; seconds from an event to its run, while others are pumped."""

    batched: float
    single: float
    meanwhile: float


@contextmanager
def _lab(**options: Any) -> Iterator[Lab]:
    """A stack that runs the application, declared with these options, until its end."""
    with TemporaryDirectory(prefix="rheo-bench-") as folder:
        platform = LocalPlatform(Path(folder) / ".rheo")
        try:
            write(compile_graph(application(platform, **options).graph()), Path(folder) / "compiled")
            platform.stack.up(Path(folder) / "compiled")
            yield Lab(platform.stack, platform.deployment(APP))
        finally:
            platform.stack.down()


def carry() -> Carried:
    """Start a stack, run everything on it, and end it."""
    with _lab() as lab:
        lab.warm()
        return Carried(lab.carried("batched", MANY) / MANY, lab.single(), lab.meanwhile())


def storm(partitions: int) -> Storm:
    """Carry out some in runs of their own; so many in batches, while the listener and Airflow's scheduler are killed."""
    with _lab(wait=timedelta(seconds=60)) as lab:
        lab.warm()
        return lab.storm("batched", partitions)


def door(partitions: int) -> Wide:
    """Announce so many single runs, and let another node's events come meanwhile."""
    # What is measured is how runs are made: one of them after the other is carried out meanwhile.
    with _lab(pumped_runs=1) as lab:
        return lab.door(partitions)


def nothing(input_map: Any, output: Any, params: Any) -> None:
    """Compute nothing."""


def application(
    platform: Any, most: int = MANY, wait: timedelta = timedelta(seconds=5), pumped_runs: int | None = None
) -> Application:
    """Nodes that do the same with a batch and without, one that is pumped, and one that comes meanwhile."""
    app = Application(APP, platform=platform)
    batch = Batch(max=most, wait=wait, parallel=4)
    for name in ("batched", "single", "pumped", "swift"):
        source = app.s3(f"of_{name}", f"s3://{DATA}/{name}/{{part}}", format="CSV", schema="price long")
        spark = name in ("batched", "single")
        app.create_data(
            name,
            inputs=[source],
            compute_targets=BatchCompute(CODE.format(source=f"of_{name}"))
            if spark
            else InlinedCompute(nothing),
            **({"batch": batch} if name == "batched" else {}),
            **({"max_active_runs": pumped_runs} if name == "pumped" and pumped_runs else {}),
        )
    return app


def message(bucket: str, keys: Sequence[str]) -> str:
    """Return one message of new objects, as S3 would send several."""
    records = [
        {
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "eventTime": "2026-01-01T00:00:00.000Z", "awsRegion": "us-east-1",
            "s3": {"bucket": {"name": bucket}, "object": {"key": key, "eTag": "1", "size": 0}},
        }
        for key in keys
    ]  # fmt: skip
    return json.dumps({"Records": records})


class Lab:
    """The running stack, and what is measured on it."""

    def __init__(self, stack: LocalStack, deployment: Deployment) -> None:
        self.stack = stack
        self.deployment = deployment
        self.made = 0
        stack.session().client("s3").create_bucket(Bucket=DATA)

    def carried(self, node: str, count: int) -> float:
        """Carry out this many new partitions; return the seconds from the begin of the first run to the end of the last."""
        parts = self._parts(count)
        self._put(node, parts)
        before = {run["dag_run_id"] for run in self._runs(node)}
        self._arrive_all(node, parts)
        self._until(
            lambda: len(self._runs(node)) > len(before) and self._over(node) and self._done(node, parts)
        )
        new = [run for run in self._over(node) if run["dag_run_id"] not in before]
        return (
            max(_time(run["end_date"]) for run in new) - min(_time(run["start_date"]) for run in new)
        ).total_seconds()

    def warm(self) -> None:
        """Carry out a few: the first ones load what all others find."""
        self.carried("single", 2)

    def single(self) -> float:
        """Return the seconds of a partition in a run of its own."""
        return self.carried("single", SINGLE) / SINGLE

    def storm(self, node: str, count: int) -> Storm:
        """Let so many partitions come at once; kill the listener and the scheduler on the way."""
        single = self.single()
        parts = self._parts(count)
        self._put(node, parts)
        began = time.monotonic()
        self._arrive_all(node, parts)
        self.stack.kill_listener()
        self.stack.restart_listener()
        self._until(lambda: self._runs(node), SECONDS + count)
        self.stack.kill_scheduler()
        self.stack.restart_scheduler()
        self._until(lambda: self._over(node) and self._done(node, parts), SECONDS + count)
        seconds = time.monotonic() - began
        outputs = [o for o in self.deployment.ledger.outputs(node) if o.partition in set(parts)]
        once = [o for o in outputs if [e.state for e in o.ended] == [SUCCEEDED] and o.generation == 1]
        return Storm(seconds, len(self._until(lambda: self._over(node))), len(once), single)

    def _put(self, node: str, parts: Sequence[str]) -> None:
        s3 = self.stack.session().client("s3")
        for part in parts:
            s3.put_object(Bucket=DATA, Key=f"{node}/{part}/a.csv", Body=b"price\n1\n2\n")

    def meanwhile(self) -> float:
        """Return the median seconds from an event to its run, while many of another node are pumped."""
        pumped = self._parts(PUMPED)
        self._arrive("pumped", pumped)
        self._until(lambda: self._runs("pumped"))
        sent = self._swift(MEANWHILE, 1.0)
        latencies = self._latencies(sent)
        self._until(lambda: self._over("pumped") and self._done("pumped", pumped))
        return statistics.median(latencies)

    def door(self, count: int) -> Wide:
        """Let so many partitions of a node without a batch come at once; see `Wide`."""
        alone = self._latencies(self._swift(2 * MEANWHILE, 2.0))
        sent: dict[str, float] = {}
        parts = self._parts(count)
        began, slowest = time.time(), 0.0
        while True:
            if parts and self._waiting() <= 1:  # as fast as the one listener that is here takes them
                self._arrive("pumped", parts[:AT_ONCE])
                del parts[:AT_ONCE]
            asked = time.monotonic()
            made = self._count(dag_id(APP, "pumped"))
            slowest = max(slowest, time.monotonic() - asked)
            if made >= count:
                break
            assert time.time() - began < SECONDS, f"{made:,} of {count:,} runs were made"
            if time.time() - max([*sent.values(), began]) > 3.0:
                sent |= self._swift(1, 0.0)
            time.sleep(0.1)
        runs = self._runs("pumped")
        assert len({run["partition_key"] for run in runs}) == len(runs) == count, "each once"
        times = sorted(_time(run["queued_at"]).timestamp() for run in runs)
        pumps = self._count(dag_id(APP, PUMP))
        return Wide(pumps, times[-1] - began, times[-1] - times[0], alone, self._latencies(sent), slowest)

    def _swift(self, count: int, apart: float) -> dict[str, float]:
        """Let partitions of another node come, so many seconds apart; return when each did."""
        sent = {}
        for part in self._parts(count):
            sent[part] = time.time()
            self._arrive("swift", [part])
            time.sleep(apart)
        return sent

    def _latencies(self, sent: Mapping[str, float]) -> list[float]:
        """Wait until each has its run; return the seconds from its event to that."""
        self._until(lambda: {run["partition_key"] for run in self._runs("swift")} >= sent.keys())
        made = {run["partition_key"]: _time(run["queued_at"]).timestamp() for run in self._runs("swift")}
        return [made[part] - moment for part, moment in sent.items()]

    def _waiting(self) -> int:
        """How many messages are in the listener's queue."""
        answer = (
            self.stack.session()
            .client("sqs")
            .get_queue_attributes(
                QueueUrl=self.deployment.queue, AttributeNames=["ApproximateNumberOfMessages"]
            )
        )
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])

    def _count(self, dag: str) -> int:
        """How many runs of a DAG there are."""
        return int(self.stack.airflow.call("GET", f"/dags/{dag}/dagRuns?limit=1")["total_entries"])

    def _parts(self, count: int) -> list[str]:
        self.made += count
        return [f"p{n:05}" for n in range(self.made - count, self.made)]

    def _arrive_all(self, node: str, parts: Sequence[str]) -> None:
        for start in range(0, len(parts), AT_ONCE):
            self._arrive(node, parts[start : start + AT_ONCE])

    def _arrive(self, node: str, parts: Sequence[str]) -> None:
        body = message(DATA, [f"{node}/{part}/_SUCCESS" for part in parts])
        self.stack.session().client("sqs").send_message(QueueUrl=self.deployment.queue, MessageBody=body)

    def _done(self, node: str, parts: Sequence[str]) -> bool:
        ended = {o.partition for o in self.deployment.ledger.outputs(node) if o.ended and o.active is None}
        return ended >= set(parts)

    def _runs(self, node: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            path = f"/dags/{dag_id(APP, node)}/dagRuns?limit=100&offset={len(found)}"
            page = self.stack.airflow.call("GET", path)
            found += page["dag_runs"]
            if not page["dag_runs"] or len(found) >= page["total_entries"]:
                return found

    def _over(self, node: str) -> list[dict[str, Any]]:
        runs = self._runs(node)
        return runs if all(run["state"] in ("success", "failed") for run in runs) else []

    def _until(self, what: Callable[[], T], seconds: float = SECONDS) -> T:
        deadline = time.monotonic() + seconds
        while True:
            asked = time.monotonic()
            if found := what():
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {seconds:g} seconds")
            # To look at all outputs takes seconds of the stand-in, which the stack is waiting for.
            time.sleep(max(0.5, 10 * (time.monotonic() - asked)))


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
