"""Every order in which cooperating processes may take their steps, each once -> the law, held in all of them.

Processes are greenlets that stop before each call that others can see (of the ledger, of Airflow, of the event
bus). A history is a list of choices: which process goes on, crashes, or loses the answer of its call. Histories
that lead to the same state are told apart no further (state hashing), and of two steps that touch different
things only one order is taken (sleep sets: P. Godefroid, Partial-Order Methods for the Verification of
Concurrent Systems, LNCS 1032, 1996, chapters 5 and 6, with the rule of its section 5.3 for visited states).
A step that touches what no other process ever does is taken at once (a persistent set of one process): who
touches what is first believed to be nobody, and an exploration that sees more begins anew with what it saw. So is one
that compares with a version that is there no more: it is refused, now or later. A crash is one choice for each of
what it leaves behind: after a step that has changed nothing it is the same as before that.

What a process will do is told by where it stands, what it has learnt and what it keeps in memory. Of a call that is
over it has learnt the answer alone, where that is all it keeps (`Scheduler.summed`). Of a version it only asks
whether it is there still.

A state is reached by playing its choices from the beginning: nothing of a process needs to be copied.
"""

from __future__ import annotations

import dis
import hashlib
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from types import CodeType
from typing import ClassVar, NamedTuple, Protocol, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")

GO, CRASH, LOSE, LAG = "", "x", "l", "o"
GLANCES = 50  # histories at random before the first one in order: an exploration that learns who touches what begins anew


class Touch(NamedTuple):
    """What the next call of a process touches: ``things`` (none: nothing is known, so all), and whether it writes."""

    things: frozenset[str]
    writes: bool = True
    answers: bool = False  # the call goes over a network that may lose its answer
    lags: bool = False  # the call may be shown what it asks for as it was before it was changed last

    def commutes(self, other: Touch) -> bool:
        """Say whether the order of two calls makes no difference."""
        if not (self.writes or other.writes):
            return True
        return bool(self.things and other.things) and not self.things & other.things


EVERYTHING = Touch(frozenset())
NOTHING_ELSE = Touch(frozenset(["nothing"]), writes=False)


class Choice(NamedTuple):
    """The process that goes on, and how: it goes, crashes before its call, loses the answer of it, or gets an old one."""

    process: int
    how: str = GO

    def __str__(self) -> str:
        return f"{self.process}{self.how}"

    @staticmethod
    def read(text: str) -> Choice:
        """Read what ``str`` writes."""
        number = text.rstrip(CRASH + LOSE + LAG)
        return Choice(int(number), text[len(number) :])


class Touchers:
    """Which processes are believed to read and to write each thing; what is not so is ``wrong``."""

    def __init__(self) -> None:
        self.readers: dict[str, set[int]] = {}
        self.writers: dict[str, set[int]] = {}
        self.everywhere: set[int] = set()  # processes with a call of which nothing is known
        self.wrong = False

    def add(self, process: int, touch: Touch) -> None:
        """A process is about to touch something."""
        if not touch.things and process not in self.everywhere:
            self.everywhere.add(process)
            self.wrong = True
        book = self.writers if touch.writes else self.readers
        for thing in touch.things:
            known = book.setdefault(thing, set())
            if process not in known:
                known.add(process)
                self.wrong = True

    def alone(self, touch: Touch, others_left: frozenset[int]) -> bool:
        """Say whether none of the others touches what this one is about to, or reads only what it reads."""
        if not touch.things or self.everywhere & others_left:
            return not others_left
        others: set[int] = set()
        for thing in touch.things:
            others |= self.writers.get(thing, set())
            if touch.writes:
                others |= self.readers.get(thing, set())
        return not others & others_left


class Crash(BaseException):
    """The process ends here: no handler may catch it."""


@cache
def _instruction(code: CodeType, at: int) -> int:
    """The instruction at which a frame is: Python adapts it to what it meets, and may be a little behind it or before."""
    found = [(i.offset, i.opname) for i in dis.get_instructions(code)]
    place = bisect_right(found, at, key=lambda one: one[0]) - 1
    return found[place + (found[place][1] == "PRECALL")][0]


class Known(NamedTuple):
    """What a process has learnt within one call: a digest of the answers, and versions that it may compare with.

    ``again`` is of a call that begins anew when such a comparison fails: what it has learnt that holds still.
    """

    answers: bytes = b""
    versions: Mapping[str, int] = {}
    again: bytes | None = None


