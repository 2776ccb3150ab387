"""`incamera edge`: the program beside the cameras. Puts the parts together, runs them, and ends them in order.

Exit status: 0 stopped by SIGTERM or SIGINT, 1 with one clear sentence when a person must act, 2 wrong usage.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import structlog

from incamera import __version__
from incamera.edge import logs
from incamera.edge.confinement import Limits, close_descriptors, confine, python_paths
from incamera.edge.courier import Courier, SpoolLimits
from incamera.edge.decoder.processes import PictureDecoder, SoundEncoders
from incamera.edge.desired_store import DesiredStore
from incamera.edge.errors import DataDirectoryUnusable
from incamera.edge.identity import IdentityStore, hold_data_directory
from incamera.edge.nursery import Nursery
from incamera.edge.puller import MakeSource, PullerTools
from incamera.edge.server_address import EnrolmentCode, ServerAddress
from incamera.edge.server_clock import ServerClock
from incamera.edge.sources.dialling import DEFAULT_RANGES, DialRanges
from incamera.edge.sources.local import LocalInputs
from incamera.edge.sources.making import SourceMaker
from incamera.edge.supervisor import Supervisor
from incamera.edge.sync_points import SyncPoints
from incamera.edge.uplink import Uplink, UplinkTiming, UplinkTools
from incamera.kit.clock import Clock, LateClock, newest_file_at
from incamera.kit.errors import IncameraError
from incamera.kit.memory import settle_memory

log = structlog.get_logger(__name__)

CODE_VARIABLE: Final = "INCAMERA_EDGE_CODE"  # for services: the command line is legible to everybody on the machine

_MIB: Final = 1024 * 1024
_LAST_ACKNOWLEDGEMENTS_S: Final = 2.0  # whoever stops us waits 5 s before it kills
_OPEN_FILES: Final = 4096
_KEPT_ENVIRONMENT: Final = ("PATH", "LANG", "LC_ALL", "TZ", "HOME")


@dataclass(frozen=True, slots=True)
class EdgeOptions:
    """The command line, parsed once."""

    address: ServerAddress
    code: EnrolmentCode | None
    data: Path
    ranges: DialRanges
    spool: SpoolLimits
    is_confined: bool
    inputs: LocalInputs

    @classmethod
    def parse(cls, arguments: argparse.Namespace) -> Self:
        """Raises one of the IncameraErrors that name what is wrong."""
        code = arguments.code or os.environ.get(CODE_VARIABLE, "")
        return cls(
            address=ServerAddress.parse(arguments.server),
            code=EnrolmentCode.parse(code) if code else None,
            data=Path(arguments.data).expanduser().absolute(),
            ranges=DialRanges.parse(arguments.allow or DEFAULT_RANGES),
            spool=SpoolLimits(arguments.memory_mib * _MIB, arguments.spool_mib * _MIB),
            is_confined=not arguments.unconfined,
            inputs=LocalInputs.parse(arguments.files, tuple(arguments.device or ())),
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `incamera edge`."""
    parser.add_argument("--server", required=True, metavar="URL", help="https://…; http:// on this machine only")
    # The server hands its own edge the code by the environment: every user can read the arguments of a process.
    parser.add_argument(
        "--code",
        metavar="CODE",
        default=os.environ.get("INCAMERA_EDGE_CODE"),
        help="the enrolment code; only needed the first time",
    )
    parser.add_argument("--data", required=True, metavar="DIR", help="this edge's own folder: its key and its spool")
    parser.add_argument(
        "--allow", action="append", metavar="RANGE", help="cameras may be in this address range only (repeatable)"
    )
    parser.add_argument("--files", metavar="DIR", help="videos below this folder may be played as cameras (none)")
    parser.add_argument(
        "--device", action="append", metavar="NAME", help="this USB or built-in camera may be used (repeatable; none)"
    )
    parser.add_argument("--spool-mib", type=_positive, default=2048, metavar="N", help="disk for what waits (2048)")
    parser.add_argument("--memory-mib", type=_positive, default=64, metavar="N", help="memory for what waits (64)")
    parser.add_argument(
        "--unconfined", action="store_true", help="keep rights that this program does not need (to debug it)"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """`incamera edge …` and `python -m incamera.edge …`."""
    parser = argparse.ArgumentParser(prog="incamera edge", description="Runs the program beside the cameras.")
    add_arguments(parser)
    return run(parser.parse_args(arguments))


def run(arguments: argparse.Namespace) -> int:
    """Runs an edge until it is told to stop; the exit status."""
    logs.configure()
    try:
        options = EdgeOptions.parse(arguments)
        if options.is_confined:
            close_descriptors()
        with hold_data_directory(options.data), _devices(options.inputs) as inputs:
            if options.is_confined:
                _confine(options)
            _run_loop(replace(options, inputs=inputs))
    except IncameraError as error:
        print(f"incamera edge: {error}", file=sys.stderr)  # noqa: T201  # the one sentence for the person who started it
        return 1
    return 0


@contextlib.contextmanager
def _devices(inputs: LocalInputs) -> Iterator[LocalInputs]:
    """What may open devices, started while this process still may."""
    if not inputs.devices:
        yield inputs
        return
    nursery = Nursery.start(inputs.named_devices)
    try:
        yield replace(inputs, nursery=nursery)
    finally:
        nursery.close()


def _run_loop(options: EdgeOptions) -> None:
    try:
        import uvloop
    except ImportError:  # no wheel for this machine: slower, and just as good
        asyncio.run(_serve(options))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(options))


