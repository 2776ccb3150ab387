"""MediaMTX, where its program lies on this machine: RTSP in, RTSP out, and files of fragmented MP4.

Settings after the comments of its `mediamtx.yml` (1.18). A recorded file is a row of parts of one second, each written
as it is complete; there is no index, no encryption and no sync.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.peers.programs import free_port, read_version, running

DIFFERS: Final = "fragmented MP4 in parts of a second; no index or sync"


@dataclass(frozen=True, slots=True)
class MediaMtx:
    """It runs and pulls its cameras; `path` is the first one's on its RTSP port."""

    pid: int
    port: int
    version: str
    path: str = "/camera0"


def render_settings(sources: Sequence[str], rtsp: int, recordings: Path | None) -> dict[str, Any]:
    """Loopback only, RTSP over TCP only; with `recordings` a file a minute for each camera."""
    record: dict[str, Any] = {"record": False}
    if recordings is not None:
        record = {
            "record": True,
            "recordPath": f"{recordings}/%path/%Y-%m-%d_%H-%M-%S-%f",
            "recordFormat": "fmp4",
            "recordPartDuration": "1s",
            "recordSegmentDuration": "60s",
            "recordDeleteAfter": "0s",
        }
    pulled = {"rtspTransport": "tcp", "sourceOnDemand": False}
    return {
        "logLevel": "error",
        "api": False,
        "metrics": False,
        "pprof": False,
        "playback": False,
        "rtsp": True,
        "rtspTransports": ["tcp"],
        "rtspAddress": f"127.0.0.1:{rtsp}",
        "rtmp": False,
        "hls": False,
        "webrtc": False,
        "srt": False,
        "paths": {f"camera{number}": {"source": source, **pulled, **record} for number, source in enumerate(sources)},
    }


@contextlib.contextmanager
def mediamtx(program: Path, sources: Sequence[str], recordings: Path | None = None) -> Iterator[MediaMtx]:
    """Raises BenchError if the program does not run."""
    version = read_version(program, "--version")
    rtsp = free_port()
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        json.dump(render_settings(sources, rtsp, recordings), file)  # JSON is YAML
        file.flush()
        with running([str(program), file.name], rtsp) as pid:
            yield MediaMtx(pid, rtsp, version)
