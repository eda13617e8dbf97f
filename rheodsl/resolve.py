"""A node as declared -> a node as it runs: aliases, default links, reference tips, output values.

`resolve` never raises for a user's mistake: it returns the node and all faults that it found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.expr import BadExpr, Expr
from rheo_runtime.values import BadValue, Kind
from rheo_runtime.wire import Rule
from rheodsl import ir
from rheodsl.agreement import agree
from rheodsl.dimensions import Spec
from rheodsl.domains import all_pass
from rheodsl.errors import LinkError, LinkMissingError, NameError_, Place, RheoError, SpecError, Warning_
from rheodsl.expressions import OUTPUT, DimensionExpr
from rheodsl.invert import NotInvertible, solve
from rheodsl.notation import show
from rheodsl.satisfiable import contradiction
from rheodsl.views import NEAREST, View


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the user wrote in one create_data, its functions already traced."""

    id: str
    inputs: tuple[tuple[str | None, View], ...]
    links: tuple[ir.Link, ...]
    output_spec: Spec | None
    output_links: tuple[ir.Link, ...]
    computes: tuple[Any, ...] = ()
    hooks: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    options: ir.Options = ir.Options()
    data: ir.DataFormatSpec = ir.DataFormatSpec()
    metadata: ir.Metadata = ()
    where: Place | None = None


@dataclass
class _Work:
    """One resolution: what is known so far, and the faults."""

    declared: Declaration
    inputs: dict[str, ir.Input] = field(default_factory=dict)
    signals: dict[str, ir.Signal] = field(default_factory=dict)
    by_signal: dict[str, list[str]] = field(default_factory=dict)
    kinds: dict[x.Ref, Kind] = field(default_factory=dict)
    faults: list[RheoError] = field(default_factory=list)
    warnings: list[Warning_] = field(default_factory=list)

    def kind(self, expr: Expr) -> Kind:
        return x.kind_of(expr, self.kinds.__getitem__)

    def facade(self, expr: Expr) -> DimensionExpr:
        return DimensionExpr(expr, self.kinds)

    def fault(
        self, kind: type[RheoError], what: str, hint: str | None = None, where: Place | None = None
    ) -> None:
        self.faults.append(kind(f"{self.declared.id}: {what}", where=where or self.declared.where, hint=hint))

    def triggers(self) -> list[str]:
        return [alias for alias, i in self.inputs.items() if not i.reference]


# A node, its faults and its warnings.
Resolved = tuple[ir.Node, list[RheoError], list[Warning_]]


def resolve(declared: Declaration, signals: Mapping[str, ir.Signal]) -> Resolved:
    """Return the node, its faults and its warnings. ``signals`` are the current ones, by id."""
    work = _Work(declared)
    _take_inputs(work, signals)
    written = _explicit_links(work)
    written += _default_links(work, written)
    tips = _reference_tips(work, written)
    links = _over_triggers(work, written, tips)
    output, values = _output(work, tips)
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


# --- inputs --------------------------------------------------------------------------------------


def _take_inputs(work: _Work, signals: Mapping[str, ir.Signal]) -> None:
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
            work.fault(SpecError, f"{view.id} is a metric and cannot be an input", hint="bind it to an alarm")
            continue
        branches = view.branches
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
    if work.inputs and not work.triggers():
        work.fault(
            LinkMissingError,
            "every input is a reference, so nothing ever starts it",
            hint="leave .ref off the input whose events start the node",
        )


def _identifier(id: str) -> str:
    if id.isidentifier():
        return id
    text = "".join(c if c.isalnum() or c == "_" else "_" for c in id)
    return text if text.isidentifier() else f"_{text}"


def _has_window(view: View) -> bool:
    return any(rule.window is not None for branch in view.branches for rule in branch)


# --- links ---------------------------------------------------------------------------------------


def _explicit_links(work: _Work) -> list[ir.Link]:
    """The user's links between inputs, each reference by signal turned into one by alias."""
    found: list[ir.Link] = []
    for link in work.declared.links:
        if any(r.input == OUTPUT for side in (link.left, link.right) for r in x.refs(side)):
            continue  # it sets the output: see _output
        for left in _by_alias(work, link.left, link.where):
            for right in _by_alias(work, link.right, link.where):
                made = _linked(work, left, right, link.where)
                if made is not None:
                    found.append(made)
    return found


