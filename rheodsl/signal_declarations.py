"""``app.s3(...)``, ``app.add_timer(...)`` -> signals: what comes from outside, as it is declared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from rheo_runtime.templates import ABOVE
from rheo_runtime.values import DATETIME, DAY, BadValue, Kind, zone_name
from rheo_runtime.wire import Branch
from rheodsl import dimensions as dims
from rheodsl import ir, schedule
from rheodsl.declaration import read_metadata
from rheodsl.dimensions import DimensionFilter, DimensionSpec, DimensionVariant, Spec, read_spec
from rheodsl.errors import SpecError, here
from rheodsl.external import S3, External, S3Dataset, SignalIntegrityProtocol, split_s3
from rheodsl.filters import all_pass, read_filter
from rheodsl.words import own_data


def external_data(
    external: External,
    id: str,
    dimension_spec: DimensionSpec | Mapping[Any, Any] | None,
    dimension_filter: DimensionFilter | Mapping[Any, Any] | None,
    protocol: SignalIntegrityProtocol | None,
    tags: str | None,
    metadata: Mapping[str, Any] | None,
) -> ir.Signal:
    """Return the signal of data that others write; raises SpecError, FilterError, ValueCastError."""
    declared = read_spec(dimension_spec)
    branches = read_filter(dims.without_layouts(declared), dimension_filter, id)
    own = own_data(metadata, id)
    kept = own if tags is None else {**own, "tags": tags}
    return _external(external, id, declared, branches, protocol, kept)


def data_of_variants(
    id: str, external: External, completion: str | Sequence[str] | None, metadata: Mapping[str, Any] | None
) -> ir.Signal:
    """Return the signal of data that carries its dimensions; raises SpecError."""
    if not isinstance(external, S3):
        raise SpecError(
            f"{id}: {type(external).__name__} does not carry dimensions",
            hint="use S3(account, bucket, folder, AnyDate('day'), ...), or marshal_external_data",
        )
    spec, branches = external.domain(id)
    return _external(external, id, spec, branches, _completion(completion), metadata)


@dataclass(frozen=True, slots=True)
class S3Options:
    """How data in S3 is written, and whose it is."""

    format: ir.DataFormatSpec
    account: str | None
    dimensions: Mapping[str, Mapping[str, Any]] | None = None
    settle: timedelta | None = None
    reconcile: bool = False


def s3_data(
    id: str,
    path: str,
    dimension_filter: DimensionFilter | Mapping[Any, Any] | None,
    completion: str | Sequence[str] | None,
    options: S3Options,
    metadata: Mapping[str, Any] | None,
) -> ir.Signal:
    """Return the signal of data in S3, by the template of its paths; raises SpecError, FilterError."""
    bucket, key = split_s3(path, id)
    template, spec = dims.from_template(key, id, options.dimensions)
    external = S3Dataset(
        options.account, bucket, "", dataset_format=options.format, reconcile=options.reconcile
    )
    branches = read_filter(spec, dimension_filter, id)
    source = external.at(template, spec, _completion(completion), id)
    if options.settle is not None:
        source = replace(source, settle=_seconds(id, options.settle))
        if any(name.startswith(ABOVE) for name in source.completion):
            raise SpecError(
                f"{id}: a marker above says that all is there, and settle that nothing has been written for a while",
                hint="leave one of the two out",
            )
    return _signal(external, id, spec, branches, source, metadata)


def _seconds(id: str, settle: timedelta) -> int:
    if not isinstance(settle, timedelta) or settle < timedelta(seconds=1):
        raise SpecError(f"{id}: settle is {settle!r}", hint="a time of quiet, such as timedelta(minutes=5)")
    return int(settle.total_seconds())


def _completion(files: str | Sequence[str] | None) -> SignalIntegrityProtocol:
    return SignalIntegrityProtocol("FILE_CHECK", {"file": [] if files is None else files})


def _external(
    external: External,
    id: str,
    spec: Spec,
    branches: tuple[Branch, ...],
    protocol: SignalIntegrityProtocol | None,
    metadata: Mapping[str, Any] | None,
) -> ir.Signal:
    return _signal(external, id, spec, branches, external.source(spec, protocol), metadata)


def _signal(
    external: External,
    id: str,
    spec: Spec,
    branches: tuple[Branch, ...],
    source: ir.Source,
    metadata: Mapping[str, Any] | None,
) -> ir.Signal:
    return ir.Signal(
        id=id,
        dims=tuple(name for name, _ in spec),
        branches=branches,
        source=source,
        data=external.data,
        metadata=read_metadata({**external.metadata, **own_data(metadata, id)}, id),
        where=here(),
    )


def timer(
    id: str,
    expression: str,
    dimension: DimensionVariant | str,
    shift: int,
    timezone: str | None,
    metadata: Mapping[str, Any] | None,
) -> ir.Signal:
    """Return the signal of a timer; raises ScheduleError, SpecError."""
    variant = DimensionVariant(dimension, dims.DATETIME) if isinstance(dimension, str) else dimension
    zone = _zone(id, timezone)
    parsed = schedule.parse(expression, zone)
    if isinstance(shift, bool) or not isinstance(shift, int):
        raise SpecError(
            f"timer {id!r}: time_dimension_shift is {shift!r}", hint="a whole number of units, such as -1"
        )
    clock = {"timezone": zone} if zone is not None else {}
    attributes = {"granularity": parsed.granularity, **clock, **(variant.params or {})}
    spec = read_spec({variant.name: {"type": variant.type, **attributes}})
    return ir.Signal(
        id=id,
        dims=(variant.name,),
        branches=all_pass(tuple((name, _scheduled(kind, parsed, shift)) for name, kind in spec)),
        source=ir.TimerSource(expression, shift, zone),
        metadata=read_metadata(metadata, id),
        where=here(),
    )


def _scheduled(kind: Kind, read: schedule.Schedule, shift: int) -> Kind:
    """The kind of a timer: with its schedule, unless it fires in each unit of the dimension."""
    if kind.type != DATETIME or read.is_each(kind.granularity or DAY, kind.timezone or "UTC"):
        return kind
    return replace(kind, schedule=f"{shift} {read.plain}")


def _zone(id: str, timezone: object) -> str | None:
    if timezone is not None and not isinstance(timezone, str):
        raise SpecError(
            f"timer {id!r}: timezone is {timezone!r}", hint='the IANA name of a zone, such as "Europe/Berlin"'
        )
    try:
        return zone_name(timezone)
    except BadValue as fault:
        raise SpecError(f"timer {id!r}: {fault}", hint='a name such as "America/New_York"') from None
