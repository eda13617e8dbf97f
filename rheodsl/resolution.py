"""What one create_data declares, and what is known of it while it is resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rheo_runtime import expr as x
from rheo_runtime.expr import Expr
from rheo_runtime.values import Kind
from rheodsl import ir
from rheodsl.dimensions import Spec
from rheodsl.errors import Place, RheoError, Warning_
from rheodsl.expressions import DimensionExpr
from rheodsl.views import View


@dataclass(frozen=True, slots=True)
class Declaration:
    """What the user wrote in one create_data, its functions already traced."""

    id: str
    inputs: tuple[tuple[str | None, View], ...] = ()
    links: tuple[ir.Link, ...] = ()
    output_spec: Spec | None = None
    output_links: tuple[ir.Link, ...] = ()
    computes: tuple[Any, ...] = ()
    hooks: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    options: ir.Options = ir.Options()
    data: ir.DataFormatSpec = ir.DataFormatSpec()
    metadata: ir.Metadata = ()
    where: Place | None = None


@dataclass
class Work:
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
