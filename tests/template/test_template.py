"""The template of an application: valid, complete, the same each time, and as agreed."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from codegen.cloudformation.events import heard_of
from codegen.cloudformation.names import TemplateError
from codegen.cloudformation.stack import LONGEST, LONGEST_INLINE, build_parts, build_template, compact, dumps
from codegen.planning import build_plan
from codegen.routes import route_table
from rheo_platforms.local import listener_process
from rheo_runtime.dynamodb import create_table
from rheodsl import EMR, Application, row_count

from .sample import EXAMPLES, every_source, example, many, of_type, statements, template_of

OWN = {"Ref": "AWS::AccountId"}
Lint = Callable[[dict[str, Any]], list[str]]
APPS: dict[str, Callable[[], Application]] = {
    "every_source": every_source,
    "bare": lambda: Application("bare"),
    "many": lambda: many(12),
    **{name: (lambda name=name: example(name)) for name in EXAMPLES},
}


@pytest.mark.parametrize("name", APPS)
def test_cfn_lint_has_nothing_to_say(name: str, lint: Lint) -> None:
    assert lint(template_of(APPS[name]())) == []


def test_cfn_lint_would_say_something(lint: Lint) -> None:
    template = template_of(Application("bare"))
    template["Resources"]["Queue"]["Properties"]["VisibilityTimeout"] = "soon"
    assert any("VisibilityTimeout" in said for said in lint(template))


@pytest.mark.parametrize("name", APPS)
def test_the_same_bytes_each_time(name: str) -> None:
    assert dumps(template_of(APPS[name]())) == dumps(template_of(APPS[name]()))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_as_agreed(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"template/{name}.json", dumps(template_of(example(name))))


def test_every_kind_of_event_has_a_rule() -> None:
    rules = of_type(template_of(every_source()), "AWS::Events::Rule")
    routes = route_table(every_source().graph()).routes
    read = sorted({source.signal for route in routes for source in route.inputs})
    assert {id: rule["EventPattern"] for id, rule in rules.items()} == {
        "RuleObjects": {
            "source": ["aws.s3"],
            "detail-type": ["Object Created", "Object Deleted"],
            "detail": {"bucket": {"name": ["loose"]}},
        },
        "RuleObjects2": {
            "source": ["aws.s3"],
            "detail-type": ["Object Created", "Object Deleted"],
            "detail": {
                "bucket": {"name": ["lake"]},
                "object": {"key": [{"suffix": "/READY"}, {"suffix": "/_SUCCESS"}]},
            },
        },
        "RuleSignals": {
            "account": [OWN],
            "source": ["rheo"],
            "detail-type": ["rheo.signal"],
            "detail": {"app": ["Every_Source"], "signal": read},
        },
        "RuleAlarms": {
            "account": [OWN],
            "source": ["aws.cloudwatch"],
            "detail-type": ["CloudWatch Alarm State Change"],
            "detail": {"alarmName": ["cpu high"]},
        },
        "RuleCatalog": {
            "account": [OWN],
            "source": ["aws.glue"],
            "detail-type": ["Glue Data Catalog Table State Change"],
            "detail": {"databaseName": ["sales"], "tableName": ["daily"]},
        },
    }
    assert {id for id, rule in rules.items() if "EventBusName" in rule} == {"RuleSignals"}


def test_jobs_on_emr_have_a_most() -> None:
    app = Application("large")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    app.create_data("daily", [orders], compute_targets=EMR("output = orders"))
    template = template_of(app)
    [made] = of_type(template, "AWS::EMRServerless::Application").values()
    assert made["MaximumCapacity"] == {"Cpu": {"Ref": "EmrMaximumCpu"}, "Memory": {"Ref": "EmrMaximumMemory"}}
    assert template["Parameters"]["EmrMaximumCpu"]["Default"] == "128 vCPU"


def test_only_our_own_source_is_announced() -> None:
    template = template_of(every_source())
    found = [s for s in statements(template) if "events:PutEvents" in str(s.get("Action"))]
    assert len(found) >= 2
    assert {str(s["Condition"]) for s in found} == {"{'StringEquals': {'events:source': 'rheo'}}"}


def test_an_application_without_inputs_hears_nothing() -> None:
    assert list(of_type(template_of(Application("bare")), "AWS::Events::Rule")) == []


def heard(app: Application) -> list[Any]:
    rules = of_type(template_of(app), "AWS::Events::Rule")
    return [r["EventPattern"]["detail"] for r in rules.values() if r["EventPattern"]["source"] == ["rheo"]]


def test_what_a_node_makes_is_heard_where_something_reads_it() -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    rates = app.s3("rates", "s3://lake/rates/{day:%Y-%m-%d}")
    daily = app.create_data("daily", [orders], compute_targets="output = orders")
    checked = app.create_data("checked", [orders], compute_targets="output = orders", checks=[row_count(1)])
    app.create_data("leaf", [daily, rates.ref], compute_targets="output = daily")
    app.create_data("warned", [checked.checks["FAIL"]], compute_targets="output = spark.range(1)")
    made = app.create_data("late", [orders], compute_targets="output = orders")
    app.create_data("told", [made.late(after=timedelta(hours=1))], compute_targets="output = spark.range(1)")
    assert heard(app) == [{"app": ["shop"], "signal": ["checked.checks", "daily", "late", "late_late", "orders", "rates"]}]  # fmt: skip


def test_where_very_much_is_read_all_that_is_sent_is_heard() -> None:
    table = route_table(many(150).graph())
    parts = [part["signal"] for part in heard_of(table, "many")]
    assert len(parts) == 2 and sorted(chain(*parts)) == sorted(f"source_{n}" for n in range(150))
    assert heard_of(route_table(many(2000).graph()), "many") == [{"app": ["many"]}]


def test_timers_that_are_joined_with_data_are_schedules() -> None:
    schedules = of_type(template_of(every_source()), "AWS::Scheduler::Schedule")
    timer = schedules["TimerDaily"]
    assert timer["ScheduleExpression"] == "cron(0 0 * * ? *)"
    assert timer["Target"]["Input"] == (
        '{"source": "rheo", "detail-type": "rheo.timer", '
        '"detail": {"app": "Every_Source", "timer": "daily", "time": "<aws.scheduler.scheduled-time>"}}'
    )
    sweep = schedules["Sweep"]["Target"]
    assert (
        sweep["Input"] == '{"source": "rheo", "detail-type": "rheo.sweep", "detail": {"app": "Every_Source"}}'
    )
    assert sweep["Arn"] == {"Fn::GetAtt": ["Listener", "Arn"]}


def test_the_queue_takes_from_its_rules_and_topics_alone() -> None:
    template = template_of(every_source())
    rules = [rule["Name"] for rule in of_type(template, "AWS::Events::Rule").values()]
    policies = of_type(template, "AWS::SQS::QueuePolicy")
    own = policies.pop("GatherPolicy")  # the listener alone, by its role
    assert [statement["Effect"] for statement in statements(own)] == ["Deny"]
    for policy in policies.values():
        allowed = [s for s in statements(policy) if s["Effect"] == "Allow"]
        senders = {s["Principal"]["Service"]: s["Condition"]["ArnEquals"]["aws:SourceArn"] for s in allowed}
        arns = [arn["Fn::Sub"] for arn in senders["events.amazonaws.com"]]
        assert [arn for arn in arns if arn.rpartition("/")[2] not in rules or ":rule/" not in arn] == []
        assert {arn.rpartition("/")[2] for arn in arns} == set(rules)
        assert senders["sns.amazonaws.com"] == ["arn:aws:sns:eu-west-1:111122223333:orders"]
    [subscription] = of_type(template, "AWS::SNS::Subscription").values()
    assert (subscription["Region"], subscription["Protocol"]) == ("eu-west-1", "sqs")


class Recorder:
    """A client that remembers the table that it is asked to make."""

    class exceptions:
        ResourceInUseException = RuntimeError

    def create_table(self, **asked: Any) -> None:
        self.table = asked

    def update_time_to_live(self, **asked: Any) -> None:
        self.expiry = asked["TimeToLiveSpecification"]


def test_the_ledger_is_the_table_of_the_run_time() -> None:
    client = Recorder()
    create_table("rheo-every-source", client)  # type: ignore[arg-type]
    made = of_type(template_of(every_source()), "AWS::DynamoDB::Table")["Ledger"]
    assert {name: made[name] for name in client.table} == client.table
    assert made["TimeToLiveSpecification"] == client.expiry
    assert made["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


def test_the_listener_is_told_what_it_reads() -> None:
    template = template_of(example("alarms"))
    variables = of_type(template, "AWS::Lambda::Function")["Listener"]["Environment"]["Variables"]
    source = (Path(__file__).parents[2] / "rheo_runtime" / "listener.py").read_text("utf-8")
    read = set(re.findall(r"\"(RHEO_\w+)\"", source))
    assert set(variables) <= read
    assert {"RHEO_TABLE", "RHEO_MWAA_ENVIRONMENT", "RHEO_DEAD_LETTERS"} <= set(variables)
    triggers = of_type(template, "AWS::Lambda::EventSourceMapping")
    assert triggers.keys() == {"ListenerTrigger", "GatherTrigger"}
    for trigger in triggers.values():
        assert trigger["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    # The local stack brings messages of a storm as the function's trigger does.
    gather = triggers["GatherTrigger"]
    brought = gather["BatchSize"], gather["MaximumBatchingWindowInSeconds"]
    assert brought == (listener_process.GATHERED, listener_process.GATHER_SECONDS)


def test_everything_that_can_be_tagged_is() -> None:
    template = template_of(every_source())
    for kind in ("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::IAM::Role"):
        for made in of_type(template, kind).values():
            assert made["Tags"] == [{"Key": "rheo:application", "Value": "Every_Source"}]
    for job in of_type(template, "AWS::Glue::Job").values():
        assert job["Tags"] == {"rheo:application": "Every_Source"}


# --- size ---


def test_a_usual_template_goes_into_the_call() -> None:
    assert len(compact(template_of(every_source())).encode()) < LONGEST_INLINE


def test_five_hundred_nodes_with_jobs_in_nested_templates(lint: Lint) -> None:
    graph = many(500).graph()
    plan = build_plan(graph)
    template, parts = build_template(plan, graph), build_parts(plan, graph)
    assert lint(template) == []
    stacks = of_type(template, "AWS::CloudFormation::Stack")
    addresses = [stack["TemplateURL"]["Fn::Sub"] for stack in stacks.values()]
    assert [a.rpartition("${PartsPrefix}")[2] for a in addresses] == sorted(parts)
    jobs = {id: job for part in parts.values() for id, job in of_type(part, "AWS::Glue::Job").items()}
    assert {job["Name"] for job in jobs.values()} == {f"many-node_{n}" for n in range(500)}
    assert lint(parts[min(parts)]) == []
    for name, part in parts.items():
        assert len(compact(part)) < LONGEST
        [stack] = [s for s in stacks.values() if s["TemplateURL"]["Fn::Sub"].endswith(name)]
        assert set(stack["Parameters"]) == set(part["Parameters"])


def test_what_cloudformation_has_no_room_for_is_an_error() -> None:
    app = Application("many")
    metric = app.create_metric("etl")["Error"]["Sum"][60]
    for n in range(500):
        app.create_alarm(f"alarm_{n}", metric, threshold=n)
    with pytest.raises(TemplateError, match=r"many needs 5\d\d resources, and a template holds 500"):
        template_of(app)


def test_long_lists_are_split_among_rules(lint: Lint) -> None:
    app = Application("wide")
    for n in range(150):
        app.s3(f"s{n}", f"s3://bucket-with-quite-a-long-name-{n}/x/{{day:%Y-%m-%d}}")
    template = template_of(app)
    rules = of_type(template, "AWS::Events::Rule")
    heard = [b for r in rules.values() for b in r["EventPattern"]["detail"].get("bucket", {}).get("name", [])]
    assert len(heard) == 150
    assert len({r["Name"] for r in rules.values()}) == len(rules) > 3
    assert lint(template) == []
