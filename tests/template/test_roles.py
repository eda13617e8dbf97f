"""What each role may do: what its code calls, on the resources of its application, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from codegen.planning import build_plan
from codegen.template.names import role_name
from codegen.template.policies import LEDGER, reading
from rheodsl import Application

from .sample import EXAMPLES, every_source, example, listed, many, of_type, statements, template_of

RUNTIME = Path(__file__).parents[2] / "rheo_runtime"


def policies_of(template: dict[str, Any], role: str) -> list[dict[str, Any]]:
    """Return all statements of a role, of its managed policies too."""
    made = template["Resources"][role]["Properties"]
    managed = [template["Resources"][arn["Ref"]]["Properties"] for arn in made.get("ManagedPolicyArns", [])]
    return list(statements([made.get("Policies", []), *[m["PolicyDocument"] for m in managed]]))


def text_of(resource: Any) -> str:
    """An ARN as text, with what CloudFormation fills in."""
    if isinstance(resource, str):
        return resource
    ((kind, value),) = resource.items()
    return value if kind == "Fn::Sub" else f"<{'.'.join(listed(value))}>"


def may(template: dict[str, Any], role: str, action: str) -> list[str]:
    """Return the resources on which a role may do something."""
    return [
        text_of(resource)
        for s in policies_of(template, role)
        if s["Effect"] == "Allow" and action in listed(s["Action"])
        for resource in listed(s["Resource"])
    ]


@pytest.mark.parametrize("app", [every_source(), many(60), *map(example, EXAMPLES)], ids=lambda a: a.name)
def test_no_star_where_the_api_takes_an_arn(app: Application) -> None:
    allowed = [s for s in statements(template_of(app)) if s["Effect"] == "Allow"]
    assert allowed
    for statement in allowed:
        assert not any("*" in action for action in listed(statement["Action"])), statement
        if "*" in listed(statement.get("Resource", [])):
            # The one action that knows no resources is bound to the application's namespace.
            assert statement["Action"] == "cloudwatch:PutMetricData"
            assert statement["Condition"]["StringEquals"]["cloudwatch:namespace"] == f"Rheo/{app.name}"


@pytest.mark.parametrize("app", [every_source(), many(60), Application("bare")], ids=lambda a: a.name)
def test_no_policy_is_empty_when_no_condition_holds(app: Application) -> None:
    documents = [
        policy["PolicyDocument"]
        for kind in ("AWS::IAM::ManagedPolicy", "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy")
        for policy in of_type(template_of(app), kind).values()
    ]
    assert documents
    assert [d for d in documents if "Effect" not in d["Statement"][0]] == []


def test_nothing_is_public() -> None:
    for statement in statements(template_of(every_source())):
        if statement.get("Principal") == "*":
            assert statement["Effect"] == "Deny"


def test_tls_only() -> None:
    template = template_of(every_source())
    kinds = ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy")
    for policy in [p for kind in kinds for p in of_type(template, kind).values()]:
        assert next(s for s in statements(policy) if s["Effect"] == "Deny")["Condition"] == {
            "Bool": {"aws:SecureTransport": "false"}
        }


def test_the_ledgers_actions_are_those_that_its_code_calls() -> None:
    source = "".join(path.read_text("utf-8") for path in RUNTIME.glob("dynamo*.py"))
    calls = set(re.findall(r"client\.([a-z]+_[a-z_]+)\(", source)) | set(
        re.findall(r'get_paginator\("(\w+)"\)', source)
    )
    calls -= {"get_paginator", "create_table", "update_time_to_live"}  # made by the template
    names = {f"dynamodb:{''.join(word.title() for word in call.split('_'))}" for call in calls}
    assert names == set(LEDGER)


def test_the_listener_reads_what_ends_a_partition_and_no_data() -> None:
    template = template_of(every_source())
    read = may(template, "ListenerRole", "s3:GetObject")
    assert {text.removeprefix("arn:${AWS::Partition}:s3:::") for text in read} == {
        "lake/orders/*_SUCCESS",
        "lake/ready/*READY",
        "lake/ready/*_SUCCESS",
        "rheo-every-source/internal_data/cooled/*_SUCCESS",
        "rheo-every-source/internal_data/joined/*_SUCCESS",
        "rheo-every-source/internal_data/noted/*_SUCCESS",
        "rheo-every-source/internal_data/special/*_SUCCESS",
        "sales/daily/*_SUCCESS",
    }
    assert may(template, "ListenerRole", "s3:ListBucket") == ["arn:${AWS::Partition}:s3:::loose"]
    assert may(template, "ListenerRole", "s3:PutObject") == []
    assert may(template, "ListenerRole", "airflow:InvokeRestApi") == [
        "arn:${AWS::Partition}:airflow:${AWS::Region}:${AWS::AccountId}:role/${MwaaEnvironment}/${AirflowApiRole}"
    ]
    assert may(template, "ListenerRole", "sqs:SendMessage") == ["<DeadLetters.Arn>"]


def test_jobs_read_inputs_and_write_outputs() -> None:
    template = template_of(every_source())
    read = {
        t.removeprefix("arn:${AWS::Partition}:s3:::") for t in may(template, "JobRoleGlue", "s3:GetObject")
    }
    assert {"lake/orders/*", "lake/ready/*", "loose/*", "sales/daily/*"} <= read
    written = may(template, "JobRoleGlue", "s3:PutObject")
    assert {t.removeprefix("arn:${AWS::Partition}:s3:::") for t in written} == {
        "rheo-every-source/internal_data/*",
        "rheo-every-source/internal_data_$folder$",
    }


def test_extra_permissions_are_one_jobs_own() -> None:
    template = template_of(every_source())
    jobs = {job["Name"]: job["Role"]["Fn::GetAtt"][0] for job in of_type(template, "AWS::Glue::Job").values()}
    assert jobs["Every_Source-joined"] == "JobRoleGlue"
    own = jobs["Every_Source-special"]
    assert "arn:aws:s3:::secrets/*" in may(template, own, "s3:GetObject")
    assert "arn:aws:s3:::secrets/*" not in may(template, "JobRoleGlue", "s3:GetObject")
    assert set(may(template, "JobRoleGlue", "s3:GetObject")) < set(may(template, own, "s3:GetObject"))


def test_airflows_role_may_claim_start_and_publish() -> None:
    template = template_of(every_source())
    allowed = [s for s in statements(template["Resources"]["AirflowPolicy"]) if s["Effect"] == "Allow"]
    by_action = {action: listed(s["Resource"]) for s in allowed for action in listed(s["Action"])}
    assert text_of(by_action["glue:StartJobRun"][0]).endswith(":job/Every_Source-*")
    assert text_of(by_action["events:PutEvents"][0]).endswith(":event-bus/${EventBus}")
    assert {text_of(r) for r in by_action["dynamodb:UpdateItem"]} == {"<Ledger.Arn>", "${Ledger.Arn}/index/*"}
    attached = template["Resources"]["AirflowPolicy"]["Properties"]["Roles"]
    assert attached == {"Fn::If": ["HasAirflowRole", [{"Ref": "AirflowRole"}], {"Ref": "AWS::NoValue"}]}


def test_every_role_has_the_boundary_and_the_path_of_its_application() -> None:
    roles = of_type(template_of(every_source()), "AWS::IAM::Role")
    assert len(roles) == 4
    for role in roles.values():
        assert role["Path"] == "/rheo/Every_Source/"
        assert role["PermissionsBoundary"]["Fn::If"][0] == "HasPermissionsBoundary"


@pytest.mark.parametrize("app", ["shop", "a" * 40, "a" * 39 + "b"])
def test_names_of_roles_fit_in_every_region(app: str) -> None:
    names = [
        role_name(app, p).replace("${AWS::Region}", "ap-southeast-1") for p in ("listener", "emr-serverless")
    ]
    assert all(len(name) <= 64 for name in names)


def test_names_of_roles_differ_where_applications_do() -> None:
    assert role_name("a" * 39 + "b", "glue") != role_name("a" * 40, "glue")


def test_many_inputs_are_granted_by_the_bucket() -> None:
    few = reading([f"s3://lake/{n}" for n in range(8)])
    assert len(few[0]["Resource"]) == 8
    more = reading([f"s3://lake/{n}" for n in range(9)])
    assert [text_of(r) for r in more[0]["Resource"]] == ["arn:${AWS::Partition}:s3:::lake/*"]
    assert "Condition" not in more[1]


def test_the_plan_says_in_which_bucket_it_writes() -> None:
    app = many(1)
    assert build_plan(app.graph(), bucket="my-own").bucket == "my-own"
    template = template_of(app, bucket="my-own")
    assert of_type(template, "AWS::S3::Bucket")["Bucket"]["BucketName"] == "my-own"
    assert "rheo-many/" not in str(of_type(template, "AWS::IAM::ManagedPolicy"))
