"""Who must be let in, and who must do something: owners of buckets elsewhere, and users of keys that trust nobody."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from rheo_platforms.aws.place import AwsPlace
from rheo_platforms.lifecycle.errors import AccountError
from rheo_platforms.lifecycle.release import Release
from rheodsl import (
    Application,
    ConstructEncryption,
    ConstructPersistenceSecurityDef,
    ConstructSecurityConf,
    EncryptionKeyAllocationLevel,
    Storage,
)

from .world import ACCOUNT, REGION, World

pytestmark = pytest.mark.filterwarnings("ignore")
OTHER = "444455556666"


def app(world: World, **given: Any) -> Application:
    made = Application("shop", platform=world.platform(**given))
    mine = made.s3("mine", "s3://mine/mine/{day:%Y-%m-%d}", account_id=ACCOUNT)
    theirs = made.s3("theirs", "s3://theirs/orders/{day:%Y-%m-%d}", account_id=OTHER)
    made.create_data("daily", inputs=[mine, theirs], compute_targets="output = mine")
    return made


def test_an_owner_elsewhere_is_let_in_and_told_what_to_do(world: World) -> None:
    plan = app(world).plan()
    lines = plan.to_json()["owners"]
    assert lines[0] == f"account {OTHER}, which owns theirs:"
    commands = [shlex.split(line)[1:3] for line in lines[1:-1]]
    assert commands == [
        ["s3api", "put-bucket-notification-configuration"], ["iam", "create-role"], ["iam", "put-role-policy"],
        ["events", "put-rule"], ["events", "put-targets"],
    ]  # fmt: skip
    assert f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default" in lines[5]
    assert not any("mine" in line for line in lines), "nobody has to do anything for a bucket of this account"
    assert "\nto be done by others, if they have not yet\n  account" in str(plan)


def test_the_bus_takes_s3s_events_of_that_account_alone(world: World) -> None:
    from codegen.cloudformation.stack import build_template
    from codegen.planning import build_plan

    graph = app(world).graph()
    template = build_template(build_plan(graph), graph)
    doors = {
        k: r["Properties"]
        for k, r in template["Resources"].items()
        if r["Type"] == "AWS::Events::EventBusPolicy"
    }
    statement = doors[f"Owner{OTHER}"]["Statement"]
    assert statement["Principal"] == {"AWS": {"Fn::Sub": f"arn:${{AWS::Partition}}:iam::{OTHER}:root"}}
    assert statement["Condition"] == {"StringEquals": {"events:source": "aws.s3"}}
    assert doors[f"Owner{OTHER}"]["EventBusName"] == "default"


def private(world: World, **given: Any) -> Application:
    """The guide's own configuration: nobody of the account but those named uses the key."""
    made = app(world, **given)
    encryption = ConstructEncryption(EncryptionKeyAllocationLevel.HIGH, trust_access_from_same_root=False)
    made.set_security_conf(Storage, ConstructSecurityConf(ConstructPersistenceSecurityDef(encryption)))
    return made


def caller(world: World, monkeypatch: pytest.MonkeyPatch, arn: str) -> None:
    real = world.session.client

    class Sts:
        def get_caller_identity(self) -> dict[str, str]:
            return {"Account": ACCOUNT, "Arn": arn}

    monkeypatch.setattr(
        world.session, "client", lambda name, **of: Sts() if name == "sts" else real(name, **of)
    )


ROLE = f"arn:aws:iam::{ACCOUNT}:role"
JANE, JOE = (f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/x" for role in ("Jane", "Joe"))


class Deployed:
    """The stack as it is; moto makes no keys by a template."""

    def __init__(self, users: str | None = None) -> None:
        self.users = users

    def parameters(self) -> dict[str, str]:
        return {} if self.users is None else {"KeyUsers": self.users}


def place(world: World, users: str | None = None, **given: Any) -> tuple[AwsPlace, Release]:
    """Where the application lives, with these users of its key; and what is to be activated."""
    made = world.platform(**given).place("shop")
    made.stack = Deployed(users)  # type: ignore[assignment]
    return made, Release.of(private(world).graph(), dialect=made.dialect, bucket=made.bucket)


def test_who_activates_is_a_user_of_the_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    caller(world, monkeypatch, JANE)
    made, release = place(world)
    jane = f"{ROLE}/*/Jane,{ROLE}/Jane"
    assert made._key_users(release) == {"KeyUsers": jane}
    again, _ = place(world, jane)
    assert again._key_users(release) == {"KeyUsers": jane}, "a second activation changes nothing"


def test_a_key_that_trusts_the_account_has_no_users(world: World) -> None:
    made, _ = place(world)
    assert made._key_users(Release.of(app(world).graph(), dialect=made.dialect, bucket=made.bucket)) == {}


def test_a_second_one_is_told_before_anything_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller(world, monkeypatch, JOE)
    world.session.real("s3").create_bucket(
        Bucket=world.bucket(), CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    made, release = place(world, f"{ROLE}/*/Jane,{ROLE}/Jane")
    world.calls.reset()
    with pytest.raises(AccountError, match=r"Joe/x .* may not use the key of shop") as raised:
        made.begin(release)
    assert "activates it with you in parameters={'KeyUsers': ...}" in str(raised.value.hint)
    assert world.calls.changes == []
    made, release = place(world, f"{ROLE}/team/Joe")
    with pytest.raises(AccountError):
        made.begin(release)  # another role of that name, for all that is known
    made, release = place(world, f"{ROLE}/Joe")
    made.begin(release)


def test_one_who_is_let_in_stays_and_so_does_who_let_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller(world, monkeypatch, JANE)
    made, release = place(world, parameters={"KeyUsers": f"{ROLE}/Joe"})
    users = made._key_users(release)["KeyUsers"]
    assert users == f"{ROLE}/*/Jane,{ROLE}/Jane,{ROLE}/Joe"
    monkeypatch.undo()
    caller(world, monkeypatch, JOE)
    made, release = place(world, users)
    assert set(users.split(",")) < set(made._key_users(release)["KeyUsers"].split(","))
