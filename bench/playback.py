"""How soon a recorded picture is there: jumps to random moments of a month of recordings, and dragging through it.

A camera is recorded by a whole server for `--seconds`; then `month` gives it a month: a row a minute, and a minute of
real sealed files every day. `socket_seek_*`: from sending `play` to the last byte of the first sync sample, on a random
day; `socket_target_*`: to the picture of the very moment, which may lie two seconds behind that: what a browser has to
have before it can show it, so all that the server costs of a jump. `scrub_*`: one key picture. `browser_seek_*`: from a
key that jumps ten seconds to the picture from there that Chromium hands to the screen; `browser_seek_asked_*`: those of
them for which the server was asked, because the picture was not here yet. `scrub_pictures_per_s`: what the screen shows
while a finger moves over ten minutes of the timeline without a pause.
Nothing to compare with runs here without a browser of its own: the goals are 300 ms and 15 pictures a second.

    ./dev bench playback [--seconds 25] [--jumps 50] [--scrub-seconds 8]
"""

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page
from websockets.asyncio.client import ClientConnection, connect

from bench.browser import watching_browser
from bench.harness import (
    BenchError,
    Figure,
    Report,
    add_camera,
    clip_cameras,
    parse_options,
    wait_for_edge,
    wait_until_online,
)
from bench.month import DAYS, fill_between, plant
from incamera.protocol.frames import parse_viewer_header
from tests.support.browser import open_page
from tests.support.server import Server, running_server

_ROOT_KEY = bytes(range(32))
_PICTURE_US = 40_000
# A key on the timeline, as a person presses it, to the moment the picture from there is handed to the screen: the one
# whose media time is where the element was told to go. Pictures of the place before may still come meanwhile.
_PRESS = """
async (key) => {
  const slider = document.querySelector('[role="slider"]');
  const video = document.querySelector("video");
  const started = performance.now();
  let target = null;
  const aim = () => (target = video.currentTime);
  video.addEventListener("seeking", aim);
  const shown = new Promise((done) => {
    const next = (now, picture) => {
      const ahead = target === null ? -1 : picture.mediaTime - target; // a busy machine leaves the first pictures out
      if (ahead > -0.06 && ahead < 2) done(now - started);
      else video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  });
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error("no picture within 15 s")), 15000));
  slider.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  return await Promise.race([shown, late]).finally(() => video.removeEventListener("seeking", aim));
}
"""
_COUNT = """
() => {
  const video = document.querySelector("video");
  window.benchPictures = new Set();
  const next = (_, picture) => {
    window.benchPictures.add(picture.mediaTime);
    video.requestVideoFrameCallback(next);
  };
  video.requestVideoFrameCallback(next);
}
"""


def run(options: Sequence[str]) -> Report:
    given = parse_options(options, seconds=25, jumps=50, scrub_seconds=8)
    report = Report("playback", "browser_seek_median_ms")
    environment = {"INCAMERA_ROOT_KEY": _ROOT_KEY.hex()}
    with (
        clip_cameras(1) as addresses,
        tempfile.TemporaryDirectory(prefix="incamera-bench-") as folder,
        running_server(Path(folder), environment=environment) as server,
    ):
        wait_for_edge(server)
        channel_id = add_camera(server, addresses[0], mode="record")
        _keep_long(server, channel_id)
        wait_until_online(server)
        time.sleep(given["seconds"])
        server.stop()
        sought = asyncio.run(plant(server.data, _ROOT_KEY))
        server.start()
        rows = fill_between(server.data, sought)
        wait_until_online(server)
        for name, times in asyncio.run(_jump(server, channel_id, sought, given["jumps"])).items():
            _add(report, name, times)
        report.notes.append(f"{rows:,} segments in {DAYS} days, real pictures of {len(sought)} of them")
        try:
            _measure_browser(report, server, channel_id, given)
        except BenchError as error:
            report.notes.append(f"browser left out: {error}")
    return report


def _keep_long(server: Server, channel_id: str) -> None:
    response = server.owner().patch(f"/api/v1/channels/{channel_id}", json={"keep": "P30D"})
    if response.is_error:
        raise BenchError(f"recordings could not be kept for a month: {response.text}")


async def _jump(server: Server, channel_id: str, sought: Sequence[int], jumps: int) -> dict[str, list[float]]:
    """Milliseconds of each jump by `play`, to the first picture and to the one sought, and by `scrub`."""
    address = f"ws://localhost:{server.port}/media/playback"
    async with connect(address, origin=f"http://localhost:{server.port}", max_size=None) as line:  # type: ignore[arg-type]
        await line.send(json.dumps({"open": _ticket(server, channel_id)}))
        opened = json.loads(await line.recv())
        if opened["type"] != "opened" or opened["from_us"] is None:
            raise BenchError(f"nothing was recorded: {opened}")
        found: dict[str, list[float]] = {"socket_seek": [], "socket_target": [], "scrub": []}
        for number in range(2 * jumps):
            at_us = random.choice(sought) + random.randrange(50_000_000)
            if number % 2:
                first_ms, target_ms = await _play(line, opened["handle"], at_us, number)
                found["socket_seek"].append(first_ms)
                found["socket_target"].append(target_ms)
            else:
                found["scrub"].append(await _scrub(line, opened["handle"], at_us, number))
        return found


