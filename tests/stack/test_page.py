"""The page in a real Airflow: behind its login, in its menu, with the partitions that really ran."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from page.browser import Browse, browse, browser  # noqa: F401 - fixtures

from rheodsl import Application

from .conftest import Lab

pytestmark = pytest.mark.slow

APP = "page-lab"


def note(input_map: Any, output: Any, params: Any) -> None:
    """Do nothing: that it ran is enough."""


@pytest.fixture(scope="module")
def lab(stack: Lab) -> Lab:
    app = Application(APP, platform=stack.platform)
    orders = app.s3("orders", f"s3://{APP}-lake/orders/{{day:%Y-%m-%d}}")
    clicks = app.s3("clicks", f"s3://{APP}-lake/clicks/{{day:%Y-%m-%d}}")
    app.create_data("daily", inputs=[orders], compute_targets=note)
    app.create_data(
        "joined", inputs=[orders, clicks], input_dim_links=[orders.day == clicks.day], compute_targets=note
    )
    stack.start(app)
    stack.put(f"s3://{APP}-lake/orders/2020-01-02/_SUCCESS")
    stack.until(lambda: stack.runs(APP, "daily", "success"))
    return stack


def ask(lab: Lab, path: str, token: str | None) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urlopen(Request(f"{lab.local.airflow.url}/rheo/{path}", headers=headers), timeout=30) as answer:
        return json.loads(answer.read())


def token(lab: Lab) -> str:
    user, password = lab.local.login
    body = json.dumps({"username": user, "password": password}).encode()
    request = Request(f"{lab.local.airflow.url}/auth/token", body, {"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return str(json.loads(answer.read())["access_token"])


@pytest.mark.parametrize(
    "path", ["", "api/apps", f"api/apps/{APP}/graph", f"api/apps/{APP}/nodes/daily/partitions"]
)
@pytest.mark.parametrize("with_token", [None, "not.a.token"])
def test_nobody_sees_it_without_a_login(lab: Lab, path: str, with_token: str | None) -> None:
    with pytest.raises(HTTPError) as refused:
        ask(lab, path, with_token)
    assert refused.value.code == (401 if with_token is None else 403)


def test_it_shows_what_really_ran_and_what_waits(lab: Lab) -> None:
    login = token(lab)
    assert APP in [each["app"] for each in ask(lab, "api/apps", login)]
    daily = lab.until(lambda: _when(ask(lab, f"api/apps/{APP}/nodes/daily/partitions", login), "S"))
    assert (daily["keys"], daily["cells"]) == (["2020-01-02"], ["S"])
    joined = ask(lab, f"api/apps/{APP}/nodes/joined/partitions", login)
    assert joined["cells"] == ["W"]
    assert joined["waiting"][0]["missing"][0]["reason"] == "no clicks 2020-01-02 has arrived"
    account = ask(lab, f"api/apps/{APP}/nodes/daily/explain?partition=2020-01-02", login)
    assert account["runs"][0]["run"] == lab.runs(APP, "daily", "success")[0]["dag_run_id"]


def _when(data: Any, letter: str) -> Any:
    return data if letter in data["counts"] else None


def test_it_is_in_the_menu_and_leads_to_the_run(lab: Lab, browse: Browse) -> None:  # noqa: F811
    page = browse("light")
    user, password = lab.local.login
    page.goto(lab.local.airflow.url)
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.click("a[href$='/plugin/rheo']")
    frame = page.frame_locator("iframe")
    frame.locator("#app > *").wait_for()
    choice = frame.get_by_label("Application", exact=True)
    if choice.count():  # other tests have applications on this stack, too
        choice.select_option(APP)
    frame.locator(".vertex[data-id=daily]").click()
    frame.locator("#cells .cell.cS").click()
    frame.locator("#account a", has_text="DAG run").click()
    page.wait_for_url("**/dags/page-lab__daily/runs/*")
