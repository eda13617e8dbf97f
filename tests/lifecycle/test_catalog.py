"""A table without a location: where its data is the catalog says, when the application is planned for an account."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rheo_platforms.lifecycle.catalog import located
from rheo_platforms.lifecycle.errors import DeployError
from rheodsl import Application, GlueTable

from .world import World

pytestmark = pytest.mark.slow


def declare(app: Application) -> Application:
    spec = {"day": {"type": "DATETIME"}}
    table = app.marshal_external_data(GlueTable("sales", "orders"), "orders", spec)
    app.create_data("daily", inputs=[table], compute_targets="output = orders")
    return app


def table(world: World, location: str = "s3a://warehouse/sales/orders/") -> None:
    glue = world.session.real("glue")
    glue.create_database(DatabaseInput={"Name": "sales"})
    storage = {"StorageDescriptor": {"Location": location}} if location else {}
    glue.create_table(DatabaseName="sales", TableInput={"Name": "orders", **storage})


def read(world: World) -> set[str]:
    """What of the warehouse the application's roles may read."""
    found = world.session.real("cloudformation").get_template(StackName="rheo-shop")["TemplateBody"]
    text = json.dumps(found if isinstance(found, dict) else json.loads(found))
    return {part for part in text.replace('\\"', '"').split('"') if ":::warehouse" in part}


def test_jobs_may_read_where_the_catalog_has_the_data(world: World) -> None:
    table(world)
    app = declare(world.new())
    app.activate()
    assert read(world) == {
        "arn:${AWS::Partition}:s3:::warehouse",
        "arn:${AWS::Partition}:s3:::warehouse/sales/orders/*",
    }
    assert declare(world.new()).plan().empty
    world.session.real("glue").update_table(
        DatabaseName="sales",
        TableInput={"Name": "orders", "StorageDescriptor": {"Location": "s3://warehouse/moved"}},
    )
    again = declare(world.new())
    assert not again.plan().empty, "the table has moved"
    again.activate()
    assert "arn:${AWS::Partition}:s3:::warehouse/moved/*" in read(world)


def test_what_the_catalog_does_not_know_is_an_error_before_anything_is_made(world: World) -> None:
    with pytest.raises(
        DeployError, match=r"orders: the Glue Data Catalog has no table sales\.orders"
    ) as raised:
        declare(world.new()).activate()
    assert raised.value.hint == "declare where its data is: orders with location='s3://...'"
    assert world.bucket() not in world.buckets()
    table(world, "")
    with pytest.raises(DeployError, match=r"data of the table sales\.orders is nowhere: it may be a view"):
        declare(world.new()).plan()


def test_a_table_that_may_not_be_seen_is_told_as_that() -> None:
    class Refusing:
        def get_table(self, **call: str) -> Any:
            response: Any = {
                "Error": {
                    "Code": "AccessDeniedException",
                    "Message": "not authorized to perform: glue:GetTable",
                }
            }
            raise ClientError(response, "GetTable")

    with pytest.raises(
        DeployError, match=r"you may not see the table sales\.orders: .*glue:GetTable"
    ) as raised:
        located(declare(Application("shop")).graph(), Refusing())
    assert raised.value.hint == (
        "get glue:GetTable, or declare where its data is: orders with location='s3://...'"
    )
