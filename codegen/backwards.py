"""A node -> each trigger input's tip as an expression over the output: how a run is made from its output."""

from __future__ import annotations

from collections.abc import Mapping

from rheo_runtime import expr as x
from rheo_runtime.expr import BadExpr, Expr
from rheo_runtime.values import BadValue, Kind
from rheodsl import ir
from rheodsl.expressions import OUTPUT
from rheodsl.invert import NotInvertible, solve

Tips = dict[str, tuple[Expr, ...]]


def backwards(graph: ir.Graph, node: ir.Node) -> Tips | None:
    """Return the tip of each trigger input over ``output``; None when the output does not tell it all."""
    return _Solver(graph, node).tips()


class _Solver:
    """Equations between the triggers and the output, solved for one dimension after the other."""

    def __init__(self, graph: ir.Graph, node: ir.Node) -> None:
        self.triggers = [i for i in node.inputs if not i.reference]
        self.dims = {i.alias: graph.signal(i.signal).dims for i in self.triggers}
        self.kinds: dict[x.Ref, Kind] = {x.Ref(OUTPUT, name): rule.kind for name, rule in node.output}
        self.solved: dict[x.Ref, Expr] = {}
        for i in self.triggers:
            for position, dim in enumerate(self.dims[i.alias]):
                self._take(i, position, x.Ref(i.alias, dim))
        outputs = zip(node.output, node.output_values, strict=True)
        self.equations: list[tuple[Expr, Expr]] = [
            *((x.Ref(OUTPUT, name), value) for (name, _), value in outputs),
            *((link.left, link.right) for link in node.links),
        ]

    def _take(self, input: ir.Input, position: int, ref: x.Ref) -> None:
        self.kinds[ref] = input.branches[0][position].kind
        values = {branch[position].value for branch in input.branches}
        if len(values) == 1 and (value := values.pop()) is not None:
            self.solved[ref] = x.Const(value, self.kinds[ref])

    def tips(self) -> Tips | None:
        while self._step():
            pass
        wanted = {alias: [x.Ref(alias, dim) for dim in dims] for alias, dims in self.dims.items()}
        if any(ref not in self.solved for refs in wanted.values() for ref in refs):
            return None
        return {alias: tuple(self.solved[ref] for ref in refs) for alias, refs in wanted.items()}

    def _step(self) -> bool:
        before = len(self.solved)
        for left, right in self.equations:
            for side, other in ((left, right), (right, left)):
                self._solve(_put(side, self.solved), _put(other, self.solved))
        return len(self.solved) > before

    def _solve(self, side: Expr, known: Expr) -> None:
        targets = [ref for ref in x.refs(side) if ref.input != OUTPUT]
        if len(targets) != 1 or any(ref.input != OUTPUT for ref in x.refs(known)):
            return
        try:
            found = solve(side, known, targets[0], lambda e: x.kind_of(e, self.kinds.__getitem__))
            x.kind_of(found, self.kinds.__getitem__)
        except (NotInvertible, BadExpr, BadValue):
            return  # another equation may tell it
        self.solved[targets[0]] = found


def _put(expr: Expr, solved: Mapping[x.Ref, Expr]) -> Expr:
    return x.rewrite(expr, lambda e: solved.get(e, e) if isinstance(e, x.Ref) else e)
