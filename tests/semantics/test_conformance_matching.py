"""Section 4: from an event to the inputs that it matches."""

from __future__ import annotations

from typing import Any

import pytest

from rheodsl import Application, DataFormat, DimensionType, S3Dataset, SignalIntegrityProtocol
from rheodsl.testing import Simulator

from .helpers import daily, numbered, outputs, regional, s3_event, s3_notification

LONG = {"id": {"type": DimensionType.LONG}}
ANY = {"*": {}}


def external(
    app: Application, id: str, *templates: str, spec: Any, filter: Any, file: Any = "_SUCCESS"
) -> Any:
    return app.marshal_external_data(
        S3Dataset("111122223333", "lake", id, *templates, dataset_format=DataFormat.CSV),
        id,
        spec,
        filter,
        SignalIntegrityProtocol("FILE_CHECK", {"file": file}),
    )


def watched(app: Application, signal: Any) -> Simulator:
    app.create_data("node", inputs=[signal])
    return Simulator(app)


# ── templates ─────────────────────────────────────────────────────────────────────────────────────────


def test_long_template(app: Application) -> None:
    """► LONG template: 999/PARTITION_READY accepted; other object, a string, a missing segment, a foreign bucket not."""
    sim = watched(app, external(app, "data", "{}", spec=LONG, filter=ANY, file="PARTITION_READY"))
    assert outputs(sim.send(s3_event("lake", "data/999/PARTITION_READY"))) == [("999",)]
    assert sim.send(s3_event("lake", "data/999/part-000-111.csv")) == []
    assert sim.send(s3_event("lake", "data/abc/PARTITION_READY")) == []
    assert sim.send(s3_event("lake", "data/PARTITION_READY")) == []
    assert sim.send(s3_event("foreign", "data/999/PARTITION_READY")) == []
    assert len(sim.rejected) == 1, "the string matches the template and fails its cast"
    assert "abc" in str(sim.rejected[0])
    assert len(sim.unmatched) == 3


