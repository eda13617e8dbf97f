"""``rheo plan``, ``activate``, ``pause``, ``resume``, ``terminate``, ``delete``, ``synth``: what brings an application out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from codegen.cloudformation.deployer import Repository, deployer_template
from codegen.cloudformation.listener import lambda_zip
from codegen.cloudformation.stack import build_parts, build_template, dumps
from codegen.planning import build_plan
from codegen.routes import route_table
from rheo_platforms.aws.platform import AWSPlatform
from rheo_platforms.aws.terraform import terraform_module
from rheo_platforms.commands.shared import (
    App,
    Json,
    Minutes,
    Yes,
    app,
    deployment_of,
    err,
    named,
    out,
    print_log,
    tell,
)
from rheo_platforms.lifecycle.activation import Lifecycle
from rheo_platforms.lifecycle.release import Release
from rheo_platforms.local.platform import LocalPlatform
from rheo_platforms.operations.capacity import PACE, cost_of, load_of, load_of_runs
from rheo_platforms.operations.prices import FILE, Prices
from rheo_runtime.wire import resource_name
from rheodsl.application import Application
from rheodsl.errors import StateError
from rheodsl.stages import chosen

OneAtATime = Annotated[
    bool, typer.Option("--one-at-a-time", help="Let each node work on one partition at a time.")
]

Base = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="STAGE", help="Preview: only what differs from this stage, and what comes after it."
    ),
]


def application(file: Path | None, as_json: bool = False) -> Application:
    """The application of a file; without a platform it lives on this machine. What is done is printed."""
    print_log(err if as_json else out)
    found = named(file)
    if found.platform is None:
        found.platform = LocalPlatform()
    return found


def at_stage(file: Path | None, stage: str, other: Application, as_json: bool = False) -> Application:
    """Return the application of a file at a stage. Raises StateError when that is the other one."""
    with chosen(stage):
        found = application(file, as_json)
    if found.name == other.name:
        raise StateError(f"{found.name} is the same stage", hint="say by --stage which other one is meant")
    return found


def life(found: Application) -> Lifecycle:
    """Return what activates and changes an application. Raises StateError on a platform that is not Rheo's."""
    if not isinstance(found.platform, AWSPlatform | LocalPlatform):
        raise StateError(
            f"{found.name} lives on a {type(found.platform).__name__}, which has no stages",
            hint="give it LocalPlatform(), or make it by AWSApplication(...)",
        )
    return found.platform.lifecycle(found.name)


@app.command()
def plan(
    file: App = None,
    as_json: Json = False,
    check: Annotated[
        bool, typer.Option("--check", help="Exit with status 2 when something would change.")
    ] = False,
    one_at_a_time: OneAtATime = False,
    base: Base = None,
    trace: Annotated[
        Path | None, typer.Option(help="Recorded events, one JSON object a line: tell what they cost a day.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Tell what a day costs, from what the application has run.")
    ] = False,
    events_a_day: Annotated[
        float | None, typer.Option(help="So many events a day, of the same kinds as in the recording.")
    ] = None,
    minutes: Minutes = PACE.minutes,
    prices: Annotated[Path, typer.Option(help="A file of prices, in place of Rheo's own.")] = FILE,
) -> None:
    """Show what activating an application would change, and what it will cost; nothing is changed."""
    if base is not None and (trace is not None or history):
        raise typer.BadParameter("what a preview costs is not told: leave out --trace and --history")
    declared = application(file, as_json)
    if base is None:
        found = declared.plan(allow_concurrent_executions=not one_at_a_time)
    else:
        other = at_stage(file, base, declared, as_json)
        found = life(declared).plan_preview(
            other.graph(), declared.graph(), life(other), not one_at_a_time, declared.upstream_graph
        )
    cost = None
    if trace is not None or history:
        if trace is not None:
            load = load_of(declared, trace.read_text("utf-8").splitlines())
        else:
            load = load_of_runs(declared, deployment_of(file).ledger)
        cost = cost_of(declared, load, Prices.read(prices), PACE._replace(minutes=minutes), events_a_day)
    if cost is None:
        tell(as_json, found.to_json(), str(found))
    else:
        tell(as_json, {**found.to_json(), "cost": cost.to_json()}, f"{found}\n{cost}")
    if check and not found.empty:
        raise typer.Exit(2)


