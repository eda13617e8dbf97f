"""What a generated DAG imports: the tasks around its computes. Glue's is in `rheo_airflow.tasks.glue`.

They are loaded when they are asked for: the modules beside them that know nothing of Airflow load without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rheo_airflow.tasks.claim import ClaimOperator
    from rheo_airflow.tasks.publish import PublishOperator, release
    from rheo_airflow.tasks.python_compute import PythonComputeOperator

__all__ = ["ClaimOperator", "PublishOperator", "PythonComputeOperator", "release"]

_MODULES = {
    "ClaimOperator": "claim",
    "PublishOperator": "publish",
    "PythonComputeOperator": "python_compute",
    "release": "publish",
}


def __getattr__(name: str) -> Any:
    """Return one of the tasks."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
