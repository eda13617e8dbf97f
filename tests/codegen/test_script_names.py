"""Names that the text of a PySpark compute reads: what scripts offer, what it makes itself, and what nothing has."""

from __future__ import annotations

from typing import Any

import pytest

from codegen import compiler
from rheodsl import EMR, Application, Glue
from rheodsl.errors import ComputeError


def found(target: Any) -> list[Any]:
    app = Application("shop")
    orders = app.s3("orders", "s3://lake/orders/{region}/{day:%Y-%m-%d}")
    timer = app.add_timer("nightly", "rate(1 day)", "day")
    app.create_metric("errors")
    app.create_data("daily", [orders, timer], compute_targets=target)
    return compiler.faults(app.graph())


RIGHT = [
    "output = orders",
    "output = input0",
    "print(nightly, input1)\noutput = orders",
    "output = orders.where(col('day') == lit(dimensions['day']))",
    "output = orders.withColumn('day', lit(day)).withColumn('r', lit(region))",
    "output = spark.sql('SELECT 1').limit(int(args['n']))",
    "output = spark.sql(compact_table('a', 'b', 'APPEND'))",
    "diagnostics['errors'].emit(1)\noutput = orders",
    "import pyspark.sql.functions as F\noutput = orders.select(F.col('a'))",
    "from pyspark.sql import functions as F, types\noutput = orders.select(F.col('a'), types)",
    "from pyspark.sql.functions import *\noutput = orders.select(something_of_it('a'))",
    "import os.path\noutput = orders.where(os.path.join('a', 'b'))",
    "output = orders.select([c for c in orders.columns if (d := c)])\nprint(d)",
    "f = lambda frame, n=1: frame.limit(n)\noutput = f(orders)",
    "def f(frame, *rest, key=None, **more):\n    return frame, rest, key, more\noutput, *_ = f(orders)",
    "def f():\n    global limit\n    limit = 3\nf()\noutput = orders.limit(limit)",
    "def f():\n    global json\n    import json\nf()\noutput = json.loads('[]')",
    "class A:\n    n = 1\n    m = n\n    def f(self):\n        return A, __class__, self\noutput = A().f()",
    "for a, (b, c) in []:\n    print(a, b, c)\nelse:\n    output = orders",
    "with open('x') as file, open('y') as (p, q):\n    print(file, p, q)\noutput = orders",
    "try:\n    import numpy\nexcept ImportError as fault:\n    print(fault)\noutput = orders",
    "try:\n    display(orders)\nexcept Exception:\n    pass\noutput = orders",
    "try:\n    output = cached\nexcept NameError:\n    output = orders",
    "exec('more = 1')\noutput = orders.limit(more)",
    "globals()['more'] = 1\noutput = orders.limit(more)",
    "match orders:\n    case {'k': v, **rest} as whole:\n        output = v, rest, whole\n    case [x, *y]:\n        output = x, y",
    "print(__name__, __file__, __builtins__, __doc__)\noutput = orders",
    "x: 'Unknown' = 1\ndef f(a: Frame) -> Frame: ...\noutput = orders.limit(x)",
    '"""About."""\nfrom __future__ import annotations\noutput = orders',
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_is_right_is_not_refused(text: str) -> None:
    assert found(Glue(text)) == []
    assert found(EMR(text)) == []


@pytest.mark.parametrize(
    ("text", "name", "line", "hint"),
    [
        ("output = ordrs", "ordrs", 1, "did you mean 'orders'?"),
        ("a = 1\noutput = orders.select(colll('a'))", "colll", 2, "did you mean 'col'?"),
        ("output = orders.select(F.col('a'))", "F", 1, "import it, or define it: the code runs alone"),
        ("output = spark.sql(compact_andes('a', 'b'))", "compact_andes", 1, "write compact_table"),
        ("def f():\n    return nothing_at_all\noutput = f()", "nothing_at_all", 2, "import it, or define it"),
        ("output = [ordrs for x in orders]", "ordrs", 1, "did you mean 'orders'?"),
    ],
)
def test_what_nothing_gives(text: str, name: str, line: int, hint: str) -> None:
    for target in (Glue, EMR):
        (fault,) = found(target(text))
        assert isinstance(fault, ComputeError)
        assert fault.what == f"daily: the code reads {name!r}, which nothing gives it"
        assert str(fault.hint).startswith(hint)


def test_the_line_is_that_of_the_code() -> None:
    (fault,) = found(
        Glue("""
            first = 1
            output = ordrs
        """)
    )
    assert fault.where is not None
    with open(__file__) as file:
        assert file.readlines()[fault.where.line - 1].strip() == "output = ordrs"


def by_parameter(orders: Any) -> Any:
    return orders.limit(limt)  # type: ignore[name-defined]  # noqa: F821


def of_surroundings(orders: Any) -> Any:
    return spark.createDataFrame(col("a"), dimensions, orders)  # type: ignore[name-defined]  # noqa: F821


def test_functions_are_read_too() -> None:
    assert found(Glue(of_surroundings)) == []
    (fault,) = found(Glue(by_parameter))
    assert "'limt'" in fault.what
