"""A node as declared -> a node as it runs: aliases, default links, reference tips, output values.

`resolve` never raises for a user's mistake: it returns the node and all faults that it found.

Links -> the partition of each reference over the triggers, and what is left to restrict the triggers.
Output specification and links -> the dimensions of the output, each as an expression over the triggers.
Sensor mode: a node that its one timer starts, and whose other inputs are waited for by sensors.

No listener is told of such a node: what the timer's fire time and the links say of an input's partition is
all there is, as for a reference; but the DAG waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.expr import BadExpr, Expr, NotInvertible, solve
from rheo_runtime.values import BadValue, Kind
from rheo_runtime.wire import Branch, Rule
from rheodsl import extent, ir
from rheodsl.contradictions import possible
from rheodsl.declaration import Declaration, Work
from rheodsl.dimensions import Spec, without_layouts
from rheodsl.errors import (
    CycleError,
    GraphWarning,
    InvalidNameError,
    LinkError,
    LinkMissingError,
    RheoError,
    SourceLocation,
    SpecError,
)
from rheodsl.expressions import OUTPUT, DimensionExpr, agree
from rheodsl.filters import all_pass
from rheodsl.links import Components, by_alias, default_links, explicit_links
from rheodsl.notation import show
from rheodsl.own_past import OwnPast, why_no_past
from rheodsl.signals import NEAREST, RANGE_CHECK, View

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
            for left, right in ((link.left, link.right), *x.implied(link.left, link.right)):
                for side, other in ((left, right), (right, left)):
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
    if any(work.inputs[r.input].reference for r in x.refs(known)):
        return False
    if len(targets) != 1:
        for target in targets:
            why.setdefault(target, f"{show(side)} == {show(other)} does not tell its numbers one by one")
        return False
    if any(r.input == targets[0].input and r != targets[0] for r in x.refs(substituted(side, solved))):
        return False
    (target,) = targets
    try:
        found = [solve(substituted(side, solved), known, target, kind) for kind in _in_branches(work, target)]
        work.kind(found[0])
    except (NotInvertible, BadExpr, BadValue) as fault:
        why[target] = f"{show(side)} == {show(other)} cannot be turned around: {fault}"
        return False
    if len({each.base if isinstance(each, x.Tz) else each for each in found}) > 1:
        each = f"{show(target)} has another time zone or spelling in each branch of its filter"
        why[target] = f"{show(side)} == {show(other)} cannot be turned around: {each}"
        return False
    solved[target] = found[0]
    return True


def _in_branches(work: Work, target: x.Ref) -> list[Callable[[Expr], Kind]]:
    """How kinds are found where a reference is in one branch of its filter or another: of each different kind."""
    position = work.signals[target.input].dims.index(target.dim)
    own = dict.fromkeys(branch[position].kind for branch in work.inputs[target.input].branches)

    def within(kind: Kind) -> Callable[[Expr], Kind]:
        kinds = {**work.kinds, target: kind}
        return lambda expr: x.kind_of(expr, kinds.__getitem__)

    return [within(kind) for kind in own] if len(own) > 1 else [work.kind]


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
        same = left is link.left and right is link.right
        found.append(link if same else replace(link, left=left, right=right))
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
            case x.DateOf(
                x.Part(base, "year"), x.Part(b, "month"), x.Part(c, "day_of_month"), x.Const(), "DAY"
            ) if base == b == c:
                return base  # a date taken apart and put together again
            case x.MapValues(x.MapValues(base, inner), outer) if outer == tuple(
                sorted((b, a) for a, b in inner)
            ):
                # Back and forth again: what remains is that the value is a key of the inner map.
                return x.MapValues(base, tuple((a, a) for a, _ in inner))
        return e

    return x.rewrite(expr, step)


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
    zoned: list[tuple[str, Kind]] = []
    values: list[Expr] = []
    for name, kind in without_layouts(spec):
        source = given[name] if name in given else _default_output(work, name, kind)
        if source is None:
            zoned.append((name, kind))
            values.append(x.Ref(OUTPUT, name))
            continue
        expr, where = source
        kind = _in_zone_of(work, kind, expr if name in given else _of_trigger(work, name) or expr)
        if kind.schedule not in _schedules(work, expr):
            kind = v.unscheduled(kind)
        zoned.append((name, kind))
        values.append(simplified(substituted(_fitted(work, name, kind, expr, where), solved)))
    names = dict(zoned)
    for name in given:
        if name not in names and work.declared.output_spec is not None:
            known = ", ".join(names) or "none"
            work.fault(
                LinkError, f"the output has no dimension {name!r}", f"its dimensions: {known}", given[name][1]
            )
    return tuple(zip(names, all_pass(tuple(zoned))[0], strict=True)), tuple(values)


def _spec_of(work: Work, alias: str) -> Spec:
    """The dimensions of the first trigger: written as its first branch has them, with room for the others."""
    columns = zip(*work.inputs[alias].branches, strict=True)
    return tuple(
        (dim, _for_all([rule.kind for rule in rules]))
        for dim, rules in zip(work.signals[alias].dims, columns, strict=True)
    )


def _for_all(kinds: list[Kind]) -> Kind:
    """The first of a dimension's kinds, without what refuses a value of another: hours of several zones are in UTC."""
    kind = kinds[0]
    zones = {_zone(k) for k in kinds}
    if len(zones) > 1:
        kind = replace(kind, timezone="UTC")
    minima = {k.min for k in kinds}
    least = None if None in minima else min(minima)  # type: ignore[type-var]
    one_grid = len(zones) == 1 and len({(k.step, k.min if k.step > 1 else None) for k in kinds}) == 1
    one_calendar = len(zones) == 1 and len({(k.calendar, k.schedule) for k in kinds}) == 1
    return replace(
        kind,
        min=least,
        step=kind.step if one_grid else 1,
        calendar=kind.calendar if one_calendar else None,
        schedule=kind.schedule if one_calendar else None,
        week_start=kind.week_start if len({k.week_start for k in kinds}) == 1 else 0,
        insensitive=all(k.insensitive for k in kinds),
    )


