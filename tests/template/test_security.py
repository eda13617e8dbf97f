"""What is said of an application's security -> keys, key policies, encryption and roles in its template."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from codegen.cloudformation.stack import only
from codegen.graph_json import graph_file, load_graph
from rheodsl import *  # noqa: F403
from rheodsl import (
    Application,
    BatchCompute,
    ConstructEncryption,
    ConstructPassingSecurityDef,
    ConstructPersistenceSecurityDef,
    ConstructProcessingSecurityDef,
    ConstructSecurityConf,
    EncryptionKeyAllocationLevel,
    ProcessingUnit,
    ProcessorQueue,
    RoutingTable,
    Storage,
)

from .sample import of_type, statements, template_of
from .test_roles import may

Lint = Callable[[dict[str, Any]], list[str]]
HIGH, OWN = EncryptionKeyAllocationLevel.HIGH, EncryptionKeyAllocationLevel.PER_RESOURCE
PARTS = (Storage, RoutingTable, ProcessingUnit, ProcessorQueue, BatchCompute)


def app_with_jobs(name: str = "shop") -> Application:
    app = Application(name)
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
    app.create_data("daily", [orders], compute_targets=BatchCompute("output = orders"))
    app.create_data("total", [app["daily"]], compute_targets=BatchCompute("output = daily"))
    return app


def kept(*arguments: Any, **named: Any) -> ConstructSecurityConf:
    return ConstructSecurityConf(ConstructPersistenceSecurityDef(ConstructEncryption(*arguments, **named)))


def guide_example() -> Application:
    """The guide's own, word for word but for the application."""
    parent_app = app_with_jobs("eureka-dev-yunusko")
    parent_app.set_security_conf(Storage, ConstructSecurityConf(
                                           persisting=ConstructPersistenceSecurityDef(
                                              ConstructEncryption(EncryptionKeyAllocationLevel.HIGH,
                                                                   key_rotation_cycle_in_days=60,
                                                                   is_hard_rotation=False,
                                                                   reencrypt_old_data_during_hard_rotation=False,
                                                                   trust_access_from_same_root=False)),
                                              passing=None,
                                              processing=None))  # fmt: skip
    return parent_app


def every_part(level: EncryptionKeyAllocationLevel, **named: Any) -> dict[str, Any]:
    app = app_with_jobs()
    for part in PARTS:
        app.set_security_conf(part, kept(level, **named))
    return template_of(app)


@pytest.mark.filterwarnings("ignore")
def test_the_guides_example(lint: Lint) -> None:
    template = template_of(guide_example())
    assert lint(template) == []
    [key] = of_type(template, "AWS::KMS::Key").values()
    # KMS rotates every 90 days at the most; the user was warned.
    assert (key["EnableKeyRotation"], key["RotationPeriodInDays"]) == (True, 90)
    [warning] = guide_example().graph().warnings
    assert "every 90, not 60" in warning.what and warning.where is not None
    bucket = of_type(template, "AWS::S3::Bucket")["Bucket"]
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": {"Fn::GetAtt": ["SharedKey", "Arn"]},
    }
    # The other parts are as they would be without.
    assert of_type(template, "AWS::DynamoDB::Table")["Ledger"]["SSESpecification"]["Fn::If"][0] == "HasKmsKey"


