"""Compute targets on SageMaker: training a model, and transforming data with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rheodsl.compute import Compute, retries


@dataclass(frozen=True, slots=True)
class TrainingJob(Compute):
    """``channels`` are pairs of a channel and an input's alias; ``request`` fields of CreateTrainingJob."""

    channels: tuple[tuple[str, str], ...] = ()
    request: tuple[tuple[str, Any], ...] = ()
    retry_count: int = 0


@dataclass(frozen=True, slots=True)
class TransformJob(Compute):
    """``input`` is the alias of what is transformed; ``request`` are fields of CreateTransformJob.

    ``model`` are fields of CreateModel, where the model is made for the job.
    """

    input: str | None = None
    model: tuple[tuple[str, Any], ...] = ()
    request: tuple[tuple[str, Any], ...] = ()
    retry_count: int = 0


def SageMakerTrainingJob(
    *, channels: Mapping[str, str] | None = None, retry_count: int = 0, **request: Any
) -> TrainingJob:
    """Return a compute target that trains a model; the output partition gets its ``model.tar.gz``.

    Parameters
    ----------
    channels
        Which input each channel reads, by alias: ``{"train": "features", "validation": "last_week"}``. Each
        input with data is a channel under its alias when left out.
    retry_count
        How often a failed job is run again.
    request
        Fields of CreateTrainingJob, by their own names: ``AlgorithmSpecification``, ``HyperParameters``,
        ``ResourceConfig``, ``StoppingCondition``, ``RoleArn`` (a name does) and others; texts may hold ``{day}``
        and the like, as in `AWSBatchJob`. The job's name, inputs and output are set for you.

    >>> SageMakerTrainingJob(channels={"train": "orders"}, HyperParameters={"day": "{day}"}).channels
    (('train', 'orders'),)
    """
    return TrainingJob(
        tuple(sorted((channels or {}).items())), tuple(sorted(request.items())), retries(retry_count)
    )


def SageMakerTransformJob(
    input: str | None = None,
    *,
    Model: Mapping[str, Any] | None = None,
    retry_count: int = 0,
    **request: Any,
) -> TransformJob:
    """Return a compute target that transforms an input with a model, into the output partition.

    Parameters
    ----------
    input
        The alias of what is transformed; the only input with data when left out.
    Model
        Fields of CreateModel for a model that is made for the job, such as ``{"PrimaryContainer": {"Image": ...,
        "ModelDataUrl": "{inputs[model]}/model.tar.gz"}}``; or name one that exists: ``ModelName="..."``.
    retry_count
        How often a failed job is run again.
    request
        Fields of CreateTransformJob, by their own names.

    >>> SageMakerTransformJob("orders", ModelName="prices", BatchStrategy="MultiRecord").input
    'orders'
    """
    return TransformJob(
        input, tuple(sorted((Model or {}).items())), tuple(sorted(request.items())), retries(retry_count)
    )