def _schedules(work: Work, expr: Expr) -> set[str | None]:
    """The schedules of what an expression names, where it is a dimension as it is: of a timer, or of what one starts."""
    if not isinstance(expr, x.Ref) or expr.input not in work.inputs:
        return set()
    position = work.signals[expr.input].dims.index(expr.dim)
    return {branch[position].kind.schedule for branch in work.inputs[expr.input].branches}


def _zone(kind: Kind) -> str | None:
    """The zone in which a kind's texts are written; dates of no clock have none."""
    return kind.timezone or "UTC" if kind.granularity in (v.HOUR, v.MINUTE) else None


def _of_trigger(work: Work, name: str) -> Expr | None:
    """The dimension of this name of the first trigger that has it."""
    return next((x.Ref(alias, name) for alias in work.triggers() if name in work.signals[alias].dims), None)


def _in_zone_of(work: Work, kind: Kind, value: Expr) -> Kind:
    """The kind of an output of hours in the zone of what sets it, unless it declares one."""
    refs = list(x.refs(value))
    if kind.granularity not in (v.HOUR, v.MINUTE) or kind.timezone is not None or not refs:
        return kind
    alias = refs[0].input
    zones: dict[str | None, None] = {}
    for branch in work.inputs[alias].branches:
        own = {
            x.Ref(alias, dim): rule.kind for dim, rule in zip(work.signals[alias].dims, branch, strict=True)
        }
        zones[x.kind_of(value, {**work.kinds, **own}.__getitem__).timezone] = None
    if len({zone or "UTC" for zone in zones}) > 1:
        return replace(kind, timezone="UTC")
    zone = next(iter(zones))
    made = replace(kind, timezone=zone)
    if isinstance(kind.min, int):  # the hour that was written, on the clock of the zone
        made = replace(made, min=v.from_datetime(v.to_datetime(kind.min, kind), made))
    return made


def _output_links(work: Work) -> dict[str, tuple[Expr, SourceLocation | None]]:
    """What the user's links set each output dimension to."""
    found: dict[str, tuple[Expr, SourceLocation | None]] = {}
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


def _default_output(work: Work, name: str, kind: Kind) -> tuple[Expr, SourceLocation | None] | None:
    if work.inputs and not work.declared.options.auto_output_dim_linking_enabled:
        work.fault(
            LinkMissingError,
            f"nothing determines the output dimension {name!r}: its default links are switched off",
            hint=f"add an output link: output.{name} == ..., or leave out auto_output_dim_linking_enabled=False",
        )
        return None
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