def _linked(
    work: _Work, left: Expr, right: Expr, where: Place | None, *, default: bool = False
) -> ir.Link | None:
    if left == right:
        return None
    try:
        a, b = agree(work.facade(left), work.facade(right))
    except LinkError as fault:
        work.fault(LinkError, fault.what, fault.hint, where)
        return None
    made = ir.Link(a, b, default, where or work.declared.where)
    if reason := contradiction(made, work.inputs, work.signals, work.kinds):
        work.fault(
            LinkError, f"{show(a)} == {show(b)} can never hold: {reason}", "no event can satisfy it", where
        )
    return made


def _by_alias(work: _Work, expr: Expr, where: Place | None) -> list[Expr]:
    """The expression for each input that it may speak of; a fault when there is none."""
    names = list(dict.fromkeys(r.input for r in x.refs(expr)))
    results = [expr]
    for name in names:
        aliases = [name] if name in work.inputs else work.by_signal.get(name, [])
        if not aliases:
            known = ", ".join(work.inputs) or "none"
            work.fault(
                LinkError, f"{show(expr)} is of {name!r}, which is no input", f"its inputs: {known}", where
            )
            return []
        results = [_renamed(r, name, alias) for r in results for alias in aliases]
    for result in results:
        for ref in x.refs(result):
            if ref not in work.kinds:
                work.fault(LinkError, f"{ref.input} has no dimension {ref.dim!r}", None, where)
                return []
    return results


def _renamed(expr: Expr, old: str, new: str) -> Expr:
    return x.rewrite(expr, lambda e: x.Ref(new, e.dim) if isinstance(e, x.Ref) and e.input == old else e)


def _default_links(work: _Work, explicit: list[ir.Link]) -> list[ir.Link]:
    """Equality of each pair of inputs that shares a dimension, unless linked already."""
    joined = _Components()
    for link in explicit:
        refs = [*x.refs(link.left), *x.refs(link.right)]
        for ref in refs[1:]:
            joined.join(refs[0], ref)
    found: list[ir.Link] = []
    for a, b in combinations(work.inputs, 2):
        for dim in work.signals[a].dims:
            left, right = x.Ref(a, dim), x.Ref(b, dim)
            if dim not in work.signals[b].dims or joined.same(left, right):
                continue
            made = _linked(work, left, right, None, default=True) if _one_type(work, left, right) else None
            if made is not None:
                found.append(made)
                joined.join(left, right)
    return found


def _one_type(work: _Work, left: x.Ref, right: x.Ref) -> bool:
    a, b = work.kinds[left], work.kinds[right]
    if a.type == b.type and a.granularity == b.granularity:
        return True
    hint = "link them by hand: input_dim_links=[...]"
    if a.type == b.type:
        fine = v.GRANULARITIES.index(a.granularity or v.DAY) < v.GRANULARITIES.index(b.granularity or v.DAY)
        f, c = (left, right) if fine else (right, left)
        coarse = (work.kinds[c].granularity or "").lower()
        hint = f"link them by hand: {show(f)}.trunc({coarse!r}) == {show(c)}"
    work.fault(
        LinkError,
        f"{show(left)} ({a}) and {show(right)} ({b}) share a name but not a type, so they cannot be linked by default",
        hint,
    )
    return False


