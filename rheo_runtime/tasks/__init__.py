"""What a generated DAG imports: the tasks around its computes."""

from rheo_runtime.tasks.claim import ClaimOperator, hold
from rheo_runtime.tasks.publish import PublishOperator, release
from rheo_runtime.tasks.python_compute import PythonComputeOperator
from rheo_runtime.tasks.settings import POLL_SECONDS

__all__ = ["POLL_SECONDS", "ClaimOperator", "PublishOperator", "PythonComputeOperator", "hold", "release"]
