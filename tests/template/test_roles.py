"""What each role may do: what its code calls, on the resources of its application, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from codegen.cloudformation.alarms import logical_id
from codegen.cloudformation.names import role_name
from codegen.cloudformation.policies import LEDGER, Data, reading
from codegen.planning import build_plan
from rheodsl import (
    EMR,
    ITSELF,
    Application,
    Batch,
    BatchCompute,
    ConstructProcessingSecurityDef,
    ConstructSecurityConf,
    GlueTable,
    InlinedCompute,
    Permission,
    SageMakerTrainingJob,
    scala_script,
)

from .sample import EXAMPLES, every_source, example, listed, many, note, of_type, statements, template_of

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
    # Where nothing may be listed, S3 says of what is not there that it may not be read.
    listed = may(template, "ListenerRole", "s3:ListBucket")
    assert {text.removeprefix("arn:${AWS::Partition}:s3:::") for text in listed} == {
        "lake", "loose", "rheo-every-source", "sales",
    }  # fmt: skip
    assert may(template, "ListenerRole", "s3:PutObject") == []
    assert may(template, "ListenerRole", "airflow:InvokeRestApi") == [
        "arn:${AWS::Partition}:airflow:${AWS::Region}:${AWS::AccountId}:role/${MwaaEnvironment}/${AirflowApiRole}"
    ]
    assert may(template, "ListenerRole", "sqs:SendMessage") == ["<DeadLetters.Arn>", "<Gather.Arn>"]


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
        "rheo-every-source/staging/*",  # where an output is before it is published
        "rheo-every-source/staging_$folder$",
    }


def test_extra_permissions_are_one_jobs_own() -> None:
    template = template_of(every_source())
    jobs = {job["Name"]: job["Role"]["Fn::GetAtt"][0] for job in of_type(template, "AWS::Glue::Job").values()}
    assert jobs["Every_Source-joined"] == "JobRoleGlue"
    own = jobs["Every_Source-special"]
    assert "arn:aws:s3:::secrets/*" in may(template, own, "s3:GetObject")
    assert "arn:aws:s3:::secrets/*" not in may(template, "JobRoleGlue", "s3:GetObject")
    assert set(may(template, "JobRoleGlue", "s3:GetObject")) < set(may(template, own, "s3:GetObject"))


def test_jobs_read_the_jars_that_they_name() -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    scala = BatchCompute(scala_script("orders.limit(1)", ["s3://jars/a/b.jar"]))
    app.create_data("daily", [orders], compute_targets=scala)
    emr = EMR("output = orders", external_library_paths=["s3://jars/c.jar", "org.example:x:1.0"])
    app.create_data("other", [orders], compute_targets=emr)
    template = template_of(app)
    jar = "arn:${AWS::Partition}:s3:::jars/"
    assert f"{jar}a/b.jar" in may(template, "JobRoleGlue", "s3:GetObject")
    assert f"{jar}c.jar" in may(template, logical_id("JobRole", "emr-serverless"), "s3:GetObject")


def test_an_inlined_computes_own_permissions_are_airflows() -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    secret = Permission(
        resource=["arn:aws:secretsmanager:eu-west-1:1:secret:x"], action=["secretsmanager:GetSecretValue"]
    )
    app.create_data("daily", [orders], compute_targets=InlinedCompute(note, extra_permissions=[secret]))
    found = [s for s in statements(template_of(app)) if "secretsmanager:GetSecretValue" in s["Action"]]
    assert [s["Resource"] for s in found] == [["arn:aws:secretsmanager:eu-west-1:1:secret:x"]]


def test_airflows_role_may_claim_start_and_publish() -> None:
    template = template_of(every_source())
    allowed = [s for s in statements(template["Resources"]["AirflowPolicy"]) if s["Effect"] == "Allow"]
    by_action = {action: listed(s["Resource"]) for s in allowed for action in listed(s["Action"])}
    assert text_of(by_action["glue:StartJobRun"][0]).endswith(":job/Every_Source-*")
    assert text_of(by_action["events:PutEvents"][0]).endswith(":event-bus/${EventBus}")
    assert {text_of(r) for r in by_action["dynamodb:UpdateItem"]} == {"<Ledger.Arn>"}
    assert {text_of(r) for r in by_action["dynamodb:Query"]} == {"${Ledger.Arn}/index/*"}
    attached = template["Resources"]["AirflowPolicy"]["Properties"]["Roles"]
    assert attached == {"Fn::If": ["HasAirflowRole", [{"Ref": "AirflowRole"}], {"Ref": "AWS::NoValue"}]}


def test_a_batch_lets_jobs_and_airflow_say_what_became_of_each() -> None:
    app = every_source()
    place = "arn:${AWS::Partition}:s3:::rheo-every-source/executions/batches/*"
    before = template_of(app)
    assert place not in may(before, "JobRoleGlue", "s3:PutObject")
    app.patch_data("joined", batch=Batch())
    template = template_of(app)
    assert place in may(template, "JobRoleGlue", "s3:PutObject")
    allowed = [s for s in statements(template["Resources"]["AirflowPolicy"]) if s["Effect"] == "Allow"]
    deleted = [
        text_of(r) for s in allowed if "s3:DeleteObject" in listed(s["Action"]) for r in listed(s["Resource"])
    ]
    assert place in deleted
    (prefixes,) = [
        s["Condition"]["StringLike"]["s3:prefix"]
        for s in allowed
        if "s3:ListBucket" in listed(s["Action"])
        and text_of(listed(s["Resource"])[0]).endswith("rheo-every-source")
    ]
    assert prefixes == ["executions/batches/*", "internal_data/*", "staging/*"]


def test_a_run_by_hand_may_ask_the_catalog_for_what_need_not_exist() -> None:
    """Claim makes the execution, and so has to know what is there."""

    def asked(app: Application) -> list[str]:
        found = statements(template_of(app)["Resources"]["AirflowPolicy"])
        resources = [r for s in found if "glue:GetPartition" in listed(s["Action"]) for r in s["Resource"]]
        return [text for text in map(text_of, resources) if ":table/" in text]

    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    day = {"day": {"type": "DATETIME", "format": "%Y-%m-%d"}}
    sales = app.marshal_external_data(GlueTable("sales", "daily", location="s3://sales/daily"), "sales", day)
    app.create_data("daily", [orders, sales], compute_targets="output = orders")
    assert asked(app) == []
    app.patch_data("daily", inputs=[orders, sales.optional()])
    assert asked(app) == ["arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}:table/sales/daily"]


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


S3_ARN = "arn:${AWS::Partition}:s3:::"


def test_what_has_no_dimensions_is_read_by_its_name() -> None:
    """Spark's file system asks for ``orders`` before it lists ``orders/``; an object is nothing but itself."""
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders")
    one = app.s3("one", "s3://lake/in/one.csv", completion=ITSELF, format="CSV")
    app.create_data("daily", [orders, one], compute_targets="output = orders")
    template = template_of(app)
    for role in ("JobRoleGlue", "AirflowPolicy"):
        document = template["Resources"][role]["Properties"]
        found = policies_of(template, role) if "Role" in role else list(statements(document))
        read = {text_of(r) for s in found if "s3:GetObject" in s["Action"] for r in listed(s["Resource"])}
        assert {f"{S3_ARN}lake/orders", f"{S3_ARN}lake/orders/*", f"{S3_ARN}lake/in/one.csv"} <= read
        assert f"{S3_ARN}lake/in/one.csv/*" not in read
    seen = may(template, "ListenerRole", "s3:GetObject")
    assert f"{S3_ARN}lake/in/*one.csv" in seen, "which completes itself"


