"""A file that stops at a wrong declaration: what else is wrong in it is said together with it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from rheodsl.errors import FileError, GraphError, RheoError
from rheodsl.loading import load_app

HEAD = """
from rheodsl import *

app = Application("shop")
orders = app.s3("orders", "s3://lake/orders/{region:int}/{day:%Y-%m-%d}")
"""


def fault(tmp_path: Path, text: str, head: str = HEAD) -> RheoError:
    file = tmp_path / "app.py"
    file.write_text(head + textwrap.dedent(text))
    with pytest.raises(RheoError) as raised:
        load_app(file)
    return raised.value


def lines(found: RheoError) -> list[str]:
    assert isinstance(found, GraphError)
    return [f"{each.where.line if each.where else 0} {each.what}" for each in found.faults]


def test_independent_faults_are_said_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = fault(
        tmp_path,
        """\
        print("once")
        bad = app.s3("bad", "lake/no")
        daily = app.create_data("daily", [orders, bad])
        week = app.create_data("week", [orders[1][:-7].range_check(True).nearest()])
        after = app.create_data("after", [daily])
        again = app["bad"]
        other = app["nothing"]
        fine = app.create_data("fine", [orders], computes="output = orders")
        """,
    )
    assert lines(found) == [
        "7 bad: 'lake/no' is no s3 path",
        "9 orders: nearest and range_check exclude each other",
        "12 shop has no 'nothing'",
        "13 fine: create_data has no option 'computes'",
    ]
    assert found.what == "application 'shop' has 4 faults"
    assert capsys.readouterr().out == "once\n"


def test_one_fault_is_said_alone(tmp_path: Path) -> None:
    found = fault(tmp_path, 'bad = app.s3("bad", "lake/no")\ndaily = app.create_data("daily", [bad])\n')
    assert (type(found).__name__, found.what) == ("SpecError", "bad: 'lake/no' is no s3 path")


def test_functions_are_read_and_called(tmp_path: Path) -> None:
    """What is used within a function is needed when it is called."""
    found = fault(
        tmp_path,
        """\
        from functools import lru_cache
        bad = app.s3("bad", "lake/no")

        def node(name):
            return app.create_data(name, [bad])

        @lru_cache
        def other(name):
            return app.s3(name, "lake/as/bad")

        node("one")
        other("two")
        bad = app.s3("good", "s3://lake/good/{day}")
        node("three")
        bad["x"]["y"]["z"]
        """,
    )
    assert lines(found)[0].startswith("7 bad:")
    assert lines(found)[1].startswith("14 two:")
    assert lines(found)[2].startswith("20 too many indexes: good")


def test_what_the_file_itself_raises_ends_it(tmp_path: Path) -> None:
    found = fault(tmp_path, 'bad = app.s3("bad", "lake/no")\n1 / 0\nworse = app.s3("worse", "lake/no")\n')
    assert found.what == "bad: 'lake/no' is no s3 path"
    stopped = fault(tmp_path, '1 / 0\nbad = app.s3("bad", "lake/no")\n')
    assert isinstance(stopped, FileError)


def test_annotations_are_read_as_the_file_says(tmp_path: Path) -> None:
    text = """\
    def of(name: Unknown) -> None: ...
    a = app.s3("a", "lake/no")
    b = app.s3("b", "lake/no")
    """
    assert len(lines(fault(tmp_path, text, "from __future__ import annotations\n" + HEAD))) == 2
