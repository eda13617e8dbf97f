"""Compute targets that hand the work to a service of AWS: EMR Serverless, AWS Batch, Step Functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rheodsl.compute import Code, Compute, Permission, SparkCode, read_code, retries
from rheodsl.errors import ComputeError

Pairs = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class EmrCompute(Compute):
    """PySpark code on EMR Serverless. ``parameters`` go to the job run, ``args`` to the script."""

    code: Code
    parameters: Pairs = ()
    args: tuple[tuple[str, str], ...] = ()
    permissions: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    libraries: tuple[str, ...] = ()
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class BatchJob(Compute):
    """A run of an AWS Batch job; ``request`` are fields of SubmitJob by their own names."""

    job_definition: str
    job_queue: str
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    request: Pairs = ()
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class StateMachine(Compute):
    """An execution of a Step Functions state machine; ``input`` None for the execution itself."""

    arn: str
    input: Any = None
    retry_count: int = 0


# What EMR Serverless is told; any other parameter goes to the script.
_EMR_PARAMETERS = {"ReleaseLabel", "Timeout", "SparkSubmitParameters"}


def EMR(
    code: SparkCode,
    *,
    external_library_paths: Sequence[str] = (),
    extra_permissions: Sequence[Permission] = (),
    retry_count: int = 0,
    **parameters: Any,
) -> EmrCompute:
    """Return a PySpark compute target on EMR Serverless; the code is the same as for `BatchCompute`.

    Parameters
    ----------
    code
        A text, a function or a `python_module`.
    external_library_paths
        Jars (s3 paths).
    extra_permissions
        What the job may do beyond reading its inputs and writing its output.
    retry_count
        How often a failed run is retried.
    parameters
        ``ReleaseLabel``, ``Timeout`` (minutes), ``SparkSubmitParameters`` ("--conf spark.executor.memory=4g");
        any other is passed to the script in ``args``, as text.

    Raises ComputeError.

    >>> EMR("output = orders.limit(10)", Timeout=30, my_param="x").parameters
    (('Timeout', 30),)
    """
    return EmrCompute(
        code=read_code(code),
        parameters=tuple(sorted((k, v) for k, v in parameters.items() if k in _EMR_PARAMETERS)),
        args=tuple(sorted((k, str(v)) for k, v in parameters.items() if k not in _EMR_PARAMETERS)),
        permissions=tuple(p.frozen() for p in extra_permissions),
        libraries=tuple(external_library_paths),
        retry_count=retries(retry_count),
    )


Spark = EMR


def AWSBatchJob(
    job_definition: str,
    job_queue: str,
    *,
    command: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    retry_count: int = 0,
    **request: Any,
) -> BatchJob:
    """Return a compute target that runs a job of AWS Batch.

    The container finds the execution in the variables ``RHEO_EXECUTION`` (JSON, or its s3 address) and
    ``RHEO_OUTPUT`` (the output's path).

    Parameters
    ----------
    job_definition, job_queue
        Their names or ARNs; both exist.
    command, environment
        What the container runs, and its variables; ``{day}`` in a text stands for a dimension of the
        output, ``{output}`` for its path, ``{inputs[orders]}`` for the path of an input.
    retry_count
        How often a failed job is run again.
    request
        Further fields of SubmitJob, by their own names: ``parameters``, ``timeout``, ``retryStrategy``, ...

    >>> AWSBatchJob("train:3", "gpu", command=["train.py", "{output}"]).command
    ('train.py', '{output}')
    """
    return BatchJob(
        job_definition,
        job_queue,
        tuple(command),
        tuple(sorted((environment or {}).items())),
        tuple(sorted(request.items())),
        retries(retry_count),
    )


def StepFunctions(state_machine_arn: str, input: Any = None, *, retry_count: int = 0) -> StateMachine:
    """Return a compute target that runs a state machine to its end.

    Parameters
    ----------
    state_machine_arn
        A standard state machine, which exists.
    input
        JSON values for its input, with the same ``{...}`` as in `AWSBatchJob`; the whole execution (node,
        inputs with their paths, output) when left out.
    retry_count
        How often a failed execution is started again.

    Raises ComputeError.

    >>> StepFunctions("arn:aws:states:us-east-1:123456789012:stateMachine:report", {"day": "{day}"}).input
    {'day': '{day}'}
    """
    if ":stateMachine:" not in state_machine_arn:
        raise ComputeError(
            f"{state_machine_arn!r} is no state machine",
            hint="write its ARN: arn:aws:states:us-east-1:123456789012:stateMachine:name",
        )
    return StateMachine(state_machine_arn, input, retries(retry_count))
