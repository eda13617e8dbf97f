"""Route -> how an arrival finds the bindings that it completes: index look-ups over the link graph. Pure.

Links are equations, so the terms that they connect form classes of values that must be equal: the
*variables* of the route. Each trigger input has a value for some of them, and the bindings are the
natural join of the inputs on their shared variables. For each input that can receive an arrival
there is a plan: visit the other inputs, the most tightly linked first, each by an index on the
variables that are known by then.

How many firings a binding is due, from what arrived and what it has used.

``retrigger="all"``: one for each time that every input has an arrival not yet used. ``"any"``: one for
the first time that every input has one, then one for each arrival beyond. Neither depends on order.
Expressions over the trigger inputs of a route -> functions of a partition or of a whole binding.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.partners import Possible, possible
from rheo_runtime.records import (
    NEVER,
    ArrivalIndex,
    Arrivals,
    Binding,
    Bound,
    Came,
    ConsumedMark,
    Group,
    Key,
    Recs,
    Used,
)
from rheo_runtime.rollup import Members, members_of
from rheo_runtime.values import (
    DATETIME,
    STRING,
    BadValue,
    Kind,
    Partition,
    Value,
    admit,
    identity,
    joined_renderer,
    partition_renderer,
    picker,
    tester,
    tuple_of,
    whole,
)


def first_use(recs: Recs) -> tuple[tuple[str, ...], Used] | None:
    """Return the usual firing: nothing was used before, and each partition has arrived once.

    That is the ids of its events, and what is used after it; None when there is more to weigh. It
    says in one step what `free`, `firings_due` and `after_firing` say together.
    """
    events, marks = [], []
    for record in recs:
        if record.n != 1 or record.ids.__class__ is not str:
            return None
        events.append(record.ids)
        marks.append((record.since, 1))
    return tuple(events), (1, tuple(marks))


def used_with(used: Used, recs: Recs, indexes: Sequence[ArrivalIndex], came: Came) -> Used:
    """Return what a binding has used, in the records of events that came with its first firing and are counted there, too.

    Of such a record all is used but what is live and did not come so: the mark is of no life of it.
    """
    marks = [
        (r.since, r.n - len(r.times()) + 1)
        if mark[0] != r.since and (event := came.event(index, r.partition)) is not None and r.knows(event)
        else mark
        for r, mark, index in zip(recs, used[1], indexes, strict=True)
    ]
    return used[0], tuple(marks)


def firings_due(all_new: bool, left: list[int], used: Used | None) -> int:
    """Return how many firings are due, from what is left unused at each input.

    >>> firings_due(True, [2, 1], None), firings_due(False, [2, 1], None), firings_due(False, [1, 0], (1, ()))
    (1, 2, 1)
    """
    fewest = min(left)
    if all_new:
        return fewest
    if used is not None and used[0]:
        return sum(left)
    return sum(left) - len(left) + 1 if fewest > 0 else 0


def free(recs: Recs, used: Used | None, expiries: Iterable[tuple[ConsumedMark, ...]] = ()) -> list[int]:
    """Return, for each trigger input, how many of its arrivals the binding has not used."""
    if used is None:
        left = [1 if r.n == 1 and r.ids else r.unused(NEVER) for r in recs]
    else:
        left = [r.unused(mark) for r, mark in zip(recs, used[1], strict=True)]
    for marks in expiries:
        left = [min(n, r.unused(mark)) for n, r, mark in zip(left, recs, marks, strict=True)]
    return left


def after_firing(all_new: bool, recs: Recs, used: Used | None, left: list[int]) -> Used:
    """Return what the binding has used after one more firing, with ``left`` unused before it.

    Under "any" a later firing uses one arrival, whichever; the first uses one of each input. A mark
    never goes back, even when a record was read before another listener used what came after it.
    """
    fired, before = used or (0, (NEVER,) * len(left))
    if all_new or not fired:
        spent = [1] * len(left)
    else:
        first = next(i for i, n in enumerate(left) if n > 0)
        spent = [int(i == first) for i in range(len(left))]
    marks = [
        (r.since, max(r.n - n, mark[1] if mark[0] == r.since else 0) + k)
        for r, n, mark, k in zip(recs, left, before, spent, strict=True)
    ]
    return fired + 1, tuple(marks)


def branch_of(branches: tuple[wire.Branch, ...], partition: Partition) -> int:
    """Return the position of the first branch whose literal values ``partition`` has (0 when none)."""
    for position, branch in enumerate(branches):
        if all(r.value is None or r.value == p for r, p in zip(branch, partition, strict=True)):
            return position
    return 0


def by_name(route: wire.Route) -> list[wire.Input]:
    """Return the trigger inputs in the order of their aliases: to turn them round changes nothing that is stored."""
    return sorted((i for i in route.inputs if i.tip is None), key=lambda i: i.alias)


class Scope:
    """The trigger inputs of a route, in the order of their names: their dimensions and kinds.

    The kind of a dimension may depend on the branch of the filter that the partition is in (a
    timezone for each region), so an expression is compiled once for each combination of branches.
    """

    def __init__(
        self, route: wire.Route, signals: Mapping[str, wire.Signal], triggers: Sequence[wire.Input]
    ) -> None:
        self.aliases = tuple(i.alias for i in triggers)
        self.dims = {i.alias: i.dims(signals[i.signal]) for i in route.inputs}
        self._tips = {i.alias: i.tip for i in route.inputs if i.tip is not None}
        self._branches = [i.branches for i in triggers]
        self._uniform = [
            len({tuple(rule.kind for rule in branch) for branch in i.branches}) == 1 for i in triggers
        ]

    def is_uniform(self, i: int) -> bool:
        """Say whether the dimensions of input ``i`` have the same kinds in all branches of its filter."""
        return self._uniform[i]

    def position(self, ref: x.Ref) -> int:
        """Return which trigger input ``ref`` is of; raises WireError for another name."""
        try:
            return self.aliases.index(ref.input)
        except ValueError:
            raise wire.WireError(f"{ref.input}.{ref.dim} is no dimension of a trigger input") from None

    def without_references(self, expr: x.Expr) -> x.Expr:
        """Return ``expr`` with each dimension of a reference input replaced by what gives its tip."""

        def change(node: x.Expr) -> x.Expr:
            if isinstance(node, x.Ref) and (tip := self._tips.get(node.input)) is not None:
                return tip[self.dims[node.input].index(node.dim)]
            return node

        return x.rewrite(expr, change) if self._tips else expr

    def kind(self, expr: x.Expr, choice: Mapping[int, int] | None = None) -> Kind:
        """Return the kind of ``expr`` when input i is in branch ``choice[i]`` (the first, when absent)."""
        return x.kind_of(expr, lambda ref: self._kind(ref, choice or {}))

    def _kind(self, ref: x.Ref, choice: Mapping[int, int]) -> Kind:
        i = self.position(ref)
        return self._branches[i][choice.get(i, 0)][self.dims[ref.input].index(ref.dim)].kind

    def kind_of_ref(self, ref: x.Ref) -> Kind:
        """Return the kind of a dimension in the first branch of its input."""
        return self._kind(ref, {})

    def kinds(self, ref: x.Ref, known: Mapping[tuple[str, str], Value]) -> list[Kind]:
        """Return the kinds that a dimension may have, by what is known of its input's partition."""
        i, dims = self.position(ref), self.dims[ref.input]
        found: dict[Kind, None] = {}
        for branch in self._branches[i]:
            said = [(r.value, known.get((ref.input, d))) for r, d in zip(branch, dims, strict=True)]
            if any(value is not None and other not in (None, value) for value, other in said):
                continue
            found[branch[dims.index(ref.dim)].kind] = None
            if all(value is None or other is not None for value, other in said):
                break  # the first branch that lets it pass
        return list(found) or [self.kind_of_ref(ref)]

    def is_within(self, expr: x.Expr, kind: Kind) -> bool:
        """Say whether each value of an expression is one that a kind lets be a partition."""
        if kind.type != STRING and kind == whole(kind):
            return True
        if not isinstance(expr, x.Ref):
            return False
        i = self.position(expr)
        dim = self.dims[expr.input].index(expr.dim)
        sources = [branch[dim].kind for branch in self._branches[i]]
        return all(source.domain == kind.domain for source in sources)

    def on_partition(self, expr: x.Expr, i: int | None = None) -> Callable[[Partition], Value]:
        """Return partition -> value, for an expression over one input (number ``i``, when it is a literal)."""
        ref = next(x.refs(expr), None)
        position = self.position(ref) if ref else (i or 0)

        def compiled(choice: Mapping[int, int]) -> Callable[[Partition], Value]:
            def leaf(ref: x.Ref) -> Callable[[Partition], Value]:
                dim = self.dims[ref.input].index(ref.dim)
                return lambda p: p[dim]

            return x.compile_expr(expr, lambda ref: self._kind(ref, choice), leaf)

        if self._uniform[position]:
            return compiled({})
        branches = self._branches[position]
        by_branch = [compiled({position: b}) for b in range(len(branches))]
        return lambda p: by_branch[branch_of(branches, p)](p)

    def on_binding(self, expr: x.Expr) -> Callable[[Binding], Value]:
        """Return binding -> value."""

        def leaf(ref: x.Ref) -> Callable[[Binding], Value]:
            i, dim = self.position(ref), self.dims[ref.input].index(ref.dim)
            return lambda b: b[i][dim]

        varied = sorted({i for r in x.refs(expr) if not self._uniform[i := self.position(r)]})
        if not varied:
            return x.compile_expr(expr, lambda ref: self._kind(ref, {}), leaf)
        compiled: dict[tuple[int, ...], Callable[[Binding], Value]] = {}

        def evaluate(binding: Binding) -> Value:
            branches = tuple([branch_of(self._branches[i], binding[i]) for i in varied])
            if branches not in compiled:
                choice = dict(zip(varied, branches, strict=True))
                compiled[branches] = x.compile_expr(expr, lambda ref: self._kind(ref, choice), leaf)
            return compiled[branches](binding)

        return evaluate

    def tuple_on_binding(self, exprs: tuple[x.Expr, ...]) -> Callable[[Binding], Partition]:
        """Return binding -> the values of several expressions; plain dimensions are just picked."""
        if not exprs or not all(isinstance(e, x.Ref) for e in exprs):
            return tuple_of(tuple(self.on_binding(e) for e in exprs))
        refs = [e for e in exprs if isinstance(e, x.Ref)]
        inputs = {self.position(ref) for ref in refs}
        if len(inputs) > 1:
            return tuple_of(tuple(self.on_binding(e) for e in exprs))
        (i,) = inputs
        dims = self.dims[refs[0].input]
        pick = picker(tuple(dims.index(ref.dim) for ref in refs), len(dims))
        return _tip(i) if pick is identity else lambda b: pick(b[i])


