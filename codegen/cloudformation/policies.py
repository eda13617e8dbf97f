"""Graph and plan -> IAM statements: what listener, jobs and Airflow's worker may do, and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from codegen import plan as p
from codegen.cloudformation.keys import LISTENER, QUEUE, STORAGE, TABLE, Keys
from codegen.cloudformation.names import Statement, Value, arn, attribute, s3_arn, sub
from rheo_runtime import wire
from rheo_runtime.templates import ABOVE, ITSELF, folders_above, is_name, shared_folder
from rheo_runtime.wire import S3Address
from rheodsl import ir
from rheodsl.paths import signal_path

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


class Data(NamedTuple):
    """Where data lies: ``folders``, of which those ``alone`` are partitions themselves, and some of these ``objects``."""

    folders: Sequence[str]
    alone: Sequence[str] = ()
    objects: Sequence[str] = ()


def reading(data: Data) -> list[Statement]:
    """Return what lets somebody read the data in these folders.

    Of a bucket with many data sets the whole is granted; of fewer, where IAM would have no room otherwise. Spark's file
    system asks for a partition by its name before it lists what is below it, and so does whoever reads an object.

    >>> [s["Action"] for s in reading(Data(["s3://lake/orders"]))]
    [['s3:GetObject'], ['s3:ListBucket']]
    """
    folders, alone, objects = map(_folders, data)
    return _fitting(lambda most: _reading(_coarse(folders, most), alone, objects))


def _fitting(make: Callable[[int], list[Statement]]) -> list[Statement]:
    """What ``make`` makes of the finest grain for which there is room."""
    found: list[Statement] = []
    for most in (8, 4, 2, 1, 0):
        found = make(most)
        if len(json.dumps(found)) <= ROOM:
            break
    return found


def _reading(
    folders: Mapping[str, Sequence[str]],
    alone: Mapping[str, Sequence[str]],
    objects: Mapping[str, Sequence[str]],
) -> list[Statement]:
    read: list[str] = []
    for bucket, prefixes in folders.items():
        for prefix in prefixes:
            folder = "/".join(filter(None, (bucket, prefix)))
            read += [folder] if prefix and prefix in alone.get(bucket, ()) else []
            read += [f"{folder}/*"] if not prefix or prefix not in objects.get(bucket, ()) else []
    return [
        *(allow(["s3:GetObject"], part) for part in _several([s3_arn(each) for each in read])),
        *_listing(folders),
    ]


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
        bucket, prefix = S3Address.of(location)
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


# Where a batch keeps what became of each of its executions.
BATCHES = "executions/batches"


def writing(bucket: str, node: str | None = None, *, batches: bool = False) -> list[Statement]:
    """Return what lets a job write outputs, of one node or of any, and read its script and its execution.

    With ``batches`` it may also write what became of each execution of a batch.
    """
    folder = "internal_data" if node is None else f"internal_data/{node}"
    staged = "staging" if node is None else f"staging/{node}"
    # Spark leaves "folder" markers beside what it writes, and takes those away that it replaces.
    own = [] if node is None else [f"{folder}_$folder$", f"{staged}_$folder$"]
    outputs = [
        s3_arn(f"{bucket}/{each}")
        for each in (f"{folder}/*", f"{staged}/*", *own, *([f"{BATCHES}/*"] if batches else []))
    ]
    # Who makes a folder looks whether one of those above it is an object, up to the bucket, and marks them, too.
    tops = ("internal_data", "staging")
    read = dict.fromkeys(("rheo/*", "executions/*", *tops, folder, staged))
    listed = dict.fromkeys(
        each
        for top in (*tops, folder, staged)
        for each in (top, f"{top}/{'*' if top in (folder, staged) else ''}")
    )
    prefixes = {"StringLike": {"s3:prefix": [*listed, "rheo/*", "executions/*"]}}
    return [
        allow(["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"], outputs),
        allow(["s3:GetObject"], [s3_arn(f"{bucket}/{each}") for each in read]),
        allow(["s3:GetObject", "s3:PutObject"], [s3_arn(f"{bucket}/{top}_$folder$") for top in tops]),
        allow(["s3:ListBucket"], s3_arn(bucket), **prefixes),
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


def asked(table: wire.RouteTable) -> list[Statement]:
    """Return what lets a claim ask the catalog for what need not exist, when somebody runs a node by hand."""
    several = {route.node for route in table.routes if route.alternative}
    known = {
        i.signal
        for route in table.routes
        for i in route.inputs
        if route.node in several or i.mode == "nearest" or i.lists_what_exists
    }
    return catalog(replace(table, signals=tuple(s for s in table.signals if s.id in known)))


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
        allow(received, [attribute("Queue"), attribute("Gather")]),
        allow(["sqs:SendMessage"], [attribute("DeadLetters"), attribute("Gather")]),
        *ledger(),
        allow(["airflow:InvokeRestApi"], {"Fn::Sub": environment}),
        announcing(),
        *([metrics] if metrics else []),
        *keys.statements(TABLE, QUEUE, STORAGE, LISTENER),
    ]


def ledger() -> list[Statement]:
    """Return what lets a role work with the ledger: its table, and its indexes, which are only read."""
    indexes = {"Fn::Sub": "${Ledger.Arn}/index/*"}
    return [allow(LEDGER, attribute("Ledger")), allow(["dynamodb:Query", "dynamodb:Scan"], indexes)]


def announcing() -> Statement:
    """Return what lets a role announce signals: events of our own source alone.

    ``events:source`` is a key of PutEvents (Amazon EventBridge user guide, "Using IAM policy conditions").
    """
    return allow(["events:PutEvents"], bus(), StringEquals={"events:source": "rheo"})


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
        folder = shared_folder(signal.path)
        listed.add(folder)  # where nothing may be listed, S3 answers 403 for what is not there
        events = [e.completion for e in signal.events if isinstance(e, wire.S3Events)]
        for names in events or [("_SUCCESS",)]:
            plain = [name for name in names if is_name(name) and not name.startswith(ABOVE)]
            # An object that is the partition has an end of its own; without dimensions it is named as a whole.
            before, _, end = signal.path.rpartition("}") if signal.dims else signal.path.rpartition("/")
            above = folder if signal.dims else before
            ends |= {(above, end) if n == ITSELF else (folder, n) for n in plain}
        for event in signal.events:
            if isinstance(event, wire.S3Events) and event.reconcile:
                listed |= {
                    f"s3://{event.bucket}/{above}"
                    for above in folders_above(event.template, event.completion)
                }

    def make(most: int) -> list[Statement]:
        objects: set[str] = set()
        for name in {name for _, name in ends}:
            for bucket, prefixes in _coarse(_folders(f for f, n in ends if n == name), most).items():
                objects |= {"/".join(p for p in (bucket, prefix, f"*{name}") if p) for prefix in prefixes}
        found = [allow(["s3:GetObject"], part) for part in _several([s3_arn(o) for o in sorted(objects)])]
        return [*found, *_listing(_coarse(_folders(listed), most))]

    return [*_fitting(make), *catalog(table)]


# --- the worker of Airflow ---


def airflow(plan: p.Plan, table: wire.RouteTable, keys: Keys, metrics: Statement) -> list[Statement]:
    """Return what Airflow's role needs for claim and publish, and for code that reads inputs."""
    batches = [BATCHES] if any(dag.batch for dag in plan.dags) else []

    def objects(*prefixes: str) -> list[Value]:
        return [s3_arn(f"{plan.bucket}/{prefix}/*") for prefix in prefixes]

    return [
        *ledger(),
        announcing(),
        # Publish puts what a job has staged in the place of the old partition; the page reads the application's files.
        allow(["s3:GetObject"], objects("internal_data", "staging", "rheo", *batches)),
        allow(["s3:AbortMultipartUpload", "s3:PutObject"], objects("executions", "internal_data")),
        allow(["s3:DeleteObject"], objects("internal_data", "staging", *batches)),
        allow(
            ["s3:ListBucket"],
            s3_arn(plan.bucket),
            StringLike={
                "s3:prefix": [f"{prefix}/*" for prefix in sorted(["internal_data", "staging", *batches])]
            },
        ),
        metrics,
        *keys.statements(TABLE, STORAGE),
    ]