async def _scrub(line: ClientConnection, handle: int, at_us: int, request: int) -> float:
    started, elapsed_ms = time.monotonic(), 0.0
    await line.send(json.dumps({"scrub": {"handle": handle, "at_us": at_us, "request": request}}))
    while True:
        received = await line.recv()
        if isinstance(received, bytes):
            elapsed_ms = (time.monotonic() - started) * 1000
        elif json.loads(received)["type"] == "scrubbed":
            return elapsed_ms


async def _play(line: ClientConnection, handle: int, at_us: int, request: int) -> tuple[float, float]:
    started, first_ms, is_answered = time.monotonic(), 0.0, False
    await line.send(json.dumps({"play": {"handle": handle, "at_us": at_us, "request": request, "speed": 1}}))
    while True:
        received = await line.recv()
        elapsed_ms = (time.monotonic() - started) * 1000
        if isinstance(received, str):
            is_answered = is_answered or json.loads(received).get("request") == request
        elif is_answered:
            first_ms = first_ms or elapsed_ms
            if parse_viewer_header(received)[3] > at_us - _PICTURE_US:
                await _pause(line, handle)
                return first_ms, elapsed_ms


async def _pause(line: ClientConnection, handle: int) -> None:
    """Stops the sending and reads what is under way."""
    await line.send(json.dumps({"pause": {"handle": handle}}))
    while True:
        try:
            async with asyncio.timeout(0.2):
                await line.recv()
        except TimeoutError:
            return


def _measure_browser(report: Report, server: Server, channel_id: str, given: dict[str, Any]) -> None:
    with watching_browser(server) as browser, open_page(browser, server.url) as page:
        page.goto(f"/cameras/{channel_id}")
        page.wait_for_function("() => document.querySelector('video')?.videoWidth > 0")
        report.add("scrub_pictures_per_s", _drag(page, given["scrub_seconds"]), "1/s")
        page.reload()
        page.wait_for_function("() => document.querySelector('video')?.videoWidth > 0")
        times = _seeks(page, given["jumps"])
        _add(report, "browser_seek", [took_ms for took_ms, _ in times])
        asked = [took_ms for took_ms, was_asked in times if was_asked]
        if asked:
            _add(report, "browser_seek_asked", asked)


def _seeks(page: Page, jumps: int) -> list[tuple[float, bool]]:
    """Milliseconds from the key to the picture, and whether the server was asked for it: ten seconds on each time."""
    sent: list[str | bytes] = []

    def note(data: str | bytes) -> None:  # Playwright marks its handlers, and a built-in takes no mark
        sent.append(data)

    page.on("websocket", lambda line: line.on("framesent", note))
    page.locator(".gaps button", has_text="Camera lost").first.click()
    page.wait_for_timeout(2000)
    times = []
    for number in range(jumps + 1):
        sent.clear()
        try:
            took_ms = page.evaluate(_PRESS, "ArrowRight")
        except PlaywrightError as error:
            raise BenchError(f"jump {number} in the browser: {str(error)[:80]}") from None
        times.append((float(took_ms), any('"play"' in str(message) for message in sent)))
        page.wait_for_timeout(random.randrange(200, 500))
    return times[1:]


def _drag(page: Page, seconds: float) -> float:
    """Distinct pictures a second on the screen while the pointer moves to and fro over ten minutes of recordings."""
    page.locator(".gaps button", has_text="Camera lost").first.click()
    page.wait_for_timeout(1500)
    head = page.locator(".lane .head").bounding_box()
    boxes = [box for box in (it.bounding_box() for it in page.locator(".lane .rec i").all()) if box is not None]
    box = next((it for it in boxes if head and it["x"] - 4 <= head["x"] + 4 <= it["x"] + it["width"]), None)
    if box is None:
        raise BenchError("the page shows no recording to drag over")
    left, width, y = box["x"] + 2, box["width"] - 4, box["y"] + box["height"] / 2
    page.mouse.move(left + width, y)
    page.mouse.down()
    page.mouse.move(left + width - 8, y)
    page.wait_for_timeout(1000)
    page.evaluate(_COUNT)
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < seconds:
        page.mouse.move(left + width * abs((elapsed / 4) % 2 - 1), y)  # four seconds from one end to the other
    shown = float(page.evaluate("() => window.benchPictures.size")) / elapsed
    page.mouse.up()
    return shown


def _ticket(server: Server, channel_id: str) -> str:
    body = {"for": "playback", "streams": ["main"]}
    response = server.owner().post(f"/api/v1/channels/{channel_id}/tickets", json=body)
    if response.is_error:
        raise BenchError(f"no ticket for looking back: {response.text}")
    return str(response.json()["tickets"][0]["ticket"])


def _add(report: Report, name: str, times: Sequence[float]) -> None:
    ordered = sorted(times)
    report.figures.append(Figure(f"{name}_median_ms", round(statistics.median(ordered), 2), "ms"))
    report.figures.append(Figure(f"{name}_p95_ms", round(ordered[max(0, int(len(ordered) * 0.95) - 1)], 2), "ms"))