def _fitted(work: Work, name: str, kind: Kind, expr: Expr, where: SourceLocation | None) -> Expr:
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
    if kind.type == v.STRING and (why := _no_folder(work, value)):
        work.fault(
            LinkError,
            f"output.{name} would be {why}",
            "a value is the name of one folder: write it without a slash, with '-' say",
            where,
        )
    return value


def _no_folder(work: Work, value: Expr) -> str | None:
    """Which text of an output, of those that are known, is none that a partition may have, and why."""
    if isinstance(value, x.Fmt) and "/" in value.format:
        return f"of the form {value.format!r}, which holds a slash"
    for text in sorted(map(str, possible(value, work.inputs, work.signals, work.kinds) or ())):
        try:
            v.check_text(text)
        except BadValue as fault:
            return f"{text!r}: {fault}"
    return None


def _fitting_hint(kind: Kind, given: Kind, expr: Expr) -> str | None:
    """How to make the value one of the output's kind: the operator stands at the value, never at the output."""
    order = v.GRANULARITIES.index
    operator = None
    if kind.granularity == given.granularity and kind.type == given.type:
        return None
    if kind.type == given.type == v.DATETIME and kind.granularity and given.granularity:
        coarser = order(kind.granularity) > order(given.granularity)
        operator = f"{'trunc' if coarser else 'at'}('{kind.granularity.lower()}')"
    elif {kind.type, given.type} == {v.LONG, v.STRING}:
        operator = f"cast({kind.type})"
    return operator and f"write {show(expr)}.{operator}, or change output_dimension_spec"


Sensed = ir.S3Source | ir.GlueSource | ir.NodeSource | ir.UpstreamSource


def sense(work: Work) -> None:
    """Make references of all trigger inputs but the timer; notes the faults of what cannot be sensed."""
    triggers = work.triggers()
    timers = [alias for alias in triggers if isinstance(work.signals[alias].source, ir.TimerSource)]
    if len(timers) != 1:
        work.fault(
            SpecError,
            f'trigger="sensor" needs exactly one timer among the inputs, not {len(timers)}',
            hint="add the timer that starts it: app.add_timer(...)",
        )
        return
    for alias, input in work.inputs.items():
        if input.mode == NEAREST:
            work.fault(
                SpecError,
                f"a sensor cannot choose the nearest partition of {alias!r}",
                hint="use range_check, a plain window, or leave trigger out",
            )
        if alias in timers or alias not in triggers:
            continue
        if not isinstance(work.signals[alias].source, Sensed):
            work.fault(
                SpecError,
                f"no sensor can wait for {alias!r}: it has no data",
                hint="sensors wait for objects of S3 and partitions of the Glue catalog; leave trigger out",
            )
            continue
        work.inputs[alias] = replace(input, reference=True, awaited=True)


# A node, its faults and its warnings.
Resolved = tuple[ir.Node, list[RheoError], list[GraphWarning]]


def resolve(declared: Declaration, signals: Mapping[str, ir.Signal]) -> Resolved:
    """Return the node, its faults and its warnings. ``signals`` are the current ones, by id."""
    if not declared.alternatives:
        return _resolve(declared, signals)
    faults: dict[str, RheoError] = {}
    warnings: dict[GraphWarning, None] = {}
    found: list[ir.Node] = []
    for named in declared.alternatives:
        one = _alternative(declared, named, signals)
        if fault := _no_alternative(declared, named) or _other_values(declared, named):
            faults.setdefault(str(fault), fault)
            continue
        node, wrong, told = _resolve(one, signals)
        if found and (fault := _other_output(declared, found[0], node)):
            faults.setdefault(str(fault), fault)
            continue
        if found and one.output_spec is None:  # written as the first alternative has it
            spec = tuple((name, rule.kind) for name, rule in found[0].output)
            node, wrong, told = _resolve(replace(one, output_spec=spec), signals)
        for each in wrong:
            faults.setdefault(str(each), each)
        warnings.update(dict.fromkeys(told))
        found.append(node)
    if not found:
        return _resolve(replace(declared, inputs=(), alternatives=()), signals)[0], [*faults.values()], []
    first, *others = found
    written = [w for node in found for w in node.written if not w.default]
    node = replace(
        first,
        output=_common_output(found),
        written=(*first.written, *(w for w in dict.fromkeys(written) if w not in first.written)),
        alternatives=tuple(ir.Alternative(n.inputs, n.links, n.output_values) for n in others),
    )
    return node, list(faults.values()), list(warnings)


