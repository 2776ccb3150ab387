"""go2rtc, where its program lies on this machine: RTSP in, MSE over WebSocket out."""

import contextlib
import json
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.harness import BenchError

HELLO = json.dumps({"type": "mse", "value": "avc1.640029,avc1.64002A,avc1.640033"})
_START_S = 10.0


@dataclass(frozen=True, slots=True)
class Go2rtc:
    """It runs and knows one camera."""

    pid: int
    port: int
    version: str
    path: str = "/api/ws?src=clip"


@contextlib.contextmanager
def go2rtc(program: Path, source: str) -> Iterator[Go2rtc]:
    """Raises BenchError if the program does not run."""
    api, rtsp = _free_port(), _free_port()
    settings = {
        "api": {"listen": f"127.0.0.1:{api}", "origin": "*"},
        "rtsp": {"listen": f"127.0.0.1:{rtsp}"},
        "webrtc": {"listen": ""},
        "streams": {"clip": source},
    }
    try:
        answer = subprocess.run([str(program), "-version"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        raise BenchError(f"{program} does not run ({error})") from None
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(settings, file)  # JSON is YAML
        file.flush()
        with subprocess.Popen([str(program), "-config", file.name], stdout=subprocess.DEVNULL) as process:
            try:
                _wait_for_port(api)
                yield Go2rtc(process.pid, api, answer.stdout.split()[-1])
            finally:
                process.kill()


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise BenchError("go2rtc did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
