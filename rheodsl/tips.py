"""Links -> the partition of each reference over the triggers, and what is left to restrict the triggers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rheo_runtime import expr as x
from rheo_runtime.expr import BadExpr, Expr, NotInvertible, solve
from rheo_runtime.values import BadValue
from rheodsl import ir
from rheodsl.errors import LinkMissingError
from rheodsl.notation import show
from rheodsl.resolution import Work

Tips = Mapping[str, tuple[Expr, ...]]


def reference_tips(work: Work, links: list[ir.Link]) -> dict[str, tuple[Expr, ...]]:
    """Each dimension of each reference over the triggers: by its own literal, or by solving links."""
    solved: dict[x.Ref, Expr] = {}
    why: dict[x.Ref, str] = {}
    for alias, input in work.inputs.items():
        if not input.reference:
            continue
        for position, dim in enumerate(work.signals[alias].dims):
            values = {branch[position].value for branch in input.branches}
            if len(values) == 1 and (value := values.pop()) is not None:
                ref = x.Ref(alias, dim)
                solved[ref] = x.Const(value, work.kinds[ref])
    progress = True
    while progress:
        progress = False
        for link in links:
            for side, other in ((link.left, link.right), (link.right, link.left)):
                progress |= _solve_one(work, side, other, solved, why)
    tips: dict[str, tuple[Expr, ...]] = {}
    for alias, input in work.inputs.items():
        if not input.reference:
            continue
        wanted = [x.Ref(alias, dim) for dim in work.signals[alias].dims]
        for ref in wanted:
            if ref not in solved and work.triggers():  # that there is no trigger is said already
                reason = f" ({why[ref]})" if ref in why else ""
                work.fault(
                    LinkMissingError,
                    f"nothing determines {show(ref)} of the reference {alias!r}{reason}",
                    hint=f"link it to a trigger input ({show(ref)} == ...), or fix it: {alias}[...]",
                )
        if all(ref in solved for ref in wanted):
            tips[alias] = tuple(solved[ref] for ref in wanted)
    return tips


def _solve_one(work: Work, side: Expr, other: Expr, solved: dict[x.Ref, Expr], why: dict[x.Ref, str]) -> bool:
    targets = [r for r in x.refs(side) if work.inputs[r.input].reference and r not in solved]
    known = substituted(other, solved)
    if len(targets) != 1 or any(work.inputs[r.input].reference for r in x.refs(known)):
        return False
    if any(r.input == targets[0].input and r != targets[0] for r in x.refs(substituted(side, solved))):
        return False
    try:
        found = solve(substituted(side, solved), known, targets[0], work.kind)
        work.kind(found)
    except (NotInvertible, BadExpr, BadValue) as fault:
        why[targets[0]] = f"{show(side)} == {show(other)} cannot be turned around: {fault}"
        return False
    solved[targets[0]] = found
    return True


def substituted(expr: Expr, solved: Mapping[x.Ref, Expr]) -> Expr:
    return x.rewrite(expr, lambda e: solved.get(e, e) if isinstance(e, x.Ref) else e)


def over_triggers(work: Work, links: list[ir.Link], tips: Tips) -> list[ir.Link]:
    """The links with references replaced by their tips: what is left restricts the triggers."""
    solved = {
        x.Ref(alias, dim): e
        for alias, tip in tips.items()
        for dim, e in zip(work.signals[alias].dims, tip, strict=True)
    }
    found: list[ir.Link] = []
    for link in links:
        left, right = (
            simplified(substituted(link.left, solved)),
            simplified(substituted(link.right, solved)),
        )
        if any(work.inputs[r.input].reference for e in (left, right) for r in x.refs(e)) or left == right:
            continue
        if isinstance(left, x.Const) and isinstance(right, x.Const):
            continue  # literals on both sides: `contradiction` has judged them
        found.append(replace(link, left=left, right=right))
    return found


def simplified(expr: Expr) -> Expr:
    """Undo what substitution puts together: a shift and its inverse, a text parsed and formatted again."""

    def step(e: Expr) -> Expr:
        match e:
            case x.Shift(x.Shift(base, a), b):
                return x.Shift(base, a + b) if a + b else base
            case x.Shift(base, 0):
                return base
            case x.Fmt(x.Parse(base, kind), format) if kind.format == format:
                return base
            case x.MapValues(x.MapValues(base, inner), outer) if outer == tuple(
                sorted((b, a) for a, b in inner)
            ):
                # Back and forth again: what remains is that the value is a key of the inner map.
                return x.MapValues(base, tuple((a, a) for a, _ in inner))
        return e

    return x.rewrite(expr, step)
