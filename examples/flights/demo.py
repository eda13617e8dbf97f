"""The main job, from the application's file to checked numbers, on this machine. Run it by ``make demo``.

It compiles the application, starts the local stack (real Airflow, real Spark, a stand-in for AWS), uploads
partitions in a random order with some noise among them, waits for the runs, and checks every table against
the same computation in pandas. The exit status is 0 only when all is as it must be.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from codegen.compiler import compile_graph, write
from examples.flights import data
from rheo_platforms.local.commands import executions
from rheo_platforms.local.stack import LocalStack
from rheo_runtime.records import SUCCEEDED
from rheodsl.loading import load_app

ROOT = Path(__file__).parents[2]
COMPILED = ROOT / "dags_out" / "flights"
SUMMARY = ROOT / "build" / "demo" / "summary.json"
SOURCES, OUTPUTS = "nyc-flights", "rheo-flights"
NOTE_DAY = data.DAYS[-1]
EXPECTED = {"flight_weather": 24, "delay_trend": 6, "daily_note": 1}
SECONDS = 360  # from the first event to the last table, at most
QUIET = 6.0  # after the last table: time for a run that should not be there to show itself

console = Console(width=110 if not sys.stdout.isatty() else None)


class Wrong(Exception):
    """Something is not as it must be."""


def main() -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(description="The main job on this machine.")
    parser.add_argument("--keep", action="store_true", help="leave the stack running")
    keep = parser.parse_args().keep
    stack = LocalStack(ROOT / ".rheo")
    started = time.monotonic()
    try:
        return demo(stack, started)
    except Wrong as fault:
        console.print(f"[bold red]wrong:[/] {fault}")
        return 1
    finally:
        if keep and stack.status():
            user, password = stack.login
            console.print(f"Airflow: {stack.airflow.url}  login {user} / {password}   (end it: make down)")
        else:
            stack.down()


def demo(stack: LocalStack, started: float, meanwhile: Callable[[LocalStack], None] | None = None) -> int:
    """Compile, start, send, wait, check; ``meanwhile`` happens after all events are sent: trouble."""
    changed = write(compile_graph(load_app(ROOT / "examples" / "flights" / "app.py").graph()), COMPILED)
    console.print(f"compiled into {COMPILED.relative_to(ROOT)}/ ({len(changed)} files changed)")
    stack.down()  # what is there of another time would be counted too
    stack.up(COMPILED, say=console.print)
    ready = time.monotonic()
    sender = Sender(stack)
    sender.send_all()
    console.print(f"sent {sender.sent} events: partitions in random order, and some noise among them")
    if meanwhile is not None:
        meanwhile(stack)
    wait(stack)
    tables = {
        "flight_weather": (sender.table("flight_weather"), data.expected_flight_weather()),
        "delay_trend": (sender.table("delay_trend"), data.expected_delay_trend()),
        "daily_note": (sender.table("daily_note"), pd.DataFrame({"day": [NOTE_DAY, *fires(stack)]})),
    }
    seconds = {"stack": round(ready - started, 1), "events to tables": round(time.monotonic() - ready, 1)}
    time.sleep(QUIET)
    faults = check(stack, tables, troubled=meanwhile is not None)
    summary = summarise(stack, sender, seconds)
    for name in ("flight_weather", "delay_trend"):
        show(name, tables[name][0])
    show("summary", pd.DataFrame(list(flat(summary)), columns=["what", "value"]))
    SUMMARY.parent.mkdir(parents=True, exist_ok=True)
    SUMMARY.write_text(json.dumps(summary, indent=1) + "\n", "utf-8")
    if summary["rejected"] != 1:
        faults.append(f"{summary['rejected']} events were rejected, not 1")
    for fault in faults:
        console.print(f"[bold red]wrong:[/] {fault}")
    if not faults:
        console.print(
            "[bold green]every table equals the one that pandas computes; nothing is missing, nothing ran twice[/]"
        )
    return 1 if faults else 0


class Sender:
    """What the outside world does: it writes partitions, and now and then something else."""

    def __init__(self, stack: LocalStack) -> None:
        session = stack.session()
        self.s3 = session.client("s3")
        self.sqs = session.client("sqs")
        self.events = session.client("events")
        self.airflow = stack.airflow
        self.queue = stack.specification().queue
        self.sent = 0

    def send_all(self) -> None:
        """Upload everything in a random, but always the same, order."""
        uploads: list[Callable[[], None]] = [
            lambda folder=folder, text=text: self.upload(folder, text)  # type: ignore[misc]
            for folder, text in data.partitions().items()
        ]
        uploads.append(lambda: self.put("notes/readme.txt", "not a partition"))
        uploads.append(lambda: self.put("flights/EWR/2013-13-45/_SUCCESS", ""))
        random.Random(13).shuffle(uploads)
        tap = self.tap()
        for upload in uploads:
            upload()
        self.redeliver(tap)
        # The timer's own fires are Airflow's; one day is asked for by hand, as in the UI.
        self.airflow.call(
            "POST", "/dags/flights__daily_note/dagRuns", {"logical_date": None, "conf": {"day": NOTE_DAY}}
        )

    def upload(self, folder: str, text: str) -> None:
        """Write a partition, its completion object last."""
        self.put(f"{folder}/part-0.csv", text)
        self.put(f"{folder}/_SUCCESS", "")

    def put(self, key: str, text: str) -> None:
        """Write one object: one event."""
        self.s3.put_object(Bucket=SOURCES, Key=key, Body=text.encode())
        self.sent += 1

    def tap(self) -> str:
        """Let a second queue get the same events, to have one to deliver again."""
        url: str = self.sqs.create_queue(QueueName=f"{self.queue}-tap")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        self.events.put_targets(Rule=f"{self.queue}-objects", Targets=[{"Id": "tap", "Arn": arn}])
        return url

    def redeliver(self, tap: str) -> None:
        """Deliver the event of one completed partition a second time, unchanged."""
        while messages := self.sqs.receive_message(QueueUrl=tap, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                if json.loads(message["Body"])["detail"]["object"]["key"].endswith("/_SUCCESS"):
                    url = self.sqs.get_queue_url(QueueName=self.queue)["QueueUrl"]
                    self.sqs.send_message(QueueUrl=url, MessageBody=message["Body"])
                    self.sent += 1
                    self.events.remove_targets(Rule=f"{self.queue}-objects", Ids=["tap"])
                    return
        raise Wrong("no event of a completed partition was seen")

    def table(self, node: str) -> pd.DataFrame:
        """Read an internal data set whole."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=OUTPUTS, Prefix=f"internal_data/{node}/"
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        parts = [
            pd.read_csv(io.BytesIO(self.s3.get_object(Bucket=OUTPUTS, Key=key)["Body"].read()))
            for key in keys
            if key.endswith(".csv")
        ]
        if not parts:
            return pd.DataFrame()
        table = pd.concat(parts)
        return table.sort_values(list(table.columns[:2]), ignore_index=True)


