"""A name -> the Airflow that DAGs are written for. Each dialect is one small file beside this one."""

from __future__ import annotations

from codegen.dialects import mwaa_3_0, mwaa_3_3
from codegen.dialects.base import Dialect
from rheodsl.errors import UnknownNameError

__all__ = ["DIALECTS", "Dialect", "dialect"]

DIALECTS = {d.name: d for d in (mwaa_3_3.DIALECT, mwaa_3_0.DIALECT)}


def dialect(name: str) -> Dialect:
    """Return a dialect by its name; raises UnknownNameError.

    >>> dialect("mwaa-3.3").airflow
    '3.3.1'
    """
    if name not in DIALECTS:
        raise UnknownNameError(f"there is no dialect {name!r}", hint=f"one of {', '.join(DIALECTS)}")
    return DIALECTS[name]
