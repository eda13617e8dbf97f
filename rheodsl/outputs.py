"""Output specification and links -> the dimensions of the output, each as an expression over the triggers."""

from __future__ import annotations

from dataclasses import replace

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.expr import Expr
from rheo_runtime.values import BadValue, Kind
from rheo_runtime.wire import Rule
from rheodsl.agreement import agree
from rheodsl.dimensions import Spec
from rheodsl.domains import all_pass
from rheodsl.errors import LinkError, LinkMissingError, Place
from rheodsl.expressions import OUTPUT, DimensionExpr
from rheodsl.linking import by_alias
from rheodsl.notation import show
from rheodsl.resolution import Work
from rheodsl.tips import Tips, simplified, substituted


def output_of(work: Work, tips: Tips) -> tuple[tuple[tuple[str, Rule], ...], tuple[Expr, ...]]:
    spec = work.declared.output_spec
    solved = {
        x.Ref(alias, dim): e
        for alias, tip in tips.items()
        for dim, e in zip(work.signals[alias].dims, tip, strict=True)
    }
    given = _output_links(work)
    if spec is None:
        first = next(iter(work.triggers()), None)
        spec = _spec_of(work, first) if first else ()
        for name in given:
            if name not in dict(spec) and first:
                work.fault(
                    LinkError,
                    f"the output has no dimension {name!r}: without output_dimension_spec it has those of {first!r}",
                    hint="add output_dimension_spec",
                    where=given[name][1],
                )
    names = dict(spec)
    values: list[Expr] = []
    for name, kind in spec:
        source = given[name] if name in given else _default_output(work, name, kind)
        if source is None:
            values.append(x.Ref(OUTPUT, name))
            continue
        expr, where = source
        values.append(simplified(substituted(_fitted(work, name, kind, expr, where), solved)))
    for name in given:
        if name not in names and work.declared.output_spec is not None:
            known = ", ".join(names) or "none"
            work.fault(
                LinkError, f"the output has no dimension {name!r}", f"its dimensions: {known}", given[name][1]
            )
    return tuple(zip(names, all_pass(spec)[0], strict=True)), tuple(values)


def _spec_of(work: Work, alias: str) -> Spec:
    branch = work.inputs[alias].branches[0]
    return tuple(
        (dim, replace(rule.kind)) for dim, rule in zip(work.signals[alias].dims, branch, strict=True)
    )


def _output_links(work: Work) -> dict[str, tuple[Expr, Place | None]]:
    """What the user's links set each output dimension to."""
    found: dict[str, tuple[Expr, Place | None]] = {}
    for link in (*work.declared.output_links, *work.declared.links):
        sides = (link.left, link.right)
        of_output = [any(r.input == OUTPUT for r in x.refs(side)) for side in sides]
        if not any(of_output):
            if link in work.declared.output_links:
                work.fault(
                    LinkError,
                    f"{show(link.left)} == {show(link.right)} sets no output dimension",
                    "write output.day == ..., or move it to input_dim_links",
                    link.where,
                )
            continue
        target, value = sides if of_output[0] else (link.right, link.left)
        if not isinstance(target, x.Ref) or all(of_output):
            work.fault(
                LinkError,
                f"{show(link.left)} == {show(link.right)} does not set an output dimension",
                "put a bare output dimension on one side: output.day == orders.day.trunc('month')",
                link.where,
            )
            continue
        resolved = by_alias(work, value, link.where)
        if not resolved:
            continue
        # Of several inputs on one signal, the output follows a trigger.
        resolved.sort(key=lambda e: any(work.inputs[r.input].reference for r in x.refs(e)))
        if target.dim in found:
            work.fault(
                LinkError,
                f"the output dimension {target.dim!r} is set twice",
                "leave one of its links out",
                link.where,
            )
            continue
        found[target.dim] = (resolved[0], link.where)
    return found


def _default_output(work: Work, name: str, kind: Kind) -> tuple[Expr, Place | None] | None:
    for alias in work.inputs:
        if name in work.signals[alias].dims:
            return x.Ref(alias, name), None
    if not work.inputs:
        return None  # a node without inputs: whoever executes it names the partition
    work.fault(
        LinkMissingError,
        f"nothing determines the output dimension {name!r}: no input has a dimension of that name",
        hint=f"add an output link: output.{name} == ...",
    )
    return None


def _fitted(work: Work, name: str, kind: Kind, expr: Expr, where: Place | None) -> Expr:
    """The value of an output dimension, as a value of its kind."""
    if isinstance(expr, x.Const):
        try:
            raw = expr.value if expr.kind.type != v.DATETIME else v.to_datetime(int(expr.value), expr.kind)
            return x.Const(v.cast(raw, kind), kind)
        except BadValue as fault:
            work.fault(
                LinkError,
                f"output.{name} ({kind}) cannot be {expr.value!r}: {fault}",
                f"give it a {kind}, or change output_dimension_spec",
                where,
            )
            return expr
    target = x.Ref(OUTPUT, name)
    kinds = {**work.kinds, target: kind}
    try:
        _, value = agree(DimensionExpr(target, kinds), DimensionExpr(expr, kinds))
    except LinkError as fault:
        work.fault(LinkError, fault.what, _fitting_hint(kind, work.kind(expr), expr) or fault.hint, where)
        return expr
    if kind.type == v.DATETIME and x.kind_of(value, kinds.__getitem__).type == v.STRING:
        return x.Parse(value, replace(kind, min=None))
    return value


def _fitting_hint(kind: Kind, given: Kind, expr: Expr) -> str | None:
    """How to make the value one of the output's kind: the operator stands at the value, never at the output."""
    order = v.GRANULARITIES.index
    operator = None
    if kind.type == given.type == v.DATETIME and kind.granularity and given.granularity:
        coarser = order(kind.granularity) > order(given.granularity)
        operator = f"{'trunc' if coarser else 'at'}('{kind.granularity.lower()}')"
    elif {kind.type, given.type} == {v.LONG, v.STRING}:
        operator = f"cast({kind.type})"
    return operator and f"write {show(expr)}.{operator}, or change output_dimension_spec"
