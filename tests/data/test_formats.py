"""How files are declared to read."""

from __future__ import annotations

import pytest

import rheo_formats
from codegen.targets.athena import columns
from rheo_runtime import templates
from rheodsl import CsvFormat
from rheodsl.errors import SpecError


def test_a_quote_that_is_its_own_escape_is_written_twice() -> None:
    assert CsvFormat(escape='"') == CsvFormat()
    assert CsvFormat(quote="'", escape="'") == CsvFormat(quote="'")


@pytest.mark.parametrize("option", ["quote", "escape"])
def test_a_character_has_one_meaning(option: str) -> None:
    with pytest.raises(SpecError, match=f"delimiter is ';', and so is {option}") as fault:
        CsvFormat(delimiter=";", **{option: ";"})  # type: ignore[arg-type]
    assert "as the files have it" in str(fault.value)


def test_what_stands_in_a_comment_of_a_schema_is_no_column() -> None:
    schema = """id long COMMENT 'a, b', -- c, d
        `x,y` struct<k: string COMMENT "n, m", n: int> NOT NULL /* e, f */, price decimal(5, 2) COMMENT 'it''s, (' """
    names = ["id", "x,y", "price"]
    assert rheo_formats.columns_of(CsvFormat(schema=schema).schema) == [
        ("id", "long"),
        ("x,y", "struct<k: string, n: int>"),
        ("price", "decimal(5, 2)"),
    ]
    assert columns(schema) == list(
        zip(names, ["bigint", "struct<k:string,n:int>", "decimal(5,2)"], strict=True)
    )
    with pytest.raises(SpecError, match="the schema has no type 'lng'"):
        CsvFormat(schema="id long COMMENT 'a, b', price lng")


@pytest.mark.parametrize(
    "name", ["a.csv", "_SUCCESS", ".a.crc", "d_$folder$", "", "_a.csv", "x_SUCCESS", "a.done", "__HIVE"]
)
def test_readers_and_the_listener_mean_the_same_by_a_name(name: str) -> None:
    assert rheo_formats.hidden(name) == templates.hidden(name)
    for completion in ("_SUCCESS", "*_SUCCESS", "*SUCCESS", "*.csv", "*", "[_]*", "a.done", "?.done"):
        said = templates.completes((completion,), name, ())
        assert rheo_formats.complete([name], [completion]) == said, completion
