"""The graph: what a user declared, resolved and checked, as frozen types.

Passes read these; users never see them. Expressions and filter rules are the ones of the run time
(`rheo_runtime.expr`, `rheo_runtime.wire`), so nothing is defined twice. An expression refers to a
dimension of an input by the input's alias.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from rheo_runtime.expr import Expr
from rheo_runtime.values import Kind
from rheo_runtime.wire import Branch, Rollup, Rule
from rheodsl.cloudwatch.alarm_definitions import CompositeAlarm, ExternalAlarm, MetricAlarm
from rheodsl.cloudwatch.alarm_definitions import MetricKey as MetricKey
from rheodsl.cloudwatch.alarm_definitions import MetricStat as MetricStat
from rheodsl.cloudwatch.alarm_rule import AlarmRule
from rheodsl.compute import Code, Compute, Hook
from rheodsl.errors import GraphWarning, SourceLocation
from rheodsl.security import ConstructSecurityConf
from rheodsl.words import knows_its_words

# User metadata: JSON values under sorted names.
Metadata = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class S3Source:
    """Partitions are folders below ``s3://bucket/``, or objects; ``template`` is the whole key of one."""

    bucket: str
    template: str
    account: str | None = None
    completion: tuple[str, ...] = ("_SUCCESS",)
    settle: int | None = None
    reconcile: bool = False


@dataclass(frozen=True, slots=True)
class GlueSource:
    """Partitions of a table of the Glue Data Catalog; ``location`` is the s3 template of its data, if known.

    ``keys`` are its partition keys, where they are not named like the dimensions. ``reconcile`` says that the
    catalog is compared with what arrived. ``storage`` is the folder that the catalog names, where the application
    is planned for an account and has no ``location``.
    """

    database: str
    table: str
    primary_keys: tuple[str, ...] = ()
    table_type: str = "REPLACE"
    location: str | None = None
    keys: tuple[str, ...] = ()
    reconcile: bool = True
    storage: str | None = None


@dataclass(frozen=True, slots=True)
class SnsSource:
    """Messages of an SNS topic: JSON whose fields, named like the dimensions, hold their texts."""

    topic: str


@dataclass(frozen=True, slots=True)
class TimerSource:
    """Fires of a schedule, as the user wrote it; ``shift`` moves the partition by whole units.

    A cron expression is read on the clock of ``timezone``, UTC when it is None.
    """

    schedule: str
    shift: int = 0
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class LateSource:
    """Partitions at which a view of the signal ``of`` is not complete at their time; see `wire.LateEvents`."""

    of: str
    branches: tuple[Branch, ...]
    mode: str = ""
    after: int | None = None
    by: int | None = None
    days: int = 1
    timezone: str | None = None
    since: int | None = None
    rollup: Rollup | None = None


@dataclass(frozen=True, slots=True)
class ChecksSource:
    """How the checks of the node ``of`` ended, of each output partition; ``app`` where another application has it."""

    of: str
    app: str = ""


@dataclass(frozen=True, slots=True)
class AlarmSource:
    """State changes of an alarm: one that this application creates, or one that exists (``external``)."""

    name: str
    external: bool = False
    rule: AlarmRule | None = None
    definition: MetricAlarm | CompositeAlarm | ExternalAlarm | None = None


@dataclass(frozen=True, slots=True)
class MetricSource:
    """A CloudWatch metric; it is bound to alarms, never a trigger. ``definition`` are CloudWatch's own dimensions."""

    namespace: str
    external: bool = False
    definition: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class NodeSource:
    """The output of the node of the same id, below the application's bucket.

    ``template`` lays its partitions out below the node's folder; "" is a level for each dimension.
    """

    template: str = ""


@dataclass(frozen=True, slots=True)
class UpstreamSource:
    """The output of the node of the same id in another application, below that one's bucket."""

    app: str
    bucket: str
    template: str = ""


Source = (
    S3Source
    | GlueSource
    | SnsSource
    | TimerSource
    | LateSource
    | ChecksSource
    | AlarmSource
    | MetricSource
    | NodeSource
    | UpstreamSource
)


