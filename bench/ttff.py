"""Time to the first picture of a camera that somebody watches already, at random moments of its GOP; and how old the
pictures on the screen are.

`socket_*`: from connect() to the last byte of the first sync sample; tickets are fetched before, as a page does.
`socket_cold_ms`: the same for a camera that sends nothing because nobody watches. `browser_*`: from the click on a
camera of the wall, whose tiles stand still, to its first presented picture in Chromium with Media Source Extensions;
`browser_webcodecs_*`: the same with the low-delay player; `browser_tile_*`: from a tile that plays already.
`live_delay_*` (MSE), `live_delay_webcodecs_*`: from a picture's arrival at the edge to the moment Chromium hands it to
the screen; `live_delay_socket_*`: to its full receipt at a socket. With `--drift-seconds` the same is watched for so
long, with `--load-viewers` more viewers of the same camera: `drift_*` says by how much the medians of ten seconds move.
Peers: node-media-server over HTTP-FLV in the same run; go2rtc (fragmented MP4 over WebSocket) and MediaMTX (RTSP over
TCP) where their programs are named. Each has a viewer already, as ours.

    ./dev bench ttff [--joins 50] [--browser-joins 50] [--delay-seconds 20] [--drift-seconds 0] [--load-viewers 200]
                     [--go2rtc PATH] [--mediamtx PATH]
"""

import contextlib
import itertools
import json
import math
import random
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser

from bench import browser, first_picture
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
    tickets,
    viewers_program,
    wait_until_online,
)
from bench.peers.go2rtc import HELLO, go2rtc
from bench.peers.mediamtx import mediamtx
from bench.peers.node_media import VERSION, node_media_server
from bench.peers.programs import read_version
from incamera.protocol.frames import VIEWER_HEADER_BYTES, parse_viewer_header
from incamera.protocol.websocket import Binary, FrameReader, new_key, render_text, render_upgrade_request
from tests.support.server import Server

_GOP_S = 2.0
_JOINS: Final[tuple[tuple[str, browser.Mode, browser.Tiles], ...]] = (
    ("", "mse", "never"),
    ("_webcodecs", "webcodecs", "never"),
    ("_tile", "mse", "always"),
)
_DELAY_S = 3.0  # how long pictures are timed
_FLV_HEADER_BYTES = 13
_FLV_AVC_SYNC = b"\x17\x01"  # AVC, sync sample, NAL units (not the configuration)


def run(options: Sequence[str]) -> Report:
    counts = {"joins": 50, "browser_joins": 50, "delay_seconds": 20, "drift_seconds": 0, "load_viewers": 200}
    given = parse_options(options, **counts, go2rtc="", mediamtx="")
    for program, option in ((given["go2rtc"], "-version"), (given["mediamtx"], "--version")):
        if program:
            read_version(Path(program), option)
    report = Report("ttff", "socket_median_ms")
    with clip_cameras(1) as addresses, our_server() as server:
        channel_id = add_camera(server, addresses[0], mode="live")
        wait_until_online(server)
        words = iter(tickets(server, channel_id, given["joins"] + 3))
        report.add("socket_cold_ms", _first_sync_sample(server.port, next(words)), "ms")
        with _live(server.port, next(words)) as first:
            for _ in first.messages():
                break  # the stream is warm now and stays so: this viewer remains
            times = [_join(lambda: _first_sync_sample(server.port, next(words))) for _ in range(given["joins"])]
            _add_times(report.figures, "socket", times)
            report.add("live_delay_socket_p50_ms", _live_delay_ms(server.port, next(words)), "ms")
            try:
                _measure_browser(report, server, channel_id, given)
            except BenchError as error:
                report.notes.append(f"browser left out: {error}")
    for measure_peer in (_measure_node_media, _measure_go2rtc, _measure_mediamtx):
        try:
            peer = measure_peer(given["joins"], given)
        except BenchError as error:
            report.notes.append(f"peer left out: {error}")
            continue
        report.peers += [peer] if peer is not None else []
    return report


