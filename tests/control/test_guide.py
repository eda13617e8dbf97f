"""The guide's chapters "Synthetic Events / Manual Triggers" and "Application Execution Control", as they are written."""

from __future__ import annotations

from datetime import datetime

import pytest

from rheodsl import S3, AnyDate, Application, DimensionType, S3Dataset, StringVariant

from .lab import Lab


@pytest.fixture
def eureka() -> Lab:
    app = Application("ek")  # DAG ids have up to 48 characters
    eureka_offline_all_data = app.marshal_external_data(
        external_data_desc=S3Dataset(
            "427809481713", "dex-ml-eureka-model-training-data", "cradle_eureka_p3/v8_00/all-data",
            "partition_day={}", dataset_format="CSV",
        ),
        id="eureka_training_all_data",
        dimension_spec={"day": {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"}},
        dimension_filter={"*": {}},
    )  # fmt: skip
    eureka_offline_training_data = app.add_external_data(
        "eureka_training_data",
        S3(
            "427809481713", "dex-ml-eureka-model-training-data", "cradle_eureka_p3/v8_00/training-data",
            StringVariant("NA", "region"), AnyDate("my_day_my_way", {"format": "%Y-%m-%d"}),
        ),
    )  # fmt: skip
    app.create_data(
        id="eureka_default_selection_data_over_two_days",
        inputs=[eureka_offline_all_data[:-2], eureka_offline_training_data["NA"][:-2]],
        input_dim_links=[
            (eureka_offline_all_data("day"), lambda dim: dim, eureka_offline_training_data("my_day_my_way"))
        ],
        compute_targets="output = eureka_training_all_data",
    )
    return Lab(app)


NODE = "eureka_default_selection_data_over_two_days"


def test_both_inputs_by_hand(eureka: Lab) -> None:
    app = eureka.app
    input1 = app["eureka_training_all_data"]
    input2 = app["eureka_training_data"]
    assert app.process(input1["2020-03-18"]) == {}
    assert app.process(input2["NA"]["2020-03-18"]) == {NODE: [f"{NODE}/2020-03-18#1"]}


def test_the_raw_notification(eureka: Lab) -> None:
    app = eureka.app
    app.process(app["eureka_training_data"]["NA"]["2020-03-18"])
    done = app.process({
        "Records": [{
            "eventVersion": "2.0", "eventSource": "aws:s3", "awsRegion": "us-east-1",
            "eventTime": "1970-01-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
            "s3": {
                "s3SchemaVersion": "1.0",
                "bucket": {
                    "name": "dex-ml-eureka-model-training-data",
                    "arn": "arn:aws:s3:::dex-ml-eureka-model-training-data",
                },
                "object": {"key": "cradle_eureka_p3/v8_00/all-data/partition_day=2020-03-18/_SUCCESS"},
            },
        }]
    })  # fmt: skip
    assert done == {NODE: [f"{NODE}/2020-03-18#1"]}


def test_a_region_that_is_filtered_out() -> None:
    """The guide calls it ignored. Its region is part of the data's declaration here, so it is wrong as written."""
    app = Application("ignored")
    regions = app.s3("regions", "s3://lake/regions/{region}/{day:%Y-%m-%d}")
    app.create_data("node", inputs=[regions["NA"][:-2]], compute_targets="output = regions")
    Lab(app)
    assert app.process(regions["EU"]["2020-03-17"]).ignored


def test_execute_poll_and_materialize() -> None:
    app = Application("my-app")
    my_data = app.s3("my_data", "s3://lake/my_data/{region}/{day:%Y-%m-%d}")
    my_etl_node = app.create_data("my_etl_node", inputs=[my_data], compute_targets="output = my_data")
    lab = Lab(app)
    lab.put(my_data["NA"]["2020-12-01"])
    physical_path = app.execute(my_etl_node["NA"]["2020-12-01"])
    assert physical_path == "s3://rheo-my-app/internal_data/my_etl_node/NA/2020-12-01"
    assert app.poll(my_etl_node["NA"]["2020-12-01"]) == physical_path
    assert app.poll(my_etl_node["NA"]["2020-01-01"]) is None
    assert app.materialize(my_etl_node["NA"]["2020-12-01"]) == physical_path


def test_a_new_node_by_an_event() -> None:
    app = Application("new")
    my_data = app.s3("my_data", "s3://lake/my_data/{day:%Y-%m-%d}")
    app.create_data("my_new", inputs=[app["my_data"]], compute_targets="output = my_data")
    Lab(app)
    assert app.process(app["my_data"]["2020-01-02"]) == {"my_new": ["my_new/2020-01-02#1"]}
    assert my_data.id == "my_data"


def test_a_timer_for_all_or_for_one() -> None:
    app = Application("dppi")
    daily_timer = app.add_timer("daily_timer", "rate(1 day)", time_dimension_id="day")
    denorm_archive_ad = app.create_data("denorm_archive_ad", [daily_timer], compute_targets="output = 1")
    app.create_data("dppi_df", [daily_timer], compute_targets="output = 1")
    Lab(app)
    day = datetime(2021, 1, 16)
    one = app.process(daily_timer[day], target_route_id=denorm_archive_ad)
    assert list(one) == ["denorm_archive_ad"]
    assert list(app.process(daily_timer[datetime(2021, 1, 17)])) == ["denorm_archive_ad", "dppi_df"]


def test_paths_of_a_range() -> None:
    app = Application("catalog")
    data = app.s3("all_sog_data", "s3://lake/sog/{region_id:int}/{day:%Y-%m-%d}")
    Lab(app)
    assert app.materialize(data[1]["2020-11-10"]) == "s3://lake/sog/1/2020-11-10"
    assert app.materialize(data[1][:-2], [1, "2020-10-29"]) == [
        "s3://lake/sog/1/2020-10-29", "s3://lake/sog/1/2020-10-28",
    ]  # fmt: skip
