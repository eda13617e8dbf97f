"""Events against templates and filters."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rheo_runtime import wire
from rheo_runtime.events import AlarmEvent, GlueEvent, S3Event, SignalEvent, SnsEvent, TimerEvent
from rheo_runtime.match import Literals, Matcher
from rheo_runtime.values import DATETIME, LONG, STRING, Kind, datetime_kind

from .tables import COMPACT, DAY, HOUR, NUMBER, TEXT, signal, table


def found(matcher: Matcher, key: str, bucket: str = "lake") -> list[tuple[str, tuple[object, ...]]]:
    matches, _, _ = matcher.match(S3Event(bucket, key, "e", 0.0))
    return [(match.signal, match.partition) for match in matches]


def refused(matcher: Matcher, key: str) -> list[str]:
    return [f"{r.signal}: {r.reason}" for r in matcher.match(S3Event("lake", key, "e", 0.0))[1]]


def on(template: str, *kinds: Kind, id: str = "s", completion: tuple[str, ...] = ("READY",)) -> wire.Signal:
    dims = tuple(f"d{i}" for i in range(len(kinds)))
    branch = tuple(wire.Rule(kind) for kind in kinds)
    return wire.Signal(id, dims, (branch,), (wire.S3Events("lake", template, completion),), None)


def test_a_number_template() -> None:
    """999/READY is accepted; a part file, a text, a missing segment and a foreign bucket are no match."""
    matcher = Matcher(table([on("data/{}", NUMBER)]))
    assert found(matcher, "data/999/READY") == [("s", (999,))]
    for key in ("data/999/part-000-111.csv", "data/READY", "data/9/9/READY", "other/999/READY", "READY", ""):
        assert found(matcher, key) == []
        assert refused(matcher, key) == []
    assert found(matcher, "data/999/READY", "foreign") == []
    assert found(matcher, "data/abc/READY") == []
    assert refused(matcher, "data/abc/READY") == ["s: 'abc' is no LONG"]


@pytest.mark.parametrize(
    ("template", "key", "partition"),
    [
        ("region={}/day={}", "region=EU/day=2020-03-18", ("EU", 737502)),
        ("a/{}/fixed/{}", "a/EU/fixed/2020-03-18", ("EU", 737502)),
        ("{}-{}", "EU-2020-03-18", ("EU", 737502)),
        ("v1/{}/d-{}.x", "v1/EU/d-2020-03-18.x", ("EU", 737502)),
        ("/{}/{}/", "EU/2020-03-18", ("EU", 737502)),
        ("a.b/{}/{}", "a.b/(.*)/2020-03-18", ("(.*)", 737502)),
    ],
)
def test_forms_of_templates(template: str, key: str, partition: tuple[object, ...]) -> None:
    matcher = Matcher(table([on(template, TEXT, DAY)]))
    assert found(matcher, f"{key}/READY") == [("s", partition)]
    assert found(matcher, f"{key}x/y/READY") == []
    assert found(matcher, f"{key}") == []


def test_literal_parts_must_be_equal() -> None:
    matcher = Matcher(table([on("region={}/v1/{}", TEXT, DAY)]))
    assert found(matcher, "region=EU/v2/2020-03-18/READY") == []
    assert found(matcher, "area=EU/v1/2020-03-18/READY") == []


def test_a_template_without_dimensions() -> None:
    matcher = Matcher(table([on("whole"), on("", id="root")]))
    assert found(matcher, "whole/READY") == [("s", ())]
    assert found(matcher, "READY") == [("root", ())]


def test_completion_objects() -> None:
    signals = [
        on("d/{}", NUMBER, id="one", completion=("A", "B")),
        on("d/{}", NUMBER, id="two", completion=("B",)),
        on("d/{}", NUMBER, id="any", completion=()),
    ]
    matcher = Matcher(table(signals))
    assert [name for name, _ in found(matcher, "d/1/A")] == ["one", "any"]
    assert [name for name, _ in found(matcher, "d/1/B")] == ["one", "two", "any"]
    assert [name for name, _ in found(matcher, "d/1/part-0.csv")] == ["any"]
    assert found(matcher, "d/1/") == [], "a folder marker is no object of the partition"


def test_a_literal_template_beside_a_captured_one() -> None:
    matcher = Matcher(table([on("d/{}", TEXT, id="captured"), on("d/EU", id="literal")]))
    assert sorted(found(matcher, "d/EU/READY")) == [("captured", ("EU",)), ("literal", ())]
    assert found(matcher, "d/NA/READY") == [("captured", ("NA",))]


def test_signals_that_read_one_path_differently() -> None:
    matcher = Matcher(
        table([on("d/{}", DAY, id="iso"), on("d/{}", COMPACT, id="compact"), on("d/{}", TEXT, id="t")])
    )
    assert found(matcher, "d/20200318/READY") == [("compact", (737502,)), ("t", ("20200318",))]
    assert refused(matcher, "d/20200318/READY") == ["iso: '20200318' is no date of format '%Y-%m-%d'"]


def branched(*branches: tuple[wire.Rule, ...]) -> wire.Signal:
    return wire.Signal(
        "s", ("region", "hour"), branches, (wire.S3Events("lake", "d/{}/{}", ("READY",)),), None
    )


def test_branches_read_with_their_own_zone() -> None:
    pst = datetime_kind("%Y-%m-%d-%H", timezone="PST")
    utc = datetime_kind("%Y-%m-%d-%H", timezone="UTC")
    matcher = Matcher(
        table(
            [
                branched(
                    (wire.Rule(TEXT, "NA"), wire.Rule(pst)),
                    (wire.Rule(TEXT, "EU"), wire.Rule(utc)),
                )
            ]
        )
    )
    ((_, na),) = found(matcher, "d/NA/2020-03-18-05/READY")
    ((_, eu),) = found(matcher, "d/EU/2020-03-18-12/READY")
    assert na[1] == eu[1], "05:00 daylight time in Los Angeles is 12:00 UTC"
    assert found(matcher, "d/FE/2020-03-18-05/READY") == []
    assert refused(matcher, "d/FE/2020-03-18-05/READY") == [], "filtered out, not refused"
    assert refused(matcher, "d/NA/noon/READY") == ["s: 'noon' is no date of format '%Y-%m-%d-%H'"]
    assert refused(matcher, "d/FE/noon/READY") == []


def test_why_an_event_came_to_nothing() -> None:
    matcher = Matcher(table([on("data/{}", NUMBER)]))

    def why(bucket: str, key: str) -> str:
        return matcher.match(S3Event(bucket, key, "e", 0.0))[2]

    assert why("foreign", "a") == "no signal is in bucket 'foreign'"
    assert why("lake", "a/b/c/d") == "no signal has a path like s3://lake/a/b/c/d"
    assert why("lake", "data/1/x.csv") == "'x.csv' is no completion object, or its partition is filtered out"
    assert why("lake", "data/1/READY") == ""
    assert why("lake", "data/x/READY") == "", "it is refused, and the refusal says why"


def test_events_of_the_catalog_and_by_name() -> None:
    rules = (wire.Rule(TEXT), wire.Rule(DAY))
    of = wire.Signal("s", ("region", "day"), (rules,), (wire.GlueEvents("db", "t"), wire.SignalEvents("app")))
    matcher = Matcher(table([of]))
    partition = ("EU", 737502)
    for event in (
        GlueEvent("db", "t", ("EU", "2020-03-18"), "e", 0.0),
        SignalEvent("app", "s", ("EU", "2020-03-18"), "e", 0.0),
    ):
        (match,), rejected, why = matcher.match(event)
        assert (match.partition, match.texts, rejected, why) == (partition, ("EU", "2020-03-18"), [], "")
    _, (rejected,), _ = matcher.match(SignalEvent("app", "s", ("EU",), "e", 0.0))
    assert rejected.reason == "1 values for 2 dimensions"
    _, (rejected,), _ = matcher.match(SignalEvent("app", "s", ("EU", "2020-03-18", "x"), "e", 0.0))
    assert rejected.reason == "3 values for 2 dimensions"
    _, (rejected,), _ = matcher.match(SignalEvent("app", "s", ("E/U", "2020-03-18"), "e", 0.0))
    assert rejected.reason == "a text has '/' in it"
    assert "'x'" in matcher.match(SignalEvent("other", "x", (), "e", 0.0))[2]
    assert matcher.match(GlueEvent("db", "u", (), "e", 0.0))[2] == "no signal is on table db.u"


def test_a_timer_is_truncated_and_moved() -> None:
    """Shift -6 days, DAY, fired 2025-05-07T23:00Z -> 2025-05-01."""
    timers = [
        wire.Signal("daily", ("day",), ((wire.Rule(DAY),),), (wire.TimerEvents("daily", -6),)),
        wire.Signal("hourly", ("hour",), ((wire.Rule(HOUR),),), (wire.TimerEvents("hourly", 0),)),
        wire.Signal("also", ("day",), ((wire.Rule(DAY),),), (wire.TimerEvents("daily", 0),)),
    ]
    matcher = Matcher(table(timers))
    time = datetime(2025, 5, 7, 23, 40, tzinfo=UTC).timestamp()
    matches, _, _ = matcher.match(TimerEvent("app", "daily", "e", time))
    assert [(m.signal, m.texts) for m in matches] == [("daily", ("2025-05-01",)), ("also", ("2025-05-07",))]
    (match,), _, _ = matcher.match(TimerEvent("app", "hourly", "e", time))
    assert match.texts == ("2025-05-07 23",)
    assert "other" in matcher.match(TimerEvent("other", "daily", "e", time))[2]
    _, rejected, _ = matcher.match(TimerEvent("app", "daily", "e", 1e18))
    assert [r.signal for r in rejected] == ["daily", "also"]


def test_an_alarm_is_state_and_time() -> None:
    minute = datetime_kind("%Y-%m-%d %H:%M")
    alarm = wire.Signal(
        "hot", ("state", "time"), ((wire.Rule(TEXT, "ALARM"), wire.Rule(minute)),), (wire.AlarmEvents("hot"),)
    )
    matcher = Matcher(table([alarm]))
    (match,), _, _ = matcher.match(AlarmEvent("hot", "ALARM", "e", 1704067261.0))
    assert match.texts == ("ALARM", "2024-01-01 00:01")
    assert matcher.match(AlarmEvent("hot", "OK", "e", 0.0))[0] == []


def test_a_message_of_a_topic() -> None:
    rules = (wire.Rule(TEXT), wire.Rule(DAY))
    matcher = Matcher(table([wire.Signal("s", ("region", "day"), (rules,), (wire.SnsEvents("arn"),))]))
    (match,), _, _ = matcher.match(SnsEvent("arn", {"day": "2020-03-18", "region": "EU", "x": "y"}, "e", 0.0))
    assert match.partition == ("EU", 737502)
    assert matcher.match(SnsEvent("arn", {"day": "2020-03-18"}, "e", 0.0))[2] == "the message has no 'region'"
    assert matcher.match(SnsEvent("arn2", {}, "e", 0.0))[2] == "no signal is on topic 'arn2'"


def test_case_is_folded_and_the_spelling_kept() -> None:
    matcher = Matcher(table([on("d/{}", Kind(STRING, insensitive=True))]))
    (match,), _, _ = matcher.match(S3Event("lake", "d/EWR/READY", "e", 0.0))
    assert (match.partition, match.texts) == (("ewr",), ("EWR",))


def test_one_spelling_for_each_value() -> None:
    matcher = Matcher(table([on("d/{}/{}", Kind(LONG, digits=3), DAY)]))
    assert found(matcher, "d/007/2020-03-18/READY") == [("s", (7, 737502))]
    assert refused(matcher, "d/7/2020-03-18/READY") == ["s: '7' is not how 7 is written here ('007')"]
    assert DAY.type == DATETIME
    assert len(refused(matcher, "d/007/2020-3-18/READY")) == 1


def test_literals_are_looked_up_and_not_scanned() -> None:
    many = Literals([((n, None), f"n{n}") for n in range(1000)] + [((None, "x"), "x"), ((3, "x"), "n3")], 2)
    assert many.find((5, "y")) == ("n5",)
    assert many.find((3, "x")) == ("n3", "x"), "once, although two of its branches let it pass"
    assert many.find((-1, "y")) == ()
    assert Literals[str]([], 2).find((1, 2)) == ()


def test_a_signal_is_looked_up_by_its_template() -> None:
    signals = [signal(f"s{n}", day=DAY) for n in range(200)]
    matcher = Matcher(table(signals))
    assert found(matcher, "s137/2020-03-18/_SUCCESS") == [("s137", (737502,))]