async def _serve(options: EdgeOptions) -> None:
    """One life of an edge."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell_figures)
    clock = LateClock(newest_file_at(options.data))
    if clock.is_guessing:
        log.warning("edge.clock_not_set", says="This machine's clock is not set; times are guessed until it is.")
    edge = Edge(options, clock)
    await edge.open()
    settle_memory()
    running = asyncio.create_task(edge.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    try:
        await edge.close()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


class Edge:
    """All parts of an edge, wired. `make_source` is how cameras are reached, of all kinds unless told otherwise."""

    def __init__(
        self,
        options: EdgeOptions,
        clock: Clock,
        make_source: MakeSource | None = None,
        timing: UplinkTiming | None = None,
        sync_points: SyncPoints | None = None,
    ) -> None:
        self._data = options.data
        self._pictures = PictureDecoder(clock)
        self._sounds = SoundEncoders(clock)
        server_clock = ServerClock(clock)
        self._courier = Courier(options.data / "spool", clock, options.spool)

        sources = make_source or SourceMaker(clock, options.ranges, options.inputs)
        self._sync_points = sync_points or SyncPoints(clock, options.ranges)
        pulling = PullerTools(clock, server_clock, sources, self._sounds.open, self._sync_points.ask)
        self._supervisor = Supervisor(self._courier, self._pictures, pulling)
        software = f"incamera {__version__}"
        tools = UplinkTools(self._courier, self._supervisor, server_clock, clock, software, timing or UplinkTiming())
        self._uplink = Uplink(
            options.address, options.code, IdentityStore(options.data), DesiredStore(options.data), tools
        )

    async def open(self) -> None:
        """Finds what earlier lives left; raises DataDirectoryUnusable."""
        try:
            await self._courier.open()
        except OSError as error:
            raise DataDirectoryUnusable(str(self._data), (error.strerror or "unreadable").lower()) from error

    async def run(self) -> None:
        """Until cancelled, or until the server refuses this edge for good (EdgeError)."""
        housekeeping = asyncio.create_task(self._courier.run())
        connecting = asyncio.create_task(self._uplink.run())
        try:
            await asyncio.wait((housekeeping, connecting), return_when=asyncio.FIRST_COMPLETED)
            for task in (connecting, housekeeping):
                if task.done():
                    task.result()
        finally:
            housekeeping.cancel()
            connecting.cancel()
            await asyncio.gather(housekeeping, connecting, return_exceptions=True)

    async def close(self) -> None:
        """Ends spans, waits a moment for the server, and puts the rest on the disk for the next life."""
        await self._supervisor.close()
        await self._sync_points.close()
        await self._courier.close(patience_s=_LAST_ACKNOWLEDGEMENTS_S)
        self._uplink.close()
        await self._pictures.close()
        await self._sounds.close()
        log.info("edge.stopped")


def _tell_figures() -> None:
    """For whoever looks for a leak: a server has `/metrics`, an edge listens nowhere."""
    log.info("edge.figures", tasks=len(asyncio.all_tasks()))


def _confine(options: EdgeOptions) -> None:
    files = () if options.inputs.files is None else (options.inputs.files,)
    confinement = confine(
        Limits(open_files=_OPEN_FILES),
        readable=(*python_paths(), *files),
        writable=(options.data,),
        may_connect=True,
        environment=_KEPT_ENVIRONMENT,
    )
    log.info("edge.confined", holds=confinement.holds, missing=confinement.missing)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number
