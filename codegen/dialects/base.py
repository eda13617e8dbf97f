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

    ``schedule`` spells a DAG's schedule; ``operators`` are arguments that only this provider's
    operators take, by our operator's name. ``inlets`` says that a task may name data that no DAG writes, ``pumps``
    that one task can send events of many partition keys.
    """

    name: str
    airflow: str
    amazon: str
    schedule: Callable[[Schedule], Scheduled]
    operators: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    inlets: bool = True
    pumps: bool = True
