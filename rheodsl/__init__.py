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

from rheodsl.application import Application
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
from rheodsl.expressions import output
from rheodsl.external import S3, SNS, AndesDataset, DataFormat, GlueTable, S3Dataset, SignalIntegrityProtocol
from rheodsl.views import SignalNode, View

__all__ = [
    "ABI",
    "DATETIME",
    "LONG",
    "S3",
    "SNS",
    "STRING",
    "AndesDataset",
    "AnyDate",
    "AnyLong",
    "AnyString",
    "Application",
    "BatchCompute",
    "DataFormat",
    "DateVariant",
    "Dimension",
    "DimensionFilter",
    "DimensionSpec",
    "DimensionType",
    "DimensionVariant",
    "Glue",
    "GlueBatchCompute",
    "GlueTable",
    "GlueWorkerType",
    "GraphError",
    "IInlinedCompute",
    "InlinedCompute",
    "Lang",
    "LongVariant",
    "Permission",
    "RheoError",
    "S3Dataset",
    "SignalIntegrityProtocol",
    "SignalNode",
    "SparkSQL",
    "StringVariant",
    "View",
    "output",
    "python_module",
    "scala_script",
]