class _Components:
    """Sets of things known to be connected (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[object, object] = {}

    def find(self, item: object) -> object:
        while (above := self._parent.get(item, item)) != item:
            item = above
        return item

    def join(self, a: object, b: object) -> None:
        self._parent[self.find(a)] = self.find(b)

    def same(self, a: object, b: object) -> bool:
        return self.find(a) == self.find(b)


# --- references ----------------------------------------------------------------------------------


def _reference_tips(work: _Work, links: list[ir.Link]) -> dict[str, tuple[Expr, ...]]:
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
            if ref not in solved:
                reason = f" ({why[ref]})" if ref in why else ""
                work.fault(
                    LinkMissingError,
                    f"nothing determines {show(ref)} of the reference {alias!r}{reason}",
                    hint=f"link it to a trigger input ({show(ref)} == ...), or fix it: {alias}[...]",
                )
        if all(ref in solved for ref in wanted):
            tips[alias] = tuple(solved[ref] for ref in wanted)
    return tips


def _solve_one(
    work: _Work, side: Expr, other: Expr, solved: dict[x.Ref, Expr], why: dict[x.Ref, str]
) -> bool:
    targets = [r for r in x.refs(side) if work.inputs[r.input].reference and r not in solved]
    known = _substituted(other, solved)
    if len(targets) != 1 or any(work.inputs[r.input].reference for r in x.refs(known)):
        return False
    if any(r.input == targets[0].input and r != targets[0] for r in x.refs(_substituted(side, solved))):
        return False
    try:
        found = solve(_substituted(side, solved), known, targets[0], work.kind)
        work.kind(found)
    except (NotInvertible, BadExpr, BadValue) as fault:
        why[targets[0]] = f"{show(side)} == {show(other)} cannot be turned around: {fault}"
        return False
    solved[targets[0]] = found
    return True


def _substituted(expr: Expr, solved: Mapping[x.Ref, Expr]) -> Expr:
    return x.rewrite(expr, lambda e: solved.get(e, e) if isinstance(e, x.Ref) else e)


def _over_triggers(work: _Work, links: list[ir.Link], tips: Mapping[str, tuple[Expr, ...]]) -> list[ir.Link]:
    """The links with references replaced by their tips: what is left restricts the triggers."""
    solved = {
        x.Ref(alias, dim): e
        for alias, tip in tips.items()
        for dim, e in zip(work.signals[alias].dims, tip, strict=True)
    }
    found: list[ir.Link] = []
    for link in links:
        left, right = (
            _simplified(_substituted(link.left, solved)),
            _simplified(_substituted(link.right, solved)),
        )
        if any(work.inputs[r.input].reference for e in (left, right) for r in x.refs(e)) or left == right:
            continue
        if isinstance(left, x.Const) and isinstance(right, x.Const):
            continue  # literals on both sides: `contradiction` has judged them
        found.append(replace(link, left=left, right=right))
    return found


def _simplified(expr: Expr) -> Expr:
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


# --- output --------------------------------------------------------------------------------------


def _output(
    work: _Work, tips: Mapping[str, tuple[Expr, ...]]
) -> tuple[tuple[tuple[str, Rule], ...], tuple[Expr, ...]]:
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
        values.append(_simplified(_substituted(_fitted(work, name, kind, expr, where), solved)))
    for name in given:
        if name not in names and work.declared.output_spec is not None:
            known = ", ".join(names) or "none"
            work.fault(
                LinkError, f"the output has no dimension {name!r}", f"its dimensions: {known}", given[name][1]
            )
    return tuple(zip(names, all_pass(spec)[0], strict=True)), tuple(values)


def _spec_of(work: _Work, alias: str) -> Spec:
    branch = work.inputs[alias].branches[0]
    return tuple(
        (dim, replace(rule.kind)) for dim, rule in zip(work.signals[alias].dims, branch, strict=True)
    )


def _output_links(work: _Work) -> dict[str, tuple[Expr, Place | None]]:
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
        resolved = _by_alias(work, value, link.where)
        if not resolved:
            continue
        # Of several inputs on one signal, the output follows a trigger.
        resolved.sort(key=lambda e: any(work.inputs[r.input].reference for r in x.refs(e)))
        if target.dim in found:
            work.fault(LinkError, f"the output dimension {target.dim!r} is set twice", None, link.where)
            continue
        found[target.dim] = (resolved[0], link.where)
    return found


def _default_output(work: _Work, name: str, kind: Kind) -> tuple[Expr, Place | None] | None:
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


def _fitted(work: _Work, name: str, kind: Kind, expr: Expr, where: Place | None) -> Expr:
    """The value of an output dimension, as a value of its kind."""
    if isinstance(expr, x.Const):
        try:
            raw = expr.value if expr.kind.type != v.DATETIME else v.to_datetime(int(expr.value), expr.kind)
            return x.Const(v.cast(raw, kind), kind)
        except BadValue as fault:
            work.fault(LinkError, f"output.{name} ({kind}) cannot be {expr.value!r}: {fault}", None, where)
            return expr
    target = x.Ref(OUTPUT, name)
    kinds = {**work.kinds, target: kind}
    try:
        _, value = agree(DimensionExpr(target, kinds), DimensionExpr(expr, kinds))
    except LinkError as fault:
        work.fault(LinkError, fault.what, fault.hint, where)
        return expr
    if kind.type == v.DATETIME and x.kind_of(value, kinds.__getitem__).type == v.STRING:
        return x.Parse(value, replace(kind, min=None))
    return value


# --- the whole -----------------------------------------------------------------------------------


def _check_linked(work: _Work, links: list[ir.Link]) -> None:
    """Warn of trigger inputs with dimensions that no link connects: every combination would bind."""
    joined = _Components()
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
