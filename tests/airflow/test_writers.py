"""The run before has lost an output: the next one begins once its tasks and jobs are seen to have ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from airflow.sdk import DAG
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from test_tasks import Aws, Lab, Run, aws, folder, lab, labs, told

from rheo_airflow.tasks import claim, jobs, publish, settings, writers
from rheo_airflow.tasks.batches import Results
from rheo_airflow.tasks.compat import AirflowException, AirflowFailException
from rheo_airflow.tasks.idempotency import name
from rheo_runtime import executions
from rheo_runtime.executions import KILLED
from rheo_runtime.records import CLAIMED, FAILED, SUCCEEDED, Writer
from rheo_runtime.sweep import reconcile

pytestmark = pytest.mark.slow
__all__ = ["Aws", "aws", "folder", "lab", "labs"]
PLACE = ("both", "1/2020-03-18")


class Clock:
    """Time, which sleeping moves on; ``then`` is called after each sleep."""

    def __init__(self) -> None:
        self.now = 1e9
        self.then: Callable[[], None] = lambda: None

    def time(self) -> float:
        return self.now

    monotonic = time

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.then()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (writers, claim, publish):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(settings, "POLL_SECONDS", 10.0)
    return clock


class Glue:
    """Glue, with one job run for each execution; it ends when the test says so."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.stopped: list[str] = []
        self.refuses: Exception | None = None

    def get_job_runs(self, JobName: str, **_: Any) -> dict[str, Any]:
        assert JobName == "shop-both"
        if self.refuses is not None:
            raise self.refuses
        return {
            "JobRuns": [
                {"Id": f"jr {id}", "JobRunState": state, "Arguments": {"--execution": json.dumps({"id": id})}}
                for id, state in self.states.items()
            ]
        }

    def batch_stop_job_run(self, JobName: str, JobRunIds: list[str]) -> None:
        self.stopped += JobRunIds


