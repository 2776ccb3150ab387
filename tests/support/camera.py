"""A simulated camera as a process of its own, and reading the counter that it draws into every picture."""

import contextlib
import io
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator

import av
import numpy as np

from incamera.edge.simulated import counter

START_S = 30.0
PASSWORD = "garden gate 4711"


@contextlib.contextmanager
def running_camera(*cameras: str, port: int = 0, host: str = "127.0.0.1") -> Iterator[str]:
    """Cameras such as `garden:steady`, with digest authentication; yields their base address `rtsp://HOST:PORT`."""
    arguments = [part for camera in cameras for part in ("--camera", camera)]
    arguments += ["--host", host, "--port", str(port), "--password", f"viewer:{PASSWORD}"]
    command = [sys.executable, "-m", "incamera.edge.simulated", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        yield _base_address(process, len(cameras))
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def read_counters(media: bytes) -> list[int]:
    """The numbers burnt into the decoded pictures, in the order they are shown."""
    numbers = []
    with av.open(io.BytesIO(media)) as container:
        for picture in container.decode(video=0):
            number = counter.read(np.ascontiguousarray(picture.to_ndarray(format="gray")))
            if number is not None:
                numbers.append(number)
    return numbers


def _base_address(process: subprocess.Popen[bytes], expected: int) -> str:
    assert process.stdout is not None
    output, deadline = "", time.monotonic() + START_S
    while output.count("ready rtsp://") < expected:
        readable, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(process.stdout.fileno(), 65536) if readable else b""
        if not data:
            raise AssertionError(f"the simulated camera did not start: {output}")
        output += data.decode()
    return "/".join(output.split("ready ", 1)[1].split("/")[:3])
