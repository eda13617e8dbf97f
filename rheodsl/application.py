"""``app.create_data(...)`` -> a graph: the application that a user builds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, overload

from rheo_runtime.wire import Rule, checks_signal, resource_name
from rheodsl import ir
from rheodsl.analysis import DataFrameFormat, LoadedData, Loading, merged
from rheodsl.checks import check, in_order
from rheodsl.cloudwatch.alarm_declarations import (
    check_metrics,
    composite_alarm,
    external_alarm,
    external_metric,
    metric_named,
    own_alarm,
    own_metric,
)
from rheodsl.cloudwatch.alarm_definitions import (
    NO_ACTIONS,
    AlarmComparisonOperator,
    AlarmDefaultActionsMap,
    AlarmTreatMissingData,
    CompositeAlarm,
    MetricAlarm,
)
from rheodsl.cloudwatch.alarm_rule import AlarmRule, RuleLike
from rheodsl.cloudwatch.alarms import (
    AlarmNode,
    CompositeAlarmNode,
    CWAlarm,
    Metrics,
    alternatives_of,
    facade,
    read_alarm,
)
from rheodsl.cloudwatch.dashboards import (
    WIDTH,
    Dashboard,
    Widget,
    alarm_widget,
    metric_widget,
    text_widget,
    with_dashboard,
    with_widget,
)
from rheodsl.cloudwatch.metrics import CHECKS_METRICS, NODE_METRICS, RESOURCES, CWMetric, MetricNode
from rheodsl.control import (
    Backfilled,
    BackfillRequest,
    ExecutionRequest,
    FeedBackSignalProcessingMode,
    Planned,
    Processed,
)
from rheodsl.declaration import (
    ComputeTarget,
    Declaration,
    DimLinks,
    Inputs,
    RouteRetention,
    declaration_of,
    read_computes,
    read_inputs,
    read_links,
    read_metadata,
    read_options,
    rename_expiration,
)
from rheodsl.describe import describe_input, describe_output
from rheodsl.dimensions import (
    DimensionFilter,
    DimensionSpec,
    DimensionVariant,
    output_layout,
    read_spec,
)
from rheodsl.errors import (
    GraphError,
    GraphWarning,
    InvalidNameError,
    RheoError,
    StateError,
    UnknownNameError,
    did_you_mean,
    here,
)
from rheodsl.external import (
    DATA_OPTIONS,
    DataFormat,
    External,
    GlueTable,
    SignalIntegrityProtocol,
    data_options,
    make_data,
)
from rheodsl.guide import REPLACED
from rheodsl.hooks import RouteExecutionHook, RoutePendingNodeHook, never_called, read_hooks
from rheodsl.idle import IdlePlatform, is_loading
from rheodsl.lifecycle import ApplicationState, Changes, Release
from rheodsl.modules import ModuleLike, read_modules
from rheodsl.monitoring import RouteLike, States, chosen, partition_of, record_of, route_id
from rheodsl.own_past import OwnPast
from rheodsl.paths import Coordinate, materialize
from rheodsl.platform import Platform
from rheodsl.project import best
from rheodsl.quality import CheckLike, read_checks
from rheodsl.reports import (
    ComputeLog,
    ComputeRecord,
    Explanation,
    LatePartition,
    PendingNode,
    Route,
    RouteRecord,
    StaleOutput,
    as_html,
    preformatted,
)
from rheodsl.resolve import Resolved, resolve
from rheodsl.retrieval import FindsNodes, QueryApplicationScope, QueryContext
from rheodsl.security import Construct, ConstructSecurityConf, rotation_warnings, secured
from rheodsl.sharing import RemoteApplication, read_partner
from rheodsl.signal_declarations import S3Options, data_of_variants, external_data, s3_data, timer
from rheodsl.signals import SignalNode, View
from rheodsl.stages import Life, StageError
from rheodsl.words import declares, knows_its_words, own_data

_OPTIONS = (
    "retrigger", "trigger", "pending_ttl", "arrival_ttl", "max_active_runs", "pool", "owner", "tags",
    "retry_count", "execution_timeout", "retention", "batch", "latest_wins", "auto_input_dim_linking_enabled",
    "auto_output_dim_linking_enabled",
)  # fmt: skip

T = TypeVar("T")

# Folders beside those of applications in Airflow's folder of DAGs.
_TAKEN = frozenset({"rheo_runtime", "rheo_airflow"})


@knows_its_words
class Application(FindsNodes):
    """An application: signals, nodes and the links between them.

    Parameters
    ----------
    name
        Letters, digits, ``_``, ``-`` and ``.``; part of every DAG id and resource name.
    platform
        Where the application runs; None for one that is only compiled and simulated.
    strict
        Treat warnings as errors.
    modules
        Python modules of your own that the code of nodes and hooks imports: modules, names or paths. They are
        shipped with the application to wherever its code runs, as they are when it is declared.
    stage
        Another life of the same program: ``dev`` of ``sales`` is deployed as ``sales--dev``. What
        ``rheo --stage``, or the variable ``RHEO_STAGE``, says when left out.

    Raises InvalidNameError, StageError.

    >>> app = Application("sales")
    >>> orders = app.s3("orders", "s3://my-bucket/orders/{region_id:int}/{day:%Y-%m-%d}")
    >>> daily = app.create_data("daily", inputs=[orders[1][:-30]], compute_targets="output = orders")
    >>> [dim for dim, _ in app.graph().node("daily").output]
    ['region_id', 'day']
    """

    def __init__(
        self,
        name: str,
        platform: Platform | None = None,
        *,
        strict: bool = False,
        modules: Sequence[ModuleLike] = (),
        stage: str | None = None,
    ) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", name):
            raise InvalidNameError(
                f"{name!r} is no name of an application",
                hint="use up to 40 letters, digits, '_', '-' and '.', starting with a letter or digit",
            )
        if name.lower() in _TAKEN:
            raise InvalidNameError(
                f"{name!r} is no name of an application: Rheo's own files in Airflow's folder have it",
                hint="choose another one",
            )
        self._life = Life.of(name, stage)
        self.name = self._life.name
        self.platform = platform
        self.strict = strict
        self._modules = {module.name: module for module in read_modules(modules)}
        self._signals: dict[str, ir.Signal] = {}
        self._declared: dict[str, Declaration] = {}
        self._resolved: dict[str, tuple[Declaration, tuple[ir.Signal | None, ...], Resolved]] = {}
        self._faults: list[RheoError] = []
        self._graph: ir.Graph | None = None
        self._changing: str | None = None
        self._dashboards: tuple[Dashboard, ...] = ()
        self._security: Mapping[str, ConstructSecurityConf] = {}
        self._security_warnings: Mapping[str, GraphWarning] = {}
        self._upstreams: tuple[ir.Partner, ...] = ()  # in the order of their import
        self._downstreams: frozenset[ir.Partner] = frozenset()
        self._remotes: dict[ir.Partner, RemoteApplication] = {}
        self._deleted = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    if not TYPE_CHECKING:  # what it has not is for type checkers to say

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(name)
            known = (each for each in dir(self) if not each.startswith("_"))
            hint = REPLACED.get(name) or did_you_mean(name, known, "docs/language.md says what it has")
            raise UnknownNameError(f"{type(self).__name__} has no {name!r}", hint=hint)

    def _repr_html_(self) -> str:
        """What is declared, a row for each node; or what is wrong with it. Nothing is asked of the platform."""
        try:
            graph = self.graph()
        except RheoError as fault:
            return preformatted(fault)
        rows = [
            (node.id, ", ".join(map(describe_input, node.inputs)), ", ".join(describe_output(node)))
            for node in graph.nodes
        ]
        return as_html(f"application {self.name}", ("node", "inputs", "output"), rows)

    @property
    def stage(self) -> str | None:
        """The stage of this life of the program; None for one without."""
        return self._life.stage

    def by_stage(self, values: Mapping[str, T]) -> T:
        """Return what is meant for the application's stage; what has no stage is meant by ``*`` alone.

        Parameters
        ----------
        values
            Each under the name of a stage, or a pattern: ``pr-*``, ``*``. The name itself comes first, then the
            first pattern that fits.

        Raises StageError when none does.

        >>> app = Application("sales", stage="dev")
        >>> app.by_stage({"prod": "s3://lake", "*": "s3://lake-trial"})
        's3://lake-trial'
        """
        key = best(values, self.stage or "")
        if key is None:
            stage = f"the stage {self.stage}" if self.stage else "an application without a stage"
            raise StageError(
                f"{self.name} has no value for {stage}",
                hint=f"it has {', '.join(values)}: add '*' for all others",
            )
        return values[key]

    def _signal(self, signal: ir.Signal) -> ir.Signal:
        self._check_id(signal.id)
        self._signals[signal.id] = signal
        self._graph = None
        return signal

    def _add_signal(self, signal: ir.Signal) -> SignalNode:
        return SignalNode(self._signal(signal))

    def _widget(self, dashboard: str, widget: Widget) -> None:
        self._dashboards = with_widget(self.name, self._dashboards, dashboard, widget)
        self._graph = None

    def _at(self) -> Platform:
        """The application's platform; raises StateError when it has none, or the application was deleted.

        While a command loads the file of the application it is one that does nothing.
        """
        platform = self._platform()
        return IdlePlatform(platform) if is_loading() else platform

    def _platform(self) -> Platform:
        if self._deleted:
            raise StateError(
                f"{self.name} was deleted", hint="make a new Application of this name to begin anew"
            )
        if self.platform is None:
            raise StateError(
                f"{self.name} has no platform",
                hint="give it one: Application(name, platform=LocalPlatform()), or AWSApplication(...)",
            )
        return self.platform

    def _check_id(self, id: str) -> None:
        if not isinstance(id, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", id):
            raise InvalidNameError(
                f"{id!r} is no id",
                hint="use up to 200 letters, digits, '_', '-' and '.': Airflow ids have no others",
            )
        if id in self._signals and id != self._changing:
            first = self._signals[id].where
            self._faults.append(
                InvalidNameError(
                    f"the id {id!r} is taken" + (f" (by {first})" if first else ""),
                    hint="choose another id, or change the node by update_data or patch_data",
                )
            )

    # --- nodes -----------------------------------------------------------------------------------

    @declares(format="dataset_format", data_id="id")
    def create_data(
        self,
        id: str,
        inputs: Inputs = None,
        input_dim_links: DimLinks = None,
        output_dimension_spec: DimensionSpec | Mapping[Any, Any] | None = None,
        output_dim_links: DimLinks = None,
        compute_targets: ComputeTarget | Sequence[ComputeTarget] | None = None,
        *,
        execution_hook: RouteExecutionHook | None = None,
        pending_node_hook: RoutePendingNodeHook | None = None,
        retrigger: Literal["all", "any", "updated", "never"] = "all",
        trigger: Literal["listener", "sensor"] = "listener",
        pending_ttl: timedelta | int | None = None,
        pending_node_expiration_ttl_in_secs: int | None = None,
        arrival_ttl: timedelta | int = timedelta(days=90),
        dataset_format: ir.DataFormatSpec | DataFormat | str | None = None,
        header: bool = True,
        delimiter: str = ",",
        schema: str | None = None,
        retry_count: int = 0,
        execution_timeout: timedelta | int | None = None,
        retention: RouteRetention | timedelta | None = None,
        max_active_runs: int = 16,
        pool: str | None = None,
        owner: str = "rheo",
        tags: Sequence[str] = (),
        batch: ir.Batch | None = None,
        latest_wins: bool = False,
        auto_input_dim_linking_enabled: bool = True,
        auto_output_dim_linking_enabled: bool = True,
        checks: CheckLike | Sequence[CheckLike] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> SignalNode:
        """Declare a node: which inputs start it, what it computes, and the data that it emits.

        Parameters
        ----------
        inputs
            Views, in a list or under aliases in a dict.
        input_dim_links
            Links between inputs: ``[a.day == b.ship_day]``, or the guide's ``(target, fn, source)``.
            Inputs that share a dimension are linked by equality without being told.
        output_dimension_spec
            The dimensions of the output; the first trigger input's when left out.
        output_dim_links
            ``[output.day == a.day.trunc("month")]`` or ``("day", fn, source)``.
        compute_targets
            One or several; a text is PySpark, a function runs in the Airflow worker.
        execution_hook, pending_node_hook
            What is called during its executions, and while it waits for inputs.
        retrigger
            "all": runs again when every input has arrived anew; "any": when one has. "updated": when anything
            that it reads is written anew, or for the first time. "never": an output is made once.
        trigger
            "sensor": its one timer starts it, and sensors wait for the other inputs; no listener is needed.
        pending_ttl, arrival_ttl
            How long an incomplete binding waits, and an arrival is kept: a timedelta, or seconds.
            ``pending_node_expiration_ttl_in_secs`` is the guide's name of the first.
        dataset_format, header, delimiter, schema
            How the output is written, and its columns: ``"id long, price double"``.
        retry_count
            How often a failed target is tried again, where the target does not say.
        execution_timeout
            How long one attempt of a target may take, a timedelta or seconds: it is ended then, and has failed.
            When left out, an hour more than its service gives a job (see docs/airflow.md).
        retention
            After which time partitions of the output are deleted.
        max_active_runs, pool, owner, tags
            For the generated DAG.
        batch
            ``Batch(max=500, wait=timedelta(seconds=60))``: one run and one job carry out the executions that are
            ready, each still by itself. For nodes of many small partitions.
        latest_wins
            Says that runs are meant to replace one another's output: where a trigger input has a dimension that
            the output does not tell, such as the day of a month to date. Otherwise that is a warning, RD204.
        auto_input_dim_linking_enabled, auto_output_dim_linking_enabled
            False leaves out the links between inputs, or of the output, that you did not write.
        checks
            What the output must be before it is announced: `row_count`, `not_null`, `unique`, `in_range`,
            `no_rows` (or a text: SQL over ``output`` that must return no row), `check` (or a function of the
            output's frame).
        metadata
            Data of your own under names, JSON values; found by `search_data`.

        ``format`` is another name of ``dataset_format``. Raises SpecError for an option that is not one of these,
        with the nearest. Faults of links and outputs are reported by `graph`, all together.
        """
        self._check_id(id)
        return self._declare(
            Declaration(id),
            dict(
                inputs=inputs, input_dim_links=input_dim_links, output_dimension_spec=output_dimension_spec,
                output_dim_links=output_dim_links, compute_targets=compute_targets, retrigger=retrigger,
                execution_hook=execution_hook, pending_node_hook=pending_node_hook, trigger=trigger,
                pending_ttl=pending_ttl, arrival_ttl=arrival_ttl, max_active_runs=max_active_runs, pool=pool,
                pending_node_expiration_ttl_in_secs=pending_node_expiration_ttl_in_secs,
                owner=owner, tags=tags, dataset_format=dataset_format, header=header, delimiter=delimiter,
                schema=schema, retry_count=retry_count, execution_timeout=execution_timeout,
                retention=retention, latest_wins=latest_wins, batch=batch,
                auto_input_dim_linking_enabled=auto_input_dim_linking_enabled, checks=checks,
                auto_output_dim_linking_enabled=auto_output_dim_linking_enabled, metadata=metadata,
            ),
        )  # fmt: skip

    @declares(beside=create_data, format="dataset_format", data_id="id")
    def update_data(self, id: str, inputs: Inputs = None, *args: Any, **kwargs: Any) -> SignalNode:
        """Declare an existing node anew; parameters are those of `create_data`. Raises UnknownNameError."""
        with self._change(self._node_of(id)):
            return self.create_data(id, inputs, *args, **kwargs)

    @declares(beside=create_data, format="dataset_format", data_id="id")
    def patch_data(self, id: str, **changes: Any) -> SignalNode:
        """Change some parameters of an existing node and keep the others. Raises UnknownNameError.

        >>> app = Application("a")
        >>> node = app.create_data("n", app.s3("s", "s3://bucket/s/{day:%Y-%m-%d}"), compute_targets="output = s")
        >>> app.patch_data("n", retrigger="any") == node
        True
        """
        known = self._declared[self._node_of(id)]
        with self._change(id):
            return self._declare(known, changes)

    @contextmanager
    def _change(self, id: str) -> Iterator[None]:
        """Let ``id`` be declared once more; until that is done, and when it fails, it stays as it was."""
        self._changing = id
        try:
            yield
        finally:
            self._changing = None

    def _node_of(self, id: str) -> str:
        if not isinstance(id, str):
            raise UnknownNameError(
                f"{id!r} is no id of a node",
                hint=f"write {id.id!r}" if isinstance(id, View) else 'write it as a text: "daily"',
            )
        if id not in self._declared:
            raise UnknownNameError(
                f"{self.name} has no node {id!r}",
                hint=did_you_mean(id, self._declared, "declare it by create_data"),
            )
        return id

    def _declare(self, known: Declaration, given: Mapping[str, Any]) -> SignalNode:
        """Declare a node: what is known of it, and what is given beside it, as a user writes it."""
        id, rest = known.id, dict(given)
        changes: dict[str, Any] = {"where": here()}
        if "inputs" in rest:
            found = self._read_inputs(id, rest.pop("inputs"))
            changes["inputs"], changes["own"], changes["alternatives"] = found
        if "input_dim_links" in rest:
            changes["links"] = read_links(id, rest.pop("input_dim_links"), outputs=False)
        if "output_dimension_spec" in rest:
            spec = rest.pop("output_dimension_spec")
            changes["output_spec"] = None if spec is None else read_spec(spec)
        if "output_dim_links" in rest:
            changes["output_links"] = read_links(id, rest.pop("output_dim_links"), outputs=True)
        if "compute_targets" in rest:
            changes["computes"] = read_computes(rest.pop("compute_targets"))
        changes["hooks"] = read_hooks(id, known.hooks, rest)
        rename_expiration(id, rest)
        options = {name: rest.pop(name) for name in _OPTIONS if name in rest}
        changes["options"] = read_options(id, known.options, options)
        if "checks" in rest:
            changes["checks"] = read_checks(rest.pop("checks"))
        format = rest.pop("dataset_format", None)
        said = {name: getattr(known.data, name) for name in DATA_OPTIONS} | data_options(rest)
        changes["data"] = make_data(known.data.format if format is None else format, **said)
        own = own_data(rest.pop("metadata", None), id)
        changes["metadata"] = read_metadata({**dict(known.metadata), **own}, id)
        self._declared.pop(id, None)  # the latest declaration stands last
        self._declared[id] = replace(known, **changes)
        return self._add_output(self._resolve(id)[0])

    def _resolve(self, id: str) -> Resolved:
        """The node as resolved, anew only when a signal that it reads has changed."""
        declared = self._declared[id]
        read = tuple(self._signals.get(view.id) for _, view in declared.inputs)
        known = self._resolved.get(id)
        if known is None or known[0] is not declared or known[1] != read:
            known = self._resolved[id] = declared, read, resolve(declared, self._signals)
        return known[2]

    def _add_output(self, node: ir.Node) -> SignalNode:
        known = self._signals.get(node.id)
        signal = ir.Signal(
            id=node.id,
            dims=tuple(name for name, _ in node.output),
            branches=(tuple(Rule(rule.kind) for _, rule in node.output),),
            source=ir.NodeSource(output_layout(self._declared[node.id].output_spec)),
            proxy=known.proxy if known else None,
            data=node.data,
            metadata=node.metadata,
            where=node.where,
        )
        if known == signal and known.where == signal.where:
            signal = known  # what follows from it need not be made again
        self._signals[node.id] = signal
        checks = self._signals.get(checks_signal(node.id))
        if checks is not None and isinstance(checks.source, ir.ChecksSource):
            self._signals[checks.id] = SignalNode(signal).checks.signal
        self._graph = None
        return SignalNode(signal)

    def _read_inputs(
        self, id: str, inputs: Inputs
    ) -> tuple[tuple[tuple[str | None, View], ...], tuple[OwnPast, ...], tuple[tuple[int, ...], ...]]:
        given: Any = [inputs] if isinstance(inputs, AlarmRule) else inputs
        if isinstance(given, list | tuple):
            given = [alternatives_of(i, self._signals) if isinstance(i, AlarmRule) else i for i in given]
        pairs, own, alternatives = read_inputs(id, given)
        for _, view in pairs:
            self._adopt(id, view)
        return pairs, own, alternatives

    def _adopt(self, id: str, view: View) -> None:
        """Take the proxy of a linked signal over; refuse signals of another application."""
        if isinstance(view.signal.source, ir.LateSource | ir.ChecksSource):
            self._add_derived(id, view.signal)
            return
        known = self._signals.get(view.id)
        if imported := self._imported(view.signal):
            if known is not None and known.source != imported.source:
                raise InvalidNameError(
                    f"{id}: {view.id!r} is a signal of {self.name}, and one of an application that it imports",
                    hint="give the own one another id",
                )
            known = self._signals[view.id] = imported
        if known is None:
            raise UnknownNameError(
                f"{id}: {view.id!r} is no signal of {self.name}",
                hint="declare it in this application, or import it",
            )
        if view.signal.proxy is not None and known.proxy is None:
            self._signals[view.id] = replace(known, proxy=view.signal.proxy)

    def _add_derived(self, id: str, signal: ir.Signal) -> None:
        """Take a signal up that follows from another one; two that differ need two names."""
        known = self._signals.setdefault(signal.id, signal)
        if known.source != signal.source:
            late = isinstance(signal.source, ir.LateSource)
            raise InvalidNameError(
                f"{id}: {signal.id!r} is another one already",
                hint="give the view another name: view.alias('x').late(...)"
                if late
                else "give that one another id",
            )

    # --- the graph -------------------------------------------------------------------------------

    def graph(self, *, strict: bool | None = None) -> ir.Graph:
        """Return the application as a graph, resolved and checked.

        Raises GraphError with every fault of it; warnings count as faults when ``strict``.
        """
        strict = self.strict if strict is None else strict
        if self._graph is None:
            self._graph = self._build()
        if strict and self._graph.warnings:
            raise GraphError(self.name, map(RheoError.of_warning, self._graph.warnings))
        return self._graph

    def _take(self, graph: ir.Graph) -> None:
        """Declare all of a graph, as its own application did; an id that is taken is a fault."""
        for signal in graph.signals:
            self._check_id(signal.id)
        self._signals |= {signal.id: signal for signal in graph.signals}
        self._declared |= {node.id: declaration_of(node, self._signals) for node in graph.nodes}
        self._dashboards = (*self._dashboards, *graph.dashboards)
        self._security = {**dict(graph.security), **self._security}
        self._upstreams = (*self._upstreams, *(p for p in graph.upstreams if p not in self._upstreams))
        self._downstreams |= set(graph.downstreams)
        self._modules = {module.name: module for module in graph.modules} | self._modules
        self._graph = None

    def sound_graph(self) -> ir.Graph:
        """Return the graph of those nodes that have no fault of their own: what else is wrong may show in it."""
        graph, _, faulty = self._drafted()
        return replace(graph, nodes=tuple(node for node in graph.nodes if node.id not in faulty))

    def _build(self) -> ir.Graph:
        graph, faults, _ = self._drafted()
        if faults:
            raise GraphError(self.name, faults)
        return graph

    def _drafted(self) -> tuple[ir.Graph, list[RheoError], set[str]]:
        """The graph as far as it can be resolved, all faults, and the ids of the nodes that could not be."""
        faults, warnings, nodes, faulty = list(self._faults), [], [], set()
        for id in in_order(self._declared, faults):
            node, found, warned = self._resolve(id)
            if found:
                faulty.add(id)
            faults += found
            warnings += warned
            nodes.append(node)
            self._add_output(node)  # as it follows from inputs that may have changed since
        graph = ir.Graph(
            app=self.name,
            signals=tuple(sorted(map(self._staged, self._signals.values()), key=lambda s: s.id)),
            nodes=tuple(sorted(nodes, key=lambda n: n.id)),
            warnings=(
                *warnings,
                *never_called(nodes),
                *self._security_warnings.values(),
            ),
            dashboards=self._dashboards,
            security=tuple(sorted(self._security.items())),
            upstreams=tuple(sorted(self._upstreams)),
            downstreams=tuple(sorted(self._downstreams)),
            modules=tuple(self._modules[name] for name in sorted(self._modules)),
            activated_by=self._life.settings.activated_by or "",
        )
        faults += check(graph)
        return graph, faults, faulty

    def _staged(self, signal: ir.Signal) -> ir.Signal:
        """The signal as it is at this stage: where alarms are off, they change their state and call nobody."""
        source = signal.source
        if self._life.settings.alarms or not isinstance(source, ir.AlarmSource):
            return signal
        if not isinstance(source.definition, MetricAlarm | CompositeAlarm):
            return signal
        return replace(
            signal, source=replace(source, definition=replace(source.definition, actions=NO_ACTIONS))
        )

    def __getitem__(self, entity_id: str) -> SignalNode:
        """Return what has this id: as declared here, else as imported, else as it is active.

        Raises UnknownNameError.
        """
        if entity_id not in self._signals:
            found = self._find_entity(entity_id)
            if found is not None:
                return found
            raise UnknownNameError(
                f"{self.name} has no {entity_id!r}",
                hint=did_you_mean(
                    entity_id, self._signals, "name a signal, a node, a timer, a metric or an alarm"
                ),
            )
        return facade(self._signals[entity_id])

    # --- external data and timers -----------------------------------------------------------------------

    @declares(external="external_data_desc", data_id="id")
    def marshal_external_data(
        self,
        external_data_desc: External,
        id: str,
        dimension_spec: DimensionSpec | Mapping[Any, Any] | None = None,
        dimension_filter: DimensionFilter | Mapping[Any, Any] | None = None,
        protocol: SignalIntegrityProtocol | None = None,
        tags: str | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> SignalNode:
        """Declare data that others write, so that its partitions are signals.

        Parameters
        ----------
        external_data_desc
            `S3Dataset`, `AndesDataset`, `GlueTable` or `SNS`.
        id
            The id of the signal.
        dimension_spec
            The dimensions, each nested in the one before it.
        dimension_filter
            What passes: values, ``"*"`` or windows, with attributes that apply there.
        protocol
            The completion protocol; ``_SUCCESS`` objects by default.
        tags, metadata
            Kept for `search_data`.

        Raises SpecError, FilterError, ValueCastError, InvalidNameError.
        """
        return self._add_signal(
            external_data(external_data_desc, id, dimension_spec, dimension_filter, protocol, tags, metadata)
        )

    @declares(completion="completion_file", external_data_desc="external", id="data_id")
    def add_external_data(
        self,
        data_id: str,
        external: External,
        completion_file: str | Sequence[str] | None = "_SUCCESS",
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> SignalNode:
        """Declare external data whose dimensions are given as variants: ``S3(..., AnyDate("day"))``."""
        return self._add_signal(data_of_variants(data_id, external, completion_file, metadata))

    @declares(also=DATA_OPTIONS, dataset_format="format", completion_file="completion")
    def s3(
        self,
        id: str,
        path: str,
        *,
        dimension_filter: DimensionFilter | Mapping[Any, Any] | None = None,
        completion: str | Sequence[str] | None = "_SUCCESS",
        format: ir.DataFormatSpec | DataFormat | str | None = None,
        header: bool = True,
        delimiter: str = ",",
        schema: str | None = None,
        account_id: str | None = None,
        dimensions: Mapping[str, Mapping[str, Any]] | None = None,
        settle: timedelta | None = None,
        reconcile: bool = False,
        metadata: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> SignalNode:
        """Declare S3 data by the template of its paths.

        ``completion`` are the names of the objects that announce a partition: a name, a pattern (``"*.csv"``),
        one that holds dimensions (``"orders_{day}.done"``), or several; `ITSELF` where the path names an
        object, which is the partition; None for any object that is no leftover of Hadoop or Spark.
        ``"../_SUCCESS"`` is a marker above: it announces the partitions below it that have new data. After
        ``settle``, a time without another object, a partition arrives. With ``reconcile`` the listener lists the
        bucket once an hour, and what is there and no event told of arrives, once; what was there before the first
        activation does not.
        ``dimensions`` are attributes of dimensions that a path cannot say:
        ``{"week": {"granularity": "WEEK"}}``.
        ``format`` is a name, or `CsvFormat` and `JsonFormat` with their options, which may also stand here:
        ``encoding="latin-1"``, ``columns="lenient"``.

        ``dataset_format`` and ``completion_file`` are other names of ``format`` and ``completion``; ``metadata`` is
        data of your own, found by `search_data`.

        >>> from rheodsl import Application
        >>> Application("a").s3("orders", "s3://bucket/orders/{region:int}/{day:%Y-%m-%d}").dimension_spec()
        {'region': {'type': 'LONG', 'day': {'type': 'DATETIME', 'format': '%Y-%m-%d', 'granularity': 'DAY'}}}
        """
        said = {"header": header, "delimiter": delimiter, "schema": schema, **options}
        data = S3Options(make_data(format, **said), account_id, dimensions, settle, reconcile)
        return self._add_signal(s3_data(id, path, dimension_filter, completion, data, metadata))

    @declares(beside=GlueTable.__init__, also=DATA_OPTIONS, format="dataset_format")
    def glue_table(
        self,
        id: str,
        database: str,
        table: str,
        dimension_spec: DimensionSpec | Mapping[Any, Any] | None = None,
        dimension_filter: DimensionFilter | Mapping[Any, Any] | None = None,
        **options: Any,
    ) -> SignalNode:
        """Declare a table of the Glue Data Catalog; options are those of `GlueTable`."""
        table_ = GlueTable(database, table, **options)
        return self._add_signal(external_data(table_, id, dimension_spec, dimension_filter, None, None, None))

    @declares(date_dimension="time_dimension_id")
    def add_timer(
        self,
        id: str,
        schedule_expression: str,
        time_dimension_id: str = "time",
        time_dimension_shift: int = 0,
        timezone: str | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> SignalNode:
        """Declare a timer: a signal of one DATETIME dimension, the fire time at the timer's granularity.

        Parameters
        ----------
        schedule_expression
            ``rate(1 day)`` or ``cron(0 0 1 * ? *)``, as AWS writes schedules.
        time_dimension_id
            The name of the dimension.
        time_dimension_shift
            Moves the partition by whole units of the granularity.
        timezone
            The zone by whose clock a cron expression fires, and whose date or hour the partition is; UTC
            when left out. A rate is counted from 1970 UTC whatever the zone.

        Raises ScheduleError, SpecError.

        >>> from rheodsl import Application
        >>> Application("a").add_timer("daily", "rate(1 day)", "day").dimension_spec()["day"]["granularity"]
        'DAY'
        """
        return self._add_signal(
            timer(id, schedule_expression, time_dimension_id, time_dimension_shift, timezone, metadata)
        )

    @declares(time_dimension_id="date_dimension")
    def create_timer(
        self,
        id: str,
        schedule_expression: str,
        date_dimension: DimensionVariant | str = "time",
        time_dimension_shift: int = 0,
        timezone: str | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> SignalNode:
        """Declare a timer whose dimension is given as a variant: ``AnyDate("day", {"format": "%Y-%m-%d"})``."""
        return self._add_signal(
            timer(id, schedule_expression, date_dimension, time_dimension_shift, timezone, metadata)
        )

    # --- metrics and alarms -----------------------------------------------------------------------------

    @declares()
    def marshal_external_metric(
        self,
        external_metric_desc: CWMetric,
        id: str,
        dimension_filter: DimensionFilter | Mapping[Any, Any] | None = None,
        sub_dimensions: Mapping[str, str] | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> MetricNode:
        """Declare metrics that others send to CloudWatch.

        Parameters
        ----------
        external_metric_desc
            ``CWMetric(namespace="AWS/Lambda")``.
        id
            The id of the signal.
        dimension_filter
            What may be asked for, nested: name, statistic, period, ``"*"`` for any; all when left out.
        sub_dimensions
            CloudWatch's own dimensions, such as ``{"FunctionName": "f"}``.
        metadata
            Kept for `search_data`.

        Raises SpecError, ValueCastError, InvalidNameError.

        >>> from rheodsl import Application
        >>> errors = Application("a").marshal_external_metric(CWMetric("AWS/Lambda"), "f")["Errors"]
        >>> errors["Sum"][300]
        f['Errors']['Sum'][300]
        """
        return MetricNode(
            self._signal(
                external_metric(external_metric_desc, id, dimension_filter, sub_dimensions, metadata)
            )
        )

    @declares()
    def create_metric(
        self,
        id: str,
        dimension_filter: DimensionFilter | Mapping[Any, Any] | None = None,
        sub_dimensions: Mapping[str, str] | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> MetricNode:
        """Declare metrics that the application's own code sends: ``diagnostics["id"]["Error"].emit(1)``.

        Parameters are those of `marshal_external_metric`. In CloudWatch the metrics are in the namespace
        ``Rheo/<application>``, with the id as the dimension ``MetricId``.

        >>> from rheodsl import Application
        >>> Application("a").create_metric("etl")["Error"]["Sum"][60].stat("x").dimensions
        (('MetricId', 'etl'),)
        """
        return MetricNode(self._signal(own_metric(self.name, id, dimension_filter, sub_dimensions, metadata)))

    def metric(self, name: str) -> MetricNode:
        """Return a metric by its name: a declared one, a node's own, or one of what runs the application.

        Parameters
        ----------
        name
            A declared id; ``<node>.exec_succeeded``, ``<node>.exec_failed``, ``<node>.latency``,
            ``<node>.pending_age``, and ``<node>.checks_failed``, ``_warned`` and ``_passed`` of a node that has
            checks, indexed by their statistic; ``listener``, ``queue``, ``dead_letters`` or
            ``ledger`` for the metrics of AWS, indexed by their name.

        Raises UnknownNameError.

        >>> from rheodsl import Application
        >>> app = Application("a")
        >>> node = app.create_data("daily", app.add_timer("timer", "rate(1 day)"))
        >>> app.metric("daily.exec_failed")["Sum"][300]
        daily.exec_failed['exec_failed']['Sum'][300]
        """
        return metric_named(name, self.name, self._signals, self._node_metrics())

    def get_platform_metrics(self) -> dict[str, MetricNode]:
        """Return the metrics that the application has without declaring them, by name; see `metric`."""
        of_nodes = (f"{node}.{own}" for node, names in self._node_metrics().items() for own in names)
        names = [*of_nodes, *RESOURCES]
        return {name: self.metric(name) for name in names}

    def _node_metrics(self) -> dict[str, list[str]]:
        return {
            id: [*NODE_METRICS, *(CHECKS_METRICS if declared.checks else ())]
            for id, declared in self._declared.items()
        }

    @declares()
    def create_alarm(
        self,
        id: str,
        target_metric_or_expression: MetricNode | str,
        metrics: Metrics = None,
        number_of_evaluation_periods: int = 1,
        number_of_datapoint_periods: int | None = None,
        comparison_operator: AlarmComparisonOperator
        | str = AlarmComparisonOperator.GreaterThanOrEqualToThreshold,
        threshold: float | str = 1,
        treat_missing_data: AlarmTreatMissingData | str = AlarmTreatMissingData.MISSING,
        default_actions: AlarmDefaultActionsMap | None = None,
        description: str = "",
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> AlarmNode:
        """Declare an alarm, a signal of dimensions ``state`` and ``time``.

        Parameters
        ----------
        target_metric_or_expression
            A metric, or an expression of CloudWatch's metric math over ``metrics``.
        metrics
            The metrics of an expression: under names in a dict, or in a list under their ids. They have
            one period; one that is left open is that of the others.
        number_of_evaluation_periods, number_of_datapoint_periods
            The alarm looks at so many periods, and so many of them have to breach: all when left out.
        comparison_operator, threshold
            When a period breaches. An operator over a band takes ``"ANOMALY_DETECTION_BAND(m1, 2)"``.
        treat_missing_data
            What a period without data counts as.
        default_actions
            What CloudWatch does on transitions, whether or not a node takes the alarm as an input.

        Raises AlarmError, FilterError, MetricMathError.

        >>> from rheodsl import Application
        >>> app = Application("a")
        >>> errors = app.create_metric("etl")["Error"]["Sum"][300]
        >>> app.create_alarm("too_many", errors, threshold=5)["ALARM"]
        too_many['ALARM']
        """
        definition = read_alarm(
            id, target_metric_or_expression, metrics, number_of_evaluation_periods,
            number_of_datapoint_periods, comparison_operator, threshold, treat_missing_data,
            default_actions, description,
        )  # fmt: skip
        check_metrics(self.name, id, target_metric_or_expression, metrics)
        return AlarmNode(self._signal(own_alarm(self.name, id, definition, metadata)))

    @declares()
    def marshal_external_alarm(
        self, external_alarm_desc: CWAlarm, id: str, *, metadata: Mapping[str, Any] | None = None
    ) -> AlarmNode:
        """Declare an alarm that exists in CloudWatch.

        ``CWAlarm(name="cpu high")`` is one of this account; ``CWAlarm("123456789012", "us-west-2")`` is one
        of another, whose EventBridge forwards its state changes. Raises AlarmError, InvalidNameError.

        >>> from rheodsl import Application
        >>> Application("a").marshal_external_alarm(CWAlarm(name="cpu high"), "cpu")["OK"]
        cpu['OK']
        """
        return AlarmNode(self._signal(external_alarm(external_alarm_desc, id, metadata)))

    @declares()
    def create_composite_alarm(
        self,
        id: str,
        alarm_rule: RuleLike,
        default_actions: AlarmDefaultActionsMap | None = None,
        description: str = "",
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> CompositeAlarmNode:
        """Declare an alarm over the states of others: ``a | b["ALARM"] | ~c["OK"]``.

        Raises AlarmRuleError when the rule names what is no alarm of the application, has a cycle, or is
        larger than CloudWatch takes; AlarmError.

        >>> from rheodsl import Application
        >>> app = Application("a")
        >>> cpu = app.marshal_external_alarm(CWAlarm(name="cpu high"), "cpu")
        >>> app.create_composite_alarm("calm", ~cpu).rule.render()
        'NOT ALARM(cpu)'
        """
        return CompositeAlarmNode(
            self._signal(
                composite_alarm(
                    self.name, id, alarm_rule, default_actions, description, metadata, self._signals
                )
            )
        )

    # --- dashboards -------------------------------------------------------------------------------------

    def create_dashboard(self, id: str) -> str:
        """Declare a dashboard beside the default one; return its id. Raises AlarmError."""
        self._dashboards = with_dashboard(self._dashboards, id)
        self._graph = None
        return id

    def create_text_widget(
        self, dashboard_id: str, markdown: str, *, width: int = WIDTH, height: int = 2
    ) -> None:
        """Add text to a dashboard, ``"default"`` or one of `create_dashboard`. Raises AlarmError."""
        self._widget(dashboard_id, text_widget(markdown, width, height))

    def create_metric_widget(
        self,
        dashboard_id: str,
        metrics: Sequence[MetricNode] | MetricNode,
        title: str | None = None,
        *,
        width: int = 12,
        height: int = 6,
    ) -> None:
        """Add graphs of metrics to a dashboard. Raises AlarmError, FilterError."""
        self._widget(dashboard_id, metric_widget(metrics, title, width, height))

    def create_alarm_widget(
        self,
        dashboard_id: str,
        alarms: Sequence[AlarmNode] | AlarmNode,
        title: str | None = None,
        *,
        width: int = 12,
        height: int = 6,
    ) -> None:
        """Add the graph of one alarm, or the states of several, to a dashboard. Raises AlarmError."""
        self._widget(dashboard_id, alarm_widget(alarms, title, width, height))

    # --- security ---------------------------------------------------------------------------------------

    def set_security_conf(self, construct_type: Construct, conf: ConstructSecurityConf) -> None:
        """Say how a part of the application is secured, in place of what was said of it before.

        Parameters
        ----------
        construct_type
            `Storage`, `RoutingTable`, `ProcessingUnit`, `ProcessorQueue` or `BatchCompute`.
        conf
            What of it, by what the part does with data: keeping, passing on, processing.

        Raises SecurityError for what AWS cannot do.

        >>> from rheodsl import *
        >>> app = Application("shop")
        >>> key = ConstructEncryption(EncryptionKeyAllocationLevel.HIGH, key_rotation_cycle_in_days=180)
        >>> app.set_security_conf(Storage, ConstructSecurityConf(ConstructPersistenceSecurityDef(key)))
        """
        self._security = secured(self._security, construct_type, conf)
        self._security_warnings = dict(rotation_warnings(self._security, self._security_warnings))
        self._graph = None

    # --- other applications -----------------------------------------------------------------------------

    def authorize_downstream(self, remote_app_name: str, aws_acc_id: str, region_id: str) -> None:
        """Let another application read this one's outputs and hear of them, from the next activation on.

        Parameters
        ----------
        remote_app_name
            Its name.
        aws_acc_id, region_id
            Where it lives; in either order.

        Raises SharingError.

        >>> from rheodsl import Application
        >>> app = Application("joe_does_FEATURE_REPO")
        >>> app.authorize_downstream("jane_does_IF", "111222333444", "us-east-1")
        >>> [partner.app for partner in app.graph().downstreams]
        ['jane_does_IF']
        """
        partner = read_partner(self.name, remote_app_name, aws_acc_id, region_id)
        self._downstreams |= {partner}
        self._graph = None

    def import_upstream(self, remote_app_name: str, aws_acc_id: str, region_id: str) -> RemoteApplication:
        """Let nodes of this application read outputs of another one, which has authorized it.

        Parameters
        ----------
        remote_app_name
            Its name.
        aws_acc_id, region_id
            Where it lives; in either order.

        Raises SharingError; also when first used, if the application is not active there.
        """
        partner = read_partner(self.name, remote_app_name, aws_acc_id, region_id)
        self._platform()
        if partner not in self._upstreams:
            self._upstreams = (*(p for p in self._upstreams if p.app != partner.app), partner)
            self._graph = None
        return self._remote(partner)

    def _remote(self, partner: ir.Partner) -> RemoteApplication:
        if partner not in self._remotes:
            made = RemoteApplication(partner, self._platform(), self.name)
            self._remotes = {**self._remotes, partner: made}
        return self._remotes[partner]

    def _upstream(self, context: QueryContext) -> Sequence[FindsNodes]:
        partners = self._upstreams
        if context is QueryContext.ACTIVE_RUNTIME_CONTEXT:
            # What this program imports is active there, whether or not it is activated itself.
            graph = None if self.platform is None else self.platform.active_graph(self.name)
            active = () if graph is None else graph.upstreams
            partners = (*partners, *(p for p in active if p not in partners))
        return [self._remote(partner) for partner in partners]

    def upstream_graph(self, partner: ir.Partner) -> ir.Graph | None:
        """Return what is active in another application now; None when nothing is, or it may not be read."""
        return self._at().upstream(partner).graph()

    def _imported(self, signal: ir.Signal) -> ir.Signal | None:
        """The signal of an imported application, None for any other; as it was when it was imported."""
        source = signal.source
        if not isinstance(source, ir.UpstreamSource):
            return None
        return signal if any(p.app == source.app for p in self._upstreams) else None

    # --- finding ----------------------------------------------------------------------------------------

    def _own_signals(self, context: QueryContext) -> Iterable[ir.Signal]:
        if context is QueryContext.DEV_CONTEXT:
            known: Iterable[ir.Signal] = self._signals.values()
        else:
            graph = None if self.platform is None else self.platform.active_graph(self.name)
            known = () if graph is None else graph.signals
        # Inputs from imported applications are known here too; they are found where they come from.
        return [signal for signal in known if not isinstance(signal.source, ir.UpstreamSource)]

    def _find_entity(self, id: str) -> SignalNode | None:
        """The signal of this id: declared or imported here, else active."""
        for context in (QueryContext.DEV_CONTEXT, QueryContext.ACTIVE_RUNTIME_CONTEXT):
            for signal in self._find(QueryApplicationScope.ALL, context):
                if signal.id == id:
                    return facade(signal)
        return None

    # --- where it lives ---------------------------------------------------------------------------------

    @property
    def state(self) -> ApplicationState:
        """What the application is where it lives: asked anew each time."""
        return self._at().lifecycle(self.name).state()

    def plan(self, allow_concurrent_executions: bool = True) -> Changes:
        """Return what `activate` would change: nodes, files, resources, permissions, and what keeps waiting.

        Nothing is changed. ``print`` it, or take ``to_json()``; ``empty`` says that nothing would change.

        Parameters
        ----------
        allow_concurrent_executions
            As for `activate`.

        Raises GraphError for a faulty application.
        """
        return (
            self._at()
            .lifecycle(self.name)
            .plan(
                self.graph(),
                allow_concurrent_executions,
                self.upstream_graph,
            )
        )

    def activate(self, allow_concurrent_executions: bool = True, *, refresh: bool = False) -> None:
        """Let the application run as it is declared now, and return when it does.

        Only what has changed since the last activation is touched, and what is no longer declared is
        removed. What was interrupted is finished by doing it again. A paused application goes on.

        Parameters
        ----------
        allow_concurrent_executions
            False lets each node work on one partition at a time.
        refresh
            Also take back what was changed by hand since the last release, which `plan` lists.

        Raises GraphError for a faulty application, and RheoErrors that say what the platform refused, or
        who else is activating the same application.
        """
        self._at().lifecycle(self.name).activate(self.graph(), allow_concurrent_executions, refresh)

    def attach(self) -> None:
        """Take up everything that is active, so that it can be built on: ``app["data1"]``, then `activate`.

        Raises StateError when nothing is active; ids that are declared here already are faults of the graph.
        """
        self._take(self._at().lifecycle(self.name).active_graph())

    def pause(self) -> None:
        """Start no more executions. Events wait, none is lost; running ones go on.

        Raises StateError when the application is not active.
        """
        self._at().lifecycle(self.name).pause()

    def resume(self) -> None:
        """Go on after `pause`, with the events that came meanwhile.

        Raises StateError when the application is not active.
        """
        self._at().lifecycle(self.name).resume()

    def terminate(self, wait_for_active_routes: bool = False) -> None:
        """Take back all that `activate` has made. Data stays, and what this object declares too.

        It may be repeated, also after a failure.

        Parameters
        ----------
        wait_for_active_routes
            Pause first, and wait until no execution is running.
        """
        self._at().lifecycle(self.name).terminate(wait_for_active_routes)

    def delete(self, name: str | None = None) -> None:
        """Remove what is left of an application that is not active, its data included.

        The object cannot be used on its platform afterwards.

        Parameters
        ----------
        name
            The application's name, which must be given where only a named role may change it.

        Raises StateError while it is active, ProtectedError without the name.
        """
        self._at().lifecycle(self.name).delete(name)
        self._deleted = not is_loading()

    def releases(self) -> list[Release]:
        """Return each release, the first one first: an activation that changed something, and is kept for good."""
        return list(self._at().lifecycle(self.name).releases())

    def rollback(self, number: int | None = None) -> None:
        """Let the application run as it did in a release, by the steps of `activate`; that is a release too.

        Parameters
        ----------
        number
            Of the release; of the one that was active before this one when left out.

        Raises StateError when nothing is active, UnknownNameError when there is no such release.
        """
        self._at().lifecycle(self.name).rollback(number)

    def save_dev_state(self) -> None:
        """Keep what is declared now, without activating it; `load_dev_state` takes it up elsewhere."""
        self._at().lifecycle(self.name).save_draft(self.graph())

    def load_dev_state(self) -> None:
        """Take up what was kept by `save_dev_state`.

        Raises StateError when nothing was; ids that are declared here already are faults of the graph.
        """
        self._take(self._at().lifecycle(self.name).load_draft())

    # --- events and executions --------------------------------------------------------------------------

    def process(
        self,
        input: View | Mapping[str, Any],
        with_activated_processor: bool = False,
        processing_mode: FeedBackSignalProcessingMode = FeedBackSignalProcessingMode.ONLY_HEAD,
        target_route_id: View | str | None = None,
    ) -> Processed:
        """Send an event as if it had happened; return the executions that it led to, by node.

        Parameters
        ----------
        input
            A view that names a partition, such as ``orders["NA"]["2020-03-18"]``, or a raw AWS event: of
            S3, Glue, CloudWatch, SNS, EventBridge.
        with_activated_processor
            Send it to the listener where it lives. Left out, this process does the listener's work on
            the same ledger, and the result tells what came of it.
        processing_mode
            Of a view with a window, or a raw event with several records: the first alone, or all.
        target_route_id
            The only node that takes the event.

        Raises FilterError for a view that names no single partition, and AskedError for a malformed
        event, or one for a single node that is sent away.
        """
        only = target_route_id.id if isinstance(target_route_id, View) else target_route_id
        full = processing_mode is FeedBackSignalProcessingMode.FULL_RANGE
        return self._at().control(self.name).process(input, with_activated_processor, full, only)

    @overload
    def execute(
        self, data_node: View, materialized_input_nodes: Sequence[View] = (), *, wait: bool = True,
        recursive: bool = False, dry_run: Literal[False] = False, concurrency: int = 4,
        timeout: float | None = None, activate: bool = True, alternative: str | None = None,
    ) -> str | None: ...  # fmt: skip

    @overload
    def execute(
        self, data_node: View, materialized_input_nodes: Sequence[View] = (), *, wait: bool = True,
        recursive: bool = False, dry_run: Literal[True], concurrency: int = 4, timeout: float | None = None,
        activate: bool = True, alternative: str | None = None,
    ) -> Planned: ...  # fmt: skip

    def execute(
        self,
        data_node: View,
        materialized_input_nodes: Sequence[View] = (),
        *,
        wait: bool = True,
        recursive: bool = False,
        dry_run: bool = False,
        concurrency: int = 4,
        timeout: float | None = None,
        activate: bool = True,
        alternative: str | None = None,
    ) -> str | Planned | None:
        """Make one output partition of a node; return its path when it is made.

        Parameters
        ----------
        data_node
            The output partition, ``daily["NA"]["2020-12-01"]``; or the node alone, with its inputs.
        materialized_input_nodes
            A partition for each input from which the output follows. What links tell may be left out.
        wait
            False returns None as soon as Airflow was told.
        recursive
            First make what is missing and can be made: ancestors, windows expanded, each partition once.
        dry_run
            Return what would be made, and do nothing.
        concurrency
            How many executions of a recursive one may be under way at a time.
        timeout
            How long to wait, in seconds; the executions go on.
        activate
            What this program declares now is what runs: where something else is active, or nothing, it is
            activated first, and the console shows it. False runs what is active, and says where that is
            something else; so does ``dry_run``. A node that is not declared here, but was found among what
            is active, is always run as it is active.
        alternative
            Of a node of alternatives (``web | shop``), the inputs that start the one to use: ``"shop"``, or
            ``"web & shop"``. Left out, the first whose data is there; with ``recursive``, else the first whose
            data can be made.

        Raises StateError when something else is active and paused, as activating would let it go on.
        Raises InputsMissingError before anything starts, with all that is missing and nothing can make;
        ExecutionError when an execution fails, or is not over in time.
        """
        control = self._at().control(self.name)
        wanted = ExecutionRequest(
            data_node, materialized_input_nodes, recursive, wait, concurrency, timeout, alternative
        )
        if data_node.id in self._declared:
            self._at().lifecycle(self.name).follow(self.graph(), activate and not dry_run)
        return control.plan(wanted) if dry_run else control.execute(wanted)

    def poll(self, data_node: View, timeout: float | None = None) -> str | None:
        """Return the path of an output partition, when it is made; never start an execution.

        An execution that is under way is followed until it is over, or ``timeout`` seconds have passed.
        None, when there is no such partition, its last execution failed, or time is up.
        """
        return self._at().control(self.name).poll(data_node, timeout)

    def kill(self, data_node: View | str) -> list[str]:
        """End the execution of an output partition, or the one of this id; return the ids of those ended.

        Its DAG run has failed then, and so has the execution. One that was held behind it starts.
        """
        return self._at().control(self.name).kill(data_node)

    def materialize(self, data_node: View, values: Sequence[Coordinate] | None = None) -> str | list[str]:
        """Return the path of a partition, or the paths of a window, the tip first; they need not exist.

        Parameters
        ----------
        data_node
            A view of any signal with data, external or internal.
        values
            What the view leaves open: a value for each dimension, or for each open one. ``"*"`` stands for
            any, and a relative index such as ``-3`` for a window that ends now.

        Raises FilterError when something is left open, or the signal has no data.
        """
        # Without a platform it would live on this machine.
        bucket = resource_name(self.name) if self.platform is None else self.platform.bucket(self.name)
        return materialize(data_node, values, bucket)

    @overload
    def backfill(
        self, data_node: View | None = None, start: Coordinate | None = None, end: Coordinate | None = None, *,
        dims: Mapping[str, Any] | None = None, recursive: bool = False, again: bool = False, stale: bool = False,
        dry_run: Literal[False] = False, concurrency: int = 4, alternative: str | None = None,
    ) -> Backfilled: ...  # fmt: skip

    @overload
    def backfill(
        self, data_node: View | None = None, start: Coordinate | None = None, end: Coordinate | None = None, *,
        dims: Mapping[str, Any] | None = None, recursive: bool = False, again: bool = False, stale: bool = False,
        dry_run: Literal[True], concurrency: int = 4, alternative: str | None = None,
    ) -> Planned: ...  # fmt: skip

    def backfill(
        self,
        data_node: View | None = None,
        start: Coordinate | None = None,
        end: Coordinate | None = None,
        *,
        dims: Mapping[str, Any] | None = None,
        recursive: bool = False,
        again: bool = False,
        stale: bool = False,
        dry_run: bool = False,
        concurrency: int = 4,
        alternative: str | None = None,
    ) -> Backfilled | Planned:
        """Make the output partitions of a range; what is there already is left as it is.

        Parameters
        ----------
        data_node
            The node; a view of it narrows the other dimensions: ``daily["NA"]``.
        start, end
            The first and the last value of its date dimension; one alone stands for both.
        dims
            Values of the other dimensions, one or several each. Left out, those that filters name, or
            that the ledger has seen.
        recursive
            Make missing ancestors too.
        again
            Make also what is there.
        stale
            Make again what is older than what it reads, ancestors first, each once: see `get_stale`. The range
            may be left out then, and the node too: all nodes.
        dry_run
            Return what would be made, and do nothing.
        concurrency
            How many executions may be under way at a time. While live executions of a node wait, no
            further one of that node is started.
        alternative
            As for `execute`.

        It may be interrupted and done again: what was made is there then. Executions that fail do not
        stop the others.
        """
        control = self._at().control(self.name)
        wanted = BackfillRequest(
            data_node, start, end, dims or {}, recursive, again, concurrency, stale, alternative
        )
        return control.backfill_plan(wanted) if dry_run else control.backfill(wanted)

    # --- what runs, ran and waits -----------------------------------------------------------------------

    def get_routing_table(self) -> Sequence[Route]:
        """Return all active routes: an entry for each node."""
        return self._at().monitoring(self.name).routes()

    def get_active_routes(self) -> list[RouteRecord]:
        """Return the routes at which something runs or waits, with that."""
        watched = self._at().monitoring(self.name)
        records, pending = watched.records(None), watched.pending(None)
        found = [record_of(route, records, pending) for route in watched.routes()]
        return [each for each in found if each.active_compute_records or each.pending_nodes]

    def get_active_route(self, route: RouteLike) -> RouteRecord:
        """Return what runs and waits at one route. Raises UnknownNameError."""
        watched, id = self._at().monitoring(self.name), route_id(route)
        records, pending = watched.records(id), watched.pending(id)
        route = next((r for r in watched.routes() if r.id == id), Route(id, (), (), ()))
        return record_of(route, records, pending)

    def update_active_routes_status(self) -> None:
        """Correct the records of all routes by what Airflow says of their runs.

        An execution whose run was failed or deleted by hand would otherwise stay active for hours, until
        the listener's own check finds it.
        """
        self._at().monitoring(self.name).update(None)

    def update_active_route_status(self, route: RouteLike) -> None:
        """Correct the records of one route, as `update_active_routes_status`. Raises UnknownNameError."""
        self._at().monitoring(self.name).update(route_id(route))

    def get_active_compute_records(
        self,
        route: RouteLike | None = None,
        ascending: bool = True,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        state: States | None = None,
        limit: int | None = None,
    ) -> Iterator[ComputeRecord]:
        """Yield the executions that run, or are about to.

        Parameters
        ----------
        route
            The node; all nodes when left out.
        ascending
            Oldest first, by the time at which they were fired; or latest first.
        since, until
            Only what was fired from the one time on, and before the other; UTC without a timezone.
        state
            One state, or several.
        limit
            How many at most.

        Raises UnknownNameError for a node that is not active, ValueError for no state.
        """
        found = [
            r
            for r in self._at().monitoring(self.name).records(None if route is None else route_id(route))
            if r.state.active
        ]
        return iter(chosen(found, ascending, since, until, state, limit))

    def get_inactive_compute_records(
        self,
        route: RouteLike | None = None,
        ascending: bool = True,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        state: States | None = None,
        limit: int | None = None,
    ) -> Iterator[ComputeRecord]:
        """Yield the executions that are over: of each partition, the last ten are remembered.

        Parameters are those of `get_active_compute_records`.
        """
        found = [
            r
            for r in self._at().monitoring(self.name).records(None if route is None else route_id(route))
            if not r.state.active
        ]
        return iter(chosen(found, ascending, since, until, state, limit))

    def get_pending_nodes(self, route: RouteLike | None = None) -> list[PendingNode]:
        """Return what waits, what it waits for, and since when, for one node or for all."""
        return list(self._at().monitoring(self.name).pending(None if route is None else route_id(route)))

    def explain(self, route: RouteLike, *partition: object) -> Explanation:
        """Return why a partition of a node ran, did not run, or waits, with the events behind it.

        ``app.explain(daily[1]["2020-03-18"])``, or ``app.explain("daily", 1, "2020-03-18")``. Raises
        UnknownNameError, FilterError, ValueCastError.
        """
        return self._at().monitoring(self.name).explain(route_id(route), partition_of(route, partition))

    def get_stale(self, route: RouteLike | None = None) -> list[StaleOutput]:
        """Return the outputs that are older than what they read, whatever their node's ``retrigger``.

        Of one node and of what it reads, or of all nodes; ancestors first. An output is stale when something that
        it reads was written after it was fired, or is stale itself; `backfill` with ``stale=True`` makes them
        again. Each partition that was read is asked for in storage once. Raises UnknownNameError.
        """
        return list(self._at().monitoring(self.name).stale(None if route is None else route_id(route)))

    def get_late(self) -> list[LatePartition]:
        """Return what should be there by now and is not: of each late signal the partitions, earliest first."""
        return list(self._at().monitoring(self.name).late())

    def get_compute_logs(self, route: RouteLike, *partition: object) -> list[ComputeLog]:
        """Return what the tasks of a partition's latest run wrote, and the jobs that they started.

        The partition is given as for `explain`. Empty when nothing has run.
        """
        return list(self._at().monitoring(self.name).logs(route_id(route), partition_of(route, partition)))

    # --- data -------------------------------------------------------------------------------------------

    def preview_data(
        self,
        output: View,
        limit: int = 10,
        columns: int | Sequence[str] | None = None,
        *,
        values: Sequence[object] | None = None,
    ) -> tuple[Any, DataFrameFormat]:
        """Print the first rows of a partition, or of a window; return them, and what they are.

        Parameters
        ----------
        output
            The partition: ``daily[1]["2020-03-18"]``.
        limit
            How many rows.
        columns
            Names of columns, or how many of the first ones; all when left out.
        values
            As for `load_data`.

        Raises as `load_data` does.
        """
        analysis = self._at().analysis(self.name)
        parts = list(analysis.load(output, values, Loading(limit, columns)))
        data, format = analysis.merge(parts), parts[0].format
        analysis.show(data, format)
        return data, format

    def load_data(
        self,
        output: View,
        limit: int | None = None,
        format: DataFrameFormat | str | None = None,
        spark: Any = None,
        iterate: bool = False,
        *,
        columns: int | Sequence[str] | None = None,
        values: Sequence[object] | None = None,
    ) -> LoadedData:
        """Return an iterator over data: one partition at a time, or all as one.

        Parameters
        ----------
        output
            A partition, ``daily[1]["2020-03-18"]``, or a window of which those that exist are read, the
            tip first.
        limit
            How many rows, in all.
        format
            What it becomes; when left out, a pandas data frame, or one of Spark where pandas is not
            installed, or rows where neither is.
        spark
            The session for data frames of Spark; the active one, or a new one, when left out.
        iterate
            Give each partition by itself, when it is asked for. The iterator's ``partition`` says which.
        columns
            Names of columns, or how many of the first ones; all when left out.
        values
            What the view leaves open: a value for each dimension, or for each open one.
            ``app.load_data(daily[1][:-7], values=["2020-03-18"])`` are seven days. A window without a
            tip ends now.

        Raises MissingDataError when no such partition exists, FilterError when the view leaves something
        open, ValueError for no format.
        """
        wanted = Loading(limit, columns, DataFrameFormat(format) if format is not None else None, spark)
        analysis = self._at().analysis(self.name)
        parts = analysis.load(output, values, wanted)
        return LoadedData(parts if iterate else merged(analysis.merge, parts))
