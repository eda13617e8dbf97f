"""Any version of an application after any other, between any two events: nothing raises, nobody else is stopped, and both
ledgers say the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from benchmarks._dynamodb import DynamoDB
from codegen.routes import route_table
from rheo_platforms.lifecycle.changes import asks_otherwise, pending
from rheo_platforms.operations.audit import audit
from rheo_runtime.dynamodb import DynamoLedger, create_table
from rheo_runtime.engine import Engine, Outcome
from rheo_runtime.events import parse
from rheo_runtime.explain import explained
from rheo_runtime.ledger import Ledger
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.program import Program
from rheo_runtime.stale import stale
from rheo_runtime.wire import RouteTable
from rheodsl import DATETIME, STRING, Application, output

from .helpers import s3_event

T: dict[str, Any] = {"compute_targets": "output = None"}
Version = Callable[[Any, Any, Any, Any], None]


def _of(**options: Any) -> Callable[..., None]:
    return lambda app, *inputs, **more: app.create_data("n", list(inputs), **{**T, **options, **more})


def _either(app: Any, inputs: Any, **options: Any) -> None:
    app.create_data("n", [inputs], **T, **options)


VERSIONS: dict[str, Version] = {
    "by day": lambda app, a, b, c: _of()(app, b, c),
    "by day and region": lambda app, a, b, c: _of()(app, c, b, a),
    "by day, any": lambda app, a, b, c: _of(retrigger="any")(app, b, c),
    "by day, updated": lambda app, a, b, c: _of(retrigger="updated")(app, b, c),
    "by day, expiring": lambda app, a, b, c: _of(pending_ttl=timedelta(hours=1))(app, b, c),
    "by day, a window": lambda app, a, b, c: _of()(app, b[:-2].range_check(True), c),
    "by day, turned": lambda app, a, b, c: _of()(app, c, b),
    "by month": lambda app, a, b, c: _of(
        output_dimension_spec={"month": {"type": DATETIME, "format": "%Y-%m"}}, output_dim_links=[output.month == b.day.fmt("%Y-%m")]
    )(app, b, c),
    "plain": lambda app, a, b, c: _of()(app, a, b),
    "turned": lambda app, a, b, c: _of()(app, b, a),
    "three": lambda app, a, b, c: _of()(app, a, b, c),
    "alone": lambda app, a, b, c: _of()(app, a),
    "one region": lambda app, a, b, c: _of()(app, a["EU"]["*"], b),
    "another region": lambda app, a, b, c: _of()(app, a["NA"]["*"], b),
    "a window": lambda app, a, b, c: _of()(app, a["*"][:-2].range_check(True), b),
    "a longer window": lambda app, a, b, c: _of()(app, a["*"][:-3].range_check(True), b),
    "both windows": lambda app, a, b, c: _of()(app, b[:-2].range_check(True), a["*"][:-2].range_check(True)),
    "nearest": lambda app, a, b, c: _of()(app, a, b[:-3].ref.nearest()),
    "any": lambda app, a, b, c: _of(retrigger="any")(app, a, b),
    "never": lambda app, a, b, c: _of(retrigger="never")(app, a, b),
    "updated": lambda app, a, b, c: _of(retrigger="updated")(app, a, b),
    "updated window": lambda app, a, b, c: _of(retrigger="updated")(app, b, a["*"][:-2]),
    "regions": lambda app, a, b, c: _of()(app, a.rollup(region=["NA", "EU"]), b),
    "fewer regions": lambda app, a, b, c: _of()(app, b, a.rollup(region=["EU"])),
    "updated regions": lambda app, a, b, c: _of(retrigger="updated")(app, a.rollup(region=["EU", "NA"])),
    "open regions": lambda app, a, b, c: _of()(app, a.rollup("region", complete=False), b),
    "months": lambda app, a, b, c: _of()(app, a.rollup(day="month", complete=False)),
    "either": lambda app, a, b, c: _either(app, b | c),
    "either turned": lambda app, a, b, c: _either(app, c | b),
    "either windows": lambda app, a, b, c: _either(app, b[:-2].range_check(True) | (b & c.ref) | (b & a["EU"].ref)),
    "both or one": lambda app, a, b, c: _either(app, (b & c) | c),
    "linked otherwise": lambda app, a, b, c: _of(input_dim_links=[a.day == b.day - 1])(app, a, b),
    "linked by text": lambda app, a, b, c: _of(input_dim_links=[a.day.fmt("%d%m%Y") == b.day.fmt("%d%m%Y")])(app, a, b),
    "expiring": lambda app, a, b, c: _of(pending_ttl=timedelta(hours=1))(app, a, b),
    "its past": lambda app, a, b, c: _of()(app, b, output[-1:].ref),
    "another output": lambda app, a, b, c: _of(
        output_dimension_spec={"day": {"type": STRING}}, output_dim_links=[output.day == b.day.fmt("%d%m%Y")]
    )(app, b),
    "gone": lambda app, a, b, c: None,
    "renamed": lambda app, a, b, c: app.create_data("m", [a, b], **T),
}  # fmt: skip
RETYPED: dict[str, dict[str, Any]] = {
    "": {},
    "text": {"day": {"type": STRING}},
    "later": {"day": {"type": DATETIME, "format": "%Y-%m-%d", "min": "2024-01-02"}},
    "workdays": {"day": {"type": DATETIME, "format": "%Y-%m-%d", "calendar": "MON-FRI"}},
}


def routes(version: str, retyped: str = "") -> str:
    app: Any = Application("shop")
    if retyped == "text" and version not in (
        "plain",
        "turned",
        "three",
        "alone",
        "any",
        "updated",
        "either",
        "by day",
        "by day, any",
    ):
        retyped = ""  # what shifts or rolls up needs dates
    a = app.s3("a", "s3://lake/a/{region}/{day:%Y-%m-%d}")
    days = "{day}" if retyped else "{day:%Y-%m-%d}"
    b = app.s3("b", f"s3://lake/b/{days}", **({"dimensions": RETYPED[retyped]} if retyped else {}))
    c = app.s3("c", "s3://lake/c/{day:%Y-%m-%d}")
    if retyped == "text":
        a = app.s3("a_text", "s3://lake/a/{region}/{day}")
        c = app.s3("c_text", "s3://lake/c/{day}")
    VERSIONS[version](app, a, b, c)
    app.create_data("innocent", [app.s3("d", "s3://lake/d/{day:%Y-%m-%d}")[:-2].range_check(True)], **T)
    return route_table(app.graph()).dumps()


class Two:
    """One application on both ledgers."""

    def __init__(self) -> None:
        self.now, self.sent = 1_700_000_000.0, 0
        client: Any = DynamoDB()
        create_table("t", client)
        self.ledgers: list[Ledger] = [MemoryLedger(), DynamoLedger("t", client, lambda: self.now)]
        self.before = ""
        self.deploy(routes("plain"))

    def deploy(self, table: str) -> None:
        parsed = RouteTable.loads(table)
        self.engines = [Engine(parsed, ledger, lambda: self.now) for ledger in self.ledgers]
        if self.before:
            pending(self.before, table, lambda *_: None)
            changed = asks_otherwise(Program(RouteTable.loads(self.before)), self.engines[0].program)
            for engine in self.engines:
                engine.recount()
                assert not engine.recount()
            self.both(lambda engine: engine.catch_up(changed))
        self.before = table

    def both(self, act: Callable[[Engine], Any]) -> list[str]:
        self.now += 1
        found = []
        for engine in self.engines:
            outcomes = acted if isinstance(acted := act(engine), list) else [acted]
            for outcome in outcomes:
                assert not outcome.faults, outcome.faults
                assert not outcome.left
                for document in outcome.fired:
                    engine.complete(document, True)
            merged = {d["id"] for outcome in outcomes for d in outcome.skipped}
            found.append((sorted(d["id"] for outcome in outcomes for d in outcome.fired),
                          sorted(d["id"] for outcome in outcomes for d in outcome.held if d["id"] not in merged),
                          sorted({dropped for outcome in outcomes for dropped in outcome.dropped})))  # fmt: skip
        assert found[0] == found[1]
        return found[0][0]  # type: ignore[return-value]

    def put(self, *keys: str, again: bool = False) -> list[str]:
        """Take events; several come at once."""
        events = []
        for key in keys:
            self.sent += not again
            events += parse(s3_event("lake", f"{key}/_SUCCESS", etag=f"e{self.sent}"))

        def taken(engine: Engine) -> list[Outcome]:
            engine.together(events if len(events) > 1 else ())  # type: ignore[arg-type]
            found = [engine.on_event(event) for event in events]  # type: ignore[arg-type]
            engine.together(())
            return found

        return self.both(taken)

    def look(self) -> None:
        """Whatever people ask for."""
        said = [[str(waiting) for waiting in engine.pending()] for engine in self.engines]
        assert said[0] == said[1]
        for engine in self.engines:
            for made in engine.ledger.outputs():
                if made.node in engine.program.makers:
                    explained(engine, made.node, tuple(made.partition.split("/")))
            stale(engine.program, engine.ledger, lambda signal, partition: self.now)
            found = audit(engine.program, engine.ledger, self.now + 86_400)
            assert not [v for v in found if "cannot be read" in v.what], found


KEYS = [f"a/{region}/2024-01-0{day}" for region in ("NA", "EU") for day in (1, 2, 3)] + [
    f"{signal}/2024-01-0{day}" for signal in "bc" for day in (1, 2, 3)
]
DAYS = [[f"b/2024-01-0{day}", f"c/2024-01-0{day}"] for day in (1, 2, 3)]
STEPS = st.lists(
    st.one_of(
        st.sampled_from(KEYS),
        st.sampled_from(KEYS),
        st.lists(st.sampled_from(KEYS), min_size=2, max_size=4),
        st.sampled_from(DAYS),
        st.tuples(st.sampled_from(list(VERSIONS)), st.sampled_from([*RETYPED, "", ""])),
        st.sampled_from(["again", "tick", "hours", "look"]),
    ),
    min_size=5,
    max_size=40,
)


@given(STEPS)
@examples(60)
def test_any_version_meets_what_any_other_has_left(steps: list[Any]) -> None:
    two, last = Two(), KEYS[0]
    for number, step in enumerate(steps):
        match step:
            case list():
                two.put(*step)
            case (version, retyped):
                two.deploy(routes(version, retyped))
            case "again":
                two.put(last, again=True)
            case "hours":
                two.now += 7200
                two.both(lambda engine: engine.tick())
            case "tick":
                two.both(lambda engine: engine.tick())
            case "look":
                two.look()
            case key:
                last = key
                two.put(key)
        day = f"2024-0{1 + number % 9}-{1 + number // 9 * 3:02}"
        first = two.put(f"d/{day}")
        assert first == []
        assert two.put(f"d/{day[:-2]}{int(day[-2:]) + 1:02}") == [
            f"innocent/{day[:-2]}{int(day[-2:]) + 1:02}#1"
        ]
    two.look()


@pytest.mark.parametrize("version", list(VERSIONS))
def test_the_same_version_again_makes_nothing_again(version: str) -> None:
    """All has come and has run: the version, declared anew and around another one, runs nothing by itself."""
    two = Two()
    two.deploy(routes(version))
    for key in KEYS:
        two.put(key)
    two.deploy(routes(version))
    assert two.both(lambda engine: engine.tick()) == []
    fired = {o.node + "/" + o.partition: o.generation for o in two.ledgers[0].outputs()}
    two.put(KEYS[-1], again=True)
    two.deploy(routes("gone"))
    two.both(lambda engine: engine.tick())
    two.deploy(routes(version))
    two.both(lambda engine: engine.tick())
    assert {o.node + "/" + o.partition: o.generation for o in two.ledgers[0].outputs()} == fired
