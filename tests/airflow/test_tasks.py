"""Claim, compute and publish for one run after another, on the ledger in memory."""

from __future__ import annotations

import json
import sys
import types
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from codegen.compiler import compile_graph, write
from rheo_airflow.tasks import (
    ClaimOperator,
    PublishOperator,
    PythonComputeOperator,
    python_compute,
    release,
    settings,
)
from rheo_airflow.tasks.claim import hold
from rheo_airflow.tasks.compat import AirflowFailException, BaseOperator, DownstreamTasksSkipped
from rheo_runtime import executions
from rheo_runtime.engine import Engine
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import CLAIMED, FAILED, READY, SUCCEEDED, Output
from rheo_runtime.wire import RouteTable
from rheodsl import Application, InlinedCompute

pytestmark = pytest.mark.slow


def compute(input_map: Any, output: Any, params: Any) -> None:
    """Say what it was given, or fail."""
    import json
    import os

    if os.environ.get("FAIL_HERE"):
        raise ValueError("no luck")
    with open(os.environ["SEEN"], "a") as file:
        paths = {alias: s.get_materialized_resource_paths() for alias, s in input_map.items()}
        json.dump([paths, output.get_materialized_resource_paths(), sorted(params), input0.alias], file)  # noqa: F821


class Compute:
    """The class form."""

    def __call__(self, input_map: Any, output: Signal, params: Any) -> None:  # type: ignore[name-defined]  # noqa: F821
        import os

        with open(os.environ["SEEN"], "a") as file:
            file.write(f"{params[AWSCommonParams.REGION]} {output.alias}")  # type: ignore[name-defined]  # noqa: F821


def application() -> Application:
    app = Application("shop")
    orders = app.s3("orders", "s3://shop/{region:int}/{day:%Y-%m-%d}")
    ships = app.s3("ships", "s3://shop/{country}/{ship_day:%d-%m-%Y}")
    daily = app.add_timer("daily", "rate(1 day)", "day", time_dimension_shift=-1)
    links = [orders.region.map({1: "NA", 2: "EU"}) == ships.country, orders.day == ships.ship_day]
    app.create_data("both", [orders, ships], links, compute_targets=InlinedCompute(compute))
    app.create_data("each_day", [daily], compute_targets=InlinedCompute(Compute()))
    app.create_data("lossy", [orders[1]], output_dimension_spec={"year": {"type": "LONG"}},
                    output_dim_links=[("year", lambda d: d.year, orders("day"))], compute_targets="output = orders")  # fmt: skip
    return app


@dataclass
class Aws:
    """Records what tasks do to AWS."""

    done: list[tuple[str, Any]] = field(default_factory=list)
    break_signals: bool = False

    def put_object(self, **call: Any) -> None:
        self.done.append((f"s3://{call['Bucket']}/{call['Key']}", call["Body"]))

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        if self.break_signals:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
        self.done += [(e["DetailType"], json.loads(e["Detail"])) for e in Entries]
        return {"FailedEntryCount": 0, "Entries": []}

    def signals(self) -> list[Any]:
        return [detail for what, detail in self.done if what == "rheo.signal"]


@dataclass
class Run:
    """A DAG run as its tasks see it."""

    run_id: str
    conf: dict[str, Any] = field(default_factory=dict)
    run_type: str = "asset_triggered"
    partition_key: str | None = None
    logical_date: datetime | None = None
    run_after: datetime | None = None


@dataclass
class Event:
    extra: dict[str, Any]
    timestamp: datetime