@cache
def _tip(i: int) -> Callable[[Binding], Partition]:
    return lambda b: b[i]


Values = Callable[[Partition], tuple[Value, ...]]
Passes = Callable[[Partition], bool]


class Finder(Protocol):
    """The part of a ledger that a join reads."""

    def find(self, arrival_index: ArrivalIndex, index: int, key: Key) -> Sequence[Arrivals]: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One look-up of a plan: input ``target`` in its index ``index``, by ``key`` of the values known.

    ``more`` takes, from the target's own values, those that later steps need; None when none do.
    """

    target: int
    index: int
    key: Callable[[tuple[Value, ...]], Key]
    more: Callable[[tuple[Value, ...]], tuple[Value, ...]] | None


class Join:
    """A route, compiled.

    Attributes
    ----------
    size
        The number of trigger inputs; a binding has one partition for each, in the order of their aliases.
    positions
        Where a binding has the partition of each trigger input, by alias, in declared order.
    values
        For each trigger input, partition -> the values of its variables; raises BadValue.
    accepts
        For each trigger input, None or partition -> whether it satisfies the links within the input.
    variables
        For each trigger input, the numbers of its variables, in the order of its values.
    keys
        For each trigger input, values -> its key in each of its indexes.
    plans
        For each trigger input, the steps from its arrival to whole bindings.
    links
        All equations over the trigger inputs.
    inputs
        A short name of each trigger input: its alias, and what is stored of it.
    means
        A short name of what a binding means: the trigger inputs, and the links between them, in whatever order.
    passes
        For each trigger input, None or partition -> whether its filter lets it pass: what is stored may be older.
    holds
        None, or binding -> whether links that no index serves hold.
    partners
        For each trigger input, None or values -> the alias of an input that can never have one to join them,
        None when each may.
    rolled
        For each trigger input that is a rollup of complete partitions, its members; else None.
    binding
        Arrivals, one for each trigger input -> their partitions.
    output
        Binding -> values of the output dimensions; raises BadValue.
    alone
        Whether each binding has an output partition of its own.
    by_key
        Whether all inputs of several have one key, which is the partition of each: a key has one binding.
    told_by
        For each trigger input, whether its partition alone tells the output: in a binding, others may be anything.
    output_texts, output_text
        Values of the output dimensions -> their texts; the one text that names the partition in ids.
    """

    def __init__(
        self,
        route: wire.Route,
        signals: dict[str, wire.Signal],
        triggers: Sequence[wire.Input] | None = None,
    ) -> None:
        self.route = route
        self.node = route.node
        self.triggers = tuple(by_name(route) if triggers is None else triggers)
        aliases = [i.alias for i in self.triggers]
        self.positions = {i.alias: aliases.index(i.alias) for i in route.inputs if i.tip is None}
        self.references = tuple(i for i in route.inputs if i.tip is not None)
        self.size = len(self.triggers)
        self.all = route.retrigger != "any"
        self.scope = Scope(route, signals, self.triggers)
        links = _Links(route, self.scope)
        self.links = links.equations
        self._terms = links.terms
        self.accepts = tuple(links.within(i) for i in range(self.size))
        self.holds = links.across()
        self.rolled: tuple[Members | None, ...] = tuple(
            members if members is not None and members.complete else None
            for members in map(members_of, self.triggers)
        )
        for i, source in enumerate(self.triggers):
            if source.rollup is not None:
                links.tell_apart(i)
        self.variables = tuple(sorted(links.terms[i]) for i in range(self.size))
        self.values: tuple[Values, ...] = tuple(self._values(i, links) for i in range(self.size))
        self.partners = tuple(self._partners(i, links) for i in range(self.size))
        self._indexes: list[list[tuple[int, ...]]] = [
            [] if source.rollup is None else [tuple(self.variables[i])]
            for i, source in enumerate(self.triggers)
        ]
        self.plans = tuple(self._plan(i) for i in range(self.size))
        for indexes in self._indexes:
            if not indexes:
                indexes.append(())  # every arrival stands in some index, or nothing could list it
        self.keys = tuple(self._keys(i) for i in range(self.size))
        meanings = tuple(_meaning(source, signals[source.signal]) for source in self.triggers)
        self.arrival_indexes = tuple(self._slot(i, meanings[i]) for i in range(self.size))
        self.inputs = tuple(
            wire.digest([source.alias, means]) for source, means in zip(self.triggers, meanings, strict=True)
        )
        equations = [sorted(json.dumps(x.to_json(side)) for side in link) for link in self.links]
        self.means = wire.digest([self.inputs, sorted(equations)])
        self.passes = tuple(map(_passes, self.triggers))
        self.members = {  # where the members stand of which nothing but arrivals tells
            source.alias: ArrivalIndex(
                route.node,
                f"{source.alias}~members",
                (self._slot(i, _rolled_up(source, signals[source.signal])).indexes[0],),
                False,
                route.arrival_ttl,
            )
            for i, source in enumerate(self.triggers)
            if (known := members_of(source)) is not None and known.open
        }
        # Without a trigger nothing binds, and whoever runs the node says its output.
        outputs = route.output.values if self.triggers else ()
        self.output = self._output(outputs)
        one_key = self.size == 1 or (
            all(index.exact for index in self.arrival_indexes)
            and all(own == self.variables[0] for own in self.variables)
        )
        self.by_key = one_key and self.size > 1 and self.holds is None
        self.alone = one_key and self._is_whole(outputs)
        told = {self.scope.position(ref) for expr in outputs for ref in x.refs(expr)}
        self.told_by = tuple(self.alone or told <= {i} for i in range(self.size))
        self.output_texts = partition_renderer(route.output.kinds)
        self.output_text = joined_renderer(route.output.kinds)
        self.binding = _BINDINGS.get(self.size, _binding)
        self.tips = tuple(
            tuple_of(tuple(self.scope.on_binding(e) for e in i.tip or ())) for i in self.references
        )

    def _output(self, outputs: tuple[x.Expr, ...]) -> Callable[[Binding], Partition]:
        """Binding -> output; a value that the output's own first value, steps or calendar leave out is none."""
        values, kinds = self.scope.tuple_on_binding(outputs), self.route.output.kinds
        own = [i for i, expr in enumerate(outputs) if not self.scope.is_within(expr, kinds[i])]

        def within(binding: Binding) -> Partition:
            found = values(binding)
            for i in own:
                admit(found[i], kinds[i])
            return found

        return within if own else values

    def _is_whole(self, outputs: tuple[x.Expr, ...]) -> bool:
        """Say whether the output is the whole partition of an input."""
        if any(i.rollup is not None for i in self.triggers):
            return False
        return outputs in [
            tuple(x.Ref(i.alias, dim) for dim in self.scope.dims[i.alias]) for i in self.triggers
        ]

    def tips_of(self, binding: Binding) -> list[Partition]:
        """Return the tip of each input, in declared order; raises BadValue."""
        references = iter(self.tips)
        return [
            binding[self.positions[i.alias]] if i.tip is None else next(references)(binding)
            for i in self.route.inputs
        ]

    def come(self, ledger: Finder, alias: str, coarse: Partition) -> list[Partition]:
        """Return the members of a rollup that have come, where arrivals alone tell which there are: see `Members.open`."""
        return sorted({record.partition for record in ledger.find(self.members[alias], 0, coarse)})

    def bindings(
        self, ledger: Finder, start: int, arrivals: Arrivals | Group, values: tuple[Value, ...]
    ) -> Iterator[Bound]:
        """Yield every binding that contains ``arrivals`` at input ``start``, as its arrivals in order."""
        bound: list[Arrivals | Group | None] = [None] * self.size
        bound[start] = arrivals
        yield from self._visit(ledger, self.plans[start], 0, values, bound)

    def _visit(
        self,
        ledger: Finder,
        plan: tuple[Step, ...],
        depth: int,
        known: tuple[Value, ...],
        bound: list[Arrivals | Group | None],
    ) -> Iterator[Bound]:
        if depth == len(plan):
            recs = tuple([r for r in bound if r is not None])
            if self.holds is None or self.holds(tuple([r.partition for r in recs])):
                yield recs
            return
        step = plan[depth]
        target = step.target
        there: Sequence[Arrivals | Group] = ledger.find(
            self.arrival_indexes[target], step.index, step.key(known)
        )
        members, passes = self.rolled[target], self.passes[target]
        if members is not None:
            there = members.whole(there)  # type: ignore[arg-type]
        for found in there:
            if passes is not None and not passes(found.partition):
                continue
            bound[target] = found
            more = known if step.more is None else known + step.more(self.values[target](found.partition))
            yield from self._visit(ledger, plan, depth + 1, more, bound)

    def _values(self, i: int, links: _Links) -> Values:
        terms = [links.terms[i][variable] for variable in self.variables[i]]
        dims = self.scope.dims[self.triggers[i].alias]
        if terms == [x.Ref(self.triggers[i].alias, dim) for dim in dims]:
            return identity  # the partition is its own key
        return tuple_of(tuple(self.scope.on_partition(term) for term in terms))

    def _partners(self, i: int, links: _Links) -> Callable[[tuple[Value, ...]], str | None] | None:
        tests: list[tuple[int, str, Possible]] = []
        for place, variable in enumerate(self.variables[i]):
            for j, other in enumerate(self.triggers):
                term = links.terms[j].get(variable)
                if j == i or term is None or not (self.scope.is_uniform(j) or isinstance(term, x.Ref)):
                    continue
                test = possible(term, other, self.scope.dims[other.alias], self.scope.kind)
                if test is not None:
                    tests.append((place, other.alias, test))
        if not tests:
            return None
        return lambda values: next((alias for p, alias, test in tests if not test(values[p])), None)

    def _plan(self, start: int) -> tuple[Step, ...]:
        """Greedy: next comes the input that shares most variables with what is known."""
        known = list(self.variables[start])
        left = [j for j in range(self.size) if j != start]
        steps = []
        while left:
            target = max(left, key=lambda j: (len(set(self.variables[j]) & set(known)), -j))
            left.remove(target)
            own = self.variables[target]
            shared = tuple(v for v in own if v in known)
            if shared not in self._indexes[target]:
                self._indexes[target].append(shared)
            needed = {v for j in left for v in self.variables[j]} - set(known)
            fresh = [v for v in own if v in needed]
            steps.append(
                Step(
                    target=target,
                    index=self._indexes[target].index(shared),
                    key=picker(tuple(known.index(v) for v in shared), len(known)),
                    more=picker(tuple(own.index(v) for v in fresh), len(own)) if fresh else None,
                )
            )
            known += fresh
        return tuple(steps)

    def _keys(self, i: int) -> Callable[[tuple[Value, ...]], tuple[Key, ...]]:
        own = self.variables[i]
        return tuple_of(
            tuple(picker(tuple(own.index(v) for v in index), len(own)) for index in self._indexes[i])
        )

    def first_edition(self, signals: dict[str, wire.Signal]) -> tuple[ArrivalIndex, ...]:
        """Return where arrivals stood in the first edition: its names said not what they mean, but the inputs' order."""
        declared = Join(self.route, signals, [i for i in self.route.inputs if i.tip is None])
        slots = {source.alias: declared._slot(i) for i, source in enumerate(declared.triggers)}
        return tuple(slots[source.alias] for source in self.triggers)

    def _slot(self, i: int, *meaning: str) -> ArrivalIndex:
        """Index names follow from what is indexed: after a change of links or dimensions nothing is misread."""
        own = self.variables[i]
        names = tuple(
            wire.digest([*meaning, *(x.to_json(self._terms[i][variable]) for variable in index)])
            for index in self._indexes[i]
        )
        exact = (
            self.values[i] is identity
            and self._indexes[i] == [tuple(own)]
            and self.triggers[i].rollup is None  # members stand under what they are rolled up to
        )
        return ArrivalIndex(self.node, self.triggers[i].alias, names, exact, self.route.arrival_ttl)


