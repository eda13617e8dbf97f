"""Graph and plan -> IAM statements: what listener, jobs and Airflow's worker may do, and no more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from codegen import plan as p
from codegen.template.keys import LISTENER, QUEUE, STORAGE, TABLE, Keys
from codegen.template.names import Statement, Value, arn, attribute, s3_arn, sub
from rheo_runtime import wire

# IAM takes 6,144 characters of a managed policy; texts of CloudFormation are longer than what they become.
LONGEST_POLICY = 5_500
# What may be said of inputs: with the rest it makes three policies of the ten that a role takes.
ROOM = 2 * LONGEST_POLICY
_RESOURCES = 30  # of one statement
LEDGER = (
    "dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem",
    "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem",
)  # fmt: skip
_CATALOG = (
    "glue:GetDatabase", "glue:GetDatabases", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable", "glue:GetTables",
)  # fmt: skip


def allow(actions: Sequence[str], resources: Value | Sequence[Value], **condition: Any) -> Statement:
    """Return a statement that allows; ``condition`` by operator."""
    found: Statement = {"Effect": "Allow", "Action": list(actions), "Resource": _texts(resources)}
    return found | ({"Condition": condition} if condition else {})


def _texts(resources: Value | Sequence[Value]) -> Any:
    return (
        list(resources) if isinstance(resources, Sequence) and not isinstance(resources, str) else resources
    )


def granted(statement: Mapping[str, Any]) -> Statement:
    """Return the statement of a compute target as CloudFormation has it."""
    resources = statement["Resource"]
    texts = [resources] if isinstance(resources, str) else list(resources)
    return {"Effect": "Allow", **statement, "Resource": [sub(text) for text in texts]}


# --- data ---


def reading(locations: Iterable[str]) -> list[Statement]:
    """Return what lets somebody read the data in these folders.

    Of a bucket with many data sets the whole is granted; of fewer, where IAM would have no room otherwise.

    >>> [s["Action"] for s in reading(["s3://lake/orders"])]
    [['s3:GetObject'], ['s3:ListBucket']]
    """
    folders = _folders(locations)
    return _fitting(lambda most: _reading(_coarse(folders, most)))


def _fitting(make: Callable[[int], list[Statement]]) -> list[Statement]:
    """What ``make`` makes of the finest grain for which there is room."""
    found: list[Statement] = []
    for most in (8, 4, 2, 1, 0):
        found = make(most)
        if len(json.dumps(found)) <= ROOM:
            break
    return found


def _reading(folders: Mapping[str, Sequence[str]]) -> list[Statement]:
    objects = [
        s3_arn("/".join(part for part in (bucket, prefix, "*") if part))
        for bucket, prefixes in folders.items()
        for prefix in prefixes
    ]
    return [*(allow(["s3:GetObject"], part) for part in _several(objects)), *_listing(folders)]


def _listing(folders: Mapping[str, Sequence[str]]) -> Iterator[Statement]:
    whole = [s3_arn(bucket) for bucket, prefixes in folders.items() if "" in prefixes]
    for part in _several(whole):
        yield allow(["s3:ListBucket"], part)
    for bucket, prefixes in folders.items():
        if "" not in prefixes:
            texts = [text for prefix in prefixes for text in (prefix, f"{prefix}/*")]
            yield allow(["s3:ListBucket"], s3_arn(bucket), StringLike={"s3:prefix": texts})


def _folders(locations: Iterable[str]) -> dict[str, list[str]]:
    """The folders by bucket, sorted."""
    found: dict[str, set[str]] = {}
    for location in locations:
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        found.setdefault(bucket, set()).add(prefix.strip("/"))
    return {bucket: sorted(prefixes) for bucket, prefixes in sorted(found.items())}


def _coarse(folders: Mapping[str, list[str]], most: int) -> dict[str, list[str]]:
    """The folders; the whole bucket in place of more than ``most`` of it."""
    return {
        bucket: [""] if "" in prefixes or len(prefixes) > most else prefixes
        for bucket, prefixes in folders.items()
    }


def _several(resources: list[Value]) -> Iterator[list[Value]]:
    for first in range(0, len(resources), _RESOURCES):
        yield resources[first : first + _RESOURCES]


def writing(bucket: str, node: str | None = None) -> list[Statement]:
    """Return what lets a job write outputs, of one node or of any, and read its script and its execution."""
    folder = "internal_data" if node is None else f"internal_data/{node}"
    # Spark leaves "folder" markers beside what it writes.
    markers = dict.fromkeys(("internal_data_$folder$", f"{folder}_$folder$"))
    outputs = [s3_arn(f"{bucket}/{folder}/*"), *(s3_arn(f"{bucket}/{marker}") for marker in markers)]
    own = [s3_arn(f"{bucket}/rheo/*"), s3_arn(f"{bucket}/executions/*")]
    listed = {"StringLike": {"s3:prefix": [folder, f"{folder}/*", "rheo/*", "executions/*"]}}
    return [
        allow(["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"], outputs),
        allow(["s3:GetObject"], own),
        allow(["s3:ListBucket"], s3_arn(bucket), **listed),
    ]


def catalog(table: wire.RouteTable) -> list[Statement]:
    """Return what lets somebody read the tables of the catalog that the application uses."""
    tables = sorted(
        {(e.database, e.table) for s in table.signals for e in s.events if isinstance(e, wire.GlueEvents)}
    )
    if not tables:
        return []
    databases = sorted({database for database, _ in tables})
    resources = [
        arn("glue", "catalog"),
        *(arn("glue", f"database/{database}") for database in databases),
        *(arn("glue", f"table/{database}/{name}") for database, name in tables),
    ]
    return [allow(_CATALOG, part) for part in _several(resources)]


# --- the listener ---


def listener(plan: p.Plan, table: wire.RouteTable, keys: Keys, metrics: Statement | None) -> list[Statement]:
    """Return what the listener may do; ``metrics`` is the statement that lets it send some."""
    environment = "arn:${AWS::Partition}:airflow:${AWS::Region}:${AWS::AccountId}:role/${MwaaEnvironment}/${AirflowApiRole}"
    received = [
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
    ]
    return [
        allow(["logs:CreateLogStream", "logs:PutLogEvents"], attribute("ListenerLog")),
        allow(received, attribute("Queue")),
        allow(["sqs:SendMessage"], attribute("DeadLetters")),
        allow(LEDGER, ledger()),
        allow(["airflow:InvokeRestApi"], {"Fn::Sub": environment}),
        allow(["events:PutEvents"], bus()),
        *([metrics] if metrics else []),
        *keys.statements(TABLE, QUEUE, STORAGE, LISTENER),
    ]


def ledger() -> list[Value]:
    """The ARNs of the ledger's table and its indexes."""
    return [attribute("Ledger"), {"Fn::Sub": "${Ledger.Arn}/index/*"}]