def _measure_browser(report: Report, server: Server, channel_id: str, given: dict[str, Any]) -> None:
    joins = given["browser_joins"]
    with browser.watching_browser(server) as chromium:
        for name, mode, tiles in _JOINS:
            count = joins if tiles == "never" else joins // 3
            times = browser.first_pictures(chromium, server, channel_id, count, mode, tiles)
            _add_times(report.figures, f"browser{name}", times)
        for name, mode, _ in _JOINS[:2]:
            with browser.watched_camera(chromium, server, channel_id, mode) as page:
                page.wait_for_timeout(given["delay_seconds"] * 1000)
                shown = browser.take_shown(page, mode)
            _add_delays(report, f"live_delay{name}", shown, given["delay_seconds"])
        if given["drift_seconds"]:
            _measure_drift(report, chromium, server, channel_id, given)


def _add_delays(report: Report, name: str, shown: Sequence[browser.Shown], seconds: float) -> None:
    if not shown:
        raise BenchError("Chromium showed no picture that could be recognised")
    ordered = sorted(it.delay_ms for it in shown)
    for share, label in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99")):
        report.add(f"{name}_{label}_ms", ordered[int(share * (len(ordered) - 1))], "ms")
    report.add(f"{name}_pictures_per_s", len(ordered) / seconds, "1/s")


def _measure_drift(report: Report, chromium: Browser, server: Server, channel_id: str, given: dict[str, Any]) -> None:
    """Both players at once, for a long time, with other viewers and whatever else the machine does."""
    with contextlib.ExitStack() as stack:
        if given["load_viewers"]:
            stack.enter_context(_load(server, channel_id, given["load_viewers"], given["drift_seconds"]))
        pages = {
            mode: stack.enter_context(browser.watched_camera(chromium, server, channel_id, mode))
            for mode in browser.MODES
        }
        shown: dict[browser.Mode, list[browser.Shown]] = {mode: [] for mode in browser.MODES}
        until = time.monotonic() + given["drift_seconds"]
        while time.monotonic() < until:
            for mode, page in pages.items():
                page.wait_for_timeout(1000)
                shown[mode] += browser.take_shown(page, mode)
    for mode, pictures in shown.items():
        drift = browser.Drift.of(pictures)
        report.add(f"drift_{mode}_slope_ms_per_min", drift.slope_ms_per_min, "ms/min")
        for label, value in (("first", drift.first_ms), ("last", drift.last_ms), ("worst", drift.worst_ms)):
            report.add(f"drift_{mode}_{label}_ms", value, "ms")
    report.notes.append(
        f"drift: both players for {given['drift_seconds']} s beside {given['load_viewers']} other viewers of the camera"
    )


@contextlib.contextmanager
def _load(server: Server, channel_id: str, count: int, seconds: float) -> Iterator[None]:
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join(json.dumps({"open": word}) for word in tickets(server, channel_id, count)))
        file.flush()
        where = ("ws", str(server.port), "/media/live", str(count), str(seconds + 60), "--hello", file.name)
        with child(str(viewers_program()), *where, ready="STEADY"):
            yield