NOTHING = (Known(),)


class Process:
    """A function that stops before each call.

    Attributes
    ----------
    known
        What it has learnt, in each call of `Scheduler.summed` that it is in, the innermost last.
    compares
        The version with which its next call compares what is there.
    changed
        Whether its last step may have changed what others see: else a crash now is one before that step.
    keeps
        What it has in memory beside its frames.
    """

    def __init__(
        self,
        body: Callable[[], None],
        ready: Callable[[], bool] | None = None,
        crash: Callable[[], Touch] = lambda: NOTHING_ELSE,
    ) -> None:
        self.body, self._ready, self.crash = body, ready, crash
        self.touch, self.known, self.over, self.begun = EVERYTHING, NOTHING, False, False
        self.compares: tuple[str, int] | None = None
        self.changed = True
        self.keeps: list[Callable[[], object]] = []
        self._greenlet = greenlet(self._run)

    def place(self) -> list[int]:
        """Where in its code it has stopped: the instruction of each frame."""
        found, frame = list[int](), self._greenlet.gr_frame
        while frame is not None:
            found += (id(frame.f_code), _instruction(frame.f_code, frame.f_lasti))
            frame = frame.f_back
        return found

    def end(self) -> None:
        """Unwind what is left of it: nothing else frees a greenlet's frames."""
        if self.begun and not self.over:
            self._greenlet.throw(Crash)

    def _run(self, *_: object) -> None:
        try:
            self.body()
        except Crash:
            pass
        finally:
            self.over = True

    def ready(self) -> bool:
        """Say whether it can go on: one that has not begun may have nothing to do yet."""
        return not self.over and (self.begun or self._ready is None or self._ready())

    def go(self, crash: bool) -> None:
        """Take one step: up to the next call, or the end."""
        self.changed = not self.begun or self.touch.writes
        if not self.begun:
            self.begun = True
            if crash:
                self.over = True
                return
            self._greenlet.switch()
        elif crash:
            self._greenlet.throw(Crash)
        else:
            self._greenlet.switch()


class Scheduler:
    """What processes call before a step that others can see."""

    at_work: ClassVar[Scheduler | None] = None  # that of the process that takes a step just now

    def __init__(self) -> None:
        self.current: Process | None = None
        self.forgets = False  # where no two states are compared, nobody asks what a process has learnt

    def let(self, process: Process, *, crash: bool = False) -> None:
        """Let a process take one step."""
        self.current, Scheduler.at_work = process, self
        try:
            process.go(crash)
        finally:
            self.current = Scheduler.at_work = None

    def step(self, touch: Touch | None = None, compares: tuple[str, int] | None = None) -> None:
        """Stop before a call; without ``touch`` it is no stop: something is over that is no call of its own.

        ``compares`` is the version that has to be there for the call to be done, of what.
        """
        process = self.current
        if touch is None or process is None:
            return
        process.touch, process.compares = touch, compares
        getcurrent().parent.switch()

    def learnt(self, answer: object, versions: Mapping[str, int] = {}) -> None:
        """Take the answer of a call into what the process knows; ``versions`` are what it may compare with later."""
        process = self.current
        if process is not None and not self.forgets:
            *calls, last = process.known
            known = digest((last.answers, answer))
            # What has been compared well is done.
            again = known if last.again is not None and process.compares is not None else last.again
            process.known = (*calls, Known(known, {**last.versions, **versions}, again))

    def refused(self) -> None:
        """Take in that a comparison failed: a call that begins anew has learnt nothing, any other one that."""
        process = self.current
        if process is not None:
            process.changed = False
        if process is not None and (kept := process.known[-1].again) is not None:
            process.known = (*process.known[:-1], Known(kept, again=kept))
        else:
            self.learnt("refused")

    def summed(
        self,
        call: Callable[[], T],
        came_to: Callable[[T], object],
        *,
        forgets: bool = False,
        again: bool = False,
    ) -> T:
        """Make a call of which the process keeps nothing but its answer, or its fault.

        With ``forgets`` it keeps nothing either of what it had learnt before. With ``again`` the call keeps nothing of
        what it has learnt itself, when it compares with a version that is there no more.
        """
        process = self.current
        if process is None:
            return call()
        process.known = (
            *(NOTHING * len(process.known) if forgets else process.known),
            Known(again=b"" if again else None),
        )
        try:
            answer = call()
        except Exception as fault:
            process.known = process.known[:-1]
            self.learnt(repr(fault))
            raise
        process.known = process.known[:-1]
        if not self.forgets:
            self.learnt(came_to(answer))
        return answer


