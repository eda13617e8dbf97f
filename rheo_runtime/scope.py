"""Expressions over the trigger inputs of a route -> functions of a partition or of a whole binding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from rheo_runtime import expr as x
from rheo_runtime import wire
from rheo_runtime.records import Binding
from rheo_runtime.texts import identity, picker, tuple_of
from rheo_runtime.values import Kind, Partition, Value


def branch_of(branches: tuple[wire.Branch, ...], partition: Partition) -> int:
    """Return the position of the first branch whose literal values ``partition`` has (0 when none)."""
    for position, branch in enumerate(branches):
        if all(r.value is None or r.value == p for r, p in zip(branch, partition, strict=True)):
            return position
    return 0


class Scope:
    """The trigger inputs of a route: their names, dimensions and kinds.

    The kind of a dimension may depend on the branch of the filter that the partition is in (a
    timezone for each region), so an expression is compiled once for each combination of branches.
    """

    def __init__(self, route: wire.Route, signals: Mapping[str, wire.Signal]) -> None:
        triggers = [i for i in route.inputs if i.tip is None]
        self.aliases = tuple(i.alias for i in triggers)
        self.dims = {i.alias: signals[i.signal].dims for i in route.inputs}
        self._tips = {i.alias: i.tip for i in route.inputs if i.tip is not None}
        self._branches = [i.branches for i in triggers]
        self._uniform = [
            len({tuple(rule.kind for rule in branch) for branch in i.branches}) == 1 for i in triggers
        ]

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
