"""What storage has and no event told of -> arrivals, each once: for signals that ask for it (``reconcile``).

The first event of each partition leaves a *claim* in the ledger, by one conditional write; a comparison goes through
what storage lists, from some time on, and makes what nobody has claimed arrive. Of an event and a comparison that come
at the same time one has the claim. An event that comes after all, later than the comparison, tells of what has arrived
already, as its time says: it is dropped. A comparison has a beginning: what was written before it is history.

What has come and is not listed any more was deleted, and the event of that is lost: storage is asked about each such
partition, where windows are checked for it, and then it exists no more. Of a partition that a marker above announces,
or that arrives when it is quiet, what is listed and newer than what was heard of is as good as its event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from rheo_runtime import wire
from rheo_runtime.events import GlueEvent, S3Event, SignalEvent
from rheo_runtime.ledger import Ledger
from rheo_runtime.match import Found, SignalSource
from rheo_runtime.records import CAME, Touched
from rheo_runtime.values import Partition, joined

COMPARED = "compared/"  # the beginning of the ids of arrivals that a comparison has found
GONE = "gone/"
# Storage and events may differ by so many seconds about when something was written.
SLACK = 60.0
EVERY = 3_600.0  # seconds between two comparisons of one signal, in production


# Of a claim, ``announced`` is when the last was written that a comparison has found; a claim of its own that is not
# announced yet is about to arrive.


class Listed(NamedTuple):
    """Something that storage has, as an event of its time would tell it; ``after`` is where to go on behind it."""

    event: S3Event | GlueEvent | SignalEvent
    after: str = ""


class Lister(Protocol):
    """Storage that can say what it has."""

    def listed(self, signal: wire.Signal, after: str) -> Iterator[Listed]:
        """Yield what it has of a signal, behind ``after`` in its own order."""

    def gone(self, signal: wire.Signal, partition: Partition) -> bool:
        """Say whether a partition that has come is there no more; raises when storage cannot tell."""


def claim(
    ledger: Ledger, source: SignalSource, partition: Partition, event_id: str, time: float, now: float
) -> bool:
    """Note that an event of a partition came; False when it tells of what a comparison has found before."""
    new = Touched(came(source), partition, event_id, time, now)
    old = None
    while not ledger.touch(old, new):
        old = ledger.touched(new.signal, partition)
        if old is None:
            continue
        found = old.time if old.event_id.startswith(COMPARED) else old.announced
        if time <= found + SLACK:
            return False
        new = new._replace(announced=old.announced)
        if time <= old.time and not old.event_id.startswith(GONE):
            return True  # later ones have come: nothing is to be noted
    return True


def release(
    ledger: Ledger, source: SignalSource, partition: Partition, event_id: str, time: float, now: float
) -> None:
    """Note that a partition was deleted: when it is there again, it has not come."""
    old = ledger.touched(came(source), partition)
    while old is not None and old.time <= time:
        if ledger.touch(old, Touched(came(source), partition, f"{GONE}{event_id}", time, now)):
            return
        old = ledger.touched(came(source), partition)


def came(source: SignalSource) -> str:
    """Return the name under which the claims of a signal are kept."""
    return f"{wire.meaning(source.signal)}{CAME}"


class Comparison:
    """One comparison of a signal with storage.

    Parameters
    ----------
    find
        Adds to a list what an event names.
    arrive
        Makes a partition arrive, under an event id, of a time.
    hear
        Takes an event of an object as if it had come: of data that something else announces.
    end
        Lets a partition exist no more, since a time.
    """

    def __init__(
        self,
        ledger: Ledger,
        source: SignalSource,
        find: Callable[[object, list[Found]], None],
        arrive: Callable[[Found, str, float], None],
        hear: Callable[[S3Event], None],
        end: Callable[[Found, float], None],
    ) -> None:
        self._ledger = ledger
        self._source = source
        self._find = find
        self._arrive = arrive
        self._hear = hear
        self._end = end
        self._listed: set[Partition] = set()
        self._heard: dict[Partition, float] | None = None
        self._name = came(source)
        self._known: dict[Partition, Touched] | None = None

    def begin(self, now: float) -> float | None:
        """Let what is written from now on be compared, unless it is already; return since when it is."""
        begin = self._ledger.cursor(f"{self._name}|begin")
        if begin is None:
            self._ledger.move(f"{self._name}|begin", None, int(now))
        return begin

    def run(self, storage: Lister, now: float, every: float, in_time: Callable[[], bool]) -> None:
        """Compare, if it is time to; go on next time where there is no time left."""
        begin, ledger = self.begin(now), self._ledger
        due = ledger.cursor(f"{self._name}|next")
        if begin is None or (due is not None and now < due):
            return
        place = f"{self._name}|place"
        left = ledger.touched(place, ())
        after, count = left.event_id if left is not None else "", 0
        try:
            for listed in storage.listed(self._source.signal, after):
                self._look(listed, begin, now)
                after, count = listed.after or after, count + 1
                if not in_time():
                    self._leave(place, left, after, now)
                    return
        except Exception:
            self._leave(place, left, "", now)  # a place may have become stale: begin anew, and not at once
            ledger.move(f"{self._name}|next", due, int(now + every))
            raise
        self._leave(place, left, "", now)
        ledger.move(f"{self._name}|next", due, int(now + every))
        if left is None or not left.event_id:  # all of it was listed just now
            self._look_for_deletions(storage, now, in_time)

    def _look_for_deletions(self, storage: Lister, now: float, in_time: Callable[[], bool]) -> None:
        """What has come and was not listed: where windows are checked for it, it ends if storage says so too."""
        signal = self._source.signal
        if self._source.layout is None or not self._source.ends:
            return
        for partition, known in list(self._claims().items()):
            if partition in self._listed or known.event_id.startswith(GONE):
                continue
            if not in_time():
                return
            if storage.gone(signal, partition):
                time = max(now, known.time)  # whatever its event says of when it was written
                self._end(Found(self._source, partition, signal.texts(partition)), time)

    def _leave(self, place: str, left: Touched | None, after: str, now: float) -> None:
        if after or left is not None:
            self._ledger.touch(left, Touched(place, (), after, now, now))

    def _look(self, listed: Listed, begin: float, now: float) -> None:
        written = listed.event.time
        if written < begin:
            return
        found: list[Found] = []
        self._find(listed.event, found)
        found = [one for one in found if one.signal_source is self._source]
        if self._source.touches and isinstance(listed.event, S3Event):
            self._touched(listed.event, found)
            return
        for one in found:
            self._listed.add(one.partition)
            self._compare(one, written, now)

    def _touched(self, event: S3Event, found: list[Found]) -> None:
        """An object of data that something else announces, or a marker: heard of now, unless it was before."""
        if self._heard is None:
            name = wire.meaning(self._source.signal)
            self._heard = {
                t.partition: t.time for each in (name, f"{name}^") for t in self._ledger.touches(each)
            }
        keys = [one.partition for one in found] or [(event.key.rpartition("/")[0],)]
        if all(event.time <= self._heard.get(key, float("-inf")) + SLACK for key in keys):
            return
        self._hear(event._replace(id=f"{COMPARED}{event.key}@{event.time:.0f}"))
        self._heard |= dict.fromkeys(keys, event.time)

    def _compare(self, found: Found, written: float, now: float) -> None:
        known = self._claims().get(found.partition)
        if known is not None and known.event_id.startswith(GONE):
            if written <= known.time:
                return
        elif known is not None and written <= known.time + SLACK:
            if known.event_id.startswith(COMPARED) and known.announced < known.time:
                self._finish(found, known)  # it was found before, and a crash came in between
            return
        id = f"{COMPARED}{joined(found.texts)}@{written:.0f}"
        new = Touched(self._name, found.partition, id, written, now)
        if self._ledger.touch(known, new):
            self._finish(found, new)
        # Else an event has come in this moment, or another comparison.

    def _finish(self, found: Found, claimed: Touched) -> None:
        self._arrive(found, claimed.event_id, claimed.time)
        done = claimed._replace(announced=claimed.time)
        self._ledger.touch(claimed, done)
        self._claims()[found.partition] = done

    def _claims(self) -> dict[Partition, Touched]:
        """The claims of all partitions, read when the first is asked for."""
        if self._known is None:
            self._known = {t.partition: t for t in self._ledger.touches(self._name)}
        return self._known
