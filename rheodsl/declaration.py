"""What one create_data declares, and what is known of it while it is resolved.

Parameters of ``create_data`` as a user writes them -> what the graph is made of.
A node as it runs -> the declaration that leads to it, so that it can be changed and built on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import product
from typing import Any

from rheo_runtime import expr as x
from rheo_runtime.expr import Expr
from rheo_runtime.values import Kind, render
from rheodsl import ir
from rheodsl.alternatives import Alternatives
from rheodsl.compute import BatchCompute, Compute, InlinedCompute
from rheodsl.dimensions import Spec
from rheodsl.errors import GraphWarning, LinkError, RheoError, SourceLocation, SpecError, TraceError, here
from rheodsl.expressions import OUTPUT, DimensionExpr, Links, OutputDims, link, raw_literal, trace
from rheodsl.own_past import OwnPast
from rheodsl.signals import RANGE_CHECK, View
from rheodsl.words import knows_its_words, own_data


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the user wrote in one create_data, its functions already traced.

    ``alternatives`` are the positions of the inputs that each names; none where all are needed.
    """

    id: str
    inputs: tuple[tuple[str | None, View], ...] = ()
    own: tuple[OwnPast, ...] = ()
    links: tuple[ir.Link, ...] = ()
    output_spec: Spec | None = None
    output_links: tuple[ir.Link, ...] = ()
    computes: tuple[Any, ...] = ()
    hooks: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    options: ir.Options = ir.Options()
    data: ir.DataFormatSpec = ir.DataFormatSpec()
    metadata: ir.Metadata = ()
    where: SourceLocation | None = None
    checks: tuple[ir.Check, ...] = ()
    alternatives: tuple[tuple[int, ...], ...] = ()


@dataclass
class Work:
    """One resolution: what is known so far, and the faults."""

    declared: Declaration
    inputs: dict[str, ir.Input] = field(default_factory=dict)
    signals: dict[str, ir.Signal] = field(default_factory=dict)
    by_signal: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[x.Ref, Kind] = field(default_factory=dict)
    faults: list[RheoError] = field(default_factory=list)
    warnings: list[GraphWarning] = field(default_factory=list)

    def kind(self, expr: Expr) -> Kind:
        return x.kind_of(expr, self.kinds.__getitem__)

    def facade(self, expr: Expr) -> DimensionExpr:
        return DimensionExpr(expr, self.kinds)

    def fault(
        self, kind: type[RheoError], what: str, hint: str | None = None, where: SourceLocation | None = None
    ) -> None:
        self.faults.append(kind(f"{self.declared.id}: {what}", where=where or self.declared.where, hint=hint))

    def triggers(self) -> list[str]:
        return [alias for alias, i in self.inputs.items() if not i.reference]


Inputs = Sequence[View | OwnPast | Alternatives] | Mapping[str, View | OwnPast] | View | Alternatives | None
Named = tuple[tuple[str | None, View], ...]
DimLinks = Sequence[Any] | Links | None
ComputeTarget = Compute | str | Callable[..., Any]


def read_inputs(id: str, inputs: Inputs) -> tuple[Named, tuple[OwnPast, ...], tuple[tuple[int, ...], ...]]:
    """Return views with the aliases that a dict gives them, the node's own past, and the alternatives.

    Raises SpecError.
    """
    if inputs is None:
        return (), (), ()
    if isinstance(inputs, View | Alternatives):
        inputs = [inputs]
    if isinstance(inputs, str) or not isinstance(inputs, Iterable):
        raise SpecError(f"{id}: {inputs!r} is no list of inputs", hint="write inputs=[orders, ships[1]]")
    pairs = list(inputs.items()) if isinstance(inputs, Mapping) else [(None, view) for view in inputs]
    views: list[tuple[str | None, View]] = []
    own: list[OwnPast] = []
    ways: list[list[tuple[int, ...]]] = []
    for alias, view in pairs:
        if isinstance(view, Alternatives):
            ways.append(_ways(id, alias, view, views))
            continue
        if isinstance(view, OutputDims):
            view = OwnPast()
        elif isinstance(view, View) and view.id == id:
            view = _own(view)
        if not isinstance(view, View | OwnPast):
            raise SpecError(
                f"{id}: {view!r} is no input",
                hint="inputs are signals and views of them: orders, orders[1][:-7]",
            )
        if alias is not None and not (isinstance(alias, str) and alias.isidentifier()):
            raise SpecError(f"{id}: {alias!r} is no alias", hint="use letters, digits and underscores")
        if isinstance(view, OwnPast):
            own.append(view if alias is None else view.alias(alias))
        else:
            ways.append([(len(views),)])
            views.append((alias, view))
    alternatives = tuple(tuple(sum(way, ())) for way in product(*ways))
    return tuple(views), tuple(own), alternatives if len(alternatives) > 1 else ()


