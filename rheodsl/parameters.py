"""Parameters of ``create_data`` as a user writes them -> what the graph is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from rheo_runtime import expr as x
from rheodsl import ir, tracing
from rheodsl.compute import BatchCompute, Compute, InlinedCompute
from rheodsl.errors import LinkError, SpecError, TraceError, here
from rheodsl.expressions import OUTPUT, DimensionExpr, Links, link, raw_literal
from rheodsl.views import View

Inputs = Sequence[View] | Mapping[str, View] | View | None
DimLinks = Sequence[Any] | Links | None
ComputeTarget = Compute | str | Callable[..., Any]


def read_inputs(id: str, inputs: Inputs) -> tuple[tuple[str | None, View], ...]:
    """Return views with the aliases that a dict gives them; raises SpecError."""
    if inputs is None:
        return ()
    if isinstance(inputs, View):
        inputs = [inputs]
    if not isinstance(inputs, Iterable):
        raise SpecError(f"{id}: {inputs!r} is no list of inputs", hint="write inputs=[orders, ships[1]]")
    pairs = list(inputs.items()) if isinstance(inputs, Mapping) else [(None, view) for view in inputs]
    for alias, view in pairs:
        if not isinstance(view, View):
            raise SpecError(
                f"{id}: {view!r} is no input",
                hint="inputs are signals and views of them: orders, orders[1][:-7]",
            )
        if alias is not None and not (isinstance(alias, str) and alias.isidentifier()):
            raise SpecError(f"{id}: {alias!r} is no alias", hint="use letters, digits and underscores")
    return tuple(pairs)


def read_links(id: str, links: DimLinks, *, outputs: bool) -> tuple[ir.Link, ...]:
    """Return links, the guide's tuples traced; raises LinkError, TraceError."""
    if links is None:
        return ()
    if isinstance(links, Links):
        return tuple(links)
    if isinstance(links, tuple) and len(links) >= 3 and callable(links[1]):
        links = [links]
    if not isinstance(links, Iterable):
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
        result = tracing.trace(function, sources)
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


_CHOICES = {"retrigger": ("all", "any"), "trigger": ("listener", "sensor")}
_FEWEST = {"max_active_runs": 1, "retry_count": 0}
LONGEST_ARRIVAL = 365 * 86400


@dataclass(frozen=True, slots=True)
class RouteRetention:
    """How long partitions of a node's output are kept: whole days since they were written.

    >>> RouteRetention(output_in_days=90).output_in_days
    90
    """

    output_in_days: int


def read_options(id: str, known: ir.Options, given: Mapping[str, Any]) -> ir.Options:
    """Return how a node runs: what is known, changed by what is given; raises SpecError."""
    options = dict(given)
    for name, choices in _CHOICES.items():
        if options.get(name, choices[0]) not in choices:
            hint = f'use "{choices[0]}" or "{choices[1]}"'
            raise SpecError(f"{id}: {name} is {options[name]!r}", hint=hint)
    for name, fewest in _FEWEST.items():
        number = options.get(name, fewest)
        if isinstance(number, bool) or not isinstance(number, int) or number < fewest:
            raise SpecError(f"{id}: {name} is {number!r}", hint=f"a whole number from {fewest}")
    for name in ("pending_ttl", "arrival_ttl"):
        if name in options:
            options[name] = _seconds(id, name, options[name])
    if options.get("arrival_ttl", 0) is None:
        del options["arrival_ttl"]  # an arrival is always forgotten some day
    if options.get("arrival_ttl", 0) > LONGEST_ARRIVAL:  # the ledger remembers longer what was made of it
        raise SpecError(f"{id}: arrival_ttl is longer than a year", hint="timedelta(days=365) at most")
    if "retention" in options:
        options["retention"] = _days(id, options["retention"])
    if "tags" in options:
        tags = options["tags"]
        options["tags"] = (tags,) if isinstance(tags, str) else tuple(sorted(tags))
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


def read_metadata(data: Mapping[str, Any], id: str) -> ir.Metadata:
    """Return user metadata as JSON values under sorted names; raises SpecError."""
    try:
        text = json.dumps(data, sort_keys=True)
    except (TypeError, ValueError) as fault:
        raise SpecError(
            f"{id}: its metadata is no JSON ({fault})",
            hint="use texts, numbers, lists and dicts; or is it a misspelt parameter?",
        ) from None
    return tuple(sorted(json.loads(text).items()))
