"""An application and its place -> activated, planned, paused, terminated, deleted.

The order of an activation is one in which it may be interrupted anywhere, and done again:

1. the scripts of jobs, which nothing starts yet;
2. the infrastructure: jobs, permissions, and the listener with the new routes. What it announces before
   Airflow has a DAG waits in the ledger;
3. the DAG files, with what they read;
4. the files that say what is active, and what is no longer needed is removed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from codegen.contract import told
from codegen.graph_file import graph_file, load_graph
from platforms.deployment import ACTIVE
from platforms.lifecycle import comparing
from platforms.lifecycle.changes import PlannedChanges
from platforms.lifecycle.errors import InactiveError
from platforms.lifecycle.lock import Lock
from platforms.lifecycle.place import Place, Say
from platforms.lifecycle.record import DRAFT, LOCK, Record, Records
from platforms.lifecycle.release import MANIFEST, SWITCH, Release, digests, one_at_a_time
from platforms.lifecycle.stores import BucketStore
from rheo_runtime.program import Program
from rheo_runtime.records import ANNOUNCED, CLAIMED
from rheodsl import ir
from rheodsl.application import Application
from rheodsl.errors import StateError
from rheodsl.lifecycle import ApplicationState as S

_RUNNING = (S.ACTIVE, S.PAUSED)
_POLL = 5.0
_LOG = logging.getLogger("rheo")


class Life:
    """The lifecycle of one application.

    Parameters
    ----------
    place
        Where it lives.
    say
        Gets a line for each thing done; the log ``rheo`` when left out.
    sleep
        Waits for some seconds.
    """

    def __init__(
        self,
        place: Place,
        say: Say = _LOG.info,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.place = place
        self.say = say
        self.sleep = sleep
        self._known_lock: Lock | None = None

    # --- what it is ---

    def record(self) -> Record:
        """Return the record of the application."""
        return self._records.read() if self.place.reachable() else Record()

    def state(self) -> S:
        """Return what the application is now."""
        return self.record().state

    def active_graph(self) -> ir.Graph:
        """Return what is active. Raises InactiveError when nothing is."""
        self._must_run("attach to")
        return load_graph(self.place.deployment().file("graph.json"))

    def plan(self, app: Application, concurrent: bool = True) -> PlannedChanges:
        """Return what activating would change."""
        release = self._release(app.graph(), concurrent)
        record = self.record()
        active_graph = self.active_graph() if record.state in _RUNNING else None
        read = self._active.read if record.manifest else _nothing
        old = {name: read(name) for name in SWITCH}
        resources, allowed = self.place.preview(release)
        return PlannedChanges(
            app=self.place.app,
            state=record.state,
            signals=comparing.entities(old["graph.json"], release.files["graph.json"], "signals"),
            nodes=comparing.entities(old["graph.json"], release.files["graph.json"], "nodes"),
            files=comparing.files(record.manifest, read, release.files),
            resources=resources,
            permissions=allowed,
            pending=comparing.pending(old["routes.json"], release.files["routes.json"], self._waiting),
            contracts=tuple(map(str, told(active_graph, release.graph, app.upstream_graph))),
        )

    # --- what changes it ---

    def activate(self, app: Application, concurrent: bool = True) -> None:
        """Let it run as it is declared now."""
        release = self._release(app.graph(), concurrent)
        self.place.begin(release)
        with self._locked("activate"):
            record = self._records.read()
            if record.state not in _RUNNING or record.manifest != release.manifest:
                self._records.write(S.ACTIVATING, record.manifest)
            self._bring_out(release, record)
            if record.state is S.PAUSED:
                self.place.resume(release.timers())
            if record.state is not S.ACTIVE or record.manifest != release.manifest:
                self._records.write(S.ACTIVE, release.manifest)
                self.say(f"{release.app} is active")
            else:
                self.say(f"{release.app} is active as it was")

    def pause(self) -> None:
        """Start no more runs; lose no event."""
        self._must_run("pause")
        with self._locked("pause"):
            record = self._must_run("pause")
            self.place.pause(self._timers())
            self._records.write(S.PAUSED, record.manifest)
        self.say(f"{self.place.app} is paused: events wait")

    def resume(self) -> None:
        """Go on."""
        self._must_run("resume")
        with self._locked("resume"):
            record = self._must_run("resume")
            self.place.resume(self._timers())
            self._records.write(S.ACTIVE, record.manifest)
        self.say(f"{self.place.app} goes on")

    def terminate(self, wait: bool = False) -> None:
        """Take back what activating has made, but data."""
        if self.state() in (S.INITIALIZED, S.TERMINATED):
            self.say(f"{self.place.app} is not active")
            return
        with self._locked("terminate"):
            record = self._records.read()
            if wait and record.state in _RUNNING:
                self.place.pause(self._timers())
                self._wait_for_runs()
            self._records.write(S.TERMINATING, record.manifest)
            # First the DAGs: what the listener announces meanwhile stays in the ledger.
            self.place.dags.remove(self.place.dags.paths())
            self.place.tear_down()
            self._active.remove(self._active.paths())
            self._records.write(S.TERMINATED, "")
        self.say(f"{self.place.app} is terminated; its data is kept")

    def delete(self) -> None:
        """Remove what is left. Raises InactiveError while it is active."""
        state = self.state()
        if state not in (S.INITIALIZED, S.TERMINATED):
            raise InactiveError(f"{self.place.app} is {state}: its data is in use", hint="terminate it first")
        if self.place.reachable():
            self.place.wipe()
        self.say(f"{self.place.app} is deleted")

    # --- what is not active ---

    def save_draft(self, graph: ir.Graph) -> None:
        """Keep a graph that is not active."""
        self.place.begin(self._release(graph))
        self._records.put(DRAFT, graph_file(graph))

    def load_draft(self) -> ir.Graph:
        """Return the graph that was kept. Raises InactiveError when there is none."""
        text = self._records.text(DRAFT) if self.place.reachable() else None
        if text is None:
            raise InactiveError(f"no state of {self.place.app} was saved", hint="save one: save_dev_state()")
        return load_graph(text)

    # --- steps ---

    def _bring_out(self, release: Release, record: Record) -> None:
        active = self._active
        done = record.manifest if record.state in _RUNNING else ""  # of an interrupted one nothing is sure
        there = active.paths()
        fresh = _fresh(release, done, there)
        active.write({path: release.files[path] for path in fresh if path not in (*SWITCH, MANIFEST)})
        self._renew()
        if self.place.infrastructure(release, self._renew):
            self.say("the infrastructure is as declared")
        self._renew()
        self.place.support()
        dags = self.place.dags
        known = dags.paths()
        changed = _fresh(release, done, known)
        dags.write({path: release.files[path] for path in changed if path not in release.dags})
        dags.write({path: release.files[path] for path in changed if path in release.dags})
        if changed:
            self.say(f"{len(changed)} files of DAGs are written")
        self._renew()
        active.write({path: release.files[path] for path in fresh if path in SWITCH})
        active.write({path: release.files[path] for path in fresh if path == MANIFEST})
        dags.remove(known - release.files.keys())
        active.remove(there - release.files.keys())
        self.place.settle(release)

    def _wait_for_runs(self) -> None:
        while running := self._running():
            self.say(f"{running} executions are running")
            self._renew()
            self.sleep(_POLL)

    def _running(self) -> int:
        """How many executions are announced or claimed: those will end by themselves."""
        found = self.place.deployment().ledger.unsettled()
        return sum(o.active is not None and o.active.state in (ANNOUNCED, CLAIMED) for o in found)

    def _waiting(self, program: Program, node: str) -> int | None:
        """How many combinations wait at a node; None when the ledger cannot be asked."""
        try:
            return len(self.place.deployment().engine().pending(node))
        except (ClientError, StateError):
            return None

    def _timers(self) -> tuple[str, ...]:
        """The DAGs that the clock starts, of what is active."""
        return self._release(load_graph(self.place.deployment().file("graph.json"))).timers()

    # --- tools ---

    def _release(self, graph: ir.Graph, concurrent: bool = True) -> Release:
        found = graph if concurrent else one_at_a_time(graph)
        return Release.of(found, dialect=self.place.dialect, bucket=self.place.bucket)

    @property
    def _s3(self) -> object:
        return self.place.session.client("s3")

    @property
    def _active(self) -> BucketStore:
        return BucketStore(self._s3, self.place.bucket, ACTIVE)

    @property
    def _records(self) -> Records:
        return Records(self._s3, self.place.bucket, self.place.owner)

    @property
    def _lock(self) -> Lock:
        if self._known_lock is None:
            self._known_lock = Lock(self._s3, self.place.bucket, LOCK, self.place.owner)
        return self._known_lock

    @contextmanager
    def _locked(self, what: str) -> Iterator[None]:
        with self._lock.held(what):
            yield

    def _renew(self) -> None:
        self._lock.renew()

    def _must_run(self, what: str) -> Record:
        record = self.record()
        if record.state not in _RUNNING:
            raise InactiveError(
                f"there is nothing to {what}: {self.place.app} is {record.state}", hint="activate it first"
            )
        return record


def _nothing(path: str) -> str | None:
    """The text of an active file, where nothing is active."""
    return None


def _fresh(release: Release, done: str, there: set[str]) -> list[str]:
    """The paths of files that are not as a manifest says, or not there."""
    before, after = digests(done), digests(release.manifest)
    return [
        path
        for path in sorted(release.files)
        if path not in there
        or (path == MANIFEST and done != release.manifest)
        or (path != MANIFEST and before.get(path) != after[path])
    ]