def _ways(
    id: str, alias: object, given: Alternatives, views: list[tuple[str | None, View]]
) -> list[tuple[int, ...]]:
    """The positions of the views that each alternative names; a view that several name stands once."""
    if alias is not None:
        raise SpecError(
            f"{id}: {alias!r} names several inputs, {given!r}",
            hint="name each view: inputs=[a.alias('x') | b.alias('y')]",
        )
    places: dict[View, int] = {}
    for view in (view for option in given.options for view in option):
        if not isinstance(view, View) or view.id == id:
            raise SpecError(
                f"{id}: {view!r} is no alternative",
                hint="its own past stands beside alternatives: inputs=[a | b, output[-1:].ref]",
            )
        if view not in places:
            places[view] = len(views)
            views.append((None, view))
    return [tuple(dict.fromkeys(places[view] for view in option)) for option in given.options]


def _own(view: View) -> OwnPast:
    """The node's own past, written as a view of the node: its indexes again, for the output may change."""
    indexes: list[Any] = []
    for rule in view.branches[0]:
        if rule.window is None:
            indexes.append("*" if rule.value is None else render(rule.value, rule.kind))
        else:
            shift, count = rule.window.shift, rule.window.count
            indexes.append(slice(shift or None, None if count == 1 and shift else count))
    return OwnPast(tuple(indexes), view.is_reference, view.mode == RANGE_CHECK, view.given_alias, view.id)


def read_links(id: str, links: DimLinks, *, outputs: bool) -> tuple[ir.Link, ...]:
    """Return links, the guide's tuples traced; raises LinkError, TraceError."""
    if links is None:
        return ()
    if isinstance(links, Links):
        return tuple(links)
    if isinstance(links, tuple) and len(links) >= 3 and callable(links[1]):
        links = [links]
    if isinstance(links, str) or not isinstance(links, Iterable):
        raise LinkError(
            f"{id}: {links!r} is no list of links", hint="write [a.day == b.day], a dimension on each side"
        )
    found: list[ir.Link] = []
    for item in links:
        if isinstance(item, Links):
            found.extend(item)
        elif isinstance(item, tuple) and len(item) >= 3 and callable(item[1]):
            found.append(_traced(id, item, outputs=outputs))
        else:
            raise LinkError(
                f"{id}: {item!r} is no link",
                hint="write a.day == b.day, or (target, function, source)",
            )
    return tuple(found)


def _traced(id: str, item: tuple[Any, ...], *, outputs: bool) -> ir.Link:
    """The guide's form ``(target, fn, source, ...)``: target == fn(source, ...)."""
    target, function, *rest = item
    sources: list[Any] = []
    for source in rest:
        sources.extend(source if isinstance(source, tuple) else [source])
    if isinstance(target, str):
        if not outputs:
            raise LinkError(f"{id}: the target {target!r} is no dimension", hint="write signal('day')")
        target = DimensionExpr(x.Ref(OUTPUT, target), {})
    if not isinstance(target, DimensionExpr):
        raise LinkError(f"{id}: the target {target!r} is no dimension", hint="write signal('day')")
    if all(isinstance(s, DimensionExpr) for s in sources):
        result = trace(function, sources)
    elif any(isinstance(s, DimensionExpr) for s in sources):
        raise LinkError(
            f"{id}: literals and dimensions are mixed as sources",
            hint="write the literal in the function",
        )
    else:
        try:
            result = function(*sources)
        except Exception as fault:  # noqa: BLE001 - the user's function, on the user's literals
            given = ", ".join(map(repr, sources))
            raise TraceError(
                f"{id}: the function of a link fails on {given} ({type(fault).__name__}: {fault})",
                hint="write the value that it shall give",
            ) from None
    if (
        not isinstance(result, DimensionExpr)
        and isinstance(target.node, x.Ref)
        and target.node.input == OUTPUT
    ):
        return ir.Link(target.node, raw_literal(result, target), where=here())
    return link(target, result)[0]