def test_a_table_that_is_only_marshalled_is_read_where_code_may_name_it() -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    day = {"day": {"type": "DATETIME", "format": "%Y-%m-%d"}}
    users = GlueTable("sales", "users", location="s3://sales/users", primary_keys=["id"])
    app.marshal_external_data(users, "users", day)
    app.s3("rates", "s3://lake/rates")
    code = 'output = spark.sql(compact_table("sales", "users", primary_keys=["id"]))'
    app.create_data("daily", [orders], compute_targets=code)
    app.create_data("other", [orders], compute_targets="output = orders")
    template = template_of(app)
    read = set(may(template, "JobRoleGlue", "s3:GetObject"))
    assert {f"{S3_ARN}sales/users/*", f"{S3_ARN}lake/rates", f"{S3_ARN}lake/rates/*"} <= read
    tables = may(template, "JobRoleGlue", "glue:GetTable")
    assert any(text.endswith(":table/sales/users") for text in tables)
    # Where each job has a role of its own, that of the job whose code names the table.
    processing = ConstructProcessingSecurityDef(enforce_privilege_separation=True)
    app.set_security_conf(BatchCompute, ConstructSecurityConf(processing=processing))
    template = template_of(app)
    own = {job["Name"]: job["Role"]["Fn::GetAtt"][0] for job in of_type(template, "AWS::Glue::Job").values()}
    readers = {
        job for job, role in own.items() if f"{S3_ARN}sales/users/*" in may(template, role, "s3:GetObject")
    }
    assert readers == {"shop-daily"}


