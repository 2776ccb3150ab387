"""What a viewer costs: one 4 Mbit/s camera, 1, 10, 200 and 1,000 viewers over WebSocket.

Ours is the whole product: camera over RTSP, edge, uplink, Hub, live socket; the figures are those of `incamera serve`
and its edge together, divided by the viewers. `delay_*` is from a picture's arrival at the edge to its full receipt by
a viewer. Then, at `--stop-at` viewers, ten stop reading: `stopped_change_ms_*` is by how much the p99 of the one viewer
that suffered most has grown, `unstopped_change_ms_*` the same between two windows in which nothing happened. Peers:
node-media-server (from npm) in the same run; go2rtc (fragmented MP4 over WebSocket) and MediaMTX (RTSP over TCP, the
cheapest it has) where their programs are named.

    ./dev bench fanout [--counts 1,10,200,1000] [--seconds 8] [--stop-at 200,1000] [--go2rtc PATH] [--mediamtx PATH]
"""

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.harness import (
    BenchError,
    Child,
    Figure,
    Peer,
    Report,
    add_camera,
    child,
    clip_cameras,
    our_server,
    parse_options,
    tickets,
    viewers_program,
    wait_until_online,
)
from bench.meter import measure, rss_mib_of
from bench.peers.go2rtc import HELLO, go2rtc
from bench.peers.mediamtx import mediamtx
from bench.peers.node_media import VERSION, node_media_server
from bench.peers.programs import read_version

_EDGE_S = 0.5  # the measurement stays inside the steady window of the viewers
_SETTLE_S = 2.0
_WARM_UP_S = 3.0
_LEAST_MBIT_S = 3.6  # of the clip's 4.0: below that somebody lost pictures


@dataclass(frozen=True, slots=True)
class Target:
    """A server to watch."""

    name: str
    pid: int
    mode: str  # of viewers.c
    port: int
    path: str
    idle_mib_of: dict[int, float]  # the memory of its processes before anybody watched


def run(options: Sequence[str]) -> Report:
    peers = {"go2rtc": "", "mediamtx": ""}
    given = parse_options(options, counts="1,10,200,1000", seconds=8.0, stop_at="200,1000", stopped=10, **peers)
    for program, option in ((given["go2rtc"], "-version"), (given["mediamtx"], "--version")):
        if program:
            read_version(Path(program), option)
    counts, seconds = _numbers(given["counts"]), float(given["seconds"])
    report = Report("fanout", "cpu_percent_per_viewer_200")
    _measure_ours(report, counts, _numbers(given["stop_at"]), given)
    for measure_peer in (_measure_node_media, _measure_go2rtc, _measure_mediamtx):
        try:
            peer = measure_peer(report, counts, seconds, given)
        except BenchError as error:
            report.notes.append(f"peer left out: {error}")
            continue
        if peer is not None:
            report.peers.append(peer)
    return report


def _numbers(words: str) -> list[int]:
    return [int(word) for word in words.split(",") if word]


def _measure_ours(report: Report, counts: Sequence[int], stop_at: Sequence[int], given: dict[str, Any]) -> None:
    with clip_cameras(1) as addresses, our_server() as server:
        channel_id = add_camera(server, addresses[0], mode="live")
        wait_until_online(server)
        target = Target("incamera", server.pid, "ws", server.port, "/media/live", {})

        def hellos(count: int) -> list[str]:
            return [json.dumps({"open": ticket}) for ticket in tickets(server, channel_id, count)]

        # The first viewer also has the edge take the cover picture, in a process that stays: not a viewer's cost.
        _watch(report, target, hellos(1), _WARM_UP_S)
        time.sleep(_SETTLE_S)
        target = replace(target, idle_mib_of=rss_mib_of(server.pid))
        for count in counts:
            report.figures += _watch(report, target, hellos(count), given["seconds"])
        for count in stop_at:
            report.figures += _stop(report, target, hellos(count), given["seconds"], given["stopped"])


