"""Generated scripts of EMR Serverless and Scala, run by the local services as boto3 sees them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from codegen.compiler import compile_graph, files, write
from codegen.planning import build_plan
from rheo_airflow.tasks.athena_tables import table_input
from rheo_airflow.tasks.places import Places
from rheo_platforms.local.glue import Glue
from rheo_platforms.local.http import HttpService
from rheodsl import EMR, AndesDataset, Application, BatchCompute, scala_script

pytestmark = pytest.mark.slow
HERE = Path(__file__)
ROLE = "arn:aws:iam::123456789012:role/emr"


@pytest.fixture(scope="module")
def service(aws: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glue]:
    glue = Glue(tmp_path_factory.mktemp("glue"), aws["AWS_ENDPOINT_URL"])
    server = HttpService(0, glue.answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    patch = pytest.MonkeyPatch()
    for name in ("GLUE", "EMR_SERVERLESS", "SAGEMAKER"):
        patch.setenv(f"AWS_ENDPOINT_URL_{name}", server.url)
    try:
        yield glue
    finally:
        patch.undo()
        server.shutdown()
        thread.join()
        server.server_close()
        glue.close()


def node(compute: Any) -> Application:
    app = Application("a")
    sales = app.s3("sales", "s3://data/sales/{region}", format="CSV")
    app.create_data("n", inputs=[sales["EU"]], compute_targets=compute, dataset_format="CSV")
    return app


def told(app: Application, script: str, folder: Path, said: str) -> str:
    """What a task says of a failure of a script: lines of the application in place of the script's."""
    write(compile_graph(app.graph()), folder)
    return Places(folder, script).told(said)


DOCUMENT = {
    "version": 1, "app": "a", "node": "n", "id": "n/EU#1", "partition": "EU", "generation": 1,
    "output": {"dimensions": {"region": "EU"}, "path": "s3://rheo-a/internal_data/n/EU"},
    "inputs": [
        {
            "alias": "sales", "signal": "sales", "dimensions": {"region": "EU"},
            "paths": ["s3://data/sales/EU", "s3://data/sales/US", "s3://data/sales/none"],
        }
    ],
}  # fmt: skip


STAGED = "s3://rheo-a/staging/n/EU/1"  # where Spark writes, as `claim` says


@pytest.fixture
def data(put: Callable[..., None]) -> None:
    put("s3://data/sales/EU/a.csv", "item,price\nx,1\ny,9\n")
    put("s3://data/sales/US/a.csv", "item,price\nz,5\n")
    put("s3://data/sales/US/_SUCCESS")
    put("s3://rheo-a")


def output(
    client: Callable[..., Any],
    listing: Callable[[str], list[str]],
    folder: str = "s3://rheo-a/internal_data/n/EU",
) -> list[str]:
    """The lines of the output's files, without headers, sorted."""
    keys = listing(f"{folder}/part")
    texts = [client("s3").get_object(Bucket="rheo-a", Key=key)["Body"].read().decode() for key in keys]
    return sorted(line for text in texts for line in text.splitlines()[1:])


