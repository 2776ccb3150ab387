"""Breaks a scenario at every step: a process under the shim that forks once for each step, so that a step costs
milliseconds instead of the start of Python.

    prepare ──► home as it was before
                  │ copied for each step
                  ▼
    act, with an order to the shim ──killed, failing──► what is left ──► check, on a disk that works: recovery, promises

A scenario is a module of this folder with three coroutines: `prepare(home)`, `act(home)` and `check(home, notes)`.
While it acts it leaves a `note` for every promise it gives; the notes outlive the process.
"""

import asyncio
import gc
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, cast

from tests.faults.shim import CHANGES, Action, Done, Operation, Shim, a_shim, attach
from tests.support.sampling import turn

_ACT_LIMIT_S: Final = 30.0

ONE_OF: Final = 10  # all steps take a quarter of an hour


class Scenario(Protocol):
    """A module that can be broken at every step."""

    async def prepare(self, home: Path) -> None: ...

    async def act(self, home: Path) -> None: ...

    async def check(self, home: Path, notes: list[str]) -> None: ...


@dataclass(frozen=True)
class Break:
    """One way to break a scenario. `step` 0 leaves it alone."""

    action: Action
    step: int
    error: int = 0
    operations: tuple[Operation, ...] = ()
    only: str = ""
    last: int | None = None
    kill: int = 0


@dataclass
class Outcome:
    """What became of it."""

    broken: Break
    calls: int
    hits: int
    signal: int
    problem: str
    notes: list[str]


@dataclass
class Stepper:
    """The process that forks. Answers one `Break` with one `Outcome`."""

    process: "subprocess.Popen[str]"
    shim: Shim
    work: Path

    def run(self, broken: Break) -> Outcome:
        order = [
            broken.action,
            broken.step,
            broken.error,
            list(broken.operations),
            broken.only,
            broken.last,
            broken.kill,
        ]
        calls, hits, signal_number, problem, notes = self._ask({"act": order})
        return Outcome(broken, calls, hits, signal_number, problem, notes)

    def check(self, notes: Sequence[str]) -> str:
        """Checks the home as it lies there now against these promises; what is wrong with it."""
        return str(self._ask({"check": list(notes)}))

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the process that forks has died"
        return json.loads(line)

    def operations(self) -> list[Done]:
        """What the last run did to its disk, recovery included."""
        return self.shim.operations()

    @property
    def home(self) -> Path:
        """What is broken."""
        return self.work / "home"

    @property
    def template(self) -> Path:
        """The home as it was before."""
        return self.work / "template"


