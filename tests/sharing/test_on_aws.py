"""The calls of AWSApplication: activated, imported, told of changes, secured, all by CloudFormation on moto."""

from __future__ import annotations

from typing import Any

import pytest
from lifecycle.conftest import world
from lifecycle.world import ACCOUNT, REGION, World
from moto.kms.models import KmsBackend

from rheodsl import (
    Application,
    ConstructEncryption,
    ConstructPersistenceSecurityDef,
    ConstructSecurityConf,
    EncryptionKeyAllocationLevel,
    Storage,
)

pytestmark = pytest.mark.slow

__all__ = ["world"]


@pytest.fixture(autouse=True)
def tags_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto takes KMS's spelling of tags where CloudFormation has its own."""
    make = KmsBackend.create_key

    def create_key(self: KmsBackend, *, tags: list[dict[str, str]], **given: Any) -> Any:
        return make(self, tags=[{"TagKey": t["Key"], "TagValue": t["Value"]} for t in tags], **given)

    monkeypatch.setattr(KmsBackend, "create_key", create_key)


def repo(world: World, format: str = "%Y-%m-%d") -> Application:
    app = Application("repo", platform=world.platform())
    raw = app.s3("raw", f"s3://lake/raw/{{day:{format}}}")
    app.create_data("foo", [raw], compute_targets="output = raw")
    app.authorize_downstream("reader", ACCOUNT, REGION)
    return app


def reader(world: World) -> Application:
    app = Application("reader", platform=world.platform())
    remote = app.import_upstream("repo", REGION, ACCOUNT)
    app.create_data("etl", [remote["foo"]], compute_targets="output = foo")
    return app


def test_both_sides_are_told_of_a_change(world: World) -> None:
    repo(world).activate()
    app = reader(world)
    bucket = f"rheo-repo-{ACCOUNT}-{REGION}"
    [entry] = [i for i in app.graph().signals if i.id == "foo"]
    assert entry.source.bucket == bucket  # type: ignore[union-attr]
    app.activate()
    assert app.plan().empty
    assert "contracts" not in str(app.plan())

    changed = repo(world, "%d-%m-%Y")
    assert "! foo: its dimension day had format '%Y-%m-%d', now '%d-%m-%Y'" in str(changed.plan())
    changed.activate()
    attached = Application("reader", platform=world.platform())
    attached.attach()
    told = str(attached.plan())
    assert attached.plan().empty
    assert "! repo.foo: its dimension day had format '%Y-%m-%d', now '%d-%m-%Y'" in told


def test_an_application_is_secured_when_it_is_active_already(world: World) -> None:
    repo(world).activate()
    app = Application("repo", platform=world.platform())
    app.attach()
    encryption = ConstructEncryption(EncryptionKeyAllocationLevel.HIGH, key_rotation_cycle_in_days=180)
    app.set_security_conf(Storage, ConstructSecurityConf(ConstructPersistenceSecurityDef(encryption)))
    assert "KMS::Key SharedKey" in str(app.plan())
    app.activate()
    again = Application("repo", platform=world.platform())
    again.attach()
    assert dict(again.graph().security)["Storage"].persisting.encryption == encryption  # type: ignore[union-attr]


def test_an_application_is_secured_from_the_start(world: World) -> None:
    app = repo(world)
    encryption = ConstructEncryption(EncryptionKeyAllocationLevel.PER_RESOURCE)
    app.set_security_conf(Storage, ConstructSecurityConf(ConstructPersistenceSecurityDef(encryption)))
    app.activate()
    assert app.plan().empty
