"""What a viewer costs: one 4 Mbit/s camera, 1, 10, 200 and 1,000 viewers over WebSocket.

Ours is the whole product: camera over RTSP, edge, uplink, Hub, live socket; the figures are those of `incamera serve`
and its edge together, divided by the viewers. Peers: node-media-server (from npm) in the same run; go2rtc where
`--go2rtc PATH` names its program.

    ./dev bench fanout [--counts 1,10,200,1000] [--seconds 8] [--go2rtc PATH]
"""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.harness import (
    BenchError,
    Figure,
    Peer,
    Report,
    add_camera,
    child,
    clip_cameras,
    our_server,
    parse_options,
    python,
    tickets,
    wait_until_online,
)
from bench.meter import measure, rss_mib_of
from bench.peers.go2rtc import HELLO, go2rtc
from bench.peers.node_media import VERSION, node_media_server

_EDGE_S = 0.5  # the measurement stays inside the steady window of the viewers
_SETTLE_S = 2.0
_WARM_UP_S = 3.0
_LEAST_MBIT_S = 3.6  # of the clip's 4.0: below that somebody lost pictures


@dataclass(frozen=True, slots=True)
class Target:
    """A server to watch."""

    name: str
    pid: int
    mode: str  # of bench.viewers
    port: int
    path: str
    idle_mib_of: dict[int, float]  # the memory of its processes before anybody watched


def run(options: Sequence[str]) -> Report:
    given = parse_options(options, counts="1,10,200,1000", seconds=8.0, go2rtc="")
    counts, seconds = [int(count) for count in given["counts"].split(",")], float(given["seconds"])
    report = Report("fanout", "cpu_percent_per_viewer_200")
    _measure_ours(report, counts, seconds)
    for measure_peer in (_measure_node_media, _measure_go2rtc):
        try:
            peer = measure_peer(report, counts, seconds, given["go2rtc"])
        except BenchError as error:
            report.notes.append(f"peer left out: {error}")
            continue
        if peer is not None:
            report.peers.append(peer)
    return report


def _measure_ours(report: Report, counts: Sequence[int], seconds: float) -> None:
    with clip_cameras(1) as addresses, our_server() as server:
        channel_id = add_camera(server, addresses[0], mode="live")
        wait_until_online(server)
        target = Target("incamera", server.pid, "ws", server.port, "/media/live", {})
        # The first viewer also has the edge take the cover picture, in a process that stays: not a viewer's cost.
        _watch(report, target, [json.dumps({"open": ticket}) for ticket in tickets(server, channel_id, 1)], _WARM_UP_S)
        time.sleep(_SETTLE_S)
        target = replace(target, idle_mib_of=rss_mib_of(server.pid))
        for count in counts:
            hello = [json.dumps({"open": ticket}) for ticket in tickets(server, channel_id, count)]
            report.figures += _watch(report, target, hello, seconds)


def _measure_node_media(report: Report, counts: Sequence[int], seconds: float, _path: str) -> Peer | None:
    figures = []
    with node_media_server() as server:
        time.sleep(_SETTLE_S)
        target = Target("node-media-server", server.pid, "http", server.http_port, server.path, rss_mib_of(server.pid))
        for count in counts:
            figures += _watch(report, target, [""] * count, seconds)
    return Peer(target.name, VERSION, figures)


def _measure_go2rtc(report: Report, counts: Sequence[int], seconds: float, path: str) -> Peer | None:
    if not path:
        return None
    figures = []
    with clip_cameras(1) as addresses, go2rtc(Path(path), addresses[0]) as server:
        target = Target("go2rtc", server.pid, "ws", server.port, server.path, rss_mib_of(server.pid))
        for count in counts:
            figures += _watch(report, target, [HELLO] * count, seconds)
    return Peer(target.name, server.version, figures)


def _watch(report: Report, target: Target, hello: Sequence[str], seconds: float) -> list[Figure]:
    """Lets as many viewers watch as there are first messages, and meters the server meanwhile."""
    count = len(hello)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join(hello))
        file.flush()
        where = (target.mode, str(target.port), target.path, str(count), str(seconds), "--hello", file.name)
        with child(*python("bench.viewers", *where), ready="STEADY") as viewers:
            usage = measure(target.pid, seconds - _EDGE_S)
            load = _parse_load(viewers.output())
    if load["receiving"] != count or load["min_mbit_s"] < _LEAST_MBIT_S:
        report.notes.append(f"{target.name}, {count} viewers: not everyone got everything: {json.dumps(load)}")
    return [
        Figure(f"cpu_percent_per_viewer_{count}", round(usage.cpu_percent / count, 4), "%"),
        Figure(f"rss_mib_per_viewer_{count}", round(usage.growth_mib(target.idle_mib_of) / count, 4), "MiB"),
        Figure(f"longest_gap_ms_{count}", load["longest_gap_ms"], "ms"),
    ]


def _parse_load(output: str) -> dict[str, float]:
    lines = [line for line in output.splitlines() if line.startswith("{")]
    if not lines:
        raise BenchError("the viewers ended without a report")
    load: dict[str, float] = json.loads(lines[-1])
    return load
