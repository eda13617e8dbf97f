"""Two computed values -> two expressions that compare as values of one type, or why none do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rheo_runtime import expr as x
from rheo_runtime import values as v
from rheo_runtime.expr import Expr
from rheo_runtime.values import DATETIME, LONG, STRING, Kind
from rheodsl.errors import LinkError

if TYPE_CHECKING:
    from rheodsl.expressions import DimensionExpr


def agree(left: DimensionExpr, right: DimensionExpr) -> tuple[Expr, Expr]:
    """Return two expressions that compare as values of one type; raises LinkError when none can."""
    a, b = left.kind, right.kind
    if a.type == b.type == DATETIME:
        if a.granularity != b.granularity:
            fine, coarse = (left, right) if _finer(a, b) else (right, left)
            unit = (coarse.kind.granularity or "").lower()
            other = (fine.kind.granularity or "").lower()
            raise LinkError(
                f"{left!r} ({a}) cannot equal {right!r} ({b})",
                hint=f"write {fine!r}.trunc({unit!r}) or {coarse!r}.at({other!r})",
            )
        return left.node, right.node
    if a.type == b.type:
        if a.insensitive != b.insensitive:
            return _lowered(left), _lowered(right)
        return left.node, right.node
    if {a.type, b.type} == {STRING, DATETIME}:
        when, text = (left, right) if a.type == DATETIME else (right, left)
        return _as_text(left, when, text), _as_text(right, when, text)
    raise LinkError(f"{left!r} ({a}) cannot equal {right!r} ({b})", hint=_cast_hint(left, right))


def _finer(a: Kind, b: Kind) -> bool:
    order = v.GRANULARITIES.index
    return order(a.granularity or v.DAY) < order(b.granularity or v.DAY)


def _lowered(side: DimensionExpr) -> Expr:
    return side.node if side.kind.insensitive else x.Lower(side.node)


def _as_text(side: DimensionExpr, when: DimensionExpr, text: DimensionExpr) -> Expr:
    """A date compared with text is compared in its own format."""
    own = when.kind.format or v.DEFAULT_FORMAT
    if isinstance(text.node, x.Fmt) and text.node.format != own:
        raise LinkError(
            f"{when!r} (written {own!r}) and {text!r} can never be equal",
            hint="drop .fmt, dates compare as dates",
        )
    return x.Fmt(when.node, own) if side is when else text.node


def _cast_hint(left: DimensionExpr, right: DimensionExpr) -> str:
    number = left if left.kind.type == LONG else right
    other = right if number is left else left
    if other.kind.type == STRING:
        return f"write {number!r}.cast(STRING) or {other!r}.cast(LONG), or .map({{...}})"
    return "compare dates with dates; .year, .month, .day_of_month and .hour are numbers"
