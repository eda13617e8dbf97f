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


def test_what_the_file_itself_raises_is_one_of_its_faults(tmp_path: Path) -> None:
    text = """\
    bad = app.s3("bad", "lake/no")
    value = 1 / 0
    after = app.s3(value, "lake/no")
    worse = app.s3("worse", "lake/no")
    """
    assert lines(fault(tmp_path, text)) == [
        "6 bad: 'lake/no' is no s3 path",
        "7 app.py stops with ZeroDivisionError: division by zero\n  line value = 1 / 0",
        "9 worse: 'lake/no' is no s3 path",
    ]
    stopped = fault(tmp_path, '1 / 0\nbad = app.s3("good", "s3://lake/good")\n')
    assert isinstance(stopped, FileError)


@pytest.mark.parametrize("last", ["raise RuntimeError('not here')", "assert not app", "exit(3)"])
def test_a_file_that_says_itself_that_it_goes_no_further_is_read_no_further(
    tmp_path: Path, last: str
) -> None:
    found = fault(tmp_path, f'{last}\nbad = app.s3("bad", "lake/no")\n')
    assert isinstance(found, FileError)


def test_faults_of_the_graph_are_said_beside_those_of_declarations(tmp_path: Path) -> None:
    text = """\
    bad = app.s3("bad", "lake/no")
    daily = app.create_data("daily", [orders.ref])
    """
    assert lines(fault(tmp_path, text)) == [
        "6 bad: 'lake/no' is no s3 path",
        "7 daily: every input is a reference, so nothing ever starts it",
    ]


@pytest.mark.parametrize("call", ["exit()", "sys.exit(0)", "sys.exit('no')", "raise SystemExit"])
def test_a_file_that_exits_is_a_fault(tmp_path: Path, call: str) -> None:
    found = fault(tmp_path, f"import sys\n{call}\n")
    assert isinstance(found, FileError)
    assert found.what.startswith("app.py stops with SystemExit")
    assert found.where is not None
    assert found.where.line == 7
    assert str(found.hint).startswith('leave exit out, or put it below if __name__ == "__main__"')


def test_a_mistake_within_what_is_installed_has_the_users_line(tmp_path: Path) -> None:
    found = fault(tmp_path, 'import textwrap\ntextwrap.dedent(orders["x"]["y"]["z"])\n')
    assert found.where is not None
    assert found.where.line == 7
    found = fault(tmp_path, 'import difflib\ndifflib.get_close_matches(orders, ["a"])\n')
    assert found.where is not None
    assert (found.where.file, found.where.line) == (str(tmp_path / "app.py"), 7)


def test_a_node_in_place_of_its_id(tmp_path: Path) -> None:
    text = 'daily = app.create_data("daily", [orders])\napp.patch_data(daily, retrigger="any")\n'
    found = fault(tmp_path, text)
    assert (found.what, found.hint) == ("daily is no id of a node", "write 'daily'")
    found = fault(tmp_path, "app.update_data(5)\n")
    assert found.hint == 'write it as a text: "daily"'


def test_annotations_are_read_as_the_file_says(tmp_path: Path) -> None:
    text = """\
    def of(name: Unknown) -> None: ...
    a = app.s3("a", "lake/no")
    b = app.s3("b", "lake/no")
    """
    assert len(lines(fault(tmp_path, text, "from __future__ import annotations\n" + HEAD))) == 2
