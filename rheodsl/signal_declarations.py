"""``app.s3(...)``, ``app.add_timer(...)`` -> signals: the declarations of what comes from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rheo_runtime.wire import Branch
from rheodsl import dimensions as dims
from rheodsl import ir, schedule
from rheodsl.dimensions import DimensionFilter, DimensionSpec, DimensionVariant, Spec, read_spec
from rheodsl.domains import all_pass, read_filter
from rheodsl.errors import SpecError, here
from rheodsl.external import S3, DataFormat, External, GlueTable, S3Dataset, SignalIntegrityProtocol, split_s3
from rheodsl.parameters import read_metadata
from rheodsl.views import SignalNode


class SignalDeclarations:
    """The part of an application that declares external data and timers."""

    def _add_signal(self, signal: ir.Signal) -> SignalNode:
        raise NotImplementedError

    # --- external data ---------------------------------------------------------------------------

    def marshal_external_data(
        self,
        external_data_desc: External,
        id: str,
        dimension_spec: DimensionSpec | Mapping[Any, Any] | None = None,
        dimension_filter: DimensionFilter | Mapping[Any, Any] | None = None,
        protocol: SignalIntegrityProtocol | None = None,
        tags: str | None = None,
        **metadata: Any,
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

        Raises SpecError, FilterError, ValueCastError, NameError_.
        """
        spec = read_spec(dimension_spec)
        branches = read_filter(spec, dimension_filter, id)
        spec = tuple((name, rule.kind) for (name, _), rule in zip(spec, branches[0], strict=True))
        if tags is not None:
            metadata["tags"] = tags
        return self._external(external_data_desc, id, spec, branches, protocol, metadata)

    def add_external_data(
        self,
        data_id: str,
        external: External,
        completion_file: str | Sequence[str] | None = "_SUCCESS",
        **metadata: Any,
    ) -> SignalNode:
        """Declare external data whose dimensions are given as variants: ``S3(..., AnyDate("day"))``."""
        if not isinstance(external, S3):
            raise SpecError(
                f"{data_id}: {type(external).__name__} does not carry dimensions",
                hint="use S3(account, bucket, folder, AnyDate('day'), ...), or marshal_external_data",
            )
        spec, branches = external.domain(data_id)
        protocol = SignalIntegrityProtocol("FILE_CHECK", {"file": completion_file or []})
        return self._external(external, data_id, spec, branches, protocol, metadata)

    def s3(
        self,
        id: str,
        path: str,
        *,
        dimension_filter: DimensionFilter | Mapping[Any, Any] | None = None,
        completion: str | Sequence[str] | None = "_SUCCESS",
        format: DataFormat | str | None = None,
        header: bool = True,
        delimiter: str = ",",
        schema: str | None = None,
        account_id: str | None = None,
        **metadata: Any,
    ) -> SignalNode:
        """Declare S3 data by the template of its paths.

        >>> from rheodsl import Application
        >>> Application("a").s3("orders", "s3://bucket/orders/{region:int}/{day:%Y-%m-%d}").dimension_spec()
        {'region': {'type': 'LONG', 'day': {'type': 'DATETIME', 'format': '%Y-%m-%d', 'granularity': 'DAY'}}}
        """
        bucket, key = split_s3(path, id)
        template, spec = dims.from_template(key, id)
        external = S3Dataset(
            account_id, bucket, "", template,
            dataset_format=format, header=header, delimiter=delimiter, schema=schema,
        )  # fmt: skip
        protocol = SignalIntegrityProtocol("FILE_CHECK", {"file": completion or []})
        branches = read_filter(spec, dimension_filter, id)
        return self._external(external, id, spec, branches, protocol, metadata)

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
        spec = read_spec(dimension_spec)
        branches = read_filter(spec, dimension_filter, id)
        return self._external(GlueTable(database, table, **options), id, spec, branches, None, {})

    def _external(
        self,
        external: External,
        id: str,
        spec: Spec,
        branches: tuple[Branch, ...],
        protocol: SignalIntegrityProtocol | None,
        metadata: Mapping[str, Any],
    ) -> SignalNode:
        return self._add_signal(
            ir.Signal(
                id=id,
                dims=tuple(name for name, _ in spec),
                branches=branches,
                source=external.source(spec, protocol),
                data=external.data,
                metadata=read_metadata({**external.metadata, **metadata}, id),
                where=here(),
            )
        )

    # --- timers ----------------------------------------------------------------------------------

    def add_timer(
        self,
        id: str,
        schedule_expression: str,
        time_dimension_id: str = "time",
        time_dimension_shift: int = 0,
        **metadata: Any,
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

        Raises ScheduleError, SpecError.

        >>> from rheodsl import Application
        >>> Application("a").add_timer("daily", "rate(1 day)", "day").dimension_spec()["day"]["granularity"]
        'DAY'
        """
        return self._timer(
            id,
            schedule_expression,
            DimensionVariant(time_dimension_id, dims.DATETIME),
            time_dimension_shift,
            metadata,
        )

    def create_timer(
        self,
        id: str,
        schedule_expression: str,
        date_dimension: DimensionVariant | str = "time",
        time_dimension_shift: int = 0,
        **metadata: Any,
    ) -> SignalNode:
        """Declare a timer whose dimension is given as a variant: ``AnyDate("day", {"format": "%Y-%m-%d"})``."""
        if isinstance(date_dimension, str):
            date_dimension = DimensionVariant(date_dimension, dims.DATETIME)
        return self._timer(id, schedule_expression, date_dimension, time_dimension_shift, metadata)

    def _timer(
        self, id: str, expression: str, variant: DimensionVariant, shift: int, metadata: Mapping[str, Any]
    ) -> SignalNode:
        parsed = schedule.parse(expression)
        if isinstance(shift, bool) or not isinstance(shift, int):
            raise SpecError(
                f"timer {id!r}: time_dimension_shift is {shift!r}", hint="a whole number of units, such as -1"
            )
        attributes = {"granularity": parsed.granularity, **(variant.params or {})}
        spec = read_spec({variant.name: {"type": variant.type, **attributes}})
        return self._add_signal(
            ir.Signal(
                id=id,
                dims=(variant.name,),
                branches=all_pass(spec),
                source=ir.TimerSource(expression, shift),
                metadata=read_metadata(metadata, id),
                where=here(),
            )
        )
