"""Rheo: event-driven data pipelines in Python. Signals in, Airflow DAGs out.

>>> from rheodsl import *
>>> app = Application("shop")
>>> orders = app.s3("orders", "s3://my-bucket/orders/{region_id:int}/{day:%Y-%m-%d}")
>>> ships = app.s3("ships", "s3://my-bucket/ships/{region}/{ship_day:%d-%m-%Y}")
>>> daily = app.create_data(
...     "daily",
...     inputs=[orders[1][:-30], ships["NA"]],
...     input_dim_links=[orders.day == ships.ship_day],
...     compute_targets="output = orders.join(ships, 'order_id')",
... )
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rheo_runtime.templates import ITSELF
from rheo_runtime.wire import AWSCommonParams
from rheodsl.analysis import DataFrameFormat
from rheodsl.application import Application
from rheodsl.cloudwatch.alarm_definitions import (
    AlarmComparisonOperator,
    AlarmDefaultActionsMap,
    AlarmTreatMissingData,
    EmailAction,
    SlackAction,
    SnsAction,
    TicketAction,
)
from rheodsl.cloudwatch.alarm_rule import AlarmRule, AlarmState, at_least
from rheodsl.cloudwatch.alarms import AlarmDimension, AlarmNode, CompositeAlarmNode, CWAlarm
from rheodsl.cloudwatch.metrics import CWMetric, MetricDimension, MetricNode, MetricPeriod, MetricStatistic
from rheodsl.compute import (
    ABI,
    EMR,
    Athena,
    AWSBatchJob,
    BatchCompute,
    Email,
    Glue,
    GlueBatchCompute,
    GlueWorkerType,
    IInlinedCompute,
    InlinedCompute,
    Lang,
    Permission,
    PrestoSQL,
    SageMakerTrainingJob,
    SageMakerTransformJob,
    Slack,
    Sns,
    Spark,
    SparkSQL,
    StepFunctions,
    compact_table,
    python_module,
    scala_script,
)
from rheodsl.control import FeedBackSignalProcessingMode
from rheodsl.declaration import RouteRetention
from rheodsl.dimensions import (
    DATETIME,
    LONG,
    STRING,
    AnyDate,
    AnyLong,
    AnyString,
    Calendar,
    DateVariant,
    Dimension,
    DimensionFilter,
    DimensionSpec,
    DimensionType,
    DimensionVariant,
    LongVariant,
    StringVariant,
)
from rheodsl.errors import GraphError, RheoError, UnknownNameError
from rheodsl.expressions import date_of, output
from rheodsl.external import (
    S3,
    SNS,
    AndesDataset,
    CsvFormat,
    DataFormat,
    GlueTable,
    JsonFormat,
    S3Dataset,
    SignalIntegrityProtocol,
)
from rheodsl.guide import REPLACED
from rheodsl.hooks import RouteCheckpoint, RouteExecutionHook, RoutePendingNodeHook
from rheodsl.ir import Batch
from rheodsl.lifecycle import ApplicationState
from rheodsl.quality import check, in_range, no_rows, not_null, pandera, row_count, unique
from rheodsl.reports import ComputeState
from rheodsl.retrieval import QueryApplicationScope, QueryContext
from rheodsl.security import (
    ConstructEncryption,
    ConstructPassingSecurityDef,
    ConstructPersistenceSecurityDef,
    ConstructProcessingSecurityDef,
    ConstructSecurityConf,
    DataHandlingType,
    EncryptionKeyAllocationLevel,
    ProcessingUnit,
    ProcessorQueue,
    RoutingTable,
    Storage,
)
from rheodsl.sharing import RemoteApplication
from rheodsl.signals import SignalNode, View

if TYPE_CHECKING:
    from rheodsl.platforms import AWSApplication, AWSPlatform, LocalPlatform

__all__ = [
    "ABI",
    "DATETIME",
    "EMR",
    "ITSELF",
    "LONG",
    "S3",
    "SNS",
    "STRING",
    "AWSApplication",
    "AWSBatchJob",
    "AWSCommonParams",
    "AWSPlatform",
    "AlarmComparisonOperator",
    "AlarmDefaultActionsMap",
    "AlarmDimension",
    "AlarmNode",
    "AlarmRule",
    "AlarmState",
    "AlarmTreatMissingData",
    "AndesDataset",
    "AnyDate",
    "AnyLong",
    "AnyString",
    "Application",
    "ApplicationState",
    "Athena",
    "Batch",
    "BatchCompute",
    "CWAlarm",
    "CWMetric",
    "Calendar",
    "CompositeAlarmNode",
    "ComputeState",
    "ConstructEncryption",
    "ConstructPassingSecurityDef",
    "ConstructPersistenceSecurityDef",
    "ConstructProcessingSecurityDef",
    "ConstructSecurityConf",
    "CsvFormat",
    "DataFormat",
    "DataFrameFormat",
    "DataHandlingType",
    "DateVariant",
    "Dimension",
    "DimensionFilter",
    "DimensionSpec",
    "DimensionType",
    "DimensionVariant",
    "Email",
    "EmailAction",
    "EncryptionKeyAllocationLevel",
    "FeedBackSignalProcessingMode",
    "Glue",
    "GlueBatchCompute",
    "GlueTable",
    "GlueWorkerType",
    "GraphError",
    "IInlinedCompute",
    "InlinedCompute",
    "JsonFormat",
    "Lang",
    "LocalPlatform",
    "LongVariant",
    "MetricDimension",
    "MetricNode",
    "MetricPeriod",
    "MetricStatistic",
    "Permission",
    "PrestoSQL",
    "ProcessingUnit",
    "ProcessorQueue",
    "QueryApplicationScope",
    "QueryContext",
    "RemoteApplication",
    "RheoError",
    "RouteCheckpoint",
    "RouteExecutionHook",
    "RoutePendingNodeHook",
    "RouteRetention",
    "RoutingTable",
    "S3Dataset",
    "SageMakerTrainingJob",
    "SageMakerTransformJob",
    "SignalIntegrityProtocol",
    "SignalNode",
    "Slack",
    "SlackAction",
    "Sns",
    "SnsAction",
    "Spark",
    "SparkSQL",
    "StepFunctions",
    "Storage",
    "StringVariant",
    "TicketAction",
    "View",
    "at_least",
    "check",
    "compact_table",
    "date_of",
    "in_range",
    "no_rows",
    "not_null",
    "output",
    "pandera",
    "python_module",
    "row_count",
    "scala_script",
    "unique",
]

# They are at the end of the chain of imports, and load what runs applications: only when they are named.
_PLATFORMS = ("AWSApplication", "AWSPlatform", "LocalPlatform")


def __getattr__(name: str) -> Any:
    if name in REPLACED:
        raise UnknownNameError(f"rheodsl has no {name!r}", hint=REPLACED[name])
    if name not in _PLATFORMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("rheodsl.platforms"), name)
