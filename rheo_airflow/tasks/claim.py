"""A DAG run -> the execution that it alone carries out: the first task of every generated DAG."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from rheo_airflow.tasks import partitions, settings, writers
from rheo_airflow.tasks.compat import AirflowFailException, BaseOperator, DownstreamTasksSkipped
from rheo_airflow.tasks.run_request import NotAsked, by_params, by_time, named, read_program
from rheo_runtime import executions
from rheo_runtime.records import Document, execution_place
from rheo_runtime.storage import AwsStorage
from rheo_runtime.values import Partition
from rheo_runtime.wire import S3Address

# Glue refuses requests beyond 180 kB, and Linux arguments beyond 128 KiB.
LARGEST_ARGUMENT = 100_000
# Bytes of an execution in a message: SNS and Step Functions take 262,144 of all that they are given.
LARGEST_MESSAGE = 240_000
# Our own tasks may be repeated at any point, and only talk to AWS.
QUICK_RETRIES: dict[str, Any] = {"retries": 3, "retry_delay": timedelta(seconds=10)}


# In the extra of an event that a pump has sent: the node. The event's key says which partition.
PUMPED = "pumped"
# Where the context of a hook has what the hook is told.
HOOK = "rheo_hook"


@dataclass(frozen=True)
class Told:
    """What a hook is told, or a compute of a batch: the execution, and ``params`` beside a compute's."""

    document: Document
    params: Mapping[str, Any] = field(default_factory=dict)


class ClaimOperator(BaseOperator):
    """Takes the execution that the run was started for, or makes one when somebody started it by hand.

    Returns the execution document. A second run of the same execution skips everything after this task;
    the same run may claim again, after it was cleared. Leaves under the key ``argument`` what a Glue
    job is given.

    Parameters
    ----------
    app, node
        The application and its node.
    """

    def __init__(self, *, app: str, node: str, **kwargs: Any) -> None:
        super().__init__(**{**QUICK_RETRIES, **kwargs})
        self.app = app
        self.node = node

    def execute(self, context: Any) -> Document:
        """Claim; raises AirflowFailException when the run does not say what to do."""
        document = self._claim(context)
        if document is None:
            self.log.info("Another run has this execution, it is over, or there is none: nothing to do.")
            skipped = sorted(self.get_flat_relative_ids(upstream=False))
            raise DownstreamTasksSkipped(tasks=skipped)  # type: ignore[no-untyped-call]
        self.log.info("Claimed %s", document["id"])
        context["ti"].xcom_push(key="argument", value=argument(document))
        return document

    def _claim(self, context: Any) -> Document | None:
        run = context["dag_run"]
        ledger, now = settings.ledger(self.app), time.time()
        extras = _extras(context)
        if named(extras, run.conf) or any(PUMPED in extra for extra in extras):
            return claimed(self.app, self.node, context)
        draft = self._draft(context)
        if draft is None:
            return None
        partition = draft.document(0)["partition"]
        places = writers.places(context)

        def adopt() -> Document | None:
            return executions.adopt(ledger, self.node, partition, draft, run.run_id, now, places)

        document = writers.claimed(adopt, self.app, self.node, partition, context)
        if document is None:
            raise AirflowFailException(
                f"another run works on {partition or self.node}; try again when it has ended"
            )
        return document

    def _draft(self, context: Any) -> Any:
        run = context["dag_run"]
        program = read_program(Path(self.dag.fileloc).parent)
        try:
            if str(getattr(run.run_type, "value", run.run_type)) in ("scheduled", "backfill"):
                moment = getattr(run, "partition_date", None) or run.logical_date or run.run_after
                return by_time(program, self.node, moment)
            ledger, key = settings.ledger(self.app), getattr(run, "partition_key", None)
            storage = AwsStorage(settings.client("s3"), settings.client("glue"))

            def there(signal: str, partition: Partition) -> bool:
                known = program.seen(ledger, signal, partition)
                return known or storage.exists(program.signals[signal], partition)

            return by_params(program, self.node, context["params"], key, there, ledger)
        except NotAsked as fault:
            raise AirflowFailException(str(fault)) from None


def claimed(app: str, node: str, context: Any) -> Document | None:
    """Claim one of the executions that the run was started for; None when all are over, or another run's."""
    run, ledger = context["dag_run"], settings.ledger(app)
    extras = _extras(context)
    wanted: list[tuple[str, str]] = [*named(extras, run.conf)]
    if any(PUMPED in extra for extra in extras):
        key = run.partition_key
        wanted += ((key, execution) for execution in executions.claimable(ledger, node, key, run.run_id))
    for partition, execution in wanted:
        document = claim_one(app, node, partition, execution, context)
        if document is not None:
            return document
    return None


def claim_one(app: str, node: str, partition: str, execution: str, context: Any) -> Document | None:
    """Claim an execution for the run, once no run before may write its output; raises AirflowException."""
    ledger, run, places = settings.ledger(app), context["dag_run"].run_id, writers.places(context)

    def take() -> Document | None:
        return executions.claim(ledger, node, partition, execution, run, time.time(), places)

    return writers.claimed(take, app, node, partition, context, execution)


def _extras(context: Any) -> list[Mapping[str, Any]]:
    """The extras of the run's events, oldest first."""
    events = [e for of_asset in context["triggering_asset_events"].values() for e in of_asset]
    return [e.extra for e in sorted(events, key=lambda e: e.timestamp)]


def argument(document: Document) -> str:
    """Return an execution as a job's argument: JSON, or where it lies in S3 when it is too large.

    It says also where the job writes what is to become the output.
    """
    told = {**document, "output": {**document["output"], "staged": partitions.staged(document)}}
    text = json.dumps(told, separators=(",", ":"), ensure_ascii=False)
    path = document["output"]["path"]
    if len(text.encode()) <= LARGEST_ARGUMENT or path is None:
        return text
    return stored(document, text)


def told(document: Document) -> Document:
    """Return an execution as services take it that take 256 kB: SNS a message, Step Functions an input.

    One that is larger is without its paths; ``stored`` says where it lies as a whole.
    """
    text = json.dumps(document)  # as the provider writes it for Step Functions
    if len(text) <= LARGEST_MESSAGE:
        return document
    place = None if document["output"]["path"] is None else stored(document, text)
    return {**document, "inputs": [{**i, "paths": []} for i in document["inputs"]], "stored": place}


def stored(document: Document, text: str) -> str:
    """Put an execution's text into the application's bucket; return where it lies."""
    bucket = S3Address.of(str(document["output"]["path"])).bucket
    key = f"executions/{execution_place(document['id'])}.json"
    settings.client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())
    return f"s3://{bucket}/{key}"


def hold(context: Any) -> Document:
    """Claim again before a compute writes: it may have been cleared long after the run had failed.

    Returns the document as the ledger has it: Airflow's database keeps dicts without their order. A hook
    is given what it is told, and claims nothing. Raises AirflowFailException when a later execution of
    the same output took its place.
    """
    if HOOK in context:
        told: Document = context[HOOK].document
        return told
    claimed: Document = context["ti"].xcom_pull(task_ids="claim")
    app, node, partition, id = (claimed[name] for name in ("app", "node", "partition", "id"))
    output, _ = settings.ledger(app).output(node, partition, None)
    document = executions.held(output, id, context["dag_run"].run_id)
    document = document or claim_one(app, node, partition, id, context)
    if document is None:
        raise AirflowFailException(f"{claimed['id']} is no longer this run's: a later one took its place")
    return document
