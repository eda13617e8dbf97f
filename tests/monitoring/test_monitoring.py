"""The guide's chapter on monitoring, on an application that is deployed: routes, executions, what waits."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from botocore.exceptions import ClientError
from support.airflow import Run
from support.cloud import Cloud

from codegen.compiler import compile_graph
from rheo_platforms.deployment import Deployment
from rheo_platforms.lifecycle.record import Record, Records
from rheo_runtime.engine import Engine
from rheo_runtime.program import Program
from rheo_runtime.storage import AwsStorage
from rheo_runtime.wire import RouteTable
from rheodsl import Application, ApplicationState, SignalNode
from rheodsl.errors import FilterError, StateError, UnknownNameError, ValueCastError
from rheodsl.reports import ComputeState, moment

pytestmark = pytest.mark.slow

# An hour ago: what is older than months is forgotten.
BEGAN = time.time() // 1 - 3600
ORDERS = "s3://lake-of-orders/orders/{region_id:int}/{day:%Y-%m-%d}"
SHIPS = "s3://lake-of-ships/ships/{region}/{ship_day:%d-%m-%Y}"


def shop(cloud: Cloud) -> Application:
    app = Application("shop", platform=cloud)  # type: ignore[arg-type]
    orders, ships = app.s3("orders", ORDERS), app.s3("ships", SHIPS)
    daily = app.create_data(
        "daily",
        inputs=[orders, ships],
        input_dim_links=[
            orders.day == ships.ship_day,
            orders.region_id.map({1: "NA", 2: "EU"}) == ships.region,
        ],
        compute_targets="output = orders",
    )
    app.create_data("monthly", inputs=[daily[1]], compute_targets="output = daily")
    return app


@pytest.fixture
def app(cloud: Cloud) -> Application:
    return shop(cloud)


@pytest.fixture
def deployment(cloud: Cloud, app: Application) -> Deployment:
    return cloud.activate(app)


@pytest.fixture
def engine(deployment: Deployment) -> Engine:
    """What the listener has, at a time that stands still until it is moved."""
    clock = [BEGAN]
    engine = Engine(deployment.routes, deployment.ledger, lambda: clock[0])
    engine.clock = clock  # type: ignore[attr-defined]
    return engine


def told(later: float = 0.0) -> str:
    return moment(datetime.fromtimestamp(BEGAN + later, UTC))


def come(engine: Engine, signal: str, *texts: str, event: str = "", later: float = 0.0) -> list[Any]:
    engine.clock[0] += later  # type: ignore[attr-defined]
    name = event or f"{signal}-{'-'.join(texts)}"
    return engine.on_named("shop", signal, texts, name).fired


# --- the routing table ---


def test_the_routing_table_has_an_entry_for_each_node(app: Application, deployment: Deployment) -> None:
    daily, monthly = app.get_routing_table()
    assert (daily.id, monthly.id) == ("daily", "monthly")
    assert daily.inputs == ("orders", "ships")
    assert "orders.day == ships.ship_day" in daily.links
    assert daily.output == ("region_id = orders.region_id", "day = orders.day")
    assert monthly.inputs == ("daily[1]",)


def test_nothing_is_watched_without_a_platform() -> None:
    with pytest.raises(StateError, match="a has no platform"):
        Application("a").get_routing_table()


# --- routes and executions ---


def test_a_route_is_active_while_something_runs_or_waits(
    app: Application, engine: Engine, cloud: Cloud
) -> None:
    assert app.get_active_routes() == []
    come(engine, "orders", "1", "2020-03-18")
    [record] = app.get_active_routes()
    assert record.route.id == "daily"
    assert record.active_compute_records == ()
    [document] = come(engine, "ships", "NA", "18-03-2020", later=60)
    [record] = app.get_active_routes()
    [execution] = record.active_compute_records
    assert record.pending_nodes == ()
    assert execution.state is ComputeState.READY
    assert execution.execution_id == "daily/1/2020-03-18#1"
    assert execution.dimensions == {"region_id": "1", "day": "2020-03-18"}
    assert execution.path == "s3://rheo-shop/internal_data/daily/1/2020-03-18"
    assert execution.fired == datetime.fromtimestamp(BEGAN + 60, UTC)
    assert execution.run_id is None
    assert [(i.alias, i.partition, i.paths, i.event) for i in execution.inputs] == [
        ("orders", "1/2020-03-18", ("s3://lake-of-orders/orders/1/2020-03-18",), "orders-1-2020-03-18"),
        ("ships", "NA/18-03-2020", ("s3://lake-of-ships/ships/NA/18-03-2020",), "ships-NA-18-03-2020"),
    ]
    cloud.run(engine, document, "run-1")
    assert app.get_active_routes() == []
    assert app.get_active_route("daily").active_compute_records == ()


def test_a_route_is_named_by_its_id_its_node_or_its_entry(app: Application, engine: Engine) -> None:
    come(engine, "orders", "1", "2020-03-18")
    come(engine, "ships", "NA", "18-03-2020")
    by_id = app.get_active_route("daily")
    assert len(by_id.active_compute_records) == 1
    assert app.get_active_route(app["daily"]) == by_id
    assert app.get_active_route(by_id.route) == by_id
    assert app.get_active_route("monthly").active_compute_records == ()
    with pytest.raises(UnknownNameError, match=r"shop runs no node 'daly'") as fault:
        app.get_active_route("daly")
    assert fault.value.hint == "did you mean 'daily'?"


def test_records_are_chosen_by_time_state_number_and_order(
    app: Application, engine: Engine, cloud: Cloud
) -> None:
    for day in range(1, 6):
        come(engine, "orders", "1", f"2020-03-0{day}", later=100)
        [document] = come(engine, "ships", "NA", f"0{day}-03-2020")
        cloud.run(engine, document, f"run-{day}", "FAILED" if day == 3 else "SUCCEEDED" if day < 5 else None)
    start = datetime.fromtimestamp(BEGAN, UTC)

    def days(found: object) -> list[str]:
        return [record.dimensions["day"][-2:] for record in found]  # type: ignore[attr-defined]

    inactive, active = app.get_inactive_compute_records, app.get_active_compute_records
    assert days(inactive("daily")) == ["01", "02", "03", "04"]
    assert days(inactive("daily", ascending=False)) == ["04", "03", "02", "01"]
    assert days(inactive("daily", ascending=False, limit=2)) == ["04", "03"]
    assert days(inactive(state="FAILED")) == ["03"]
    assert days(inactive(state=[ComputeState.SUCCEEDED])) == ["01", "02", "04"]
    assert days(inactive(since=start + timedelta(seconds=200))) == ["02", "03", "04"]
    assert days(inactive(since=start + timedelta(seconds=200), until=start + timedelta(seconds=300))) == [
        "02"
    ]
    assert days(inactive(until=(start + timedelta(seconds=200)).replace(tzinfo=None))) == [
        "01"
    ]  # without a timezone: UTC
    assert days(active()) == ["05"]
    assert days(active("monthly")) == []
    [failed] = inactive(state="FAILED")
    assert (failed.note, failed.run_id) == ("the task compute failed", "run-3")
    with pytest.raises(ValueError, match="BROKEN"):
        inactive(state="BROKEN")


def test_an_execution_behind_another_is_held(app: Application, engine: Engine, cloud: Cloud) -> None:
    come(engine, "orders", "1", "2020-03-18")
    [first] = come(engine, "ships", "NA", "18-03-2020")
    cloud.run(engine, first, "run-1", None)
    come(engine, "orders", "1", "2020-03-18", event="again", later=1)
    come(engine, "ships", "NA", "18-03-2020", event="again")
    states = [(r.execution_id[-2:], r.state) for r in app.get_active_compute_records("daily")]
    assert states == [("#1", "CLAIMED"), ("#2", "HELD")]


# --- what waits ---


def test_what_waits_says_for_what_and_since_when(app: Application, engine: Engine) -> None:
    come(engine, "orders", "1", "2020-03-18", later=5)
    [waiting] = app.get_pending_nodes()
    assert (waiting.route_id, waiting.partition) == ("daily", "1/2020-03-18")
    assert waiting.arrived == {"orders": "1/2020-03-18"}
    assert waiting.since == datetime.fromtimestamp(BEGAN + 5, UTC)
    [missing] = waiting.missing
    assert (missing.alias, missing.signal, missing.partition) == ("ships", "ships", "NA/18-03-2020")
    assert missing.reason == "no ships NA/18-03-2020 has arrived"
    assert app.get_pending_nodes("monthly") == []


# --- why ---


def test_why_a_partition_ran(app: Application, engine: Engine, cloud: Cloud) -> None:
    come(engine, "orders", "1", "2020-03-18")
    [document] = come(engine, "ships", "NA", "18-03-2020", later=60)
    cloud.run(engine, document, "run-1")
    account = app.explain(app["daily"][1]["2020-03-18"])
    assert account == app.explain("daily", 1, date(2020, 3, 18)) == app.explain("daily", "1", "2020-03-18")
    assert account.verdict == "succeeded"
    assert str(account) == (
        "daily 1/2020-03-18 succeeded\n"
        f"  daily/1/2020-03-18#1 fired at {told(60)}; SUCCEEDED at {told(60)} in run run-1\n"
        "    read     orders 1/2020-03-18 by event orders-1-2020-03-18\n"
        "    read     ships NA/18-03-2020 by event ships-NA-18-03-2020\n"
        f"  needs orders 1/2020-03-18: event orders-1-2020-03-18 came at {told()}; its data is not there\n"
        f"  needs ships NA/18-03-2020: event ships-NA-18-03-2020 came at {told(60)}; its data is not there"
    )


def test_why_a_partition_waits(app: Application, engine: Engine, cloud: Cloud) -> None:
    come(engine, "orders", "1", "2020-03-18")
    come(engine, "orders", "1", "2020-03-19")
    cloud.put("s3://lake-of-ships/ships/NA/18-03-2020/_SUCCESS")
    account = app.explain("daily", 1, "2020-03-18")
    assert account.verdict == "waits"
    assert [p.partition for p in account.pending] == ["1/2020-03-18"]
    assert str(account).splitlines()[1:] == [
        f"  waits since {told()}",
        "    arrived  orders 1/2020-03-18",
        "    missing  ships NA/18-03-2020: no ships NA/18-03-2020 has arrived",
        f"  needs orders 1/2020-03-18: event orders-1-2020-03-18 came at {told()}; its data is not there",
        "  needs ships NA/18-03-2020: no event of it has come; its data is there",
    ]


def test_why_a_partition_has_not_run(app: Application, engine: Engine) -> None:
    account = app.explain("daily", 2, "2020-03-18")
    assert account.verdict == "has not run"
    assert str(account) == (
        "daily 2/2020-03-18 has not run\n"
        "  nothing that leads to it waits\n"
        "  needs orders 2/2020-03-18: no event of it has come; its data is not there\n"
        "  needs ships EU/18-03-2020: no event of it has come; its data is not there"
    )
    # Region 3 is in no map of the links, and monthly reads region 1 alone.
    assert "tell ships.region" in app.explain("daily", 3, "2020-03-18").unknown
    assert (
        "the filter of daily in monthly does not let it pass"
        in app.explain("monthly", 2, "2020-03-18").unknown
    )


def test_what_waits_for_others_is_not_told_of_a_partition(cloud: Cloud) -> None:
    """An arrival that does not say which output it is for counts for those alone that are made from it."""
    app = Application("shop", platform=cloud)  # type: ignore[arg-type]
    orders, rates = app.s3("orders", ORDERS), app.s3("rates", "s3://lake/rates/{day:%Y-%m-%d}")
    app.create_data("priced", inputs=[orders, rates], compute_targets="output = orders")
    deployment = cloud.activate(app)
    engine = Engine(deployment.routes, deployment.ledger, lambda: BEGAN)
    engine.on_named("shop", "rates", ("2020-03-18",), "e")  # of which region, only orders will say
    assert [p.partition for p in app.get_pending_nodes()] == [None]
    assert app.explain("priced", 1, "2020-03-18").verdict == "waits"
    account = app.explain("priced", 1, "2020-03-19")
    assert (account.verdict, account.pending) == ("has not run", ())


def test_data_without_the_object_that_completes_it(app: Application, engine: Engine, cloud: Cloud) -> None:
    cloud.put("s3://lake-of-ships/ships/NA/18-03-2020/_DONE")
    cloud.put("s3://lake-of-ships/ships/NA/18-03-2020/part.csv")
    needed = app.explain("daily", 1, "2020-03-18").needs[1]
    assert (needed.stored, needed.lacks) == (False, "its data is there, but _SUCCESS is not: _DONE is")


def test_a_folder_that_may_not_be_read_is_told_as_that() -> None:
    class Refusing:
        def head_object(self, **call: str) -> None:
            raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")

        def list_objects_v2(self, **call: str) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListObjectsV2")

    app = Application("shop")
    orders = app.s3("orders", ORDERS)
    app.create_data("daily", inputs=[orders], compute_targets="output = orders")
    program = Program(RouteTable.loads(compile_graph(app.graph())["routes.json"]))
    said = AwsStorage(Refusing()).lacks(program.signals["orders"], (1, date(2020, 3, 18).toordinal()))
    assert said == ("it may not be looked for: s3:ListBucket on arn:aws:s3:::lake-of-orders is missing")


def test_times_are_told_in_the_zone_of_the_partition(cloud: Cloud) -> None:
    app = Application("shop", platform=cloud)  # type: ignore[arg-type]
    zone = {"*": {"timezone": "America/Los_Angeles"}}
    clicks = app.s3("clicks", "s3://lake/clicks/{hour:%Y-%m-%d-%H}", dimension_filter=zone)
    app.create_data("recent", inputs=[clicks], compute_targets="output = clicks")
    deployment = cloud.activate(app)
    engine = Engine(deployment.routes, deployment.ledger, lambda: BEGAN)
    engine.on_named("shop", "clicks", ("2020-09-13-05",), "e")
    account = app.explain("recent", "2020-09-13-05")
    local = datetime.fromtimestamp(BEGAN, ZoneInfo("America/Los_Angeles"))
    assert f"fired at {local:%Y-%m-%d %H:%M:%S} America/Los_Angeles" in str(account)


def test_an_application_that_is_paused_is_told_as_that(app: Application, deployment: Deployment) -> None:
    records = Records(deployment.session.client("s3"), deployment.bucket, "me", "shop")
    records.write(Record(ApplicationState.PAUSED))
    account = app.explain("daily", 1, "2020-03-18")
    assert account.halted
    assert "the application is PAUSED: its events wait, until rheo resume" in str(account)


def test_an_account_of_what_is_no_partition(app: Application, deployment: Deployment) -> None:
    with pytest.raises(FilterError, match="daily has 2 dimensions, not 1") as few:
        app.explain("daily", 1)
    assert few.value.hint == "give a value for each of region_id, day"
    with pytest.raises(ValueCastError, match=r"daily\.day: '18/03' "):
        app.explain("daily", 1, "18/03")
    with pytest.raises(FilterError, match="names no single partition"):
        app.explain(app["daily"])
    with pytest.raises(UnknownNameError, match="runs no node 'orders'"):
        app.explain("orders", 1, "2020-03-18")


def test_a_node_is_no_more_its_records_stay(app: Application, engine: Engine, cloud: Cloud) -> None:
    come(engine, "orders", "1", "2020-03-18")
    come(engine, "ships", "NA", "18-03-2020")
    smaller = Application("shop", platform=cloud)  # type: ignore[arg-type]
    kept: SignalNode = smaller.s3("orders", ORDERS)
    smaller.create_data("other", inputs=[kept], compute_targets="output = orders")
    cloud.activate(smaller)
    assert [r.route_id for r in smaller.get_active_compute_records()] == ["daily"]
    assert smaller.get_active_routes() == []


# --- correcting ---


def test_an_execution_whose_run_failed_by_hand_is_over(
    app: Application, engine: Engine, cloud: Cloud
) -> None:
    come(engine, "orders", "1", "2020-03-18")
    [document] = come(engine, "ships", "NA", "18-03-2020")
    cloud.run(engine, document, "run-1", None)
    run = Run("shop__daily", "run-1", state="running")
    cloud.airflow.runs.append(run)
    app.update_active_routes_status()
    assert [r.state for r in app.get_active_compute_records()] == ["CLAIMED"]
    run.state = "failed"
    app.update_active_route_status("monthly")
    assert [r.state for r in app.get_active_compute_records()] == ["CLAIMED"]
    app.update_active_route_status("daily")
    assert list(app.get_active_compute_records()) == []
    [record] = app.get_inactive_compute_records("daily")
    assert (record.state, record.note) == ("FAILED", "its run failed")


def test_an_execution_whose_run_is_gone_is_announced_again(
    app: Application, engine: Engine, cloud: Cloud
) -> None:
    come(engine, "orders", "1", "2020-03-18")
    [document] = come(engine, "ships", "NA", "18-03-2020")
    cloud.run(engine, document, "run-1", None)
    app.update_active_routes_status()
    [record] = app.get_active_compute_records()
    assert (record.state, record.run_id) == ("ANNOUNCED", None)
    assert cloud.airflow.calls[-1]["Body"]["partition_key"] == "1/2020-03-18"


def test_an_airflow_that_does_not_answer_is_an_error(app: Application, engine: Engine, cloud: Cloud) -> None:
    come(engine, "orders", "1", "2020-03-18")
    [document] = come(engine, "ships", "NA", "18-03-2020")
    cloud.run(engine, document, "run-1", None)
    cloud.airflow.down = ConnectionError("nobody is at home")
    with pytest.raises(
        StateError, match=r"Airflow does not say what became of daily 1/2020-03-18: .*at home"
    ):
        app.update_active_routes_status()
