"""An application and its place -> activated, planned, paused, terminated, deleted.

The order of an activation is one in which it may be interrupted anywhere, and done again:

1. the scripts of jobs, which nothing starts yet;
2. the infrastructure: jobs, permissions, and the listener with the new routes. What it announces before
   Airflow has a DAG waits in the ledger;
3. the DAG files, with what they read;
4. the files that say what is active, and what is no longer needed is removed.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from botocore.exceptions import ClientError

from codegen.contract import told
from codegen.graph_json import graph_file, load_graph
from rheo_platforms.consoles import console
from rheo_platforms.deployment import ACTIVE
from rheo_platforms.lifecycle import changes
from rheo_platforms.lifecycle.changes import Change, PlannedChanges
from rheo_platforms.lifecycle.drift import drifted
from rheo_platforms.lifecycle.errors import DeployError, InactiveError, NameTakenError, ProtectedError
from rheo_platforms.lifecycle.first_edition import take_up
from rheo_platforms.lifecycle.history import History, Note
from rheo_platforms.lifecycle.place import NAMED, Place, Say
from rheo_platforms.lifecycle.preview import preview_graph
from rheo_platforms.lifecycle.record import DRAFT, LOCK, PROMOTION, Lock, Record, Records
from rheo_platforms.lifecycle.release import MANIFEST, SWITCH, Release, digests, one_at_a_time
from rheo_platforms.lifecycle.stores import BucketStore
from rheo_platforms.lifecycle.switches import DagSwitches
from rheo_runtime.airflow_client import Refused, Unavailable
from rheo_runtime.engine import Engine
from rheo_runtime.program import Program
from rheo_runtime.records import ANNOUNCED, CLAIMED
from rheo_runtime.wire import RouteTable
from rheodsl import ir
from rheodsl.errors import StateError, UnknownNameError
from rheodsl.lifecycle import ApplicationState as S

_HALTED = (S.PAUSED, S.PAUSING, S.RESUMING)
_RUNNING = (S.ACTIVE, *_HALTED)
_UNFINISHED = (S.ACTIVATING, S.TERMINATING)
_POLL = 5.0
_ROLL_BACK = "roll back to "
_LOG = logging.getLogger("rheo")


class Lifecycle:
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
        """Return the record of the application. Raises NameTakenError when another one has its names."""
        if not self.place.reachable():
            return Record()
        if (other := self.place.tenant()) not in (None, self.place.app):
            raise NameTakenError.of(self.place.app, str(other), f"s3://{self.place.bucket}")
        return self._records.read()

    def state(self) -> S:
        """Return what the application is now."""
        return self.record().state

    def active_graph(self) -> ir.Graph:
        """Return what is active. Raises InactiveError when nothing is."""
        self._must_run("attach to")
        return load_graph(self.place.deployment().file("graph.json"))

    def plan(
        self, graph: ir.Graph, concurrent: bool, upstream: Callable[[ir.Partner], ir.Graph | None]
    ) -> PlannedChanges:
        """Return what activating would change; ``upstream`` gives what is active in another application."""
        release = self._release(graph, concurrent)
        record = self.record()
        active_graph = self.active_graph() if record.state in _RUNNING else None
        read = self._active.read if record.manifest else _nothing
        old = {name: read(name) for name in SWITCH}
        resources, allowed = self.place.preview(release)
        return PlannedChanges(
            app=self.place.app,
            state=record.state,
            signals=changes.entities(old["graph.json"], release.files["graph.json"], "signals"),
            nodes=changes.entities(old["graph.json"], release.files["graph.json"], "nodes"),
            files=changes.files(record.manifest, read, release.files),
            resources=resources,
            permissions=allowed,
            pending=changes.pending(old["routes.json"], release.files["routes.json"], self._waiting),
            contracts=tuple(map(str, told(active_graph, release.graph, upstream))),
            owners=self.place.for_owners(release),
            drift=self.drift(record),
        )

    # --- what changes it ---

    def drift(self, record: Record) -> tuple[Change, ...]:
        """Return what was changed by hand since the active release; nothing for one of an older version."""
        if record.state not in _RUNNING or not record.digest:
            return ()
        release = self._history.content(record.digest)
        beside = {NAMED: self.place.dags.read(NAMED) or ""} if NAMED in self.place.dags.paths() else {}
        return (
            *self.place.drift(release),
            *drifted(self._active, release.files, "bucket"),
            *drifted(self.place.dags, {**self.place.bound(release), **beside}, "DAG folder"),
        )

    def activate(self, graph: ir.Graph, concurrent: bool = True, refresh: bool = False) -> None:
        """Let it run as it is declared now; with ``refresh``, also where somebody changed it by hand since."""
        release = self._release(graph, concurrent)
        self._allowed(self.record(), graph)  # nothing is touched that is another application's
        self.place.begin(release)
        self._bring(release, "activate", refresh)

    def rollback(self, number: int | None = None) -> None:
        """Let it run as it was in a release: in the one that was active before this one, when none is given.

        That is a release too. One that was interrupted is finished, by either call. Raises InactiveError when nothing
        is active, UnknownNameError without such a release.
        """
        record = self.record()
        if record.state is not S.ACTIVATING:  # which may be one that was interrupted
            record = self._must_run("roll back")
        self._allowed(record)
        wanted = self._before(record) if number is None else number
        release = self._history.load(wanted)
        self._allowed(record, release.graph)
        self._bring(release, f"{_ROLL_BACK}{wanted}")

    def releases(self) -> list[Note]:
        """Return what is known of each release, the first one first."""
        return self._history.notes() if self.place.reachable() and self.record() else []

    def preview(self, wanted: ir.Graph, staged: ir.Graph, base: Lifecycle, concurrent: bool = True) -> None:
        """Let what differs from another stage run here, with what comes after it.

        Parameters
        ----------
        wanted
            The program as it would be at the other stage: what `promote` brings there.
        staged
            The program at this stage.
        base
            The other stage, which is active. It is read, and not changed.

        Raises InactiveError when it is not, StateError when nothing differs.
        """
        known = base.record()
        graph, wanted = self._previewed(wanted, staged, base, concurrent)
        release, promised = self._compiled(graph), base._compiled(wanted)
        self._allowed(self.record(), graph)
        self.place.begin(release)
        # What is promised is compiled now: it is brought out as it is, whatever the program is by then.
        digest = self._history.put(promised, base.place.stock(promised))
        promise = {"app": base.place.app, "digest": digest, "manifest": known.manifest}
        self._records.put(PROMOTION, json.dumps(promise, indent=1, sort_keys=True))
        self._bring(release, f"preview from {base.place.app}")

    def plan_preview(
        self,
        wanted: ir.Graph,
        staged: ir.Graph,
        base: Lifecycle,
        concurrent: bool,
        upstream: Callable[[ir.Partner], ir.Graph | None],
    ) -> PlannedChanges:
        """Return what `preview` would change here; ``upstream`` is as in `plan`."""
        (graph, _), app = self._previewed(wanted, staged, base, concurrent), base.place.app
        reads = tuple(
            signal.id
            for signal in graph.signals
            if isinstance(signal.source, ir.UpstreamSource) and signal.source.app == app
        )
        return replace(self.plan(graph, concurrent, upstream), base=app, reads=reads)

    def _previewed(
        self, wanted: ir.Graph, staged: ir.Graph, base: Lifecycle, concurrent: bool
    ) -> tuple[ir.Graph, ir.Graph]:
        """What of a program runs here as a preview of another stage, and the program as it would be there."""
        if not concurrent:
            wanted, staged = one_at_a_time(wanted), one_at_a_time(staged)
        wanted, staged = base.place.located(wanted), self.place.located(staged)
        there = base.place
        return preview_graph(base.active_graph(), wanted, staged, there.partner, there.bucket), wanted

    def promote(self, base: Lifecycle) -> None:
        """Let the stage that this one is a preview of run what was previewed: the very files.

        Raises StateError when this is no preview of it, or it has changed since.
        """
        text = self._records.text(PROMOTION) if self.place.reachable() else None
        promise = {} if text is None else json.loads(text)
        if promise.get("app") != base.place.app:
            raise StateError(
                f"{self.place.app} is no preview of {base.place.app}",
                hint="make it one: rheo activate --stage ... --from ...",
            )
        release, known = self._history.content(promise["digest"]), base.record()
        if known.manifest not in (promise["manifest"], release.manifest):
            raise StateError(
                f"{base.place.app} has changed since {self.place.app} was made from it",
                hint="make the preview again, and look at it again",
            )
        base._allowed(known, release.graph)
        base._bring(release, f"promote {self.place.app}")

    def _before(self, record: Record) -> int:
        """The number of the release to go back to: of what was begun and not finished, the one that it began from.

        A rollback is under way as long as its lock is there, which is taken first and given back last; or, when
        somebody has removed that, as long as its release is not the active one.
        """
        notes = self._history.notes()
        begun = [note.what for note in notes[-1:] if record.state is S.ACTIVATING]
        for what in (self._lock.left(), *begun):
            if what.startswith(_ROLL_BACK):
                return int(what.removeprefix(_ROLL_BACK))
        if record.state is S.ACTIVATING:
            found = [note.number for note in notes if note.number == record.release]
        else:
            found = [
                note.number for note in notes if note.number < record.release and note.digest != record.digest
            ]
        if not found:
            raise UnknownNameError(
                f"{self.place.app} has no release before the active one",
                hint="see its releases: rheo releases",
            )
        return found[-1]

    def _bring(self, release: Release, what: str, refresh: bool = False) -> None:
        with self._locked(what):
            record = self._records.read()
            self._allowed(record, release.graph)
            stock = self.place.stock(release)
            same = (
                record.state in _RUNNING
                and record.manifest == release.manifest
                and record.digest == release.digest(stock)
            )
            new = record
            if not same:
                note = self._history.keep(
                    release,
                    stock,
                    active=record.release,
                    what=what,
                    by=self.place.owner,
                    plan=self._changed(release, record),
                )
                self.say(f"this is release {note.number}")
                self._records.write(replace(record, state=S.ACTIVATING))
                new = replace(
                    record,
                    manifest=release.manifest,
                    release=note.number,
                    digest=note.digest,
                    runtime=note.runtime,
                )
            self._bring_out(release, record, refresh)
            if not same:
                self.place.unsupport()
            if record.state in _HALTED:
                self.place.resume()
            self._switch_on(release)
            if record.state is not S.ACTIVE or not same or record.activated_by != release.graph.activated_by:
                by = release.graph.activated_by
                self._records.write(replace(new, state=S.ACTIVE, activated_by=by))
                self.say(f"{release.app} is active")
            else:
                self.say(f"{release.app} is active as it was")

    def _changed(self, release: Release, record: Record) -> tuple[str, ...]:
        """What a release changes, a line for each signal and node."""
        old = self._active.read("graph.json") if record.manifest else None
        kinds = ("signals", "nodes")
        return tuple(
            str(each) for kind in kinds for each in changes.entities(old, release.files["graph.json"], kind)
        )

    def _allowed(self, record: Record, graph: ir.Graph | None = None) -> None:
        """Refuse whom neither what is active nor what shall be lets change it."""
        for role in {record.activated_by, "" if graph is None else graph.activated_by} - {""}:
            if self.place.role != role.rpartition("/")[2]:
                raise ProtectedError(
                    f"{self.place.app} may be changed by {role} alone, and you are {self.place.role}",
                    hint="let those activate it who may: mostly the CI, after a review",
                )

    def follow(self, graph: ir.Graph, activate: bool) -> None:
        """Let what is active be a graph; or, without ``activate``, say on standard error when it is not.

        Raises InactiveError when another one is active and does not run: activating would let it go on.
        """
        state = self.record().state
        text = self._active.read("graph.json") if self.place.reachable() else None
        active = None if text is None or state is S.TERMINATED else load_graph(text)
        known = load_graph(graph_file(self.place.located(graph)))
        if active in (known, one_at_a_time(known)) and state not in _UNFINISHED:
            return
        app = self.place.app
        if active is None:
            what = f"nothing of {app} is active"
        else:
            what = f"this program declares something else than what is active of {app}"
        if not activate:
            if active is not None:
                _show(f"{what}, which is what runs: activate() takes it over")
            return
        if state in _HALTED:
            raise InactiveError(
                f"{what}, and {app} is {state}", hint="resume it first, or run what is active: activate=False"
            )
        _show(f"{what}: it is activated first")
        said, self.say = self.say, _show
        try:
            self.activate(graph, concurrent=active is None or active != one_at_a_time(active))
        finally:
            self.say = said

    def pause(self) -> None:
        """Start no more runs; lose no event. What fails half way is PAUSING, and may be repeated."""
        with self._turning("pause", S.PAUSING, S.PAUSED):
            self._pause()
        self.say(f"{self.place.app} is paused: events wait")

    def resume(self) -> None:
        """Go on. What fails half way is RESUMING, and may be repeated."""
        with self._turning("resume", S.RESUMING, S.ACTIVE):
            self.place.resume()
            self._switch_on(self._active_release())
        self.say(f"{self.place.app} goes on")

    @contextmanager
    def _turning(self, what: str, meanwhile: S, then: S) -> Iterator[None]:
        self._must_run(what)
        with self._locked(what):
            record = self._must_run(what)
            self._allowed(record)
            self._records.write(replace(record, state=meanwhile))
            try:
                yield
            except ClientError as fault:
                raise DeployError(
                    f"AWS did not {what} {self.place.app}, which is {meanwhile} now: {fault}",
                    hint="do it again: it goes on where it was",
                ) from fault
            self._records.write(replace(record, state=then))

    def terminate(self, wait: bool = False) -> None:
        """Take back what activating has made, but data."""
        if self.state() in (S.INITIALIZED, S.TERMINATED):
            self.say(f"{self.place.app} is not active")
            return
        with self._locked("terminate"):
            record = self._records.read()
            self._allowed(record)
            if wait and record.state in _RUNNING:
                self._pause()
                self._wait_for_runs()
            self._records.write(replace(record, state=S.TERMINATING))
            # First the DAGs: what the listener announces meanwhile stays in the ledger.
            self.place.dags.remove(self.place.dags.paths())
            self.place.tear_down()
            self.place.unsupport()
            self._active.remove(self._active.paths())
            self._records.write(replace(record, state=S.TERMINATED, manifest="", digest="", runtime=""))
        self.say(f"{self.place.app} is terminated; its data is kept")

    def delete(self, name: str | None = None) -> None:
        """Remove what is left; ``name`` is its name, which must be given where only a role may change it.

        Raises InactiveError while it is active, ProtectedError.
        """
        record = self.record()
        state = record.state
        self._allowed(record)
        if record.activated_by and name != self.place.app:
            raise ProtectedError(
                f"{self.place.app} is deleted only if its name is given",
                hint=f"app.delete({self.place.app!r}), or: rheo delete --name {self.place.app}",
            )
        if state not in (S.INITIALIZED, S.TERMINATED):
            raise InactiveError(f"{self.place.app} is {state}: its data is in use", hint="terminate it first")
        if self.place.reachable():
            self.place.wipe()
        self.say(f"{self.place.app} is deleted")

    # --- what is not active ---

    def save_draft(self, graph: ir.Graph) -> None:
        """Keep a graph that is not active."""
        self.record()
        self.place.begin(self._compiled(graph))
        self._records.put(DRAFT, graph_file(graph))

    def load_draft(self) -> ir.Graph:
        """Return the graph that was kept. Raises InactiveError when there is none."""
        self.record()
        text = self._records.text(DRAFT) if self.place.reachable() else None
        if text is None:
            raise InactiveError(f"no state of {self.place.app} was saved", hint="save one: save_dev_state()")
        return load_graph(text)

    # --- steps ---

    def _bring_out(self, release: Release, record: Record, refresh: bool) -> None:
        active = self._active
        # Of an interrupted one nothing is sure.
        done = record.manifest if record.state in _RUNNING and not refresh else ""
        there = active.paths()
        fresh = _fresh(release, done, there)
        active.write({path: release.files[path] for path in fresh if path not in (*SWITCH, MANIFEST)})
        self._renew()
        if record.manifest:
            self._recount(release)
        if self.place.infrastructure(release, self._renew, refresh):
            self.say("the infrastructure is as declared")
        self._renew()
        self.place.support(release)
        dags, bound = self.place.dags, self.place.bound(release)
        known = dags.paths() - {NAMED}
        changed = set(_fresh(release, done, known))
        if done and record.runtime != release.runtime_id:
            changed |= release.dags & {path for path in release.dags if bound[path] != release.files[path]}
        dags.write({path: bound[path] for path in changed if path not in release.dags})
        dags.write({path: bound[path] for path in changed if path in release.dags})
        if changed:
            self.say(f"{len(changed)} files of DAGs are written")
        self._renew()
        self._recount(release, again=True)
        if record.manifest and not record.digest:  # what the first edition has activated
            self._take_up(release)
        elif done:
            self._catch_up(release)
        active.write({path: release.files[path] for path in fresh if path in SWITCH})
        active.write({path: release.files[path] for path in fresh if path == MANIFEST})
        dags.remove(known - release.files.keys())
        active.remove(there - release.files.keys())
        self.place.settle(release)

    def _take_up(self, release: Release) -> None:
        """Let what the first edition has left waiting wait on: its routes are the active ones still."""
        place, table = self.place.deployment(), RouteTable.loads(release.files["routes.json"])
        engine = Engine(table, place.ledger, time.time, place.storage)
        if count := take_up(Program(place.routes), engine, place.ledger):
            self.say(f"{count} arrivals that wait are taken up")

    def _recount(self, release: Release, again: bool = False) -> None:
        """Let nodes that are declared otherwise find what was written with an output alone.

        Before the listener is the new one, so that it finds it; and once more after that, for what the old one has
        written meanwhile: this is joined ``again``, as what came in between has not found it.
        """
        routes = release.files["routes.json"]
        if self._active.read("routes.json") == routes:
            return
        place = self.place.deployment()
        engine = Engine(RouteTable.loads(routes), place.ledger, time.time, place.storage)
        found = engine.recount()
        for fault in engine.look_again(found).faults if again else ():
            self.say(fault)

    def _catch_up(self, release: Release) -> None:
        """Run what lacks nothing any more, as less is asked for than before, and say what of that which waits is lost."""
        place, routes = self.place.deployment(), release.files["routes.json"]
        before, table = place.routes, RouteTable.loads(routes)
        if before == table:
            return
        for pending in changes.pending(before.dumps(), routes, lambda *_: None):
            if not pending.kept:
                self.say(str(pending))
        engine = Engine(table, place.ledger, time.time, place.storage)
        outcome = engine.catch_up(changes.asks_otherwise(Program(before), engine.program))
        for fault in outcome.faults:
            self.say(fault)
        if outcome.fired:
            self.say(f"{len(outcome.fired)} executions that waited for what is asked for no more are ready")

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

    def _pause(self) -> None:
        """Let the listener rest, and the DAGs that the clock starts."""
        self.place.pause()
        try:
            unseen = DagSwitches(self.place.deployment()).switch_off(self._active_release().timers())
        except (Unavailable, Refused) as fault:
            raise _silent(fault, f"{self.place.app} is paused half way: do it again") from fault
        for dag in unseen:
            self.say(f"Airflow has not seen {dag} yet, and will not find it paused: pause again when it has")

    def _switch_on(self, release: Release) -> None:
        """Let Airflow run the DAGs, but those that a person paused."""
        try:
            paused = DagSwitches(self.place.deployment()).switch_on(release.stack["dags"])
        except (Unavailable, Refused) as fault:
            raise _silent(fault, f"DAGs of {release.app} may still be paused: do it again") from fault
        for dag in paused:
            self.say(f"{dag} is PAUSED by a person, and stays so: unpause it in Airflow")

    def _active_release(self) -> Release:
        return self._compiled(load_graph(self.place.deployment().file("graph.json")))

    # --- tools ---

    def _release(self, graph: ir.Graph, concurrent: bool = True) -> Release:
        return self._compiled(self.place.located(graph if concurrent else one_at_a_time(graph)))

    def _compiled(self, graph: ir.Graph) -> Release:
        return Release.of(graph, dialect=self.place.dialect, bucket=self.place.bucket)

    @property
    def _s3(self) -> object:
        return self.place.session.client("s3")

    @property
    def _active(self) -> BucketStore:
        return BucketStore(self._s3, self.place.bucket, ACTIVE)

    @property
    def _records(self) -> Records:
        return Records(self._s3, self.place.bucket, self.place.owner, self.place.app)

    @property
    def _history(self) -> History:
        return History(self._s3, self.place.bucket, self.place.app)

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


def _silent(fault: Exception, hint: str) -> DeployError:
    return DeployError(f"Airflow does not say which DAGs are paused: {fault}", hint=hint)


def _show(line: str) -> None:
    """Progress of what was not asked for by name, and is seen wherever logs are not."""
    console(stderr=True, soft_wrap=True).print(line, markup=False)


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