@contextmanager
def a_stepper(scenario: str, folder: Path) -> Iterator[Stepper]:
    """A scenario, prepared. Works in memory where there is a tmpfs: thousands of syncs are not what is tested."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else folder, prefix="incamera-") as work:
        home = Path(work, "home")
        home.mkdir()
        with a_shim(Path(work), home, logs=True) as shim:
            command = [sys.executable, "-m", "tests.faults.steps", scenario, work]
            with subprocess.Popen(
                command,
                env=shim.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=Path(__file__).parents[2],
            ) as process:
                try:
                    yield Stepper(process, shim, Path(work))
                finally:
                    assert process.stdin is not None
                    process.stdin.close()
                    process.wait(_ACT_LIMIT_S)


def every_step(
    stepper: Stepper,
    action: Action,
    *,
    errors: Sequence[int] = (0,),
    stride: int = 1,
    length: int = 1,
    operations: tuple[Operation, ...] = (),
    only: str = "",
) -> list[Outcome]:
    """Breaks at step 1, 2, 3, …, until a run is over before its turn came; raises for the first broken promise.

    `length`: how many calls in a row are broken. See ONE_OF: a usual run breaks some of them only.
    """
    found = []
    first, skip = turn(ONE_OF)
    stride *= skip
    for step in range(1 + first, 100_000, stride):
        error = errors[step // stride % len(errors)]
        outcome = stepper.run(Break(action, step, error, operations, only, step + length - 1))
        assert not outcome.problem, f"{outcome.broken}\n{outcome.notes[-5:]}\n{outcome.problem}"
        if not outcome.hits:
            break
        found.append(outcome)
    return found


# --- the process that forks -------------------------------------------------------------------------------------------


def _serve(name: str, work: Path) -> None:
    scenario = cast("Scenario", importlib.import_module(f"tests.faults.{name}"))
    shim = attach(work / "disk-faults.control", work / "home", work / "disk-faults.log")
    home, template = work / "home", work / "template"
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(work / "output", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)  # where log lines go
    (work / "rehearsal").mkdir()
    asyncio.run(_rehearse(scenario, work / "rehearsal"))
    asyncio.run(scenario.prepare(home))
    shutil.copytree(home, template)
    gc.freeze()  # what is never looked at stays shared with the children
    for line in sys.stdin:
        asked = json.loads(line)
        answer: Any
        if "check" in asked:
            notes = asked["check"]
            _, answer = _in_child(lambda notes=notes: scenario.check(home, notes))  # type: ignore[misc]
        else:
            _restore(template, home)
            answer = _act_and_check(scenario, shim, home, *asked["act"])
        print(json.dumps(answer), file=answers, flush=True)


def _act_and_check(
    scenario: Scenario,
    shim: Shim,
    home: Path,
    action: int,
    step: int,
    error: int,
    operations: list[int],
    only: str,
    last: int | None,
    kill: int,
) -> list[Any]:
    assert shim.log is not None
    os.truncate(shim.log, 0)
    given = tuple(map(Operation, operations)) or CHANGES
    shim.order(Action(action), first=step, last=last, error=error, only=only, operations=given, kill=kill)
    died, problem = _in_child(lambda: scenario.act(home))
    calls, hits = shim.calls, shim.hits
    shim.heal()
    notes = notes_in(shim.operations())
    if not problem:
        _, problem = _in_child(lambda: scenario.check(home, notes))
    return [calls, hits, died, problem, notes]


def notes_in(log: Sequence[Done]) -> list[str]:
    """The promises, in order."""
    return [done.path for done in log if done.operation is Operation.NOTE]


def _restore(template: Path, home: Path) -> None:
    """The same files as at first."""
    clear(home, template)
    for folder, _, names in os.walk(template):
        place = home / Path(folder).relative_to(template)
        place.mkdir(exist_ok=True)
        for name in names:
            shutil.copy2(Path(folder, name), place / name)


def clear(home: Path, template: Path) -> None:
    """Removes all files, and the folders that were not there at first: making 256 of them costs more than a run."""
    for folder, _, names in os.walk(home, topdown=False):
        for name in names:
            Path(folder, name).unlink()
        if not (template / Path(folder).relative_to(home)).exists():
            Path(folder).rmdir()


async def _rehearse(scenario: Scenario, home: Path) -> None:
    """What Python and SQLAlchemy do once only shall be done before the first fork."""
    await scenario.prepare(home)
    await scenario.act(home)
    await scenario.check(home, [])


def _in_child(work: Callable[[], Coroutine[Any, Any, None]]) -> tuple[int, str]:
    """Runs this in a fork; which signal ended it, and what it complained of."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        status = 0
        try:
            signal.alarm(int(_ACT_LIMIT_S))  # a child that hangs is killed, and found out by its signal
            asyncio.run(work())
        except BaseException:  # noqa: BLE001 - whatever it is, the test shall read it
            os.write(write, traceback.format_exc()[-4000:].encode())
            status = 1
        os._exit(status)
    os.close(write)
    with os.fdopen(read) as complaint:
        text = complaint.read()
    _, status = os.waitpid(child, 0)
    died = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if died and died != signal.SIGKILL:
        text = text or f"ended by {signal.Signals(died).name}: it hangs"
    return died, text


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]))
