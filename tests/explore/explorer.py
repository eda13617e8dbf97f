"""Every order in which cooperating processes may take their steps, each once -> the law, held in all of them.

Processes are greenlets that stop before each call that others can see (of the ledger, of Airflow, of the event
bus). A history is a list of choices: which process goes on, crashes, or loses the answer of its call. Histories
that lead to the same state are told apart no further (state hashing), and of two steps that touch different
things only one order is taken (sleep sets: P. Godefroid, Partial-Order Methods for the Verification of
Concurrent Systems, LNCS 1032, 1996, chapters 5 and 6, with the rule of its section 5.3 for visited states).
A step that touches what no other process ever does is taken at once (a persistent set of one process): who
touches what is first believed to be nobody, and an exploration that sees more begins anew with what it saw.
A state is reached by playing its choices from the beginning: nothing of a process needs to be copied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Protocol

from greenlet import getcurrent, greenlet

GO, CRASH, LOSE = "", "x", "l"
GLANCES = 50  # histories at random before the first one in order: an exploration that learns who touches what begins anew


class Touch(NamedTuple):
    """What the next call of a process touches: ``things`` (none: nothing is known, so all), and whether it writes."""

    things: frozenset[str]
    writes: bool = True
    answers: bool = False  # the call goes over a network that may lose its answer

    def commutes(self, other: Touch) -> bool:
        """Say whether the order of two calls makes no difference."""
        if not (self.writes or other.writes):
            return True
        return bool(self.things and other.things) and not self.things & other.things


EVERYTHING = Touch(frozenset())


class Choice(NamedTuple):
    """The process that goes on, and how: it goes, crashes before its call, or loses the answer of it."""

    process: int
    how: str = GO

    def __str__(self) -> str:
        return f"{self.process}{self.how}"

    @staticmethod
    def read(text: str) -> Choice:
        """Read what ``str`` writes."""
        number = text.rstrip(CRASH + LOSE)
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

    def alone(self, process: int, touch: Touch) -> bool:
        """Say whether no other process ever touches what this one is about to, or reads only what it reads."""
        if not touch.things or self.everywhere - {process}:
            return False
        others: set[int] = set()
        for thing in touch.things:
            others |= self.writers.get(thing, set())
            if touch.writes:
                others |= self.readers.get(thing, set())
        return not others - {process}


class Crash(BaseException):
    """The process ends here: no handler may catch it."""


class Process:
    """A function that stops before each call; ``seen`` is a digest of all that it has learnt so far."""

    def __init__(self, body: Callable[[], None], ready: Callable[[], bool] | None = None) -> None:
        self.body, self._ready = body, ready
        self.touch, self.seen, self.over, self.begun = EVERYTHING, b"", False, False
        self._greenlet = greenlet(self._run)

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

    def __init__(self) -> None:
        self.current: Process | None = None
        self.forgets = False  # where no two states are compared, nobody asks what a process has learnt

    def step(self, touch: Touch | None = None) -> None:
        """Stop before a call; without ``touch`` it is no stop: something is over that is no call of its own."""
        process = self.current
        if touch is None or process is None:
            return
        process.touch = touch
        getcurrent().parent.switch()

    def learnt(self, answer: object) -> None:
        """Take the answer of a call into what the process knows."""
        if self.current is not None and not self.forgets:
            self.current.seen = digest((self.current.seen, answer))


class Scene(Protocol):
    """A small world: made anew for each history."""

    scheduler: Scheduler
    processes: Sequence[Process]

    def lose_answers(self, losing: bool) -> None:
        """Let the next call of Airflow lose its answer."""

    def state(self) -> object:
        """All that processes can see."""

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
    seen: tuple[bytes, ...]
    choice: Choice
    sleep: frozenset[Choice]


@dataclass
class _Play:
    """One history under way."""

    scene: Scene
    crashes: int
    touchers: Touchers
    path: list[Choice] = field(default_factory=list)

    def choices(self, all_of_them: bool = False) -> list[Choice]:
        """What may be chosen now; of one process alone, where that is enough, unless all are asked for."""
        found = []
        for number, process in enumerate(self.scene.processes):
            if not process.ready():
                continue
            own = [Choice(number)]
            if process.begun:
                self.touchers.add(number, process.touch)
                if self.crashes:
                    own.append(Choice(number, CRASH))
                    if process.touch.answers:
                        own.append(Choice(number, LOSE))
                if not all_of_them and self.touchers.alone(number, process.touch):
                    return own
            found += own
        return found

    def take(self, choice: Choice) -> None:
        scene, process = self.scene, self.scene.processes[choice.process]
        self.path.append(choice)
        self.crashes -= choice.how != GO
        scene.lose_answers(choice.how == LOSE)
        scene.scheduler.current = process
        process.go(choice.how == CRASH)
        scene.scheduler.current = None

    def again(self, node: _Node) -> None:
        """Come back to a choice that was left for later, and take it."""
        scheduler = self.scene.scheduler
        scheduler.forgets = True  # what is learnt on the way is known
        for choice in node.path:
            self.take(choice)
        scheduler.forgets = False
        for process, seen in zip(self.scene.processes, node.seen, strict=True):
            process.seen = seen
        self.take(node.choice)

    def state(self) -> bytes:
        # What one that is over has learnt makes no difference any more.
        processes = [
            None if p.over else (p.seen, p.begun, sorted(p.touch.things)) for p in self.scene.processes
        ]
        return digest((self.scene.state(), processes, self.crashes))

    def commute(self, a: Choice, b: Choice) -> bool:
        """Say whether two choices of this state may change places."""
        if a.process == b.process or (a.how and b.how):
            return False  # one process has one next step; two faults share what is left of them
        if CRASH in (a.how, b.how):
            return True
        one, other = (self.scene.processes[c.process] for c in (a, b))
        return one.begun and other.begun and one.touch.commutes(other.touch)


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
        play, sleep = _Play(make(), crashes, touchers), frozenset[Choice]()
        try:
            if node is not None:
                play.again(node)
                sleep, found.steps = node.sleep, found.steps + len(node.path) + 1
            _descend(play, sleep, visited, left, found)
        except Exception as fault:  # noqa: BLE001 - whatever goes wrong is a fault of the history
            found.fault = (",".join(map(str, play.path)), str(fault) or repr(fault))
            touchers.wrong = False
            return found
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
        play = _Play(make(), crashes, touchers)
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
    return found


def _descend(
    play: _Play,
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
        later, path, seen = [], tuple(play.path), tuple(p.seen for p in play.scene.processes)
        for choice in work:
            kept = frozenset(other for other in asleep if play.commute(choice, other))
            later.append(_Node(path, seen, choice, kept))
            asleep.add(choice)
        left.extend(reversed(later[1:]))
        sleep = later[0].sleep
        play.take(first)
        found.steps += 1


def replay(make: Callable[[], Scene], crashes: int, history: str) -> str | None:
    """Play one history again; return how it breaks the law, None when it does not."""
    play = _Play(make(), crashes, Touchers())
    try:
        for text in history.split(","):
            play.take(Choice.read(text))
        play.scene.check()
    except Exception as fault:  # noqa: BLE001 - whatever goes wrong is a fault of the history
        return str(fault) or repr(fault)
    return None