@pytest.mark.parametrize("compute", ["output = orders", EMR("output = orders")], ids=["glue", "emr"])
def test_spark_finds_its_default_database_or_makes_it(compute: Any) -> None:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    app.create_data("daily", [orders], compute_targets=compute)
    template = template_of(app)
    role = next(id for id in of_type(template, "AWS::IAM::Role") if id.startswith("JobRole"))

    def ends(action: str) -> set[str]:
        return {text.rpartition(":")[2] for text in may(template, role, action)}

    assert ends("glue:GetDatabase") >= {"catalog", "database/default", "database/global_temp"}
    assert ends("glue:CreateDatabase") == {"catalog", "database/default"}


def test_a_role_says_for_whom_its_service_may_take_it_where_that_is_known() -> None:
    """Who is not named here sends, by its documents, nothing that could be compared: first-account, A15."""
    app = every_source()
    app.create_data("model", [app["ready"]], compute_targets=SageMakerTrainingJob(HyperParameters={}))
    bound = {}
    for id, role in of_type(template_of(app), "AWS::IAM::Role").items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        bound[id] = set(
            trust.get("Condition", {}).get("ArnLike", trust.get("Condition", {}).get("ArnEquals", {}))
        )
    source = {"aws:SourceArn"}
    open_roles = {id for id, keys in bound.items() if keys != source}
    assert {id for id, keys in bound.items() if keys == source} == {"SchedulerRole", "JobRoleSagemaker"}
    page = (Path(__file__).parents[2] / "docs" / "first-account.md").read_text("utf-8")
    assert "Glue, Lambda and EMR Serverless take their roles without" in page
    assert all(id.startswith(("JobRole", "ListenerRole")) for id in open_roles)


def test_many_inputs_are_granted_by_the_bucket() -> None:
    few = reading(Data([f"s3://lake/{n}" for n in range(8)]))
    assert len(few[0]["Resource"]) == 8
    more = reading(Data([f"s3://lake/{n}" for n in range(9)]))
    assert [text_of(r) for r in more[0]["Resource"]] == ["arn:${AWS::Partition}:s3:::lake/*"]
    assert "Condition" not in more[1]


def test_the_plan_says_in_which_bucket_it_writes() -> None:
    app = many(1)
    assert build_plan(app.graph(), bucket="my-own").bucket == "my-own"
    template = template_of(app, bucket="my-own")
    assert of_type(template, "AWS::S3::Bucket")["Bucket"]["BucketName"] == "my-own"
    assert "rheo-many/" not in str(of_type(template, "AWS::IAM::ManagedPolicy"))
