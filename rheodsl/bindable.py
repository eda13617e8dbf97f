"""Links of a node -> which values of its inputs can bind, where links restrict them: what else arrives is without effect.

Only what is known before any event is told: values that filters and maps enumerate, hours that a link fixes within
a day, steps and calendars. The matcher drops what has no partner by the same rules (`rheo_runtime.partners`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.expr import Expr
from rheo_runtime.values import BadValue, Kind, Value
from rheodsl import ir
from rheodsl.contradictions import image, innermost_map, listed
from rheodsl.notation import show


@dataclass(frozen=True, slots=True)
class Restriction:
    """Of an input of a node only some values of a dimension can bind; ``why`` names the other side of the link."""

    node: str
    input: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.node}: of {self.input} only {self.what} can bind, as {self.why}"


def restrictions(graph: ir.Graph) -> list[Restriction]:
    """Return which values of inputs can bind, where links restrict them.

    >>> from rheodsl import Application
    >>> app = Application("shop")
    >>> orders = app.s3("orders", "s3://lake/orders/{region_id:int}/{day:%Y-%m-%d}")
    >>> ships = app.s3("ships", "s3://lake/ships/{region}/{day:%Y-%m-%d}")
    >>> node = app.create_data("daily", inputs=[orders, ships["NA"]], input_dim_links=[
    ...     orders.region_id.map({1: "NA", 2: "EU"}) == ships.region])
    >>> for each in restrictions(app.graph()): print(each)
    daily: of orders only region_id 1 can bind, as ships.region is NA
    """
    found: dict[Restriction, None] = {}
    for node in graph.nodes:
        ways: list[ir.Node | ir.Alternative] = [node, *node.alternatives]
        for way in ways:
            found |= dict.fromkeys(_of_node(graph, node.id, way))
    return list(found)


def _of_node(graph: ir.Graph, node: str, way: ir.Node | ir.Alternative) -> Iterator[Restriction]:
    sides = _Sides(graph, [i for i in way.inputs if not i.reference])
    for link in way.links:
        for one, other in ((link.left, link.right), (link.right, link.left)):
            ref, partner = sides.single(one), sides.single(other)
            if ref is None or partner is None or ref.input == partner.input:
                continue
            what = sides.enumerated(one, ref, other) or sides.fixed(one, ref, other, partner)
            what = what or sides.on_grid(one, ref, other, partner)
            if what is not None:
                yield Restriction(node, ref.input, *what)


class _Sides:
    """What is known of the sides of links between trigger inputs."""

    def __init__(self, graph: ir.Graph, inputs: Sequence[ir.Input]) -> None:
        self._rules = {
            x.Ref(i.alias, dim): [branch[d] for branch in i.branches]
            for i in inputs
            for d, dim in enumerate(graph.signal(i.signal).dims if i.rollup is None else i.rollup.coarse)
        }

    def single(self, side: Expr) -> x.Ref | None:
        """The one dimension of a side; None when there is none, or several."""
        refs = list(dict.fromkeys(x.refs(side)))
        return refs[0] if len(refs) == 1 and refs[0] in self._rules else None

    def _kinds(self) -> dict[x.Ref, Kind]:
        return {ref: rules[0].kind for ref, rules in self._rules.items()}

    def _literals(self, ref: x.Ref) -> set[Value] | None:
        """The values of a dimension that its filter names; None when it lets any pass."""
        values = [rule.value for rule in self._rules[ref]]
        known = {value for value in values if value is not None}
        return None if None in values else known

    def _possible(self, side: Expr, ref: x.Ref) -> frozenset[Value] | None:
        """The values that a side can take, where filters and maps enumerate them."""
        literals, kinds = self._literals(ref), self._kinds()
        if literals is not None:
            return image(side, kinds, literals)
        inner = innermost_map(side)
        if inner is None or inner.base != ref:
            return None
        return image(side, kinds, {key for key, _ in inner.pairs})

    def enumerated(self, one: Expr, ref: x.Ref, other: Expr) -> tuple[str, str] | None:
        """What can bind where the values of the other side are known one by one."""
        partner = self.single(other)
        wanted = None if partner is None else self._possible(other, partner)
        kinds = self._kinds()
        kind = kinds[ref]
        if wanted is None:
            return None
        known, inner = self._literals(ref), innermost_map(one)
        if known is None and inner is not None and inner.base == ref:
            known = {key for key, _ in inner.pairs}
            everything = False
        else:
            everything = known is not None
        why = f"{show(other)} is {listed(wanted, x.kind_of(other, kinds.__getitem__))}"
        if known is None:
            return (f"{ref.dim} {listed(wanted, kind)}", why) if one == ref else None
        fits = frozenset(value for value in known if image(one, kinds, {value}) & wanted)
        if not fits or (everything and len(fits) == len(known)) or (not everything and fits == known):
            return None
        return f"{ref.dim} {listed(fits, kind)}", why

    def fixed(self, one: Expr, ref: x.Ref, other: Expr, partner: x.Ref) -> tuple[str, str] | None:
        """What can bind where the other side is one moment within each coarser date: hour 23 of a day."""
        base = other
        while isinstance(base, x.Shift | x.Tz):
            base = base.base
        if one != ref or not isinstance(base, x.At):
            return None
        kinds = self._kinds()
        coarse, fine = kinds[partner], x.kind_of(other, kinds.__getitem__)
        try:
            example = v.cast("2024-01-01", v.datetime_kind("%Y-%m-%d", coarse.granularity))
            [moment] = image(other, kinds, {example})
            text = v.render(moment, kinds[ref])
        except (BadValue, ValueError):
            return None
        return (
            f"one {fine.granularity} of each {coarse.granularity}",
            f"{show(other)} is such a one: {ref.dim} {text} for {v.render(example, coarse)}",
        )

    def on_grid(self, one: Expr, ref: x.Ref, other: Expr, partner: x.Ref) -> tuple[str, str] | None:
        """What can bind where the other side has a calendar, steps or a first value, and this one has not."""
        mine, theirs = self._rules[ref][0].kind, self._rules[partner][0].kind
        if one != ref or other != partner or mine.granularity != theirs.granularity:
            return None
        limits = []
        if theirs.calendar is not None and mine.calendar != theirs.calendar:
            limits.append(f"the days of its calendar {theirs.calendar}")
        if theirs.step > 1 and mine.step != theirs.step:
            limits.append(f"every {theirs.step}th value")
        if isinstance(theirs.min, int) and not (isinstance(mine.min, int) and mine.min >= theirs.min):
            limits.append(f"values from {v.render(theirs.min, theirs)} on")
        if not limits:
            return None
        return f"values of {show(other)}", f"{show(other)} has only {' and '.join(limits)}"
