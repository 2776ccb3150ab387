"""How soon a recorded picture is there: jumps to random moments of a recording, over the playback socket.

A camera is recorded by a whole server for `--seconds`; then `socket_seek_*`: from sending `play` to the last byte of
the first sync sample; `scrub_*`: the same for one key picture; `browser_seek_*`: from the jump to the picture that
Chromium shows, where the web app is built and Chromium is there. Nothing to compare with runs here without a browser
of its own: the goal is 300 ms.

    ./dev bench playback [--seconds 20] [--jumps 40]
"""

import asyncio
import json
import random
import statistics
import time
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from bench.harness import (
    BenchError,
    Figure,
    Report,
    add_camera,
    clip_cameras,
    our_server,
    parse_options,
    wait_until_online,
)
from tests.support.browser import WEB_APP, open_page, running_browser
from tests.support.server import Server
from tools.browser import find_browser

# A key on the timeline, as a person presses it, to the picture handed to the screen after the jump has arrived.
_PRESS = """
async (key) => {
  const slider = document.querySelector('[role="slider"]');
  const video = document.querySelector("video");
  const started = performance.now();
  const seeked = new Promise((done) => video.addEventListener("seeked", done, { once: true }));
  slider.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  await seeked;
  return await new Promise((done) => video.requestVideoFrameCallback((now) => done(now - started)));
}
"""


def run(options: Sequence[str]) -> Report:
    given = parse_options(options, seconds=20, jumps=40)
    report = Report("playback", "browser_seek_median_ms")
    with clip_cameras(1) as addresses, our_server() as server:
        channel_id = add_camera(server, addresses[0], mode="record")
        wait_until_online(server)
        time.sleep(given["seconds"])
        seeks, scrubs = asyncio.run(_jump(server, channel_id, given["jumps"]))
        _add(report, "socket_seek", seeks)
        _add(report, "scrub", scrubs)
        try:
            _add(report, "browser_seek", _browser_seeks(server, channel_id, max(4, given["jumps"] // 4)))
        except BenchError as error:
            report.notes.append(f"browser left out: {error}")
    return report


async def _jump(server: Server, channel_id: str, jumps: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each jump by `play` and by `scrub`."""
    address = f"ws://localhost:{server.port}/media/playback"
    async with connect(address, origin=f"http://localhost:{server.port}", max_size=None) as line:  # type: ignore[arg-type]
        await line.send(json.dumps({"open": _ticket(server, channel_id)}))
        opened = json.loads(await line.recv())
        if opened["type"] != "opened" or opened["from_us"] is None:
            raise BenchError(f"nothing was recorded: {opened}")
        found: tuple[list[float], list[float]] = ([], [])
        for number in range(2 * jumps):
            kind = "play" if number % 2 else "scrub"
            at_us = random.randrange(opened["from_us"], opened["to_us"])
            found[number % 2 == 0].append(await _one(line, kind, opened["handle"], at_us, number))
    return found


async def _one(line: ClientConnection, kind: str, handle: int, at_us: int, request: int) -> float:
    started = time.monotonic()
    await line.send(json.dumps({kind: {"handle": handle, "at_us": at_us, "request": request, **_speed(kind)}}))
    is_answered = kind == "scrub"
    while True:
        received = await line.recv()
        if isinstance(received, bytes) and is_answered:
            elapsed_ms = (time.monotonic() - started) * 1000
            if kind == "scrub":
                continue_until = json.loads(str(await line.recv()))
                assert continue_until["type"] == "scrubbed"
            else:
                await _pause(line, handle)
            return elapsed_ms
        if isinstance(received, str):
            is_answered = is_answered or json.loads(received).get("request") == request


async def _pause(line: ClientConnection, handle: int) -> None:
    """Stops the sending and reads what is under way."""
    await line.send(json.dumps({"pause": {"handle": handle}}))
    while True:
        try:
            await asyncio.wait_for(line.recv(), 0.2)
        except TimeoutError:
            return


def _browser_seeks(server: Server, channel_id: str, jumps: int) -> list[float]:
    """Milliseconds from the key to the picture, ten seconds back and on again in turns."""
    if find_browser() is None:
        raise BenchError("there is no Chromium here")
    if not WEB_APP.exists():
        raise BenchError("the web app is not built; run it through ./dev bench")
    times = []
    with running_browser() as browser, open_page(browser, server.url) as page:
        page.goto(f"/cameras/{channel_id}")
        page.get_by_role("slider").first.focus()
        page.wait_for_function("() => document.querySelector('video')?.videoWidth > 0")
        for number in range(jumps + 2):
            took_ms = page.evaluate(_PRESS, "ArrowLeft" if number < 2 or number % 2 else "ArrowRight")
            if number >= 2:  # the first look into the past also opens the socket and the decoder
                times.append(float(took_ms))
            page.wait_for_timeout(300)
    return times


def _speed(kind: str) -> dict[str, Any]:
    return {"speed": 1} if kind == "play" else {}


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
