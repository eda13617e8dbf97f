"""Section 11: what a path may look like."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

import rheodsl as dsl
from rheodsl import Application, RheoError, S3Dataset, output
from rheodsl.testing import Simulator

from .helpers import Keys, below, catalog_event, daily, outputs, reasons, rejected, s3_event

DATETIME, LONG = dsl.DATETIME, dsl.LONG
HIVE = "s3://lake/logs/year={day:%Y}/month={day:%m}/day={day:%d}"


def long_form(app: Any, format: str) -> Any:
    """One date whose format stands over several levels, as a dimension spec says it."""
    spec = {"day": {"type": DATETIME, "format": format}}
    return app.marshal_external_data(S3Dataset("111122223333", "lake", "logs", "{}"), "logs", spec)


LEVELS = {
    "the same name in each level": (lambda app: app.s3("logs", HIVE), "year=%Y/month=%m/day=%d"),
    "a format with slashes": (lambda app: app.s3("logs", "s3://lake/logs/{day:%Y/%m/%d}"), "%Y/%m/%d"),
    "long form": (lambda app: long_form(app, "%Y/%m/%d"), "%Y/%m/%d"),
    "long form, named levels": (
        lambda app: long_form(app, "year=%Y/month=%m/day=%d"),
        "year=%Y/month=%m/day=%d",
    ),
    "month and day in one level": (lambda app: app.s3("logs", "s3://lake/logs/{day:%Y}/{day:%m%d}"), "%Y/%m%d"),
    "year and month, then the day": (
        lambda app: app.s3("logs", "s3://lake/logs/ym={day:%Y-%m}/d={day:%d}"),
        "ym=%Y-%m/d=%d",
    ),
}  # fmt: skip
levels = pytest.mark.parametrize(("declare", "format"), list(LEVELS.values()), ids=list(LEVELS))


# ── a date over several levels ────────────────────────────────────────────────────────────────────────


@levels
@pytest.mark.parametrize(
    ("tip", "read"),
    [
        (datetime(2024, 3, 1), [(2024, 3, 1), (2024, 2, 29), (2024, 2, 28)]),
        (datetime(2023, 3, 1), [(2023, 3, 1), (2023, 2, 28), (2023, 2, 27)]),
        (datetime(2025, 1, 1), [(2025, 1, 1), (2024, 12, 31), (2024, 12, 30)]),
    ],
    ids=["leap year", "common year", "new year"],
)
def test_a_window_of_days_over_levels_crosses_months(
    app: Any, declare: Any, format: str, tip: datetime, read: list[tuple[int, int, int]]
) -> None:
    """► Window [:-3] at 2024-03-01 reads 03/01, 02/29, 02/28."""
    logs = declare(app)
    app.create_data("open", inputs=[logs[:-3]])
    keys = Keys(Simulator(app), "logs")
    [run] = keys.put(tip.strftime(format) + "/_SUCCESS")
    assert below(run, "logs", "logs") == [datetime(*day).strftime(format) for day in read]


@levels
@pytest.mark.parametrize("order", list(permutations([28, 29, 1])), ids=str)
def test_a_checked_window_over_levels_runs_once_in_every_order(
    app: Any, declare: Any, format: str, order: tuple[int, ...]
) -> None:
    logs = declare(app)
    app.create_data("checked", inputs=[logs[:-3].range_check(True)])
    keys = Keys(Simulator(app), "logs")
    runs = []
    for day in order:
        moment = datetime(2024, 3 if day == 1 else 2, day)
        runs += keys.put(moment.strftime(format) + "/_SUCCESS")
    [run] = runs
    assert below(run, "logs", "logs")[0] == datetime(2024, 3, 1).strftime(format)


@levels
def test_one_view_names_a_date_over_levels(app: Any, declare: Any, format: str) -> None:
    logs = declare(app)
    app.create_data("daily", inputs=[logs])
    [run] = Simulator(app).send(logs[datetime(2024, 2, 29)])
    assert below(run, "logs", "logs") == [datetime(2024, 2, 29).strftime(format)]


def test_hours_over_two_levels(app: Any) -> None:
    """► dt={hour:%Y-%m-%d}/hr={hour:%H}: [:-3] at 2024-03-01 01 h reads 01, 00, and 23 h of 02-29."""
    clicks = app.s3("clicks", "s3://lake/clicks/dt={hour:%Y-%m-%d}/hr={hour:%H}")
    app.create_data("node", inputs=[clicks[:-3]])
    [run] = Keys(Simulator(app), "clicks").put("dt=2024-03-01/hr=01/_SUCCESS")
    assert below(run, "clicks", "clicks") == [
        "dt=2024-03-01/hr=01",
        "dt=2024-03-01/hr=00",
        "dt=2024-02-29/hr=23",
    ]


def test_firehose_writes_four_levels(app: Any) -> None:
    stream = app.s3("stream", "s3://lake/stream/{hour:%Y/%m/%d/%H}")
    app.create_data("node", inputs=[stream[:-2]])
    [run] = Keys(Simulator(app), "stream").put("2024/01/01/00/_SUCCESS")
    assert below(run, "stream", "stream") == ["2024/01/01/00", "2023/12/31/23"]


def test_a_date_over_levels_stands_beside_other_dimensions(app: Any) -> None:
    logs = app.s3("logs", "s3://lake/logs/{region}/year={day:%Y}/month={day:%m}/{shop:int}/day={day:%d}")
    app.create_data("node", inputs=[logs["*"][:-2]["*"]])
    [run] = Keys(Simulator(app), "logs").put("NA/year=2024/month=03/7/day=01/_SUCCESS")
    assert below(run, "logs", "logs") == [
        "NA/year=2024/month=03/7/day=01",
        "NA/year=2024/month=02/7/day=29",
    ]
    assert logs.dimension_spec()["region"]["day"]["type"] == "DATETIME", "three dimensions: region, day, shop"


@pytest.mark.parametrize(
    "key",
    [
        "year=2024/month=02/day=30",
        "year=2023/month=02/day=29",
        "year=2024/month=2/day=28",
        "year=2024/month=13/day=01",
        "year=2024/month=02",
        "month=02/year=2024/day=28",
        "year=2024/month=02/day=28/hour=01",
    ],
)
def test_what_is_no_date_over_levels_starts_nothing_and_is_told(app: Any, key: str) -> None:
    app.create_data("daily", inputs=[app.s3("logs", HIVE)])
    sim = Simulator(app)
    assert Keys(sim, "logs").put(f"{key}/_SUCCESS") == []
    assert reasons(sim), f"nothing is said about {key}"
    assert len(Keys(sim, "logs").put("year=2024/month=02/day=28/_SUCCESS")) == 1, "the good day runs on"


def test_levels_that_contradict_one_another_are_no_date(app: Any) -> None:
    app.create_data("daily", inputs=[app.s3("logs", "s3://lake/logs/{day:%Y}/{day:%Y-%m-%d}")])
    keys = Keys(Simulator(app), "logs")
    assert keys.put("2023/2024-01-01/_SUCCESS") == [], "2023 is not the year of 2024-01-01"
    assert len(keys.put("2024/2024-01-01/_SUCCESS")) == 1


UNPADDED = {
    "year={day:%Y}/month={day:%-m}/day={day:%-d}": ("year=2024/month=3/day=1", "year=2024/month=2/day=29"),
    "{day:%Y/%-m/%-d}": ("2024/3/1", "2024/2/29"),
    "{day:%Y-%-m-%-d}": ("2024-3-1", "2024-2-29"),
    "{day:%Y}/m={day:%-m}_{day:%d}": ("2024/m=3_01", "2024/m=2_29"),
    "{day:%Y}/{day:%-j}": ("2024/61", "2024/60"),
    "dt={day:%Y-%m-%d}/hr={day:%-H}": ("dt=2024-03-01/hr=0", "dt=2024-02-29/hr=23"),
    "{day:%Y-%m-%d}T{day:%-H.%-M}": ("2024-03-01T0.0", "2024-02-29T23.59"),
}


@pytest.mark.parametrize("path", UNPADDED)
def test_numbers_without_zeros_are_read_and_written(app: Any, path: str) -> None:
    tip, before = UNPADDED[path]
    logs = app.s3("logs", f"s3://lake/logs/{path}")
    app.create_data("node", inputs=[logs[:-2]])
    app.create_data("other", inputs=[logs, logs[-1:].ref.alias("before")])
    sim = Simulator(app)
    for run in Keys(sim, "logs").put(f"{tip}/_SUCCESS"):
        read = below(run, "logs", "logs")
        assert read == [tip, before] if run.node == "node" else read == [tip]


def test_an_output_is_written_without_zeros_and_read_by_the_next_node(app: Any) -> None:
    sales = daily(app, "sales")
    written = app.create_data(
        "written",
        inputs=[sales],
        output_dimension_spec={"day": {"type": DATETIME, "format": "year=%Y/month=%-m/day=%-d"}},
    )
    app.create_data("next", inputs=[written[:-2]])
    first, second = Simulator(app).send(sales["2024-03-01"])
    assert first.path.rstrip("/").endswith("written/year=2024/month=3/day=1")
    assert [path.rsplit("written/", 1)[1].rstrip("/") for path in second.inputs["written"].paths] == [
        "year=2024/month=3/day=1",
        "year=2024/month=2/day=29",
    ]


@pytest.mark.parametrize(
    ("path", "key", "right"),
    [
        ("year={day:%Y}/month={day:%m}/day={day:%d}", "year=2024/month=3/day=1", "year=2024/month=03/day=01"),
        (
            "year={day:%Y}/month={day:%-m}/day={day:%-d}",
            "year=2024/month=03/day=1",
            "year=2024/month=3/day=1",
        ),
        ("dt={day:%Y-%m-%d}/hr={day:%H}", "dt=2024-03-01/hr=7", "dt=2024-03-01/hr=07"),
        ("{region}-{day:%Y-%m-%d}", "EU-2024-3-1", "EU-2024-03-01"),
        ("{day:%Y-%-m-%-d}", "2024-03-01", "'2024-3-1'"),
        ("{day:%Y-%m-%d}", "2024-3-1", "'2024-03-01'"),
    ],
)
def test_a_path_that_differs_by_zeros_alone_is_told_with_the_right_one(
    app: Any, path: str, key: str, right: str
) -> None:
    app.create_data("node", inputs=[app.s3("logs", f"s3://lake/logs/{path}")])
    sim = Simulator(app)
    assert Keys(sim, "logs").put(f"{key}/_SUCCESS") == []
    assert right in reasons(sim)


@pytest.mark.parametrize(
    "key", ["year=2024/month=x/day=1", "year=24/month=03/day=01", "year=2024/month=123/day=1"]
)
def test_nothing_is_said_of_zeros_where_more_differs(app: Any, key: str) -> None:
    app.create_data("node", inputs=[app.s3("logs", HIVE)])
    sim = Simulator(app)
    Keys(sim, "logs").put(f"{key}/_SUCCESS")
    assert "no signal has a path like" in reasons(sim)
    assert "zeros" not in reasons(sim)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("{day:%Y%-m%d}", ["%-m"]),
        ("{day:%Y-%-m2-%d}", ["%-m"]),
        ("{day:%Y}/{day:%m}/{day:%-m}", ["twice"]),
        ("{n:int}{day:%-d.%m.%Y}", ["two ways"]),
        ("{day:%Y.%m.%-d}{n:int}", ["two ways"]),
        ("{day:%Y-%-b-%d}", ["%-b"]),
    ],
)
def test_numbers_without_zeros_that_nothing_ends_are_an_error(app: Any, path: str, words: list[str]) -> None:
    with rejected(*words):
        app.s3("logs", f"s3://lake/logs/{path}")


def test_a_date_that_the_path_names_is_laid_out_as_its_attributes_have_it(app: Any) -> None:
    day = {"type": DATETIME, "format": "year=%Y/month=%m/day=%d"}
    logs = app.s3("logs", "s3://lake/logs/{region}/{day}", dimensions={"day": day})
    app.create_data("node", inputs=[logs["*"][:-2]])
    [run] = Keys(Simulator(app), "logs").put("EU/year=2024/month=03/day=01/_SUCCESS")
    assert below(run, "logs", "logs") == ["EU/year=2024/month=03/day=01", "EU/year=2024/month=02/day=29"]


@pytest.mark.parametrize(
    ("path", "attributes"),
    [
        ("{day:%Y%m%d}", {"format": "%Y-%m-%d"}),
        ("{day:%Y%m%d}", {"type": "STRING"}),
        ("{day:int}", {"type": "STRING"}),
        ("{day:03d}", {"digits": 4}),
        ("{day:str}", {"type": "LONG"}),
    ],
)
def test_attributes_that_contradict_the_path_are_an_error(
    app: Any, path: str, attributes: dict[str, Any]
) -> None:
    with rejected(
        "logs", path, next(iter(attributes.values())) if "type" in attributes else "beside", hint="once"
    ):
        app.s3("logs", f"s3://lake/logs/{path}", dimensions={"day": attributes})


def test_attributes_that_say_the_same_as_the_path_are_none_too_many(app: Any) -> None:
    app.s3("a", "s3://lake/a/{day:%Y%m%d}", dimensions={"day": {"type": DATETIME, "format": "%Y%m%d"}})
    app.s3("b", "s3://lake/b/{n:03d}/{k:int}", dimensions={"n": {"type": LONG}, "k": {"digits": 2}})


@pytest.mark.parametrize("path", ["{m:%Y}/Q{m:%q}/{m:%m}", "{m:%YQ%q-%m}"])
def test_a_quarter_beside_the_month_is_a_check(app: Any, path: str) -> None:
    app.create_data("node", inputs=[app.s3("logs", f"s3://lake/logs/{path}")])
    sim = Simulator(app)
    keys = Keys(sim, "logs")
    right, wrong = ("2024/Q2/05", "2024/Q3/05") if "/" in path else ("2024Q2-05", "2024Q3-05")
    [run] = keys.put(f"{right}/_SUCCESS")
    assert below(run, "logs", "logs") == [right]
    assert keys.put(f"{wrong}/_SUCCESS") == []
    assert len(sim.rejected) == 1


def test_a_quarter_beside_the_whole_date(app: Any) -> None:
    app.create_data("node", inputs=[app.s3("logs", "s3://lake/logs/{d:%Y}/Q{d:%q}/{d:%Y-%m-%d}")])
    keys = Keys(Simulator(app), "logs")
    assert outputs(keys.put("2024/Q2/2024-05-03/_SUCCESS")) == [("2024-05-03",)]
    assert keys.put("2024/Q1/2024-05-03/_SUCCESS") == []


def test_a_table_whose_keys_are_parts_of_one_date_is_an_error(app: Any) -> None:
    day = {"type": DATETIME, "format": "year=%Y/month=%m/day=%d"}
    with rejected("table t", "year, month, day", hint="date_of(year, month, day)"):
        app.glue_table("g", "db", "t", {"day": day}, location="s3://lake/t/{}")


def test_levels_that_miss_a_field_of_the_date_are_an_error(app: Any) -> None:
    with rejected("day"):
        app.s3("logs", "s3://lake/logs/{day:%m}/{day:%d}")


def test_a_date_over_levels_links_with_a_plain_date(app: Any) -> None:
    logs, sales = app.s3("logs", HIVE), daily(app, "sales", "sold", "%d-%m-%Y")
    app.create_data("both", inputs=[logs, sales], input_dim_links=[logs.day == sales.sold])
    sim = Simulator(app)
    assert Keys(sim, "logs").put("year=2024/month=02/day=29/_SUCCESS") == []
    assert sim.send(sales["28-02-2024"]) == []
    [run] = sim.send(sales["29-02-2024"])
    assert below(run, "logs", "logs") == ["year=2024/month=02/day=29"]


def test_a_reference_to_a_date_over_levels_is_found_by_its_link(app: Any) -> None:
    logs, sales = app.s3("logs", HIVE), daily(app, "sales")
    app.create_data("both", inputs=[sales, logs[:-2].ref])
    [run] = Simulator(app).send(sales["2024-03-01"])
    assert below(run, "logs", "logs") == ["year=2024/month=03/day=01", "year=2024/month=02/day=29"]


def test_an_output_is_written_over_levels_and_read_by_the_next_node(app: Any) -> None:
    sales = daily(app, "sales")
    written = app.create_data(
        "written",
        inputs=[sales],
        output_dimension_spec={"day": {"type": DATETIME, "format": "year=%Y/month=%m/day=%d"}},
        output_dim_links=[output.day == sales.day],
    )
    app.create_data("next", inputs=[written[:-2]])
    first, second = Simulator(app).send(sales["2024-03-01"])
    assert first.path.rstrip("/").endswith("written/year=2024/month=03/day=01")
    assert [path.rsplit("written/", 1)[1].rstrip("/") for path in second.inputs["written"].paths] == [
        "year=2024/month=03/day=01",
        "year=2024/month=02/day=29",
    ]


def test_case_02_a_window_of_days_in_hive_folders(app: Any) -> None:
    logs = app.s3("logs", "s3://lake/logs/year={day:%Y}/month={day:%m}/day={day:%d}")
    app.create_data("checked", inputs=[logs[:-3].range_check(True)])
    app.create_data("open", inputs=[logs[:-3]])
    keys = Keys(Simulator(app), "logs")
    seen = {}
    for text in ("year=2024/month=02/day=28", "year=2024/month=02/day=29", "year=2024/month=03/day=01"):
        seen |= {run.node: below(run, "logs", "logs") for run in keys.put(f"{text}/_SUCCESS")}
    expected = ["year=2024/month=03/day=01", "year=2024/month=02/day=29", "year=2024/month=02/day=28"]
    assert seen == {"open": expected, "checked": expected}


# ── several dimensions in one level ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("template", "level", "tip"),
    [
        ("{day:%Y-%m-%d}-{region}", "2024-01-02-NA", {"day": "2024-01-02", "region": "NA"}),
        ("{region}-{day:%Y-%m-%d}", "us-east-1-2024-01-02", {"region": "us-east-1", "day": "2024-01-02"}),
        ("{day:%Y-%m-%d}-{region}", "2024-01-02-eu-2", {"day": "2024-01-02", "region": "eu-2"}),
        ("{region}{day:%Y%m%d}", "NA20240102", {"region": "NA", "day": "20240102"}),
        ("{day:%Y%m%d}{region}", "20240102NA", {"day": "20240102", "region": "NA"}),
        ("orders_{day:%Y%m%d}", "orders_20240102", {"day": "20240102"}),
        ("{shop:int}_{day:%Y%m%d}", "7_20240102", {"shop": 7, "day": "20240102"}),
        ("{shop:int}{day:%Y%m%d}", "720240102", {"shop": 7, "day": "20240102"}),
        ("{region}{shop:int}", "NA12", {"region": "NA", "shop": 12}),
        ("{region}_{day:%Y%m%d}_{shop:int}", "a_b_20240102_7", {"region": "a_b", "day": "20240102", "shop": 7}),
        ("v1.{day:%Y-%m-%d}.x", "v1.2024-01-02.x", {"day": "2024-01-02"}),
    ],
)  # fmt: skip
def test_a_level_is_split_by_what_its_dimensions_can_be(
    app: Any, template: str, level: str, tip: dict[str, Any]
) -> None:
    data = app.s3("data", f"s3://lake/data/{template}/sub")
    app.create_data("node", inputs=[data])
    [run] = Keys(Simulator(app), "data").put(f"{level}/sub/_SUCCESS")
    assert run.inputs["data"].tip == tip
    assert below(run, "data", "data") == [f"{level}/sub"]


@pytest.mark.parametrize(
    ("template", "level"),
    [
        ("{day:%Y-%m-%d}-{region}", "2024-01-02"),
        ("{day:%Y-%m-%d}-{region}", "2024-01-02-"),
        ("{region}-{day:%Y-%m-%d}", "-2024-01-02"),
        ("orders_{day:%Y%m%d}", "returns_20240102"),
        ("orders_{day:%Y%m%d}", "orders_20240102_old"),
        ("{shop:int}_{day:%Y%m%d}", "x_20240102"),
    ],
)
def test_a_level_that_does_not_fit_starts_nothing(app: Any, template: str, level: str) -> None:
    app.create_data("node", inputs=[app.s3("data", f"s3://lake/data/{template}")])
    sim = Simulator(app)
    assert Keys(sim, "data").put(f"{level}/_SUCCESS") == []
    assert reasons(sim), f"nothing is said about {level}"


@pytest.mark.parametrize("template", ["{a}{b}", "{a}-{b}", "{n:int}{m:int}", "x{a}{b}y/{day:%Y}"])
def test_a_level_that_can_be_split_in_two_ways_is_an_error(app: Any, template: str) -> None:
    with rejected("data", hint=True):
        app.s3("data", f"s3://lake/data/{template}")


def test_a_window_over_a_part_of_a_name(app: Any) -> None:
    data = app.s3("data", "s3://lake/data/{region}-{day:%Y-%m-%d}")
    app.create_data("node", inputs=[data["*"][:-2]])
    [run] = Keys(Simulator(app), "data").put("us-east-1-2024-03-01/_SUCCESS")
    assert below(run, "data", "data") == ["us-east-1-2024-03-01", "us-east-1-2024-02-29"]


# ── the object is the partition ───────────────────────────────────────────────────────────────────────


def test_an_object_is_a_partition(app: Any) -> None:
    """► orders_{day:%Y%m%d}.csv, key in/orders_20240101.csv: one run, day 2024-01-01, whose path is that object."""
    orders = app.s3("orders", "s3://lake/in/orders_{day:%Y%m%d}.csv", completion=dsl.ITSELF, format="CSV")
    app.create_data("load", inputs=[orders])
    sim = Simulator(app)
    [run] = sim.send(s3_event("lake", "in/orders_20240101.csv"))
    assert run.output == {"day": "20240101"}
    assert run.inputs["orders"].paths == ["s3://lake/in/orders_20240101.csv"]
    assert sim.send(s3_event("lake", "in/orders_20240101.csv")) == [], "the same object, delivered again"


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("{day:%Y-%m-%d}/orders.json", "2024-01-02/orders.json"),
        ("{region}/sales_{day:%Y%m%d}.csv.gz", "EU/sales_20240102.csv.gz"),
        ("{day:%Y/%m/%d}.parquet", "2024/01/02.parquet"),
        ("{day:%Y-%m-%d}", "2024-01-02"),
        ("{region}_{day:%Y%m%d}.csv", "a_b_20240102.csv"),
    ],
)
def test_objects_of_every_shape_are_partitions(app: Any, template: str, key: str) -> None:
    data = app.s3("data", f"s3://lake/in/{template}", completion=dsl.ITSELF)
    app.create_data("load", inputs=[data])
    [run] = Keys(Simulator(app), "in").put(key)
    assert run.inputs["data"].paths == [f"s3://lake/in/{key}"]


@pytest.mark.parametrize(
    "key",
    [
        "orders_20240101.csv.tmp", "orders_20240101.CSV", "returns_20240101.csv", "orders_20240101.csv/_SUCCESS",
        "sub/orders_20240101.csv", "_SUCCESS", "orders_20240132.csv",
    ],
)  # fmt: skip
def test_neighbours_of_the_object_are_no_partitions(app: Any, key: str) -> None:
    orders = app.s3("orders", "s3://lake/in/orders_{day:%Y%m%d}.csv", completion=dsl.ITSELF)
    app.create_data("load", inputs=[orders])
    assert Keys(Simulator(app), "in").put(key) == []


@pytest.mark.parametrize("order", list(permutations(["20240228", "20240229", "20240301"])), ids="-".join)
def test_a_checked_window_of_objects(app: Any, order: tuple[str, ...]) -> None:
    orders = app.s3("orders", "s3://lake/in/orders_{day:%Y%m%d}.csv", completion=dsl.ITSELF)
    app.create_data("load", inputs=[orders[:-3].range_check(True)])
    keys = Keys(Simulator(app), "in")
    [run] = [run for day in order for run in keys.put(f"orders_{day}.csv")]
    assert below(run, "orders", "in") == [
        "orders_20240301.csv", "orders_20240229.csv", "orders_20240228.csv",
    ]  # fmt: skip


@pytest.mark.parametrize("completion", ["_SUCCESS", None])
@pytest.mark.parametrize("name", ["orders_{day:%Y%m%d}.csv", "{day:%Y-%m-%d}.parquet", "{day:%Y}/data.json"])
def test_a_template_that_ends_like_a_file_is_an_error_that_offers_itself(
    app: Any, completion: str | None, name: str
) -> None:
    with rejected("orders", hint="ITSELF"):
        app.s3("orders", f"s3://lake/in/{name}", completion=completion)


def test_a_template_of_a_date_with_dots_is_no_file(app: Any) -> None:
    app.create_data("load", inputs=[app.s3("orders", "s3://lake/in/{day:%d.%m.%Y}")])
    assert len(Keys(Simulator(app), "in").put("02.01.2024/_SUCCESS")) == 1


# ── completion names ──────────────────────────────────────────────────────────────────────────────────


def completed_by(app: Any, completion: Any, template: str = "{day:%Y-%m-%d}") -> Keys:
    orders = app.s3("orders", f"s3://lake/in/{template}", completion=completion)
    app.create_data("load", inputs=[orders])
    return Keys(Simulator(app), "in")


@pytest.mark.parametrize(
    ("completion", "template", "key"),
    [
        ("*.csv", "{day:%Y-%m-%d}", "2024-01-01/a.csv"),
        ("part-?.parquet", "{day:%Y-%m-%d}", "2024-01-01/part-0.parquet"),
        ("orders_{day}.done", "{day:%Y-%m-%d}", "2024-01-01/orders_2024-01-01.done"),
        ("orders_{day}.done", "{day:%d.%m.%Y}", "01.01.2024/orders_01.01.2024.done"),
        ("{region}_{day}.ok", "{region}/{day:%Y%m%d}", "NA/20240101/NA_20240101.ok"),
        (["_SUCCESS", "*.done"], "{day:%Y-%m-%d}", "2024-01-01/x.done"),
        (["_SUCCESS", "*.done"], "{day:%Y-%m-%d}", "2024-01-01/_SUCCESS"),
        ("{region}_*.csv", "{region}/{day:%Y%m%d}", "NA/20240101/NA_7.csv"),
    ],
)
def test_a_completion_name_may_be_a_pattern(app: Any, completion: Any, template: str, key: str) -> None:
    runs = completed_by(app, completion, template).put(key)
    assert len(runs) == 1, f"{key} completes a partition by {completion}"


@pytest.mark.parametrize(
    ("completion", "key"),
    [
        ("*.csv", "2024-01-01/a.txt"),
        ("*.csv", "2024-01-01/a.csv.tmp"),
        ("*.csv", "2024-01-01/sub/a.csv"),
        ("*.csv", "2024-01-01/.csv/_SUCCESS"),
        ("part-?.parquet", "2024-01-01/part-10.parquet"),
        ("part-?.parquet", "2024-01-01/part-0xparquet"),
        ("orders_{day}.done", "2024-01-01/orders_2024-01-02.done"),
        ("orders_{day}.done", "2024-01-01/orders_20240101.done"),
        ("orders_{day}.done", "2024-01-01/orders_{day}.done"),
    ],
)
def test_what_a_pattern_does_not_name_starts_nothing(app: Any, completion: str, key: str) -> None:
    assert completed_by(app, completion).put(key) == [], f"{key} is not named by {completion}"


@pytest.mark.parametrize("completion", ["", ["_SUCCESS", ""]])
def test_an_empty_completion_name_is_an_error(app: Any, completion: Any) -> None:
    with rejected("orders"):
        app.s3("orders", "s3://lake/in/{day:%Y-%m-%d}", completion=completion)


def test_a_completion_name_with_an_unknown_dimension_is_an_error(app: Any) -> None:
    with rejected("dya", hint="day"):
        app.s3("orders", "s3://lake/in/{day:%Y-%m-%d}", completion="orders_{dya}.done")


@pytest.mark.parametrize(
    ("completion", "key"), [("*_SUCCESS", "2024-01-01/_SUCCESS"), ("../*_SUCCESS", "_SUCCESS")]
)
def test_a_pattern_that_writes_the_underscore_matches_a_hidden_marker(
    app: Any, completion: str, key: str
) -> None:
    app.create_data("daily", inputs=[app.s3("sales", "s3://lake/in/{day:%Y-%m-%d}", completion=completion)])
    keys = Keys(Simulator(app), "in")
    assert keys.put("2024-01-01/part-0") == []
    assert len(keys.put(key)) == 1


# ── a marker above ────────────────────────────────────────────────────────────────────────────────────


def marked_above(app: Any, template: str = "{day:%Y-%m-%d}") -> Keys:
    sales = app.s3("sales", f"s3://lake/sales/{template}", completion="../_SUCCESS")
    app.create_data("daily", inputs=[sales])
    return Keys(Simulator(app), "sales")


def test_a_marker_above_announces_every_partition_below_it(app: Any) -> None:
    """► Two day folders and one marker above them: one run each, and none twice."""
    keys = marked_above(app)
    for name in ("2024-01-01/part-0.parquet", "2024-01-01/part-1.parquet", "2024-01-02/part-0.parquet"):
        assert keys.put(name) == [], "data alone announces nothing"
    assert sorted(run.id for run in keys.put("_SUCCESS")) == ["daily/2024-01-01#1", "daily/2024-01-02#1"]
    assert keys.put("_SUCCESS") == [], "nothing is new since the marker came last"


def test_a_marker_above_announces_only_what_is_new_since_it_came_last(app: Any) -> None:
    keys = marked_above(app)
    keys.put("2024-01-01/part-0.parquet")
    keys.put("2024-01-02/part-0.parquet")
    keys.put("_SUCCESS")
    assert keys.put("2024-01-02/part-9.parquet") == []
    assert keys.put("2024-01-03/part-0.parquet") == []
    assert sorted(run.id for run in keys.put("_SUCCESS")) == ["daily/2024-01-02#2", "daily/2024-01-03#1"]


def test_a_marker_above_that_is_delivered_again_announces_nothing(app: Any) -> None:
    keys = marked_above(app)
    keys.put("2024-01-01/part-0.parquet")
    marker = s3_event("lake", "sales/_SUCCESS", time="2024-06-01T00:00:00Z")
    assert len(keys.sim.send(marker)) == 1
    assert keys.sim.send(marker) == []


def test_leftovers_below_a_marker_are_no_new_data(app: Any) -> None:
    keys = marked_above(app)
    for name in ("2024-01-01/_started_1", "2024-01-01/.part-0.crc", "2024-01-01_$folder$", "2024-01-01/"):
        keys.put(name)
    assert keys.put("_SUCCESS") == []


def test_a_marker_above_speaks_for_its_own_branch(app: Any) -> None:
    keys = marked_above(app, "{region}/{day:%Y-%m-%d}")
    keys.put("NA/2024-01-01/part-0.parquet")
    keys.put("EU/2024-01-01/part-0.parquet")
    assert [run.id for run in keys.put("NA/_SUCCESS")] == ["daily/NA/2024-01-01#1"]
    assert [run.id for run in keys.put("EU/_SUCCESS")] == ["daily/EU/2024-01-01#1"]


def test_a_marker_above_a_date_over_levels_stands_one_level_up(app: Any) -> None:
    keys = marked_above(app, "{day:%Y/%m/%d}")
    keys.put("2024/01/01/part-0.parquet")
    assert keys.put("_SUCCESS") == [], "that is three levels up"
    [run] = keys.put("2024/01/_SUCCESS")
    assert below(run, "sales", "sales") == ["2024/01/01"]


def test_a_marker_above_completes_checked_windows(app: Any) -> None:
    sales = app.s3("sales", "s3://lake/sales/{day:%Y-%m-%d}", completion="../_SUCCESS")
    app.create_data("two", inputs=[sales[:-2].range_check(True)])
    keys = Keys(Simulator(app), "sales")
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        keys.put(f"{day}/part-0.parquet")
    assert sorted(run.id for run in keys.put("_SUCCESS")) == ["two/2024-01-02#1", "two/2024-01-03#1"]


def test_a_marker_above_announces_data_that_lies_deeper_than_its_partition(app: Any) -> None:
    keys = marked_above(app)
    for name in (
        "country=US/part-0",
        "country=US/city=NY/part-0",
        "country=__HIVE_DEFAULT_PARTITION__/part-0",
    ):
        assert keys.put(f"2024-01-01/{name}") == []
    [run] = keys.put("_SUCCESS")
    assert below(run, "sales", "sales") == ["2024-01-01"]
    assert keys.put("_SUCCESS") == []
    keys.put("2024-01-01/country=DE/part-0")
    assert [run.id for run in keys.put("_SUCCESS")] == ["daily/2024-01-01#2"]


@pytest.mark.parametrize(
    "name", ["_temporary/0/part-0", "country=US/_temporary/part-0", "country=US/_SUCCESS", "a/"]
)
def test_leftovers_that_lie_deeper_are_no_new_data(app: Any, name: str) -> None:
    keys = marked_above(app)
    keys.put(f"2024-01-01/{name}")
    assert keys.put("_SUCCESS") == []
    assert not keys.sim.rejected


def test_other_data_does_not_lie_deeper_than_its_partition(app: Any) -> None:
    app.create_data("daily", inputs=[app.s3("sales", "s3://lake/in/{day:%Y-%m-%d}", completion=None)])
    assert Keys(Simulator(app), "in").put("2024-01-01/country=US/part-0") == []


# ── any object ────────────────────────────────────────────────────────────────────────────────────────

LEFTOVERS = [
    "2024-01-01/_$folder$",
    "2024-01-01/_started_81",
    "2024-01-01/.part-0.parquet.crc",
    "2024-01-01/_temporary",
    "2024-01-01/_committed_81",
    "2024-01-01/_SUCCESS",
    "2024-01-01/",
    "2024-01-01/sub_$folder$",
    "2024-01-01_$folder$",
]


@pytest.mark.parametrize("name", LEFTOVERS)
def test_a_leftover_announces_nothing(app: Any, name: str) -> None:
    assert completed_by(app, None).put(name) == [], f"{name} is no data"


def test_seven_leftovers_and_one_part_file(app: Any) -> None:
    """► Seven leftovers of Hadoop, Databricks and SFTP and one part file: one run."""
    keys = completed_by(app, None)
    names = [*LEFTOVERS[:4], "2024-01-01/part-0.parquet", *LEFTOVERS[4:7]]
    assert [name for name in names if keys.put(name)] == ["2024-01-01/part-0.parquet"]


def test_a_marker_that_is_asked_for_by_name_may_begin_with_an_underscore(app: Any) -> None:
    assert len(completed_by(app, ["_committed_81"]).put("2024-01-01/_committed_81")) == 1


HIDDEN = [("{name}", "_delta_log/000.json"), ("{name}", "_spark_metadata/0"), ("{name}", ".hive-staging_1/part-0"),
          ("{name}/{day:%Y-%m-%d}", "_temporary/2024-01-01/part-0")]  # fmt: skip


@pytest.mark.parametrize("completion", [None, "*", ["part-*", "*.json", "0"], "../_SUCCESS"])
@pytest.mark.parametrize(("template", "name"), HIDDEN)
def test_a_hidden_folder_is_no_partition(app: Any, template: str, name: str, completion: Any) -> None:
    data = app.s3("data", f"s3://lake/in/{template}", completion=completion)
    app.create_data("load", inputs=[data])
    keys = Keys(Simulator(app), "in")
    named = completion == ["part-*", "*.json", "0"] and name == "_spark_metadata/0"
    assert len(keys.put(name)) == named, "the object's own name is declared, or nothing arrives"
    assert keys.put("_SUCCESS") == keys.put(f"{name.split('/')[0]}/_SUCCESS") == []
    keys.put("NA/2024-01-01/part-0" if "day" in template else "NA/part-0")
    runs = (
        keys.put("NA/_SUCCESS" if "day" in template else "_SUCCESS")
        if completion == "../_SUCCESS"
        else ["a run"]
    )
    assert len(runs) == 1, "what is not hidden arrives"
    assert not keys.sim.rejected


def test_a_folder_that_is_hidden_and_completed_by_name_is_a_partition(app: Any) -> None:
    data = app.s3("data", "s3://lake/in/{name}", completion=["DONE", "*.csv"])
    app.create_data("load", inputs=[data])
    assert len(Keys(Simulator(app), "in").put("_private/DONE")) == 1


def test_a_folder_of_nulls_is_rejected_by_name_and_not_passed_over(app: Any) -> None:
    app.create_data("load", inputs=[app.s3("data", "s3://lake/in/{name}", completion=None)])
    sim = Simulator(app)
    assert Keys(sim, "in").put("__HIVE_DEFAULT_PARTITION__/part-0") == []
    [told] = sim.rejected
    assert "__HIVE_DEFAULT_PARTITION__" in str(told)


# ── quiet time ────────────────────────────────────────────────────────────────────────────────────────


def settling(app: Any, **options: Any) -> Keys:
    data = app.s3("data", "s3://lake/in/{day:%Y-%m-%d}", **options)
    app.create_data("load", inputs=[data])
    return Keys(Simulator(app), "in")


MINUTE = timedelta(minutes=1)


def test_a_partition_arrives_once_nothing_was_written_for_that_long(app: Any) -> None:
    keys = settling(app, completion=None, settle=5 * MINUTE)
    assert keys.put("2024-01-01/part-0") == []
    assert keys.sim.advance(3 * MINUTE) == []
    assert keys.put("2024-01-01/part-1") == []
    assert keys.sim.advance(3 * MINUTE) == [], "six minutes after the first, but three after the last"
    assert [run.id for run in keys.sim.advance(4 * MINUTE)] == ["load/2024-01-01#1"]
    assert keys.sim.advance(60 * MINUTE) == [], "it has arrived once"


def test_a_partition_that_is_written_later_settles_again(app: Any) -> None:
    keys = settling(app, completion=None, settle=5 * MINUTE)
    keys.put("2024-01-01/part-0")
    assert len(keys.sim.advance(10 * MINUTE)) == 1
    assert keys.put("2024-01-01/part-1") == []
    assert [run.id for run in keys.sim.advance(10 * MINUTE)] == ["load/2024-01-01#2"]


def test_partitions_settle_each_for_itself(app: Any) -> None:
    keys = settling(app, completion=None, settle=5 * MINUTE)
    keys.put("2024-01-01/part-0")
    keys.sim.advance(4 * MINUTE)
    keys.put("2024-01-02/part-0")
    assert [run.id for run in keys.sim.advance(3 * MINUTE)] == ["load/2024-01-01#1"]
    assert [run.id for run in keys.sim.advance(4 * MINUTE)] == ["load/2024-01-02#1"]


def test_leftovers_do_not_disturb_the_quiet(app: Any) -> None:
    keys = settling(app, completion=None, settle=5 * MINUTE)
    keys.put("2024-01-01/part-0")
    keys.sim.advance(4 * MINUTE)
    keys.put("2024-01-01/_SUCCESS")
    assert [run.id for run in keys.sim.advance(3 * MINUTE)] == ["load/2024-01-01#1"]


def test_quiet_time_with_a_pattern(app: Any) -> None:
    keys = settling(app, completion="*.csv", settle=5 * MINUTE)
    keys.put("2024-01-01/a.csv")
    keys.put("2024-01-01/b.csv")
    assert [run.id for run in keys.sim.advance(7 * MINUTE)] == ["load/2024-01-01#1"], "two files, one run"


@pytest.mark.parametrize("settle", [timedelta(0), timedelta(minutes=-5)])
def test_a_quiet_time_of_nothing_is_an_error(app: Any, settle: timedelta) -> None:
    with rejected("settle"):
        app.s3("data", "s3://lake/in/{day:%Y-%m-%d}", completion=None, settle=settle)


# ── steps ─────────────────────────────────────────────────────────────────────────────────────────────


def stepped(app: Any, template: str, attributes: dict[str, Any], **options: Any) -> Any:
    return app.s3("data", f"s3://lake/data/{{t:{template}}}", dimensions={"t": attributes}, **options)


GRIDS = [
    ("%Y-%m-%dT%H%M", {"granularity": "MINUTE", "step": 15}, ["2024-03-01T0015", "2024-03-01T0000", "2024-02-29T2345"]),
    ("%Y-%m-%d-%H", {"granularity": "HOUR", "step": 6}, ["2024-03-01-06", "2024-03-01-00", "2024-02-29-18"]),
    ("int", {"step": 10}, ["20", "10", "0"]),
    ("int", {"step": 10, "min": 5}, ["25", "15", "5"]),
    ("%Y-%m-%d", {"step": 2, "min": "2024-02-28"}, ["2024-03-03", "2024-03-01", "2024-02-28"]),
    ("%G-W%V", {"granularity": "WEEK"}, ["2024-W02", "2024-W01", "2023-W52"]),
    ("%G-W%V", {}, ["2021-W01", "2020-W53", "2020-W52"]),
    ("%G-W%V", {"granularity": "WEEK", "step": 2, "min": "2024-W01"}, ["2024-W05", "2024-W03", "2024-W01"]),
    ("%Y-%m-%d", {"granularity": "WEEK"}, ["2024-01-08", "2024-01-01", "2023-12-25"]),
    ("%Y-%m-%d", {"granularity": "WEEK", "week_start": "SUN"}, ["2024-01-07", "2023-12-31", "2023-12-24"]),
    ("%Y-Q%q", {"granularity": "QUARTER"}, ["2024-Q1", "2023-Q4", "2023-Q3"]),
    ("%Y-Q%q", {}, ["2024-Q2", "2024-Q1", "2023-Q4"]),
    ("%Y-%m", {"granularity": "QUARTER"}, ["2024-04", "2024-01", "2023-10"]),
    ("%Y-%m-%d", {"granularity": "MONTH"}, ["2024-03-01", "2024-02-01", "2024-01-01"]),
    ("%Y-%m", {"step": 6, "min": "2023-03"}, ["2024-03", "2023-09", "2023-03"]),
    ("%Y", {"step": 4, "min": "2016"}, ["2024", "2020", "2016"]),
]  # fmt: skip
grids = pytest.mark.parametrize(
    ("template", "attributes", "steps"),
    GRIDS,
    ids=["-".join([template, *map(str, attributes.values())]) for template, attributes, _ in GRIDS],
)


@grids
def test_windows_step_by_the_grid(
    app: Any, template: str, attributes: dict[str, Any], steps: list[str]
) -> None:
    app.create_data("node", inputs=[stepped(app, template, attributes)[:-3]])
    [run] = Keys(Simulator(app), "data").put(f"{steps[0]}/_SUCCESS")
    assert below(run, "data", "data") == steps


@grids
def test_shifts_step_by_the_grid(
    app: Any, template: str, attributes: dict[str, Any], steps: list[str]
) -> None:
    app.create_data("node", inputs=[stepped(app, template, attributes)[-1:]])
    [run] = Keys(Simulator(app), "data").put(f"{steps[0]}/_SUCCESS")
    assert below(run, "data", "data") == [steps[1]]


@grids
def test_links_step_by_the_grid(
    app: Any, template: str, attributes: dict[str, Any], steps: list[str]
) -> None:
    data = stepped(app, template, attributes)
    before = app.s3("before", f"s3://lake/before/{{t:{template}}}", dimensions={"t": attributes})
    app.create_data("node", inputs=[data, before.ref], input_dim_links=[before.t == data.t - 1])
    [run] = Keys(Simulator(app), "data").put(f"{steps[0]}/_SUCCESS")
    assert below(run, "before", "before") == [steps[1]]


@grids
def test_a_checked_window_of_steps_runs_once_in_every_order(
    template: str, attributes: dict[str, Any], steps: list[str]
) -> None:
    # Below ``min`` there is no partition, so no window reaches there: the first partitions have shorter ones.
    whole = [steps, steps[1:], steps[2:]] if "min" in attributes else [steps]
    for order in permutations(steps):
        app: Any = Application("shop")
        app.create_data("node", inputs=[stepped(app, template, attributes)[:-3].range_check(True)])
        keys = Keys(Simulator(app), "data")
        runs = [run for step in order for run in keys.put(f"{step}/_SUCCESS")]
        read = [below(run, "data", "data") for run in runs]
        assert sorted(read) == sorted(whole), f"in the order {order}"


BETWEEN = [
    ("%Y-%m-%dT%H%M", {"granularity": "MINUTE", "step": 15}, "2024-03-01T0007", ["2024-03-01T0000", "2024-03-01T0015"]),
    ("%Y-%m-%d-%H", {"granularity": "HOUR", "step": 6}, "2024-03-01-05", ["2024-03-01-00", "2024-03-01-06"]),
    ("%Y-%m-%d-%H", {"granularity": "HOUR", "step": 6}, "2024-02-29-23", ["2024-02-29-18", "2024-03-01-00"]),
    ("int", {"step": 10}, "14", ["10", "20"]),
    ("int", {"step": 10, "min": 5}, "20", ["15", "25"]),
    ("%Y-%m-%d", {"granularity": "WEEK"}, "2024-01-03", ["2024-01-01", "2024-01-08"]),
    ("%Y-%m-%d", {"granularity": "MONTH"}, "2024-02-29", ["2024-02-01", "2024-03-01"]),
    ("%Y-%m", {"granularity": "QUARTER"}, "2024-12", ["2024-10", "2025-01"]),
    ("%G-W%V", {"step": 2, "min": "2024-W01"}, "2024-W02", ["2024-W01", "2024-W03"]),
]  # fmt: skip


@pytest.mark.parametrize(("template", "attributes", "value", "nearest"), BETWEEN)
def test_a_value_between_steps_is_rejected_with_the_two_nearest(
    app: Any, template: str, attributes: dict[str, Any], value: str, nearest: list[str]
) -> None:
    app.create_data("node", inputs=[stepped(app, template, attributes)])
    sim = Simulator(app)
    assert Keys(sim, "data").put(f"{value}/_SUCCESS") == []
    [told] = sim.rejected
    assert all(text in str(told) for text in nearest), f"{nearest} not said in: {told}"


@pytest.mark.parametrize(("template", "attributes", "value", "nearest"), BETWEEN)
def test_a_value_between_steps_is_an_error_where_it_is_written(
    app: Any, template: str, attributes: dict[str, Any], value: str, nearest: list[str]
) -> None:
    data = stepped(app, template, attributes)
    with rejected(*nearest):
        data[int(value) if template == "int" else value]


@pytest.mark.parametrize("step", [0, -15, "quarter", 1.5])
def test_a_step_is_a_positive_number(app: Any, step: Any) -> None:
    with rejected("step"):
        stepped(app, "%Y-%m-%dT%H%M", {"granularity": "MINUTE", "step": step})


def test_a_step_of_text_is_an_error(app: Any) -> None:
    with rejected("step"):
        app.s3("data", "s3://lake/data/{region}", dimensions={"region": {"step": 2}})


def test_attributes_of_a_dimension_that_the_template_lacks_are_an_error(app: Any) -> None:
    with rejected("wek", hint="week"):
        app.s3("data", "s3://lake/data/{week:%G-W%V}", dimensions={"wek": {"granularity": "WEEK"}})


def test_an_attribute_that_nobody_knows_is_an_error(app: Any) -> None:
    with rejected("granularty", hint="granularity"):
        app.s3("data", "s3://lake/data/{week:%G-W%V}", dimensions={"week": {"granularty": "WEEK"}})


def test_the_week_of_a_day_in_another_year(app: Any) -> None:
    days, weeks = daily(app), app.s3("weeks", "s3://lake/weeks/{week:%G-W%V}")
    app.create_data("node", inputs=[days, weeks.ref], input_dim_links=[weeks.week == days.day.trunc("week")])
    sim = Simulator(app)
    found = {
        day: below(sim.send(days[day])[0], "weeks", "weeks")
        for day in ("2024-12-30", "2024-12-29", "2021-01-03")
    }
    assert found == {"2024-12-30": ["2025-W01"], "2024-12-29": ["2024-W52"], "2021-01-03": ["2020-W53"]}


def test_the_quarter_of_a_day(app: Any) -> None:
    days, quarters = daily(app), app.s3("quarters", "s3://lake/quarters/{quarter:%Y-Q%q}")
    link = quarters.quarter == days.day.trunc("quarter")
    app.create_data("node", inputs=[days, quarters.ref], input_dim_links=[link])
    sim = Simulator(app)
    found = [
        below(sim.send(days[day])[0], "quarters", "quarters")[0]
        for day in ("2024-01-01", "2024-03-31", "2024-04-01", "2024-12-31")
    ]
    assert found == ["2024-Q1", "2024-Q1", "2024-Q2", "2024-Q4"]


def test_a_week_that_the_year_lacks_is_rejected(app: Any) -> None:
    app.create_data("node", inputs=[stepped(app, "%G-W%V", {})])
    sim = Simulator(app)
    assert Keys(sim, "data").put("2024-W53/_SUCCESS") == []
    assert len(sim.rejected) == 1, "2024 has 52 weeks"


# ── calendars ─────────────────────────────────────────────────────────────────────────────────────────


def on_calendar(app: Any, calendar: Any, id: str = "trades") -> Any:
    return app.s3(id, f"s3://lake/{id}/{{day:%Y-%m-%d}}", dimensions={"day": {"calendar": calendar}})


def christmas() -> Any:
    return dsl.Calendar("MON-FRI", holidays=["2024-12-25", "2024-12-26", "2025-01-01"])


@pytest.mark.parametrize(
    ("make", "tip", "read"),
    [
        (lambda: "MON-FRI", "2024-12-30", ["2024-12-30", "2024-12-27", "2024-12-26", "2024-12-25"]),
        (christmas, "2024-12-30", ["2024-12-30", "2024-12-27", "2024-12-24", "2024-12-23"]),
        (christmas, "2025-01-02", ["2025-01-02", "2024-12-31", "2024-12-30", "2024-12-27"]),
        (lambda: "SUN-THU", "2024-12-29", ["2024-12-29", "2024-12-26", "2024-12-25", "2024-12-24"]),
        (lambda: "MON,WED,FRI", "2024-12-30", ["2024-12-30", "2024-12-27", "2024-12-25", "2024-12-23"]),
    ],
    ids=["weekdays", "holidays", "new year", "sunday to thursday", "every other day"],
)
def test_a_window_counts_days_of_the_calendar(app: Any, make: Any, tip: str, read: list[str]) -> None:
    trades = on_calendar(app, make())
    app.create_data("node", inputs=[trades[:-4].range_check(True)])
    sim = Simulator(app)
    *before, last = [run for day in reversed(read) for run in sim.send(trades[day])]
    assert before == []
    assert below(last, "trades", "trades") == read
    assert last.output == {"day": tip}


def test_a_window_forwards_counts_days_of_the_calendar(app: Any) -> None:
    trades = on_calendar(app, christmas())
    app.create_data("node", inputs=[trades[:3]])
    [run] = Simulator(app).send(trades["2024-12-24"])
    assert below(run, "trades", "trades") == ["2024-12-24", "2024-12-27", "2024-12-30"]


def test_the_day_before_is_the_day_before_of_the_calendar(app: Any) -> None:
    trades = on_calendar(app, christmas())
    app.create_data("node", inputs=[trades[-1:]])
    sim = Simulator(app)
    assert below(sim.send(trades["2024-12-27"])[0], "trades", "trades") == ["2024-12-24"]
    assert below(sim.send(trades["2024-12-30"])[0], "trades", "trades") == ["2024-12-27"]


@pytest.mark.parametrize("day", ["2024-12-25", "2024-12-28", "2024-12-29"])
def test_a_day_outside_the_calendar_is_rejected_with_the_reason(app: Any, day: str) -> None:
    app.create_data("node", inputs=[on_calendar(app, christmas())])
    sim = Simulator(app)
    assert Keys(sim, "trades").put(f"{day}/_SUCCESS") == []
    [told] = sim.rejected
    assert day in str(told)
    assert "calendar" in str(told).lower() or "holiday" in str(told).lower(), str(told)


def test_a_day_outside_the_calendar_is_an_error_where_it_is_written(app: Any) -> None:
    trades = on_calendar(app, christmas())
    with rejected("2024-12-25"):
        trades["2024-12-25"]


@pytest.mark.parametrize("calendar", ["MON-FRY", "", "WEEKDAYS"])
def test_a_calendar_that_nobody_knows_is_an_error(app: Any, calendar: str) -> None:
    with pytest.raises(RheoError):
        on_calendar(app, calendar)


def test_a_holiday_that_is_no_date_is_an_error(app: Any) -> None:
    with rejected("2024-13-25"):
        on_calendar(app, dsl.Calendar("MON-FRI", holidays=["2024-13-25"]))


def test_days_of_a_calendar_link_with_days_of_the_week(app: Any) -> None:
    trades, news = on_calendar(app, "MON-FRI"), daily(app, "news")
    app.create_data("node", inputs=[trades, news[:-3].ref])
    [run] = Simulator(app).send(trades["2024-12-30"])
    assert below(run, "news", "news") == ["2024-12-30", "2024-12-29", "2024-12-28"], "news has all days"


# ── values ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("value", [".", "..", "", "a/b", "a\nb", "a\x00b", "a\x7fb"], ids=repr)
def test_what_is_never_a_text_is_an_error_where_it_is_written(app: Any, value: str) -> None:
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    with rejected("region"):
        orders[value]


@pytest.mark.parametrize("value", [".", "..", "", "a\nb", "a\x00b", "a%2Fb", "%2E%2E"], ids=repr)
def test_what_is_never_a_text_is_no_partition(app: Any, value: str) -> None:
    app.create_data("node", inputs=[app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")])
    sim = Simulator(app)
    assert Keys(sim, "orders").put(f"{value}/2024-01-01/_SUCCESS") == []
    assert reasons(sim), f"nothing is said about {value!r}"


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("region={region}/day={day:%Y-%m-%d}", "region=__HIVE_DEFAULT_PARTITION__/day=2024-01-01"),
        ("region={region}/day={day:%Y-%m-%d}", "region=NA/day=__HIVE_DEFAULT_PARTITION__"),
        ("shop={shop:int}", "shop=__HIVE_DEFAULT_PARTITION__"),
    ],
)
def test_the_default_partition_of_hive_is_rejected_by_name(app: Any, template: str, key: str) -> None:
    app.create_data("node", inputs=[app.s3("orders", f"s3://lake/orders/{template}")])
    sim = Simulator(app)
    assert Keys(sim, "orders").put(f"{key}/_SUCCESS") == []
    [told] = sim.rejected
    assert "__HIVE_DEFAULT_PARTITION__" in str(told)


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("year={day:%Y}/month={day:%m}/day={day:%d}", "year=2024/month=03/day=NULL"),
        ("year={day:%Y}/month={day:%m}/day={day:%d}", "year=NULL/month=NULL/day=NULL"),
        ("{day:%Y-%m-%d}-{region}", "NULL-EU"),
        ("dt={day:%Y-%m-%d}/y={day:%Y}", "dt=NULL/y=2024"),
        ("n={n:int}", "n=NULL"),
        ("{region}-{n:int}", "EU-NULL"),
    ],
)
def test_a_null_of_hive_is_rejected_by_name_in_every_layout(app: Any, template: str, key: str) -> None:
    app.create_data("load", inputs=[app.s3("data", f"s3://lake/in/{template}")])
    sim = Simulator(app)
    assert Keys(sim, "in").put(f"{key.replace('NULL', '__HIVE_DEFAULT_PARTITION__')}/_SUCCESS") == []
    [told] = sim.rejected
    assert "__HIVE_DEFAULT_PARTITION__ is how Hive writes null" in str(told)


def hours_of_spark(app: Any, **attributes: Any) -> Any:
    spec = {"hour": {"type": DATETIME, "format": "%Y-%m-%d %H:%M:%S", "granularity": "HOUR", **attributes}}
    return app.marshal_external_data(
        S3Dataset("111122223333", "lake", "events", "hour={}"), "data", spec
    )  # fmt: skip


def test_case_24_an_escaped_timestamp_is_read(app: Any) -> None:
    app.create_data("load", inputs=[hours_of_spark(app)[:-2]])
    [run] = Keys(Simulator(app), "events").put("hour=2024-01-01 05%3A00%3A00/_SUCCESS")
    assert run.inputs["data"].tip == {"hour": "2024-01-01 05:00:00"}


def test_case_24_an_escaped_timestamp_is_written_where_the_dimension_says_so(app: Any) -> None:
    app.create_data("load", inputs=[hours_of_spark(app, escaped=True)[:-2]])
    [run] = Keys(Simulator(app), "events").put("hour=2024-01-01 05%3A00%3A00/_SUCCESS")
    assert below(run, "data", "events") == [
        "hour=2024-01-01 05%3A00%3A00",
        "hour=2024-01-01 04%3A00%3A00",
    ]


def test_an_escaped_text_is_its_plain_value(app: Any) -> None:
    spec = {"name": {"escaped": True}}
    names = app.s3("names", "s3://lake/names/name={name}", dimensions=spec)
    app.create_data("load", inputs=[names])
    [run] = Keys(Simulator(app), "names").put("name=a%3Ab/_SUCCESS")
    assert run.inputs["names"].tip == {"name": "a:b"}
    assert below(run, "names", "names") == ["name=a%3Ab"]


STAMP = {"h": {"granularity": "HOUR"}}


@pytest.mark.parametrize(
    ("template", "key", "value"),
    [
        ("r={r}", "r=a%3Ab", "a:b"),
        ("r={r}", "r=50%25", "50%"),
        ("r={r}", "r=50%", "50%"),
        ("r={r}", "r=a%253Ab", "a%3Ab"),
        ("r={r}/h={h:%Y-%m-%d %H:%M:%S}", "r=50%25/h=2024-01-01 05%3A00%3A00", "50%"),
        ("r={r}/h={h:%Y-%m-%d %H:%M:%S}", "r=a%3Ab/h=2024-01-01 05%3A00%3A00", "a:b"),
        ("r={r}/{h:%Y-%m-%d %H:%M:%S}", "r=a%3Ab/2024-01-01 05%3A00%3A00", "a:b"),
        ("{r}", "a%3Ab", "a%3Ab"),
        ("{r}/{h:%Y-%m-%d %H:%M:%S}", "100%25/2024-01-01 05%3A00%3A00", "100%25"),
        ("{r}/h={h:%Y-%m-%d %H:%M:%S}", "100%/h=2024-01-01 05%3A00%3A00", "100%"),
        ("r={r}-{h:%Y%m%d%H}", "r=a%3Ab-2024010105", "a:b"),
    ],
)
def test_each_text_of_a_key_is_unescaped_by_itself(app: Any, template: str, key: str, value: str) -> None:
    spec = {"dimensions": STAMP} if "{h" in template else {}
    app.create_data("load", inputs=[app.s3("data", f"s3://lake/in/{template}", **spec)])
    keys = Keys(Simulator(app), "in")
    [run] = keys.put(f"{key}/_SUCCESS")
    assert run.inputs["data"].tip["r"] == value
    assert below(run, "data", "in") == [key], "its path is the event's"
    assert not keys.sim.rejected


def test_an_escaped_text_passes_the_filter_and_joins_the_catalog(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/in/r={r}/d={d:%Y-%m-%d}")
    spec = {"r": {"type": dsl.STRING, "d": {"type": DATETIME, "format": "%Y-%m-%d"}}}
    rates = app.glue_table("rates", "sales", "rates", spec)
    app.create_data("one", inputs=[orders["a:b"]])
    app.create_data("both", inputs=[orders, rates])
    sim = Simulator(app)
    assert [run.node for run in Keys(sim, "in").put("r=a%3Ab/d=2024-01-01/_SUCCESS")] == ["one"]
    assert [run.node for run in sim.send(catalog_event("sales", "rates", "[a:b, 2024-01-01]"))] == ["both"]


def test_case_is_kept_beside_what_is_escaped(app: Any) -> None:
    spec = {"r": {"insensitive": True}, **STAMP}
    data = app.s3("data", "s3://lake/in/r={r}/{x}/h={h:%Y-%m-%d %H:%M:%S}", dimensions=spec)
    app.create_data("load", inputs=[data["*"]["*"][:-2]])
    [run] = Keys(Simulator(app), "in").put("r=EU%3A/a=b/h=2024-01-01 05%3A00%3A00/_SUCCESS")
    assert run.inputs["data"].tip == {"r": "EU:", "x": "a=b", "h": "2024-01-01 05:00:00"}
    assert below(run, "data", "in") == [
        "r=EU%3A/a=b/h=2024-01-01 05%3A00%3A00",
        "r=EU%3A/a=b/h=2024-01-01 04%3A00%3A00",
    ]


def test_escapes_in_small_letters_are_read_where_they_are(app: Any) -> None:
    app.create_data("load", inputs=[app.s3("data", "s3://lake/in/r={r}")])
    [run] = Keys(Simulator(app), "in").put("r=a%3ab/_SUCCESS")
    assert run.output == {"r": "a:b"}
    assert below(run, "data", "in") == ["r=a%3ab"]


def test_a_rollup_reads_its_members_as_their_events_spelled_them(app: Any) -> None:
    data = app.s3("data", "s3://lake/in/h={h:%Y-%m-%d %H:%M:%S}", dimensions=STAMP)
    app.create_data("daily", inputs=[data.rollup(h="day")])
    keys = Keys(Simulator(app), "in")
    folders = [f"h=2024-01-01 {hour:02}%3A00%3A00" for hour in range(24)]
    [run] = [run for folder in folders for run in keys.put(f"{folder}/_SUCCESS")]
    assert below(run, "data", "in") == folders


def test_each_member_of_a_rollup_has_its_own_spelling(app: Any) -> None:
    data = app.s3("data", "s3://lake/in/r={r}/{d:%Y-%m-%d}")
    app.create_data("world", inputs=[data.rollup(r=["a:b", "c:d", "de"])])
    keys = Keys(Simulator(app), "in")
    folders = ["r=a%3Ab/2024-01-01", "r=c:d/2024-01-01", "r=de/2024-01-01"]
    [run] = [run for folder in reversed(folders) for run in keys.put(f"{folder}/_SUCCESS")]
    assert below(run, "data", "in") == folders


# ── the catalog ───────────────────────────────────────────────────────────────────────────────────────


def test_names_of_the_catalog_are_lower_case_whatever_was_written(app: Any) -> None:
    table = app.glue_table("orders", "Sales", "Orders", {"day": {"type": DATETIME, "format": "%Y-%m-%d"}})
    app.create_data("node", inputs=[table])
    sim = Simulator(app)
    assert outputs(sim.send(catalog_event("sales", "orders", "[2024-01-01]"))) == [("2024-01-01",)]


def test_a_table_without_partition_keys_arrives_when_it_is_updated(app: Any) -> None:
    app.create_data("node", inputs=[app.glue_table("rates", "sales", "rates")])
    sim = Simulator(app)
    [run] = sim.send(catalog_event("sales", "rates", change="UpdateTable"))
    assert run.output == {}
    assert sim.send(catalog_event("sales", "rates", change="UpdateTable")) == [], "delivered again"
    assert len(sim.send(catalog_event("sales", "rates", change="UpdateTable", id="2"))) == 1
    assert sim.send(catalog_event("sales", "other", change="UpdateTable", id="3")) == []


def test_an_update_of_a_table_with_keys_announces_no_partition(app: Any) -> None:
    table = app.glue_table("orders", "sales", "orders", {"day": {"type": DATETIME, "format": "%Y-%m-%d"}})
    app.create_data("node", inputs=[table])
    assert Simulator(app).send(catalog_event("sales", "orders", change="UpdateTable")) == []


def test_what_the_catalog_has_without_an_event_arrives_once(app: Any) -> None:
    table = app.glue_table("orders", "sales", "orders", {"day": {"type": DATETIME, "format": "%Y-%m-%d"}})
    app.create_data("node", inputs=[table])
    sim = Simulator(app)
    sim.exists(table["2024-01-01"])
    assert outputs(sim.tick()) == [("2024-01-01",)]
    assert sim.tick() == []
    assert sim.advance(timedelta(days=1)) == []


def test_what_arrived_by_an_event_is_not_found_again(app: Any) -> None:
    table = app.glue_table("orders", "sales", "orders", {"day": {"type": DATETIME, "format": "%Y-%m-%d"}})
    app.create_data("node", inputs=[table])
    sim = Simulator(app)
    sim.send(catalog_event("sales", "orders", "[2024-01-01]"))
    sim.exists(table["2024-01-01"])
    assert sim.tick() == []


@pytest.mark.parametrize(("options", "runs"), [({}, []), ({"reconcile": True}, [("2024-01-01",)])])
def test_folders_without_an_event_arrive_where_it_is_asked_for(
    app: Any, options: dict[str, bool], runs: list[tuple[str, ...]]
) -> None:
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", **options)
    app.create_data("node", inputs=[orders])
    sim = Simulator(app)
    sim.exists(orders["2024-01-01"])
    assert outputs(sim.tick()) == runs
    assert sim.tick() == []


def test_a_table_that_is_not_to_be_compared(app: Any) -> None:
    day = {"day": {"type": DATETIME, "format": "%Y-%m-%d"}}
    table = app.glue_table("orders", "sales", "orders", day, reconcile=False)
    app.create_data("node", inputs=[table])
    sim = Simulator(app)
    sim.exists(table["2024-01-01"])
    assert sim.tick() == []


def test_a_lost_deletion_is_found_for_checked_windows(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", reconcile=True)
    app.create_data("two", inputs=[orders[:-2].range_check(True)])
    sim = Simulator(app)
    sim.send(orders["2024-02-28"])
    sim.exists(orders["2024-02-28"], False)
    assert sim.tick() == []
    assert sim.send(orders["2024-02-29"]) == [], "28 was deleted"
    assert outputs(sim.send(orders["2024-02-28"])) == [("2024-02-29",)]
    assert outputs(sim.tick() + sim.send(orders["2024-03-01"])) == [("2024-03-01",)]


# ── deletion ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_checked_window_waits_for_what_was_deleted(app: Any) -> None:
    orders = daily(app, "orders")
    app.create_data("two", inputs=[orders[:-2].range_check(True)])
    keys = Keys(Simulator(app), "orders")
    keys.put("2024-01-01/_SUCCESS")
    keys.delete("2024-01-01/_SUCCESS")
    assert keys.put("2024-01-02/_SUCCESS") == [], "01 was deleted"
    [waiting] = [
        w for w in keys.sim.pending("two") if w.output == "2024-01-02"
    ]  # 01 waits for the day before it
    assert any("2024-01-01" in missing.what for missing in waiting.missing)
    assert [run.id for run in keys.put("2024-01-01/_SUCCESS")] == ["two/2024-01-02#1"]


@pytest.mark.parametrize(
    ("completion", "names"), [(["_SUCCESS", "DONE"], ["_SUCCESS", "DONE"]), ("*.csv", ["a.csv", "b.csv"])]
)
def test_a_partition_that_several_objects_complete_ends_with_the_last_of_them(
    app: Any, completion: Any, names: list[str]
) -> None:
    orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}", completion=completion)
    app.create_data("two", inputs=[orders[:-2].range_check(True)])
    keys = Keys(Simulator(app), "orders")
    for day in ("2024-01-01", "2024-01-11", "2024-01-21"):
        for name in names:
            keys.put(f"{day}/{name}")
    keys.delete(f"2024-01-01/{names[0]}")
    assert outputs(keys.put(f"2024-01-02/{names[0]}")) == [("2024-01-02",)], "the other one stands"
    for name in names:
        keys.delete(f"2024-01-11/{name}")
    assert keys.put(f"2024-01-12/{names[0]}") == []
    assert outputs(keys.put(f"2024-01-11/{names[1]}")) == [("2024-01-12",)]
    keys.delete(f"2024-01-21/{names[0]}")
    keys.sim.exists(orders["2024-01-21"], False)
    assert keys.put(f"2024-01-22/{names[0]}") == [], "storage has neither"


def test_only_the_completion_object_ends_a_partition(app: Any) -> None:
    orders = daily(app, "orders")
    app.create_data("two", inputs=[orders[:-2].range_check(True)])
    keys = Keys(Simulator(app), "orders")
    keys.put("2024-01-01/_SUCCESS")
    keys.delete("2024-01-01/part-0.parquet")
    keys.delete("2024-01-03/_SUCCESS")
    assert [run.id for run in keys.put("2024-01-02/_SUCCESS")] == ["two/2024-01-02#1"]


def test_arrivals_that_were_counted_stay_counted(app: Any) -> None:
    orders, terms = daily(app, "orders"), daily(app, "terms")
    app.create_data("both", inputs=[orders, terms])
    sim = Simulator(app)
    keys = Keys(sim, "orders")
    keys.put("2024-01-01/_SUCCESS")
    keys.delete("2024-01-01/_SUCCESS")
    assert len(sim.send(terms["2024-01-01"])) == 1


def test_a_deletion_starts_nothing(app: Any) -> None:
    app.create_data("node", inputs=[daily(app, "orders")])
    keys = Keys(Simulator(app), "orders")
    assert len(keys.put("2024-01-01/_SUCCESS")) == 1
    assert keys.delete("2024-01-01/_SUCCESS") == []
    assert [run.id for run in keys.put("2024-01-01/_SUCCESS")] == ["node/2024-01-01#2"]


def test_nearest_does_not_choose_what_was_deleted(app: Any) -> None:
    orders, rates = daily(app, "orders"), daily(app, "rates")
    app.create_data("node", inputs=[orders, rates[:-5].ref.nearest()])
    sim = Simulator(app)
    keys = Keys(sim, "rates")
    keys.put("2024-01-01/_SUCCESS")
    keys.put("2024-01-03/_SUCCESS")
    keys.delete("2024-01-03/_SUCCESS")
    [run] = sim.send(orders["2024-01-04"])
    assert below(run, "rates", "rates") == ["2024-01-01"]


def test_a_partition_that_leaves_the_catalog_ends(app: Any) -> None:
    table = app.glue_table("orders", "sales", "orders", {"day": {"type": DATETIME, "format": "%Y-%m-%d"}})
    app.create_data("two", inputs=[table[:-2].range_check(True)])
    sim = Simulator(app)
    sim.send(catalog_event("sales", "orders", "[2024-01-01]", id="1"))
    sim.send(catalog_event("sales", "orders", "[2024-01-01]", change="DeletePartition", id="2"))
    assert sim.send(catalog_event("sales", "orders", "[2024-01-02]", id="3")) == []
    assert outputs(sim.send(catalog_event("sales", "orders", "[2024-01-01]", id="4"))) == [("2024-01-02",)]


def test_an_object_that_is_the_partition_ends_it_when_deleted(app: Any) -> None:
    orders = app.s3("orders", "s3://lake/in/orders_{day:%Y%m%d}.csv", completion=dsl.ITSELF)
    app.create_data("two", inputs=[orders[:-2].range_check(True)])
    keys = Keys(Simulator(app), "in")
    keys.put("orders_20240101.csv")
    keys.delete("orders_20240101.csv")
    assert keys.put("orders_20240102.csv") == []
    assert len(keys.put("orders_20240101.csv")) == 1
