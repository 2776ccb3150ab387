"""What a person sees in Chromium: time from a click to the first picture, and how old the pictures on the screen are.

The page has the wall open, as people do; the camera's page then fetches a ticket, opens the stream and builds its
decoder. What counts is the moment the browser hands the picture to the screen: `requestVideoFrameCallback` with Media
Source Extensions, the drawing on the canvas with WebCodecs. `probe.js` listens in, the player knows nothing of it.
"""

import contextlib
import json
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Page

from bench.harness import BenchError
from tests.support.browser import WEB_APP, open_page, running_browser
from tests.support.server import Server
from tools.browser import find_browser

Mode = Literal["mse", "webcodecs"]
Tiles = Literal["always", "never"]
MODES: Final[tuple[Mode, ...]] = ("mse", "webcodecs")
_GOP_S: Final = 2.0
_FORGET_S: Final = 1.5  # a page keeps a stream for a second after it was let go; a join from that would be for free
_STEP_S: Final = 10.0  # a drift is looked for in medians of so long
_PROBE: Final = (Path(__file__).parent / "probe.js").read_text()
_CLICK: Final = {
    "mse": """
async (href) => {
  const before = new Set(document.querySelectorAll("video"));
  const link = document.querySelector(`a[href="${href}"]`);
  const started = performance.now();
  link.click();
  const frame = () => new Promise(requestAnimationFrame);
  let video = null;
  while (video === null) {
    await frame();
    video = [...document.querySelectorAll("video")].find((it) => !before.has(it)) ?? null;
  }
  return await new Promise((done, fail) => {
    setTimeout(() => fail(new Error("no picture within 15 s")), 15000);
    video.requestVideoFrameCallback((now) => done(now - started));
  });
}
""",
    "webcodecs": """
async (href) => {
  const link = document.querySelector(`a[href="${href}"]`);
  const drawn = window.benchNextDrawn();
  const started = performance.now();
  link.click();
  const late = new Promise((_, fail) => setTimeout(() => fail(new Error("no picture within 15 s")), 15000));
  return (await Promise.race([drawn, late])) - started;
}
""",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture: when it reached the edge, and how much later it was handed to the screen."""

    wall_s: float
    delay_ms: float


@contextlib.contextmanager
def watching_browser(server: Server) -> Iterator[Browser]:
    """Raises BenchError where there is no browser or no web app."""
    if find_browser() is None:
        raise BenchError("there is no Chromium here")
    if not WEB_APP.exists():
        raise BenchError("the web app is not built; run it through ./dev bench")
    with running_browser() as browser:
        yield browser


@contextlib.contextmanager
def open_wall(browser: Browser, server: Server, mode: Mode, tiles: Tiles = "never") -> Iterator[Page]:
    """The wall of somebody whose player is set to `mode`; its tiles play `always`, or `never`."""
    with open_page(browser, server.url) as page:
        page.context.add_init_script(_PROBE)
        choices = {"player": {"mode": "low_delay" if mode == "webcodecs" else "smooth", "volume": 1}, "wall": tiles}
        for name, choice in choices.items():
            stored = json.dumps({"value": choice, "usedAt": time.time() * 1000})
            page.evaluate("([name, value]) => localStorage.setItem(name, value)", [f"incamera.{name}", stored])
        page.goto("/")
        yield page


def first_pictures(
    browser: Browser, server: Server, channel_id: str, joins: int, mode: Mode, tiles: Tiles = "never"
) -> list[float]:
    """Milliseconds from click to picture of each join, at random moments of the GOP."""
    href, times = f"/cameras/{channel_id}", []
    with open_wall(browser, server, mode, tiles) as page:
        for _ in range(joins):
            page.wait_for_selector(f'a[href="{href}"]')
            time.sleep(_FORGET_S + random.uniform(0, _GOP_S))
            times.append(float(page.evaluate(_CLICK[mode], href)))
            page.go_back()
    return times


@contextlib.contextmanager
def watched_camera(browser: Browser, server: Server, channel_id: str, mode: Mode) -> Iterator[Page]:
    """The camera's page, past its first moments, with every picture noted."""
    with open_wall(browser, server, mode) as page:
        page.goto(f"/cameras/{channel_id}")
        if mode == "mse":
            page.wait_for_function("() => document.querySelector('video')?.videoWidth > 0")
            page.evaluate("window.benchWatch(document.querySelector('video'))")
        page.wait_for_timeout(3000)  # the player finds its distance from the edge
        take_shown(page, mode)
        yield page


def take_shown(page: Page, mode: Mode) -> list[Shown]:
    """What was shown since the last time."""
    rows = page.evaluate("(mode) => window.benchShown[mode].splice(0)", mode)
    return [Shown(wall_us / 1e6, at_ms - wall_us / 1e3) for wall_us, at_ms in rows]


@dataclass(frozen=True, slots=True)
class Drift:
    """How the delay moved over a long watch, in medians of ten seconds."""

    slope_ms_per_min: float
    first_ms: float
    last_ms: float
    worst_ms: float

    @classmethod
    def of(cls, shown: Sequence[Shown]) -> "Drift":
        groups = groupby(shown, key=lambda it: int((it.wall_s - shown[0].wall_s) // _STEP_S))
        steps = [(number, statistics.median(it.delay_ms for it in group)) for number, group in groups]
        minutes = [number * _STEP_S / 60 for number, _ in steps]
        medians = [median for _, median in steps]
        slope = statistics.linear_regression(minutes, medians).slope if len(steps) > 1 else 0.0
        return cls(slope, medians[0], medians[-1], max(medians))