def _common_output(found: list[ir.Node]) -> tuple[tuple[str, Rule], ...]:
    """The output of alternatives: the fires of a timer are its partitions where each of them has that timer's date."""
    columns = zip(*(node.output for node in found), strict=True)
    return tuple(
        (name, replace(rule, kind=v.unscheduled(rule.kind)))
        if any(other.kind.schedule != rule.kind.schedule for _, other in others)
        else (name, rule)
        for (name, rule), *others in columns
    )


def _alternative(
    declared: Declaration, named: tuple[int, ...], signals: Mapping[str, ir.Signal]
) -> Declaration:
    """One alternative by itself: what it does not name is an optional reference, or is left out without data."""
    given = [(alias or view.given_alias or _identifier(view.id), view) for alias, view in declared.inputs]
    taken = {given[i][0] for i in named}
    inputs: list[tuple[str | None, View]] = []
    left_out: set[str] = set()
    for i, (alias, view) in enumerate(given):
        if i in named:
            inputs.append((alias, view))
        elif alias not in taken:
            taken.add(alias)
            if isinstance(signals.get(view.id, view.signal).source, Sensed):
                inputs.append((alias, view.where_it_exists()))
            else:
                left_out |= {alias, view.id}
    left_out -= {name for alias, view in inputs for name in (alias, view.id)}
    kept = [
        tuple(e for e in links if not left_out & {r.input for s in (e.left, e.right) for r in x.refs(s)})
        for links in (declared.links, declared.output_links)
    ]
    return replace(declared, inputs=tuple(inputs), links=kept[0], output_links=kept[1], alternatives=())


def _no_alternative(declared: Declaration, named: tuple[int, ...]) -> RheoError | None:
    views = [declared.inputs[i][1] for i in named]
    shown = " & ".join(map(repr, views))
    if all(view.is_reference for view in views):
        return LinkMissingError(
            f"{declared.id}: the alternative {shown} is of references alone, so nothing ever starts it",
            where=declared.where,
            hint="leave .ref off the input whose events start the node",
        )
    if declared.options.trigger == "sensor":
        return SpecError(
            f'{declared.id}: trigger="sensor" waits for all inputs, and these are alternatives',
            where=declared.where,
            hint="leave trigger out: a listener starts a node with alternatives",
        )
    return None


def _other_values(declared: Declaration, named: tuple[int, ...]) -> RheoError | None:
    """Alternatives make the same output: a dimension of it that they fix has the same values in each of them."""
    first, own = (_fixed(declared, which) for which in (declared.alternatives[0], named))
    given = {r.dim for link in declared.output_links for s in (link.left, link.right) for r in x.refs(s)}
    made = first.keys() if declared.output_spec is None else dict(declared.output_spec).keys()
    for dim in sorted(made & own.keys() & first.keys() - given):
        if not first[dim] & own[dim]:
            return SpecError(
                f"{declared.id}: its alternatives determine different outputs: {dim} is "
                f"{_listed(first[dim])} in the one, {_listed(own[dim])} in another",
                where=declared.where,
                hint=f"leave {dim} out of the output, output_dimension_spec={{...}}, or declare a node for each",
            )
    return None


def _fixed(declared: Declaration, named: tuple[int, ...]) -> dict[str, frozenset[tuple[object, str]]]:
    """The values that the filters of an alternative leave to each dimension, with their texts; of the first input that has it."""
    found: dict[str, frozenset[tuple[object, str]]] = {}
    for view in (declared.inputs[i][1] for i in named):
        for position, dim in enumerate(() if view.is_reference else view.names):
            rules = [branch[position] for branch in view.branches]
            values = [(r.value, v.render(r.value, r.kind)) for r in rules if r.value is not None]
            if len(values) == len(rules):
                found.setdefault(dim, frozenset(values))
    return found


def _listed(values: frozenset[tuple[object, str]]) -> str:
    return ", ".join(sorted(text for _, text in values))