def _meaning(source: wire.Input, signal: wire.Signal) -> str:
    """What is stored of an input: partitions of its signal, or members of a rollup, or what they are rolled up to."""
    means = _rolled_up(source, signal)
    if source.rollup is None or source.rollup.complete:
        return means
    # Members are counted together: what came of those that another filter let pass cannot be told apart.
    return wire.digest([means, "coarse", [[rule.value for rule in b] for b in source.rollup.members]])


def _passes(source: wire.Input) -> Passes | None:
    """Partition -> whether it is one that the input takes now; None where it takes all. Members see to themselves."""
    if source.rollup is not None and source.rollup.complete:
        return None
    tests = [
        [(rule.value, None if rule.kind.domain == (None, rule.kind.step, None, None) else tester(rule.kind))
         for rule in branch]
        for branch in source.branches
    ]  # fmt: skip
    if any(all(each == (None, None) for each in branch) for branch in tests):
        return None

    def passes(partition: Partition) -> bool:
        return any(
            all(
                (value is None or value == own) and (test is None or test(own))
                for (value, test), own in zip(branch, partition, strict=True)
            )
            for branch in tests
        )

    return passes


def _rolled_up(source: wire.Input, signal: wire.Signal) -> str:
    """What the partitions of an input are: those of its signal, or what they are rolled up to."""
    means = wire.meaning(signal)
    return means if source.rollup is None else wire.digest([means, source.rollup.grains])


