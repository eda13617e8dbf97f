"""The guide's ways to declare data, and the short ones, mean the same."""

from __future__ import annotations

from typing import Any

import pytest

from rheodsl import (
    S3,
    AndesDataset,
    AnyDate,
    AnyLong,
    AnyString,
    Application,
    DataFormat,
    Dimension,
    DimensionFilter,
    DimensionSpec,
    DimensionType,
    S3Dataset,
    SignalIntegrityProtocol,
    StringVariant,
)
from rheodsl.testing import Simulator

from .helpers import last_parts, outputs, rejected, s3_event


def guide_all_data(app: Application) -> Any:
    """The first example of the guide."""
    return app.marshal_external_data(
        external_data_desc=S3Dataset(
            "427809481713",
            "dex-ml-eureka-model-training-data",
            "cradle_eureka_p3/v8_00/all-data",
            "partition_day={}",
            dataset_format=DataFormat.CSV,
        ),
        id="eureka_training_all_data",
        dimension_spec={"day": {"type": DimensionType.DATETIME}},
        dimension_filter={"*": {"format": "%Y-%m-%d", "timezone": "PST"}},
        protocol=SignalIntegrityProtocol("FILE_CHECK", {"file": "_SUCCESS"}),
    )


def guide_training_data(app: Application) -> Any:
    return app.add_external_data(
        "eureka_training_data",
        S3(
            "427809481713",
            "dex-ml-eureka-model-training-data",
            "cradle_eureka_p3/v8_00/training-data",
            StringVariant("NA", "region"),
            AnyDate("my_day_my_way", {"format": "%Y-%m-%d"}),
        ),
    )


def test_the_selection_features_of_the_guide(app: Application) -> None:
    all_data, training = guide_all_data(app), guide_training_data(app)
    app.create_data(
        "default_selection",
        {"offline_data": all_data[:-2], "offline_training_data": training["NA"][:-2]},
        [(all_data("day"), lambda dim: dim, training("my_day_my_way"))],
        {
            "reg": {
                "type": DimensionType.STRING,
                "day": {"type": DimensionType.DATETIME, "format": "%d-%m-%Y"},
            }
        },
        [
            ("reg", lambda dim: dim, training("region")),
            ("day", lambda dim: dim.strftime("%d-%m-%Y"), all_data("day")),
        ],
    )
    sim = Simulator(app)
    assert sim.send(all_data["2020-03-18"]) == []
    runs = sim.send(training["NA"]["2020-03-18"])
    assert [run.output for run in runs] == [{"reg": "NA", "day": "18-03-2020"}]
    root = "s3://dex-ml-eureka-model-training-data/cradle_eureka_p3/v8_00"
    assert runs[0].inputs["offline_data"].paths == [
        f"{root}/all-data/partition_day=2020-03-18",
        f"{root}/all-data/partition_day=2020-03-17",
    ]
    assert runs[0].inputs["offline_training_data"].paths == [
        f"{root}/training-data/NA/2020-03-18",
        f"{root}/training-data/NA/2020-03-17",
    ]


def test_the_raw_event_of_the_guide(app: Application) -> None:
    all_data = guide_all_data(app)
    app.create_data("node", inputs=[all_data])
    event = {
        "Records": [
            {
                "eventVersion": "2.0",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "1970-01-01T00:00:00.000Z",
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "bucket": {
                        "name": "dex-ml-eureka-model-training-data",
                        "arn": "arn:aws:s3:::dex-ml-eureka-model-training-data",
                    },
                    "object": {"key": "cradle_eureka_p3/v8_00/all-data/partition_day=2020-03-18/_SUCCESS"},
                },
            }
        ]
    }
    assert outputs(Simulator(app).send(event)) == [("2020-03-18",)]


def test_a_variant_of_one_value_is_the_declared_filter(app: Application) -> None:
    training = guide_training_data(app)
    with rejected("EU", "region"):
        training["EU"]