class Scene(Protocol):
    """A small world: made anew for each history."""

    def is_now(self, of: str, version: int) -> bool:
        """Say whether a version is what a comparison would meet now: once it is not, it never is again."""

    scheduler: Scheduler
    processes: Sequence[Process]

    def fail(self, how: str) -> None:
        """Let the next call lose its answer, or get an old one."""

    def state(self) -> object:
        """All that processes can see."""

    def past(self) -> object:
        """What an old answer may show: it makes no difference where nothing goes wrong any more."""

    def check(self) -> None:
        """Bring the world to rest and hold the law; raises AssertionError."""


def digest(thing: object) -> bytes:
    """Return a digest of plain values."""
    return hashlib.blake2b(repr(thing).encode(), digest_size=16).digest()


@dataclass
class Found:
    """What an exploration saw: ``fault`` is the first history that breaks the law, and how."""

    states: int = 0
    steps: int = 0
    histories: int = 0
    exhausted: bool = True
    fault: tuple[str, str] | None = None


class _Node(NamedTuple):
    """A choice that is left for later: where it is met, and what each process had learnt by then."""

    path: tuple[Choice, ...]
    known: tuple[tuple[Known, ...], ...]
    choice: Choice
    sleep: frozenset[Choice]


@dataclass
class Play:
    """One history under way."""

    scene: Scene
    crashes: int
    touchers: Touchers
    path: list[Choice] = field(default_factory=list)

    def choices(self, all_of_them: bool = False) -> list[Choice]:
        """What may be chosen now; of one process alone, where that is enough, unless all are asked for."""
        found = []
        left = frozenset(number for number, process in enumerate(self.scene.processes) if not process.over)
        for number, process in enumerate(self.scene.processes):
            if not process.ready():
                continue
            own = [Choice(number)]
            if process.begun:
                touches = [process.touch]
                if self.crashes and process.changed:
                    touches.append(process.crash())
                for touch in touches:
                    self.touchers.add(number, touch)
                if self.crashes:
                    if process.changed:
                        own.append(Choice(number, CRASH))
                    if process.touch.answers:
                        own.append(Choice(number, LOSE))
                    if process.touch.lags:
                        own.append(Choice(number, LAG))
                # What compares with a version that is there no more changes nothing, now or later.
                alone = process.compares is not None and not self.scene.is_now(*process.compares)
                for touch in touches[1:] if alone else touches:
                    alone = self.touchers.alone(touch, left - {number})
                    if not alone:
                        break
                if not all_of_them and alone:
                    return own
            found += own
        return found

    def take(self, choice: Choice) -> None:
        scene, process = self.scene, self.scene.processes[choice.process]
        self.path.append(choice)
        self.crashes -= choice.how != GO
        scene.fail(choice.how)
        scene.scheduler.let(process, crash=choice.how == CRASH)

    def again(self, node: _Node) -> None:
        """Come back to a choice that was left for later, and take it."""
        scheduler = self.scene.scheduler
        scheduler.forgets = True  # what is learnt on the way is known
        for choice in node.path:
            self.take(choice)
        scheduler.forgets = False
        for process, known in zip(self.scene.processes, node.known, strict=True):
            process.known = known
        self.take(node.choice)

    def state(self) -> bytes:
        # What one that is over has learnt makes no difference any more.
        processes = [None if p.over else self._of(p) if p.begun else False for p in self.scene.processes]
        past = self.scene.past() if self.crashes else None
        return digest((self.scene.state(), past, processes, self.crashes))

    def _of(self, process: Process) -> object:
        """All that makes a difference to what a process does from here on, whatever the world answers."""
        is_now = self.scene.is_now
        known: list[object] = [
            (one.answers, sorted((of, is_now(of, version)) for of, version in one.versions.items()))
            for one in process.known
        ]
        stale = process.compares is not None and not is_now(*process.compares)
        if stale and (kept := process.known[-1].again) is not None:
            known[-1] = kept
        return (
            known,
            stale,
            process.place(),
            sorted(process.touch.things),
            process.changed,
            [keeps() for keeps in process.keeps],
        )

    def end(self) -> None:
        """Free what the processes hold."""
        self.scene.scheduler.current = None
        for process in self.scene.processes:
            process.end()

    def commute(self, a: Choice, b: Choice) -> bool:
        """Say whether two choices of this state may change places."""
        if a.process == b.process or (a.how and b.how):
            return False  # one process has one next step; two faults share what is left of them
        one, other = (self.scene.processes[c.process] for c in (a, b))
        touches = [p.crash() if c.how == CRASH else p.touch for p, c in ((one, a), (other, b))]
        return one.begun and other.begun and touches[0].commutes(touches[1])


