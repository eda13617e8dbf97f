"""``python -m explore``: play scenes in every order, and print what was seen (`make explore`).

Without ``--only`` it plays those that come to their ends within minutes (`scenes.WHOLE`).

A history that breaks the law is printed as one line that plays it again.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from math import inf

from .explorer import Found, replay, wander
from .scenes import WHOLE, all_scenes, explored

CRASHES = 2
ROUNDS = 5  # so that a fault of the last scene is found early


def play(name: str, crashes: int, seconds: float) -> tuple[str, Found, float]:
    """Play one scene to its end, or for some seconds."""
    began = time.monotonic()
    found = explored(name, crashes, lambda _: time.monotonic() - began > seconds)
    return name, found, time.monotonic() - began


def told(name: str, crashes: int, found: Found, seconds: float) -> str:
    """Return the lines that tell of a scene."""
    rest = "" if found.exhausted else ", NOT EXHAUSTED"
    line = f"{name}: {found.states:,} states, {found.histories:,} histories in {seconds:.1f} s{rest}"
    if found.fault is None:
        return line
    history, why = found.fault
    return (
        f"{line}\n  BROKEN: {why}\n  python -m explore --crashes {crashes} --only {name!r} --replay {history}"
    )


def main() -> int:
    """Return 1 when the law is broken."""
    parser = argparse.ArgumentParser(prog="python -m explore", description=__doc__)
    parser.add_argument("--only", action="append", help="scenes whose names hold this; may be given again")
    parser.add_argument("--crashes", type=int, default=CRASHES, help="crashes and lost answers of a history")
    parser.add_argument("--seconds", type=float, default=inf, help="for each scene at most")
    parser.add_argument(
        "--wander", action="store_true", help="histories at random, up to the first that is broken"
    )
    parser.add_argument("--replay", help="a history to play again")
    asked = parser.parse_args()
    only = asked.only or ([""] if asked.wander else WHOLE)
    scenes = [(name, make) for name, make in all_scenes() if any(part in name for part in only)]
    if asked.replay:
        ((_, make),) = scenes
        why = replay(make, asked.crashes, asked.replay)
        print(why or "the law holds")
        return 1 if why else 0
    began, states, broken, short = time.monotonic(), 0, 0, 0

    def count(found: Found) -> None:
        nonlocal states, broken, short
        states, broken, short = (
            states + found.states,
            broken + (found.fault is not None),
            short + (not found.exhausted),
        )

    if asked.wander:
        for round in range(ROUNDS):
            for name, make in scenes:
                until = time.monotonic() + asked.seconds / len(scenes) / ROUNDS
                found = wander(make, asked.crashes, lambda until=until: time.monotonic() > until, round)  # type: ignore[misc]
                if found.fault is not None:
                    print(told(name, asked.crashes, found, time.monotonic() - began))
                    return 1
                count(found)
    else:
        with ProcessPoolExecutor(2) as pool:
            jobs = [pool.submit(play, name, asked.crashes, asked.seconds) for name, _ in scenes]
            for job in jobs:
                name, found, seconds = job.result()
                print(told(name, asked.crashes, found, seconds), flush=True)
                count(found)
    print(
        f"{len(scenes)} scenes, {states:,} states in {time.monotonic() - began:.0f} s; {broken} broken, {short} not exhausted"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
