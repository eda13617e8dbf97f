"""A node as declared -> a node as it runs: aliases, default links, reference tips, output values.

`resolve` never raises for a user's mistake: it returns the node and all faults that it found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

from rheo_runtime import expr as x
from rheo_runtime.wire import Branch
from rheodsl import ir
from rheodsl.errors import LinkMissingError, NameError_, RheoError, SpecError, Warning_
from rheodsl.expressions import OUTPUT
from rheodsl.linking import Components, default_links, explicit_links
from rheodsl.outputs import output_of
from rheodsl.resolution import Declaration, Work
from rheodsl.sensing import sense
from rheodsl.tips import over_triggers, reference_tips
from rheodsl.views import NEAREST, View

# A node, its faults and its warnings.
Resolved = tuple[ir.Node, list[RheoError], list[Warning_]]


def resolve(declared: Declaration, signals: Mapping[str, ir.Signal]) -> Resolved:
    """Return the node, its faults and its warnings. ``signals`` are the current ones, by id."""
    work = Work(declared)
    _take_inputs(work, signals)
    if declared.options.trigger == "sensor":
        sense(work)
    written = explicit_links(work)
    written += default_links(work, written)
    tips = reference_tips(work, written)
    links = over_triggers(work, written, tips)
    output, values = output_of(work, tips)
    _check_linked(work, links)
    node = ir.Node(
        id=declared.id,
        inputs=tuple(replace(i, tip=tips.get(alias)) for alias, i in work.inputs.items()),
        links=tuple(links),
        written=tuple(written),
        output=output,
        output_values=values,
        computes=declared.computes,
        hooks=declared.hooks,
        options=declared.options,
        data=declared.data,
        metadata=declared.metadata,
        where=declared.where,
    )
    return node, work.faults, work.warnings


def _take_inputs(work: Work, signals: Mapping[str, ir.Signal]) -> None:
    for given, view in work.declared.inputs:
        signal = signals.get(view.id, view.signal)
        alias = given or view.given_alias or _identifier(view.id)
        if alias in work.inputs:
            work.fault(
                NameError_,
                f"two inputs are named {alias!r}",
                hint="give them names: inputs={'a': ..., 'b': ...}, or .alias('a')",
            )
            continue
        if alias == OUTPUT:
            work.fault(
                NameError_, "no input can be named 'output'", hint="'output' is what the compute assigns"
            )
            continue
        if isinstance(signal.source, ir.MetricSource):
            work.fault(
                SpecError,
                f"{view.id} is a metric and cannot be an input",
                hint="declare an alarm on it: app.create_alarm(...)",
            )
            continue
        branches = _current(work, view, signal)
        if view.mode == NEAREST and not _has_window(view):
            work.fault(
                SpecError,
                f"{view!r} has no window to find the nearest partition in",
                hint="add one, such as [:-7]",
            )
        work.inputs[alias] = ir.Input(alias, view.id, branches, view.mode, view.is_reference)
        work.signals[alias] = signal
        work.by_signal.setdefault(view.id, []).append(alias)
        if view.given_alias and view.given_alias != alias:
            work.by_signal.setdefault(view.given_alias, []).append(alias)
        for dim, rule in zip(signal.dims, branches[0], strict=True):
            work.kinds[x.Ref(alias, dim)] = rule.kind
    for alias, input in work.inputs.items():
        if alias != input.signal and alias in work.by_signal:
            work.fault(
                NameError_,
                f"the input {alias!r} is {input.signal!r}, but {alias!r} is also the signal of another input",
                hint="choose another name for one of them",
            )
    if work.inputs and not work.triggers():
        work.fault(
            LinkMissingError,
            "every input is a reference, so nothing ever starts it",
            hint="leave .ref off the input whose events start the node",
        )


def _current(work: Work, view: View, signal: ir.Signal) -> tuple[Branch, ...]:
    """The view's filter, on the signal as it is now declared."""
    if signal.dims == view.signal.dims and signal.branches == view.signal.branches:
        return view.branches
    if view.branches != view.signal.branches:
        work.fault(
            SpecError,
            f"{view!r} is a view of {view.id} as it was; its dimensions have changed since",
            hint=f"declare {work.declared.id} anew by update_data, with a view of the new {view.id}",
        )
    return signal.branches


def _identifier(id: str) -> str:
    if id.isidentifier():
        return id
    text = "".join(c if c.isalnum() or c == "_" else "_" for c in id)
    return text if text.isidentifier() else f"_{text}"


def _has_window(view: View) -> bool:
    return any(rule.window is not None for branch in view.branches for rule in branch)


def _check_linked(work: Work, links: list[ir.Link]) -> None:
    """Warn of trigger inputs with dimensions that no link connects: every combination would bind."""
    joined = Components()
    for link in links:
        aliases = [r.input for side in (link.left, link.right) for r in x.refs(side)]
        for alias in aliases[1:]:
            joined.join(aliases[0], alias)
    for a, b in combinations([t for t in work.triggers() if work.signals[t].dims], 2):
        if not joined.same(a, b):
            work.warnings.append(
                Warning_(
                    "RD201",
                    f"{work.declared.id}: {a!r} and {b!r} share no link, so every combination of their partitions runs it",
                    work.declared.where,
                    f"link a dimension of {a} to one of {b}, or make one a reference (.ref)",
                )
            )
            joined.join(a, b)