def _measure_node_media(joins: int, _given: dict[str, Any]) -> Peer:
    with node_media_server() as server, socket.create_connection(("127.0.0.1", server.http_port)) as first:
        time.sleep(_GOP_S)
        first.sendall(f"GET {server.path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        times = [_join(lambda: _first_flv_sync_sample(server.http_port, server.path)) for _ in range(joins)]
    peer = Peer("node-media-server", VERSION, [])
    _add_times(peer.figures, "socket", times)
    return peer


def _measure_go2rtc(joins: int, given: dict[str, Any]) -> Peer | None:
    if not given["go2rtc"]:
        return None
    with clip_cameras(1) as addresses, go2rtc(Path(given["go2rtc"]), addresses, preloads=True) as server:

        def join() -> float:
            return first_picture.over_websocket(server.port, server.path, HELLO)

        join()  # by then the camera is pulled
        peer = Peer("go2rtc", server.version, [])
        _add_times(peer.figures, "socket", [_join(join) for _ in range(joins)])
    return peer


def _measure_mediamtx(joins: int, given: dict[str, Any]) -> Peer | None:
    if not given["mediamtx"]:
        return None
    with clip_cameras(1) as addresses, mediamtx(Path(given["mediamtx"]), addresses) as server:

        def join() -> float:
            return first_picture.over_rtsp(server.port, server.path)

        time.sleep(_GOP_S)  # by then the camera is pulled; before, the path is not found
        peer = Peer("MediaMTX", server.version, [])
        _add_times(peer.figures, "socket", [_join(join) for _ in range(joins)])
    return peer


def _join(join: Callable[[], float]) -> float:
    """Milliseconds of one join, after a pause that puts it anywhere in a GOP."""
    time.sleep(random.uniform(0, _GOP_S))
    return join()


def _add_times(figures: list[Figure], name: str, times: Sequence[float]) -> None:
    ordered = sorted(times)
    figures.append(Figure(f"{name}_median_ms", round(statistics.median(ordered), 2), "ms"))
    figures.append(Figure(f"{name}_p95_ms", round(ordered[math.ceil(len(ordered) * 0.95) - 1], 2), "ms"))
    figures.append(Figure(f"{name}_max_ms", round(ordered[-1], 2), "ms"))


# --- our live socket ------------------------------------------------------------------------------------------------


class _live:  # noqa: N801 - reads as a verb
    """A viewer on `/media/live`, from connect() on."""

    def __init__(self, port: int, ticket: str) -> None:
        self._reader = FrameReader(is_server=False, max_message_bytes=1 << 24)
        self._line = socket.create_connection(("127.0.0.1", port), timeout=15)
        self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._line.sendall(render_upgrade_request(f"127.0.0.1:{port}", "/media/live", new_key()))
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._line.recv(1)
        self._line.sendall(render_text(json.dumps({"open": ticket}).encode(), is_client=True))

    def messages(self) -> Iterator[bytes]:
        """Binary messages as they arrive."""
        while data := self._line.recv(1 << 18):
            for event in self._reader.receive(data):
                if isinstance(event, Binary):
                    yield event.data

    def __enter__(self) -> "_live":
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()


def _first_sync_sample(port: int, ticket: str) -> float:
    started = time.monotonic()
    with _live(port, ticket) as viewer:
        for message in viewer.messages():
            assert message[VIEWER_HEADER_BYTES + 4 :][:4] == b"moof"
            if parse_viewer_header(message)[1]:
                return (time.monotonic() - started) * 1000
    raise BenchError("the stream ended before a sync sample")


def _live_delay_ms(port: int, ticket: str) -> float:
    """Median age of a picture at full receipt; the join burst is left out."""
    with _live(port, ticket) as viewer:
        until, delays = time.monotonic() + _DELAY_S, []
        for message in itertools.takewhile(lambda _: time.monotonic() < until, viewer.messages()):
            delays.append((time.time_ns() / 1000 - parse_viewer_header(message)[3]) / 1000)
    return round(statistics.median(delays[len(delays) // 2 :]), 2)


# --- a peer's HTTP-FLV ----------------------------------------------------------------------------------------------


def _first_flv_sync_sample(port: int, path: str) -> float:
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=15) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        with line.makefile("rb") as stream:
            is_chunked = False
            while (header := stream.readline()) not in (b"\r\n", b""):
                is_chunked |= header.lower().startswith(b"transfer-encoding: chunked")
            body = b""
            for piece in _http_body(stream, is_chunked):
                body += piece
                if _holds_flv_sync_sample(body):
                    return (time.monotonic() - started) * 1000
    raise BenchError("the peer's stream ended before a sync sample")


def _http_body(stream: object, is_chunked: bool) -> Iterator[bytes]:
    while True:
        if is_chunked:
            size = int(stream.readline().strip() or b"0", 16)  # type: ignore[attr-defined]
            piece = stream.read(size)  # type: ignore[attr-defined]
            stream.readline()  # type: ignore[attr-defined]
        else:
            piece = stream.read1(65536)  # type: ignore[attr-defined]
        if not piece:
            return
        yield piece


def _holds_flv_sync_sample(body: bytes) -> bool:
    """Whether a whole tag with a sync sample is there (Adobe FLV 10.1, annex E.4.1)."""
    at = _FLV_HEADER_BYTES
    while at + 11 <= len(body):
        size = int.from_bytes(body[at + 1 : at + 4], "big")
        if at + 11 + size > len(body):
            return False
        if body[at] & 31 == 9 and body[at + 11 : at + 13] == _FLV_AVC_SYNC:
            return True
        at += 11 + size + 4
    return False