@app.command()
def activate(
    file: App = None,
    one_at_a_time: OneAtATime = False,
    base: Base = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Also take back what was changed by hand since the release.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Let an application run as its file declares it; only what has changed is touched."""
    found = application(file, as_json)
    if base is None:
        found.activate(allow_concurrent_executions=not one_at_a_time, refresh=refresh)
    else:
        other = at_stage(file, base, found, as_json)
        life(found).preview(other.graph(), found.graph(), life(other), not one_at_a_time)
    tell_state(found, as_json)


@app.command()
def pause(file: App = None, as_json: Json = False) -> None:
    """Start no more executions of an application; events wait."""
    found = application(file, as_json)
    found.pause()
    tell_state(found, as_json)


@app.command()
def resume(file: App = None, as_json: Json = False) -> None:
    """Let a paused application go on."""
    found = application(file, as_json)
    found.resume()
    tell_state(found, as_json)


@app.command()
def terminate(
    file: App = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until no execution is running.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Remove all that activating has made; data stays."""
    found = application(file, as_json)
    if not yes:
        typer.confirm(f"End {found.name}: nothing of it will run any more, its data stays?", abort=True)
    found.terminate(wait_for_active_routes=wait)
    tell_state(found, as_json)


@app.command()
def delete(
    file: App = None,
    yes: Yes = False,
    name: Annotated[
        str | None, typer.Option(help="The name of the application, which a protected one must be told.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Remove what is left of a terminated application, its data included."""
    found = application(file, as_json)
    if name is None and not yes:
        if found.graph().activated_by:
            name = typer.prompt(f"Type the name of {found.name} to delete it with all data that it has made")
        else:
            typer.confirm(f"Delete {found.name} with all data that it has made?", abort=True)
    found.delete(name)
    tell_state(found, as_json)


def tell_state(found: Application, as_json: bool) -> None:
    """For programs; people have read what was done."""
    if as_json:
        tell(True, {"app": found.name, "state": found.state.name}, "")


class Format(StrEnum):
    """What an application is deployed by."""

    CLOUDFORMATION = "cloudformation"
    TERRAFORM = "terraform"


def _write(to: Path | None, text: str) -> None:
    if to is None:
        out.print(text, markup=False, end="")
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text(text, "utf-8", newline="\n")
    out.print(f"{to}: {len(text.encode()):,} bytes")


def _write_module(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make the folder hold a module; what one of before has left in its folders is removed."""
    for part in {path.partition("/")[0] for path in files if "/" in path}:
        for file in (folder / part).rglob("*"):
            if file.is_file() and file.relative_to(folder).as_posix() not in files:
                file.unlink()
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    out.print(f"{folder}: {len(files)} files")


@app.command()
def synth(
    file: App = None,
    to: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write the template here; left out, print it.")
    ] = None,
    zip_to: Annotated[Path | None, typer.Option("--zip", help="Write the listener's zip here too.")] = None,
    bucket: Annotated[
        str | None, typer.Option(help="The application's bucket; named after it when left out.")
    ] = None,
    dialect: Annotated[str, typer.Option(help="mwaa-3.3 or mwaa-3.0.")] = "mwaa-3.3",
    format: Annotated[
        Format, typer.Option(help="terraform: a module, whose folder -o names.")
    ] = Format.CLOUDFORMATION,
    deployer: Annotated[
        str | None,
        typer.Option(
            metavar="REPOSITORY",
            help="The template of the roles of a CI instead: github:OWNER/REPOSITORY or gitlab:GROUP/PROJECT.",
        ),
    ] = None,
) -> None:
    """Print the CloudFormation template of an application, or what other tools deploy it by."""
    if deployer is not None:
        found = named(file)
        text = dumps(deployer_template(found.name, found.stage or "prod", Repository.of(deployer)))
        _write(to, text)
        return
    graph = named(file).graph()
    if format is Format.TERRAFORM:
        if to is None:
            err.print("a module has many files: say by -o where to write them", markup=False)
            raise typer.Exit(1)
        release = Release.of(graph, dialect=dialect, bucket=bucket or resource_name(graph.app))
        _write_module(to, terraform_module(release))
        return
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