def test_a_key_that_does_not_trust_the_account() -> None:
    template = template_of(guide_example())
    policy = {s["Sid"]: s for s in statements(of_type(template, "AWS::KMS::Key"))}
    assert set(policy) == {"Manage", "Use", "Users", "Grants"}
    use = {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:CreateGrant", "kms:*"}
    assert not use & set(policy["Manage"]["Action"])
    who = policy["Use"]["Condition"]["ArnLike"]["aws:PrincipalArn"]["Fn::If"]
    assert who[0] == "HasAirflowRole"
    own = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/rheo/eureka-dev-yunusko/*"}
    assert own in who[1] and who[2] == [own]
    assert template["Parameters"]["KeyUsers"]["Default"] == ""


def test_a_key_that_trusts_the_account_leaves_it_to_iam() -> None:
    template = every_part(HIGH)
    [key] = of_type(template, "AWS::KMS::Key").values()
    policy = {s["Sid"]: s for s in statements(key)}
    assert policy["Manage"]["Action"] == "kms:*"
    assert "KeyUsers" not in template["Parameters"]
    for role in ("ListenerRole", "JobRoleGlue", "SchedulerRole"):
        assert may(template, role, "kms:Decrypt") == ["<SharedKey.Arn>"], role


@pytest.mark.parametrize(("level", "trusts"), [(HIGH, True), (OWN, False), (None, None)])
def test_all_parts_are_encrypted(
    lint: Lint, level: EncryptionKeyAllocationLevel | None, trusts: bool | None
) -> None:
    template = every_part(level, trust_access_from_same_root=trusts)  # type: ignore[arg-type]
    assert lint(template) == []
    keys = of_type(template, "AWS::KMS::Key")
    assert len(keys) == (5 if level is OWN else 1)
    assert {key["RotationPeriodInDays"] for key in keys.values()} == {365}

    def key(part: str) -> dict[str, Any]:
        return {"Fn::GetAtt": [f"Key{part}" if level is OWN else "SharedKey", "Arn"]}

    table = of_type(template, "AWS::DynamoDB::Table")["Ledger"]["SSESpecification"]
    assert table == {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": key("RoutingTable")}
    for queue in of_type(template, "AWS::SQS::Queue").values():
        assert queue["KmsMasterKeyId"] == key("ProcessorQueue")
    assert of_type(template, "AWS::Lambda::Function")["Listener"]["KmsKeyArn"] == key("ProcessingUnit")
    assert of_type(template, "AWS::Logs::LogGroup")["ListenerLog"]["KmsKeyId"] == key("ProcessingUnit")
    [configuration] = of_type(template, "AWS::Glue::SecurityConfiguration").values()
    encryption = configuration["EncryptionConfiguration"]
    assert encryption["S3Encryptions"] == [{"S3EncryptionMode": "SSE-KMS", "KmsKeyArn": key("Storage")}]
    assert encryption["CloudWatchEncryption"]["KmsKeyArn"] == key("BatchCompute")
    for job in of_type(template, "AWS::Glue::Job").values():
        assert job["SecurityConfiguration"] == configuration["Name"]


def test_who_sends_and_logs_may_use_the_keys() -> None:
    policies = {
        id: {s["Sid"]: s for s in statements(k)}
        for id, k in of_type(every_part(OWN), "AWS::KMS::Key").items()
    }
    assert set(policies["KeyProcessorQueue"]) == {"Manage", "Senders"}
    assert set(policies["KeyProcessingUnit"]) == {"Manage", "Logs"}
    assert set(policies["KeyBatchCompute"]) == {"Manage", "Logs"}
    assert set(policies["KeyStorage"]) == {"Manage"}
    senders = policies["KeyProcessorQueue"]["Senders"]
    assert senders["Principal"]["Service"] == ["events.amazonaws.com", "sns.amazonaws.com"]
    assert senders["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_the_rotation_that_is_asked() -> None:
    assert {
        key["RotationPeriodInDays"]
        for key in of_type(every_part(OWN, key_rotation_cycle_in_days=180), "AWS::KMS::Key").values()
    } == {180}


def test_roles_use_only_the_keys_of_what_they_touch() -> None:
    template = every_part(OWN)
    assert set(may(template, "SchedulerRole", "kms:GenerateDataKey")) == {"<KeyProcessorQueue.Arn>"}
    assert set(may(template, "JobRoleGlue", "kms:GenerateDataKey")) == {
        "<KeyStorage.Arn>",
        "<KeyBatchCompute.Arn>",
    }


def test_the_least_version_of_tls() -> None:
    app = app_with_jobs()
    app.set_security_conf(Storage, ConstructSecurityConf(passing=ConstructPassingSecurityDef("TLS 1.3")))
    denied = [
        s["Condition"]
        for s in statements(of_type(template_of(app), "AWS::S3::BucketPolicy"))
        if s["Effect"] == "Deny"
    ]
    assert denied == [
        {"Bool": {"aws:SecureTransport": "false"}},
        {"NumericLessThan": {"s3:TlsVersion": "1.3"}},
    ]


def test_separate_jobs_read_and_write_what_is_theirs(lint: Lint) -> None:
    app = app_with_jobs()
    processing = ConstructProcessingSecurityDef(False, enforce_privilege_separation=True)
    app.set_security_conf(BatchCompute, ConstructSecurityConf(processing=processing))
    template = template_of(app)
    assert lint(template) == []
    jobs = {job["Name"]: job["Role"]["Fn::GetAtt"][0] for job in of_type(template, "AWS::Glue::Job").values()}
    assert len(set(jobs.values())) == 2

    def objects(role: str, action: str) -> set[str]:
        return {text.rpartition(":::")[2] for text in may(template, role, action)}

    daily, total = jobs["shop-daily"], jobs["shop-total"]
    own = {"rheo-shop/rheo/*", "rheo-shop/executions/*"}
    above = ("rheo-shop/internal_data", "rheo-shop/staging")
    markers = {f"{top}{end}" for top in above for end in ("", "_$folder$")}

    def written(node: str) -> set[str]:
        folders = (f"rheo-shop/internal_data/{node}", f"rheo-shop/staging/{node}")
        return {f"{folder}{end}" for folder in folders for end in ("", "/*", "_$folder$")}

    assert objects(daily, "s3:GetObject") == own | markers | written("daily") | {"lake/orders/*"}
    assert objects(total, "s3:GetObject") == own | markers | written("total") | {
        "rheo-shop/internal_data/daily/*",
    }  # fmt: skip
    assert "rheo-shop/internal_data/daily/*" not in objects(total, "s3:PutObject")


def test_what_was_said_last_counts_and_is_kept_with_the_graph() -> None:
    app = guide_example()
    app.set_security_conf(Storage, kept(OWN, 400, False, False, True))
    graph = app.graph()
    assert graph.warnings == ()
    assert load_graph(graph_file(graph)) == graph
    again = Application("eureka-dev-yunusko")
    again._take(graph)
    assert again.graph() == graph
    [key] = of_type(template_of(again), "AWS::KMS::Key").values()
    assert key["RotationPeriodInDays"] == 400


def test_the_bucket_can_be_made_first_with_its_key(lint: Lint) -> None:
    alone = only(template_of(guide_example()), "Bucket")
    assert set(alone["Resources"]) == {"Bucket", "SharedKey"}
    assert [said for said in lint(alone) if said[0] == "E"] == []
    assert set(only(template_of(app_with_jobs()), "Bucket")["Resources"]) == {"Bucket"}


def test_nothing_said_no_keys() -> None:
    assert of_type(template_of(app_with_jobs()), "AWS::KMS::Key") == {}
