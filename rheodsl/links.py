"""Links as declared -> equations between inputs: each by alias, the defaults added."""

from __future__ import annotations

from itertools import combinations

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.expr import Expr
from rheodsl import ir
from rheodsl.contradictions import contradiction
from rheodsl.declaration import Work
from rheodsl.errors import LinkError, SourceLocation
from rheodsl.expressions import OUTPUT, agree
from rheodsl.notation import show

# How a link that nobody wrote is told from the user's own, and what leaves all of them out.
BY_DEFAULT = ", linked by default as both have that dimension,"
SWITCH_OFF = "auto_input_dim_linking_enabled=False"


def explicit_links(work: Work) -> list[ir.Link]:
    """The user's links between inputs, each reference by signal turned into one by alias."""
    found: list[ir.Link] = []
    for link in work.declared.links:
        if any(r.input == OUTPUT for side in (link.left, link.right) for r in x.refs(side)):
            continue  # it sets the output: see rheodsl.resolve
        if name := _ambiguous(work, link):
            work.fault(
                LinkError,
                f"{show(link.left)} == {show(link.right)} speaks of {name!r}, which is several inputs",
                f"name them, {name}.alias('a') and {name}.alias('b'), and link those",
                link.where,
            )
            continue
        for left in by_alias(work, link.left, link.where):
            for right in by_alias(work, link.right, link.where):
                made = _linked(work, left, right, link.where)
                if made is not None:
                    found.append(made)
    return found


def _ambiguous(work: Work, link: ir.Link) -> str | None:
    """A signal on both sides of a link that is several inputs: which is which?"""
    left, right = ({r.input for r in x.refs(side)} for side in (link.left, link.right))
    return next(
        (n for n in sorted(left & right) if n not in work.inputs and len(work.by_signal.get(n, ())) > 1), None
    )


def _linked(
    work: Work, left: Expr, right: Expr, where: SourceLocation | None, *, default: bool = False
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
        hint = "the two sides need a value in common: change a filter, a map or a format"
        work.fault(
            LinkError,
            f"{show(a)} == {show(b)}{BY_DEFAULT if default else ''} can never hold: {reason}",
            f"{hint}; {SWITCH_OFF} leaves such links out" if default else hint,
            where,
        )
    return made


def by_alias(work: Work, expr: Expr, where: SourceLocation | None) -> list[Expr]:
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
                known = ", ".join(work.signals[ref.input].dims) or "none"
                work.fault(
                    LinkError, f"{ref.input} has no dimension {ref.dim!r}", f"its dimensions: {known}", where
                )
                return []
    return results


def _renamed(expr: Expr, old: str, new: str) -> Expr:
    if old == new:
        return expr
    return x.rewrite(expr, lambda e: x.Ref(new, e.dim) if isinstance(e, x.Ref) and e.input == old else e)


def default_links(work: Work, explicit: list[ir.Link]) -> list[ir.Link]:
    """Equality of each pair of inputs that shares a dimension, unless linked already.

    Two views of one signal that fix a dimension to different values mean different partitions of it, and alarms
    change their states independently of each other and of data: neither is ever linked there by default.
    """
    if not work.declared.options.auto_input_dim_linking_enabled:
        return []
    joined = Components()
    for link in explicit:
        refs = [*x.refs(link.left), *x.refs(link.right)]
        for ref in refs[1:]:
            joined.join(refs[0], ref)
    found: list[ir.Link] = []
    for a, b in combinations(work.inputs, 2):
        for dim in work.signals[a].dims:
            left, right = x.Ref(a, dim), x.Ref(b, dim)
            if dim not in work.signals[b].dims or joined.same(left, right) or _apart(work, a, b, dim):
                continue
            made = _linked(work, left, right, None, default=True) if _one_type(work, left, right) else None
            if made is not None:
                found.append(made)
                joined.join(left, right)
    return found


def _apart(work: Work, a: str, b: str, dim: str) -> bool:
    """Whether a dimension of two inputs means different things, so that no default link joins it."""
    signals = work.signals[a], work.signals[b]
    if dim in ("state", "time") and any(isinstance(s.source, ir.AlarmSource) for s in signals):
        return True
    if signals[0].id != signals[1].id:
        return False
    fixed = [
        {branch[signal.dims.index(dim)].value for branch in work.inputs[alias].branches}
        for alias, signal in zip((a, b), signals, strict=True)
    ]
    return None not in fixed[0] | fixed[1] and fixed[0].isdisjoint(fixed[1])


def _one_type(work: Work, left: x.Ref, right: x.Ref) -> bool:
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
        f"{hint}; or say {SWITCH_OFF}",
    )
    return False


class Components:
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