def read_computes(targets: Any) -> tuple[Compute, ...]:
    """Return compute targets from what a user may write: one or several, texts, functions."""
    if targets is None:
        return ()
    if isinstance(targets, str) or not isinstance(targets, Iterable):
        targets = [targets]
    return tuple(_compute(target) for target in targets)


def _compute(target: Any) -> Compute:
    if isinstance(target, Compute):
        return target
    if isinstance(target, str):
        return BatchCompute(target)
    if callable(target):
        return InlinedCompute(target)
    raise SpecError(
        f"{target!r} is no compute target", hint="use BatchCompute(...), InlinedCompute(...) or a text"
    )


def _seconds(id: str, name: str, value: timedelta | int | None) -> int | None:
    if value is None:
        return None
    seconds = int(value.total_seconds()) if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        raise SpecError(f"{id}: {name} is {value!r}", hint="a timedelta, or a positive number of seconds")
    return seconds


_CHOICES = {"retrigger": ("all", "any", "updated", "never"), "trigger": ("listener", "sensor")}
_SWITCHES = ("latest_wins", "auto_input_dim_linking_enabled", "auto_output_dim_linking_enabled")
_FEWEST = {"max_active_runs": 1, "retry_count": 0}
LONGEST_ARRIVAL = 365 * 86400


@knows_its_words
@dataclass(frozen=True, slots=True)
class RouteRetention:
    """How long partitions of a node's output are kept: whole days since they were written.

    >>> RouteRetention(output_in_days=90).output_in_days
    90
    """

    output_in_days: int


_BATCH = {"max": (1, 1000), "parallel": (1, 32)}
LONGEST_BATCH_WAIT = 3600


def _batch(id: str, value: Any) -> ir.Batch | None:
    """Return a batch, its wait in seconds."""
    if value is None:
        return None
    if not isinstance(value, ir.Batch):
        raise SpecError(
            f"{id}: batch is {value!r}", hint="write batch=Batch(max=500, wait=timedelta(seconds=60))"
        )
    for name, (fewest, most) in _BATCH.items():
        number = getattr(value, name)
        if isinstance(number, bool) or not isinstance(number, int) or not fewest <= number <= most:
            raise SpecError(
                f"{id}: {name} of its batch is {number!r}", hint=f"a whole number from {fewest} to {most:,}"
            )
    whole = isinstance(value.wait, timedelta | int) and not isinstance(value.wait, bool)
    if not whole or not 0 <= value.seconds <= LONGEST_BATCH_WAIT:
        raise SpecError(
            f"{id}: wait of its batch is {value.wait!r}",
            hint="a timedelta, or a whole number of seconds, from 0 to one hour",
        )
    return replace(value, wait=value.seconds)


def read_options(id: str, known: ir.Options, given: Mapping[str, Any]) -> ir.Options:
    """Return how a node runs: what is known, changed by what is given; raises SpecError."""
    options = dict(given)
    for name, choices in _CHOICES.items():
        if options.get(name, choices[0]) not in choices:
            hint = "use " + " or ".join(f'"{choice}"' for choice in choices)
            raise SpecError(f"{id}: {name} is {options[name]!r}", hint=hint)
    for name in _SWITCHES:
        if not isinstance(options.get(name, True), bool):
            raise SpecError(f"{id}: {name} is {options[name]!r}", hint="True or False")
    for name, fewest in _FEWEST.items():
        number = options.get(name, fewest)
        if isinstance(number, bool) or not isinstance(number, int) or number < fewest:
            raise SpecError(f"{id}: {name} is {number!r}", hint=f"a whole number from {fewest}")
    for name in ("pending_ttl", "arrival_ttl", "execution_timeout"):
        if name in options:
            options[name] = _seconds(id, name, options[name])
    if options.get("arrival_ttl", 0) is None:
        del options["arrival_ttl"]  # an arrival is always forgotten some day
    if options.get("arrival_ttl", 0) > LONGEST_ARRIVAL:  # the ledger remembers longer what was made of it
        raise SpecError(f"{id}: arrival_ttl is longer than a year", hint="timedelta(days=365) at most")
    if "retention" in options:
        options["retention"] = _days(id, options["retention"])
    if "batch" in options:
        options["batch"] = _batch(id, options["batch"])
    for name in ("owner", "pool"):
        value = options.get(name, "")
        if not isinstance(value, str) and not (name == "pool" and value is None):
            raise SpecError(f"{id}: {name} is {value!r}", hint="a text")
    if "tags" in options:
        tags = options["tags"]
        found = (tags,) if isinstance(tags, str) or not isinstance(tags, Iterable) else tuple(tags)
        if not all(isinstance(tag, str) for tag in found):
            raise SpecError(f"{id}: tags is {tags!r}", hint='a text, or a list of texts: tags=["sales"]')
        options["tags"] = tuple(sorted(found))
    return replace(known, **options)


