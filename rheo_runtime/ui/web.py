"""Applications -> the page and its JSON, as a FastAPI application; every request asks who may see what."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.responses import HTMLResponse, Response
from starlette.middleware.gzip import GZipMiddleware

from rheo_runtime.ui.applications import Application, Applications
from rheo_runtime.ui.grid import Window
from rheo_runtime.ui.page import served

# The DAG ids that the user may read, of those given. As a dependency it refuses who is not logged in.
Access = Callable[[Iterable[str]], set[str]]


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
            {"app": name, "nodes": len(app.program.nodes), "signals": len(app.program.signals)}
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

    @web.get("/api/apps/{app}/nodes/{node}/partitions")
    def partitions(
        node: str,
        until: str = Query("", max_length=1_000),
        match: str = Query("", max_length=1_000),
        waiting: bool = True,
        may: Any = user,
        app: Any = chosen,
    ) -> Response:
        _check(app, node, may)
        return _json(app.partitions(node, Window(until, match), waiting))

    @web.get("/api/apps/{app}/nodes/{node}/explain")
    def explain(
        node: str, partition: str = Query("", max_length=4_000), may: Any = user, app: Any = chosen
    ) -> Response:
        _check(app, node, may)
        return _json(app.explain(node, partition))

    return web


def _check(app: Application, node: str, may: Access) -> None:
    if node not in app.program.nodes:
        raise HTTPException(404, f"{app.name} has no node {node!r}")
    dag = app.dag(node)
    if dag not in may([dag]):
        raise HTTPException(403, "Forbidden")


def _json(data: Any) -> Response:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})
