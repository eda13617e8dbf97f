"""Every call that commands, the listener and its sweep make on moto, against the policy that each has.

A call that is not allowed fails, and so does a permission that no call needs.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.client
import pytest
from support.iam import Call, Grant, Recorder, grants, known, matches, refused, role_statements, takes_arn

from codegen.cloudformation.policies import LEDGER
from rheo_platforms.deployment import Deployment
from rheo_platforms.operations import dead_letters
from rheo_platforms.operations.audit import audit
from rheo_platforms.operations.control import Control
from rheo_platforms.operations.monitoring import Monitoring
from rheo_runtime import executions
from rheo_runtime import listener as listener_module
from rheo_runtime.program import Program
from rheo_runtime.records import execution_id
from rheodsl import Application, InlinedCompute
from rheodsl.control import BackfillRequest

from .test_activate import schedules
from .test_policy import policy
from .world import ACCOUNT, DAGS, REGION, Mwaa, World

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
DAY = "2024-01-02"


class Door(Mwaa):
    """MWAA's API as commands and the listener use it, whose calls are recorded."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder
        self.parse("shop", "daily")

    def get_environment(self, Name: str) -> Any:
        self.recorder.note("mwaa", "GetEnvironment", {"Name": Name})
        return super().get_environment(Name)

    def get_paginator(self, name: str) -> Any:
        self.recorder.note("mwaa", "ListEnvironments", {})
        return super().get_paginator(name)

    def invoke_rest_api(self, **call: Any) -> Any:
        self.recorder.note("mwaa", "InvokeRestApi", {"Name": call["Name"]})
        return super().invoke_rest_api(**call)


@pytest.fixture
def recorder(world: World, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder(ACCOUNT, REGION)
    call = botocore.client.BaseClient._make_api_call  # type: ignore[attr-defined]

    def noted(self: Any, operation: str, given: dict[str, Any]) -> Any:
        made.note(self.meta.service_model.service_name, operation, given)
        return call(self, operation, given)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", noted)
    world.session.mwaa = world.mwaa = Door(made)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return made


@contextmanager
def unrecorded(recorder: Recorder) -> Iterator[None]:
    """What the test itself does."""
    who, recorder.who = recorder.who, "the test"
    try:
        yield
    finally:
        recorder.who = who


def put(world: World, recorder: Recorder, bucket: str, key: str) -> None:
    with unrecorded(recorder):
        s3 = world.session.real("s3")
        if bucket not in world.buckets():
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=bucket, Key=key, Body=b"id\n1\n")


# --- who deploys and works with it ---

NAMES = {
    "ACCOUNT": ACCOUNT, "REGION": REGION, "ENVIRONMENT": "prod", "DAG-BUCKET": DAGS,
    "EXECUTION-ROLE": "service-role/airflow", "DATA-BUCKET": "shop-orders",
}  # fmt: skip


def deployers() -> list[Grant]:
    """The page's policy, its names filled in; what CloudFormation does for somebody is no call of theirs."""
    text = json.dumps([s for s in policy() if s["Sid"] not in BY_CLOUDFORMATION])
    for name, value in NAMES.items():
        text = re.sub(rf"\b{name}\b", value, text)
    return grants(json.loads(text))


# CloudFormation calls these as whoever deploys (aws:CalledVia), so no call of ours shows them.
BY_CLOUDFORMATION = {"MadeByCloudFormation", "Roles", "ExecutionRole"}
# Of a statement that is used, what CloudFormation alone needs: it makes the bucket.
BUCKETS = {
    "s3:CreateBucket", "s3:GetBucket*", "s3:PutBucket*", "s3:DeleteBucketPolicy", "s3:GetEncryptionConfiguration",
    "s3:PutEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration",
    "cloudformation:TagResource",
    "s3:DeleteObjectVersion",  # of what DeleteObjects names with a version
    "s3:ListBucketVersions",
}  # fmt: skip