def rename_expiration(id: str, given: dict[str, Any]) -> None:
    """Take the guide's name of ``pending_ttl`` for it; raises SpecError when both are given."""
    seconds = given.pop("pending_node_expiration_ttl_in_secs", None)
    if seconds is None:
        return
    if given.get("pending_ttl") is not None:
        raise SpecError(
            f"{id}: both pending_ttl and pending_node_expiration_ttl_in_secs are given",
            hint="they are two names of one thing: leave one out",
        )
    given["pending_ttl"] = seconds


def _days(id: str, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, timedelta):
        value = RouteRetention(value.days if value == timedelta(days=value.days) else 0)
    days = value.output_in_days if isinstance(value, RouteRetention) else None
    if isinstance(days, bool) or not isinstance(days, int) or days < 1:
        raise SpecError(
            f"{id}: its retention is not a number of whole days, from 1",
            hint="write RouteRetention(output_in_days=90), or timedelta(days=90)",
        )
    return days


def read_metadata(data: Mapping[str, Any] | None, id: str) -> ir.Metadata:
    """Return user metadata as JSON values under sorted names; raises SpecError."""
    try:
        if not (own := own_data(data, id)):
            return ()
        text = json.dumps(own, sort_keys=True)
    except (TypeError, ValueError) as fault:
        raise SpecError(
            f"{id}: its metadata is no JSON ({fault})",
            hint="use texts, numbers, lists and dicts",
        ) from None
    return tuple(sorted(json.loads(text).items()))


def view_of(input: ir.Input, signal: ir.Signal) -> View:
    """Return the view that the user made an input of."""
    return View(
        signal,
        input.branches,
        mode=input.mode,
        reference=input.reference and not input.awaited,
        rollup=input.rollup,
        at_least=input.at_least,
        optional=input.optional,
    )


def declaration_of(node: ir.Node, signals: Mapping[str, ir.Signal]) -> Declaration:
    """Return a declaration that resolves to this node.

    What the user left to the rules (aliases, the output's dimensions and values) is spelled out; default
    links stay defaults.
    """
    views = [(i.alias, view_of(i, signals[i.signal])) for i in node.inputs if not node.alternatives]
    ways: list[tuple[int, ...]] = []
    of_all: list[ir.Node | ir.Alternative] = [node, *node.alternatives]
    for way in of_all if node.alternatives else ():
        others = [w for w in of_all if w is not way]
        named = [
            (i.alias, view_of(i, signals[i.signal]))
            for i in way.inputs
            if i.signal != node.id and not (i.optional and _named_elsewhere(i.alias, others))
        ]
        views += [pair for pair in named if pair not in views]
        ways.append(tuple(views.index(pair) for pair in named))
    if ways:
        views += [(i.alias, view_of(i, signals[i.signal])) for i in node.inputs if i.signal == node.id]
    output = zip((name for name, _ in node.output), node.output_values, strict=True)
    return Declaration(
        id=node.id,
        inputs=tuple((alias, view) for alias, view in views if view.id != node.id),
        own=tuple(_own(view.alias(alias)) for alias, view in views if view.id == node.id),
        links=tuple(link for link in node.written if not link.default),
        output_spec=tuple((name, rule.kind) for name, rule in node.output),
        output_links=tuple(
            ir.Link(x.Ref(OUTPUT, name), value, where=node.where)
            for name, value in output
            if value != x.Ref(OUTPUT, name)
        ),
        computes=node.computes,
        hooks=node.hooks,
        options=node.options,
        data=node.data,
        metadata=node.metadata,
        where=node.where,
        checks=node.checks,
        alternatives=tuple(ways),
    )


def _named_elsewhere(alias: str, ways: Iterable[ir.Node | ir.Alternative]) -> bool:
    return any(i.alias == alias and not i.optional for way in ways for i in way.inputs)
