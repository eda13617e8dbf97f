"""Hooks of generated DAGs, called by the tasks and callbacks that Airflow would run, on a ledger in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from hooked_app import application

from codegen.compiler import compile_graph, write
from rheo_airflow.tasks import settings
from rheo_airflow.tasks.compat import AirflowFailException, AirflowSkipException, DownstreamTasksSkipped
from rheo_airflow.tasks.hooks import CheckpointOperator
from rheo_runtime.airflow_client import told_as
from rheo_runtime.engine import Engine
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import CLAIMED, FAILED, SUCCEEDED
from rheo_runtime.wire import RouteTable

pytestmark = pytest.mark.slow


@dataclass
class Aws:
    """Takes what tasks send."""

    sent: list[Any] = field(default_factory=list)

    def put_object(self, **call: Any) -> None:
        self.sent.append(call["Key"])

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.sent += Entries
        return {"FailedEntryCount": 0, "Entries": []}

    def publish(self, **call: Any) -> dict[str, str]:
        self.sent.append((call["TopicArn"], call["Message"]))
        return {"MessageId": "1"}

    def put_metric_data(self, **call: Any) -> None:
        """Metrics are another test's."""


@dataclass
class Run:
    """A DAG run as its tasks see it."""

    run_id: str
    conf: dict[str, Any] = field(default_factory=dict)
    run_type: str = "asset_triggered"
    partition_key: str | None = None


@dataclass
class Event:
    extra: dict[str, Any]
    timestamp: datetime = datetime(2020, 1, 1, tzinfo=UTC)


class Lab:
    """The DAGs of the application, run task by task."""

    def __init__(self, folder: Path, seen: Path, ledger: MemoryLedger) -> None:
        self.folder = folder
        self.seen = seen
        self.ledger = ledger
        self.clock = 1_000_000.0
        table = RouteTable.loads((folder / "routes.json").read_text())
        self.engine = Engine(table, ledger, now=lambda: self.clock)
        self.xcoms: dict[tuple[str, str], Any] = {}
        self.states: dict[str, dict[str, str]] = {}
        bag = DagBag(str(folder))
        assert bag.import_errors == {}
        self.dags = bag.dags

    # --- events ---

    def arrive(self, signal: str, n: int = 1) -> Any:
        return self.engine.on_named("hooked", signal, ("NA", "2020-03-18"), f"{signal}-{n}", self.clock)

    def fire(self, n: int = 1) -> dict[str, Any]:
        """Both inputs of one output partition arrive."""
        self.arrive("orders", n)
        outcome = self.arrive("ships", n)
        (document,) = outcome.fired or outcome.held
        return document

    # --- runs ---

    def run(self, dag: str, run: Run, told: dict[str, Any] | None = None) -> Playing:
        return Playing(self, self.dags[dag], run, told)

    def told(self) -> list[dict[str, Any]]:
        """What hooks have noted since the last time."""
        if not self.seen.exists():
            return []
        lines = [json.loads(line) for line in self.seen.read_text().splitlines()]
        self.seen.unlink()
        return lines

    def names(self) -> list[str]:
        return [line["HOOK_TYPE_PARAM"] for line in self.told()]

    def output(self) -> Any:
        return self.ledger.output("both", "NA/2020-03-18", None)[0]


class Playing:
    """One DAG run, played as Airflow would."""

    def __init__(self, lab: Lab, dag: Any, run: Run, told: dict[str, Any] | None) -> None:
        self.lab = lab
        self.dag = dag
        self.dag_run = run
        self.events = [] if told is None else [Event({k: told[k] for k in ("id", "partition")})]
        self.states: dict[str, str] = {}
        self.xcoms: dict[tuple[str, str], Any] = {}

    def do(self, task_id: str, last: bool = True) -> str:
        """Run a task, then its callback; return its state."""
        task = self.dag.get_task(task_id)
        context = {
            "dag": self.dag, "dag_run": self.dag_run, "task": task, "params": {}, "ti": Ti(self, task_id),
            "triggering_asset_events": {"asset": self.events} if self.events else {},
        }  # fmt: skip
        try:
            result = getattr(task, "poke", task.execute)(context)
        except AirflowSkipException:
            state = "skipped"
        except DownstreamTasksSkipped as fault:
            state = "success"
            self.states |= dict.fromkeys(fault.tasks, "skipped")
        except Exception as fault:  # noqa: BLE001 - whatever a task raises is its outcome
            context["exception"] = fault
            retried = not last and not isinstance(fault, AirflowFailException)
            state = "up_for_retry" if retried else "failed"
        else:
            state = "success" if result is not False else "up_for_reschedule"
            # As Airflow's database keeps it: dicts without their order.
            self.xcoms[task_id, "return_value"] = json.loads(json.dumps(result, sort_keys=True))
        self.states[task_id] = state
        kind = {"success": "on_success", "failed": "on_failure", "up_for_retry": "on_retry"}.get(state)
        if kind is not None:
            for callback in getattr(task, f"{kind}_callback") or ():
                callback(context)
        return state

    def all(self, *tasks: str) -> None:
        for task in tasks:
            self.do(task)


