"""go2rtc, where its program lies on this machine: RTSP in, MSE over WebSocket out. It records nothing.

Settings after its documents (internal/streams, internal/api); `preload` (since 1.9.11) has it pull a camera that nobody
watches.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.peers.programs import free_port, read_version, running

HELLO: Final = json.dumps({"type": "mse", "value": "avc1.640029,avc1.64002A,avc1.640033"})

DIFFERS: Final = "only pulls the cameras, since it records nothing: its figures begin with pull_ and count in no ratio"


@dataclass(frozen=True, slots=True)
class Go2rtc:
    """It runs and knows its cameras; `path` is the first one's."""

    pid: int
    port: int
    version: str
    path: str = "/api/ws?src=camera0"


def render_settings(sources: Sequence[str], api: int, rtsp: int, *, preloads: bool) -> dict[str, Any]:
    """Loopback only, and nothing besides the API and RTSP."""
    streams = {f"camera{number}": source for number, source in enumerate(sources)}
    settings: dict[str, Any] = {
        "app": {"modules": ["api", "ws", "rtsp", "mp4"]},
        "api": {"listen": f"127.0.0.1:{api}", "origin": "*"},
        "rtsp": {"listen": f"127.0.0.1:{rtsp}"},
        "webrtc": {"listen": ""},
        "log": {"level": "error"},
        "streams": streams,
    }
    return settings | ({"preload": dict.fromkeys(streams, "video")} if preloads else {})


@contextlib.contextmanager
def go2rtc(program: Path, sources: Sequence[str], *, preloads: bool = False) -> Iterator[Go2rtc]:
    """`preloads`: it pulls every source from the start. Raises BenchError if the program does not run."""
    version = read_version(program, "-version")
    api, rtsp = free_port(), free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(render_settings(sources, api, rtsp, preloads=preloads), file)  # JSON is YAML
        file.flush()
        with running([str(program), "-config", file.name], api) as pid:
            yield Go2rtc(pid, api, version)
