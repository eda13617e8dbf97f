"""The keywords of a declaration -> those that it knows, each under one name; any other is an error with the nearest."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from rheodsl.errors import SpecError, nearest

P = ParamSpec("P")
R = TypeVar("R")

# What other systems call something that a declaration here has too, where it is known.
_ELSEWHERE = {
    "retries": "retry_count",
    "max_retries": "retry_count",
    "max_active_tasks": "max_active_runs",
    "concurrency": "max_active_runs",
    "dependencies": "inputs",
    "upstreams": "inputs",
    "outputs": "output_dimension_spec",
    "partition_by": "output_dimension_spec",
    "partitioned_by": "output_dimension_spec",
    "sep": "delimiter",
    "separator": "delimiter",
    "success_file": "completion",
    "schedule": "schedule_expression",
    "cron": "schedule_expression",
    "tz": "timezone",
    "location": "path",
}

# What other systems have as a word, and here is said in another way.
_SAID_OTHERWISE = {
    "depends_on_past": "a node that reads its own past takes it as an input: inputs=[orders, output[-1:].ref]",
    "catchup": "what is in the past is made by app.backfill(node, start, end)",
    "start_date": "what is in the past is made by app.backfill(node, start, end)",
    "end_date": "what is in the past is made by app.backfill(node, start, end)",
    "schedule_interval": 'a timer is an input: app.add_timer("nightly", "cron(0 3 * * ? *)", "day")',
    "schedule": 'a timer is an input: app.add_timer("nightly", "cron(0 3 * * ? *)", "day")',
    "schedule_expression": 'a timer is an input: app.add_timer("nightly", "cron(0 3 * * ? *)", "day")',
    "cron": 'a timer is an input: app.add_timer("nightly", "cron(0 3 * * ? *)", "day")',
    "timezone": 'a timer has a timezone, and a dimension: {"hour": {"timezone": "Europe/Berlin"}}',
    "sla": "what has not come in time is a signal: view.late(after=..., by=...)",
    "timeout": "a compute target has it: Glue(..., Timeout=60)",
}


def declares(
    *, beside: Callable[..., Any] | None = None, also: Iterable[str] = (), **other_names: str
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a declaration take the keywords that it names, and no other.

    Parameters
    ----------
    beside
        Whose parameters it takes too, and hands on.
    also
        More keywords that it takes.
    other_names
        Second spellings, each with the parameter that it means.

    The declaration raises SpecError for a keyword that it does not know, with the nearest one, and for two
    spellings of one thing at once.

    >>> @declares(colour="color")
    ... def paint(id, color="red", **more): return id, color
    >>> paint("wall", colour="blue")
    ('wall', 'blue')
    >>> try: paint("wall", colr="blue")
    ... except SpecError as fault: print(fault.what, "-", fault.hint)
    wall: paint has no option 'colr' - did you mean 'color'?
    """

    def decorate(declare: Callable[P, R]) -> Callable[P, R]:
        own = _parameters(declare)
        handed = [name for name in _parameters(beside) if name != "self"] if beside is not None else []
        known = dict.fromkeys((*own, *handed, *also))
        title = _title(declare)

        @functools.wraps(declare)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            given: dict[str, Any] = kwargs
            places = dict(zip(own, args, strict=False))
            for spelling, name in other_names.items():
                if spelling not in given:
                    continue
                if name in given or name in places:
                    raise SpecError(
                        f"{_subject(places | given)}both {name} and {spelling} are given",
                        hint="they are two names of one thing: leave one out",
                    )
                given[name] = given.pop(spelling)
            if not given.keys() <= known.keys():
                unknown = [word for word in given if word not in known]
                told = ", ".join(map(repr, unknown))
                subject = _subject(places | given)
                raise SpecError(f"{subject}{title} has no option {told}", hint=_hint(unknown, known))
            return declare(*args, **given)

        return checked

    return decorate


C = TypeVar("C", bound=type)


def knows_its_words(cls: C) -> C:
    """Let what a class makes, and its public methods, take the keywords that they name, and no other: see `declares`.

    A method that takes any keyword judges them itself.
    """
    for name, method in list(vars(cls).items()):
        if not inspect.isfunction(method) or (name.startswith("_") and name != "__init__"):
            continue
        if hasattr(method, "__wrapped__"):  # it is declared with second spellings of its own
            continue
        parameters = inspect.signature(method).parameters.values()
        if len(parameters) > 1 and all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters):
            setattr(cls, name, declares()(method))
    return cls


def _parameters(declare: Callable[..., Any]) -> list[str]:
    """The names of what a declaration takes, in order."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in inspect.signature(declare).parameters.values() if p.kind not in several]


def _title(declare: Callable[..., Any]) -> str:
    """``create_data``, and for what makes an object the name of its class."""
    *_, outer, name = ("", *declare.__qualname__.split("."))
    return outer if name == "__init__" else name


def _subject(given: Mapping[str, Any]) -> str:
    """``orders: ``, where what is declared has an id."""
    id = given.get("id", given.get("data_id"))
    return f"{id}: " if isinstance(id, str) else ""


def _hint(unknown: Iterable[str], known: Iterable[str]) -> str:
    names = [name for name in known if name not in ("self", "id", "data_id")]
    hints = {word: _meant(word, names) for word in unknown}
    if len(hints) == 1:
        return next(iter(hints.values()))
    return "; ".join(f"{word}: {hint}" for word, hint in hints.items())


def _meant(word: str, names: list[str]) -> str:
    """What to write for a word."""
    elsewhere = {other: name for other, name in _ELSEWHERE.items() if name in names}
    if word in elsewhere:
        return f"write {elsewhere[word]}"
    if word in _SAID_OTHERWISE:
        return _SAID_OTHERWISE[word]
    near = nearest(word, names) or nearest(word, elsewhere, 0.75)
    if near is None and "metadata" in names:
        return 'data of your own goes into metadata={"team": "Sales"}'
    if near is None:
        return f"it takes {', '.join(names) or 'none'}"
    return f"did you mean {elsewhere.get(near, near)!r}?"


def own_data(metadata: Mapping[str, Any] | None, subject: str) -> dict[str, Any]:
    """Return the user's own data, as ``metadata=`` has it; raises SpecError for what is no mapping of names.

    >>> own_data({"team": "Sales"}, "orders")
    {'team': 'Sales'}
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping) or not all(isinstance(name, str) for name in metadata):
        raise SpecError(
            f"{subject}: its metadata is {metadata!r}",
            hint='it maps names to texts, numbers, lists and dicts: metadata={"team": "Sales"}',
        )
    return dict(metadata)