class Lab:
    """One node's DAG, run task by task."""

    def __init__(self, folder: Path, node: str, table: RouteTable, ledger: MemoryLedger) -> None:
        self.ledger = ledger
        self.node = node
        self.engine = Engine(table, ledger)
        with DAG(f"shop__{node}", schedule=None) as self.dag:
            self.claim = ClaimOperator(task_id="claim", app="shop", node=node)
            entry = "compute" if node == "both" else "Compute"
            self.compute = PythonComputeOperator(task_id="compute", code=f"inlined/{node}.py", entry=entry)
            self.publish = PublishOperator(task_id="publish", app="shop", node=node)
            self.claim >> self.compute >> self.publish
        self.dag.fileloc = str(folder / f"{node}.py")
        self.xcoms: dict[tuple[str, str, str], Any] = {}
        self.states: dict[str, dict[str, str]] = {}

    def fire(self, n: int = 1) -> dict[str, Any]:
        """Both inputs of one output partition arrive."""
        self.engine.on_named("shop", "orders", ("1", "2020-03-18"), f"o{n}")
        outcome = self.engine.on_named("shop", "ships", ("NA", "18-03-2020"), f"s{n}")
        (document,) = outcome.fired or outcome.held
        return document

    def output(self) -> Output:
        (output,) = self.ledger.outputs(self.node)
        return output

    def context(self, run: Run, events: list[dict[str, Any]] = (), **params: Any) -> Any:  # type: ignore[assignment]
        start = datetime(2020, 1, 1, tzinfo=UTC)
        # Airflow gives merged events in no order.
        sent = [Event(extra, start + timedelta(seconds=n)) for n, extra in enumerate(events)][::-1]
        return {
            "dag_run": run, "ti": Ti(self, run), "dag": self.dag, "params": params,
            "triggering_asset_events": {"asset": sent} if sent else {},
        }  # fmt: skip

    def do(self, task: BaseOperator, context: Any) -> Any:
        """Run a task as Airflow does."""
        run_id = context["dag_run"].run_id
        states = self.states.setdefault(run_id, {})
        context["ti"].task_id = task.task_id
        try:
            result = task.execute(context)
        except Exception:
            states[task.task_id] = "failed"
            raise
        states[task.task_id] = "success"
        # As Airflow's database keeps it: dicts without their order.
        self.xcoms[run_id, task.task_id, "return_value"] = json.loads(json.dumps(result, sort_keys=True))
        return result

    def all(self, context: Any) -> None:
        for task in (self.claim, self.compute, self.publish):
            self.do(task, context)


