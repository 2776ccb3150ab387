"""The edge on this machine: a child process with nothing of ours in its hands, restarted when it falls.

    none ──spawn──► running ──dies──► waiting (1 s, 2 s … 60 s) ──► running
                      ▲
    left over from a killed server ──adopted

The child gets a clean environment, no descriptor but the standard ones, and its own folder; it confines itself further
(`edge.confinement`). It is not tied to our life: after a crash of the server it goes on recording into its spool, and
the next server finds it by `local-edge.json` and adopts it instead of starting a second one.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from incamera import __version__
from incamera.kit.clock import Clock
from incamera.kit.files import write_durably
from incamera.privacy import declare_log_events

log = structlog.get_logger(__name__)
declare_log_events(
    None,
    {
        "local_edge.started": ("pid",),
        "local_edge.adopted": ("pid",),
        "local_edge.ended": ("pid", "status", "wait_s"),
        "local_edge.stopped": ("pid",),
    },
)

FIRST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 60.0
HEALTHY_AFTER_S: Final = 30.0
STOP_S: Final = 5.0
_POLL_S: Final = 0.5
# What a Python program needs to find itself and speak to a person; nothing of ours (root key, tokens) passes.
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV")

NOTE: Final = "local-edge.json"
CODE_VARIABLE: Final = "INCAMERA_EDGE_CODE"
MakeCode = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class _Running:
    """What the next server must know to recognise the child. `started` is the kernel's start time of that pid."""

    pid: int
    started: int
    server: str
    version: str
    inputs: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EdgeInputs:
    """What of this machine the child may play and open."""

    files: Path | None = None
    devices: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """As the child's command line has them."""
        files = [] if self.files is None else ["--files", str(self.files)]
        return [*files, *(part for device in self.devices for part in ("--device", device))]


class LocalEdge:
    """Starts and watches the child. `make_code` makes an enrolment code; an edge that is known already ignores it."""

    def __init__(
        self, folder: Path, server_url: str, make_code: MakeCode, clock: Clock, inputs: EdgeInputs = EdgeInputs()
    ) -> None:
        self._folder = folder
        self._note = folder / NOTE
        self._url = server_url
        self._make_code = make_code
        self._clock = clock
        self._inputs = inputs.arguments()
        self._task: asyncio.Task[None] | None = None
        self._running: _Running | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return None if self._running is None else self._running.pid

    def start(self) -> None:
        """Begins watching; returns at once."""
        self._task = asyncio.create_task(self._watch(), name="local edge")

    async def stop(self) -> None:
        """Asks the child to flush its spool and go; kills it if it does not."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._running is not None:
            await self._end(self._running)
            log.info("local_edge.stopped", pid=self._running.pid)

    async def _watch(self) -> None:
        wait_s = FIRST_WAIT_S
        while True:
            started = self._clock.monotonic()
            self._running = await self._adopt() or await self._spawn()
            status = await self._ended(self._running)
            if self._clock.monotonic() - started > HEALTHY_AFTER_S:
                wait_s = FIRST_WAIT_S
            log.warning("local_edge.ended", pid=self._running.pid, status=status, wait_s=wait_s)
            self._running = None
            await self._clock.sleep(wait_s)
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def _adopt(self) -> _Running | None:
        """A child that a killed server left behind, if it is still the same program and dials this address."""
        try:
            found = _Running(**json.loads(self._note.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        if _start_time(found.pid) != found.started:
            return None
        if (found.server, found.version, found.inputs) != (self._url, __version__, self._inputs):
            await self._end(found)
            return None
        log.info("local_edge.adopted", pid=found.pid)
        return found

    async def _spawn(self) -> _Running:
        arguments = ["edge", "--server", self._url, "--data", str(self._folder), *self._inputs]
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        # By the environment, because every user of this machine can read the arguments of a process. The part after
        # the second dash names a certificate, and this line has none.
        environment[CODE_VARIABLE] = "-".join((await self._make_code()).split("-")[:2])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "incamera",
            *arguments,
            env=environment,
            cwd=self._folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            close_fds=True,
            # Its own session: Ctrl-C in the terminal reaches us only, and we stop it in our own order.
            start_new_session=True,
        )
        self._process = process
        running = _Running(process.pid, _start_time(process.pid) or 0, self._url, __version__, self._inputs)
        write_durably(self._note, json.dumps(asdict(running)).encode())
        log.info("local_edge.started", pid=process.pid)
        return running

    async def _ended(self, running: _Running) -> int | None:
        if self._process is not None and self._process.pid == running.pid:
            return await self._process.wait()
        while _start_time(running.pid) == running.started:  # noqa: ASYNC110 - the kernel tells only a parent
            await asyncio.sleep(_POLL_S)
        return None  # only a parent learns the exit status

    async def _end(self, running: _Running) -> None:
        for number, patience_s in ((signal.SIGTERM, STOP_S), (signal.SIGKILL, 1.0)):
            if _start_time(running.pid) != running.started:
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self._ended(running)
        self._note.unlink(missing_ok=True)


def recall_port(folder: Path) -> int:
    """The port an adopted edge still dials; 0 if there is none to recall."""
    try:
        return urlsplit(json.loads((folder / NOTE).read_text())["server"]).port or 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _start_time(pid: int) -> int | None:
    """Start time in ticks since boot, field 22 of proc_pid_stat(5); None for a process that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])
