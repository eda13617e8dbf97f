"""What users' tests import: the simulator, their generated DAGs as Airflow reads them, and their computes, really run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rheodsl.testing.dags import load_dags, run_dag
from rheodsl.testing.hooks import HookCall
from rheodsl.testing.simulator import Run, RunInput, Simulator, Unmatched

if TYPE_CHECKING:
    from rheodsl.testing.compute import ComputeRun, run_compute

__all__ = [
    "ComputeRun",
    "HookCall",
    "Run",
    "RunInput",
    "Simulator",
    "Unmatched",
    "load_dags",
    "run_compute",
    "run_dag",
]


def __getattr__(name: str) -> Any:
    """Load what runs computes when it is asked for: it needs the local stack, the others do not."""
    if name in ("ComputeRun", "run_compute"):
        return getattr(import_module("rheodsl.testing.compute"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
