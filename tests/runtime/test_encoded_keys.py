"""Keys of objects as EventBridge may write them, plain or percent-encoded: both are read, in every mode."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheo_platforms.operations.replay import Replay
from rheo_runtime.events import parse
from rheo_runtime.match import Matcher
from rheo_runtime.wire import event_text
from rheodsl import Application
from rheodsl.testing.simulator import Simulator

from .tables import DAY, TEXT, Bench, route, table, view
from .test_events import created
from .test_match import on


def read(matcher: Matcher, key: str) -> tuple[list[tuple[str, tuple[object, ...]]], str]:
    """What a key names, and the id of its event."""
    (event,) = parse(created(key))
    found, _, _ = matcher.match(event)
    return [(one.signal, one.partition) for one in found], matcher.read(event).id  # type: ignore[arg-type]


HIVE = on("orders/day={}", DAY)
PLAIN = [("s", (738886,))]


def test_a_folder_of_hive_is_found_in_both_forms() -> None:
    matcher = Matcher(table([HIVE]))
    assert read(matcher, "orders/day=2024-01-01/READY") == (PLAIN, "READY|e|1704067200.000")
    assert read(matcher, "orders/day%3D2024-01-01/READY") == (PLAIN, "READY|e|1704067200.000|decoded")


def test_what_matches_as_it_stands_is_not_decoded() -> None:
    """An object may well be called a%20b; where both forms name something, the plain one is meant."""
    matcher = Matcher(table([on("orders/{}", TEXT)]))
    assert read(matcher, "orders/a%20b/READY") == ([("s", ("a%20b",))], "READY|e|1704067200.000")


def test_a_key_that_no_encoder_wrote_is_not_decoded() -> None:
    """Another template would match the decoded form."""
    matcher = Matcher(table([on("x y/{}", TEXT)]))
    assert read(matcher, "x%20y/a=%41/READY")[0] == []
    assert read(matcher, "x%20y/a/READY")[0] == [("s", ("a",))]


def test_a_refusal_gives_way_to_what_the_decoded_key_names() -> None:
    """A template for everything, which refuses the encoded text, hides no other."""
    matcher = Matcher(table([on("orders/{}", DAY, id="bare"), HIVE]))
    assert read(matcher, "orders/day%3D2024-01-01/READY")[0] == PLAIN


def test_no_match_names_both_forms() -> None:
    matcher = Matcher(table([HIVE]))
    (event,) = parse(created("stocks/day%3D2024-01-01/READY"))
    why = matcher.match(event)[2]
    assert why == (
        "no signal has a path like s3://lake/stocks/day%3D2024-01-01/READY, "
        "nor, decoded, like s3://lake/stocks/day=2024-01-01/READY"
    )
    (part,) = parse(created("orders/day%3D2024-01-01/part-0"))
    assert matcher.match(part)[2] == "'part-0' is no completion object, or its partition is filtered out"


def test_a_redelivery_counts_once() -> None:
    bench = Bench(table([HIVE], route("daily", [view(HIVE)], signals=[HIVE])))
    again = created("orders/day%3D2024-01-01/READY")
    assert len(bench.engine.on_event(again).fired) == 1
    assert not bench.engine.on_event(again).fired


def shop() -> Application:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/my orders/region={region}/day={day:%Y-%m-%d}")
    app.create_data("daily", inputs=[orders])
    return app


KEY = "my orders/region=ü+%/day=2024-01-01/_SUCCESS"


@pytest.mark.parametrize("key", [KEY, quote(KEY)])
def test_the_simulator_and_its_account(key: str) -> None:
    sim = Simulator(shop())
    (run,) = sim.send(created(key))
    assert run.output == {"region": "ü+%", "day": "2024-01-01"}
    said = str(sim.explain(sim.app["daily"]["ü+%"]["2024-01-01"]))
    assert ("its key came percent-encoded, and is read decoded" in said) == ("%3D" in key)


def test_replay_reads_encoded_keys() -> None:
    lines = list(Replay(shop()).line(1, json.dumps(created(quote(KEY)))))
    assert lines[0] == "1: orders ü+%/2024-01-01 -> daily.orders"


def test_a_deletion_is_read_alike() -> None:
    bench = Bench(table([HIVE], route("daily", [view(HIVE)], signals=[HIVE])))
    raw = created("orders/day%3D2024-01-01/READY") | {"detail-type": "Object Deleted"}
    outcome = bench.engine.on_event(raw)
    assert not outcome.rejected and "exists no more" in str(outcome.unmatched)


def test_the_text_of_an_event() -> None:
    assert event_text("READY|e|1.000") == "READY|e|1.000"


@pytest.mark.random
@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=20)
)
def test_law_a_value_comes_through_the_encoder(value: str) -> None:
    """Hive-style folders need a decoder if they are encoded, and none if not: the value is the same."""
    matcher = Matcher(table([on("orders/name={}", TEXT)]))
    key = f"orders/name={value}/READY"
    assert read(matcher, key)[0] == read(matcher, quote(key))[0]
