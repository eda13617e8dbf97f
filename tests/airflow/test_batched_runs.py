"""Batches: one run of a generated DAG for several executions, each of which stays its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from support.worker import nobody

from codegen.routes import route_table
from rheo_airflow.tasks import batches, publish, settings
from rheo_airflow.tasks.compat import AirflowException, AirflowFailException
from rheo_runtime import executions
from rheo_runtime.airflow_client import batch_run_id
from rheo_runtime.engine import Engine
from rheo_runtime.executions import KILLED
from rheo_runtime.ledger import shown
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import CLAIMED, FAILED, READY, SUCCEEDED, Document, Execution
from rheodsl import (
    Application,
    Batch,
    BatchCompute,
    InlinedCompute,
    PrestoSQL,
    RouteCheckpoint,
    RouteExecutionHook,
)
from rheodsl.testing.dags import DagRun, Dags, Run, load_dags, surroundings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("watch")]
REGIONS = ("EU", "NA", "XX")


def compute(input_map: Any, output: Any, params: Any) -> None:
    """Say for which region it was called; fail for those that the file ``poison`` names."""
    import os
    from pathlib import Path

    folder = Path(os.environ["SEEN"])
    region = output.dimensions["region"]
    with open(folder / "seen", "a") as file:
        file.write(region + "\n")
    if region in (folder / "poison").read_text().split():
        raise ValueError(f"no luck in {region}")
    if region in (folder / "deadly").read_text().split():
        raise KeyboardInterrupt


def told(input_map: Any, output: Any, params: Any) -> None:
    """Say what a hook is told."""
    import json
    import os
    from pathlib import Path

    said = [params[name] for name in ("HOOK_TYPE_PARAM", "EXECUTION_ID")]
    with open(Path(os.environ["SEEN"]) / "told", "a") as file:
        file.write(json.dumps([*said, params.get("ERROR")]) + "\n")


def application(**batch: Any) -> Application:
    app = Application("shop")
    orders = app.s3("orders", "s3://shop-data/orders/{region}", schema="price double")
    hook = RouteExecutionHook(
        on_exec_begin=told,
        on_compute_success=told,
        on_compute_failure=told,
        on_success=told,
        on_failure=told,
        checkpoints=[RouteCheckpoint(60, told)],
    )
    made = Batch(max=10, **batch)
    app.create_data(
        "each", [orders], compute_targets=InlinedCompute(compute), batch=made, execution_hook=hook
    )
    checked = orders.range_check(True)
    app.create_data("spark", [checked], compute_targets=BatchCompute("output = orders"), batch=made)
    app.create_data(
        "query", [orders], compute_targets=PrestoSQL("select price from orders"), batch=made, retry_count=1
    )
    return app


class Lab:
    """The DAG of one node, its ledger, and what its code was called for."""

    def __init__(self, dags: Dags, ledger: MemoryLedger, folder: Path) -> None:
        self.dags, self.ledger, self.folder = dags, ledger, folder
        self.signals: list[str] = []
        self.events = 0

    def fire(self, node: str, *regions: str) -> list[Document]:
        """Inputs of some regions arrive; return the executions of the node that are ready."""
        table = route_table(application().graph())
        engine = Engine(table, self.ledger)
        found = []
        for region in regions:
            self.events += 1
            outcome = engine.on_named("shop", "orders", (region,), f"e{self.events}")
            found += [d for d in outcome.fired if d["node"] == node]
        return found

    def run(self, node: str, documents: list[Document], run_id: str = "", **stand_ins: Any) -> Run:
        """A run that was started for these, before its first task."""
        run = Run(self.dags[node], stand_ins, DagRun(node))
        run.dag_run.run_id = run_id or batch_run_id(*(d["id"] for d in documents))
        for d in documents:
            executions.given(self.ledger, node, d["partition"], d["id"], time.time(), run.dag_run.run_id)
        listed = [[d["partition"], d["generation"]] for d in documents]
        run.dag_run.conf = {"rheo": {"version": 1, "node": node, "batch": listed}}
        return run

    def clear(self, run: Run, *tasks: str) -> None:
        """Do some tasks again, as Airflow does when somebody clears them."""
        run.result.state = "success"
        run.skip = set()
        for task in run.dag.topological_sort():
            if task.task_id in tasks:
                run.xcoms = {key: x for key, x in run.xcoms.items() if key[0] != task.task_id}
                run.result.errors.pop(task.task_id, None)
                run.result.tasks[task.task_id] = run._state(task, {})

    def of(self, node: str, region: str) -> Execution:
        output, _ = self.ledger.output(node, region, None)
        assert output is not None
        return shown(self.ledger.batch_run, output).active or output.ended[0]

    def states(self, node: str) -> dict[str, str]:
        return {
            output.partition: self.of(node, output.partition).state for output in self.ledger.outputs(node)
        }

    def say(self, name: str, *regions: str) -> None:
        (self.folder / name).write_text(" ".join(regions))

    def seen(self) -> list[str]:
        file = self.folder / "seen"
        found = sorted(file.read_text().split()) if file.exists() else []
        file.unlink(missing_ok=True)
        return found

    def told(self) -> list[list[str | None]]:
        file = self.folder / "told"
        found = sorted(map(json.loads, file.read_text().splitlines()), key=str) if file.exists() else []
        file.unlink(missing_ok=True)
        return found


@pytest.fixture(scope="module")
def made() -> Dags:
    return load_dags(application())


@pytest.fixture
def lab(made: Dags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("SEEN", str(tmp_path))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    ledger = MemoryLedger()
    # What is patched within the surroundings is taken back before they are.
    with surroundings(made, Run(made["each"], {}, DagRun("each"))), monkeypatch.context() as patch:
        patch.setattr(settings, "ledger", lambda app: ledger)
        found = Lab(made, ledger, tmp_path)

        def put_events(Entries: list[dict[str, Any]]) -> dict[str, Any]:
            found.signals += ["/".join(json.loads(e["Detail"])["partition"]) for e in Entries]
            return {"FailedEntryCount": 0, "Entries": [{} for _ in Entries]}

        client = settings.client
        events = mock.Mock(put_events=put_events)
        patch.setattr(settings, "client", lambda s: events if s == "events" else client(s))
        for name in ("poison", "deadly"):
            found.say(name)
        yield found


def test_each_is_computed_and_published_by_itself(lab: Lab) -> None:
    run = lab.run("each", lab.fire("each", *REGIONS))
    run.all({})
    assert run.result.state == "success", run.result.errors
    assert lab.seen() == sorted(lab.signals) == sorted(REGIONS)
    assert lab.states("each") == dict.fromkeys(REGIONS, SUCCEEDED)
    assert {lab.of("each", region).run_id for region in REGIONS} == {run.dag_run.run_id}
    kinds = ("on_compute_success", "on_exec_begin", "on_success")
    assert lab.told() == [[kind, f"each/{region}#1", None] for kind in kinds for region in REGIONS]


def test_one_that_fails_fails_alone_and_clearing_computes_only_it(lab: Lab) -> None:
    lab.say("poison", "XX")
    run = lab.run("each", lab.fire("each", *REGIONS))
    run.all({})
    assert run.result.state == "failed"
    for task in ("compute", "publish"):
        assert str(run.result.errors[task]) == (
            "1 of 3 executions failed:\n  each/XX#1: ValueError: no luck in XX"
        )
        assert isinstance(run.result.errors[task], AirflowFailException), "trying again would not help"
    assert lab.states("each") == {"EU": SUCCEEDED, "NA": SUCCEEDED, "XX": FAILED}
    assert lab.of("each", "XX").note == "ValueError: no luck in XX"
    assert sorted(lab.signals) == ["EU", "NA"], "what succeeded goes on at once"
    said = lab.told()
    assert [(kind, id) for kind, id, _ in said if kind in ("on_success", "on_failure")] == [
        ("on_failure", "each/XX#1"), ("on_success", "each/EU#1"), ("on_success", "each/NA#1"),
    ]  # fmt: skip
    assert [id for kind, id, _ in said if kind == "on_compute_failure"] == ["each/XX#1"]
    assert [id for kind, id, _ in said if kind == "on_compute_success"] == ["each/EU#1", "each/NA#1"]
    assert lab.seen() == sorted(REGIONS)
    lab.say("poison")
    lab.clear(run, "compute", "publish", "on_success", "on_failure")
    assert run.result.tasks["publish"] == "success", run.result.errors
    assert lab.seen() == ["XX"]
    assert lab.states("each") == dict.fromkeys(REGIONS, SUCCEEDED)
    assert sorted(lab.signals) == sorted(REGIONS)
    assert [(kind, id) for kind, id, _ in lab.told()] == [
        ("on_compute_success", "each/XX#1"), ("on_success", "each/XX#1"),
    ]  # fmt: skip


def test_a_whole_run_that_is_cleared_does_what_it_has_not_made_or_else_all(lab: Lab) -> None:
    lab.say("poison", "XX")
    run = lab.run("each", lab.fire("each", *REGIONS))
    run.all({})
    lab.seen()
    lab.say("poison")
    lab.clear(run, "claim", "compute", "publish")
    assert lab.seen() == ["XX"]
    lab.clear(run, "claim", "compute", "publish")
    assert lab.seen() == sorted(REGIONS)
    assert lab.states("each") == dict.fromkeys(REGIONS, SUCCEEDED)


def test_a_worker_that_dies_loses_only_what_it_had_not_done(lab: Lab) -> None:
    lab.say("deadly", "NA")
    run = lab.run("each", lab.fire("each", *REGIONS))
    with pytest.raises(KeyboardInterrupt):
        run.all({})
    assert lab.seen() == ["EU", "NA"]
    assert lab.states("each") == dict.fromkeys(REGIONS, CLAIMED)
    lab.say("deadly")
    lab.clear(run, "compute", "publish")
    assert lab.seen() == ["NA", "XX"], "the first was done"
    assert lab.states("each") == dict.fromkeys(REGIONS, SUCCEEDED)
    assert sorted(lab.signals) == sorted(REGIONS)


def test_a_publish_that_dies_is_done_again_and_doubles_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lab.run("each", lab.fire("each", *REGIONS))
    real, calls = executions.succeed, []

    def succeed(*args: Any, **named: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            raise ConnectionError("the ledger does not answer")
        return real(*args, **named)

    monkeypatch.setattr(executions, "succeed", succeed)
    run.all({})
    assert run.result.state == "success", "Airflow tries the task again"
    assert lab.states("each") == dict.fromkeys(REGIONS, SUCCEEDED)
    assert sorted(set(lab.signals)) == sorted(REGIONS)
    assert lab.seen() == sorted(REGIONS)


def test_a_run_that_comes_second_does_nothing(lab: Lab) -> None:
    documents = lab.fire("each", *REGIONS)
    first, second = lab.run("each", documents, "first"), lab.run("each", documents[1:], "second")
    first.all({})
    second.all({})
    assert (first.result.state, second.result.state) == ("success", "success")
    assert second.result.tasks["compute"] == "skipped"
    assert lab.seen() == sorted(lab.signals) == sorted(REGIONS)


def test_two_runs_that_share_executions_each_do_their_own(lab: Lab) -> None:
    documents = lab.fire("each", *REGIONS)
    first, second = lab.run("each", documents[:2], "first"), lab.run("each", documents[1:], "second")
    first.all({})
    second.all({})
    assert lab.seen() == sorted(lab.signals) == sorted(REGIONS)
    assert lab.of("each", "XX").run_id == "second"


def test_one_that_is_killed_is_neither_computed_nor_published(lab: Lab) -> None:
    run = lab.run("each", lab.fire("each", *REGIONS))
    real = batches.Work.holds

    def holds(self: batches.Work, document: Document) -> bool:
        if document["partition"] == "NA":
            executions.stop(lab.ledger, "each", "NA", document["id"], 1.0, KILLED)
        return real(self, document)

    with mock.patch.object(batches.Work, "holds", holds):
        run.all({})
    assert lab.seen() == sorted(lab.signals) == ["EU", "XX"]
    assert "1 of 3 executions failed:\n  each/NA#1: killed" in str(run.result.errors["publish"])


def test_one_that_is_killed_while_others_are_published_is_not_published(lab: Lab) -> None:
    run = lab.run("each", lab.fire("each", *REGIONS))
    completed: list[str] = []

    def complete(document: Document) -> None:
        completed.append(document["partition"])
        if document["partition"] == "EU":
            executions.stop(lab.ledger, "each", "NA", "each/NA#1", 1.0, KILLED)

    with mock.patch.object(batches, "complete", complete):
        run.all({})
    assert sorted(completed) == ["EU", "XX"]
    assert lab.seen() == sorted(REGIONS), "all were computed"
    assert sorted(lab.signals) == ["EU", "XX"]
    assert "1 of 3 executions failed:\n  each/NA#1: killed" in str(run.result.errors["publish"])


def test_one_that_was_killed_begins_again_when_its_batch_is_over(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = lab.run("each", lab.fire("each", *REGIONS), "first")
    run._state(run.dag.get_task("claim"), {})
    executions.stop(lab.ledger, "each", "NA", "each/NA#1", 1.0, KILLED, run_goes_on=True)
    documents = [*lab.fire("each", "NA"), *lab.fire("each", "EU")]
    states = {"first": {"compute": "running", "publish": None}}
    monkeypatch.setattr(type(run._context(run.dag.get_task("claim"), {})["ti"]), "get_task_states",
                        lambda self, **asked: {id: states.get(id, {}) for id in asked["run_ids"]}, raising=False)  # fmt: skip
    other = lab.fire("each", "SA")
    later = lab.run("each", [*documents, *other], "second")
    claimed = later._state(later.dag.get_task("claim"), {})
    assert claimed == "success", later.result.errors
    assert (lab.of("each", "SA").state, lab.of("each", "SA").run_id) == (CLAIMED, "second"), (
        "others wait for nobody"
    )
    waiting = lab.of("each", "NA")
    assert (waiting.state, waiting.generation) == (READY, 2)
    assert waiting.note == (
        "waits for each/NA#1 to write no more: run first, which carries it out with others, is at compute"
    )
    states["first"] = {"compute": "success", "publish": "success"}
    alone = lab.run("each", documents[:1], "third")
    alone._state(alone.dag.get_task("claim"), {})
    waiting = lab.of("each", "NA")
    assert (waiting.state, waiting.run_id) == (READY, None), "another run is started for it"
    assert "the tasks of run first have 60 s to end" in waiting.note
    now = batches.time.time()
    monkeypatch.setattr("rheo_airflow.tasks.writers.time.time", lambda: now + 61)
    last = lab.run("each", documents[:1], "fourth")
    last._state(last.dag.get_task("claim"), {})
    assert (lab.of("each", "NA").state, lab.of("each", "NA").run_id) == (CLAIMED, "fourth")


def test_a_run_started_by_hand_is_a_batch_of_one(lab: Lab) -> None:
    run = Run(lab.dags["each"], {}, DagRun("each"))
    run.all({"region": "EU"})
    assert run.result.state == "success", run.result.errors
    assert lab.seen() == lab.signals == ["EU"]


def test_a_run_that_ends_without_publish_releases_its_executions(lab: Lab) -> None:
    run = lab.run("each", lab.fire("each", *REGIONS))
    context = run._context(run.dag.get_task("claim"), {})
    run._state(run.dag.get_task("claim"), {})
    assert lab.states("each") == dict.fromkeys(REGIONS, CLAIMED)
    publish.release(context)
    assert lab.states("each") == dict.fromkeys(REGIONS, FAILED)


def test_checkpoints_tell_of_each_that_lasts(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    run = lab.run("each", lab.fire("each", *REGIONS))
    run._state(run.dag.get_task("claim"), {})
    (checkpoint,) = [task for task in run.dag.tasks if "checkpoint" in task.task_id]
    context = run._context(checkpoint, {})
    assert checkpoint.poke(context) is False
    now = batches.time.time()
    monkeypatch.setattr("rheo_airflow.tasks.hooks.time.time", lambda: now + 61)
    lab.told()
    assert checkpoint.poke(context) is True
    assert [id for _, id, _ in lab.told()] == [f"each/{region}#1" for region in REGIONS]


def test_attempts_are_made_within_the_task(lab: Lab) -> None:
    app = application()
    app.patch_data("each", retry_count=2)
    lab.dags = load_dags(app)
    lab.say("poison", "XX")
    lab.run("each", lab.fire("each", *REGIONS)).all({})
    assert lab.seen() == ["EU", "NA", "XX", "XX", "XX"]


# --- Spark ---


def job(lab: Lab, results: Callable[[str], str | None]) -> Callable[..., Any]:
    """A Glue job that writes results as the script of a batch does: an error, or None."""

    def run(self: Any, context: Any) -> str:
        with nobody():  # by its own role
            write(self)
        return "1"

    def write(self: Any) -> None:
        s3 = settings.client("s3")
        place = self.script_args["--execution"].removeprefix("s3://").split("/", 1)
        work = json.loads(s3.get_object(Bucket=place[0], Key=place[1])["Body"].read())
        for each in work["batch"]:
            region = each["execution"]["partition"]
            lab.folder.joinpath("seen").open("a").write(region + "\n")
            error = results(region)
            if error == "gone":
                raise AirflowException("job run 1 FAILED: the job died")
            bucket, key = each["result"].removeprefix("s3://").split("/", 1)
            s3.put_object(
                Bucket=bucket, Key=f"{key}.{'ok' if error is None else 'failed'}", Body=(error or "").encode()
            )
            if error is None:
                bucket, key = each["execution"]["output"]["staged"].removeprefix("s3://").split("/", 1)
                for name in ("part-0", "_SUCCESS"):
                    s3.put_object(Bucket=bucket, Key=f"{key}/{name}", Body=b"")

    return run


def arrive(lab: Lab, *regions: str) -> None:
    s3 = settings.client("s3")
    s3.create_bucket(Bucket="shop-data")
    for region in regions:
        s3.put_object(Bucket="shop-data", Key=f"orders/{region}/_SUCCESS", Body=b"")


def spark(lab: Lab, results: Callable[[str], str | None]) -> Any:
    from rheo_airflow.tasks.glue import GlueBatchOperator

    return mock.patch.multiple(GlueBatchOperator, _run=job(lab, results))


def really(run: Run) -> Run:
    """Let a task that would call a service do so."""
    run.perform = lambda task, context: task.execute(context)  # type: ignore[method-assign]
    return run


def test_a_job_computes_each_and_publish_takes_over_what_it_made(lab: Lab) -> None:
    arrive(lab, *REGIONS)
    trace = 'Traceback\n  File "/lib/rheo_node_spark.py", line 9, in <module>\nFailed Line Number: 9; ValueError: bad'
    run = really(lab.run("spark", lab.fire("spark", *REGIONS)))
    with spark(lab, lambda region: trace if region == "XX" else None), keep_results(run):
        run.all({})
    assert lab.states("spark") == {"EU": SUCCEEDED, "NA": SUCCEEDED, "XX": FAILED}
    s3 = settings.client("s3")
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket="rheo-shop", Prefix="internal_data")["Contents"]]
    assert keys == [f"internal_data/spark/{r}/{n}" for r in ("EU", "NA") for n in ("_SUCCESS", "part-0")]
    assert lab.of("spark", "XX").note.endswith("ValueError: bad")
    lab.seen()
    with spark(lab, lambda region: None), keep_results(run):
        lab.clear(run, "compute", "publish")
    assert lab.seen() == ["XX"]
    assert lab.states("spark") == dict.fromkeys(REGIONS, SUCCEEDED)


def keep_results(run: Run) -> Any:
    """The results are the job's own: the test machinery that plays services writes none."""
    return mock.patch("rheodsl.testing.dags.COMPUTE", "none of them", create=True)


def test_a_job_that_dies_is_tried_again_for_the_rest(lab: Lab) -> None:
    arrive(lab, *REGIONS)
    app = application()
    app.patch_data("spark", retry_count=1)
    lab.dags = load_dags(app)
    run = really(lab.run("spark", lab.fire("spark", *REGIONS)))
    tries: list[str] = []

    def results(region: str) -> str | None:
        tries.append(region)
        return "gone" if tries == ["EU", "NA"] else None

    with spark(lab, results):
        run.all({})
    assert tries == ["EU", "NA", "NA", "XX"]
    assert run.result.state == "success", run.result.errors
    assert lab.states("spark") == dict.fromkeys(REGIONS, SUCCEEDED)


def test_what_an_execution_reads_is_looked_at_for_each(lab: Lab) -> None:
    arrive(lab, "EU", "NA")
    run = really(lab.run("spark", lab.fire("spark", *REGIONS)))
    with spark(lab, lambda region: None), keep_results(run):
        run.all({})
    assert lab.seen() == ["EU", "NA"]
    assert lab.states("spark") == {"EU": SUCCEEDED, "NA": SUCCEEDED, "XX": FAILED}
    assert lab.of("spark", "XX").note == "what it reads of orders is not there any more"