def _measure_node_media(report: Report, counts: Sequence[int], seconds: float, _given: dict[str, Any]) -> Peer | None:
    figures = []
    with node_media_server() as server:
        time.sleep(_SETTLE_S)
        target = Target("node-media-server", server.pid, "http", server.http_port, server.path, rss_mib_of(server.pid))
        for count in counts:
            figures += _watch(report, target, [""] * count, seconds)
    return Peer(target.name, VERSION, figures)


def _measure_go2rtc(report: Report, counts: Sequence[int], seconds: float, given: dict[str, Any]) -> Peer | None:
    if not given["go2rtc"]:
        return None
    figures = []
    with clip_cameras(1) as addresses, go2rtc(Path(given["go2rtc"]), addresses) as server:
        target = Target("go2rtc", server.pid, "ws", server.port, server.path, rss_mib_of(server.pid))
        for count in counts:
            figures += _watch(report, target, [HELLO] * count, seconds)
    return Peer(target.name, server.version, figures)


def _measure_mediamtx(report: Report, counts: Sequence[int], seconds: float, given: dict[str, Any]) -> Peer | None:
    if not given["mediamtx"]:
        return None
    figures = []
    with clip_cameras(1) as addresses, mediamtx(Path(given["mediamtx"]), addresses) as server:
        time.sleep(_SETTLE_S)
        target = Target("MediaMTX", server.pid, "rtsp", server.port, server.path, rss_mib_of(server.pid))
        for count in counts:
            figures += _watch(report, target, [""] * count, seconds)
    return Peer(target.name, server.version, figures)


def _watch(report: Report, target: Target, hello: Sequence[str], seconds: float) -> list[Figure]:
    """Lets as many viewers watch as there are first messages, and meters the server meanwhile."""
    count = len(hello)
    with _viewers(target, hello, seconds) as viewers:
        usage = measure(target.pid, seconds - _EDGE_S)
        load = _parse_windows(viewers.output())[0]
    _check(report, target, count, load)
    figures = [
        Figure(f"cpu_percent_per_viewer_{count}", round(usage.cpu_percent / count, 4), "%"),
        Figure(f"rss_mib_per_viewer_{count}", round(usage.growth_mib(target.idle_mib_of) / count, 4), "MiB"),
        Figure(f"longest_gap_ms_{count}", load["longest_gap_ms"], "ms"),
    ]
    if "delay_p50_ms" in load:
        figures += [Figure(f"delay_{name}_ms_{count}", load[f"delay_{name}_ms"], "ms") for name in ("p50", "p99")]
    return figures


def _stop(report: Report, target: Target, hello: Sequence[str], seconds: float, stopped: int) -> list[Figure]:
    """Some of the viewers stop reading; what that does to the p99 of the others."""
    count = len(hello)
    with _viewers(target, hello, seconds, "--stop", str(stopped)) as viewers:
        quiet, before, after = _parse_windows(viewers.output())
    _check(report, target, count, quiet)
    _check(report, target, count - stopped, after)
    return [
        Figure(f"unstopped_change_ms_{count}", before["change_ms"], "ms"),
        Figure(f"stopped_change_ms_{count}", after["change_ms"], "ms"),
        Figure(f"unstopped_p99_ms_{count}", before["delay_p99_ms"], "ms"),
        Figure(f"stopped_p99_ms_{count}", after["delay_p99_ms"], "ms"),
    ]


@contextlib.contextmanager
def _viewers(target: Target, hello: Sequence[str], seconds: float, *options: str) -> Iterator[Child]:
    """The load program once everybody has joined."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join(hello))
        file.flush()
        where = (target.mode, str(target.port), target.path, str(len(hello)), str(seconds), "--hello", file.name)
        with child(str(viewers_program()), *where, *options, ready="STEADY") as viewers:
            yield viewers


def _check(report: Report, target: Target, count: int, load: dict[str, float]) -> None:
    if load["receiving"] != count or load["min_mbit_s"] < _LEAST_MBIT_S:
        report.notes.append(f"{target.name}, {count} viewers: not everyone got everything: {json.dumps(load)}")


def _parse_windows(output: str) -> list[dict[str, float]]:
    if not output.strip():
        raise BenchError("the viewers ended without a report")
    windows: list[dict[str, float]] = json.loads(output)
    return windows