@pytest.mark.parametrize(
    ("templates", "key"),
    [
        (("{}", "{}"), "data/1/2020-03-18/_SUCCESS"),
        (("region={}", "day={}"), "data/region=1/day=2020-03-18/_SUCCESS"),
        (("region={}/day={}",), "data/region=1/day=2020-03-18/_SUCCESS"),
        (("v2/{}", "fixed", "d-{}.x"), "data/v2/1/fixed/d-2020-03-18.x/_SUCCESS"),
    ],
)
def test_templates_match_segment_by_segment(app: Application, templates: tuple[str, ...], key: str) -> None:
    spec = {
        "region": {"type": DimensionType.LONG, "day": {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"}}
    }
    sim = watched(app, external(app, "data", *templates, spec=spec, filter={"*": {"*": {}}}))
    runs = sim.send(s3_event("lake", key))
    assert outputs(runs) == [("1", "2020-03-18")]
    assert runs[0].inputs["data"].paths == ["s3://lake/" + key.removesuffix("/_SUCCESS")]


@pytest.mark.parametrize(
    "key",
    [
        "data/region=1/_SUCCESS",
        "data/region=1/day=2020-03-18/extra/_SUCCESS",
        "data/day=2020-03-18/region=1/_SUCCESS",
        "data/Region=1/day=2020-03-18/_SUCCESS",
        "data/region=1/day=2020-03-18/_success",
        "data/region=1/day=2020-03-18/_SUCCESS.tmp",
        "data/region=1/day=2020-03-18/_SUCCESS/x",
        "other/region=1/day=2020-03-18/_SUCCESS",
        "x/data/region=1/day=2020-03-18/_SUCCESS",
        "data//region=1/day=2020-03-18/_SUCCESS",
        "region=1/day=2020-03-18/_SUCCESS",
        "_SUCCESS",
    ],
)
def test_other_segments_do_not_match(app: Application, key: str) -> None:
    spec = {
        "region": {"type": DimensionType.LONG, "day": {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"}}
    }
    sim = watched(app, external(app, "data", "region={}/day={}", spec=spec, filter={"*": {"*": {}}}))
    assert sim.send(s3_event("lake", key)) == []
    assert len(sim.unmatched) == 1
    assert len(sim.rejected) == 0


@pytest.mark.parametrize("text", ["2020-3-18", "2020-02-30", "18-03-2020", "2020-03-18x", "x", "2020-03"])
def test_a_date_that_fails_its_cast_is_rejected_with_the_reason(app: Application, text: str) -> None:
    sim = watched(app, daily(app))
    assert sim.send(s3_event("lake", f"days/{text}/_SUCCESS")) == []
    assert len(sim.rejected) == 1
    assert text in str(sim.rejected[0])
    assert len(sim.unmatched) == 0


@pytest.mark.parametrize("text", ["1.5", "one", "1e3", "1_0", " 1", "0x1", "+"])
def test_a_number_that_fails_its_cast_is_rejected_with_the_reason(app: Application, text: str) -> None:
    sim = watched(app, numbered(app, "parts"))
    assert sim.send(s3_event("lake", f"parts/{text}/_SUCCESS")) == []
    assert len(sim.rejected) == 1
    assert text in str(sim.rejected[0])


def test_a_negative_number_is_a_number(app: Application) -> None:
    sim = watched(app, numbered(app, "parts"))
    assert outputs(sim.send(s3_event("lake", "parts/-30/_SUCCESS"))) == [("-30",)]


# ── keys ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("encoded", "value"), [("North+America", "North America"), ("a%26b", "a&b"), ("100%2525", "100%25")]
)
def test_keys_of_notifications_are_decoded_once(app: Application, encoded: str, value: str) -> None:
    sim = watched(app, app.s3("ships", "s3://lake/ships/{region}"))
    assert outputs(sim.send(s3_notification("lake", f"ships/{encoded}/_SUCCESS"))) == [(value,)]


def test_an_encoded_slash_is_a_slash(app: Application) -> None:
    orders = regional(app)
    sim = watched(app, orders)
    assert outputs(sim.send(s3_notification("lake", "orders/1%2F2020-03-18/_SUCCESS"))) == [
        ("1", "2020-03-18")
    ]


# ── completion objects ────────────────────────────────────────────────────────────────────────────────


def test_the_default_completion_object(app: Application) -> None:
    data = app.marshal_external_data(
        S3Dataset("111122223333", "lake", "data", "{}", dataset_format=DataFormat.CSV), "data", LONG, ANY
    )
    sim = watched(app, data)
    assert sim.send(s3_event("lake", "data/1/part-0.csv")) == []
    assert outputs(sim.send(s3_event("lake", "data/1/_SUCCESS"))) == [("1",)]


def test_several_completion_objects(app: Application) -> None:
    sim = watched(app, external(app, "data", "{}", spec=LONG, filter=ANY, file=["_SUCCESS", "DONE"]))
    assert outputs(sim.send(s3_event("lake", "data/1/DONE"))) == [("1",)]
    assert outputs(sim.send(s3_event("lake", "data/2/_SUCCESS"))) == [("2",)]
    assert sim.send(s3_event("lake", "data/3/_DONE")) == []


def test_no_completion_object_means_any_object(app: Application) -> None:
    sim = watched(app, external(app, "data", "{}", spec=LONG, filter=ANY, file=[]))
    assert outputs(sim.send(s3_event("lake", "data/1/part-000.csv"))) == [("1",)]
    assert outputs(sim.send(s3_event("lake", "data/2/a"))) == [("2",)]
    assert sim.send(s3_event("lake", "data/3/_SUCCESS")) == [], "names that begin so are no data"


# ── filters ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_declared_filter_restricts_every_input(app: Application) -> None:
    spec = {
        "region": {"type": DimensionType.LONG, "day": {"type": DimensionType.DATETIME, "format": "%Y-%m-%d"}}
    }
    data = external(app, "data", "{}/{}", spec=spec, filter={"1": {"*": {}}, "2": {"2020-03-18": {}}})
    sim = watched(app, data)
    assert outputs(sim.send(s3_event("lake", "data/1/2020-03-17/_SUCCESS"))) == [("1", "2020-03-17")]
    assert outputs(sim.send(s3_event("lake", "data/2/2020-03-18/_SUCCESS"))) == [("2", "2020-03-18")]
    assert sim.send(s3_event("lake", "data/2/2020-03-17/_SUCCESS")) == []
    assert sim.send(s3_event("lake", "data/3/2020-03-18/_SUCCESS")) == []


def test_then_the_filters_of_the_view_apply(app: Application) -> None:
    orders = regional(app)
    app.create_data("one", inputs=[orders[1]["2020-03-18"]])
    sim = Simulator(app)
    assert sim.send(s3_event("lake", "orders/1/2020-03-17/_SUCCESS")) == []
    assert sim.send(s3_event("lake", "orders/2/2020-03-18/_SUCCESS")) == []
    assert len(sim.send(s3_event("lake", "orders/1/2020-03-18/_SUCCESS"))) == 1


def test_an_event_that_matches_no_input_is_counted_and_dropped(app: Application) -> None:
    orders = regional(app)
    app.create_data("one", inputs=[orders[1]])
    sim = Simulator(app)
    sim.send(s3_event("lake", "orders/2/2020-03-18/_SUCCESS"))
    sim.send(s3_event("lake", "nothing/like/it"))
    assert len(sim.unmatched) == 2
    assert len(sim.rejected) == 0


def test_a_bad_event_never_affects_another(app: Application) -> None:
    orders = regional(app)
    app.create_data("daily", inputs=[orders])
    sim = Simulator(app)
    good = s3_notification("lake", "orders/1/2020-03-18/_SUCCESS")["Records"][0]
    bad = s3_notification("lake", "orders/x/2020-03-18/_SUCCESS")["Records"][0]
    assert outputs(sim.send({"Records": [bad, good]})) == [("1", "2020-03-18")]
    assert len(sim.rejected) == 1


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": []},
        {"Records": [{}]},
        {"source": "aws.s3"},
        {"source": "aws.s3", "detail": None},
        {"detail": {"bucket": 3}},
    ],
)
def test_an_event_that_is_none_raises_nothing(app: Application, event: dict[str, Any]) -> None:
    sim = watched(app, daily(app))
    assert sim.send(event) == []


def test_one_event_may_match_many_inputs(app: Application) -> None:
    orders = regional(app)
    for region in (1, 2):
        app.create_data(f"node_{region}", inputs=[orders[region]])
    app.create_data("node_any", inputs=[orders])
    sim = Simulator(app)
    assert sorted(run.node for run in sim.send(orders[2]["2020-03-18"])) == ["node_2", "node_any"]


def test_two_datasets_may_share_a_folder(app: Application) -> None:
    app.create_data("by_number", inputs=[app.s3("numbers", "s3://lake/data/{n:int}")])
    app.create_data("by_word", inputs=[app.s3("words", "s3://lake/data/{word}")])
    sim = Simulator(app)
    assert sorted(run.node for run in sim.send(s3_event("lake", "data/7/_SUCCESS"))) == [
        "by_number",
        "by_word",
    ]
    assert [run.node for run in sim.send(s3_event("lake", "data/seven/_SUCCESS"))] == ["by_word"]


# ── attributes of dimensions ──────────────────────────────────────────────────────────────────────────


def test_insensitive_text_joins_without_regard_to_case(app: Application) -> None:
    spec = {"region": {"type": DimensionType.STRING, "insensitive": True}}
    a = external(app, "a", "{}", spec=spec, filter=ANY)
    b = external(app, "b", "{}", spec=spec, filter=ANY)
    app.create_data("joined", inputs=[a, b])
    sim = Simulator(app)
    sim.send(s3_event("lake", "a/na/_SUCCESS"))
    runs = sim.send(s3_event("lake", "b/NA/_SUCCESS"))
    assert len(runs) == 1
    assert runs[0].inputs["a"].paths == ["s3://lake/a/na"], "a path keeps the spelling of its event"
    assert runs[0].inputs["b"].paths == ["s3://lake/b/NA"]


def test_insensitive_filter_values(app: Application) -> None:
    spec = {"region": {"type": DimensionType.STRING, "insensitive": True}}
    a = external(app, "a", "{}", spec=spec, filter=ANY)
    app.create_data("na", inputs=[a["NA"]])
    sim = Simulator(app)
    assert len(sim.send(s3_event("lake", "a/na/_SUCCESS"))) == 1
    assert sim.send(s3_event("lake", "a/eu/_SUCCESS")) == []


def test_digits_pad_the_path(app: Application) -> None:
    spec = {"hour": {"type": DimensionType.LONG, "digits": 2}}
    a = external(app, "a", "h={}", spec=spec, filter=ANY)
    app.create_data("hourly", inputs=[a[:-2]])
    runs = Simulator(app).send(s3_event("lake", "a/h=10/_SUCCESS"))
    assert runs[0].inputs["a"].paths == ["s3://lake/a/h=10", "s3://lake/a/h=09"]


def test_min_bounds_a_dimension(app: Application) -> None:
    spec = {"n": {"type": DimensionType.LONG, "min": 1}}
    a = external(app, "a", "{}", spec=spec, filter=ANY)
    app.create_data("windowed", inputs=[a])
    sim = Simulator(app)
    assert sim.send(s3_event("lake", "a/0/_SUCCESS")) == []
    assert len(sim.send(s3_event("lake", "a/1/_SUCCESS"))) == 1
