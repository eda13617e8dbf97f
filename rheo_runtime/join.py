"""Route -> how an arrival finds the bindings that it completes: index look-ups over the link graph. Pure.

Links are equations, so the terms that they connect form classes of values that must be equal: the
*variables* of the route. Each trigger input has a value for some of them, and the bindings are the
natural join of the inputs on their shared variables. For each input that can receive an arrival
there is a plan: visit the other inputs, the most tightly linked first, each by an index on the
variables that are known by then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.records import Arrivals, Binding, Key, Recs, Slot
from rheo_runtime.scope import Scope
from rheo_runtime.texts import identity, joined_renderer, partition_renderer, picker, tuple_of
from rheo_runtime.values import DATETIME, STRING, BadValue, Partition, Value

Values = Callable[[Partition], tuple[Value, ...]]


class Finder(Protocol):
    """The part of a ledger that a join reads."""

    def find(self, slot: Slot, index: int, key: Key) -> Sequence[Arrivals]: ...


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
        The number of trigger inputs; a binding has one partition for each, in declared order.
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
    holds
        None, or binding -> whether links that no index serves hold.
    binding
        Arrivals, one for each trigger input -> their partitions.
    output
        Binding -> values of the output dimensions; raises BadValue.
    output_texts, output_text
        Values of the output dimensions -> their texts; the one text that names the partition in ids.
    """

    def __init__(self, route: wire.Route, signals: dict[str, wire.Signal]) -> None:
        self.route = route
        self.node = route.node
        self.triggers = tuple(i for i in route.inputs if i.tip is None)
        self.references = tuple(i for i in route.inputs if i.tip is not None)
        self.size = len(self.triggers)
        self.all = route.retrigger == "all"
        self.scope = Scope(route, signals)
        links = _Links(route, self.scope)
        self.links = links.equations
        self.accepts = tuple(links.within(i) for i in range(self.size))
        self.holds = links.across()
        self.variables = tuple(sorted(links.terms[i]) for i in range(self.size))
        self.values: tuple[Values, ...] = tuple(self._values(i, links) for i in range(self.size))
        self._indexes: list[list[tuple[int, ...]]] = [[] for _ in range(self.size)]
        self.plans = tuple(self._plan(i) for i in range(self.size))
        for indexes in self._indexes:
            if not indexes:
                indexes.append(())  # every arrival stands in some index, or nothing could list it
        self.keys = tuple(self._keys(i) for i in range(self.size))
        self.slots = tuple(self._slot(i, links) for i in range(self.size))
        # Without a trigger nothing binds, and whoever runs the node says its output.
        outputs = route.output.values if self.triggers else ()
        self.output = self.scope.tuple_on_binding(outputs)
        self.output_texts = partition_renderer(route.output.kinds)
        self.output_text = joined_renderer(route.output.kinds)
        self.binding = _BINDINGS.get(self.size, _binding)
        self.tips = tuple(
            tuple_of(tuple(self.scope.on_binding(e) for e in i.tip or ())) for i in self.references
        )

    def bindings(
        self, ledger: Finder, start: int, arrivals: Arrivals, values: tuple[Value, ...]
    ) -> Iterator[Recs]:
        """Yield every binding that contains ``arrivals`` at input ``start``, as its arrivals in order."""
        bound: list[Arrivals | None] = [None] * self.size
        bound[start] = arrivals
        yield from self._visit(ledger, self.plans[start], 0, values, bound)

    def _visit(
        self,
        ledger: Finder,
        plan: tuple[Step, ...],
        depth: int,
        known: tuple[Value, ...],
        bound: list[Arrivals | None],
    ) -> Iterator[Recs]:
        if depth == len(plan):
            recs = tuple([r for r in bound if r is not None])
            if self.holds is None or self.holds(tuple([r.partition for r in recs])):
                yield recs
            return
        step = plan[depth]
        target = step.target
        for found in ledger.find(self.slots[target], step.index, step.key(known)):
            bound[target] = found
            more = known if step.more is None else known + step.more(self.values[target](found.partition))
            yield from self._visit(ledger, plan, depth + 1, more, bound)

    def _values(self, i: int, links: _Links) -> Values:
        terms = [links.terms[i][variable] for variable in self.variables[i]]
        dims = self.scope.dims[self.triggers[i].alias]
        if terms == [x.Ref(self.triggers[i].alias, dim) for dim in dims]:
            return identity  # the partition is its own key
        return tuple_of(tuple(self.scope.on_partition(term) for term in terms))

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

    def _slot(self, i: int, links: _Links) -> Slot:
        """Index names follow from what is indexed: after a change of links nothing is misread."""
        own = self.variables[i]
        names = tuple(
            _digest([x.to_json(links.terms[i][variable]) for variable in index]) for index in self._indexes[i]
        )
        exact = self.values[i] is identity and self._indexes[i] == [tuple(own)]
        return Slot(self.node, self.triggers[i].alias, names, exact, self.route.arrival_ttl)


def _binding(recs: Recs) -> Binding:
    return tuple([record.partition for record in recs])


_BINDINGS: dict[int, Callable[[Recs], Binding]] = {  # spelled out: twice as fast
    1: lambda recs: (recs[0].partition,),
    2: lambda recs: (recs[0].partition, recs[1].partition),
}


def _digest(data: object) -> str:
    return blake2b(json.dumps(data).encode(), digest_size=6).hexdigest()


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