def explore(
    make: Callable[[], Scene], crashes: int, enough: Callable[[Found], bool] = lambda _: False
) -> Found:
    """Play every history of a scene with at most so many crashes and lost answers.

    Parameters
    ----------
    make
        Makes the scene, equal each time.
    enough
        Asked now and then; True ends the exploration, which is then not ``exhausted``.
    """
    touchers, glances = Touchers(), iter(range(GLANCES))
    wander(make, crashes, lambda: next(glances, None) is None, touchers=touchers)
    while True:
        touchers.wrong = False
        found = _explore(make, crashes, enough, touchers)
        if not touchers.wrong:
            return found


def _explore(
    make: Callable[[], Scene], crashes: int, enough: Callable[[Found], bool], touchers: Touchers
) -> Found:
    found, visited = Found(), dict[bytes, frozenset[Choice]]()
    left: list[_Node | None] = [None]
    while left:
        if enough(found):
            found.exhausted = touchers.wrong = False
            return found
        node = left.pop()
        play, sleep = Play(make(), crashes, touchers), frozenset[Choice]()
        try:
            if node is not None:
                play.again(node)
                sleep, found.steps = node.sleep, found.steps + len(node.path) + 1
            _descend(play, sleep, visited, left, found)
        except Exception as fault:  # noqa: BLE001 - whatever goes wrong is a fault of the history
            found.fault = (",".join(map(str, play.path)), str(fault) or repr(fault))
            touchers.wrong = False
            return found
        finally:
            play.end()
        if touchers.wrong:
            return found
    return found


def wander(
    make: Callable[[], Scene],
    crashes: int,
    enough: Callable[[], bool],
    seed: int = 0,
    touchers: Touchers | None = None,
) -> Found:
    """Play histories at random: of no use as a proof, and quick to find what many histories have."""
    random, found = Random(seed), Found(exhausted=False)
    touchers = Touchers() if touchers is None else touchers
    while not enough():
        play = Play(make(), crashes, touchers)
        play.scene.scheduler.forgets = True
        try:
            while choices := play.choices(all_of_them=True):
                going = [choice for choice in choices if not choice.how]
                play.take(random.choice(going if random.random() < 0.9 else choices))
                found.steps += 1
            found.histories += 1
            play.scene.check()
        except Exception as fault:  # noqa: BLE001 - whatever goes wrong is a fault of the history
            found.fault = (",".join(map(str, play.path)), str(fault) or repr(fault))
            return found
        finally:
            play.end()
    return found


def _descend(
    play: Play,
    sleep: frozenset[Choice],
    visited: dict[bytes, frozenset[Choice]],
    left: list[_Node | None],
    found: Found,
) -> None:
    """Go on to an end, leaving what else may be chosen for later."""
    while True:
        choices = play.choices()
        state = play.state()
        slept = visited.get(state)
        if slept is None:
            found.states += 1
            visited[state] = sleep
            if not choices:
                found.histories += 1
                play.scene.check()
                return
            work = [choice for choice in choices if choice not in sleep]
        else:
            work = [choice for choice in choices if choice in slept and choice not in sleep]
            visited[state] = slept & sleep
        if not work:
            return
        first, asleep = work[0], set(sleep)
        later, path, known = [], tuple(play.path), tuple(p.known for p in play.scene.processes)
        for choice in work:
            kept = frozenset(other for other in asleep if play.commute(choice, other))
            later.append(_Node(path, known, choice, kept))
            asleep.add(choice)
        left.extend(reversed(later[1:]))
        sleep = later[0].sleep
        play.take(first)
        found.steps += 1


def replay(make: Callable[[], Scene], crashes: int, history: str) -> str | None:
    """Play one history again; return how it breaks the law, None when it does not."""
    play = Play(make(), crashes, Touchers())
    try:
        for text in history.split(","):
            play.take(Choice.read(text))
        play.scene.check()
    except Exception as fault:  # noqa: BLE001 - whatever goes wrong is a fault of the history
        return str(fault) or repr(fault)
    return None
