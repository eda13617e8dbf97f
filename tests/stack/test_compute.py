"""An application of every kind of compute target, on a running stack: one event, and all of them have run."""

from __future__ import annotations

import gzip
import json
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Thread
from typing import Any

import pytest

from rheodsl import (
    EMR,
    Application,
    AWSBatchJob,
    BatchCompute,
    Email,
    InlinedCompute,
    PrestoSQL,
    SageMakerTrainingJob,
    SageMakerTransformJob,
    Slack,
    Sns,
    StepFunctions,
    scala_script,
)

from .conftest import Lab

pytestmark = pytest.mark.slow
APP, DATA, OWN = "compute-targets", "compute-targets-data", "rheo-compute-targets"
ACCOUNT = "123456789012"
NODES = ("in_scala", "on_emr", "on_athena", "model", "predictions", "told")


class Reacts:
    """The guide's class form of inlined code."""

    def __call__(self, input_map, output, params):  # type: ignore[no-untyped-def]
        import json

        session = params[AWSCommonParams.BOTO_SESSION]  # type: ignore[name-defined]  # noqa: F821
        seen = {
            "inputs": {
                alias: signal.get_materialized_resource_paths() for alias, signal in input_map.items()
            },
            "output": output.get_materialized_resource_paths(),
            "same": sales.paths == input0.paths == input_map["sales"].paths,  # type: ignore[name-defined]  # noqa: F821
            "account": params[AWSCommonParams.ACCOUNT_ID],  # type: ignore[name-defined]  # noqa: F821
            "region": params[AWSCommonParams.REGION],  # type: ignore[name-defined]  # noqa: F821
        }
        bucket = output.get_materialized_resource_paths()[0].split("/")[2]
        session.resource("s3").Object(bucket, "seen.json").put(Body=json.dumps(seen).encode())


def application(lab: Lab) -> Application:
    app = Application(APP, platform=lab.platform)
    sales = app.s3("sales", f"s3://{DATA}/sales/{{region}}", format="CSV", schema="item string, price double")
    app.create_data(
        "in_scala",
        inputs=[sales],
        compute_targets=BatchCompute(
            scala_script('sales.filter($"price" < args("limit").toDouble)'), limit=5
        ),
        dataset_format="CSV",
    )
    app.create_data(
        "on_emr",
        inputs=[sales],
        compute_targets=EMR("output = sales.where(sales.price > float(args['limit']))", limit=5),
        dataset_format="CSV",
    )
    app.create_data(
        "on_athena",
        inputs=[sales],
        compute_targets=PrestoSQL("SELECT approx_distinct(item) AS items, sum(price) AS total FROM sales"),
        dataset_format="JSON",
    )
    app.create_data(
        "model",
        inputs=[sales],
        compute_targets=SageMakerTrainingJob(
            AlgorithmSpecification={"TrainingImage": "xgboost", "TrainingInputMode": "File"},
            HyperParameters={"region": "{region}"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            StoppingCondition={"MaxRuntimeInSeconds": 3600},
        ),
    )
    app.create_data(
        "predictions",
        inputs=[app["model"], sales],
        compute_targets=SageMakerTransformJob(
            "sales",
            Model={"PrimaryContainer": {"Image": "xgboost", "ModelDataUrl": "{inputs[model]}/model.tar.gz"}},
            TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        ),
        dataset_format="CSV",
    )
    app.create_data(
        "told",
        inputs=[sales],
        compute_targets=[
            InlinedCompute(Reacts()),
            AWSBatchJob("crunch:1", "cheap", command=["crunch", "{region}"]),
            StepFunctions(f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:compute-report"),
            Email("{node}", "{region}", sender="etl@example.com", recipients="me@example.com"),
            Slack("{node} of {region}", connection="team_slack"),
            Sns(f"arn:aws:sns:us-east-1:{ACCOUNT}:compute-done", "{execution}"),
        ],
    )
    return app


def output(lab: Lab, node: str) -> bytes:
    """All data of a node's output."""
    s3 = lab.client("s3")
    found = s3.list_objects_v2(Bucket=OWN, Prefix=f"internal_data/{node}/EU/").get("Contents", [])
    keys = [o["Key"] for o in found if not o["Key"].endswith("/_SUCCESS")]
    return b"".join(s3.get_object(Bucket=OWN, Key=key)["Body"].read() for key in keys)


@contextmanager
def slack() -> Iterator[tuple[str, list[str]]]:
    """What stands for Slack on this machine: its address, and what was posted there."""
    posted: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", posted
        server.shutdown()


def test_one_event_runs_all_of_them(stack: Lab) -> None:
    with slack() as (webhook, posted):
        connection = {"connection_id": "team_slack", "conn_type": "http", "password": webhook}
        stack.local.airflow.call("POST", "/connections", connection)
        run_all(stack)
    assert [json.loads(body)["text"] for body in posted] == ["told of EU"]


def run_all(stack: Lab) -> None:
    stack.start(application(stack))
    stack.put(f"s3://{DATA}/sales/EU/a.csv", "item,price\nx,1\ny,9\n")
    stack.put(f"s3://{DATA}/sales/EU/_SUCCESS")
    began = time.monotonic()
    for node in NODES:
        (run,) = stack.until(lambda node=node: ended(stack, node), 240)  # type: ignore[misc]
        assert run["state"] == "success", (node, stack.folder)
    print(f"all in {time.monotonic() - began:.0f} s")

    assert output(stack, "in_scala").split() == [b"item,price", b"x,1.0"]
    assert output(stack, "on_emr").split() == [b"item,price", b"y,9.0"]
    assert json.loads(output(stack, "on_athena")) == {"items": 2, "total": 10.0}
    request = json.loads(_only_file(output(stack, "model")))
    assert request["HyperParameters"] == {"region": "EU"}
    assert [c["ChannelName"] for c in request["InputDataConfig"]] == ["sales"]
    assert output(stack, "predictions") == b"item,price\nx,1\ny,9\n"

    seen = json.loads(stack.read(f"s3://{OWN}/seen.json"))
    assert seen == {
        "inputs": {"sales": [f"s3://{DATA}/sales/EU"]},
        "output": [f"s3://{OWN}/internal_data/told/EU"],
        "same": True,
        "account": ACCOUNT,
        "region": "us-east-1",
    }
    (job,) = stack.client("batch").list_jobs(jobQueue="cheap", jobStatus="SUCCEEDED")["jobSummaryList"]
    assert job["jobName"].startswith("told-EU-")
    machine = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:compute-report"
    (execution,) = stack.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert execution["status"] == "SUCCEEDED"
    assert float(stack.client("ses").get_send_quota()["SentLast24Hours"]) >= 1


def ended(lab: Lab, node: str) -> list[dict[str, Any]]:
    return lab.runs(APP, node, "success") + lab.runs(APP, node, "failed")


def _only_file(archive: bytes) -> bytes:
    with tarfile.open(fileobj=BytesIO(gzip.decompress(archive))) as tar:
        (member,) = tar.getmembers()
        file = tar.extractfile(member)
        assert file is not None
        return file.read()