def _binding(recs: Bound) -> Binding:
    return tuple([record.partition for record in recs])


_BINDINGS: dict[int, Callable[[Bound], Binding]] = {  # spelled out: twice as fast
    1: lambda recs: (recs[0].partition,),
    2: lambda recs: (recs[0].partition, recs[1].partition),
}


VERSIONS = "~versions"  # no node has such a name
REMEMBERED_VERSIONS = 400 * 86400  # longer than any arrival counts


def versions_of(signal: wire.Signal) -> ArrivalIndex:
    """Return where the events of each partition of a signal are counted, whoever takes them."""
    return ArrivalIndex(VERSIONS, signal.id, (wire.meaning(signal),), True, REMEMBERED_VERSIONS)


class _Links:
    """The links of a route, sorted: within one input, between two, and the rest.

    ``terms[i]`` maps each variable of trigger input i to the expression that gives its value.
    """

    def __init__(self, route: wire.Route, scope: Scope) -> None:
        self._scope = scope
        self._within: dict[int, list[tuple[x.Expr, x.Expr]]] = {}
        self._across: list[tuple[x.Expr, x.Expr]] = []
        self.equations: list[tuple[x.Expr, x.Expr]] = []
        self.terms: list[dict[int, x.Expr]] = [{} for _ in scope.aliases]
        between: list[tuple[x.Expr, x.Expr]] = []
        for link in route.links:
            left, right = map(scope.without_references, link)
            left, right = _comparable(left, right, scope)
            inputs = sorted({scope.position(r) for side in (left, right) for r in x.refs(side)})
            if left == right or not inputs:
                continue  # a reference's tip, written as the link that gave it
            self.equations.append((left, right))
            if len(inputs) == 1:
                self._within.setdefault(inputs[0], []).append((left, right))
            elif all(len({r.input for r in x.refs(side)}) == 1 for side in (left, right)):
                between.append((left, right))
            else:
                self._across.append((left, right))
        self._classes(between)

    def _classes(self, between: list[tuple[x.Expr, x.Expr]]) -> None:
        """Join equal terms into variables, numbered by the first term of each in declared order."""
        classes: list[set[x.Expr]] = []
        for link in between:
            touched = [c for c in classes if not c.isdisjoint(link)]
            classes = [c for c in classes if c not in touched]
            classes.append(set(link).union(*touched))
        ordered = sorted((sorted(c, key=self._rank) for c in classes), key=lambda c: self._rank(c[0]))
        for variable, terms in enumerate(ordered):
            for term in terms:
                i = self._scope.position(next(x.refs(term)))
                first = self.terms[i].setdefault(variable, term)
                if first != term:
                    self._within.setdefault(i, []).append((first, term))

    def tell_apart(self, i: int) -> None:
        """Make each dimension of an input a variable, linked or not, so that its keys tell partitions apart."""
        alias, terms = self._scope.aliases[i], self.terms[i]
        fresh = max((variable for each in self.terms for variable in each), default=-1) + 1
        for dim in self._scope.dims[alias]:
            if (ref := x.Ref(alias, dim)) not in terms.values():
                terms[fresh] = ref
                fresh += 1

    def _rank(self, term: x.Expr) -> tuple[int, int, str]:
        ref = next(x.refs(term))
        dims = self._scope.dims[ref.input]
        plain = dims.index(ref.dim) if isinstance(term, x.Ref) else len(dims)
        return self._scope.position(ref), plain, json.dumps(x.to_json(term))

    def within(self, i: int) -> Callable[[Partition], bool] | None:
        sides = [
            (self._scope.on_partition(a, i), self._scope.on_partition(b, i))
            for a, b in self._within.get(i, ())
        ]
        return (lambda p: all(a(p) == b(p) for a, b in sides)) if sides else None

    def across(self) -> Callable[[Binding], bool] | None:
        sides = [(self._scope.on_binding(a), self._scope.on_binding(b)) for a, b in self._across]

        def holds(binding: Binding) -> bool:
            try:
                return all(left(binding) == right(binding) for left, right in sides)
            except BadValue:  # a value that a map lacks, say, is equal to nothing
                return False

        return holds if sides else None


def _comparable(left: x.Expr, right: x.Expr, scope: Scope) -> tuple[x.Expr, x.Expr]:
    """Make both sides the same type: a date beside a text is compared in its own format, and case
    does not count where one side's does not."""
    kinds = scope.kind(left), scope.kind(right)
    if {kinds[0].type, kinds[1].type} == {DATETIME, STRING}:
        left, right = (
            x.Fmt(side, kind.format or "%Y-%m-%d") if kind.type == DATETIME else side
            for side, kind in zip((left, right), kinds, strict=True)
        )
    elif kinds[0].insensitive != kinds[1].insensitive:
        left, right = (
            side if kind.insensitive else x.Lower(side)
            for side, kind in zip((left, right), kinds, strict=True)
        )
    return left, right
