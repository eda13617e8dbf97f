"""``app.backfill``: the partitions of a range that are not there, a few at a time, behind live events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.airflow import refusal
from support.examples import examples

from rheo_platforms.operations.backfill import LOOK, Result
from rheo_platforms.operations.names import AskedError, InputsMissingError
from rheo_platforms.operations.planner import Plan
from rheodsl import Application, Batch, output
from rheodsl.errors import FilterError, RheoError, UnknownNameError, ValueCastError

from .lab import Lab

DAYS = [f"2020-03-{day:02}" for day in range(1, 11)]


@pytest.fixture
def lab() -> Lab:
    app = Application("shop")
    orders = app.marshal_external_data(*_orders(), {"NA": {"*": {}}, "EU": {"*": {}}})
    daily = app.create_data("daily", inputs=[orders], compute_targets="output = orders")
    app.create_data("week", inputs=[daily["*"][:-3].range_check(True)], compute_targets="output = daily")
    return Lab(app)


def _orders() -> tuple[Any, str, Any]:
    from rheodsl import S3Dataset

    return (
        S3Dataset(None, "lake", "orders", "{}", "{}"), "orders",
        {"region": {"type": "STRING", "day": {"type": "DATETIME", "format": "%Y-%m-%d"}}},
    )  # fmt: skip


def put(lab: Lab, *regions: str, days: list[str] = DAYS) -> None:
    lab.put(*(lab.app["orders"][region][day] for region in regions for day in days))


def backfill(lab: Lab, node: str, *args: Any, **kwargs: Any) -> Result:
    result = lab.app.backfill(lab.app[node], *args, **kwargs)
    assert isinstance(result, Result)
    return result


def test_a_range_for_all_regions_that_the_filter_names(lab: Lab) -> None:
    put(lab, "NA", "EU")
    result = backfill(lab, "daily", DAYS[0], DAYS[2])
    assert len(result.made) == 6 and not result.failed and not result.lacking
    assert result.made[:2] == [("daily", "EU/2020-03-01"), ("daily", "NA/2020-03-01")]  # by date
    assert str(result) == "made 6, failed 0, inputs missing 0, there already 0"


def test_what_is_there_is_left_as_it_is_unless_asked(lab: Lab) -> None:
    put(lab, "NA")
    backfill(lab, "daily", DAYS[1], dims={"region": "NA"})
    result = backfill(lab, "daily", DAYS[0], DAYS[2], dims={"region": "NA"})
    assert result.there == [("daily", "NA/2020-03-02")]
    assert len(result.made) == 2
    again = backfill(lab, "daily", DAYS[0], DAYS[2], dims={"region": ["NA"]}, again=True)
    assert len(again.made) == 3
    assert lab.states(lab.app["daily"]["NA"][DAYS[1]]) == ["SUCCEEDED", "SUCCEEDED"]


def test_the_view_names_dimensions(lab: Lab) -> None:
    put(lab, "NA")
    result = lab.app.backfill(lab.app["daily"]["NA"], DAYS[0], DAYS[1])
    assert result.made == [("daily", "NA/2020-03-01"), ("daily", "NA/2020-03-02")]


def test_never_more_at_a_time_than_allowed(lab: Lab) -> None:
    put(lab, "NA")
    lab.workers.slow = 3
    backfill(lab, "daily", DAYS[0], DAYS[-1], dims={"region": "NA"}, concurrency=2)
    assert lab.workers.most["daily"] == 2


def test_with_ancestors(lab: Lab) -> None:
    put(lab, "NA")
    result = backfill(lab, "week", DAYS[3], DAYS[5], dims={"region": "NA"}, recursive=True)
    assert [key for key in result.made if key[0] == "week"] == [("week", f"NA/{day}") for day in DAYS[3:6]]
    assert sorted(partition for node, partition in result.made if node == "daily") == [
        f"NA/{d}" for d in DAYS[1:6]
    ]
    assert all(e.endswith("#1") for e in lab.workers.began)


def test_what_lacks_inputs_does_not_stop_the_rest(lab: Lab) -> None:
    put(lab, "NA", days=DAYS[:2])
    result = backfill(lab, "daily", DAYS[0], DAYS[2], dims={"region": "NA"})
    assert len(result.made) == 2
    assert result.lacking == [("daily", "NA/2020-03-03")]
    assert "missing: orders NA/2020-03-03 (s3://lake/orders/NA/2020-03-03): not there" in str(result)


def test_a_failure_does_not_stop_the_rest(lab: Lab) -> None:
    put(lab, "NA")
    lab.airflow.fails = lambda d: d["partition"] == "NA/2020-03-02"
    result = backfill(lab, "daily", DAYS[0], DAYS[2], dims={"region": "NA"})
    assert len(result.made) == 2 and result.failed == [("daily", "NA/2020-03-02")]
    assert "daily/NA/2020-03-02#1 FAILED: compute failed" in str(result)
    lab.airflow.fails = lambda _: False
    assert backfill(lab, "daily", DAYS[0], DAYS[2], dims={"region": "NA"}).made == result.failed


def test_a_plan(lab: Lab) -> None:
    put(lab, "NA", days=DAYS[1:])
    plan = lab.app.backfill(lab.app["daily"]["NA"], DAYS[0], DAYS[2], dry_run=True)
    assert isinstance(plan, Plan)
    assert [step.partition for step in plan.steps] == ["NA/2020-03-02", "NA/2020-03-03"]
    assert "1 cannot be made; missing:" in str(plan)
    assert lab.airflow.runs == []


def test_live_executions_go_first(lab: Lab) -> None:
    """While one that an event has started waits for Airflow, nothing more of its node is started."""
    put(lab, "NA", "EU")
    lab.workers.slow = 5
    live = lab.app["daily"]["EU"][DAYS[0]]

    def arrive() -> None:
        lab.airflow.down = refusal(503)
        lab.app.process(lab.app["orders"]["EU"][DAYS[0]])
        lab.airflow.down = None

    def daily() -> int:
        return sum(run.told[0]["node"] == "daily" for run in lab.airflow.runs)

    started: list[int] = []
    lab.later = [lambda: None, arrive, *([lambda: started.append(daily())] * int(3 * LOOK))]
    lab.later.append(lambda: lab.app.kill(live) and None)
    result = backfill(lab, "daily", DAYS[0], DAYS[-1], dims={"region": "NA"}, concurrency=1)
    assert len(result.made) == 10
    looked = int(LOOK) + 5  # the last one started before it was looked
    assert len(set(started[looked:])) == 1, "held back while the live one waits"


def test_values_that_the_ledger_has_seen() -> None:
    app = Application("seen")
    flights = app.s3("flights", "s3://lake/flights/{origin}/{day:%Y-%m-%d}")
    first = app.create_data("first", inputs=[flights], compute_targets="output = flights")
    app.create_data("second", inputs=[first], compute_targets="output = first")
    lab = Lab(app)
    with pytest.raises(AskedError, match="nothing tells the values of origin of second"):
        backfill(lab, "second", DAYS[0])
    for origin in ("EWR", "JFK"):
        lab.put(flights[origin][DAYS[0]], flights[origin][DAYS[1]])
        app.process(flights[origin][DAYS[0]])
    lab.workers.settle()
    assert backfill(lab, "first", DAYS[1]).made == [("first", "EWR/2020-03-02"), ("first", "JFK/2020-03-02")]
    lab.workers.settle()
    there = backfill(lab, "second", DAYS[0], DAYS[1]).there
    assert sorted(there) == [("second", f"{o}/{d}") for o in ("EWR", "JFK") for d in DAYS[:2]]


def test_months_and_hours() -> None:
    app = Application("steps")
    months = app.s3("months", "s3://lake/months/{month:%Y-%m}")
    hours = app.s3("hours", "s3://lake/hours/{at:%Y-%m-%d-%H}")
    app.create_data("monthly", inputs=[months], compute_targets="output = months")
    app.create_data("hourly", inputs=[hours], compute_targets="output = hours")
    app.create_data("total", inputs=[months], output_dimension_spec={}, compute_targets="output = months")
    lab = Lab(app)
    lab.put(*(months[f"2020-{m:02}"] for m in range(1, 13)), months["2021-01"])
    lab.put(*(hours[f"2020-01-01-{h:02}"] for h in range(24)))
    monthly = backfill(lab, "monthly", "2020-11", "2021-01").made
    assert [p for n, p in monthly if n == "monthly"] == ["2020-11", "2020-12", "2021-01"]
    assert len(backfill(lab, "hourly", "2020-01-01-22", "2020-01-01-23").made) == 2
    with pytest.raises(AskedError, match="total has no date"):
        backfill(lab, "total", "2020-01")


def test_what_makes_no_sense(lab: Lab) -> None:
    with pytest.raises(AskedError, match="daily needs a range of day"):
        backfill(lab, "daily")
    with pytest.raises(AskedError, match="ends before it begins"):
        backfill(lab, "daily", DAYS[2], DAYS[1])
    with pytest.raises(ValueCastError, match=r"daily.day cannot be 'May'"):
        backfill(lab, "daily", "May")
    with pytest.raises(UnknownNameError, match="no dimension 'regio'"):
        backfill(lab, "daily", DAYS[0], dims={"regio": "NA"})
    with pytest.raises(FilterError, match="has a window"):
        lab.app.backfill(lab.app["daily"]["*"][:-3], DAYS[0])
    with pytest.raises(AskedError, match="partitions"):
        backfill(lab, "daily", "1000-01-01", "2020-01-01")


@examples(40)
@given(st.sets(st.integers(0, 9)), st.integers(0, 40), st.integers(1, 4))
def test_an_interrupted_one_goes_on_where_it_was(gone: set[int], steps: int, concurrency: int) -> None:
    """Whenever it is interrupted, the second makes the rest, and no partition is made twice."""
    lab = _lab()
    put(lab, "NA", days=[day for i, day in enumerate(DAYS) if i not in gone])

    def interrupt() -> None:
        raise KeyboardInterrupt

    lab.later = [lambda: None] * steps + [interrupt]
    arguments: Any = {"dims": {"region": "NA"}, "concurrency": concurrency}
    try:
        backfill(lab, "daily", DAYS[0], DAYS[-1], **arguments)
    except KeyboardInterrupt:
        backfill(lab, "daily", DAYS[0], DAYS[-1], **arguments)
    for i, day in enumerate(DAYS):
        assert lab.states(lab.app["daily"]["NA"][day]) == ([] if i in gone else ["SUCCEEDED"])


def _lab() -> Lab:
    app = Application("shop")
    orders = app.marshal_external_data(*_orders(), {"*": {"*": {}}})
    app.create_data("daily", inputs=[orders], compute_targets="output = orders")
    return Lab(app)


# --- a node with a batch ---


@pytest.fixture
def batched() -> Lab:
    app = Application("shop")
    orders = app.marshal_external_data(*_orders(), {"NA": {"*": {}}, "EU": {"*": {}}})
    made = {"batch": Batch(max=4, wait=0)}
    daily = app.create_data("daily", inputs=[orders], compute_targets="output = orders", **made)
    app.create_data("each", inputs=[daily], compute_targets="output = daily", batch=Batch(max=100, wait=0))
    return Lab(app)


def test_a_backfill_starts_as_many_at_a_time_as_a_batch_has(batched: Lab) -> None:
    put(batched, "NA", "EU")
    result = backfill(batched, "daily", DAYS[0], DAYS[4], concurrency=2)
    assert len(result.made) == 10 and not result.failed
    told = [run.told[0] for run in batched.airflow.runs]
    assert [len(each["batch"]) for each in told if each["node"] == "daily"] == [4, 4, 2]
    assert batched.workers.most["daily"] == 2, "a batch counts as one"
    assert sorted(batched.workers.began) == sorted(set(batched.workers.began)), "each once"


def test_one_that_fails_in_a_backfill_fails_alone(batched: Lab) -> None:
    put(batched, "NA")
    batched.airflow.fails = lambda document: document["partition"] == f"NA/{DAYS[1]}"
    result = backfill(batched, "daily", DAYS[0], DAYS[3], dims={"region": "NA"})
    assert result.failed == [("daily", f"NA/{DAYS[1]}")]
    assert len(result.made) == 3


def test_ancestors_in_batches_are_made_before_their_readers(batched: Lab) -> None:
    put(batched, "NA")
    result = backfill(batched, "each", DAYS[0], DAYS[3], dims={"region": "NA"}, recursive=True)
    assert len(result.made) == 8 and not result.failed
    began = batched.workers.began
    for day in DAYS[:4]:
        assert began.index(f"daily/NA/{day}#1") < began.index(f"each/NA/{day}#1")
    assert sorted(began) == sorted(set(began)), "each once"
    assert len(batched.airflow.runs) < 8


def test_kill_ends_one_of_a_batch_and_leaves_its_run(batched: Lab) -> None:
    put(batched, "NA")
    for day in DAYS[:3]:
        batched.app.execute(batched.app["daily"]["NA"][day], wait=False)
    batched.workers.slow = 5
    batched.workers.go_on()
    killed = batched.app.kill(batched.app["daily"]["NA"][DAYS[0]])
    assert killed == [f"daily/NA/{DAYS[0]}#1"]
    assert not [call for call in batched.airflow.calls if call["Method"] == "PATCH"], "the others go on"
    batched.workers.settle()
    assert batched.states(batched.app["daily"]["NA"][DAYS[0]]) == ["FAILED"]
    assert batched.states(batched.app["daily"]["NA"][DAYS[1]]) == ["SUCCEEDED"]


@pytest.mark.parametrize("batch", [None, Batch(max=3)])
@pytest.mark.parametrize("regions", [(), ("EU", "NA")])
@pytest.mark.parametrize("again", [False, True])
def test_a_node_that_reads_its_own_past_is_made_one_partition_after_the_other(
    batch: Batch | None, regions: tuple[str, ...], again: bool
) -> None:
    app = Application("bank")
    path = "{region}/{day:%Y-%m-%d}" if regions else "{day:%Y-%m-%d}"
    bookings = app.s3("bookings", f"s3://lake/bookings/{path}", dimensions={"day": {"min": "2024-01-01"}})
    past = output["*"][-1:] if regions else output[-1:]
    balance = app.create_data(
        "balance", [bookings, past.ref.range_check(True)], compute_targets="output = bookings", batch=batch
    )
    lab = Lab(app)
    days = [f"2024-01-0{day}" for day in range(1, 6)]
    for region in regions or (None,):
        lab.put(*((bookings[region][day] if region else bookings[day]) for day in days))
    named: dict[str, Any] = {"dims": {"region": list(regions)}} if regions else {}
    for _ in range(2 if again else 1):
        result = app.backfill(balance, days[0], days[-1], again=again, **named)
        assert isinstance(result, Result) and not result.lacking and not result.failed, str(result)
        made = [partition for _, partition in result.made]
        for region in regions or (None,):
            wanted = [f"{region}/{day}" if region else day for day in days]
            assert [partition for partition in made if partition in wanted] == wanted


def test_what_of_its_own_past_nobody_wants_is_missing() -> None:
    app = Application("bank")
    bookings = app.s3(
        "bookings", "s3://lake/bookings/{day:%Y-%m-%d}", dimensions={"day": {"min": "2024-01-01"}}
    )
    balance = app.create_data(
        "balance", [bookings, output[-1:].ref.range_check(True)], compute_targets="output = bookings"
    )
    lab = Lab(app)
    lab.put(*(bookings[f"2024-01-0{day}"] for day in range(1, 6)))
    plan = app.backfill(balance, "2024-01-03", "2024-01-05", dry_run=True)
    assert not plan.steps and [gap.partition for gap in plan.gaps] == [
        "2024-01-02",
        "2024-01-03",
        "2024-01-04",
    ]


def _dated(app: Any, id: str, **attributes: Any) -> Any:
    return app.s3(
        id, f"s3://lake/{id}/{{day:%Y-%m-%d}}", dimensions={"day": attributes} if attributes else None
    )


def _wanted(app: Any, node: str, *args: Any) -> list[str]:
    plan = app.backfill(app[node], *args, dry_run=True)
    assert isinstance(plan, Plan)
    return [step.partition for step in plan.steps] + [partition for (_, partition), _ in plan.lacking]


@pytest.mark.parametrize("own", [False, True])
def test_the_days_of_a_calendar_alone_are_made(own: bool) -> None:
    app: Any = Application("shop")
    orders = _dated(app, "orders", calendar="MON-FRI")
    spec = {"output_dimension_spec": {"day": {"type": "DATETIME", "format": "%Y-%m-%d"}}} if own else {}
    app.create_data("daily", inputs=[orders], compute_targets="output = orders", **spec)
    Lab(app).put(orders["2024-06-03"])
    found = _wanted(app, "daily", "2024-06-01", "2024-06-09")  # a Saturday, a Sunday
    assert found == ["2024-06-03", "2024-06-04", "2024-06-05", "2024-06-06", "2024-06-07"]
    if not own:
        with pytest.raises(AskedError, match="no partition of daily lies in this range of day"):
            _wanted(app, "daily", "2024-06-01", "2024-06-02")
    with pytest.raises(AskedError, match="ends before it begins"):
        _wanted(app, "daily", "2024-06-02", "2024-06-01")


def test_a_range_is_clipped_to_steps_and_to_the_first_value() -> None:
    app: Any = Application("shop")
    hours = app.s3("hours", "s3://lake/hours/{hour:%Y-%m-%d-%H}", dimensions={"hour": {"step": 6}})
    app.create_data("six", inputs=[hours], compute_targets="output = hours")
    late = _dated(app, "late", min="2024-06-03")
    app.create_data("daily", inputs=[late], compute_targets="output = late")
    Lab(app)
    assert _wanted(app, "six", "2024-06-01-00", "2024-06-01-23") == [
        f"2024-06-01-{h:02}" for h in (0, 6, 12, 18)
    ]
    assert _wanted(app, "daily", "2024-05-30", "2024-06-04") == ["2024-06-03", "2024-06-04"]
    with pytest.raises(ValueCastError):
        _wanted(app, "daily", "soon", "2024-06-04")


def test_the_fires_of_a_timer_alone_are_made() -> None:
    app: Any = Application("shop")
    twice, weekly = (
        app.add_timer("twice", "rate(12 hours)", "hour"),
        app.add_timer("weekly", "cron(0 3 ? * MON *)", "day", time_dimension_shift=-1),
    )
    orders = _dated(app, "orders")
    app.create_data("halves", inputs=[twice], compute_targets="output = 1")
    weeks = app.create_data("weeks", inputs=[weekly], compute_targets="output = 1")
    app.create_data("joined", inputs=[orders, weekly], compute_targets="output = orders")
    app.create_data("three", inputs=[weeks[:-3].range_check(True)], compute_targets="output = 1")
    Lab(app).put(orders["2024-06-03"], orders["2024-06-09"])
    assert _wanted(app, "halves", "2024-06-01 05", "2024-06-02 23") == [
        "2024-06-01 12", "2024-06-02 00", "2024-06-02 12",
    ]  # fmt: skip
    sundays = ["2024-06-02", "2024-06-09", "2024-06-16"]  # the days before the fires
    assert _wanted(app, "weeks", "2024-06-01", "2024-06-16") == sundays
    plan = app.backfill(app["joined"], "2024-06-01", "2024-06-16", dry_run=True)
    assert [step.partition for step in plan.steps] == sundays[1:2]
    assert [partition for (_, partition), _ in plan.lacking] == [sundays[0], sundays[2]]
    whole = app.backfill(app["three"], "2024-06-16", "2024-06-16", dry_run=True, recursive=True)
    steps = [(step.node, step.partition) for step in whole.steps]
    assert sorted(steps[:-1]) == [("weeks", day) for day in sundays] and steps[-1] == ("three", sundays[-1])
    with pytest.raises(AskedError, match="no partition of weeks lies in this range of day"):
        _wanted(app, "weeks", "2024-06-03", "2024-06-08")


def test_an_hour_that_happens_twice_is_made_once() -> None:
    from rheodsl import S3Dataset

    app: Any = Application("shop")
    spec = {"region": {"type": "STRING", "hour": {"type": "DATETIME", "format": "%Y-%m-%d-%H"}}}
    zones = {"NA": {"*": {"timezone": "America/Los_Angeles"}}, "EU": {"*": {"timezone": "Europe/Berlin"}}}
    views = app.marshal_external_data(S3Dataset(None, "lake", "views", "{}", "{}"), "views", spec, zones)
    node = app.create_data("node", inputs=[views], compute_targets="output = views")
    Lab(app).put(views["NA"]["2024-11-03-01"], views["NA"]["2024-11-03-02"])
    plan = app.backfill(node["NA"], "2024-11-03-08", "2024-11-03-10", dry_run=True)
    assert [step.partition for step in plan.steps] == ["NA/2024-11-03-08", "NA/2024-11-03-10"]
    assert not plan.lacking
    with pytest.raises(InputsMissingError, match="its minimum, steps, calendar or clock leave it out"):
        app.execute(node["NA"]["2024-11-03-09"])


def test_a_reference_beyond_the_range_of_dates_is_told() -> None:
    app: Any = Application("shop")
    days = _dated(app, "days")
    after = days.alias("after")
    node = app.create_data(
        "node",
        inputs=[days, after.ref],
        input_dim_links=[after.day == days.day + 1],
        compute_targets="output = days",
    )
    Lab(app).put(days["9999-12-31"])
    why = "a reference of node has no partition for these inputs: '9999-12-31' moved by 1 is out of the range of dates"
    plan = app.backfill(node, "9999-12-31", "9999-12-31", dry_run=True)
    assert not plan.steps and [gap.why for gap in plan.gaps] == [why]
    with pytest.raises(InputsMissingError, match="out of the range of dates"):
        app.execute(node["9999-12-31"])
    with pytest.raises(RheoError, match="out of the range of dates"):
        app.execute(node, [days["9999-12-31"]], dry_run=True)
