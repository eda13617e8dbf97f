"""Prod, dev and a preview of one program: what one announces starts nothing of another, but prod's the preview."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codegen.cloudformation.stack import build_template
from codegen.planning import build_plan
from codegen.routes import route_table
from rheo_platforms.operations.events import named
from rheo_runtime.engine import Engine
from rheo_runtime.memory import MemoryLedger
from rheodsl import ir

from .test_previews import CHANGE, nine, preview

STAGES = {
    "prod": nine().graph(),
    "dev": nine("dev").graph(),
    "preview": preview(c=CHANGE),
}


def starts(graph: ir.Graph, app: str, signal: str) -> set[str]:
    """The nodes of an application that start when a node of one announces its output."""
    engine = Engine(route_table(graph), MemoryLedger(), lambda: 1_600_000_000.0)
    _, raw = named(app, signal, ("2020-01-01",))
    outcome = engine.on_event(
        json.loads(json.dumps({**raw, "id": "1", "account": "1" * 12, "region": "eu-west-1"}))
    )
    return {document["node"] for document in outcome.fired}


@pytest.mark.parametrize(
    ("listener", "who", "started"),
    [
        ("prod", "shop", {"c", "e"}),
        ("prod", "shop--dev", set()),
        ("prod", "shop--pr-1", set()),
        ("dev", "shop", set()),
        ("dev", "shop--dev", {"c", "e"}),
        ("dev", "shop--pr-1", set()),
        ("preview", "shop", {"c"}),
        ("preview", "shop--dev", set()),
        ("preview", "shop--pr-1", {"c"}),  # nothing announces it; a person may send it by hand
    ],
)
def test_what_is_announced_of_b_starts_its_own_stage(listener: str, who: str, started: set[str]) -> None:
    assert starts(STAGES[listener], who, "b") == started


def test_inside_a_preview_its_own_nodes_follow_its_own() -> None:
    assert starts(STAGES["preview"], "shop--pr-1", "c") == {"d"}
    assert starts(STAGES["preview"], "shop", "c") == set(), "prod has another c"


def template(graph: ir.Graph) -> dict[str, Any]:
    return build_template(build_plan(graph), graph)


def names(value: Any) -> set[str]:
    """All names that a template gives to resources."""
    made = value["Resources"].values()
    keys = (
        "Name",
        "BucketName",
        "TableName",
        "QueueName",
        "FunctionName",
        "RoleName",
        "TopicName",
        "LogGroupName",
    )
    return {
        each["Properties"][key]
        for each in made
        for key in keys
        if isinstance(each["Properties"].get(key), str)
    }


def test_no_resource_of_two_stages_has_one_name() -> None:
    # The schedule of the sweep is called the same in each stage's own group.
    found = {stage: names(template(graph)) - {"sweep"} for stage, graph in STAGES.items()}
    assert all(len(each) > 5 for each in found.values())
    assert not found["prod"] & found["dev"]
    assert not found["prod"] & found["preview"]
    assert not found["dev"] & found["preview"]


def test_a_preview_may_write_nothing_of_the_base() -> None:
    reads = 0
    for made in template(STAGES["preview"])["Resources"].values():
        properties = made.get("Properties", {})
        documents = [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
        if made["Type"] == "AWS::IAM::ManagedPolicy":
            documents.append(properties["PolicyDocument"])
        for statement in (each for document in documents for each in document["Statement"]):
            text = json.dumps(statement.get("Resource", ""))
            if "rheo-shop/" in text or 'rheo-shop"' in text:
                reads += 1
                for action in statement["Action"]:
                    assert action.partition(":")[2].startswith(("Get", "List", "Decrypt")), statement
    assert reads