@pytest.fixture
def glue(lab: Lab, aws: Aws, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Glue:
    glue = Glue()
    monkeypatch.setattr(settings, "client", lambda service: glue if service == "glue" else aws)
    monkeypatch.setattr(lab.compute, "job_place", lambda: "glue shop-both", raising=False)
    return glue


@pytest.fixture
def first(lab: Lab, glue: Glue) -> Any:
    """The context of a run whose job is running, with another execution held behind it."""
    context = lab.context(Run("r1", partition_key=PLACE[1]), [told(lab.fire())])
    lab.do(lab.claim, context)
    glue.states["both/1/2020-03-18#1"] = "RUNNING"
    assert lab.fire(2)["id"] == "both/1/2020-03-18#2"
    return context


def killed(lab: Lab, context: Any, clock: Clock) -> None:
    executions.stop(lab.ledger, *PLACE, "both/1/2020-03-18#1", clock.now, KILLED)


def released(lab: Lab, context: Any, clock: Clock) -> None:
    publish.release(context)


def found_failed(lab: Lab, context: Any, clock: Clock) -> None:
    assert reconcile(lab.ledger, lambda *_: "failed", lab.output(), clock.now) is not None


def marked_failed(lab: Lab, context: Any, clock: Clock) -> None:
    lab.states["r1"]["compute"] = "failed"
    with pytest.raises(AirflowFailException):
        lab.do(lab.publish, context)


def marked_success(lab: Lab, context: Any, clock: Clock) -> None:
    lab.states["r1"]["compute"] = "success"
    lab.do(lab.publish, context)


ENDS = [killed, released, found_failed, marked_failed, marked_success]


def second(lab: Lab) -> Any:
    return lab.context(Run("r2"), [{"id": "both/1/2020-03-18#2", "partition": PLACE[1]}])


@pytest.mark.parametrize("end", ENDS)
def test_the_next_one_begins_when_the_jobs_have_ended(
    lab: Lab, glue: Glue, clock: Clock, first: Any, end: Callable[..., None]
) -> None:
    end(lab, first, clock)
    began = clock.now
    active = lab.output().active
    assert active is not None and (active.generation, lab.output().ended[0].state) == (
        2, SUCCEEDED if end is marked_success else FAILED
    )  # fmt: skip
    moments: list[tuple[float, str]] = []

    def watch() -> None:
        seen = lab.output().active
        assert seen is not None and seen.state != CLAIMED, "the job of the first still runs"
        moments.append((clock.now - began, seen.note))
        if glue.stopped:
            glue.states["both/1/2020-03-18#1"] = "STOPPED" if clock.now - began > 100 else "STOPPING"

    clock.then = watch
    assert lab.do(lab.claim, second(lab))["id"] == "both/1/2020-03-18#2"
    assert clock.now - began > 100
    assert glue.stopped == ["jr both/1/2020-03-18#1"], "told to stop once, after the tasks had ended"
    of = "waits for both/1/2020-03-18#1 to write no more: "
    assert moments[0][1] == f"{of}the tasks of run r1 have 60 s to end"
    assert moments[-1][1] == f"{of}Glue's job run jr both/1/2020-03-18#1 of shop-both is STOPPING"
    output = lab.output()
    assert output.active is not None and output.writer is None
    assert (output.active.state, output.active.note) == (CLAIMED, "")


def test_a_lost_run_that_is_done_again_waits_for_its_own_job(
    lab: Lab, glue: Glue, clock: Clock, first: Any
) -> None:
    finding = reconcile(lab.ledger, lambda *_: None, lab.output(), clock.now)
    assert finding is not None and finding.ready is not None
    glue.states.clear()
    lab.do(lab.claim, lab.context(Run("r3"), [told(finding.ready)]))
    assert clock.now >= 1e9 + settings.GRACE_SECONDS


def test_a_compute_that_has_failed_by_itself_lets_nobody_wait(
    lab: Lab, glue: Glue, clock: Clock, first: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL_HERE", "1")
    with pytest.raises(ValueError):
        lab.do(lab.compute, first)
    with pytest.raises(AirflowFailException):
        lab.do(lab.publish, first)
    glue.states["both/1/2020-03-18#1"] = "FAILED"
    lab.do(lab.claim, second(lab))
    assert (clock.now, glue.stopped) == (1e9, [])


def test_a_run_that_has_published_leaves_no_writer(lab: Lab, glue: Glue, clock: Clock, first: Any) -> None:
    lab.do(lab.compute, first)
    lab.do(lab.publish, first)
    assert lab.output().writer is None
    glue.refuses = AssertionError("nobody has to ask")
    lab.do(lab.claim, second(lab))


def test_a_job_that_does_not_end_is_named_and_the_next_try_goes_on(
    lab: Lab, glue: Glue, clock: Clock, first: Any
) -> None:
    killed(lab, first, clock)
    for _ in range(2):
        began = clock.now
        with pytest.raises(AirflowException, match=r"#1 of shop-both is RUNNING; it is tried again"):
            lab.do(lab.claim, second(lab))
        assert clock.now - began == writers.LONGEST
        active = lab.output().active
        assert active is not None and active.state != CLAIMED
        assert active.note.startswith("waits for both/1/2020-03-18#1 to write no more")
    glue.states["both/1/2020-03-18#1"] = "TIMEOUT"
    lab.do(lab.claim, second(lab))


def test_a_refusal_is_no_end(lab: Lab, glue: Glue, clock: Clock, first: Any) -> None:
    killed(lab, first, clock)
    arn = "arn:aws:glue:eu-west-1:1:job/shop-both"
    said = f"User: arn:aws:sts::1:assumed-role/mwaa/x is not authorized to perform: glue:GetJobRuns on resource: {arn}"
    glue.refuses = ClientError({"Error": {"Code": "AccessDeniedException", "Message": said}}, "GetJobRuns")
    with pytest.raises(AirflowException, match=f"missing: glue:GetJobRuns on {arn}"):
        lab.do(lab.claim, second(lab))
    active = lab.output().active
    assert active is not None and f"missing: glue:GetJobRuns on {arn}" in active.note
    glue.refuses = ClientError({"Error": {"Code": "EntityNotFoundException"}}, "GetJobRuns")
    lab.do(lab.claim, second(lab))  # a job that is deleted has no runs


def test_a_cleared_compute_and_a_run_by_hand_wait_too(lab: Lab, glue: Glue, clock: Clock) -> None:
    first = lab.context(Run("r1", partition_key=PLACE[1]), [told(lab.fire())])
    lab.do(lab.claim, first)
    glue.states["both/1/2020-03-18#1"] = "RUNNING"
    publish.release(first)
    with pytest.raises(AirflowException, match="is RUNNING"):
        claim.hold(first)
    by_hand = lab.context(Run("h", run_type="manual"), region=1, day="2020-03-18")
    with pytest.raises(AirflowException, match="is RUNNING"):
        lab.do(lab.claim, by_hand)
    glue.states.clear()
    assert claim.hold(first)["id"] == "both/1/2020-03-18#1"


def test_a_run_that_goes_on_with_others_is_waited_for(lab: Lab, clock: Clock, first: Any) -> None:
    executions.stop(lab.ledger, *PLACE, "both/1/2020-03-18#1", clock.now, KILLED, run_goes_on=True)
    lab.states["r1"] |= {"compute": "success", "publish": "running"}
    with pytest.raises(AirflowException, match="run r1, which carries it out with others, is at publish"):
        lab.do(lab.claim, second(lab))
    lab.states["r1"]["publish"] = "failed"
    over = clock.now
    clock.then = lambda: None
    with pytest.raises(AirflowException, match="is RUNNING"):
        lab.do(lab.claim, second(lab))
    output = lab.output()
    assert output.writer is not None and output.writer.since == over, "its tasks have a minute from now on"


def test_a_claim_between_the_look_of_a_sweep_and_its_end_is_left_alone(lab: Lab) -> None:
    document = lab.fire()
    lab.do(lab.claim, lab.context(Run("r1"), [told(document)]))
    assert executions.stop(lab.ledger, *PLACE, document["id"], 1.0, "changed", claimed=False) is None
    assert lab.output().active is not None and lab.output().writer is None


# --- the jobs of each service: what is asked, and what of the answer is a job of the execution ---

APP, NODE, PARTITION = "shop", "daily", "EU"
DOCUMENT = {"app": APP, "node": NODE, "partition": PARTITION, "id": "daily/EU#2"}
OTHER = {**DOCUMENT, "id": "daily/EU#1"}
RUN = "rheo~EU~2"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:m"


def run_of(machine: str, document: dict[str, str]) -> dict[str, Any]:
    of = name(document, 2)
    return {
        "executionArn": f"{machine}:{of}", "stateMachineArn": machine, "name": of, "status": "RUNNING",
        "startDate": 1,
    }  # fmt: skip


def query_of(id: str, document: dict[str, str], state: str = "RUNNING") -> dict[str, Any]:
    text = f"UNLOAD (select 1) TO 's3://b/staging/{name(document, 1)}/' WITH (format = 'PARQUET')"
    return {"QueryExecutionId": id, "Query": text, "Status": {"State": state}}


def emr_run(id: str, document: dict[str, str], state: str) -> dict[str, Any]:
    return {
        "applicationId": "00app", "id": id, "arn": "a" * 60, "createdBy": "x" * 20, "createdAt": 1, "updatedAt": 1,
        "executionRole": "arn:aws:iam::123456789012:role/r", "state": state, "stateDetails": "x", "releaseLabel": "emr-7",
        "name": name(document, 0),
    }  # fmt: skip


def emr_app(id: str, named: str, state: str) -> dict[str, Any]:
    return {
        "id": id, "name": named, "arn": "a" * 60, "releaseLabel": "emr-7", "type": "SPARK", "state": state,
        "createdAt": 1, "updatedAt": 1,
    }  # fmt: skip


def training(document: dict[str, str], state: str) -> dict[str, Any]:
    return {
        "TrainingJobName": name(document, 1), "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/x",
        "CreationTime": 1, "TrainingJobStatus": state,
    }  # fmt: skip


def transform(document: dict[str, str], state: str) -> dict[str, Any]:
    return {
        "TransformJobName": name(document, 1), "TransformJobArn": "arn:aws:sagemaker:us-east-1:123456789012:transform-job/x",
        "CreationTime": 1, "TransformJobStatus": state,
    }  # fmt: skip


MARK = name(DOCUMENT, 1).rpartition("-")[2]
Calls = list[tuple[str, dict[str, Any], dict[str, Any]]]


def glue_runs(*arguments: str) -> list[dict[str, Any]]:
    return [
        {"Id": f"jr_{n}", "JobRunState": "RUNNING", "Arguments": {"--execution": argument}}
        for n, argument in enumerate(arguments)
    ]


SERVICES: dict[str, tuple[str, str, Calls, list[str]]] = {
    "glue": ("glue", "glue shop-daily", [
        ("get_job_runs", {"JobName": "shop-daily"}, {"JobRuns": [
            *glue_runs(json.dumps(DOCUMENT), json.dumps(OTHER), "s3://b/executions/daily/EU/2.json",
                       "s3://b/executions/daily/EU/1.json", f"s3://b/{jobs.batch_folder(RUN)}/17/work-1.json", ""),
            {"Id": "jr_over", "JobRunState": "STOPPED", "Arguments": {"--execution": json.dumps(DOCUMENT)}},
        ], "NextToken": "more"}),
        ("get_job_runs", {"JobName": "shop-daily", "NextToken": "more"}, {"JobRuns": []}),
        *(("batch_stop_job_run", {"JobName": "shop-daily", "JobRunIds": [id]}, {}) for id in ("jr_0", "jr_2", "jr_4")),
    ], [f"Glue's job run {id} of shop-daily is RUNNING" for id in ("jr_0", "jr_2", "jr_4")]),
    "batch": ("batch", "batch high", [
        ("list_jobs", {"jobQueue": "high", "filters": [{"name": "JOB_NAME", "values": [name(DOCUMENT, 0, 128)]}]},
         {"jobSummaryList": [{"jobId": "j1", "jobName": "n", "status": "RUNNABLE"},
                             {"jobId": "j0", "jobName": "n", "status": "FAILED"}]}),
        ("terminate_job", {"jobId": "j1", "reason": jobs.WHY}, {}),
    ], ["job j1 of AWS Batch is RUNNABLE"]),
    "emr": ("emr-serverless", "emr rheo-shop-emr-7", [
        ("list_applications", {}, {"applications": [
            emr_app("00old", "rheo-shop-emr-7", "TERMINATED"), emr_app("00app", "rheo-shop-emr-7", "STARTED"),
            emr_app("00two", "another", "STARTED")]}),
        ("list_job_runs", {"applicationId": "00app", "states": [*jobs.EMR_ACTIVE, "CANCELLING"]},
         {"jobRuns": [emr_run("r1", OTHER, "RUNNING"), emr_run("r2", DOCUMENT, "QUEUED")]}),
        ("cancel_job_run", {"applicationId": "00app", "jobRunId": "r2"}, {"applicationId": "00app", "jobRunId": "r2"}),
    ], ["EMR's job run r2 of rheo-shop-emr-7 is QUEUED"]),
    "athena": ("athena", "athena primary", [
        ("list_query_executions", {"WorkGroup": "primary"}, {"QueryExecutionIds": ["q1", "q2", "q3"]}),
        ("batch_get_query_execution", {"QueryExecutionIds": ["q1", "q2", "q3"]}, {"QueryExecutions": [
            query_of("q1", OTHER), query_of("q2", DOCUMENT), query_of("q3", DOCUMENT, "SUCCEEDED")]}),
        ("stop_query_execution", {"QueryExecutionId": "q2"}, {}),
    ], ["query q2 of Athena is RUNNING"]),
    "states": ("stepfunctions", f"states {MACHINE}", [
        ("list_executions", {"stateMachineArn": MACHINE, "statusFilter": "RUNNING"},
         {"executions": [run_of(MACHINE, OTHER), run_of(MACHINE, DOCUMENT)]}),
        ("stop_execution", {"executionArn": run_of(MACHINE, DOCUMENT)["executionArn"], "cause": jobs.WHY}, {"stopDate": 1}),
    ], [f"execution {name(DOCUMENT, 2)} of Step Functions is RUNNING"]),
    "training": ("sagemaker", "training", [
        ("list_training_jobs", {"NameContains": MARK, "StatusEquals": "InProgress"},
         {"TrainingJobSummaries": [training(DOCUMENT, "InProgress")]}),
        ("list_training_jobs", {"NameContains": MARK, "StatusEquals": "Stopping"}, {"TrainingJobSummaries": []}),
        ("stop_training_job", {"TrainingJobName": name(DOCUMENT, 1)}, {}),
    ], [f"SageMaker's training job {name(DOCUMENT, 1)} is InProgress"]),
    "transform": ("sagemaker", "transform", [
        ("list_transform_jobs", {"NameContains": MARK, "StatusEquals": "InProgress"},
         {"TransformJobSummaries": [transform(DOCUMENT, "InProgress")]}),
        ("list_transform_jobs", {"NameContains": MARK, "StatusEquals": "Stopping"}, {"TransformJobSummaries": []}),
        ("stop_transform_job", {"TransformJobName": name(DOCUMENT, 1)}, {}),
    ], [f"SageMaker's transform job {name(DOCUMENT, 1)} is InProgress"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", SERVICES)
def test_jobs_of_each_service_are_found_and_stopped(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service, place, calls, expected = SERVICES[kind]
    client = boto3.client(  # type: ignore[call-overload]
        service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    with Stubber(client) as stub:
        for method, given, answer in calls:
            stub.add_response(method, answer, given)
        monkeypatch.setattr(settings, "client", lambda wanted: client if wanted == service else None)
        found = jobs.of_writer(APP, NODE, PARTITION, Writer(2, RUN, (place,), 0.0))
        assert [str(job) for job in found] == expected
        for job in found:
            job.stop()
        stub.assert_no_pending_responses()


def test_every_compute_that_starts_jobs_says_where(dags: dict[str, DAG]) -> None:
    found = {
        kind for dag in dags.values() for place in writers.places({"dag": dag}) for kind in [place.split()[0]]
    }
    assert found == set(SERVICES) == set(jobs._KINDS)


def test_the_folder_of_a_batch_is_that_of_its_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "client", lambda service: SimpleNamespace())
    assert Results("b", RUN, 7).prefix == f"{jobs.batch_folder(RUN)}/7"
