"""The page in Airflow: a menu entry, and a web application that is made when it is first asked for.

Airflow loads its plugins in every process, tasks included; so this module imports nothing else. It may
be copied to the plugins folder as it is; what it needs of Rheo is then beside it, for the page alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from airflow.plugins_manager import AirflowPlugin  # noqa: TID253 - this part runs inside Airflow

PREFIX = "/rheo"
BESIDE = "rheo_page"  # the folder with a copy of rheo_airflow and rheo_runtime, where these are not installed


class Page:
    """An ASGI application that makes the real one at its first request."""

    def __init__(self) -> None:
        self._made: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._made is None:
            self._made = make()
        await self._made(scope, receive, send)


def make() -> Any:
    """Return the page of this Airflow, behind its login: who may read a DAG sees its node's partitions."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
    from airflow.api_fastapi.core_api.security import get_user
    from airflow.configuration import conf
    from fastapi import Depends, HTTPException

    if (beside := Path(__file__).parent / BESIDE).is_dir():
        sys.path.insert(0, str(beside))
    from rheo_airflow.page.web import Access, Action, of_folder

    def access(user: Any = Depends(get_user)) -> Access:  # noqa: B008 - FastAPI's way
        manager = get_auth_manager()
        run = DagAccessEntity.RUN
        # As Airflow's own API asks for them.
        actions: dict[str, tuple[Any, Any]] = {
            "read": ("GET", run), "run": ("POST", run), "clear": ("PUT", run), "logs": ("GET", DagAccessEntity.TASK_LOGS),
        }  # fmt: skip
        if not manager.is_authorized_dag(method="GET", access_entity=run, user=user):
            raise HTTPException(403, "Forbidden")

        def allowed(dags: Iterable[str], action: Action = "read") -> set[str]:
            method, entity = actions[action]
            return {
                dag
                for dag in dags
                if manager.is_authorized_dag(
                    method=method, access_entity=entity, details=DagDetails(id=dag), user=user
                )
            }

        return allowed

    return of_folder(conf.get("core", "dags_folder"), access)


def _address() -> str:
    """Where the page is, when Airflow itself is not at the root of its host."""
    from urllib.parse import urlsplit

    from airflow.configuration import conf

    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/") + PREFIX + "/"


def _icon(colour: str) -> str:
    line = "M3 7c5 0 5 10 10 10s4-10 8-10M3 17c5 0 5-10 10-10"
    head = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'"
    return f"{head} fill='none' stroke='%23{colour}' stroke-width='2' stroke-linecap='round'%3E%3Cpath d='{line}'/%3E%3C/svg%3E"


class RheoPlugin(AirflowPlugin):
    """What Airflow reads: see its documentation of plugins."""

    name = "rheo"
    fastapi_apps = [{"app": Page(), "url_prefix": PREFIX, "name": "Rheo"}]  # noqa: RUF012 - read by Airflow
    external_views = [  # noqa: RUF012
        {
            "name": "Rheo",
            "href": _address(),
            "url_route": "rheo",
            "destination": "nav",
            "nav_top_level": True,
            "icon": _icon("0a5fc2"),
            "icon_dark_mode": _icon("74b4ff"),
        }
    ]
