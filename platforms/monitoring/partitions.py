"""What a user says of a partition -> its values: of an output, or of any signal."""

from __future__ import annotations

from collections.abc import Sequence

from rheo_runtime.values import BadValue, Kind, Partition, Value, cast, parse
from rheodsl.errors import FilterError, ValueCastError


def partition_of(id: str, dims: Sequence[str], kinds: Sequence[Kind], given: Sequence[object]) -> Partition:
    """Return the partition that values name, in the order of the dimensions.

    Texts as in the path will do; so does one text that holds them all, as in ``1/2020-03-18``. Raises
    FilterError, ValueCastError.
    """
    if len(given) == 1 < len(dims) and isinstance(given[0], str) and given[0].count("/") == len(dims) - 1:
        given = given[0].split("/")
    if len(given) != len(dims):
        raise FilterError(
            f"{id} has {len(dims)} dimension{'s' if len(dims) != 1 else ''}, not {len(given)}",
            hint=f"give a value for each of {', '.join(dims)}" if dims else "it has one partition: give none",
        )
    return tuple(_value(id, dim, kind, value) for dim, kind, value in zip(dims, kinds, given, strict=True))


def _value(id: str, dim: str, kind: Kind, given: object) -> Value:
    if isinstance(given, str):
        try:
            return parse(given, kind)
        except BadValue:
            pass  # not as in the path; perhaps as Python's own types are written
    try:
        return cast(given, kind)
    except BadValue as fault:
        raise ValueCastError(f"{id}.{dim}: {fault}", hint="write it as it stands in the path") from None
