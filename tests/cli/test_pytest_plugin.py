"""The fixtures and the report that users get for tests of their own applications."""

from __future__ import annotations

import pytest

APP = """
from rheodsl import *

app = Application("shop")
orders = app.s3("orders", "s3://lake/orders/{day:%Y-%m-%d}")
ships = app.s3("ships", "s3://lake/ships/{day:%Y-%m-%d}")
app.create_data("daily", inputs=[orders, ships])
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(app=APP)
    return pytester


def test_the_fixtures_load_the_application_that_the_ini_names(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nrheo_app = app.py\n")
    project.makepyfile(
        """
        def test_daily(rheo_app, rheo_sim):
            rheo_sim.send(rheo_app["orders"]["2020-03-18"])
            assert [r.node for r in rheo_sim.send(rheo_app["ships"]["2020-03-18"])] == ["daily"]
        """
    )
    project.runpytest().assert_outcomes(passed=1)


def test_a_failure_shows_what_was_waiting_and_why(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.mark.rheo_app("app.py")
        def test_daily(rheo_app, rheo_sim):
            assert rheo_sim.send(rheo_app["orders"]["2020-03-18"])
        """
    )
    done = project.runpytest()
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["*Rheo*", "waiting  daily 2020-03-18*", "*no ships 2020-03-18 has arrived*"])


def test_without_an_application_it_says_how_to_name_one(project: pytest.Pytester) -> None:
    project.makepyfile("def test_daily(rheo_sim): pass")
    done = project.runpytest()
    done.assert_outcomes(errors=1)
    done.stdout.fnmatch_lines(["*name the application: @pytest.mark.rheo_app('app.py')*"])