def guide_ducsi(app: Application) -> Any:
    seconds, days = "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"
    return app.marshal_external_data(
        AndesDataset(
            "booker",
            "d_unified_cust_shipment_items",
            partition_keys=["region_id", "ship_day"],
            primary_keys=["customer_order_item_id", "customer_shipment_item_id"],
            table_type="APPEND",
        ),
        "DEXML_DUCSI",
        {"region_id": {"type": DimensionType.LONG, "ship_day": {"type": DimensionType.DATETIME}}},
        {
            "1": {"*": {"format": seconds, "timezone": "PST"}},
            "2": {"*": {"format": seconds, "timezone": "GMT"}},
            "4": {"*": {"format": days, "timezone": "GMT"}},
        },
    )


def test_the_andes_table_of_the_guide(app: Application) -> None:
    ducsi = guide_ducsi(app)
    app.create_data("node", inputs=[ducsi])
    sim = Simulator(app)
    seconds, days = sim.send(ducsi[1]["2020-03-18 00:00:00"]), sim.send(ducsi[4]["2020-03-18"])
    tips = [run.inputs["DEXML_DUCSI"].tip for run in seconds + days]
    assert tips == [
        {"region_id": 1, "ship_day": "2020-03-18 00:00:00"},
        {"region_id": 4, "ship_day": "2020-03-18"},
    ]


def test_repeat_ducsi_of_the_guide(app: Application) -> None:
    ducsi = guide_ducsi(app)
    app.create_data(
        "REPEAT_DUCSI",
        {"DEXML_DUCSI": ducsi["*"][:-3]},
        [],
        {"region_id": {"type": DimensionType.LONG, "ship_day": {"type": DimensionType.DATETIME}}},
        [
            ("region_id", lambda dim: dim, ducsi("region_id")),
            ("ship_day", lambda dim: dim, ducsi("ship_day")),
        ],
    )
    runs = Simulator(app).send(ducsi[4]["2020-03-18"])
    assert runs[0].output["region_id"] == 4
    assert str(runs[0].output["ship_day"]).startswith("2020-03-18")


# ── one dataset in every form ─────────────────────────────────────────────────────────────────────────

