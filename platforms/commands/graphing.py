"""``rheo graph`` and ``plugins``: the graph of an application as a file, and the page for an Airflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platforms.commands.shared import App, app, out
from rheodsl.loading import load_app


@app.command()
def graph(
    file: App,
    to: Annotated[
        Path | None, typer.Option("-o", "--out", help="The file; <application>.html by default.")
    ] = None,
) -> None:
    """Write the graph of an application as one HTML file, to be opened in any browser."""
    import json

    from codegen.graph_file import graph_file
    from rheo_runtime.ui.model import model
    from rheo_runtime.ui.page import standalone

    application = load_app(file)
    drawn = model(json.loads(graph_file(application.graph())))
    path = to or Path(f"{application.name}.html")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(standalone(drawn), "utf-8")
    out.print(f"{path}: {len(drawn['vertices'])} nodes and signals", markup=False)


@app.command()
def plugins(
    to: Annotated[Path, typer.Option("-o", "--out", help="The file.")] = Path("plugins.zip"),
) -> None:
    """Write a plugins.zip for MWAA that adds the page of Rheo to Airflow's menu."""
    from platforms.page import plugins_zip

    to.parent.mkdir(parents=True, exist_ok=True)
    data = plugins_zip()
    to.write_bytes(data)
    out.print(f"{to}: {len(data) // 1000} kB", markup=False)
