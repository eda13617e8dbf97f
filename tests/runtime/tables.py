"""Short spellings of route tables, for tests that need no language."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.engine import Engine, Outcome
from rheo_runtime.ledger import Ledger
from rheo_runtime.memory import MemoryLedger
from rheo_runtime.values import LONG, STRING, Kind, Value, datetime_kind, parse

TEXT, NUMBER, DAY = Kind(STRING), Kind(LONG), datetime_kind()
DMY, COMPACT = datetime_kind("%d-%m-%Y"), datetime_kind("%Y%m%d")
HOUR = datetime_kind("%Y-%m-%d %H")
MONTH = datetime_kind("%Y-%m")
BUCKET = "lake"

Ref = x.Ref
Link = tuple[x.Expr, x.Expr]


def signal(id: str, /, completion: tuple[str, ...] = ("_SUCCESS",), **dims: Kind) -> wire.Signal:
    """A dataset at ``s3://lake/<id>/{}/...``, also fed by name."""
    template = "/".join([id, *["{}"] * len(dims)])
    return wire.Signal(
        id=id,
        dims=tuple(dims),
        branches=(tuple(wire.Rule(kind) for kind in dims.values()),),
        events=(wire.S3Events(BUCKET, template, completion), wire.SignalEvents("app")),
        path=f"s3://{BUCKET}/{template}",
    )


def view(
    of: wire.Signal,
    alias: str | None = None,
    /,
    *,
    mode: str = "",
    tip: tuple[x.Expr, ...] | None = None,
    **rules: Any,
) -> wire.Input:
    """An input: each dimension's literal as written, or its window as (shift, count)."""
    branch = tuple(
        wire.Rule(
            rule.kind,
            value=_value(rules.get(dim), rule.kind),
            window=wire.Window(*rules[dim]) if isinstance(rules.get(dim), tuple) else None,
        )
        for dim, rule in zip(of.dims, of.branches[0], strict=True)
    )
    return wire.Input(alias or of.id, of.id, (branch,), mode, tip)


def _value(rule: Any, kind: Kind) -> Value | None:
    if rule is None or isinstance(rule, tuple):
        return None
    return parse(str(rule), kind)


def route(
    node: str,
    inputs: Sequence[wire.Input],
    links: Sequence[Link] = (),
    /,
    *,
    signals: Sequence[wire.Signal],
    output: dict[str, x.Expr] | None = None,
    **options: Any,
) -> wire.Route:
    """A route; the output is the first input's partition unless given."""
    by_id = {s.id: s for s in signals}
    first = inputs[0]
    values = output if output is not None else {d: Ref(first.alias, d) for d in by_id[first.signal].dims}

    def kind(ref: x.Ref) -> Kind:
        source = next(i for i in inputs if i.alias == ref.input)
        return source.branches[0][by_id[source.signal].dims.index(ref.dim)].kind

    out = wire.Output(
        dims=tuple(values),
        kinds=tuple(x.kind_of(e, kind) for e in values.values()),
        values=tuple(values.values()),
        path="/".join(["s3://lake/out", node, *["{}"] * len(values)]),
    )
    return wire.Route(node, tuple(inputs), tuple(links), out, **options)


def table(signals: Sequence[wire.Signal], *routes: wire.Route) -> wire.RouteTable:
    return wire.RouteTable("app", tuple(signals), tuple(routes))


class Clock:
    """A time that tests set."""

    def __init__(self, time: float) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time


class Bench:
    """An engine with a settable clock, spoken to in texts."""

    def __init__(
        self, routes: wire.RouteTable, ledger: Ledger | None = None, storage: Any = None, start: float = 1e9
    ) -> None:
        # Through the wire, as the listener gets it.
        self.table = wire.RouteTable.loads(routes.dumps())
        self.time = start
        self.engine = Engine(self.table, ledger or MemoryLedger(), lambda: self.time, storage)
        self.engine.instant = True
        self._sent = 0

    def outcome(self, signal: str, *texts: object, id: str | None = None) -> Outcome:
        self._sent += 1
        return self.engine.on_named("app", signal, tuple(map(str, texts)), id or f"e{self._sent}")

    def send(self, signal: str, *texts: object, id: str | None = None) -> list[str]:
        """Send a signal; return the ids of what fired."""
        return ids(self.outcome(signal, *texts, id=id))

    def paths(self, outcome: Outcome, alias: str) -> list[str]:
        (document,) = outcome.fired
        return next(i["paths"] for i in document["inputs"] if i["alias"] == alias)


Make = Callable[..., Bench]  # routes, perhaps with a storage -> a bench on a ledger of its own


def ids(outcome: Outcome) -> list[str]:
    return [document["id"] for document in outcome.fired]


LedgerFactory = Callable[[], Ledger]
