"""What a job has staged takes the place of the old partition, whatever call of it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from support.aws import empty_account

from rheo_airflow.tasks import PublishOperator, partitions, sagemaker, settings
from rheo_airflow.tasks.compat import AirflowException, AirflowFailException
from rheo_runtime import executions
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.records import CheckResult, Stored

OLD = {
    "internal_data/n/EU/part-1": b"old",
    "internal_data/n/EU/part-2": b"older",
    "internal_data/n/EU/_SUCCESS": b"",
}
STAGED = {
    "staging/n/EU/1/part-1": b"new",
    "staging/n/EU/1/_checks.json": b"[]",
    "staging/n/EU/1/_SUCCESS": b"",
}
CHECKS = {"staging/n/EU/1/_checks.json": b"[]"}
FOLDER, OUTPUT = "s3://rheo-a/staging/n/EU/1", "s3://rheo-a/internal_data/n/EU"


class Killed(BaseException):
    """The worker is gone."""


class Fragile:
    """A client of S3 that is killed at the n-th call that changes something, before or after it is made."""

    def __init__(self, s3: Any, calls: int, after: bool) -> None:
        self.s3, self.left, self.after = s3, calls, after

    def __getattr__(self, name: str) -> Any:
        made = getattr(self.s3, name)
        return self._fragile(made) if name in ("delete_object", "delete_objects", "copy_object") else made

    def _fragile(self, made: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Killed
            answer = made(*args, **kwargs)
            if self.left == 0:
                raise Killed
            return answer

        return call


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with empty_account(monkeypatch, "us-east-1"):
        client = boto3.client("s3")
        client.create_bucket(Bucket="rheo-a")
        for key, body in {**OLD, **STAGED}.items():
            client.put_object(Bucket="rheo-a", Key=key, Body=body)
        yield client


class Told(dict[str, Any]):
    """A task instance whose tasks have all succeeded."""

    def get_task_states(self, **_: Any) -> dict[str, Any]:
        return {}

    def xcom_push(self, key: str, value: Any) -> None:
        self[key] = value


@pytest.mark.parametrize("severity", ["warn", "block"])
def test_what_checks_found_is_kept_with_the_execution(
    s3: Any, severity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {
        "check": "unique(id)",
        "severity": severity,
        "passed": False,
        "rows": 2,
        "example": "7",
        "what": "2 rows",
    }
    s3.put_object(Bucket="rheo-a", Key="staging/n/EU/1/_checks.json", Body=json.dumps([found]))
    monkeypatch.setattr(settings, "client", lambda service: s3)
    monkeypatch.setattr(settings, "ended", lambda *_, **__: None)  # metrics
    ledger = MemoryLedger()
    made = {"id": "n/EU#1", "app": "a", "node": "n", "partition": "EU", "output": {"path": OUTPUT}}
    executions.order(ledger, None, "n", "EU", Stored(made), 1.0)
    executions.claim(ledger, "n", "EU", "n/EU#1", "run", 2.0)
    told: list[Any] = []
    monkeypatch.setattr("rheo_airflow.tasks.publish.announce", lambda _, checks: told.extend(checks))
    publish = PublishOperator(task_id="publish", app="a", node="n", staged=True)
    refused = pytest.raises(AirflowFailException, match="unique") if severity == "block" else nullcontext()
    with refused:
        publish._end(ledger, made, {"ti": Told(), "dag_run": SimpleNamespace(run_id="run")})
    output, _ = ledger.output("n", "EU", None)
    assert output is not None
    assert output.ended[0].state == ("FAILED" if severity == "block" else "SUCCEEDED")
    assert output.ended[0].checks == (CheckResult("unique(id)", False, severity, "2 rows"),) == tuple(told)
    assert output.ended[0].signalled


@pytest.mark.parametrize("partition", ["C#", "#1", "a#b", "x y", "C++", "100%", "a:b"])
def test_a_partition_of_any_text_is_staged_in_a_folder_of_its_own(partition: str) -> None:
    """Hadoop reads an empty name between two slashes as none: the job wrote elsewhere than publish looked."""
    document = {"id": f"n/{partition}#1", "output": {"path": f"s3://rheo-a/internal_data/n/{partition}"}}
    assert partitions.staged(document) == f"s3://rheo-a/staging/n/{partition}/1"


def there(s3: Any, prefix: str) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket="rheo-a", Prefix=prefix).get("Contents", [])
    return {e["Key"]: s3.get_object(Bucket="rheo-a", Key=e["Key"])["Body"].read() for e in found}


def take_over(s3: Any) -> None:
    lying = {**partitions.listed(s3, [FOLDER]), **partitions.listed(s3, [OUTPUT])}
    partitions.take_over(s3, FOLDER, OUTPUT, lying[FOLDER], lying[OUTPUT])
    partitions.drop(s3, "rheo-a", lying[FOLDER])


def test_the_old_partition_goes_and_the_staged_one_comes(s3: Any) -> None:
    take_over(s3)
    assert there(s3, "internal_data/") == {"internal_data/n/EU/part-1": b"new"}  # publish completes it
    assert there(s3, "staging/") == CHECKS, "a run that is tried again tells them again"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(1, 6))
def test_it_may_be_killed_at_any_call_and_done_again(s3: Any, call: int, after: bool) -> None:
    with pytest.raises(Killed):
        take_over(Fragile(s3, call, after))
    data = there(s3, "internal_data/")
    if "internal_data/n/EU/_SUCCESS" in data:
        assert data == OLD, "what is complete is the old partition, whole"
    if "staging/n/EU/1/_SUCCESS" in there(s3, "staging/"):  # as publish asks
        take_over(s3)
    assert there(s3, "internal_data/") == {"internal_data/n/EU/part-1": b"new"}


def test_what_an_attempt_of_a_job_has_left_is_not_taken_over(s3: Any) -> None:
    s3.put_object(Bucket="rheo-a", Key="staging/n/EU/1/_temporary/0/part-9", Body=b"half")
    take_over(s3)
    assert there(s3, "internal_data/") == {"internal_data/n/EU/part-1": b"new"}


def test_which_partitions_exist_and_what_of_them_is_data(s3: Any) -> None:
    def put(*names: str) -> None:
        for name in names:
            s3.put_object(Bucket="rheo-a", Key=f"in/{name}", Body=b"x")

    put("1/_SUCCESS", "2/a.csv", "2/c=US/b.csv", "2/READY", "3/_temporary/_SUCCESS", "4/_SUCCESS", "5/a.csv")
    paths = [f"s3://rheo-a/in/{day}" for day in (1, 2, 3, 4, 5)]
    completion = ("_SUCCESS", "READY")
    found = partitions.existing(s3, paths, completion, "CSV")
    assert found == {paths[0]: [], paths[1]: ["in/2/a.csv", "in/2/c=US/b.csv"], paths[3]: []}
    assert partitions.existing(s3, paths[4:], completion, "CSV") == {paths[4]: ["in/5/a.csv"]}, "asked for"
    assert partitions.existing(s3, paths[2:3], completion, "CSV") == {}
    assert partitions.beside(s3, found, completion, "CSV") == ["s3://rheo-a/in/2/READY"]


def test_sagemaker_says_of_a_channel_that_it_is_empty(s3: Any) -> None:
    found = {"s3://rheo-a/in/1": [], "s3://rheo-a/in/2": []}
    with pytest.raises(AirflowException, match="announced, but empty: s3://rheo-a/in/1, s3://rheo-a/in/2"):
        sagemaker._source(s3, "s3://rheo-a/staging/_a.manifest", found)


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_folders_beside_one_another_are_listed_together_page_by_page(s3: Any, page: int) -> None:
    names = {f"d/{day}/part-{part}" for day in range(5) for part in range(4)}
    for name in (*names, "d/0-not/part-0", "d/2x/part-0"):
        s3.put_object(Bucket="rheo-a", Key=name, Body=b"x")
    asked = []

    class Pages:
        def list_objects_v2(self, **call: Any) -> Any:
            asked.append(call)
            return s3.list_objects_v2(**{**call, "MaxKeys": page})

    wanted = [f"s3://rheo-a/d/{day}" for day in (0, 2, 4, 7)]
    found = partitions.listed(Pages(), wanted)
    assert {path: sorted(objects) for path, objects in found.items()} == {
        path: sorted(name for name in names if name.startswith(f"{path.removeprefix('s3://rheo-a/')}/"))
        for path in wanted
    }
    assert len(asked) <= 12 // page + 5, "what lies between is passed over"
    assert partitions.listed(Pages(), []) == {}
