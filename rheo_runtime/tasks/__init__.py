"""What a generated DAG imports: the tasks around its computes. Glue's is in `rheo_runtime.tasks.glue`."""

from rheo_runtime.tasks.claim import ClaimOperator
from rheo_runtime.tasks.publish import PublishOperator, release
from rheo_runtime.tasks.python_compute import PythonComputeOperator

__all__ = ["ClaimOperator", "PublishOperator", "PythonComputeOperator", "release"]
