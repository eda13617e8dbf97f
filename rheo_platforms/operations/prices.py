"""The file of prices -> what units, calls and minutes cost. The prices have a date: they are not asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from rheodsl.errors import SourceLocation, SpecError

FILE = Path(__file__).with_name("prices.json")


@dataclass(frozen=True, slots=True)
class Prices:
    """What AWS asks for in one region, in dollars, and when that was written down.

    >>> prices = Prices.read()
    >>> prices.ledger(1e6, 0) == prices.ledger_write_million
    True
    """

    as_of: str
    region: str
    currency: str
    source: str
    ledger_write_million: float
    ledger_read_million: float
    queue_request_million: float
    event_million: float
    function_request_million: float
    function_gb_second: float
    glue_dpu_hour: float
    glue_minimum_minutes: float

    @staticmethod
    def read(file: Path = FILE) -> Prices:
        """Return the prices in a file; raises SpecError for a file that has not exactly these.

        Parameters
        ----------
        file
            JSON; Rheo's own when left out.
        """
        names = {field.name for field in fields(Prices)}
        try:
            data = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as fault:
            raise SpecError(
                f"there are no prices in {file.name}: {fault}", where=SourceLocation(str(file), 1), hint=_HINT
            ) from None
        if not isinstance(data, dict) or data.keys() != names:
            found = set(data) if isinstance(data, dict) else set()
            wrong = ", ".join(sorted(found ^ names)) or "no object"
            raise SpecError(
                f"the prices in {file.name}: {wrong}", where=SourceLocation(str(file), 1), hint=_HINT
            )
        return Prices(**data)

    def ledger(self, writes: float, reads: float) -> float:
        """Return what units of the ledger cost, those of its indexes among the writes."""
        return (writes * self.ledger_write_million + reads * self.ledger_read_million) / 1e6


_HINT = "copy rheo_platforms/operations/prices.json and change its figures"
