"""``rheo graph`` and ``plugins``: the graph of an application as a file, and the page for an Airflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from codegen.graph_json import graph_file
from rheo_airflow.page.html import standalone
from rheo_airflow.page.model import model
from rheo_platforms.airflow_files import plugins_zip
from rheo_platforms.commands.shared import App, Json, app, named, tell


@app.command()
def graph(
    file: App = None,
    to: Annotated[
        Path | None, typer.Option("-o", "--out", help="The file; <application>.html by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the graph of an application as one HTML file, to be opened in any browser."""
    application = named(file)
    drawn = model(json.loads(graph_file(application.graph())))
    path = to or Path(f"{application.name}.html")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(standalone(drawn), "utf-8")
    count = len(drawn["vertices"])
    tell(as_json, {"file": path, "vertices": count}, f"{path}: {count} nodes and signals")


@app.command()
def plugins(
    to: Annotated[Path, typer.Option("-o", "--out", help="The file.")] = Path("plugins.zip"),
    as_json: Json = False,
) -> None:
    """Write a plugins.zip for MWAA that adds the page of Rheo to Airflow's menu."""
    to.parent.mkdir(parents=True, exist_ok=True)
    data = plugins_zip()
    to.write_bytes(data)
    tell(as_json, {"file": to, "bytes": len(data)}, f"{to}: {len(data) // 1000} kB")
