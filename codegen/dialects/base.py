"""What one Airflow version differs in from another, for a generated DAG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from codegen.plan import Schedule
from codegen.source import Raw


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The ``schedule`` argument of a DAG as source, what it imports, and what must stand before the DAG.

    ``imports`` are pairs of a module and a name in it.
    """

    expression: Raw
    imports: tuple[tuple[str, str], ...] = ()
    before: Raw = Raw("")


@dataclass(frozen=True, slots=True)
class Dialect:
    """One Airflow and its amazon provider.

    ``schedule`` spells a DAG's schedule; ``glue`` are arguments that only this provider's
    GlueJobOperator takes.
    """

    name: str
    airflow: str
    amazon: str
    schedule: Callable[[Schedule], Scheduled]
    glue: Mapping[str, object] = field(default_factory=dict)
