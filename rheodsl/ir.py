"""The graph: what a user declared, resolved and checked, as frozen types.

Passes read these; users never see them. Expressions and filter rules are the ones of the run time
(`rheo_runtime.expr`, `rheo_runtime.wire`), so nothing is defined twice. An expression refers to a
dimension of an input by the input's alias.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rheo_runtime.expr import Expr
from rheo_runtime.values import Kind
from rheo_runtime.wire import Branch, Rule
from rheodsl.compute import Compute, Hook
from rheodsl.errors import Place, Warning_

if TYPE_CHECKING:
    from rheodsl.alarm_rules import AlarmRule
    from rheodsl.dashboards import Dashboard
    from rheodsl.security import ConstructSecurityConf

# User metadata: JSON values under sorted names.
Metadata = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class S3Source:
    """Partitions are folders below ``s3://bucket/``; ``template`` is the whole key of one."""

    bucket: str
    template: str
    account: str | None = None
    completion: tuple[str, ...] = ("_SUCCESS",)


@dataclass(frozen=True, slots=True)
class GlueSource:
    """Partitions of a table of the Glue Data Catalog; ``location`` is the s3 template of its data, if known.

    ``keys`` are its partition keys, where they are not named like the dimensions.
    """

    database: str
    table: str
    primary_keys: tuple[str, ...] = ()
    table_type: str = "REPLACE"
    location: str | None = None
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SnsSource:
    """Messages of an SNS topic: JSON whose fields, named like the dimensions, hold their texts."""

    topic: str


@dataclass(frozen=True, slots=True)
class TimerSource:
    """Fires of a schedule, as the user wrote it; ``shift`` moves the partition by whole units."""

    schedule: str
    shift: int = 0


@dataclass(frozen=True, slots=True)
class AlarmSource:
    """State changes of an alarm: one that this application creates, or one that exists (``external``)."""

    name: str
    external: bool = False
    rule: AlarmRule | None = None
    definition: Any = None


@dataclass(frozen=True, slots=True)
class MetricSource:
    """A CloudWatch metric; it is bound to alarms, never a trigger."""

    namespace: str
    external: bool = False
    definition: Any = None


@dataclass(frozen=True, slots=True)
class NodeSource:
    """The output of the node of the same id, below the application's bucket."""


@dataclass(frozen=True, slots=True)
class UpstreamSource:
    """The output of the node of the same id in another application, below that one's bucket."""

    app: str
    bucket: str


Source = (
    S3Source | GlueSource | SnsSource | TimerSource | AlarmSource | MetricSource | NodeSource | UpstreamSource
)


@dataclass(frozen=True, slots=True)
class DataFormatSpec:
    """How a partition's files read: the format and its options."""

    format: str = "PARQUET"
    header: bool = True
    delimiter: str = ","
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that emits partitions.

    ``branches`` is its domain: the declared filter, one rule for each of ``dims`` in each branch.
    ``proxy`` names where its events come from when that is not the data itself.
    """

    id: str
    dims: tuple[str, ...]
    branches: tuple[Branch, ...]
    source: Source
    proxy: Source | None = None
    data: DataFormatSpec = DataFormatSpec()
    metadata: Metadata = ()
    where: Place | None = field(default=None, compare=False)

    def kind(self, dim: str) -> Kind:
        """Return the kind of a dimension, as its first branch has it."""
        return self.branches[0][self.dims.index(dim)].kind


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a node: a view of a signal under an alias.

    ``tip`` is None for a trigger; for a reference, each dimension of its tip over the triggers. ``awaited``
    marks a reference that the user wrote as a trigger: in sensor mode the DAG waits for it.
    """

    alias: str
    signal: str
    branches: tuple[Branch, ...]
    mode: str = ""
    reference: bool = False
    tip: tuple[Expr, ...] | None = None
    awaited: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """An equation between two values. ``default`` marks one that the user did not write."""

    left: Expr
    right: Expr
    default: bool = False
    where: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Options:
    """How a node runs. Times are in seconds, but ``retention`` in days; ``retry_count`` is the targets' default."""

    retrigger: str = "all"
    trigger: str = "listener"
    arrival_ttl: int = 90 * 86400
    pending_ttl: int | None = None
    max_active_runs: int = 16
    pool: str | None = None
    owner: str = "rheo"
    tags: tuple[str, ...] = ()
    retry_count: int = 0
    retention: int | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A node: which events make it run, what it computes, what it emits.

    ``links`` are over the trigger inputs alone; ``written`` are the links as declared, defaults
    included, for people to read.
    """

    id: str
    inputs: tuple[Input, ...]
    links: tuple[Link, ...]
    written: tuple[Link, ...]
    output: tuple[tuple[str, Rule], ...]
    output_values: tuple[Expr, ...]
    computes: tuple[Compute, ...] = ()
    hooks: tuple[tuple[str, tuple[Hook, ...]], ...] = ()
    options: Options = Options()
    data: DataFormatSpec = DataFormatSpec()
    metadata: Metadata = ()
    where: Place | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, order=True)
class Partner:
    """Another application, that this one reads from or lets read: its name, account and region."""

    app: str
    account: str
    region: str


@dataclass(frozen=True, slots=True)
class Graph:
    """An application: its signals and nodes, sorted by id, and what is likely a mistake in it.

    ``dashboards`` are those to which the user adds widgets. ``security`` is what is said of parts of the
    application, by their names; ``upstreams`` are the applications that it imports, ``downstreams`` those
    that may import it, all sorted.
    """

    app: str
    signals: tuple[Signal, ...]
    nodes: tuple[Node, ...]
    warnings: tuple[Warning_, ...] = field(default=(), compare=False)
    dashboards: tuple[Dashboard, ...] = ()
    security: tuple[tuple[str, ConstructSecurityConf], ...] = ()
    upstreams: tuple[Partner, ...] = ()
    downstreams: tuple[Partner, ...] = ()

    def signal(self, id: str) -> Signal:
        """Return the signal of this id; raises KeyError."""
        return next(s for s in self.signals if s.id == id)

    def node(self, id: str) -> Node:
        """Return the node of this id; raises KeyError."""
        return next(n for n in self.nodes if n.id == id)