def until(ask: Callable[[], dict[str, Any]], over: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while not over(found := ask()):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


# --- EMR Serverless ---


def cheap(sales, args):  # type: ignore[no-untyped-def]
    """Keep what is worth less than a limit."""
    return sales.where(sales.price < float(args["limit"]))


class EmrLab:
    """An application of EMR Serverless, and its runs."""

    def __init__(self, put: Callable[..., None]) -> None:
        self.client: Any = boto3.Session().client("emr-serverless")
        made = self.client.create_application(name="rheo-a", releaseLabel="emr-7.5.0", type="SPARK")
        self.app, self.put = made["applicationId"], put

    def start(self, app: Application, *words: str, token: str = "", document: Any = DOCUMENT) -> str:
        self.put("s3://rheo-a/rheo/emr/n.py", files(build_plan(app.graph()))["emr/n.py"])
        submit = {
            "entryPoint": "s3://rheo-a/rheo/emr/n.py",
            "entryPointArguments": ["--execution", json.dumps(document), *words],
            "sparkSubmitParameters": "--conf spark.executor.memory=4g --conf spark.sql.ansi.enabled=true",
        }
        run = self.client.start_job_run(
            applicationId=self.app,
            clientToken=token or f"{time.monotonic()}",
            executionRoleArn=ROLE,
            jobDriver={"sparkSubmit": submit},
            name="n-EU",
        )
        return str(run["jobRunId"])

    def get(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get_job_run(applicationId=self.app, jobRunId=id)["jobRun"]
        return found

    def end(self, id: str) -> dict[str, Any]:
        return until(lambda: self.get(id), lambda run: run["state"] in ("SUCCESS", "FAILED", "CANCELLED"))


@pytest.fixture
def emr(service: Glue, put: Callable[..., None], data: None) -> EmrLab:
    return EmrLab(put)


def test_a_script_runs_and_writes(emr: EmrLab, client: Callable[..., Any], listing: Any) -> None:
    assert emr.client.get_application(applicationId=emr.app)["application"]["state"] == "CREATED"
    emr.client.start_application(applicationId=emr.app)
    id = emr.start(node(EMR(cheap, limit="6")), "--limit", "6", token="once")
    assert emr.start(node(EMR(cheap, limit="6")), "--limit", "6", token="once") == id
    run = emr.end(id)
    assert (run["state"], run["stateDetails"]) == ("SUCCESS", "")
    assert output(client, listing) == ["x,1", "z,5"]
    listed = emr.client.list_job_runs(applicationId=emr.app, states=["SUCCESS"])["jobRuns"]
    assert id in [each["id"] for each in listed]
    assert id not in [
        each["id"] for each in emr.client.list_job_runs(applicationId=emr.app, states=["RUNNING"])["jobRuns"]
    ]


def test_a_script_that_fails_says_the_line_of_its_author(emr: EmrLab, tmp_path: Path) -> None:
    app = node(EMR('output = sales.select("prise")'))
    run = emr.end(emr.start(app))
    line = next(n for n, text in enumerate(HERE.read_text().splitlines(), 1) if 'select("prise")' in text)
    assert run["state"] == "FAILED"
    said = told(app, "emr/n.py", tmp_path, run["stateDetails"])
    assert said.startswith(f"{HERE.name}:{line}: AnalysisException")


def test_a_run_can_be_cancelled(emr: EmrLab) -> None:
    id = emr.start(node(EMR("import time\ntime.sleep(60)\noutput = sales")))
    until(lambda: emr.get(id), lambda run: run["state"] == "RUNNING")
    emr.client.cancel_job_run(applicationId=emr.app, jobRunId=id)
    assert emr.end(id)["state"] == "CANCELLED"


def test_what_is_not_there_is_a_fault_of_the_client(emr: EmrLab) -> None:
    with pytest.raises(ClientError, match="Job run x does not exist"):
        emr.get("x")
    with pytest.raises(ClientError, match="Application x does not exist"):
        emr.client.get_application(applicationId="x")


# --- Scala on Glue ---


def scala(service: Glue, put: Callable[..., None], code: str | Application, *words: str) -> dict[str, Any]:
    args = dict(zip([word.removeprefix("--") for word in words[::2]], words[1::2], strict=True))
    app = node(BatchCompute(scala_script(code), **args)) if isinstance(code, str) else code
    put("s3://rheo-a/rheo/glue/n.scala", files(build_plan(app.graph()))["glue/n.scala"])
    glue: Any = boto3.Session().client("glue")
    command = {"Name": "glueetl", "ScriptLocation": "s3://rheo-a/rheo/glue/n.scala"}
    beside: Any = {**DOCUMENT, "output": {**DOCUMENT["output"], "staged": STAGED}}  # type: ignore[dict-item]
    arguments = {"--job-language": "scala", "--class": "GlueApp", "--execution": json.dumps(beside)}
    arguments |= dict(zip(words[::2], words[1::2], strict=True))
    glue.create_job(Name="scala", Role=ROLE, Command=command)
    try:
        id = glue.start_job_run(JobName="scala", Arguments=arguments)["JobRunId"]
        return until(
            lambda: glue.get_job_run(JobName="scala", RunId=id)["JobRun"],
            lambda run: run["JobRunState"] in ("SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED"),
        )
    finally:
        glue.delete_job(JobName="scala")


def test_scala_reads_writes_beside_the_partition_and_is_given_arguments(
    service: Glue, put: Callable[..., None], data: None, client: Callable[..., Any], listing: Any
) -> None:
    for key in listing("s3://rheo-a/internal_data/n/EU/"):  # of other tests
        client("s3").delete_object(Bucket="rheo-a", Key=key)
    put("s3://rheo-a/internal_data/n/EU/_SUCCESS")
    code = """
    import org.apache.spark.sql.types.IntegerType
    val most = args("limit").toLong
    val shout = udf((item: String) => item.toUpperCase + dimensions("region"))
    spark.sql("SELECT item, price FROM sales").as[(String, Long)].filter(_._2 < most).toDF("item", "price")
      .select(shout($"item").as("item"), $"price".cast(IntegerType)).union(input0.limit(0))
    """
    run = scala(service, put, code, "--limit", "6")
    assert run["JobRunState"] == "SUCCEEDED", run
    assert output(client, listing, STAGED) == ["XEU,1", "ZEU,5"]
    assert listing(f"{STAGED}/_") == ["staging/n/EU/1/_SUCCESS"], "all is written"
    assert listing("s3://rheo-a/internal_data/n/EU/") == ["internal_data/n/EU/_SUCCESS"], (
        "the old one is as it was"
    )
    assert "rheo-a" in {b["Name"] for b in client("s3").list_buckets()["Buckets"]}


def test_scala_that_does_not_compile_says_the_line_of_its_author(
    service: Glue, put: Callable[..., None], data: None, tmp_path: Path
) -> None:
    app = node(BatchCompute(scala_script("val output = sales.limt(1)  // no such method")))
    run = scala(service, put, app)
    line = next(n for n, text in enumerate(HERE.read_text().splitlines(), 1) if "sales.limt(1)" in text)
    assert run["JobRunState"] == "FAILED"
    said = told(app, "glue/n.scala", tmp_path, run["ErrorMessage"])
    assert "error: value limt is not a member" in said
    assert f"{HERE.name}:{line}: error: value limt is not a member" in said


# --- tables of the catalog ---


def test_a_table_of_the_catalog_is_read_by_spark(
    emr: EmrLab, client: Callable[..., Any], put: Callable[..., None], listing: Any
) -> None:
    glue = boto3.Session().client("glue", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    glue.create_database(DatabaseInput={"Name": "db"})
    how = {"columns": [["id", "int"], ["name", "string"]], "format": "CSV", "header": True, "delimiter": "|"}
    definition: Any = {
        **table_input("users", how, "s3://data/users"),
        "PartitionKeys": [{"Name": "ds", "Type": "string"}],
    }
    glue.create_table(DatabaseName="db", TableInput=definition)
    for day, text in {"1": "id|name\n1|old\n2|kept\n", "2": "id|name\n1|new\n"}.items():
        put(f"s3://data/users/{day}/a.csv", text)
        storage = {**definition["StorageDescriptor"], "Location": f"s3://data/users/{day}/"}
        part: Any = {"Values": [day], "StorageDescriptor": storage}
        glue.create_partition(DatabaseName="db", TableName="users", PartitionInput=part)
    app = Application("a")
    users = app.marshal_external_data(
        AndesDataset("db", "users", ["ds"], ["id"]), "users", {"day": {"type": "STRING"}}
    )
    app.create_data("n", inputs=[users], compute_targets=EMR("output = users"), dataset_format="CSV")
    paths = ["catalog://db/users/ds=2", "catalog://db/users/ds=1"]
    inputs = [{"alias": "users", "signal": "users", "dimensions": {"day": "2"}, "paths": paths}]
    run = emr.end(emr.start(app, document={**DOCUMENT, "inputs": inputs}))
    assert run["state"] == "SUCCESS", run
    assert output(client, listing) == ["1,new,2", "2,kept,1"]