def bus() -> Value:
    """The ARN of the bus on which signals are announced."""
    return {"Fn::Sub": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/${EventBus}"}


def completions(table: wire.RouteTable) -> list[Statement]:
    """Return what lets the listener see whether partitions are complete: no data, only what ends it."""
    ends: set[tuple[str, str]] = set()
    listed: set[str] = set()
    for signal in table.signals:
        if signal.path is None or not signal.path.startswith("s3://"):
            continue
        folder = folder_of(signal.path)
        events = [e.completion for e in signal.events if isinstance(e, wire.S3Events)]
        for names in events or [("_SUCCESS",)]:
            ends |= {(folder, name) for name in names}
            listed |= set() if names else {folder}

    def make(most: int) -> list[Statement]:
        objects: set[str] = set()
        for name in {name for _, name in ends}:
            for bucket, prefixes in _coarse(_folders(f for f, n in ends if n == name), most).items():
                objects |= {"/".join(p for p in (bucket, prefix, f"*{name}") if p) for prefix in prefixes}
        found = [allow(["s3:GetObject"], part) for part in _several([s3_arn(o) for o in sorted(objects)])]
        return [*found, *_listing(_coarse(_folders(listed), most))]

    return [*_fitting(make), *catalog(table)]


def folder_of(template: str) -> str:
    """Return the folder that all partitions of a path template share.

    >>> folder_of("s3://lake/orders/region={}/{}")
    's3://lake/orders'
    """
    return template.split("{}")[0].rpartition("/")[0] if "{}" in template else template.rstrip("/")


# --- the worker of Airflow ---


def airflow(plan: p.Plan, table: wire.RouteTable, keys: Keys, metrics: Statement) -> list[Statement]:
    """Return what Airflow's role needs for claim and publish, and for code that reads inputs."""
    objects = [s3_arn(f"{plan.bucket}/{prefix}/*") for prefix in ("executions", "internal_data")]
    return [
        allow(LEDGER, ledger()),
        allow(["events:PutEvents"], bus()),
        allow(["s3:GetObject", "s3:PutObject"], objects),
        allow(["s3:GetObject"], s3_arn(f"{plan.bucket}/rheo/*")),
        allow(
            ["s3:ListBucket"], s3_arn(plan.bucket), StringLike={"s3:prefix": ["internal_data/*", "rheo/*"]}
        ),
        metrics,
        *keys.statements(TABLE, STORAGE),
    ]


def inputs_of(plan: p.Plan) -> list[str]:
    """Return the folders of all inputs that the application does not make itself."""
    own = f"s3://{plan.bucket}/"
    return sorted({i for dag in plan.dags for i in inputs_of_node(dag) if not i.startswith(own)})


def inputs_of_node(dag: p.DagPlan) -> list[str]:
    """Return the folders of a node's inputs."""
    return sorted({i.location for i in dag.inputs if i.location is not None})


def distinct(statements: Iterable[Statement]) -> list[Statement]:
    """Return statements without those that are said twice, in order."""
    found: dict[str, Statement] = {}
    for statement in statements:
        found.setdefault(json.dumps(statement, sort_keys=True), statement)
    return list(found.values())


def policies(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    """Split statements into as many managed policies as IAM needs."""
    part: list[Statement] = []
    for statement in statements:
        # A policy of conditional statements alone would have none when they do not hold.
        if part and "Fn::If" not in statement and len(json.dumps([*part, statement])) > LONGEST_POLICY:
            yield part
            part = []
        part.append(statement)
    if part:
        yield part