def wait(stack: LocalStack) -> None:
    """Show progress until every expected execution has succeeded; raise Wrong when one fails or time is up."""
    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    deadline = time.monotonic() + SECONDS
    with Progress(*columns, console=console) as progress:
        bars = {node: progress.add_task(node, total=count) for node, count in EXPECTED.items()}
        while True:
            states = executions(stack)
            for node, bar in bars.items():
                progress.update(bar, completed=states[node][SUCCEEDED])
            if all(states[node][SUCCEEDED] >= count for node, count in expected(stack).items()):
                return
            if failed := {node: n["FAILED"] for node, n in states.items() if n["FAILED"]}:
                raise Wrong(f"executions failed: {failed}; logs are in {stack.folder}")
            if time.monotonic() > deadline:
                raise Wrong(f"not done after {SECONDS} s: { {node: dict(n) for node, n in states.items()} }")
            time.sleep(1.0)


def fires(stack: LocalStack) -> list[str]:
    """Return the days that Airflow's own clock has run: a stack that starts soon after midnight runs that day."""
    runs = stack.airflow.call("GET", "/dags/flights__daily_note/dagRuns?run_type=scheduled")["dag_runs"]
    return sorted(run["partition_key"] for run in runs)


def expected(stack: LocalStack) -> dict[str, int]:
    """Return how many executions of each node there have to be."""
    return {**EXPECTED, "daily_note": EXPECTED["daily_note"] + len(fires(stack))}


def check(
    stack: LocalStack, tables: dict[str, tuple[pd.DataFrame, pd.DataFrame]], *, troubled: bool = False
) -> list[str]:
    """Return what differs from pandas, is missing, or ran more than once.

    A listener that is killed between an announcement and the end of its messages announces again: the second
    run of an execution finds it claimed, and skips.
    """
    faults, due = [], expected(stack)
    for node, (found, right) in tables.items():
        try:
            pd.testing.assert_frame_equal(found, right, check_dtype=False, atol=2e-4, rtol=0)
        except AssertionError as difference:
            faults.append(f"{node}: {difference}")
    for node, states in executions(stack).items():
        if states != Counter({SUCCEEDED: due[node]}):
            faults.append(f"{node}: executions are {dict(states)}, expected {due[node]} {SUCCEEDED}")
    for node, counted in dag_runs(stack).items():
        enough = counted["success"] >= due[node] if troubled else counted["success"] == due[node]
        if counted.keys() != {"success"} or not enough:
            faults.append(f"{node}: DAG runs are {dict(counted)}, expected {due[node]} success")
    return faults


def dag_runs(stack: LocalStack) -> dict[str, Counter[str]]:
    """Return, for each node, how many DAG runs Airflow has in each state."""
    found = {}
    for node in EXPECTED:
        runs = stack.airflow.call("GET", f"/dags/flights__{node}/dagRuns?limit=100")["dag_runs"]
        found[node] = Counter(run["state"] for run in runs)
    return found


def summarise(stack: LocalStack, sender: Sender, seconds: dict[str, float]) -> dict[str, Any]:
    """Return the summary; events are counted by what the listener says of each."""
    counted: Counter[str] = Counter()
    for line in stack.log("listener").read_text("utf-8").splitlines():
        if '"rheo": "batch"' in line:
            said = json.loads(line[line.index("{") :])
            counted.update({name: n for name, n in said.items() if isinstance(n, int)})
    return {
        "executions": {node: states[SUCCEEDED] for node, states in executions(stack).items()},
        "events": counted["events"],
        "sent": sender.sent,
        "matched": counted["matches"],
        "unmatched": counted["unmatched"],
        "rejected": counted["rejected"],
        "dag_runs": {node: sum(states.values()) for node, states in dag_runs(stack).items()},
        "seconds": seconds,
    }


def flat(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of the summary as a table."""
    rows = []
    for name, value in summary.items():
        if isinstance(value, dict):
            rows += [(f"{name}: {inner}", str(x)) for inner, x in value.items()]
        else:
            rows.append((name, str(value)))
    return rows


def show(title: str, frame: pd.DataFrame) -> None:
    """Print a table."""
    table = Table(title=title, title_justify="left")
    for column in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[column])
        table.add_column(str(column), justify="right" if numeric else "left")
    for row in frame.itertuples(index=False):
        table.add_row(*map(str, row))
    console.print(table)


if __name__ == "__main__":
    raise SystemExit(main())