def _other_output(declared: Declaration, first: ir.Node, node: ir.Node) -> RheoError | None:
    """Alternatives make the same output: its dimensions must follow from each of them."""
    names = [sorted(name for name, _ in n.output) for n in (first, node)]
    if names[0] == names[1]:
        return None
    shown = [", ".join(each) or "no dimensions" for each in names]
    return SpecError(
        f"{declared.id}: its alternatives determine different outputs: {shown[0]}, and {shown[1]}",
        where=declared.where,
        hint="say which it has, output_dimension_spec={...}; roll up or index what one alternative has more",
    )


def _check_extent(work: Work, inputs: Sequence[ir.Input]) -> None:
    """Note a fault of inputs that no record of an execution has room for."""
    if len(inputs) > extent.MOST_INPUTS:
        work.fault(
            SpecError,
            f"it has {len(inputs):,} inputs, and the record of an execution has room for {extent.MOST_INPUTS}",
            hint="bring some of them together in a node of their own, or make them one signal with a dimension more",
        )
    read = extent.partitions(inputs)
    if read > extent.MOST_PARTITIONS:
        widest = max(inputs, key=lambda i: extent.partitions([i]))
        work.fault(
            SpecError,
            f"an execution would read {read:,} partitions, and its record has room for {extent.MOST_PARTITIONS:,}; "
            f"most are of {widest.alias!r}",
            hint=f"gather the partitions of {widest.signal} in a node first, such as a day of hours, and read a window of that",
        )


def _resolve(declared: Declaration, signals: Mapping[str, ir.Signal]) -> Resolved:
    work = Work(declared)
    _take_inputs(work, signals)
    if declared.options.trigger == "sensor":
        sense(work)
    written = explicit_links(work)
    written += default_links(work, written)
    tips = reference_tips(work, written)
    links = over_triggers(work, written, tips)
    output, values = output_of(work, tips)
    _check_windows(work)
    _check_linked(work, links)
    _check_overwriting(work, links, output, values)
    inputs = [replace(i, tip=tips[alias]) if alias in tips else i for alias, i in work.inputs.items()]
    if declared.own and not work.faults:
        inputs += _own_past(work, output, values)
    _check_extent(work, inputs)
    node = ir.Node(
        id=declared.id,
        inputs=tuple(inputs),
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
        checks=declared.checks,
    )
    return node, work.faults, work.warnings