def inputs_of(plan: p.Plan) -> Data:
    """Return the data of all inputs that the application does not make itself."""
    own = f"s3://{plan.bucket}/"
    return together(*map(inputs_of_node, plan.dags), but=own)


def inputs_of_node(dag: p.DagPlan) -> Data:
    """Return the data of a node's inputs."""
    found = [(folder, i) for i in dag.inputs if (folder := i.location or i.storage) is not None]
    return _data((folder, i.alone, i.completion) for folder, i in found)


def _data(several: Iterable[tuple[str, bool, Sequence[str]]]) -> Data:
    """Folders, whether each is a partition itself, and what completes one -> where data lies."""
    found = sorted({(folder, alone, tuple(completion)) for folder, alone, completion in several})
    alone = [(folder, completion) for folder, itself, completion in found if itself]
    return Data(
        list(dict.fromkeys(folder for folder, _, _ in found)),
        list(dict.fromkeys(folder for folder, _ in alone)),
        [folder for folder, completion in alone if completion == (ITSELF,)],
    )


def together(*several: Data, but: str | None = None) -> Data:
    """Return several data as one, without what begins with ``but``."""

    def sort(folders: Iterable[str]) -> list[str]:
        return sorted({each for each in folders if but is None or not each.startswith(but)})

    folders, alone, objects = (sort(f for data in several for f in data[part]) for part in range(3))
    return Data(folders, alone, objects)


def unread(graph: ir.Graph, bucket: str) -> Data:
    """Return the data that is declared and that no node has as an input: code may read it by itself."""
    read = {
        i.signal
        for node in graph.nodes
        for i in (*node.inputs, *(i for w in node.alternatives for i in w.inputs))
    }
    return data_of((signal for signal in graph.signals if signal.id not in read), bucket)


def tables_named(graph: ir.Graph, dag: p.DagPlan, bucket: str) -> Data:
    """Return the data of the declared tables that a node's code names, such as for ``compact_table``."""
    text = "\n".join(task.code.text for task in dag.tasks if isinstance(task, p.ScriptTask))
    named = (
        signal
        for signal in graph.signals
        if isinstance(signal.source, ir.GlueSource)
        and re.search(rf"(?i)\b{re.escape(signal.source.table)}\b", text)
    )
    return data_of(named, bucket)


def data_of(signals: Iterable[ir.Signal], bucket: str) -> Data:
    """Return where signals have their data, but for nodes' outputs."""
    found = []
    for signal in signals:
        source = signal.source
        path = None if isinstance(source, ir.NodeSource) else signal_path(signal, bucket)
        folder = shared_folder(path) if path is not None else getattr(source, "storage", None)
        if folder is not None and folder.startswith("s3://"):
            found.append((folder, not signal.dims, getattr(source, "completion", ())))
    return _data(found)


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
