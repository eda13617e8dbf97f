"""``orders[1][:-30].ref`` -> views: a signal, a filter, and how it is read. Every operator makes a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, NoReturn, TypeVar

from rheo_runtime import expr as x
from rheo_runtime.values import Kind, Partition, render
from rheo_runtime.wire import Branch, Rollup
from rheodsl import ir
from rheodsl.alternatives import Combinable
from rheodsl.describe import describe_kind, describe_source
from rheodsl.errors import FilterError, SpecError, TruthError, here
from rheodsl.expressions import DimensionExpr
from rheodsl.filters import narrow, show_filter
from rheodsl.late import Deadline, late_signal
from rheodsl.quality import checks_signal
from rheodsl.reports import as_html
from rheodsl.rollups import check_at_least, open_dimension, roll_up, show_mode, show_rollup, unknown_dimension
from rheodsl.words import knows_its_words

V = TypeVar("V", bound="View")

RANGE_CHECK, NEAREST = "range_check", "nearest"


@knows_its_words
class View(Combinable):
    """A signal seen through a filter; immutable.

    One ``[]`` for each dimension, in declared order; an index past the last starts over at the first
    dimension and narrows. ``view.day``, ``view("day")`` and ``view.dimension("day")`` give a dimension.
    """

    __slots__ = (
        "_alias", "_at_least", "_branches", "_depth", "_mode", "_optional", "_reference", "_rollup", "_signal",
    )  # fmt: skip

    def __init__(
        self,
        signal: ir.Signal,
        branches: tuple[Branch, ...] | None = None,
        *,
        depth: int = 0,
        mode: str = "",
        reference: bool = False,
        alias: str | None = None,
        rollup: Rollup | None = None,
        at_least: int | None = None,
        optional: bool = False,
    ) -> None:
        self._signal = signal
        self._branches = signal.branches if branches is None else branches
        self._depth = depth
        self._mode = mode
        self._reference = reference
        self._alias = alias
        self._rollup = rollup
        self._at_least = at_least
        self._optional = optional

    # --- what it is ---

    @property
    def id(self) -> str:
        """The id of the signal."""
        return self._signal.id

    @property
    def signal(self) -> ir.Signal:
        """The signal as data."""
        return self._signal

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The filter as data: alternatives of one rule for each dimension."""
        return self._branches

    @property
    def mode(self) -> str:
        """How a window is read: "" (what exists), "range_check" or "nearest"."""
        return self._mode

    @property
    def is_reference(self) -> bool:
        """Whether the view is never awaited."""
        return self._reference

    @property
    def rolled(self) -> Rollup | None:
        """How the signal's partitions are rolled up; None where each counts for itself."""
        return self._rollup

    @property
    def enough(self) -> int | None:
        """How many partitions of the window must exist, where that was said."""
        return self._at_least

    @property
    def is_optional(self) -> bool:
        """Whether nothing of it need exist."""
        return self._optional

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its dimensions: the signal's, or what a rollup leaves of them."""
        return self._signal.dims if self._rollup is None else self._rollup.coarse

    @property
    def given_alias(self) -> str | None:
        """The alias, if one was given."""
        return self._alias

    def _key(self) -> tuple[Any, ...]:
        return (
            self._signal, self._branches, self._mode, self._reference, self._alias,
            self._rollup, self._at_least, self._optional,
        )  # fmt: skip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and self._key() == other._key()

    def __hash__(self) -> int:
        # The id stands for the signal: metadata may hold lists, which have no hash.
        return hash((self.id, self._branches, self._mode, self._reference, self._alias))

    def __repr__(self) -> str:
        rolled = "" if self._rollup is None else show_rollup(self._rollup)
        end = ".optional()" if self._optional else ".ref" if self._reference else ""
        return self.id + rolled + show_filter(self._branches) + show_mode(self._mode, self._at_least) + end

    def _repr_html_(self) -> str:
        """What notebooks show: where the data comes from, and for each dimension its type and filter."""
        rows = [
            (
                dim,
                describe_kind(self._branches[0][i].kind),
                show_filter(tuple((b[i],) for b in self._branches)),
            )
            for i, dim in enumerate(self.names)
        ]
        caption = f"{self!r}: {describe_source(self._signal.source)}"
        return as_html(
            caption, ("dimension", "type", "filter"), [(*row[:2], row[2] or "['*']") for row in rows]
        )

    # --- filters ---

    def __getitem__(self: V, index: str | int | date | slice) -> V:
        dims = self.names
        if not dims:
            raise FilterError(f"{self.id} has no dimensions to index", hint="use the signal as it is")
        position = self._depth % len(dims)
        shown = f"{self.id}.{dims[position]}"
        past = self._depth >= len(dims)
        try:
            branches = narrow(self._branches, position, index, shown)
        except FilterError as fault:
            if past and fault.hint and not isinstance(index, tuple):
                raise type(fault)(
                    f"too many indexes: {self.id} has {_dimensions(dims)}, and one more [] starts over: {fault.what}",
                    hint=fault.hint,
                ) from None
            raise
        if past and branches == self._branches and not self._has_window(position):
            raise FilterError(
                f"too many indexes: {self.id} has {_dimensions(dims)}, and one more [] changes nothing",
                hint="write one [] for each dimension",
            )
        return self._copy(branches=branches, depth=self._depth + 1)

    # Python would otherwise try s[0], s[1], ... for ever.
    def __iter__(self) -> NoReturn:
        raise TruthError(f"{self!r} cannot be iterated", hint="a list of inputs is written [orders, ships]")

    def __contains__(self, item: object) -> NoReturn:
        raise TruthError(f"'in' says nothing about {self!r}", hint="choose partitions by index: orders[1]")

    def _has_window(self, position: int) -> bool:
        return any(branch[position].window is not None for branch in self._branches)

    def _copy(self: V, **changes: Any) -> V:
        state: dict[str, Any] = {
            "branches": self._branches, "depth": self._depth, "mode": self._mode,
            "reference": self._reference, "alias": self._alias, "rollup": self._rollup,
            "at_least": self._at_least, "optional": self._optional,
        }  # fmt: skip
        made = object.__new__(type(self))
        View.__init__(made, self._signal, **{**state, **changes})
        return made

    # --- how it is read ---

    @property
    def ref(self: V) -> V:
        """The view as a reference input: never awaited, never starts a binding."""
        return self._copy(reference=True)

    def reference(self: V) -> V:
        """Return the view as a reference input, as `ref`."""
        return self.ref

    as_reference = reference

    @property
    def no_event(self: V) -> V:
        """The view as a reference input, as `ref`."""
        return self.ref

    def range_check(self: V, enabled: bool = True, *, at_least: int | None = None) -> V:
        """Return the view so that every partition of its window must exist before the node runs.

        ``at_least`` says how many are enough; those that exist are read. Where the view starts the node, its
        tip is one of them.
        """
        if enabled and self._mode == NEAREST:
            raise _both_modes(self)
        if not enabled:
            return self._copy(mode="", at_least=None) if self._mode == RANGE_CHECK else self
        if self._optional:
            raise _awaited_and_not(self)
        if self._rollup is not None and (gone := open_dimension(self._rollup)) is not None:
            raise FilterError(
                f"{self!r} cannot be checked: nothing says which values of {gone} are awaited",
                hint=f"name them: rollup({gone}=[...])",
            )
        if at_least is not None:
            check_at_least(at_least, self._branches, repr(self), rolled=self.rolled is not None)
        return self._copy(mode=RANGE_CHECK, at_least=at_least)

    def optional(self: V) -> V:
        """Return the view as a reference that may be absent: its paths are those that exist, if any."""
        if self._mode == RANGE_CHECK:
            raise _awaited_and_not(self)
        return self._copy(reference=True, optional=True)

    def where_it_exists(self: V) -> V:
        """Return the view as those alternatives read it that do not name it: what exists of it, if anything."""
        mode = NEAREST if self._mode == NEAREST else ""
        return self._copy(reference=True, optional=True, mode=mode, at_least=None)

    def rollup(self: V, *names: str, complete: bool = True, **to: str | Sequence[Any]) -> V:
        """Return a view in which dimensions are coarser, or gone; many partitions make one.

        Parameters
        ----------
        names
            Dimensions that go; their values are those of the filter.
        to
            For each dimension a coarser granularity (``day="month"``), or the values with which it goes
            (``region=["NA", "EU"]``).
        complete
            Whether all partitions that lie in one are awaited; otherwise each that arrives counts.

        Raises FilterError, UnknownNameError, ValueCastError.

        >>> from rheodsl import Application
        >>> days = Application("shop").s3("days", "s3://lake/days/{day:%Y-%m-%d}")
        >>> days.rollup(day="month")[:-3]
        days.rollup(day='month')[:-3]
        """
        if self._rollup is not None:
            raise FilterError(f"{self!r} is rolled up already", hint="name all dimensions in one rollup(...)")
        if self._mode or self._optional or any(r.window for branch in self._branches for r in branch):
            raise FilterError(
                f"{self!r} says how a window is read before its rollup",
                hint="roll up first: orders.rollup(day='month')[:-3]",
            )
        rollup, branches = roll_up(self._signal.dims, self._branches, names, to, complete, self.id)
        return self._copy(branches=branches, rollup=rollup, depth=0)

    def check_range(self: V) -> V:
        """Return the view with the window checked, as `range_check`."""
        return self.range_check(True)

    def nearest(self: V) -> V:
        """Return the view so that the existing partition of its window closest to the tip is read."""
        if self._mode == RANGE_CHECK:
            raise _both_modes(self)
        if self._rollup is not None:
            raise FilterError(
                f"{self!r} reads many partitions: the nearest is one",
                hint="use range_check, or leave .nearest() out",
            )
        return self._copy(mode=NEAREST)

    latest = nearest

    def late(
        self,
        after: timedelta | None = None,
        by: str | None = None,
        days: int = 1,
        timezone: str | None = None,
        since: datetime | None = None,
    ) -> View:
        """Return a signal of the same dimensions: a partition of it comes when the view is not complete in time.

        Parameters
        ----------
        after
            The time is so long after the partition's own end.
        by, days, timezone
            Or it is this time of the day, such as ``"07:00"``, so many days after the partition's last day, on
            the clock of a zone: the dimension's, or UTC, when left out.
        since
            Partitions that begin at this time or later are counted; the first activation when left out.

        A checked window is complete when all of it exists, and a rollup when all its members do; any other view
        when the partition itself does. Its
        alias is the view's with ``_late``; it has no data. Raises SpecError.
        """
        if self._at_least is not None:
            raise SpecError(
                f"{self!r} cannot be late: only single partitions, rollups and whole windows are judged",
                hint="judge the signal itself: orders.late(...), or orders[:-7].range_check(True).late(...)",
            )
        if self._rollup is not None and (gone := open_dimension(self._rollup)) is not None:
            raise SpecError(
                f"{self!r} cannot be late: nothing says which values of {gone} are awaited",
                hint=f"name them: rollup({gone}=[...])",
            )
        name = f"{self._alias or self.id}_late"
        deadline = Deadline(after, by, days, timezone, since)
        return View(late_signal(self._signal, self._branches, self._mode, name, deadline, self._rollup))

    def alias(self: V, name: str) -> V:
        """Return the view under a name for compute code."""
        if not isinstance(name, str) or not name.isidentifier():
            raise SpecError(f"{name!r} is no alias", hint="use letters, digits and underscores")
        return self._copy(alias=name)

    # --- dimensions ---

    def dimension(self, name: str) -> DimensionExpr:
        """Return a dimension as an expression; raises UnknownNameError."""
        if name not in self.names:
            raise unknown_dimension(self.id, name, self.names)
        position = self.names.index(name)
        ref = x.Ref(self._alias or self.id, name)
        rules = [branch[position] for branch in self._branches]
        values = tuple(dict.fromkeys(r.value for r in rules if r.value is not None))
        whole = all(r.value is not None for r in rules)
        return DimensionExpr(ref, {ref: rules[0].kind}, {ref: values} if whole else None)

    def __call__(self, *names: str) -> Any:
        """Return one dimension, or a tuple of several for a many-to-one link."""
        if not names:
            raise SpecError(f"{self.id}() names no dimension", hint=f"write {self.id}('day')")
        found = tuple(map(self.dimension, names))
        return found[0] if len(found) == 1 else found

    def __getattr__(self, name: str) -> DimensionExpr:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.dimension(name)

    # --- partitions ---

    def tip(self) -> Partition:
        """Return the one partition that the filter's literals name; raises FilterError when some are open."""
        if self._rollup is not None:
            raise FilterError(
                f"{self!r} names many partitions", hint="name a member: the signal indexed by values"
            )
        branch = self._branches[0]
        open_ = [dim for dim, rule in zip(self.names, branch, strict=True) if rule.value is None]
        if open_ or len(self._branches) > 1:
            names = open_ or self.names
            raise FilterError(
                f"{self!r} names no single partition: {', '.join(names)} {'is' if len(names) == 1 else 'are'} open",
                hint="index every dimension by a value",
            )
        return tuple(rule.value for rule in branch if rule.value is not None)

    def texts(self) -> tuple[str, ...]:
        """Return the texts of `tip`, as they stand in the path."""
        return tuple(
            render(value, rule.kind) for value, rule in zip(self.tip(), self._branches[0], strict=True)
        )

    def access_spec(self) -> dict[str, Any]:
        """Return where and how the signal's data lies, with the user's metadata."""
        source = self._signal.source
        fields = {name: getattr(source, name) for name in getattr(type(source), "__slots__", ())}
        fields.pop("storage", None)  # what the catalog says is not declared
        return {"id": self.id, "type": type(source).__name__, **fields, **dict(self._signal.metadata)}

    def dimension_spec(self) -> dict[str, Any]:
        """Return the dimensions in the nested-dict form, with their attributes."""
        spec: dict[str, Any] = {}
        for name, rule in reversed(list(zip(self._signal.dims, self._signal.branches[0], strict=True))):
            spec = {name: {**_attributes(rule.kind), **spec}}
        return spec


