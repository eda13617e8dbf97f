"""``rheo synth``: the CloudFormation template of an application, for those who deploy with tools of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platforms.commands.shared import App, app, err, out
from rheodsl.loading import load_app


@app.command()
def synth(
    file: App,
    to: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write the template here; left out, print it.")
    ] = None,
    zip_to: Annotated[Path | None, typer.Option("--zip", help="Write the listener's zip here too.")] = None,
    bucket: Annotated[
        str | None, typer.Option(help="The application's bucket; named after it when left out.")
    ] = None,
    dialect: Annotated[str, typer.Option(help="mwaa-3.3 or mwaa-3.0.")] = "mwaa-3.3",
) -> None:
    """Print the CloudFormation template of an application."""
    from codegen.planning import build_plan
    from codegen.routes import route_table
    from codegen.template import build_parts, build_template, dumps, lambda_zip

    graph = load_app(file).graph()
    plan = build_plan(graph, dialect_name=dialect, bucket=bucket)
    text, parts = dumps(build_template(plan, graph)), build_parts(plan, graph)
    if parts and to is None:
        err.print(f"the template of {graph.app} has nested ones: say by -o where to write them", markup=False)
        raise typer.Exit(1)
    if to is None:
        out.print(text, markup=False, end="")
    else:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text, "utf-8", newline="\n")
        for name, part in parts.items():
            (to.parent / name).write_text(dumps(part), "utf-8", newline="\n")
        out.print(f"{to}: {len(text.encode()):,} bytes" + "".join(f", {to.parent / name}" for name in parts))
    if zip_to is not None:
        zip_to.parent.mkdir(parents=True, exist_ok=True)
        zip_to.write_bytes(lambda_zip(route_table(graph, plan.bucket).dumps()))
        err.print(f"{zip_to}: {zip_to.stat().st_size:,} bytes", markup=False)