# What a command calls where something has failed, or has written much.
ELSEWHERE = {
    "cloudformation:DescribeStackEvents": ("rheo_platforms/aws/cloudformation.py", "describe_stack_events"),
    # moto has no drift; AWS asks for the one of resources within the one of the stack.
    "cloudformation:DetectStackDrift": ("rheo_platforms/aws/cloudformation.py", "detect_stack_drift"),
    "cloudformation:DetectStackResourceDrift": ("rheo_platforms/aws/cloudformation.py", "detect_stack_drift"),
    "cloudformation:DescribeStackDriftDetectionStatus": (
        "rheo_platforms/aws/cloudformation.py",
        "describe_stack_drift_detection_status",
    ),
    "cloudformation:DescribeStackResourceDrifts": (
        "rheo_platforms/aws/cloudformation.py",
        "describe_stack_resource_drifts",
    ),
    "logs:GetLogEvents": ("rheo_platforms/operations/logs.py", "get_log_events"),
    "glue:GetTable": ("rheo_platforms/lifecycle/catalog.py", "get_table"),  # of tables without a location
}
ROOT = Path(__file__).parents[2]


def shop(world: World) -> Application:
    app = Application("shop", platform=world.platform())
    orders, ships = (
        app.s3(id, f"s3://shop-orders/{id}/{{day:%Y-%m-%d}}", format="CSV") for id in ("orders", "ships")
    )
    app.create_data("daily", inputs=[orders, ships], compute_targets="output = orders", dataset_format="CSV")
    return app


def work(world: World, recorder: Recorder) -> dict[str, set[Call]]:
    """Carry out every command; return the calls of each."""
    found: dict[str, set[Call]] = {}

    def run(name: str, command: Callable[[], object]) -> None:
        recorder.who = name
        try:
            command()
        finally:
            found[name] = recorder.calls.get(name, set())
            recorder.who = "the test"

    app = shop(world)
    run("plan", lambda: str(app.plan()))
    run("activate", app.activate)
    schedules(world)
    run("activate", app.activate)  # nothing has changed
    run("plan", lambda: str(app.plan()))
    platform = world.platform()
    put(world, recorder, "shop-orders", f"orders/{DAY}/part-0.csv")
    for folder in ("orders", "ships"):
        put(world, recorder, "shop-orders", f"{folder}/{DAY}/_SUCCESS")
    put(world, recorder, world.bucket(), f"internal_data/daily/{DAY}/part-0.csv")
    put(world, recorder, world.bucket(), f"internal_data/daily/{DAY}/_SUCCESS")
    deployment: Deployment = platform.deployment("shop")
    controls: Control = platform.control("shop")
    run("process", lambda: [controls.process(app[s][DAY], False, False, None) for s in ("orders", "ships")])
    run("process --remote", lambda: controls.process(app["orders"][DAY], True, False, None))
    run("kill", lambda: controls.kill(app["daily"][DAY]))
    run("execute", lambda: app.execute(app["daily"][DAY], wait=False))
    run("poll", lambda: controls.poll(app["daily"][DAY], 0))
    wanted = BackfillRequest(app["daily"], DAY, DAY, {}, again=True)
    run("backfill --dry-run", lambda: controls.backfill_plan(wanted))
    watched = Monitoring(deployment)
    asked = (watched.routes, watched.paused, watched.refusals)
    run("status", lambda: ([ask() for ask in asked], watched.records(None), watched.pending(None)))
    run("pending", lambda: watched.pending("daily"))
    run("explain", lambda: [watched.explain("daily", [day]) for day in (DAY, "2024-02-02")])
    with unrecorded(recorder):  # a run of it begins
        output, _ = deployment.ledger.output("daily", DAY, None)
        assert output is not None and output.active is not None
        id = execution_id("daily", DAY, output.active.generation)
        assert executions.claim(deployment.ledger, "daily", DAY, id, "run", time.time()) is not None
        logs = world.session.real("logs")
        logs.create_log_group(logGroupName="airflow-prod-Task")
        script = {"Name": "glueetl", "ScriptLocation": "s3://x/y.py"}
        world.session.real("glue").create_job(Name="shop-daily", Role="r", Command=script)
    run("logs", lambda: list(watched.logs("daily", [DAY])))
    run("kill", lambda: controls.kill(app["daily"][DAY]))
    where = {"storage": deployment.storage, "ask": deployment.airflow.state}
    run("audit", lambda: audit(Program(deployment.routes), deployment.snapshot(), time.time(), **where))
    letter = json.dumps({"source": "x", "detail-type": "y"})
    for name, command in (
        ("dlq list", lambda: dead_letters.read(deployment)),
        ("dlq replay", lambda: list(dead_letters.replay(deployment))),
        ("dlq drop", lambda: list(dead_letters.drop(deployment))),
    ):
        with unrecorded(recorder):
            world.session.real("sqs").send_message(QueueUrl=deployment.dead_letters, MessageBody=letter)
        run(name, command)
    run("load_data", lambda: next(app.load_data(app["daily"][DAY], format="ORIGINAL")))
    run("load_data", lambda: next(app.load_data(app["orders"][DAY], format="ORIGINAL")))
    run("pause", app.pause)
    run("resume", app.resume)
    run("terminate", lambda: app.terminate(wait_for_active_routes=False))
    run("delete", app.delete)
    return found


