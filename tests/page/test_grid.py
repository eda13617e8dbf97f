"""Statuses -> the grid of a node's partitions."""

from __future__ import annotations

import pytest

from rheo_airflow.page.grid import COLUMNS, ROWS, Window, grid
from rheo_runtime.records import ANNOUNCED, CLAIMED, FAILED, READY, SKIPPED, SUCCEEDED, Status
from rheo_runtime.values import Kind, datetime_kind
from rheo_runtime.wire import Output

REGION = Kind("STRING")
NUMBER = Kind("LONG")
DAY = datetime_kind("%d-%m-%Y")
HOUR = datetime_kind("%Y-%m-%d %H")


def output(**kinds: Kind) -> Output:
    return Output(tuple(kinds), tuple(kinds.values()), (), None)


def statuses(*found: tuple[str, str]) -> list[Status]:
    return [Status("node", partition, state) for partition, state in found]


def test_dates_are_columns_without_a_gap_and_the_rest_are_rows() -> None:
    found = statuses(
        ("EU/02-01-2020", SUCCEEDED), ("NA/31-12-2019", FAILED), ("EU/04-01-2020", CLAIMED), ("NA/02-01-2020", SKIPPED)
    )  # fmt: skip
    data = grid(output(region=REGION, day=DAY), found, ["NA/05-01-2020"])
    assert data["axis"] == 1
    assert data["keys"] == [
        "31-12-2019",
        "01-01-2020",
        "02-01-2020",
        "03-01-2020",
        "04-01-2020",
        "05-01-2020",
    ]
    assert data["times"][0] == "2019-12-31T00:00"
    assert data["rows"] == [["EU"], ["NA"]]
    assert data["cells"] == ["..S.R.", "F.K..W"]
    assert data["counts"] == {"S": 1, "F": 1, "R": 1, "K": 1, "W": 1}


@pytest.mark.parametrize(
    ("state", "letter"),
    [
        (READY, "Q"),
        (ANNOUNCED, "Q"),
        (CLAIMED, "R"),
        (SUCCEEDED, "S"),
        (FAILED, "F"),
        (SKIPPED, "K"),
        ("", "."),
    ],
)
def test_each_state_has_a_letter(state: str, letter: str) -> None:
    assert grid(output(day=DAY), statuses(("01-01-2020", state)), [])["cells"] == [letter]


def test_what_ran_is_not_shown_as_waiting() -> None:
    assert grid(output(day=DAY), statuses(("01-01-2020", SUCCEEDED)), ["01-01-2020"])["cells"] == ["S"]


def test_hours_step_by_hours() -> None:
    data = grid(output(hour=HOUR), statuses(("2020-01-01 23", SUCCEEDED), ("2020-01-02 01", SUCCEEDED)), [])
    assert (data["keys"], data["cells"]) == (["2020-01-01 23", "2020-01-02 00", "2020-01-02 01"], ["S.S"])


def test_a_date_may_stand_before_the_rest() -> None:
    data = grid(output(day=DAY, region=REGION), statuses(("01-01-2020/EU", SUCCEEDED)), [])
    assert (data["axis"], data["keys"], data["rows"]) == (0, ["01-01-2020"], [["EU"]])


def test_without_dates_the_last_dimension_is_across_and_numbers_are_in_order() -> None:
    found = statuses(("a/10", SUCCEEDED), ("a/9", FAILED), ("b/9", SUCCEEDED))
    data = grid(output(name=REGION, number=NUMBER), found, [])
    assert (data["keys"], data["rows"], data["cells"], data["times"]) == (
        ["9", "10"],
        [["a"], ["b"]],
        ["FS", "S."],
        None,
    )


def test_an_output_without_dimensions_is_one_cell() -> None:
    data = grid(output(), statuses(("", SUCCEEDED)), [])
    assert (data["keys"], data["rows"], data["cells"]) == ([""], [[]], ["S"])


def test_nothing_has_run() -> None:
    data = grid(output(region=REGION, day=DAY), [], [])
    assert (data["keys"], data["rows"], data["cells"], data["counts"]) == ([], [], [], {})


def test_the_latest_are_shown_first_and_the_earlier_are_a_step_away() -> None:
    found = statuses(*((f"{n}", SUCCEEDED) for n in range(4_000)))
    across = output(number=NUMBER)
    data = grid(across, found, [])
    assert (data["keys"][-1], len(data["keys"]), data["after"]) == ("3999", COLUMNS, 0)
    before = grid(across, found, [], Window(until=data["earlier"]))
    assert before["keys"][-1] == str(3_999 - COLUMNS)
    assert grid(across, found, [], Window(until=before["later"]))["keys"] == data["keys"]
    first = grid(across, found, [], Window(until="5"))
    assert (first["keys"][0], first["before"], first["earlier"]) == ("0", 0, None)


def test_many_rows_are_narrowed_by_a_text() -> None:
    found = statuses(*((f"customer-{n}/01-01-2020", SUCCEEDED) for n in range(ROWS + 50)))
    rows = output(customer=REGION, day=DAY)
    assert grid(rows, found, [])["more_rows"] == 50
    assert grid(rows, found, [], Window(match="MER-449"))["rows"] == [["customer-449"]]


def test_a_date_that_stands_apart_makes_no_million_columns() -> None:
    data = grid(output(hour=HOUR), statuses(("1970-01-01 00", SUCCEEDED), ("2020-01-02 01", SUCCEEDED)), [])
    assert data["keys"] == ["1970-01-01 00", "2020-01-02 01"]


def test_partitions_of_a_former_shape_are_counted_or_put_last() -> None:
    found = statuses(("EU/01-01-2020", SUCCEEDED), ("EU/2020-01-01", SUCCEEDED), ("01-01-2020", FAILED))
    data = grid(output(region=REGION, day=DAY), found, [])
    assert (data["odd"], data["keys"], data["times"]) == (
        1,
        ["01-01-2020", "2020-01-01"],
        ["2020-01-01T00:00", ""],
    )
