"""Connected applications in their templates: who reads what, and how signals cross accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from support.cloud import There

from rheodsl import (
    Application,
    BatchCompute,
    ConstructEncryption,
    ConstructPersistenceSecurityDef,
    ConstructSecurityConf,
    Storage,
)

from .sample import of_type, statements, template_of
from .test_roles import may, policies_of

Lint = Callable[[dict[str, Any]], list[str]]
UP, DOWN = "999999999999", "111222333444"
BUCKET = "rheo-joe-999999999999-us-east-1"


def upstream() -> Application:
    app = Application("joe")
    raw = app.s3("raw", "s3://lake/raw/{day:%Y-%m-%d}")
    app.create_data("foo", [raw], compute_targets=BatchCompute("output = raw"))
    app.create_data("unread", [raw], compute_targets=BatchCompute("output = raw"))
    app.authorize_downstream("jane", DOWN, "us-east-1")
    app.authorize_downstream("jack", DOWN, "us-east-1")
    app.authorize_downstream("jill", "555566667777", "eu-west-1")
    return app


def downstream() -> Application:
    app = Application("jane", platform=There(upstream, BUCKET))  # type: ignore[arg-type]
    remote = app.import_upstream("joe", UP, "us-east-1")
    app.create_data("etl", [remote["foo"]], compute_targets=BatchCompute("output = foo"))
    return app


def test_cfn_lint_has_nothing_to_say(lint: Lint) -> None:
    assert lint(template_of(upstream())) == []
    assert lint(template_of(downstream())) == []


def test_the_upstream_lets_accounts_read_outputs() -> None:
    policy = list(statements(of_type(template_of(upstream()), "AWS::S3::BucketPolicy")))
    [read] = [s for s in policy if s["Action"] == "s3:GetObject"]
    assert [p["Fn::Sub"] for p in read["Principal"]["AWS"]] == [
        f"arn:${{AWS::Partition}}:iam::{DOWN}:root",
        "arn:${AWS::Partition}:iam::555566667777:root",
    ]
    assert [r["Fn::Sub"].rpartition(":::")[2] for r in read["Resource"]] == [
        "rheo-joe/internal_data/*",
        "rheo-joe/rheo/graph.json",
    ]
    assert not [
        s for s in policy if s["Effect"] == "Allow" and s["Action"] not in ("s3:GetObject", "s3:ListBucket")
    ]


def test_the_upstream_forwards_its_signals_once_to_each_place() -> None:
    template = template_of(upstream())
    rules = {
        i: r
        for i, r in template["Resources"].items()
        if i.startswith("Forward") and r["Type"].endswith("Rule")
    }
    targets = {id: rule["Properties"]["Targets"][0]["Arn"]["Fn::Sub"] for id, rule in rules.items()}
    assert targets == {
        f"ForwardNot{DOWN}InUsEast1": f"arn:${{AWS::Partition}}:events:us-east-1:{DOWN}:event-bus/default",
        "ForwardNot555566667777InEuWest1": "arn:${AWS::Partition}:events:eu-west-1:555566667777:event-bus/default",
    }
    for id, rule in rules.items():
        assert rule["Properties"]["EventPattern"]["detail"] == {"app": ["joe"]}
        # Not to itself, where both live in one place: EventBridge refuses that.
        assert rule["Condition"] == id.removeprefix("Forward")
        assert template["Conditions"][rule["Condition"]]["Fn::Not"][0]["Fn::And"][0]["Fn::Equals"][1] in id
        role = rule["Properties"]["Targets"][0]["RoleArn"]["Fn::GetAtt"][0]
        [sends] = [s for s in policies_of(template, role) if s["Effect"] == "Allow"]
        assert (sends["Action"], sends["Resource"]["Fn::Sub"]) == (["events:PutEvents"], targets[id])


def test_the_downstream_hears_what_it_reads_from_that_account_alone() -> None:
    template = template_of(downstream())
    assert of_type(template, "AWS::Events::Rule")["RuleUpstream"]["EventPattern"] == {
        "source": ["rheo"],
        "detail-type": ["rheo.signal"],
        "account": [UP],
        "detail": {"app": ["joe"], "signal": ["foo"]},
    }
    [entrance] = of_type(template, "AWS::Events::EventBusPolicy").values()
    statement = entrance["Statement"]
    assert statement["Principal"] == {"AWS": {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::{UP}:root"}}
    assert statement["Condition"] == {
        "StringEquals": {"events:source": "rheo", "events:detail-type": "rheo.signal"}
    }


def test_the_downstreams_roles_read_the_upstreams_bucket() -> None:
    template = template_of(downstream())

    def objects(role: str) -> set[str]:
        return {text.rpartition(":::")[2] for text in may(template, role, "s3:GetObject")}

    assert f"{BUCKET}/internal_data/foo/*" in objects("JobRoleGlue")
    assert f"{BUCKET}/internal_data/foo/*_SUCCESS" in objects("ListenerRole")
    assert not any(text.startswith(f"{BUCKET}/") and "foo" not in text for text in objects("JobRoleGlue"))
    written = {text.rpartition(":::")[2] for text in may(template, "JobRoleGlue", "s3:PutObject")}
    assert not any(text.startswith(BUCKET) for text in written)
    for role in ("ListenerRole", "JobRoleGlue"):
        keys = [text for text in may(template, role, "kms:Decrypt") if text.startswith("arn:")]
        assert [key.partition(":kms:")[2] for key in keys] == [f"us-east-1:{UP}:key/*"]


def test_the_upstreams_key_lets_the_downstream_decrypt() -> None:
    app = upstream()
    private = ConstructEncryption(trust_access_from_same_root=False)
    app.set_security_conf(Storage, ConstructSecurityConf(ConstructPersistenceSecurityDef(private)))
    policy = {s["Sid"]: s for s in statements(of_type(template_of(app), "AWS::KMS::Key"))}
    assert policy["Downstream"]["Action"] == ["kms:Decrypt", "kms:DescribeKey"]
    assert len(policy["Downstream"]["Principal"]["AWS"]) == 2


def test_an_import_of_which_nothing_is_read_opens_nothing() -> None:
    app = Application("jane", platform=There(upstream, BUCKET))  # type: ignore[arg-type]
    app.import_upstream("joe", UP, "us-east-1")
    template = template_of(app)
    assert of_type(template, "AWS::Events::EventBusPolicy") == {}
    assert list(of_type(template, "AWS::Events::Rule")) == []