@knows_its_words
class SignalNode(View):
    """A signal as it was declared: what ``create_data`` and the other declarations return."""

    __slots__ = ()

    @property
    def checks(self) -> View:
        """How the checks of a node's output ended, as a signal: ``checks["FAIL"]``, ``["WARN"]``, ``["PASS"]``.

        Its further dimensions are the output's. It comes when a run has made its checks, whatever they say; it has no
        data. Raises SpecError for what is no node.
        """
        return View(checks_signal(self._signal))

    def link(self, proxy: View) -> SignalNode:
        """Return the signal so that its events are those of ``proxy``: data announced by something else."""
        if proxy.signal.dims != self._signal.dims:
            raise SpecError(
                f"{self.id} and its proxy {proxy.id} have different dimensions",
                hint=f"both need {', '.join(self._signal.dims) or 'none'}, in this order",
            )
        if not isinstance(proxy.signal.source, ir.S3Source | ir.GlueSource | ir.SnsSource):
            raise SpecError(
                f"{proxy.id} cannot announce {self.id}: it is no external data",
                hint="link a Glue table, an SNS topic or an S3 data set; of timers and nodes, make an input",
            )
        return SignalNode(replace(self._signal, proxy=proxy.signal.source, where=here()))


def _attributes(kind: Kind) -> dict[str, Any]:
    names = ("type", "format", "granularity", "timezone", "digits", "insensitive")
    found = {n: value for n in names if (value := getattr(kind, n)) not in (None, False)}
    return found if kind.min is None else {**found, "min": render(kind.min, kind)}


def _dimensions(dims: tuple[str, ...]) -> str:
    return f"{len(dims)} dimension{'s' if len(dims) != 1 else ''} ({', '.join(dims)})"


def _awaited_and_not(view: View) -> FilterError:
    return FilterError(
        f"{view.id}: optional and range_check exclude each other",
        hint="optional reads what exists, if anything; range_check(at_least=n) waits for some, range_check for all",
    )


def _both_modes(view: View) -> FilterError:
    return FilterError(
        f"{view.id}: nearest and range_check exclude each other",
        hint="nearest reads one existing partition; range_check waits for all of them",
    )
