"""Applications -> the page and its JSON, as a FastAPI application; every request asks who may see what."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, Protocol

from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse, Response
from starlette.middleware.gzip import GZipMiddleware

from rheo_airflow.page.applications import Application, Applications, of_environment
from rheo_airflow.page.grid import Window
from rheo_airflow.page.html import served

Action = Literal["read", "run", "clear", "logs"]  # what Airflow lets a user do with a DAG's runs
ACTIONS: Final[tuple[Action, ...]] = ("run", "clear", "logs")


class Access(Protocol):
    """What a user may do. As a dependency, what returns it refuses who is not logged in."""

    def __call__(self, dags: Iterable[str], action: Action = "read") -> set[str]:
        """Return those of the DAG ids with which the user may do this."""


def make_app(applications: Applications, access: Callable[..., Access]) -> FastAPI:
    """Return the web application.

    Parameters
    ----------
    access
        A dependency of FastAPI that returns what the user may read, or raises HTTPException.
    """
    web = FastAPI(title="Rheo", docs_url=None, redoc_url=None, openapi_url=None)
    web.add_middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5)
    user: Any = Depends(access)

    def application(app: str) -> Application:
        try:
            return applications.all()[app]
        except KeyError:
            raise HTTPException(404, f"there is no application {app!r} here") from None

    chosen: Any = Depends(application)

    @web.get("/")
    def page(may: Any = user) -> HTMLResponse:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
        )
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
        return HTMLResponse(served(nonce), headers=headers)

    @web.get("/api/apps")
    def apps(may: Any = user) -> Response:
        found = [
            {"app": name, "nodes": len(app.program.makers), "signals": len(app.program.signals)}
            for name, app in applications.all().items()
        ]
        return _json(found)

    @web.get("/api/apps/{app}/graph")
    def graph(may: Any = user, app: Any = chosen) -> Response:
        return _json(app.graph())

    @web.get("/api/apps/{app}/states")
    def states(may: Any = user, app: Any = chosen) -> Response:
        counts = app.counts()
        readable = may(app.dag(node) for node in counts)
        return _json({node: found for node, found in counts.items() if app.dag(node) in readable})

    @web.get("/api/apps/{app}/pending")
    def pending(may: Any = user, app: Any = chosen) -> Response:
        counts = app.pending()
        readable = may(app.dag(node) for node in counts)
        return _json({node: found for node, found in counts.items() if app.dag(node) in readable})

    @web.get("/api/apps/{app}/nodes/{node}/partitions")
    def partitions(
        node: str,
        until: str = Query("", max_length=1_000),
        match: str = Query("", max_length=1_000),
        waiting: bool = True,
        may: Any = user,
        app: Any = chosen,
    ) -> Response:
        dag = _check(app, node, may)
        return _json({**app.partitions(node, Window(until, match), waiting), "may": _allowed(dag, may)})

    @web.get("/api/apps/{app}/nodes/{node}/explain")
    def explain(
        node: str, partition: str = Query("", max_length=4_000), may: Any = user, app: Any = chosen
    ) -> Response:
        dag = _check(app, node, may)
        return _json({**app.explain(node, partition), "may": _allowed(dag, may)})

    @web.get("/api/apps/{app}/nodes/{node}/stale")
    def stale(node: str, may: Any = user, app: Any = chosen) -> Response:
        _check(app, node, may)
        return _json(app.stale(node))

    @web.get("/api/apps/{app}/alarms")
    def alarms(may: Any = user, app: Any = chosen) -> Response:
        return _json(app.alarms())

    return web


def _check(app: Application, node: str, may: Access) -> str:
    """Return the id of a node's DAG; raises HTTPException where the user may not read it."""
    if node not in app.program.makers:
        raise HTTPException(404, f"{app.name} has no node {node!r}")
    dag = app.dag(node)
    if dag not in may([dag]):
        raise HTTPException(403, "Forbidden")
    return dag


def _allowed(dag: str, may: Access) -> list[Action]:
    return [action for action in ACTIONS if may([dag], action)]


def _json(data: Any) -> Response:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})


def of_folder(folder: str, access: Callable[..., Access]) -> FastAPI:
    """Return the web application of the Airflow with this DAGs folder; see `make_app`."""
    return make_app(of_environment(folder), access)