DAY = {"format": "%Y-%m-%d"}
SPEC = {"region_id": {"type": DimensionType.LONG, "day": {"type": DimensionType.DATETIME, **DAY}}}
FORMS: dict[str, Any] = {
    "short": lambda app: app.s3("orders", "s3://lake/orders/{region_id:int}/{day:%Y-%m-%d}"),
    "nested": lambda app: app.marshal_external_data(
        S3Dataset("111122223333", "lake", "orders", "{}", "{}", dataset_format=DataFormat.CSV),
        "orders",
        SPEC,
        {"*": {"*": {}}},
    ),
    "nested, attributes in the filter": lambda app: app.marshal_external_data(
        S3Dataset("111122223333", "lake", "orders", "{}", "{}", dataset_format=DataFormat.CSV),
        "orders",
        {"region_id": {"type": DimensionType.LONG, "day": {"type": DimensionType.DATETIME}}},
        {"*": {"*": DAY}},
    ),
    "no filter": lambda app: app.marshal_external_data(
        S3Dataset("111122223333", "lake", "orders", "{}/{}", dataset_format=DataFormat.CSV), "orders", SPEC
    ),
    "objects": lambda app: app.marshal_external_data(
        S3Dataset("111122223333", "lake", "orders", "{}", "{}", dataset_format=DataFormat.CSV),
        "orders",
        DimensionSpec()
        .add_dimension(Dimension("region_id", DimensionType.LONG))
        .add_dimension(Dimension("day", DimensionType.DATETIME, DAY)),
        DimensionFilter.load_raw({"*": {"*": {}}}),
    ),
    "variants": lambda app: app.add_external_data(
        "orders", S3("111122223333", "lake", "orders", AnyLong("region_id"), AnyDate("day", DAY))
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_declares_the_same(app: Application, form: str) -> None:
    orders = FORMS[form](app)
    app.create_data("daily", inputs=[orders[1][:-2]])
    sim = Simulator(app)
    runs = sim.send(s3_event("lake", "orders/1/2020-03-18/_SUCCESS"))
    assert [run.output for run in runs] == [{"region_id": 1, "day": "2020-03-18"}]
    assert runs[0].inputs["orders"].paths == [
        "s3://lake/orders/1/2020-03-18",
        "s3://lake/orders/1/2020-03-17",
    ]
    assert sim.send(s3_event("lake", "orders/2/2020-03-18/_SUCCESS")) == []


def test_any_string(app: Application) -> None:
    ships = app.add_external_data("ships", S3("111122223333", "lake", "ships", AnyString("region")))
    app.create_data("node", inputs=[ships])
    assert outputs(Simulator(app).send(s3_event("lake", "ships/NA/_SUCCESS"))) == [("NA",)]


def test_a_declared_window_is_the_default_of_every_input(app: Application) -> None:
    days = app.marshal_external_data(
        S3Dataset("111122223333", "lake", "days", "{}", dataset_format=DataFormat.CSV),
        "days",
        {"day": {"type": DimensionType.DATETIME, **DAY}},
        {":-3": {}},
    )
    app.create_data("node", inputs=[days])
    app.create_data("smaller", inputs=[days[:-2]])
    runs = {run.node: run for run in Simulator(app).send(days["2020-03-18"])}
    assert last_parts(runs["node"], "days") == ["2020-03-18", "2020-03-17", "2020-03-16"]
    assert last_parts(runs["smaller"], "days") == ["2020-03-18", "2020-03-17"]


def test_literals_at_each_level_of_a_declared_filter(app: Application) -> None:
    orders = app.marshal_external_data(
        S3Dataset("111122223333", "lake", "orders", "{}", "{}", dataset_format=DataFormat.CSV),
        "orders",
        SPEC,
        {"1": {"2020-03-18": {}, "2020-03-19": {}}, "2": {"*": {}}},
    )
    app.create_data("node", inputs=[orders])
    sim = Simulator(app)
    ran = [
        (region, day)
        for region in (1, 2, 3)
        for day in (17, 18, 19)
        if sim.send(s3_event("lake", f"orders/{region}/2020-03-{day}/_SUCCESS"))
    ]
    assert ran == [(1, 18), (1, 19), (2, 17), (2, 18), (2, 19)]


def test_data_whose_events_come_from_elsewhere(app: Application) -> None:
    table = app.glue_table("table", "db", "orders", {"day": {"type": DimensionType.DATETIME, **DAY}})
    data = app.s3("data", "s3://lake/data/{day:%Y-%m-%d}").link(table)
    app.create_data("node", inputs=[data])
    event = {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Glue Data Catalog Table State Change",
        "source": "aws.glue",
        "time": "2020-03-18T00:00:00Z",
        "detail": {
            "databaseName": "db",
            "typeOfChange": "BatchCreatePartition",
            "tableName": "orders",
            "changedPartitions": ["[2020-03-18]"],
        },
    }
    runs = Simulator(app).send(event)
    assert runs[0].inputs["data"].paths == ["s3://lake/data/2020-03-18"]


# ── malformed declarations ────────────────────────────────────────────────────────────────────────────


def test_malformed_declarations_are_errors_where_they_are_written(app: Application) -> None:
    with rejected("wibble"):
        app.s3("a", "s3://lake/a/{n:wibble}")
    with rejected("day"):
        app.s3("b", "s3://lake/b/{day:int}/{day:%Y}")
    with rejected("lake/c"):
        app.s3("c", "lake/c/{n:int}")
    with rejected("n"):
        app.marshal_external_data(
            S3Dataset("111122223333", "lake", "d", "{}"), "d", {"n": {"type": "NUMBER"}}, {"*": {}}
        )


def test_a_template_has_one_place_for_each_dimension(app: Application) -> None:
    with rejected("orders"):
        app.marshal_external_data(
            S3Dataset("111122223333", "lake", "orders", "{}"), "orders", SPEC, {"*": {"*": {}}}
        )


@pytest.mark.parametrize("id", ["", "a b", "a/b", "ümlaut", "x" * 300, 7])
def test_ids_that_airflow_does_not_allow(app: Application, id: Any) -> None:
    days = app.s3("days", "s3://lake/days/{day:%Y-%m-%d}")
    with rejected():
        app.create_data(id, inputs=[days])
        app.graph()