def _take_inputs(work: Work, signals: Mapping[str, ir.Signal]) -> None:
    for given, view in work.declared.inputs:
        signal = signals.get(view.id, view.signal)
        alias = given or view.given_alias or _identifier(view.id)
        if alias in work.inputs:
            work.fault(
                InvalidNameError,
                f"two inputs are named {alias!r}",
                hint="give them names: inputs={'a': ..., 'b': ...}, or .alias('a')",
            )
            continue
        if alias == OUTPUT:
            work.fault(
                InvalidNameError,
                "no input can be named 'output'",
                hint="'output' is what the compute assigns",
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
        if view.rolled is not None and view.rolled.complete is False and view.is_reference:
            _check_known(work, view)
        work.inputs[alias] = ir.Input(
            alias,
            view.id,
            branches,
            view.mode,
            view.is_reference,
            rollup=view.rolled,
            at_least=view.enough,
            optional=view.is_optional,
        )
        if view.rolled is not None:  # links and outputs speak of what is left of its dimensions
            signal = replace(signal, dims=view.names, branches=branches)
        work.signals[alias] = signal
        work.by_signal.setdefault(view.id, []).append(alias)
        if view.given_alias and view.given_alias != alias:
            work.by_signal.setdefault(view.given_alias, []).append(alias)
        for dim, rule in zip(signal.dims, branches[0], strict=True):
            work.kinds[x.Ref(alias, dim)] = rule.kind
    for alias, input in work.inputs.items():
        if alias != input.signal and alias in work.by_signal:
            work.fault(
                InvalidNameError,
                f"the input {alias!r} is {input.signal!r}, but {alias!r} is also the signal of another input",
                hint="choose another name for one of them",
            )
    if work.inputs and not work.triggers():
        work.fault(
            LinkMissingError,
            "every input is a reference, so nothing ever starts it",
            hint="leave .ref off the input whose events start the node",
        )


def _own_past(work: Work, output: tuple[tuple[str, Rule], ...], values: tuple[Expr, ...]) -> list[ir.Input]:
    """The node's own earlier partitions as inputs: each from the tip that is the output partition itself."""
    declared = work.declared
    signal = ir.Signal(
        declared.id, tuple(name for name, _ in output), (tuple(rule for _, rule in output),), ir.NodeSource()
    )
    found: list[ir.Input] = []
    for own in declared.own:
        view = View(signal)
        try:
            for index in own.indexes:
                view = view[index]
        except RheoError as fault:
            work.fault(type(fault), fault.what, fault.hint)
            continue
        if reason := why_no_past(own, view.branches[0]):
            work.fault(
                CycleError,
                f"{own} is no input: {reason}",
                "write a whole shift to the past of one dimension, such as output[-1:].ref",
            )
            continue
        alias = own.name or _identifier(declared.id)
        if alias in work.inputs or any(i.alias == alias for i in found):
            work.fault(
                InvalidNameError,
                f"two inputs are named {alias!r}",
                hint="give it a name: output[-1:].ref.alias('a')",
            )
            continue
        mode = RANGE_CHECK if own.checked else ""
        if own.checked:
            _check_beginning(work, own, signal.dims, view.branches[0])
        found.append(ir.Input(alias, declared.id, view.branches, mode, True, values))
    return found


def _check_beginning(work: Work, own: OwnPast, dims: tuple[str, ...], branch: Branch) -> None:
    """Warn of a past that is awaited and has no beginning: the first partition waits for one before it."""
    dim = next(dim for dim, rule in zip(dims, branch, strict=True) if rule.window is not None)
    if branch[dims.index(dim)].kind.min is None:
        work.warnings.append(
            GraphWarning(
                "RD205",
                f"{work.declared.id}: {own} awaits a past that has no beginning, so its first partition never runs",
                work.declared.where,
                f'say where it begins: give {dim} of the output, or of the input that it is of, a "min"',
            )
        )


def _check_known(work: Work, view: View) -> None:
    """A reference is never told what arrives, so a dimension that goes needs its values."""
    rollup = view.rolled
    assert rollup is not None
    for position, (dim, grain) in enumerate(zip(rollup.dims, rollup.grains, strict=True)):
        if grain == "" and any(branch[position].value is None for branch in rollup.members):
            work.fault(
                SpecError,
                f"nothing says which values of {view.id}.{dim} the reference {view!r} reads",
                hint=f"name them: rollup({dim}=[...])",
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


# The unit that a number of this name counts, in the folders of Spark, Hive and Firehose.
_COUNTS = {
    "year": v.YEAR, "yr": v.YEAR, "yyyy": v.YEAR, "month": v.MONTH, "mon": v.MONTH, "mo": v.MONTH, "mm": v.MONTH,
    "day": v.DAY, "dd": v.DAY, "hour": v.HOUR, "hr": v.HOUR, "hh": v.HOUR, "minute": v.MINUTE, "min": v.MINUTE,
}  # fmt: skip


def _check_windows(work: Work) -> None:
    """Warn of windows on the number of a day or an hour whose month or day is another dimension: they end with it."""
    for alias, input in work.inputs.items():
        branch = input.branches[0]
        units = [_unit(d, r.kind) for d, r in zip(work.signals[alias].dims, branch, strict=True)]
        for position, rule in enumerate(branch):
            unit = units[position]
            if rule.window is None or unit is None or rule.kind.type != v.LONG:
                continue
            finer = v.GRANULARITIES.index(unit)
            coarser = [i for i, u in enumerate(units[:position]) if u and v.GRANULARITIES.index(u) > finer]
            if not coarser:
                continue
            dim = work.signals[alias].dims[position]
            example = "year={day:%Y}/month={day:%m}/day={day:%d}"
            if unit in (v.HOUR, v.MINUTE):
                example = "dt={hour:%Y-%m-%d}/hr={hour:%H}"
            levels = ", ".join(work.signals[alias].dims[i] for i in (*coarser, position))
            work.warnings.append(
                GraphWarning(
                    "RD206",
                    f"{work.declared.id}: the window on {show(x.Ref(alias, dim))} counts a number, "
                    f"so it does not go on in the {_COARSER[unit]} before or after",
                    work.declared.where,
                    f"make one date of the levels {levels}, such as {example} (without zeros: %-m, %-d, %-H)",
                )
            )


def _unit(dim: str, kind: Kind) -> str | None:
    """The unit of time that a dimension counts, as its kind or its name says."""
    if kind.type == v.DATETIME:
        return kind.granularity
    return _COUNTS.get(dim.lower().rpartition("_")[2]) if kind.type == v.LONG else None


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
                GraphWarning(
                    "RD201",
                    f"{work.declared.id}: {a!r} and {b!r} share no link, so every combination of their partitions runs it",
                    work.declared.where,
                    f"link a dimension of {a} to one of {b}, or make one a reference (.ref)",
                )
            )
            joined.join(a, b)


def _check_overwriting(
    work: Work, links: list[ir.Link], output: tuple[tuple[str, Rule], ...], values: tuple[Expr, ...]
) -> None:
    """Warn of dimensions of trigger inputs that the output does not tell: their runs overwrite one another."""
    if work.declared.options.latest_wins or work.faults or any(w.code == "RD201" for w in work.warnings):
        return  # inputs that no link joins are told first: their dimensions follow
    lost = _untold(work, links, output, values)
    if not lost:
        return
    shown = ", ".join(map(show, lost))
    first = lost[0]
    kind = work.kinds[first]
    coarsened = kind.type == v.DATETIME and any(first in x.refs(value) for value in values)
    to = _COARSER.get(kind.granularity or v.DAY, "year")
    roll = f'{first.dim}="{to}"' if coarsened else f"{first.dim}=[...]"
    work.warnings.append(
        GraphWarning(
            "RD204",
            f"{work.declared.id}: its output does not tell {shown}, so each run replaces what the one before wrote",
            work.declared.where,
            f"roll it up: {work.inputs[first.input].signal}.rollup({roll}), write it to the output, "
            "or say that this is meant: latest_wins=True",
        )
    )


_COARSER = {
    v.MINUTE: "hour",
    v.HOUR: "day",
    v.DAY: "month",
    v.WEEK: "year",
    v.MONTH: "year",
    v.QUARTER: "year",
}


def _untold(
    work: Work, links: list[ir.Link], output: tuple[tuple[str, Rule], ...], values: tuple[Expr, ...]
) -> list[x.Ref]:
    """Dimensions of trigger inputs with more than one value that do not follow from the output's."""
    kinds = {**work.kinds, **{x.Ref(OUTPUT, name): rule.kind for name, rule in output}}
    told = {x.Ref(OUTPUT, name) for name, _ in output}
    wanted: list[x.Ref] = []
    for alias in work.triggers():
        for position, dim in enumerate(work.signals[alias].dims):
            fixed = {branch[position].value for branch in work.inputs[alias].branches}
            if len(fixed) == 1 and None not in fixed:
                told.add(x.Ref(alias, dim))
            else:
                wanted.append(x.Ref(alias, dim))
    told |= {ref for ref in wanted if _told_by_parts(ref, values, work.kinds[ref])}
    pairs: list[tuple[Expr, Expr]] = [
        (x.Ref(OUTPUT, name), value) for (name, _), value in zip(output, values, strict=True)
    ]
    pairs += [(link.left, link.right) for link in links]
    open_ = [
        ((left, frozenset(x.refs(left))), (right, frozenset(x.refs(right))))
        for one in pairs
        for left, right in (one, *x.implied(*one))
    ]
    progress = True
    while progress and not told.issuperset(wanted):
        progress = False
        for equation in list(open_):
            for (side, given), (other, needed) in (equation, equation[::-1]):
                unknown = needed - told
                if len(unknown) == 1 and given <= told:
                    (target,) = unknown
                    open_.remove(equation)
                    if _follows(other, side, target, kinds):
                        told.add(target)
                        progress = True
                    break
    return [ref for ref in wanted if ref not in told]


def _told_by_parts(ref: x.Ref, values: tuple[Expr, ...], kind: Kind) -> bool:
    """Whether the output spells a date as its year, month and day, each a dimension of its own."""
    parts = {value.field for value in values if isinstance(value, x.Part) and value.base == ref}
    wanted = {v.YEAR: 1, v.MONTH: 2, v.DAY: 3, v.HOUR: 4}.get(kind.granularity or "", 5)
    return len(parts) >= wanted


def _follows(side: Expr, known: Expr, target: x.Ref, kinds: Mapping[x.Ref, Kind]) -> bool:
    try:
        solve(side, known, target, lambda e: x.kind_of(e, kinds.__getitem__))
    except (NotInvertible, BadExpr, BadValue):
        return False
    return True
