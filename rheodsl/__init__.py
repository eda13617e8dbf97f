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

from rheodsl.alarm_actions import AlarmDefaultActionsMap, EmailAction, SlackAction, SnsAction, TicketAction
from rheodsl.alarm_definitions import AlarmComparisonOperator, AlarmTreatMissingData
from rheodsl.alarm_rules import AlarmRule, AlarmState, at_least
from rheodsl.alarms import AlarmDimension, AlarmNode, CompositeAlarmNode, CWAlarm
from rheodsl.analysis import DataFrameFormat
from rheodsl.application import Application
from rheodsl.aws import AWSApplication, AWSPlatform
from rheodsl.compute import (
    ABI,
    BatchCompute,
    Glue,
    GlueBatchCompute,
    GlueWorkerType,
    IInlinedCompute,
    InlinedCompute,
    Lang,
    Permission,
    SparkSQL,
    python_module,
    scala_script,
)
from rheodsl.compute_jobs import EMR, AWSBatchJob, Spark, StepFunctions
from rheodsl.compute_messages import Email, Slack, Sns
from rheodsl.compute_sagemaker import SageMakerTrainingJob, SageMakerTransformJob
from rheodsl.compute_sql import Athena, PrestoSQL, compact_table
from rheodsl.control import FeedBackSignalProcessingMode
from rheodsl.dimensions import (
    DATETIME,
    LONG,
    STRING,
    AnyDate,
    AnyLong,
    AnyString,
    DateVariant,
    Dimension,
    DimensionFilter,
    DimensionSpec,
    DimensionType,
    DimensionVariant,
    LongVariant,
    StringVariant,
)
from rheodsl.errors import GraphError, RheoError
from rheodsl.executions import ComputeState
from rheodsl.expressions import output
from rheodsl.external import S3, SNS, AndesDataset, DataFormat, GlueTable, S3Dataset, SignalIntegrityProtocol
from rheodsl.hooks import RouteCheckpoint, RouteExecutionHook, RoutePendingNodeHook
from rheodsl.lifecycle import ApplicationState
from rheodsl.metrics import CWMetric, MetricDimension, MetricNode, MetricPeriod, MetricStatistic
from rheodsl.parameters import RouteRetention
from rheodsl.platform import LocalPlatform
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
from rheodsl.views import SignalNode, View

__all__ = [
    "ABI",
    "DATETIME",
    "EMR",
    "LONG",
    "S3",
    "SNS",
    "STRING",
    "AWSApplication",
    "AWSBatchJob",
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
    "BatchCompute",
    "CWAlarm",
    "CWMetric",
    "CompositeAlarmNode",
    "ComputeState",
    "ConstructEncryption",
    "ConstructPassingSecurityDef",
    "ConstructPersistenceSecurityDef",
    "ConstructProcessingSecurityDef",
    "ConstructSecurityConf",
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
    "compact_table",
    "output",
    "python_module",
    "scala_script",
]
