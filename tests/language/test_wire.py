"""The route table: JSON and back, the same text each time, and what it refuses to read."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.values import LONG, STRING, Kind, datetime_kind
from rheo_runtime.wire import RouteTable, Rule, Window, WireError

from .test_expr import expressions

names = st.sampled_from(["orders", "ships", "region", "day", "n", "x-y", "été"])
texts = st.text(min_size=1, max_size=8)
kinds = st.one_of(
    st.builds(Kind, st.just(STRING), insensitive=st.booleans(), min=st.none() | texts),
    st.builds(Kind, st.just(LONG), digits=st.none() | st.integers(1, 9), min=st.none() | st.integers(0, 9)),
    st.builds(
        datetime_kind,
        st.sampled_from([None, "%d-%m-%Y", "%Y-%m-%d %H"]),
        timezone=st.sampled_from([None, "PST", "Asia/Tokyo"]),
        min=st.none() | st.integers(700_000, 800_000),
    ),
    st.just(Kind("DATETIME", granularity="DAY", schedule="-6 cron(0 3 ? * 2 *) UTC")),
)
windows = st.builds(Window, st.integers(-9, 9), st.integers(-30, 30).filter(bool))
rules = st.builds(Rule, kinds, st.none() | texts | st.integers(), st.none() | windows)
branches = st.lists(st.lists(rules, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple)
numbers = st.integers(1, 10**7)
events = st.one_of(
    st.builds(wire.S3Events, texts, texts, st.lists(texts, max_size=2).map(tuple)),
    st.builds(wire.GlueEvents, texts, texts),
    st.builds(wire.TimerEvents, texts, st.integers(-9, 9)),
    st.builds(wire.AlarmEvents, texts),
    st.builds(wire.SnsEvents, texts),
    st.builds(wire.SignalEvents, texts),
)
signals = st.builds(
    wire.Signal,
    names,
    st.lists(names, max_size=3).map(tuple),
    branches,
    st.lists(events, max_size=2).map(tuple),
    st.none() | texts,
)
inputs = st.builds(
    wire.Input,
    names,
    names,
    branches,
    st.sampled_from(["", "range_check", "nearest"]),
    st.none() | st.lists(expressions(), max_size=2).map(tuple),
)
outputs = st.builds(
    wire.Output,
    st.lists(names, max_size=2).map(tuple),
    st.lists(kinds, max_size=2).map(tuple),
    st.lists(expressions(), max_size=2).map(tuple),
    st.none() | texts,
)
routes = st.builds(
    wire.Route,
    names,
    st.lists(inputs, max_size=3).map(tuple),
    st.lists(st.tuples(expressions(), expressions()), max_size=2).map(tuple),
    outputs,
    st.sampled_from(["all", "any"]),
    numbers,
    st.none() | numbers,
)
tables = st.builds(
    RouteTable, texts, st.lists(signals, max_size=3).map(tuple), st.lists(routes, max_size=3).map(tuple)
)


@given(tables)
def test_a_table_reads_back_as_itself(table: RouteTable) -> None:
    text = table.dumps()
    again = RouteTable.loads(text)
    assert again == table
    assert again.dumps() == text


def test_every_kind_of_event_has_a_tag() -> None:
    assert set(wire._EVENTS.values()) == set(get_args(wire.Events))


def small() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(
        RouteTable(
            "shop",
            (wire.Signal("days", ("day",), ((Rule(datetime_kind()),),), (wire.SignalEvents("shop"),)),),
            (
                wire.Route(
                    "daily",
                    (wire.Input("days", "days", ((Rule(datetime_kind(), window=Window(0, -7)),),)),),
                    (),
                    wire.Output(("day",), (datetime_kind(),), (x.Ref("days", "day"),), None),
                ),
            ),
        ).dumps()
    )
    return data


def test_the_text_is_plain_and_leaves_defaults_out() -> None:
    assert small() == {
        "version": 1,
        "app": "shop",
        "signals": [
            {
                "id": "days",
                "dims": ["day"],
                "branches": [[{"kind": {"type": "DATETIME", "format": "%Y-%m-%d", "granularity": "DAY"}}]],
                "events": [{"type": "signal", "app": "shop"}],
            }
        ],
        "routes": [
            {
                "node": "daily",
                "inputs": [
                    {
                        "alias": "days",
                        "signal": "days",
                        "branches": [
                            [
                                {
                                    "kind": {"type": "DATETIME", "format": "%Y-%m-%d", "granularity": "DAY"},
                                    "window": {"shift": 0, "count": -7},
                                }
                            ]
                        ],
                    }
                ],
                "links": [],
                "output": {
                    "dims": ["day"],
                    "kinds": [{"type": "DATETIME", "format": "%Y-%m-%d", "granularity": "DAY"}],
                    "values": [["ref", "days", "day"]],
                    "path": None,
                },
            }
        ],
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no route table: "),
        ("5", "no route table: "),
        ("[]", "no route table: "),
        ('{"version": 1}', "no route table: KeyError('app')"),
        ('{"app": "shop"}', "route table of version None; this code reads 1"),
        ('{"version": 2, "app": "shop"}', "route table of version 2; this code reads 1"),
    ],
)
def test_another_text_is_refused(text: str, reason: str) -> None:
    with pytest.raises(WireError) as caught:
        RouteTable.loads(text)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("value", [[], ["ref"], ["ref", "a"], ["evil", "a", "b"], [1], None, "ref"])
def test_a_malformed_expression_is_refused(value: Any) -> None:
    data = small()
    data["routes"][0]["output"]["values"] = [value]
    with pytest.raises(WireError):
        RouteTable.loads(json.dumps(data))


@pytest.mark.parametrize("key", ["id", "dims", "branches", "events"])
def test_a_table_with_a_missing_part_is_refused(key: str) -> None:
    data = small()
    del data["signals"][0][key]
    with pytest.raises(WireError):
        RouteTable.loads(json.dumps(data))


# ── windows and addresses ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("window", "offsets"),
    [
        (Window(0, -3), [0, -1, -2]),
        (Window(0, 3), [0, 1, 2]),
        (Window(-1, -3), [-1, -2, -3]),
        (Window(-1, 1), [-1]),
        (Window(2, -2), [2, 1]),
    ],
)
def test_the_offsets_of_a_window(window: Window, offsets: list[int]) -> None:
    assert list(window.offsets()) == offsets


def test_an_address_reads_as_its_branch_does() -> None:
    long = Kind(LONG)
    iso, european = datetime_kind("%Y-%m-%d"), datetime_kind("%d.%m.%Y")
    signal = wire.Signal(
        "s",
        ("region", "day"),
        ((Rule(long, 1), Rule(iso)), (Rule(long, 2), Rule(european))),
        (),
        "s3://lake/region={}/{}",
    )
    assert signal.address((1, 737502)) == "s3://lake/region=1/2020-03-18"
    assert signal.address((2, 737502)) == "s3://lake/region=2/18.03.2020"
    # One that no branch lets pass reads as the first does.
    assert signal.texts((3, 737502)) == ("3", "2020-03-18")


def test_a_signal_without_data_has_no_address() -> None:
    signal = wire.Signal("t", ("time",), ((Rule(datetime_kind()),),), ())
    assert signal.address((737502,)) is None