@dataclass
class Ti:
    playing: Playing
    task_id: str

    def xcom_push(self, key: str, value: Any) -> None:
        self.playing.xcoms[self.task_id, key] = value

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        return self.playing.xcoms.get((task_ids, key))

    def get_task_states(self, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, Any]:
        states = self.playing.states
        return {run_ids[0]: {t: states[t] for t in task_ids if t in states}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dags")
    write(compile_graph(application().graph()), folder)
    return folder


@pytest.fixture
def lab(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    aws, ledger, seen = Aws(), MemoryLedger(), tmp_path / "seen"
    monkeypatch.setenv("SEEN", str(seen))
    monkeypatch.setattr(settings, "client", lambda service: aws)
    monkeypatch.setattr(settings, "ledger", lambda app: ledger)
    monkeypatch.setattr("rheo_airflow.tasks.python_compute.parameters", lambda: {"REGION": "here"})
    return Lab(folder, seen, ledger)


# --- executions ---


def test_a_run_that_succeeds(lab: Lab) -> None:
    document = lab.fire()
    run = lab.run("hooked__both", Run("r1"), document)
    run.all("claim", "on_exec_begin", "compute", "publish")
    begin, success = lab.told()
    where = {
        "output": {"region": "NA", "day": "2020-03-18"},
        "inputs": {"orders": ["s3://shop/orders/NA/2020-03-18"], "ships": ["s3://shop/ships/NA/2020-03-18"]},
        "REGION": "here", "EXECUTION_ID": "both/NA/2020-03-18#1", "NODE": "both", "RUN_ID": "r1",
    }  # fmt: skip
    assert begin == {**where, "HOOK_TYPE_PARAM": "on_exec_begin"}
    assert success == {**where, "HOOK_TYPE_PARAM": "on_compute_success", "TASK_ID": "compute"}
    # One of the two hooks fails: it is seen at the task, the other is called all the same.
    assert run.do("on_success") == "failed"
    assert [t["HOOK_TYPE_PARAM"] for t in lab.told()] == ["on_success"]
    assert run.do("on_failure") == run.do("on_exec_skipped") == run.do("on_checkpoint_60") == "skipped"
    assert lab.told() == []
    # No hook has touched the execution.
    assert lab.output().active is None
    assert [(e.state, e.signalled) for e in lab.output().ended] == [(SUCCEEDED, True)]


def test_a_run_that_fails(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.run("hooked__both", Run("r1"), lab.fire())
    monkeypatch.setenv("FAIL_HERE", "1")
    run.do("claim")
    assert run.do("compute", last=False) == "up_for_retry"
    assert run.do("compute") == "failed"
    assert run.do("publish") == "failed"
    assert run.do("on_success") == "skipped"
    assert run.do("on_failure") == "success"
    retry, failed, failure = lab.told()
    assert (retry["HOOK_TYPE_PARAM"], retry["ERROR"]) == ("on_compute_retry", "no luck")
    assert (failed["HOOK_TYPE_PARAM"], failed["ERROR"]) == ("on_compute_failure", "no luck")
    assert failure["HOOK_TYPE_PARAM"] == "on_failure"
    assert failure["ERROR"].startswith("compute failed: ValueError: no luck (hooked_app.py:")
    assert [e.state for e in lab.output().ended] == [FAILED]


def test_a_run_that_has_no_execution_tells_nothing(lab: Lab) -> None:
    document = lab.fire()
    lab.run("hooked__both", Run("r1"), document).do("claim")
    other = lab.run("hooked__both", Run("r2"), document)
    assert other.do("claim") == "success"
    hooks = {"on_exec_begin", "on_exec_skipped", "on_success", "on_failure", "on_checkpoint_60"}
    assert hooks <= {task for task, state in other.states.items() if state == "skipped"}
    by_hand = lab.run("hooked__both", Run("m"))  # it names no partition, so claim fails
    assert by_hand.do("claim") == "failed"
    assert {by_hand.do(hook) for hook in hooks} == {"skipped"}
    assert lab.told() == []


def test_merged_executions_are_told_to_the_run_that_took_their_place(lab: Lab) -> None:
    first = lab.run("hooked__both", Run("r1"), lab.fire(1))
    first.do("claim")
    for n in (2, 3, 4):
        last = lab.fire(n)
    assert first.do("on_exec_skipped") == "skipped"
    first.all("compute", "publish")
    lab.told()
    second = lab.run("hooked__both", Run("r2"), last)
    second.do("claim")
    assert second.do("on_exec_skipped") == "success"
    assert [t["EXECUTION_ID"] for t in lab.told()] == ["both/NA/2020-03-18#2", "both/NA/2020-03-18#3"]


def test_a_checkpoint_comes_once_while_the_execution_runs(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.run("hooked__both", Run("r1"), lab.fire())
    run.do("claim")
    assert run.do("on_checkpoint_60") == "up_for_reschedule"
    claimed = lab.output().active.moved
    monkeypatch.setattr("rheo_airflow.tasks.hooks.time.time", lambda: claimed + 61)
    assert run.do("on_checkpoint_60") == "success"
    (told,) = lab.told()
    assert (told["HOOK_TYPE_PARAM"], told["CHECKPOINT_IN_SECS"]) == ("checkpoint", 60)
    assert lab.output().active.state == CLAIMED
    other = lab.run("hooked__both", Run("r1"), None)
    other.xcoms = run.xcoms
    run.all("compute", "publish")
    assert other.do("on_checkpoint_60") == "skipped"


@pytest.mark.parametrize(
    ("seconds", "mode"), [(5, "poke"), (12, "poke"), (13, "reschedule"), (60, "reschedule")]
)
def test_a_checkpoint_of_some_seconds_waits_where_it_is(seconds: int, mode: str) -> None:
    """Airflow fails a task that is due again before its worker has reported that it went: a heartbeat later."""
    checkpoint = CheckpointOperator(task_id=f"on_checkpoint_{seconds}", hooks=[], seconds=seconds)
    assert (checkpoint.mode, checkpoint.poke_interval) == (mode, seconds)
    assert settings.LOOK >= settings.RESCHEDULED_SOONEST > 2 * 5


def test_hooks_cannot_fail_a_run(lab: Lab) -> None:
    tasks = {task.task_id: task for task in lab.dags["hooked__both"].tasks}
    own = {"claim", "compute", "publish"}
    assert {name for name, task in tasks.items() if not task.is_teardown} == own
    # Airflow takes the state of a run from its last tasks that are no teardowns: publish alone.
    assert not any(task.on_failure_fail_dagrun for task in tasks.values())
    assert tasks["publish"].upstream_task_ids == {"compute"}
    assert all(task.retries == 0 for name, task in tasks.items() if name not in own)


def test_a_node_gives_its_retries_to_targets_that_have_none(lab: Lab) -> None:
    spark, both = lab.dags["hooked__spark"], lab.dags["hooked__both"]
    assert [spark.get_task(f"compute_{n}").retries for n in (1, 2)] == [3, 3]
    assert both.get_task("compute").retries == 1


def test_a_message_can_be_a_hook(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = settings.client("sns")
    (document,) = lab.arrive("views").fired
    run = lab.run("hooked__spark", Run("r1"), document)
    run.do("claim")
    run.states["publish"] = "upstream_failed"
    assert run.do("on_failure") == "success"
    assert aws.sent == [("arn:aws:sns:us-east-1:123456789012:failed", "spark/NA/2020-03-18#1 has failed")]
    assert len(lab.told()) == 1


# --- inputs that wait ---


def test_waiting_inputs_are_told_once_at_each_moment(lab: Lab) -> None:
    assert lab.arrive("orders").fired == []
    found: list[tuple[int, list[str]]] = []
    for minutes in (0, 1, 9, 10, 11, 59, 60, 61):
        lab.clock = 1_000_000.0 + minutes * 60
        for engine in (lab.engine, Engine(lab.engine.program.table, lab.ledger, now=lambda: lab.clock)):
            told = engine.tick().told
            found.append((minutes, [d["hook"]["name"] for d in told]))
    assert [(minutes, names) for minutes, names in found if names] == [
        (0, ["on_pending_node_created"]), (10, ["on_pending_checkpoint_600"]), (60, ["on_expiration"]),
    ]  # fmt: skip
    # After it expired, a new arrival is a new pending node.
    lab.clock += 60
    lab.arrive("orders", 2)
    assert [d["hook"]["name"] for d in lab.engine.tick().told] == ["on_pending_node_created"]


def test_nothing_is_told_of_inputs_that_came_together(lab: Lab) -> None:
    lab.fire()
    assert lab.engine.tick().told == []


def test_a_crash_before_the_lapse_loses_no_expiration(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.arrive("orders")
    lab.clock += 3600

    def crash(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("rheo_runtime.engine.expire", crash)
        with pytest.raises(KeyboardInterrupt):
            lab.engine.tick()
    kept = [o.active.document["hook"]["name"] for o in lab.ledger.unsettled() if o.node == told_as("both")]
    assert "on_expiration" in kept
    assert lab.engine.tick().told == []


def test_the_pending_dag_calls_the_hook_that_is_meant(lab: Lab) -> None:
    lab.arrive("orders")
    (document,) = lab.engine.tick().told
    assert document["partition"] == "NA/2020-03-18@1970-01-12T13:46:40.000Z/on_pending_node_created"
    run = lab.run("hooked__both__pending", Run("p1"), document)
    assert run.do("tell") == "success"
    (told,) = lab.told()
    assert told["HOOK_TYPE_PARAM"] == "on_pending_node_created"
    assert (told["NODE"], told["output"]) == ("both", {"region": "NA", "day": "2020-03-18"})
    assert told["inputs"] == {"orders": ["s3://shop/orders/NA/2020-03-18"]}
    assert [(m["alias"], m["what"]) for m in told["MISSING"]] == [("ships", "NA/2020-03-18")]
    # Another run of the same telling has nothing to do, and nothing is left for the sweeper.
    assert lab.run("hooked__both__pending", Run("p2"), document).do("tell") == "skipped"
    assert lab.told() == []
    assert [o for o in lab.ledger.unsettled() if o.node == told_as("both")] == []


def test_a_pending_hook_that_fails_is_a_failed_run_and_no_more(lab: Lab) -> None:
    lab.arrive("orders")
    lab.clock += 600
    document = lab.engine.tick().told[1]
    run = lab.run("hooked__both__pending", Run("p1"), document)
    assert run.do("tell") == "failed"
    (told,) = lab.told()  # the broken one did not keep the other from being called
    assert (told["HOOK_TYPE_PARAM"], told["CHECKPOINT_IN_SECS"]) == ("checkpoint", 600)
    (ended,) = lab.ledger.output(document["node"], document["partition"], None)[0].ended  # type: ignore[union-attr]
    assert (ended.state, ended.note) == (FAILED, "RuntimeError: a broken hook")
    assert lab.arrive("ships").fired != []


def test_what_is_kept_for_a_platform(folder: Path) -> None:
    stack = json.loads((folder / "stack.json").read_text())
    assert stack["retention"] == [{"prefix": "internal_data/both/", "days": 30}]
    assert stack["dags"] == ["hooked__both", "hooked__both__pending", "hooked__spark", "hooked__rheo__pump"]
    table = RouteTable.loads((folder / "routes.json").read_text())
    assert table == RouteTable.loads(table.dumps())
    (route,) = [r for r in table.routes if r.node == "both"]
    assert set(route.pending_hooks) == {
        "on_pending_node_created", "on_expiration", "on_pending_checkpoint_600",
    }  # fmt: skip
