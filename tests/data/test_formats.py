"""How files are declared to read."""

from __future__ import annotations

import pytest

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