@pytest.fixture
def worked(world: World, recorder: Recorder) -> dict[str, set[Call]]:
    return work(world, recorder)


def test_the_deployers_policy_is_what_the_commands_need(worked: dict[str, set[Call]]) -> None:
    allowed = deployers()
    for name, calls in worked.items():
        assert refused(calls, allowed) == [], name
    everything = {call for calls in worked.values() for call in calls}
    idle = {
        grant.action
        for grant in allowed
        if not any(matches(call.action.lower(), grant.action.lower()) for call in everything)
    }
    for action, (file, call) in ELSEWHERE.items():
        assert call in (ROOT / file).read_text("utf-8"), action
    assert idle - BUCKETS - ELSEWHERE.keys() - set(LEDGER) == set(), "the page allows what no command does"


def test_the_table_of_the_page_says_what_each_command_needs(worked: dict[str, set[Call]]) -> None:
    text = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([^`|]+)` \| (.+) \|$", text, re.MULTILINE))
    for name, calls in worked.items():
        assert name in rows, name
        said = set(re.findall(r"`([a-z0-9-]+:\w+)`", rows[name]))
        assert said == {call.action for call in calls}, name


def test_the_recorder_sees_what_is_refused() -> None:
    only = grants([{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::a/b/*"}])
    assert refused({Call("s3:GetObject", "arn:aws:s3:::a/b/c")}, only) == []
    assert refused({Call("s3:GetObject", "arn:aws:s3:::a/c")}, only) == ["s3:GetObject on arn:aws:s3:::a/c"]
    assert refused({Call("s3:PutObject", "arn:aws:s3:::a/b/c")}, only) == [
        "s3:PutObject on arn:aws:s3:::a/b/c"
    ]
    condition = {"StringLike": {"s3:prefix": ["in/*"]}}
    listing = grants(
        [{"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": "*", "Condition": condition}]
    )
    assert refused({Call("s3:ListBucket", "x", (("s3:prefix", "in/a"),))}, listing) == []
    assert refused({Call("s3:ListBucket", "x", (("s3:prefix", "out/a"),))}, listing) != []
    assert refused({Call("s3:ListBucket", "x")}, listing) != [], "a key that the call has not does not hold"


def test_every_action_that_is_granted_is_one_of_awss(world: World) -> None:
    """A misspelt action grants nothing, and nobody says so."""
    actions = {grant.action for grant in grants(template_statements(world))}
    actions |= {
        g.action
        for g in grants([s for s in policy() if s["Sid"] not in BY_CLOUDFORMATION])
        if "*" not in g.action
    }
    assert [action for action in sorted(actions) if not known(action)] == []


def test_a_star_stands_where_aws_knows_no_resource(world: World) -> None:
    stars = {grant.action for grant in grants(template_statements(world)) if grant.resource == "*"}
    assert [action for action in sorted(stars) if takes_arn(action)] == []


# --- the listener ---


def count(input_map: Any, output: Any, params: Any) -> None:
    print(output)


def inlined(world: World) -> Application:
    app = Application("shop", platform=world.platform())
    orders = app.s3("orders", "s3://shop-orders/orders/{day:%Y-%m-%d}")
    app.create_data("daily", inputs=[orders[:-2].range_check(True)], compute_targets=InlinedCompute(count))
    return app


def template(app: Application, bucket: str) -> dict[str, Any]:
    from codegen.cloudformation.stack import build_template
    from codegen.planning import build_plan

    graph = app.graph()
    return build_template(build_plan(graph, bucket=bucket), graph)


def template_statements(world: World) -> list[dict[str, Any]]:
    made = template(inlined(world), world.bucket())
    return [
        s
        for role in ("ListenerRole", "AirflowPolicy")
        for s in role_statements(made, "shop", role, REGION, ACCOUNT)
    ]


# What Lambda and SQS do for a function by its role, and what only other declarations need.
BY_LAMBDA = {
    "logs:CreateLogStream", "logs:PutLogEvents", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage",
    "sqs:GetQueueAttributes", "sqs:ReceiveMessage",
}  # fmt: skip


def test_the_listeners_role_is_what_it_needs(
    world: World, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.who = "the test"
    app = inlined(world)
    app.activate()
    monkeypatch.setattr(
        boto3,
        "client",
        lambda service, **of: world.mwaa if service == "mwaa" else world.session.real(service),
    )
    url = world.session.real("sqs").get_queue_url(QueueName="rheo-shop-dlq")["QueueUrl"]
    routes = world.text(world.bucket(), "rheo/routes.json")
    made = _listener(world, routes, url, monkeypatch)
    recorder.who = "listener"
    created = {
        "source": "aws.s3", "detail-type": "Object Created", "time": f"{DAY}T00:00:00Z",
        "detail": {"bucket": {"name": "shop-orders"}, "object": {"key": f"orders/{DAY}/_SUCCESS", "etag": "x"}},
    }  # fmt: skip
    put(world, recorder, "shop-orders", f"orders/{DAY}/_SUCCESS")
    records = [{"messageId": "1", "body": json.dumps(created)}, {"messageId": "2", "body": "{"}]
    made.handle({"Records": records}, lambda: 60_000)
    put(world, recorder, "shop-orders", "orders/2024-01-01/_SUCCESS")
    sweep = {"source": "rheo", "detail-type": "rheo.sweep", "detail": {}}
    made.handle(sweep, lambda: 60_000)
    earlier = {
        **created,
        "detail": {
            "bucket": {"name": "shop-orders"},
            "object": {"key": "orders/2024-01-01/_SUCCESS", "etag": "y"},
        },
    }
    made.handle({"Records": [{"messageId": "3", "body": json.dumps(earlier)}]}, lambda: 60_000)
    calls = recorder.calls["listener"]
    allowed = grants(role_statements(template(app, world.bucket()), "shop", "ListenerRole", REGION, ACCOUNT))
    assert refused(calls, allowed) == []
    used = {call.action for call in calls}
    assert {"sqs:SendMessage", "airflow:InvokeRestApi", "s3:GetObject", "dynamodb:UpdateItem"} <= used
    idle = {grant.action for grant in allowed} - used - BY_LAMBDA
    # What the ledger's code calls is held by a test of the template; a signal is sent for an execution that succeeded.
    # That it may list lets S3 say of what is not there that it is not there (HeadObject).
    assert idle - set(LEDGER) <= {"events:PutEvents", "s3:ListBucket"}


def _listener(world: World, routes: str, url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(listener_module, "_read", lambda address: routes)
    return listener_module.from_environment(
        {
            "RHEO_TABLE": "rheo-shop",
            "RHEO_MWAA_ENVIRONMENT": "prod",
            "RHEO_DEAD_LETTERS": url,
            "RHEO_ROUTES": "x",
        }
    )