@dataclass(frozen=True, slots=True)
class DataFormatSpec:
    """How a partition's files read: the format and its options, each as `rheo_formats.Format` has it."""

    format: str = "PARQUET"
    header: bool = True
    delimiter: str = ","
    schema: str | None = None
    encoding: str = "utf-8"
    quote: str = '"'
    escape: str | None = None
    columns: str | None = None
    nulls: tuple[str, ...] = ("", "\\N")
    date_format: str | None = None
    timestamp_format: str | None = None
    multiline: bool = True


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
    where: SourceLocation | None = field(default=None, compare=False)

    def kind(self, dim: str) -> Kind:
        """Return the kind of a dimension, as its first branch has it."""
        return self.branches[0][self.dims.index(dim)].kind


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a node: a view of a signal under an alias.

    ``tip`` is None for a trigger; for a reference, each dimension of its tip over the triggers. ``awaited``
    marks a reference that the user wrote as a trigger: in sensor mode the DAG waits for it. ``rollup``,
    ``at_least`` and ``optional`` are as in `rheo_runtime.wire.Input`; under a rollup, filter and tip speak of
    the coarser dimensions.
    """

    alias: str
    signal: str
    branches: tuple[Branch, ...]
    mode: str = ""
    reference: bool = False
    tip: tuple[Expr, ...] | None = None
    awaited: bool = False
    rollup: Rollup | None = None
    at_least: int | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """An equation between two values. ``default`` marks one that the user did not write."""

    left: Expr
    right: Expr
    default: bool = False
    where: SourceLocation | None = field(default=None, compare=False)


@knows_its_words
@dataclass(frozen=True, slots=True)
class Batch:
    """Lets ready executions of a node be carried out by one run and one job, each still by itself.

    Parameters
    ----------
    max
        The most executions of one batch, 1 to 1,000.
    wait
        How long the first one may wait for others: a timedelta, or seconds, up to an hour. 0: what one look of
        the listener finds ready goes at once.
    parallel
        How many are computed at a time, 1 to 32.

    >>> Batch(max=100).max
    100
    """

    max: int = 500
    wait: timedelta | int = 60
    parallel: int = 1

    @property
    def seconds(self) -> int:
        """How long the first one waits."""
        return self.wait if isinstance(self.wait, int) else int(self.wait.total_seconds())


@dataclass(frozen=True, slots=True)
class Options:
    """How a node runs. Times are in seconds, but ``retention`` in days; ``retry_count`` is the targets' default.

    ``latest_wins`` says that runs are meant to replace one another's output (see `rheodsl.overwriting`); the
    last two say whether inputs and outputs are linked by their dimensions' names where the user wrote no link.
    """

    retrigger: str = "all"
    trigger: str = "listener"
    arrival_ttl: int = 90 * 86400
    pending_ttl: int | None = None
    max_active_runs: int = 16
    pool: str | None = None
    owner: str = "rheo"
    tags: tuple[str, ...] = ()
    retry_count: int = 0
    execution_timeout: int | None = None
    retention: int | None = None
    latest_wins: bool = False
    auto_input_dim_linking_enabled: bool = True
    auto_output_dim_linking_enabled: bool = True
    batch: Batch | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """What an output must be: ``kind`` is row_count, not_null, unique, in_range, sql, function or pandera.

    ``low`` and ``high`` are bounds, ``code`` a query or a function; ``severity`` is "block" or "warn".
    """

    kind: str
    columns: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    code: Code | None = None
    severity: str = "block"
    where: SourceLocation | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Alternative:
    """One more way to start a node: what `Node` says of its first one."""

    inputs: tuple[Input, ...]
    links: tuple[Link, ...]
    output_values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A node: which events make it run, what it computes, what it emits.

    ``links`` are over the trigger inputs alone; ``written`` are the links as declared, defaults
    included, for people to read. ``alternatives`` are further ways to start it (``a | b``): what one of them does
    not name is an optional reference in it.
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
    where: SourceLocation | None = field(default=None, compare=False)
    checks: tuple[Check, ...] = ()
    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True, slots=True)
class TextWidget:
    """Markdown."""

    markdown: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class MetricWidget:
    """Graphs of metrics."""

    title: str
    stats: tuple[MetricStat, ...]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class AlarmWidget:
    """The graph of one alarm, or the states of several, by their ids."""

    title: str
    alarms: tuple[str, ...]
    width: int
    height: int


Widget = TextWidget | MetricWidget | AlarmWidget


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard; the one called ``default`` also shows what every application has."""

    id: str
    widgets: tuple[Widget, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Partner:
    """Another application, that this one reads from or lets read: its name, account and region."""

    app: str
    account: str
    region: str


@dataclass(frozen=True, slots=True)
class Module:
    """A Python module of the user's own: the texts of its files, by their paths in the package's folder.

    A module that is no package has one file, whose path is "".
    """

    name: str
    files: tuple[tuple[str, str], ...]
    where: SourceLocation | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Graph:
    """An application: its signals and nodes, sorted by id, and what is likely a mistake in it.

    ``dashboards`` are those to which the user adds widgets. ``security`` is what is said of parts of the
    application, by their names; ``upstreams`` are the applications that it imports, ``downstreams`` those
    that may import it, ``modules`` what its code imports of the user's own, all sorted. ``activated_by`` is the only role that may change what runs, "" for anybody.
    """

    app: str
    signals: tuple[Signal, ...]
    nodes: tuple[Node, ...]
    warnings: tuple[GraphWarning, ...] = field(default=(), compare=False)
    dashboards: tuple[Dashboard, ...] = ()
    security: tuple[tuple[str, ConstructSecurityConf], ...] = ()
    upstreams: tuple[Partner, ...] = ()
    downstreams: tuple[Partner, ...] = ()
    modules: tuple[Module, ...] = ()
    activated_by: str = ""

    def signal(self, id: str) -> Signal:
        """Return the signal of this id; raises KeyError."""
        return self._signals[id]

    def node(self, id: str) -> Node:
        """Return the node of this id; raises KeyError."""
        return self._nodes[id]

    def has_signal(self, id: str) -> bool:
        """Say whether there is a signal of this id."""
        return id in self._signals

    def has_node(self, id: str) -> bool:
        """Say whether there is a node of this id."""
        return id in self._nodes

    @cached_property
    def own_metrics(self) -> tuple[Signal, ...]:
        """The metrics that the application's own code sends."""
        return tuple(s for s in self.signals if isinstance(s.source, MetricSource) and not s.source.external)

    @cached_property
    def _signals(self) -> dict[str, Signal]:
        return {signal.id: signal for signal in self.signals}

    @cached_property
    def _nodes(self) -> dict[str, Node]:
        return {node.id: node for node in self.nodes}