@dataclass
class Ti:
    lab: Lab
    run: Run
    task_id: str = "claim"

    def xcom_push(self, key: str, value: Any) -> None:
        self.lab.xcoms[self.run.run_id, self.task_id, key] = value

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        return self.lab.xcoms.get((self.run.run_id, task_ids, key))

    def get_task_states(self, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, Any]:
        states = self.lab.states.get(run_ids[0], {})
        return {run_ids[0]: {t: states[t] for t in task_ids if t in states}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dags")
    write(compile_graph(application().graph()), folder)
    return folder


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Aws:
    aws = Aws()
    monkeypatch.setattr(settings, "client", lambda service: aws)
    monkeypatch.setattr(
        "rheo_airflow.tasks.python_compute.parameters",
        lambda: {"AWS_BOTO_SESSION": None, "ACCOUNT_ID": "1", "REGION": "here"},
    )
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    return aws


@pytest.fixture
def labs(folder: Path, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Any:
    table = RouteTable.loads((folder / "routes.json").read_text())
    ledger = MemoryLedger()
    monkeypatch.setattr(settings, "ledger", lambda app: ledger)
    return lambda node: Lab(folder, node, table, ledger)


@pytest.fixture
def lab(labs: Any) -> Lab:
    made: Lab = labs("both")
    return made


def told(document: dict[str, Any]) -> dict[str, Any]:
    return {"id": document["id"], "partition": document["partition"], "from_rest_api": True}


OUTPUT = "s3://rheo-shop/internal_data/both/1/2020-03-18"


def test_an_event_leads_to_one_published_output(lab: Lab, aws: Aws, tmp_path: Path) -> None:
    document = lab.fire()
    lab.all(lab.context(Run("r1"), [told(document)]))
    assert lab.output().active is None
    assert [(e.state, e.run_id, e.signalled) for e in lab.output().ended] == [(SUCCEEDED, "r1", True)]
    detail = {"app": "shop", "signal": "both", "partition": ["1", "2020-03-18"], "id": "both/1/2020-03-18#1"}
    detail["means"] = document["output"]["means"]
    assert aws.done == [(f"{OUTPUT}/_SUCCESS", b""), ("rheo.signal", detail)]
    inputs = {"orders": ["s3://shop/1/2020-03-18"], "ships": ["s3://shop/NA/18-03-2020"]}
    assert json.loads((tmp_path / "seen").read_text()) == [
        inputs, [OUTPUT], ["ACCOUNT_ID", "AWS_BOTO_SESSION", "REGION"], "orders",
    ]  # fmt: skip


def test_a_second_run_of_an_execution_skips_everything(lab: Lab) -> None:
    document = lab.fire()
    lab.do(lab.claim, lab.context(Run("r1"), [told(document)]))
    for run in ("r2", "r3"):
        with pytest.raises(DownstreamTasksSkipped) as skipped:
            lab.do(lab.claim, lab.context(Run(run), [told(document)]))
        assert skipped.value.tasks == ["compute", "publish"]
    assert lab.output().active.run_id == "r1"  # type: ignore[union-attr]


def test_a_run_may_claim_again(lab: Lab) -> None:
    document = lab.fire()
    context = lab.context(Run("r1"), [told(document)])
    assert lab.do(lab.claim, context) == lab.do(lab.claim, context) == document


def test_of_merged_events_the_live_execution_is_claimed(lab: Lab) -> None:
    first, second = lab.fire(1), lab.fire(2)
    lab.all(lab.context(Run("r1"), [told(first)]))
    # The sweeper had announced the first again; its event and the second's came into one run.
    lab.all(lab.context(Run("r2"), [told(first), told(second)]))
    assert [e.run_id for e in lab.output().ended] == ["r2", "r1"]


def test_a_failing_compute_fails_the_execution_and_releases_the_output(
    lab: Lab, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = lab.fire(1)
    context = lab.context(Run("r1"), [told(first)])
    lab.do(lab.claim, context)
    second = lab.fire(2)
    monkeypatch.setenv("FAIL_HERE", "1")
    with pytest.raises(ValueError, match="no luck") as error:
        lab.do(lab.compute, context)
    entry = error.traceback[-1]
    line = Path(__file__).read_text().splitlines().index('        raise ValueError("no luck")')
    assert (Path(entry.path).name, entry.lineno) == ("test_tasks.py", line)
    with pytest.raises(AirflowFailException, match="failed: compute failed"):
        lab.do(lab.publish, context)
    assert aws.done == []
    output = lab.output()
    # The exception's own sentence, with the user's file and line: for status, explain, execute and the page.
    note = f"compute failed: ValueError: no luck ({entry.path}:{line + 1})".replace(f"{Path.cwd()}/", "")
    assert [(e.state, e.note) for e in output.ended] == [(FAILED, note)]
    assert output.active is not None and output.active.state == READY
    assert output.active.document["id"] == second["id"]


def test_clearing_the_failed_task_completes_the_run(
    lab: Lab, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = lab.context(Run("r1"), [told(lab.fire())])
    lab.do(lab.claim, context)
    monkeypatch.setenv("FAIL_HERE", "1")
    with pytest.raises(ValueError):
        lab.do(lab.compute, context)
    with pytest.raises(AirflowFailException):
        lab.do(lab.publish, context)
    monkeypatch.delenv("FAIL_HERE")
    lab.do(lab.compute, context)
    lab.do(lab.publish, context)
    assert [e.state for e in lab.output().ended] == [SUCCEEDED]
    assert len(aws.signals()) == 1


def test_a_task_cleared_too_late_does_not_write(lab: Lab, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    context = lab.context(Run("r1"), [told(lab.fire(1))])
    lab.do(lab.claim, context)
    second = lab.fire(2)
    monkeypatch.setenv("FAIL_HERE", "1")
    with pytest.raises(ValueError):
        lab.do(lab.compute, context)
    with pytest.raises(AirflowFailException):
        lab.do(lab.publish, context)
    lab.do(lab.claim, lab.context(Run("r2"), [told(second)]))
    for task in (lab.compute, lab.publish):
        with pytest.raises(AirflowFailException, match="a later one took its place"):
            lab.do(task, context)
    with pytest.raises(AirflowFailException):
        hold(context)
    assert aws.done == []


@pytest.mark.parametrize("later", [False, True], ids=["alone", "with one held behind it"])
def test_a_signal_that_was_not_sent_is_sent_by_the_next_try(lab: Lab, aws: Aws, later: bool) -> None:
    context = lab.context(Run("r1"), [told(lab.fire(1))])
    lab.do(lab.claim, context)
    lab.do(lab.compute, context)
    if later:
        lab.fire(2)
    aws.break_signals = True
    with pytest.raises(RuntimeError, match="was not taken"):
        lab.do(lab.publish, context)
    assert not lab.output().ended[0].signalled  # the sweeper knows
    aws.break_signals = False
    lab.do(lab.publish, context)
    assert len(aws.signals()) == 1
    assert lab.output().ended[0].signalled


class Crash(BaseException):
    """The machine is gone."""


STEPS = ["complete", "send_signal", "executions.succeed"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_publish_survives_a_crash_anywhere(
    lab: Lab, aws: Aws, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    context = lab.context(Run("r1"), [told(lab.fire())])
    lab.do(lab.claim, context)
    lab.do(lab.compute, context)
    where = (
        executions
        if step.startswith("executions.")
        else __import__("rheo_airflow.tasks.publish").tasks.publish
    )
    name = step.removeprefix("executions.")
    real = getattr(where, name)

    def broken(*args: Any, **named: Any) -> None:
        if after:
            real(*args, **named)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(where, name, broken)
        with pytest.raises(Crash):
            lab.publish.execute(context)
    lab.do(lab.publish, context)
    assert [(e.state, e.signalled) for e in lab.output().ended] == [(SUCCEEDED, True)]
    assert {s["id"] for s in aws.signals()} == {"both/1/2020-03-18#1"}  # the same event, if twice
    assert aws.done[0] == (f"{OUTPUT}/_SUCCESS", b"")


def test_a_run_by_hand_makes_its_own_execution(lab: Lab, aws: Aws) -> None:
    context = lab.context(Run("manual__1", run_type="manual"), region=2, day="2020-03-18")
    lab.all(context)
    (ended,) = lab.output().ended
    assert (ended.state, ended.run_id, ended.document["id"]) == (
        SUCCEEDED,
        "manual__1",
        "both/2/2020-03-18#1",
    )
    assert [i["paths"] for i in ended.document["inputs"]] == [
        ["s3://shop/2/2020-03-18"],
        ["s3://shop/EU/18-03-2020"],
    ]
    lab.all(lab.context(Run("manual__2", run_type="manual", partition_key="2/2020-03-18")))
    assert next(e.document["id"] for e in lab.output().ended) == "both/2/2020-03-18#2"
    assert len({s["id"] for s in aws.signals()}) == 2


def test_a_cleared_run_by_hand_gets_its_own_execution_back(lab: Lab) -> None:
    context = lab.context(Run("m", run_type="manual"), region=1, day="2020-03-18")
    assert lab.do(lab.claim, context) == lab.do(lab.claim, context)


def test_a_run_by_hand_waits_for_no_one(lab: Lab) -> None:
    lab.do(lab.claim, lab.context(Run("r1"), [told(lab.fire())]))
    with pytest.raises(AirflowFailException, match="another run works on 1/2020-03-18"):
        lab.do(lab.claim, lab.context(Run("m", run_type="manual"), region=1, day="2020-03-18"))


@pytest.mark.parametrize(
    ("params", "key", "why"),
    [
        ({}, None, "say which partition to make: region, day of the output"),
        ({"region": 1, "day": None}, None, "say which partition to make: day of the output"),
        ({"region": 1, "day": "2020-13-18"}, None, "the output partition is not one"),
        ({}, "1/2020/x", "say which partition"),
        ({}, "one/2020-03-18", "the output partition is not one: 'one' is no LONG"),
        ({"region": 3, "day": "2020-03-18"}, None, "ships.country"),
    ],
)
def test_a_run_by_hand_that_asks_for_nothing_possible_says_so(
    lab: Lab, params: dict[str, Any], key: str | None, why: str
) -> None:
    with pytest.raises(AirflowFailException, match=why):
        lab.do(lab.claim, lab.context(Run("m", run_type="manual", partition_key=key), **params))
    assert list(lab.ledger.outputs()) == []


def test_an_output_that_does_not_tell_its_inputs_cannot_be_run_by_hand(labs: Any) -> None:
    lab = labs("lossy")
    with pytest.raises(AirflowFailException, match=r"the output does not tell orders\.day"):
        lab.do(lab.claim, lab.context(Run("m", run_type="manual"), year=2020))


def test_a_timer_runs_at_its_own_time(labs: Any, tmp_path: Path) -> None:
    lab = labs("each_day")
    fire = datetime(2020, 3, 19, tzinfo=UTC)
    lab.all(lab.context(Run("scheduled__1", run_type="scheduled", run_after=fire)))
    (ended,) = lab.output().ended
    assert ended.document["partition"] == "2020-03-18"  # the timer is shifted by a day
    assert ended.document["inputs"][0]["paths"] == []
    assert (tmp_path / "seen").read_text() == "here output"


def test_a_backfill_makes_the_partitions_of_its_fire_times(labs: Any) -> None:
    lab = labs("each_day")
    for day in (17, 18, 18):  # a run of a fire time that was made already makes the partition anew
        fire = datetime(2020, 3, day, tzinfo=UTC)
        run = Run(f"backfill__{day}", run_type="backfill", logical_date=fire, run_after=datetime.now(UTC))
        lab.all(lab.context(run))
    ended = {o.partition: [e.state for e in o.ended] for o in lab.ledger.outputs("each_day")}
    assert ended == {"2020-03-16": [SUCCEEDED], "2020-03-17": [SUCCEEDED]}
    run.run_id = "backfill__again"
    lab.all(lab.context(run))
    (output,) = (o for o in lab.ledger.outputs("each_day") if o.partition == "2020-03-17")
    assert [e.generation for e in output.ended] == [2, 1]


def test_a_run_of_airflow_3_0_carries_its_execution(lab: Lab) -> None:
    document = lab.fire()
    lab.all(lab.context(Run("rheo~1~2020-03-18~1", conf={"rheo": told(document)}, run_type="manual")))
    assert [e.run_id for e in lab.output().ended] == ["rheo~1~2020-03-18~1"]


@pytest.mark.parametrize("key", ["1/2020-03-18", None])
def test_a_run_that_ends_without_publish_is_released(lab: Lab, key: str | None) -> None:
    context = lab.context(Run("r1", partition_key=key), [told(lab.fire())])
    lab.do(lab.claim, context)
    assert lab.output().active.state == CLAIMED  # type: ignore[union-attr]
    release(context)
    release(context)
    assert [(e.state, e.note) for e in lab.output().ended] == [(FAILED, "the run failed")]


def test_release_leaves_other_runs_alone(lab: Lab) -> None:
    document = lab.fire()
    lab.do(lab.claim, lab.context(Run("r1"), [told(document)]))
    release(lab.context(Run("r2", partition_key="1/2020-03-18")))
    assert lab.output().active.state == CLAIMED  # type: ignore[union-attr]


def test_a_large_execution_goes_by_way_of_s3(lab: Lab, aws: Aws) -> None:
    context = lab.context(Run("r1"), [told(lab.fire())])
    document = lab.do(lab.claim, context)
    staged = {**document["output"], "staged": "s3://rheo-shop/staging/both/1/2020-03-18/1"}
    assert json.loads(lab.xcoms["r1", "claim", "argument"]) == {**document, "output": staged}
    from rheo_airflow.tasks.claim import argument

    document["inputs"][0]["paths"] = [f"s3://shop/{n}/{'x' * 100}" for n in range(1000)]
    assert argument(document) == "s3://rheo-shop/executions/both/1/2020-03-18/1.json"
    assert json.loads(aws.done[0][1]) == {**document, "output": staged}


def test_publish_without_a_claim_fails(lab: Lab) -> None:
    with pytest.raises(AirflowFailException, match="claimed no execution"):
        lab.do(lab.publish, lab.context(Run("r1")))


def test_another_application_s_modules_are_offered_beside_modules_that_import_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lazy module imports when it is asked for its file; so does a thread beside this one, at any time."""

    class Lazy(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name == "__file__":
                sys.modules[f"lazy_{len(sys.modules)}"] = types.ModuleType("more")
            raise AttributeError(name)

    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(python_compute, "_offered", [])
    monkeypatch.setitem(sys.modules, "lazy", Lazy("lazy"))
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        python_compute.offer(tmp_path / name)
    assert python_compute._offered == [str(tmp_path / "other")]
    assert str(tmp_path / "other") in sys.path
    assert str(tmp_path / "one") not in sys.path
    for name in [name for name in sys.modules if name.startswith("lazy_")]:
        del sys.modules[name]
