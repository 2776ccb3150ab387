"""Sixteen cameras at once on the wall, in Chromium, on this machine's cores: are pictures left out?

Each camera sends the same sub stream (640 × 360, ten pictures a second, GOP 2 s), replayed from a file so that the
cores are left to server, edge and browser. `shown_per_s_min`: the tile that shows fewest; `dropped_percent`: pictures
that Chromium decoded and did not show; the CPU of Chromium and of server and edge, 100 % being one core.

    ./dev bench tiles [--tiles 16] [--seconds 20]
"""

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import psutil
from playwright.sync_api import Page

from bench.browser import watching_browser
from bench.harness import (
    CACHE,
    BenchError,
    Report,
    add_camera,
    child,
    our_server,
    parse_options,
    python,
    wait_until_online,
)
from bench.meter import cpu_seconds
from incamera.edge.simulated import counter
from tests.support.browser import open_page

WIDTH, HEIGHT, FPS, SECONDS, GOP = 640, 360, 10, 20, 20
_SETTLE_MS: Final = 8000
_QUALITY: Final = """
() => [...document.querySelectorAll("a.pic video.shown")].map((video) => {
  const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
  return [totalVideoFrames, droppedVideoFrames];
})
"""


def run(options: Sequence[str]) -> Report:
    given = parse_options(options, tiles=16, seconds=20)
    report = Report("tiles", "shown_per_s_min")
    count = given["tiles"]
    with child(*python("bench.cameras", str(_clip()), str(count), str(FPS)), ready="ready ") as cameras:
        port = cameras.said.split()[-1]
        with our_server() as server, watching_browser(server) as chromium:
            for number in range(count):
                add_camera(server, f"rtsp://127.0.0.1:{port}/camera{number}", mode="live", name=f"Camera {number}")
            wait_until_online(server)
            size: dict[str, Any] = {"width": 1920, "height": 1080}
            with open_page(chromium, server.url, **size) as page:
                page.get_by_role("button", name="Fill the screen").click()
                _measure(report, page, count, given["seconds"], server.pid)
    return report


def _measure(report: Report, page: Page, count: int, seconds: int, server_pid: int) -> None:
    script = f'() => document.querySelectorAll("a.pic video.shown").length === {count}'
    page.wait_for_function(script, timeout=60_000)
    page.wait_for_timeout(_SETTLE_MS)
    before, browser_s, server_s = page.evaluate(_QUALITY), _browser_cpu_s(), cpu_seconds(server_pid)
    page.wait_for_timeout(seconds * 1000)
    after, browser_s, server_s = (
        page.evaluate(_QUALITY),
        _browser_cpu_s() - browser_s,
        cpu_seconds(server_pid) - server_s,
    )
    if len(before) != count or len(after) != count:
        raise BenchError(f"of {count} tiles {len(after)} showed a live picture")
    decoded = [b[0] - a[0] for a, b in zip(before, after, strict=True)]
    dropped = [b[1] - a[1] for a, b in zip(before, after, strict=True)]
    report.add("shown_per_s_min", min(d - n for d, n in zip(decoded, dropped, strict=True)) / seconds, "1/s")
    report.add("shown_per_s_mean", (sum(decoded) - sum(dropped)) / count / seconds, "1/s")
    report.add("dropped_percent", 100 * sum(dropped) / max(1, sum(decoded)), "%")
    report.add("browser_cpu_percent", 100 * browser_s / seconds, "%")
    report.add("server_cpu_percent", 100 * server_s / seconds, "%")


def _browser_cpu_s() -> float:
    """Of the Chromium that this process started."""
    children = psutil.Process(os.getpid()).children(recursive=True)
    mains = [
        it for it in children if it.is_running() and "chrom" in it.name() and "--type=" not in " ".join(it.cmdline())
    ]
    return sum(cpu_seconds(it.pid) for it in mains)


def _clip() -> Path:
    """A moving pattern with noise and a number in every picture, made once."""
    path = CACHE / f"sub-{WIDTH}x{HEIGHT}-{FPS}.h264"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(_encode())
        unfinished.rename(path)
    return path


def _encode() -> bytes:
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1, FPS), Fraction(FPS)
    codec.gop_size, codec.max_b_frames, codec.bit_rate = GOP, 0, 400_000
    codec.options = {"preset": "veryfast", "profile": "main", "x264-params": "scenecut=0:annexb=1:repeat-headers=1"}
    noise = np.random.default_rng(1).integers(0, 10, (HEIGHT, WIDTH), dtype=np.uint8)
    gradient = np.linspace(40, 200, WIDTH, dtype=np.uint8)[None, :].repeat(HEIGHT, 0)
    parts = []
    for number in range(FPS * SECONDS):
        planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        planes[:HEIGHT] = np.roll(gradient, number * 6, axis=1) + np.roll(noise, number * 37, axis=0)
        counter.draw(planes[:HEIGHT], number)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts = number
        parts += [bytes(packet) for packet in codec.encode(frame)]
    return b"".join([*parts, *(bytes(packet) for packet in codec.encode(None))])
