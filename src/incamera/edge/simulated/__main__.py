"""`python -m incamera.edge.simulated [--port N] [--camera NAME[:PROFILE]] …`: simulated cameras until stopped."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

from incamera.edge.simulated.cameras import DEMO_CAMERAS, SimulatedCamera
from incamera.edge.simulated.profiles import HABITS
from incamera.edge.simulated.server import SimulatedCameras
from incamera.kit.errors import IncameraError
from incamera.media.rtsp.authentication import Credentials


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        cameras = [SimulatedCamera.parse(text) for text in options.camera] or list(DEMO_CAMERAS)
        cameras = [replace(camera, has_counter=not options.no_counter) for camera in cameras]
        asyncio.run(_serve(options.host, options.port, cameras, options.password))
    except IncameraError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m incamera.edge.simulated", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="where to listen; 0: any free port")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; this machine only by default")
    parser.add_argument(
        "--camera",
        action="append",
        default=[],
        metavar="NAME[:PROFILE]",
        help=f"garden, porch, yard, garage; profiles {', '.join(HABITS)}, joined by '+'",
    )
    parser.add_argument("--password", metavar="USER:PASSWORD", help="demand digest authentication")
    parser.add_argument("--no-counter", action="store_true", help="leave out the machine-readable picture number")
    return parser


async def _serve(host: str, port: int, cameras: Sequence[SimulatedCamera], password: str | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no such handlers
            loop.add_signal_handler(number, stop.set)
    credentials = None
    if password:
        username, _, secret = password.partition(":")
        credentials = Credentials(username, secret)
    async with SimulatedCameras(port, cameras, host, credentials) as served:
        for url in served.urls:
            print(f"ready {url}", flush=True)  # noqa: T201
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
