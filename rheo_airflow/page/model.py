"""``graph.json`` -> what the page draws: vertices and edges with their places, and what is said of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rheo_airflow.page.layout import Layout, arrange
from rheo_runtime.airflow_client import dag_id

Record = Mapping[str, Any]
Edge = dict[str, Any]

# What a class of computation is called on the page, where its name says it badly.
_COMPUTES = {"SparkCompute": "Spark on Glue", "InlinedPython": "Python in Airflow", "AthenaCompute": "Athena"}


def model(graph: Record) -> dict[str, Any]:
    """Return the whole picture of an application as plain data.

    A node and its output signal are one vertex. Edges are of kind ``trigger`` (its arrivals make the
    node run), ``reference`` (is read, but makes nothing run) or ``watch`` (an alarm on a metric, a
    node's numbers, or other alarms; what is late, and how checks ended).
    """
    nodes = {node["id"]: node for node in graph["nodes"]}
    vertices = [
        *(_node(graph["app"], node) for node in graph["nodes"]),
        *(_signal(signal) for signal in graph["signals"] if signal["id"] not in nodes),
    ]
    dims = {signal["id"]: signal["dimensions"] for signal in graph["signals"]}
    for vertex in vertices:
        vertex["dims"] = dims.get(vertex["id"], [])
    edges = [*_inputs(graph), *_told(graph), *_watches(graph)]
    layout = arrange([v["id"] for v in vertices], [(e["from"], e["to"]) for e in edges])
    return {"app": graph["app"], "vertices": _placed(vertices, layout), "edges": _routed(edges, layout)}


def _placed(vertices: list[dict[str, Any]], layout: Layout) -> list[dict[str, Any]]:
    for vertex in vertices:
        vertex["x"], vertex["y"] = layout.places[vertex["id"]]
    return sorted(vertices, key=lambda v: (v["x"], v["y"]))


def _routed(edges: list[Edge], layout: Layout) -> list[Edge]:
    for edge in edges:
        edge["bends"] = layout.bends.get((edge["from"], edge["to"]), ())
    return edges


def _node(app: str, node: Record) -> dict[str, Any]:
    record = node.get("record", {})
    options = [(name, str(value)) for name, value in record.get("options", {}).items() if name != "is"]
    facts = [
        ("Runs", ", ".join(_compute(compute) for compute in record.get("computes", ()))),
        ("Declared at", _place(record)),
        *((name.replace("_", " ").capitalize(), value) for name, value in options),
        *((str(name), str(value)) for name, value in _metadata(record)),
    ]
    return {
        "id": node["id"],
        "kind": "node",
        "dag": dag_id(app, node["id"]),
        "inputs": [
            {key: item[key] for key in ("alias", "signal", "reference", "mode", "shown")}
            for item in node["inputs"]
        ],
        "links": [f"{link['left']} = {link['right']}" + _default(link) for link in node["links"]],
        "output": [line.removeprefix("output ") for line in node["shown"] if line.startswith("output ")],
        "facts": [fact for fact in facts if fact[1]],
    }


def _default(link: Record) -> str:
    return "  (by default)" if link["default"] else ""


def _compute(record: Record) -> str:
    name: str = record["is"]
    return _COMPUTES.get(name, name.removesuffix("Compute"))


def _signal(signal: Record) -> dict[str, Any]:
    record = signal.get("record", {})
    source = record.get("source", {})
    composite = is_composite(signal)
    facts = [
        ("Source", signal["shown"].rpartition(")  ")[2]),
        ("Watches", _watched(source)),
        ("Rule", _rule(source["rule"]["node"]) if composite else ""),
        ("Declared at", _place(record)),
        *((str(name), str(value)) for name, value in signal.get("metadata", {}).items()),
    ]
    return {
        "id": signal["id"],
        "kind": "composite" if composite else signal["type"],
        "facts": [fact for fact in facts if fact[1]],
    }


def is_composite(signal: Record) -> bool:
    """Say whether a signal is an alarm on other alarms."""
    return signal["type"] == "alarm" and signal.get("record", {}).get("source", {}).get("rule") is not None


def _metadata(record: Record) -> list[list[Any]]:
    found: list[list[Any]] = record.get("metadata", [])
    return found


def _place(record: Record) -> str:
    where = record.get("where")
    return f"{where['file']}:{where['line']}" if where else ""


def _inputs(graph: Record) -> Iterator[Edge]:
    for node in graph["nodes"]:
        for item in node["inputs"]:
            prefix = (
                item["signal"] if item["alias"] == item["signal"] else f"{item['alias']}: {item['signal']}"
            )
            yield {
                "from": item["signal"],
                "to": node["id"],
                "kind": "reference" if item["reference"] else "trigger",
                "label": _view(item["shown"].removeprefix(prefix)),
            }


def _told(graph: Record) -> Iterator[Edge]:
    """What is late, and how checks ended, is told of something else."""
    known = {signal["id"] for signal in graph["signals"]}
    for signal in graph["signals"]:
        of = signal.get("record", {}).get("source", {}).get("of")
        if of in known:
            yield {"from": of, "to": signal["id"], "kind": "watch", "label": ""}


def _view(filter: str) -> str:
    """Say shortly which partitions an input takes.

    >>> _view("['*'][:-7].range_check(True)"), _view("['EU'].ref")
    ('[:-7] complete', "['EU']")
    """
    short = (
        filter.removesuffix(".ref")
        .replace(".range_check(True)", " complete")
        .replace(".nearest()", " nearest")
    )
    return short.replace("['*']", "").strip()


# --- alarms ------------------------------------------------------------------------------------


def _watches(graph: Record) -> Iterator[Edge]:
    """An alarm's metrics are named by namespace and dimensions; they are signals, or a node's own."""
    nodes = {node["id"] for node in graph["nodes"]}
    metrics = {_metric(s["record"]["source"]): s["id"] for s in graph["signals"] if s["type"] == "metric"}
    for signal in graph["signals"]:
        if signal["type"] != "alarm":
            continue
        source = signal["record"]["source"]
        found: dict[str, set[str]] = {}
        for query in (source.get("definition") or {}).get("queries", ()):
            stat = query["stat"]
            watched = metrics.get((stat["namespace"], _pairs(stat["dimensions"])))
            own = next(
                (value for name, value in stat["dimensions"] if name == "Node" and value in nodes), None
            )
            if watched or own:
                found.setdefault(watched or own or "", set()).add(stat["name"])
        for id in _alarms(source["rule"]["node"]) if source.get("rule") else ():
            found.setdefault(id, set())
        known = {s["id"] for s in graph["signals"]}
        for id, names in sorted(found.items()):
            if id in known:
                yield {"from": id, "to": signal["id"], "kind": "watch", "label": ", ".join(sorted(names))}


def _metric(source: Record) -> tuple[str, Any]:
    return source["namespace"], _pairs(source.get("definition") or ())


def _pairs(dimensions: Any) -> frozenset[tuple[str, str]]:
    return frozenset((name, value) for name, value in dimensions)


def _watched(source: Record) -> str:
    alarm = source.get("definition")
    if not isinstance(alarm, Mapping) or "queries" not in alarm:
        return ""
    stats = [f"{q['stat']['statistic']} of {q['stat']['name']}" for q in alarm["queries"]]
    what = alarm.get("expression") or ", ".join(stats)
    sign = _SIGNS.get(alarm["comparison"]["value"], alarm["comparison"]["value"])
    times = f"{alarm['datapoints']} of {alarm['evaluation_periods']} periods of {alarm['period']} s"
    return f"{what} {sign} {alarm['threshold']}, in {times}"


_SIGNS = {
    "GreaterThanOrEqualToThreshold": ">=",
    "GreaterThanThreshold": ">",
    "LessThanThreshold": "<",
    "LessThanOrEqualToThreshold": "<=",
}


def _alarms(rule: Record) -> Iterator[str]:
    if "alarm_id" in rule:
        yield rule["alarm_id"]
    yield from rule.get("alarm_ids", ())
    for part in (*rule.get("parts", ()), *([rule["part"]] if "part" in rule else ())):
        yield from _alarms(part)


def _rule(rule: Record) -> str:
    match rule["is"]:
        case "InState":
            return f"{rule['alarm_id']} in {rule['state']['value']}"
        case "Not":
            return f"not ({_rule(rule['part'])})"
        case "And" | "Or":
            word = f" {rule['is'].lower()} "
            return word.join(f"({_rule(p)})" if "parts" in p else _rule(p) for p in rule["parts"])
        case "AtLeast":
            count = f"{rule['count']}%" if rule["percent"] else str(rule["count"])
            verb = "not in" if rule["negated"] else "in"
            return f"at least {count} of {', '.join(rule['alarm_ids'])} {verb} {rule['state']['value']}"
    return "always" if rule.get("value") else "never"
