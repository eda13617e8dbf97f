"""``app.process(signal[...])`` -> executions: events and runs that a person asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, overload

from rheodsl.platform import LocalPlatform, OnPlatform
from rheodsl.views import View

if TYPE_CHECKING:
    from rheodsl.application import Application

# A coordinate as people write it: a value, "*", or an index relative to now such as -3.
Coordinate = str | int | date | slice


class FeedBackSignalProcessingMode(Enum):
    """What `ControlMethods.process` sends of an input that stands for several partitions."""

    ONLY_HEAD = "ONLY_HEAD"
    FULL_RANGE = "FULL_RANGE"


class Processed(dict[str, list[str]]):
    """Node -> ids of the executions that an event led to; empty when it led to none.

    ``taken`` are the nodes whose inputs took the event, also those that wait for more. ``ignored`` says
    why no input took it; it is empty when one did, and when the event was only sent.
    """

    def __init__(
        self, executions: Mapping[str, list[str]], taken: Sequence[str] = (), ignored: str = "", sent: int = 0
    ) -> None:
        super().__init__(executions)
        self.taken = tuple(taken)
        self.ignored = ignored
        self.sent = sent

    def __str__(self) -> str:
        lines = [f"{node}: {', '.join(ids)}" for node, ids in self.items()]
        waiting = [node for node in self.taken if node not in self]
        if waiting:
            lines.append(f"taken, but not complete yet: {', '.join(waiting)}")
        if self.sent:
            lines.append(f"sent {self.sent} event{'s' if self.sent != 1 else ''} to the listener")
        if self.ignored:
            lines.append(f"ignored: {self.ignored}")
        return "\n".join(lines)


class Planned(Protocol):
    """Executions that would be made, and what is missing for them; as text, it is made for reading."""

    @property
    def steps(self) -> Sequence[Any]:
        """The executions, ancestors first."""

    @property
    def gaps(self) -> Sequence[Any]:
        """What is missing, and nothing can make."""


class Backfilled(Protocol):
    """What a backfill came to: nodes and partitions, by what became of them."""

    @property
    def made(self) -> Sequence[tuple[str, str]]:
        """Those that succeeded, ancestors included."""

    @property
    def failed(self) -> Sequence[tuple[str, str]]:
        """Those that failed, or were not run because an ancestor failed."""

    @property
    def lacking(self) -> Sequence[tuple[str, str]]:
        """Those whose inputs are missing."""

    @property
    def there(self) -> Sequence[tuple[str, str]]:
        """Those that were there already."""


class Control(Protocol):
    """What a platform does with a running application when somebody asks."""

    def process(
        self, input: View | Mapping[str, Any], remote: bool, full_range: bool, only: str | None
    ) -> Processed:
        """Send events."""

    def plan(self, node: View, inputs: Sequence[View], recursive: bool) -> Planned:
        """Return what `execute` would do."""

    def execute(
        self,
        node: View,
        inputs: Sequence[View],
        recursive: bool,
        wait: bool,
        concurrency: int,
        timeout: float | None,
    ) -> str | None:
        """Make an output partition."""

    def poll(self, node: View, timeout: float | None) -> str | None:
        """Follow an execution."""

    def kill(self, what: View | str) -> list[str]:
        """End an execution."""

    def materialize(self, view: View, values: Sequence[Coordinate] | None) -> str | list[str]:
        """Return where partitions are."""

    def backfill_plan(
        self,
        node: View,
        start: Coordinate | None,
        end: Coordinate | None,
        dims: Mapping[str, Any],
        recursive: bool,
        again: bool,
    ) -> Planned:
        """Return what `backfill` would do."""

    def backfill(
        self,
        node: View,
        start: Coordinate | None,
        end: Coordinate | None,
        dims: Mapping[str, Any],
        recursive: bool,
        again: bool,
        concurrency: int,
    ) -> Backfilled:
        """Make many output partitions."""


class ControlMethods(OnPlatform):
    """The part of an application that sends events and starts executions."""

    def _control(self) -> Control:
        return self._at().control(self.name)

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
        return self._control().process(input, with_activated_processor, full, only)

    @overload
    def execute(
        self, data_node: View, materialized_input_nodes: Sequence[View] = (), *, wait: bool = True,
        recursive: bool = False, dry_run: Literal[False] = False, concurrency: int = 4,
        timeout: float | None = None,
    ) -> str | None: ...  # fmt: skip

    @overload
    def execute(
        self, data_node: View, materialized_input_nodes: Sequence[View] = (), *, wait: bool = True,
        recursive: bool = False, dry_run: Literal[True], concurrency: int = 4, timeout: float | None = None,
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

        An application that is not active is activated first; of one that is, what is active runs, and
        `activate` takes changes over.

        Raises InputsMissingError before anything starts, with all that is missing and nothing can make;
        ExecutionError when an execution fails, or is not over in time.
        """
        if not dry_run and self._at().active_graph(self.name) is None:
            cast("Application", self).activate()
        control = self._control()
        if dry_run:
            return control.plan(data_node, materialized_input_nodes, recursive)
        return control.execute(data_node, materialized_input_nodes, recursive, wait, concurrency, timeout)

    def poll(self, data_node: View, timeout: float | None = None) -> str | None:
        """Return the path of an output partition, when it is made; never start an execution.

        An execution that is under way is followed until it is over, or ``timeout`` seconds have passed.
        None, when there is no such partition, its last execution failed, or time is up.
        """
        return self._control().poll(data_node, timeout)

    def kill(self, data_node: View | str) -> list[str]:
        """End the execution of an output partition, or the one of this id; return the ids of those ended.

        Its DAG run has failed then, and so has the execution. One that was held behind it starts.
        """
        return self._control().kill(data_node)

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
        platform = self.platform if self.platform is not None else LocalPlatform()
        return platform.control(self.name).materialize(data_node, values)

    @overload
    def backfill(
        self, data_node: View, start: Coordinate | None = None, end: Coordinate | None = None, *,
        dims: Mapping[str, Any] | None = None, recursive: bool = False, again: bool = False,
        dry_run: Literal[False] = False, concurrency: int = 4,
    ) -> Backfilled: ...  # fmt: skip

    @overload
    def backfill(
        self, data_node: View, start: Coordinate | None = None, end: Coordinate | None = None, *,
        dims: Mapping[str, Any] | None = None, recursive: bool = False, again: bool = False,
        dry_run: Literal[True], concurrency: int = 4,
    ) -> Planned: ...  # fmt: skip

    def backfill(
        self,
        data_node: View,
        start: Coordinate | None = None,
        end: Coordinate | None = None,
        *,
        dims: Mapping[str, Any] | None = None,
        recursive: bool = False,
        again: bool = False,
        dry_run: bool = False,
        concurrency: int = 4,
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
        dry_run
            Return what would be made, and do nothing.
        concurrency
            How many executions may be under way at a time. While live executions of a node wait, no
            further one of that node is started.

        It may be interrupted and done again: what was made is there then. Executions that fail do not
        stop the others.
        """
        control, chosen = self._control(), dims or {}
        if dry_run:
            return control.backfill_plan(data_node, start, end, chosen, recursive, again)
        return control.backfill(data_node, start, end, chosen, recursive, again, concurrency)
