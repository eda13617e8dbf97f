"""The Glue service, as boto3 and Airflow's own hook see it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rheo_platforms.local.glue import Glue
from rheo_platforms.local.http import HttpService

pytestmark = pytest.mark.slow

SCRIPT = """
import json, sys
from awsglue.utils import getResolvedOptions
from pyspark.sql import SparkSession, functions as f
args = getResolvedOptions(sys.argv, ["JOB_NAME", "execution"])
execution = json.loads(args["execution"])
spark = SparkSession.builder.getOrCreate()
flights = spark.read.csv([p for i in execution["inputs"] for p in i["paths"]], header=True, inferSchema=True)
table = flights.groupBy("origin").agg(f.count("*").alias("flights"), f.avg("delay").alias("delay"))
table.coalesce(1).write.mode("overwrite").option("header", "true").csv(execution["output"]["path"])
print("wrote", table.count(), "rows")
"""


@pytest.fixture(scope="module")
def service(aws: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glue]:
    patch = pytest.MonkeyPatch()
    patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # a user has not set it
    glue = Glue(tmp_path_factory.mktemp("glue"), aws["AWS_ENDPOINT_URL"], minute=1.0)
    server = HttpService(0, glue.answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    patch.setenv("AWS_ENDPOINT_URL_GLUE", server.url)
    try:
        yield glue
    finally:
        patch.undo()
        server.shutdown()
        thread.join()
        server.server_close()
        glue.close()


@pytest.fixture
def glue(service: Glue, client: Callable[..., Any]) -> Any:
    return client("glue")


@pytest.fixture
def job(glue: Any, put: Callable[..., None], request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """``job(script, **settings)`` -> the name of a new job."""
    name = request.node.name.replace("[", "-").rstrip("]")

    def create(text: str, **settings: Any) -> str:
        put(f"s3://glue-app/glue/{name}.py", text)
        command = {"Name": "glueetl", "ScriptLocation": f"s3://glue-app/glue/{name}.py"}
        glue.create_job(Name=name, Role="arn:aws:iam::123456789012:role/glue", Command=command, **settings)
        return name

    yield create
    glue.delete_job(JobName=name)


def wait(glue: Any, job: str, run_id: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        run: dict[str, Any] = glue.get_job_run(JobName=job, RunId=run_id)["JobRun"]
        if run["JobRunState"] in (states or ("SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED")):
            return run
        assert time.monotonic() < deadline, run
        time.sleep(0.1)


def messages(client: Callable[..., Any], group: str, run_id: str) -> list[str]:
    found = client("logs").filter_log_events(logGroupName=group, logStreamNames=[run_id])["events"]
    return [event["message"] for event in found]


def test_a_run_reads_its_inputs_and_writes_its_output(
    glue: Any, job: Callable[..., str], put: Callable[..., None], listing: Callable[[str], list[str]],
    client: Callable[..., Any],
) -> None:  # fmt: skip
    put("s3://glue-nyc/flights/EWR/2013-01-01/a.csv", "origin,delay\n" + "EWR,4\n" * 3000)
    put("s3://glue-nyc/flights/EWR/2013-01-02/a.csv", "origin,delay\n" + "EWR,8\n" * 1000)
    put("s3://glue-nyc/flights/EWR/2013-01-03/a.csv", "origin,delay\n" + "EWR,99\n")
    put("s3://glue-app/internal_data/out/EWR/_SUCCESS")
    put("s3://glue-app/internal_data/out/EWR/part-old.csv", "old")
    execution = {
        "output": {"path": "s3://glue-app/internal_data/out/EWR"},
        "inputs": [{"paths": [f"s3://glue-nyc/flights/EWR/2013-01-0{day}" for day in (1, 2)]}],
    }
    name = job(
        SCRIPT,
        DefaultArguments={"--x": "1", "--y": "1"},
        GlueVersion="5.0",
        WorkerType="G.1X",
        NumberOfWorkers=2,
    )
    arguments = {"--execution": json.dumps(execution), "--y": "2"}
    run_id = glue.start_job_run(JobName=name, Arguments=arguments)["JobRunId"]
    run = wait(glue, name, run_id)
    assert run["JobRunState"] == "SUCCEEDED", run
    assert run["Arguments"] == {"--x": "1", **arguments}
    assert (run["WorkerType"], run["NumberOfWorkers"], run["GlueVersion"]) == ("G.1X", 2, "5.0")
    assert run["StartedOn"] <= run["CompletedOn"]
    (key,) = listing("s3://glue-app/internal_data/out/EWR/")
    body = client("s3").get_object(Bucket="glue-app", Key=key)["Body"].read().decode()
    assert body == "origin,flights,delay\nEWR,4000,5.0\n"
    assert messages(client, "/aws-glue/jobs/output", run_id) == ["wrote 1 rows"]
    again = glue.start_job_run(JobName=name, Arguments=arguments)["JobRunId"]
    warm = wait(glue, name, again)
    seconds = (warm["CompletedOn"] - warm["StartedOn"]).total_seconds()
    assert seconds < 3, f"a warm run took {seconds} s"


def test_a_failing_run_tells_its_error_and_leaves_s3_alone(
    glue: Any, job: Callable[..., str], put: Callable[..., None], listing: Callable[[str], list[str]],
    client: Callable[..., Any],
) -> None:  # fmt: skip
    put("s3://glue-app/keep/part.csv", "1")
    name = job(
        "import sys\nfrom pyspark.sql import SparkSession\n"
        "SparkSession.builder.getOrCreate().range(3).write.mode('overwrite').csv('s3://glue-app/keep')\n"
        "raise ValueError('no flights on this day')\n"
    )
    run_id = glue.start_job_run(JobName=name, Arguments={"--out": "s3://glue-app/keep"})["JobRunId"]
    run = wait(glue, name, run_id)
    assert (run["JobRunState"], run["ErrorMessage"]) == (
        "FAILED", "Failed Line Number: 4; ValueError: no flights on this day",
    )  # fmt: skip
    assert listing("s3://glue-app/keep") == ["keep/part.csv"]
    assert messages(client, "/aws-glue/jobs/error", run_id)[-1] == "ValueError: no flights on this day"


def test_an_execution_may_be_given_by_its_address(
    glue: Any, job: Callable[..., str], put: Callable[..., None], listing: Callable[[str], list[str]]
) -> None:
    put("s3://glue-nyc/late/2013-01-01/a.csv", "origin,delay\nJFK,1\n")
    execution = {
        "output": {"path": "s3://glue-app/late/JFK"},
        "inputs": [{"paths": ["s3://glue-nyc/late/2013-01-01"]}],
    }
    put("s3://glue-app/executions/1.json", json.dumps(execution))
    read = 'execution = json.loads(spark.read.text(args["execution"], wholetext=True).first().value)\n'
    lines = SCRIPT.replace('execution = json.loads(args["execution"])\n', "").splitlines(keepends=True)
    lines.insert(next(n for n, line in enumerate(lines) if line.startswith("flights")), read)
    name = job("".join(lines))
    arguments = {"--execution": "s3://glue-app/executions/1.json"}
    run_id = glue.start_job_run(JobName=name, Arguments=arguments, WorkerType="G.2X", NumberOfWorkers=3)[
        "JobRunId"
    ]
    run = wait(glue, name, run_id)
    assert (run["JobRunState"], run["WorkerType"], run["NumberOfWorkers"]) == ("SUCCEEDED", "G.2X", 3), run
    assert len(listing("s3://glue-app/late/JFK/")) == 1


def test_a_missing_script_fails_the_run(
    glue: Any, job: Callable[..., str], client: Callable[..., Any]
) -> None:
    name = job("pass")
    client("s3").delete_object(Bucket="glue-app", Key=f"glue/{name}.py")
    run = wait(glue, name, glue.start_job_run(JobName=name)["JobRunId"])
    assert run["JobRunState"] == "FAILED"
    assert f"glue/{name}.py does not exist" in run["ErrorMessage"]


def test_runs_wait_for_one_another_and_can_be_stopped(glue: Any, job: Callable[..., str]) -> None:
    name = job("import time; time.sleep(600)", ExecutionProperty={"MaxConcurrentRuns": 3}, Timeout=300)
    first, second, third = (glue.start_job_run(JobName=name)["JobRunId"] for _ in range(3))
    wait(glue, name, first, "RUNNING")
    assert wait(glue, name, second, "WAITING", "RUNNING")["JobRunState"] == "WAITING"
    with pytest.raises(ClientError, match="ConcurrentRunsExceededException"):
        glue.start_job_run(JobName=name)
    answer = glue.batch_stop_job_run(JobName=name, JobRunIds=[first, second, "jr_none"])
    assert [entry["JobRunId"] for entry in answer["SuccessfulSubmissions"]] == [first, second]
    assert [entry["ErrorDetail"]["ErrorCode"] for entry in answer["Errors"]] == ["EntityNotFoundException"]
    assert wait(glue, name, first)["JobRunState"] == "STOPPED"
    assert wait(glue, name, second)["JobRunState"] == "STOPPED"
    wait(glue, name, third, "RUNNING")
    glue.batch_stop_job_run(JobName=name, JobRunIds=[third])
    wait(glue, name, third, "STOPPED")
    assert [run["Id"] for run in glue.get_job_runs(JobName=name)["JobRuns"]] == [third, second, first]


def test_a_run_that_takes_too_long_times_out(glue: Any, job: Callable[..., str]) -> None:
    name = job("import time; time.sleep(600)", Timeout=2)  # the service's minutes are seconds here
    run = wait(glue, name, glue.start_job_run(JobName=name)["JobRunId"])
    assert (run["JobRunState"], run["ErrorMessage"]) == (
        "TIMEOUT", "the run took longer than its timeout of 2 seconds",
    )  # fmt: skip


def test_modules_and_settings_given_to_the_job(
    glue: Any,
    job: Callable[..., str],
    put: Callable[..., None],
    client: Callable[..., Any],
    listing: Callable[[str], list[str]],
) -> None:
    put("s3://glue-app/lib/delays.py", "LIMIT = 15\n")
    name = job(
        "import delays\nfrom pyspark.sql import SparkSession, functions as f\n"
        "spark = SparkSession.builder.getOrCreate()\n"
        "late = f.udf(lambda n: __import__('delays').LIMIT + n, 'long')\n"
        "rows = spark.range(2).select(late('id')).collect()\n"
        "print(delays.LIMIT, spark.conf.get('spark.sql.shuffle.partitions'), [row[0] for row in rows])\n"
    )
    arguments = {
        "--extra-py-files": "s3://glue-app/lib/delays.py",
        "--conf": "spark.sql.shuffle.partitions=5",
    }
    run = wait(glue, name, glue.start_job_run(JobName=name, Arguments=arguments)["JobRunId"])
    assert run["JobRunState"] == "SUCCEEDED", run
    assert messages(client, "/aws-glue/jobs/output", run["Id"]) == ["15 5 [15, 16]"]
    assert listing("s3://glue-app/lib/") == ["lib/delays.py"], "what Python compiles of it is no object"


def test_jobs_are_kept_as_glue_keeps_them(glue: Any, job: Callable[..., str]) -> None:
    name = job("pass", Description="one")
    with pytest.raises(ClientError, match="AlreadyExistsException"):
        job("pass")
    command = {"Name": "glueetl", "ScriptLocation": "s3://glue-app/other.py"}
    glue.update_job(JobName=name, JobUpdate={"Command": command, "Timeout": 7})
    found = glue.get_job(JobName=name)["Job"]
    assert (found["Timeout"], found["Command"]["ScriptLocation"]) == (7, "s3://glue-app/other.py")
    assert "Description" not in found, "an update replaces the definition"
    assert name in glue.list_jobs()["JobNames"]
    assert name in [each["Name"] for each in glue.get_jobs()["Jobs"]]
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_job(JobName="none")
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_job_run(JobName=name, RunId="jr_none")


def test_the_data_catalog_is_motos(glue: Any) -> None:
    glue.create_database(DatabaseInput={"Name": "air"})
    keys = [{"Name": "day", "Type": "string"}]
    glue.create_table(DatabaseName="air", TableInput={"Name": "flights", "PartitionKeys": keys})
    location = {"StorageDescriptor": {"Location": "s3://glue-nyc/flights"}}
    glue.create_partition(
        DatabaseName="air", TableName="flights", PartitionInput={"Values": ["2013-01-01"], **location}
    )
    assert [table["Name"] for table in glue.get_tables(DatabaseName="air")["TableList"]] == ["flights"]
    partitions = glue.get_partitions(DatabaseName="air", TableName="flights")["Partitions"]
    assert [partition["Values"] for partition in partitions] == [["2013-01-01"]]
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_table(DatabaseName="air", Name="none")


def test_airflows_own_hook_works_unchanged(
    glue: Any, job: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    from airflow.providers.amazon.aws.hooks.glue import GlueJobHook

    name = job("print('through the hook')")
    hook = GlueJobHook(job_name=name, aws_conn_id=None, job_poll_interval=0.2)
    run_id = hook.initialize_job({"--a": "1"})["JobRunId"]
    assert hook.job_completion(name, run_id, verbose=True) == {"JobRunState": "SUCCEEDED", "JobRunId": run_id}


def test_a_run_whose_spark_is_not_here_says_so(
    glue: Any,
    job: Callable[..., str],
    client: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    service: Glue,
) -> None:
    monkeypatch.delitem(service.workers.env, "RHEO_SPARK_4_1", raising=False)
    name = job("print('done')", GlueVersion="6.0", WorkerType="G.1X", NumberOfWorkers=2)
    run_id = glue.start_job_run(JobName=name)["JobRunId"]
    assert wait(glue, name, run_id)["JobRunState"] == "SUCCEEDED"
    assert messages(client, "/aws-glue/jobs/output", run_id) == [
        "Glue 6.0 has Spark 4.1: this run is on Spark 3.5, since RHEO_SPARK_4_1 names no Python with it",
        "done",
    ]
