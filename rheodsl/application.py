"""``app.create_data(...)`` -> a graph: the application that a user builds."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, replace
from datetime import timedelta
from typing import Any, Literal

from rheo_runtime.wire import Rule
from rheodsl import ir
from rheodsl.alarm_declarations import AlarmDeclarations
from rheodsl.alarms import facade
from rheodsl.analysis import AnalysisMethods
from rheodsl.checks import check, in_order, misspelt
from rheodsl.control import ControlMethods
from rheodsl.dimensions import DimensionSpec, read_spec
from rheodsl.errors import (
    GraphError,
    NameError_,
    RheoError,
    UnknownNameError,
    here,
)
from rheodsl.external import (
    DataFormat,
    make_data,
)
from rheodsl.hooks import RouteExecutionHook, RoutePendingNodeHook, never_called, read_hooks
from rheodsl.lifecycle import LifecycleMethods
from rheodsl.monitoring import MonitoringMethods
from rheodsl.parameters import (
    ComputeTarget,
    DimLinks,
    Inputs,
    RouteRetention,
    read_computes,
    read_inputs,
    read_links,
    read_metadata,
    read_options,
    rename_expiration,
)
from rheodsl.platform import Platform
from rheodsl.resolution import Declaration
from rheodsl.resolve import Resolved, resolve
from rheodsl.retrieval import RetrievalMethods
from rheodsl.security import SecurityMethods
from rheodsl.sharing import SharingMethods
from rheodsl.signal_declarations import SignalDeclarations
from rheodsl.taking import declaration_of
from rheodsl.views import SignalNode, View

_OPTIONS = (
    "retrigger", "trigger", "pending_ttl", "arrival_ttl", "max_active_runs", "pool", "owner", "tags",
    "retry_count", "retention",
)  # fmt: skip
_DATA = ("dataset_format", "header", "delimiter", "schema")  # as DataFormatSpec has them


class Application(
    SignalDeclarations,
    AlarmDeclarations,
    LifecycleMethods,
    ControlMethods,
    RetrievalMethods,
    MonitoringMethods,
    AnalysisMethods,
    SharingMethods,
    SecurityMethods,
):
    """An application: signals, nodes and the links between them.

    Parameters
    ----------
    name
        Letters, digits, ``_``, ``-`` and ``.``; part of every DAG id and resource name.
    platform
        Where the application runs; None for one that is only compiled and simulated.
    strict
        Treat warnings as errors.

    >>> app = Application("sales")
    >>> orders = app.s3("orders", "s3://my-bucket/orders/{region_id:int}/{day:%Y-%m-%d}")
    >>> daily = app.create_data("daily", inputs=[orders[1][:-30]], compute_targets="output = orders")
    >>> [dim for dim, _ in app.graph().node("daily").output]
    ['region_id', 'day']
    """

    def __init__(self, name: str, platform: Platform | None = None, *, strict: bool = False) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", name):
            raise NameError_(
                f"{name!r} is no name of an application",
                hint="use up to 40 letters, digits, '_', '-' and '.', starting with a letter or digit",
            )
        self.name = name
        self.platform = platform
        self.strict = strict
        self._signals: dict[str, ir.Signal] = {}
        self._declared: dict[str, Declaration] = {}
        self._resolved: dict[str, tuple[Declaration, tuple[ir.Signal | None, ...], Resolved]] = {}
        self._faults: list[RheoError] = []
        self._graph: ir.Graph | None = None
        self._changing: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def _add_signal(self, signal: ir.Signal) -> SignalNode:
        self._check_id(signal.id)
        self._signals[signal.id] = signal
        self._graph = None
        return SignalNode(signal)

    def _check_id(self, id: str) -> None:
        if not isinstance(id, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", id):
            raise NameError_(
                f"{id!r} is no id",
                hint="use up to 200 letters, digits, '_', '-' and '.': Airflow ids have no others",
            )
        if id in self._signals and id != self._changing:
            first = self._signals[id].where
            self._faults.append(
                NameError_(
                    f"the id {id!r} is taken" + (f" (by {first})" if first else ""),
                    hint="choose another id, or change the node by update_data or patch_data",
                )
            )

    # --- nodes -----------------------------------------------------------------------------------

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
        retrigger: Literal["all", "any"] = "all",
        trigger: Literal["listener", "sensor"] = "listener",
        pending_ttl: timedelta | int | None = None,
        pending_node_expiration_ttl_in_secs: int | None = None,
        arrival_ttl: timedelta | int = timedelta(days=90),
        dataset_format: DataFormat | str | None = None,
        header: bool = True,
        delimiter: str = ",",
        schema: str | None = None,
        retry_count: int = 0,
        retention: RouteRetention | timedelta | None = None,
        max_active_runs: int = 16,
        pool: str | None = None,
        owner: str = "rheo",
        tags: Sequence[str] = (),
        **metadata: Any,
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
            "all": runs again when every input has arrived anew; "any": when one has.
        trigger
            "sensor": its one timer starts it, and sensors wait for the other inputs; no listener is needed.
        pending_ttl, arrival_ttl
            How long an incomplete binding waits, and an arrival is kept: a timedelta, or seconds.
            ``pending_node_expiration_ttl_in_secs`` is the guide's name of the first.
        dataset_format, header, delimiter, schema
            How the output is written, and its columns: ``"id long, price double"``.
        retry_count
            How often a failed target is tried again, where the target does not say.
        retention
            After which time partitions of the output are deleted.
        max_active_runs, pool, owner, tags
            For the generated DAG.
        metadata
            JSON values of the user's, found by `search_data`.

        Faults of links and outputs are reported by `graph`, all together.
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
                schema=schema, retry_count=retry_count, retention=retention, **metadata,
            ),
        )  # fmt: skip

    def update_data(self, id: str, inputs: Inputs = None, *args: Any, **kwargs: Any) -> SignalNode:
        """Declare an existing node anew; parameters are those of `create_data`. Raises UnknownNameError."""
        with self._change(self._node_of(id)):
            return self.create_data(id, inputs, *args, **kwargs)

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
        if id not in self._declared:
            near = difflib.get_close_matches(id, self._declared, 1)
            raise UnknownNameError(
                f"{self.name} has no node {id!r}",
                hint=f"did you mean {near[0]!r}?" if near else "declare it by create_data",
            )
        return id

    def _declare(self, known: Declaration, given: Mapping[str, Any]) -> SignalNode:
        """Declare a node: what is known of it, and what is given beside it, as a user writes it."""
        id, rest = known.id, dict(given)
        changes: dict[str, Any] = {"where": here()}
        if "inputs" in rest:
            changes["inputs"] = self._read_inputs(id, rest.pop("inputs"))
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
        data = {name: rest.pop(name) for name in _DATA if name in rest}
        changes["data"] = make_data(**{**dict(zip(_DATA, astuple(known.data), strict=False)), **data})
        changes["metadata"] = read_metadata({**dict(known.metadata), **rest}, id)
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
            source=ir.NodeSource(),
            proxy=known.proxy if known else None,
            data=node.data,
            metadata=node.metadata,
            where=node.where,
        )
        self._signals[node.id] = signal
        self._graph = None
        return SignalNode(signal)

    def _read_inputs(self, id: str, inputs: Inputs) -> tuple[tuple[str | None, View], ...]:
        pairs = read_inputs(id, inputs)
        for _, view in pairs:
            self._adopt(id, view)
        return pairs

    def _adopt(self, id: str, view: View) -> None:
        """Take the proxy of a linked signal over; refuse signals of another application."""
        known = self._signals.get(view.id)
        if imported := self._imported(view.signal):
            if known is not None and known.source != imported.source:
                raise NameError_(
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
        self._graph = None

    def _build(self) -> ir.Graph:
        faults, warnings, nodes = list(self._faults), [], []
        for id in in_order(self._declared, faults):
            node, found, warned = self._resolve(id)
            faults += found
            warnings += warned
            nodes.append(node)
            self._add_output(node)  # as it follows from inputs that may have changed since
        graph = ir.Graph(
            app=self.name,
            signals=tuple(sorted(self._signals.values(), key=lambda s: s.id)),
            nodes=tuple(sorted(nodes, key=lambda n: n.id)),
            warnings=(
                *warnings,
                *misspelt(nodes, Application.create_data),
                *never_called(nodes),
                *self._security_warnings.values(),
            ),
            dashboards=self._dashboards,
            security=tuple(sorted(self._security.items())),
            upstreams=tuple(sorted(self._upstreams)),
            downstreams=tuple(sorted(self._downstreams)),
        )
        faults += check(graph)
        if faults:
            raise GraphError(self.name, faults)
        return graph

    def __getitem__(self, entity_id: str) -> SignalNode:
        """Return what has this id: as declared here, else as imported, else as it is active.

        Raises UnknownNameError.
        """
        if entity_id not in self._signals:
            found = self._find_entity(entity_id)
            if found is not None:
                return found
            near = difflib.get_close_matches(entity_id, self._signals, 1)
            raise UnknownNameError(
                f"{self.name} has no {entity_id!r}",
                hint=f"did you mean {near[0]!r}?"
                if near
                else "name a signal, a node, a timer, a metric or an alarm",
            )
        return facade(self._signals[entity_id])
