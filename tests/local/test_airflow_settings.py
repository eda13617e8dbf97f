"""The local Airflow is set as MWAA's is, but for what stands in one list with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from rheo_platforms.local.airflow import AirflowHome
from rheo_platforms.local.airflow_settings import DIFFERENT, MWAA


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    home = AirflowHome(tmp_path, tmp_path / "dags", 8080, "password", "secret", "login")
    found = home.environment({})
    return {k.removeprefix("AIRFLOW__"): v for k, v in found.items() if k.startswith("AIRFLOW__")}


def test_every_difference_is_listed_with_its_reason(settings: dict[str, str]) -> None:
    own = {name for name, value in MWAA.items() if value is None}
    differing = {
        name
        for name in (settings.keys() | MWAA.keys()) - own
        if name not in settings or name not in MWAA or settings[name] != MWAA[name]
    }
    assert differing == set(DIFFERENT)
    assert own <= settings.keys()
    assert all(len(reason) > 10 for reason in DIFFERENT.values())


def test_new_dags_are_paused_unless_their_file_says_otherwise(settings: dict[str, str]) -> None:
    assert not [name for name in settings if "PAUSED" in name], "Airflow's default, as on MWAA"
