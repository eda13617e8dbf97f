"""Faults put in on purpose, one at a time, each of which the explorer has to find.

``python -m explore.mutants`` runs all of them (`make mutants`). A mutant is a piece of a source file and what
takes its place, in a copy of the runtime; it is found when some scene breaks the law.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Mutant(NamedTuple):
    """What is wrong: ``old`` stands once in ``module`` of the runtime, and ``new`` takes its place.

    It is looked for in histories at random, or ``in_order``, where few of many would show it.
    """

    name: str
    module: str
    old: str
    new: str
    scene: str = ""
    crashes: int = 1
    in_order: bool = False

    @property
    def quick(self) -> bool:
        """Whether it is one of those that CI runs."""
        return self.name in QUICK


QUICK = (
    "a held execution is dropped when the one before it ends", "memory forgets what a binding has used",
    "partners are read before the arrival is written", "any run may take up an execution that is over",
    "DynamoDB hides what is owed from sweeps", "a batch that is cleared makes again what it has made",
)  # fmt: skip
MUTANTS = (
    Mutant("a firing behind an active execution is forgotten", "executions",
           "    if output.held is None:\n        return after._replace(held=execution), execution, None\n",
           "    if output.held is None:\n        return after, execution, None\n"),
    Mutant("a held execution is dropped when the one before it ends", "executions",
           "return output._replace(active=held, held=None, ended=", "return output._replace(active=None, held=None, ended="),
    Mutant("whoever claims a claimed execution gets it", "executions",
           "            if has_run(active) and active.run_id != run_id:\n                return None, Claim()\n", "", "two runs"),
    Mutant("what was given to a run is killed as if it had not begun", "executions",
           "            if has_run(before.active):\n", "            if before.active.state == CLAIMED:\n", "one is killed"),
    Mutant("announcing takes a claimed execution back", "executions",
           "if active is None or active.state not in (READY, ANNOUNCED) or _id(output, active) != execution:",
           "if active is None or _id(output, active) != execution:"),
    Mutant("a success owes no signal", "executions", "signalled=not owes, checks=found", "signalled=True, checks=found"),
    Mutant("a step is not tried again when somebody was faster", "executions",
           "        if ledger.save(old, after._replace(version=before.version + 1)):\n            return result\n",
           "        ledger.save(old, after._replace(version=before.version + 1))\n        return result\n"),
    Mutant("a generation has the number of the one before", "executions",
           "    generation = output.generation + 1\n    execution = Execution(generation, READY,",
           "    generation = output.generation\n    execution = Execution(generation, READY,"),
    Mutant("memory saves whatever was there", "memory",
           "        if self._outputs.get(key) is not old:\n            return False\n        self._outputs[key]",
           "        self._outputs[key]", "memory"),
    Mutant("memory counts an event twice", "memory", "if not record.knows(event_id):", "if True:", "memory"),
    Mutant("memory forgets what a binding has used", "memory",
           "                self._uses[key] = (binding, name, reads, used)\n", "                pass\n", "memory"),
    Mutant("DynamoDB saves whatever version was there", "dynamodb",
           'condition, values[":old"] = "#version = :old", number(old.version)',
           'condition = "attribute_not_exists(nothing)"', "run and sweep"),
    Mutant("DynamoDB counts an event twice", "dynamodb",
           'ConditionExpression=" AND ".join(f"attribute_not_exists({name})" for name in names)',
           'ConditionExpression="attribute_not_exists(nothing)"', "dynamodb"),
    Mutant("DynamoDB hides what is owed from sweeps", "dynamodb",
           "        if not unsettled(new):\n", "        if new.active is None:\n", "dynamodb"),
    Mutant("DynamoDB closes a journal without what it has fired", "dynamodb",
           "                self._covered[place] = new.version\n", "                pass\n",
           "two batches of one listener; join; dynamodb"),
    Mutant("DynamoDB drops a watch in place of keeping it", "dynamodb",
           "    def watch(self, watch: Waiter) -> None:\n", "    def watch(self, watch: Waiter) -> None:\n        return\n",
           "dynamodb"),
    Mutant("a sweep sees no owed signal", "records",
           "return output.active is not None or any(not e.signalled for e in output.ended)",
           "return output.active is not None"),
    Mutant("a sweep notes a signal before it sends it", "sweep",
           '                    self.emit(execution)\n                    executions.signalled(self.engine.ledger, output.node, output.partition, document["id"])\n',
           '                    executions.signalled(self.engine.ledger, output.node, output.partition, document["id"])\n                    self.emit(execution)\n',
           "an owed signal"),
    Mutant("a sweep announces nothing again", "sweep",
           "if o.active and o.node not in batches and _overdue(o.active, now, self.patience)",
           "if False"),
    Mutant("a sweep believes that each execution has a run that waits", "airflow_client",
           "            if left <= len(pumped):\n", "            if True:\n"),
    Mutant("a firing that lost the race is not looked at again", "engine",
           "            again = self._records(node, binding)\n            if again is None:\n                return False\n",
           "            return False\n            again = self._records(node, binding)\n"),
    Mutant("partners are read before the arrival is written", "engine",
           "        record = ledger.arrive(consumer.arrival_index, keys, partition, event_id, now, texts)\n        if (place := (node.key, values)) in self._left and self._is_done(\n            outcome, consumer, place, record, now\n        ):\n            return True\n        if consumer.pair is not None:  # two inputs, the usual join, spelled out\n            arrival_index, index, key, passes = consumer.pair\n            for other in ledger.find(arrival_index, index, values if key is identity else key(values)):\n",
           "        found = [] if consumer.pair is None else ledger.find(consumer.pair[0], consumer.pair[1], values if consumer.pair[2] is identity else consumer.pair[2](values))\n        record = ledger.arrive(consumer.arrival_index, keys, partition, event_id, now, texts)\n        if (place := (node.key, values)) in self._left and self._is_done(\n            outcome, consumer, place, record, now\n        ):\n            return True\n        if consumer.pair is not None:  # two inputs, the usual join, spelled out\n            arrival_index, index, key, passes = consumer.pair\n            for other in found:\n"),
    Mutant("a watch is dropped before its binding is looked at", "engine",
           "            recs = self._records(node, watch.binding)\n            if recs is None or not self.evaluate",
           "            self.ledger.unwatch(watch)\n            recs = self._records(node, watch.binding)\n            if recs is None or not self.evaluate",
           "two listeners and a redeploy; checked window"),
    Mutant("a watch is dropped by what came after its binding was looked at", "engine",
           "        for _ in (*windows, None):\n            recs", "        for _ in (None,):\n            recs",
           "two sweeps; checked window"),
    Mutant("DynamoDB forgets what a binding has used", "dynamodb",
           '            sets.append("#used = :used")\n', "", "dynamodb"),
    Mutant("any run may take up an execution that is over", "executions",
           "            if _id(output, past) == execution and past.run_id == run_id and past.note != KILLED:",
           "            if _id(output, past) == execution and past.note != KILLED:", "two runs"),
    Mutant("an execution whose run failed is done again by itself", "sweep",
           "    became = READY if run is None and active.events else FAILED\n", "    became = READY\n", "a run that dies"),
    Mutant("an output is claimed while a killed run still writes it", "executions",
           "            if output.writer is not None:\n                return None, Claim(writer=output.writer)\n            if is_given",
           "            if is_given", "a run that is killed", 0, in_order=True),
    Mutant("a batch that is cleared makes again what it has made", "executions",
           "                if past.state == SUCCEEDED and not again:\n                    return None, Claim(made=True)\n",
           "", "a batch of which one fails", 0),
    Mutant("a sweep believes that what it is shown is what a journal has fired", "dynamodb",
           "    return version is None or item is None or int(", "    return version is not None and item is not None and int(",
           "two batches that fill journals; join; dynamodb", 2),
    Mutant("the first of several events that are counted together is looked at, and not the last", "engine",
           "        if self._left[place] > 0 and not self._bindings.again:\n", "        if self._left[place] < 1 and not self._bindings.again:\n",
           "messages at once, a run and a sweep"),
    Mutant("an arrival that was written with its firing is counted again", "join",
           "        if mark[0] != r.since and (event := came.event(", "        if mark[0] == r.since and (event := came.event(",
           "firing at once", 1),
    Mutant("a second firing forgets what came with the first", "engine",
           "                    if self._recount(node, recs, came):\n", "                    if False:\n",
           "a firing at once, and a second one; join; dynamodb", 1),
    Mutant("nothing is seen", "engine",
           "        layout = self.program.signal_sources[signal].layout\n        if layout is not None:\n            row, position = layout.place(partition)\n            self.ledger.see(",
           "        layout = None\n        if layout is not None:\n            row, position = layout.place(partition)\n            self.ledger.see(", "window"),
)  # fmt: skip


def run(mutant: Mutant, seconds: float = 120) -> tuple[bool, str]:
    """Say whether the explorer finds a mutant, and what it said."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "rheo_runtime"
        shutil.copytree(ROOT / "rheo_runtime", copy, ignore=shutil.ignore_patterns("__pycache__"))
        file = copy / f"{mutant.module}.py"
        text = file.read_text("utf-8")
        assert text.count(mutant.old) == 1, f"{mutant.name}: its text stands {text.count(mutant.old)} times"
        file.write_text(text.replace(mutant.old, mutant.new), "utf-8")
        path = os.pathsep.join([folder, str(ROOT / "tests"), str(ROOT)])
        command = [sys.executable, "-m", "explore", "--seconds", str(seconds), "--crashes", str(mutant.crashes),
                   *([] if mutant.in_order else ["--wander"]), *(["--only", mutant.scene] if mutant.scene else [])]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode == 1 and "BROKEN" in done.stdout, done.stdout + done.stderr


def main() -> int:
    """Run all, and print which were found, and in what time."""
    lost = []
    for mutant in MUTANTS:
        began = time.monotonic()
        found, said = run(mutant)
        print(
            f"{'found' if found else 'NOT FOUND':9} {time.monotonic() - began:6.1f} s  {mutant.name}",
            flush=True,
        )
        if not found:
            lost.append(mutant.name)
            print(said)
    print(f"{len(MUTANTS) - len(lost)} of {len(MUTANTS)} mutants found")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
