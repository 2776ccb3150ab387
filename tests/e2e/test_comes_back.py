"""Whatever happens to page, line, server, edge or camera: the picture comes back by itself, and it is a new one."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.bad_line import bad_line
from tests.support.browser import open_page, running_browser
from tests.support.camera import PASSWORD, running_camera
from tests.support.counter_js import READ_COUNTER_JS
from tests.support.sampling import sample, takes_turns
from tests.support.server import Server, running_server

pytestmark = pytest.mark.slow

CARD = {
    "purpose": "To see who comes",
    "placement": "outdoor",
    "sees_public_space": False,
    "staff_informed": None,
    "sound": False,
}
FPS = 25
WAYS = ("smooth", "low_delay", "wall")  # to watch
BACK_S = 60.0  # patience of a busy machine, not a promise
# The number in whatever shows the camera now: a tile, the smooth picture or the canvas of the low-delay one.
SHOWN_JS = f"""() => {{
  const read = {READ_COUNTER_JS};
  const all = [...document.querySelectorAll("a.pic video, figure video, figure canvas")];
  const shown = all.filter((it) => getComputedStyle(it).opacity === "1" && (it.videoWidth || it.width) > 300);
  return shown.length ? read(shown.at(-1)) : null;
}}"""
SHOW_OR_HIDE_JS = """(isHidden) => {
  Object.defineProperty(document, "hidden", { get: () => isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
SPOIL_ONE_PICTURE_JS = """() => {
  const append = SourceBuffer.prototype.appendBuffer, decode = VideoDecoder.prototype.decode;
  SourceBuffer.prototype.appendBuffer = function () {
    SourceBuffer.prototype.appendBuffer = append;
    return append.call(this, new Uint8Array(64).fill(255));
  };
  VideoDecoder.prototype.decode = function (chunk) {
    VideoDecoder.prototype.decode = decode;
    const data = new Uint8Array(500).fill(255);
    return decode.call(this, new EncodedVideoChunk({ type: chunk.type, timestamp: chunk.timestamp, data }));
  };
}"""


@dataclass
class Home:
    """What the tests share. The camera can be switched off and on again on its port."""

    server: Server
    browser: Browser
    port: int
    channel: str = ""
    _camera: ExitStack = field(default_factory=ExitStack)

    def switch_camera_on(self) -> None:
        address = self._camera.enter_context(running_camera("garden", port=self.port))
        self.port = urlsplit(address).port or 0

    def switch_camera_off(self) -> None:
        self._camera.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with running_browser() as browser, running_server(tmp_path_factory.mktemp("home")) as server:
        home = Home(server, browser, 0)
        home.switch_camera_on()
        try:
            server.owner()
            server.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
            home.channel = _add(home)
            yield home
        finally:
            home.switch_camera_off()


@pytest.fixture(params=sample(WAYS, one_of=3))
def page(home: Home, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Somebody watches, in each of the ways to watch."""
    with open_page(home.browser, home.server.url) as page:
        _watch(page, home, request.param)
        yield page


def _watch(page: Page, home: Home, how: str) -> None:
    mode = "low_delay" if how == "low_delay" else "smooth"
    choice = json.dumps({"value": {"mode": mode, "volume": 1}, "usedAt": int(time.time() * 1000)})
    page.evaluate("(choice) => localStorage.setItem('incamera.player', choice)", choice)
    page.goto("/" if how == "wall" else f"/cameras/{home.channel}")
    _expect_new_pictures(page)


@takes_turns(0, one_of=2)
def test_after_the_server_was_killed(home: Home, page: Page) -> None:
    home.server.kill()
    page.wait_for_timeout(3000)
    home.server.start()
    _expect_new_pictures(page)
    expect(page.get_by_text("The server does not answer.")).to_have_count(0, timeout=20_000)


@takes_turns(1, one_of=2)
def test_after_the_edge_was_killed(home: Home, page: Page) -> None:
    note = json.loads((home.server.data / "edge" / "local-edge.json").read_text())
    os.kill(note["pid"], signal.SIGKILL)
    page.wait_for_timeout(1000)
    _expect_new_pictures(page)


@takes_turns(2, one_of=2)
def test_after_the_camera_was_away(home: Home, page: Page) -> None:
    home.switch_camera_off()
    try:
        page.wait_for_timeout(6000)
    finally:
        home.switch_camera_on()
    _expect_new_pictures(page)


@takes_turns(3, one_of=2)
def test_after_the_page_was_frozen(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    time.sleep(12)
    session.send("Page.setWebLifecycleState", {"state": "active"})
    _expect_new_pictures(page)


@takes_turns(4, one_of=2)
def test_a_page_that_nobody_sees_is_sent_nothing_and_goes_on_at_the_present(home: Home, page: Page) -> None:
    page.evaluate(SHOW_OR_HIDE_JS, True)
    path = f"/api/v1/devices/{_device(home)['id']}"
    home.server.wait_for(path, lambda device: device["channels"][0]["watching"] == 0, 30)
    page.evaluate(SHOW_OR_HIDE_JS, False)
    _expect_new_pictures(page)


@takes_turns(5, one_of=2)
def test_after_a_picture_that_cannot_be_decoded(page: Page) -> None:
    page.evaluate(SPOIL_ONE_PICTURE_JS)
    page.wait_for_timeout(500)
    _expect_new_pictures(page)


@takes_turns(6, one_of=2)
def test_after_the_browser_was_off_line(page: Page) -> None:
    page.context.set_offline(True)
    page.wait_for_timeout(5000)
    page.context.set_offline(False)
    _expect_new_pictures(page)


@pytest.mark.parametrize("how", sample(WAYS, one_of=3))
def test_after_the_line_fell_silent(home: Home, how: str) -> None:
    """Both ends believe in it; a router that forgot a connection looks like that."""
    with bad_line(home.server.port) as (line, call), open_page(home.browser, f"http://localhost:{line.port}") as page:
        _watch(page, home, how)
        call(line.fall_silent)
        page.wait_for_timeout(14_000)
        call(line.cut)
        call(line.speak_again)
        _expect_new_pictures(page)


def _expect_new_pictures(page: Page) -> None:
    """Two pictures that were taken after this was called, without anybody touching the page."""
    called = int(time.time() * FPS) % 2**24
    first = _until(page, lambda number: number >= called)
    _until(page, lambda number: number > first + 5)


def _until(page: Page, accept: Callable[[int], bool]) -> int:
    deadline, seen = time.monotonic() + BACK_S, None
    while time.monotonic() < deadline:
        seen = page.evaluate(SHOWN_JS)
        if seen is not None and accept(seen):
            return int(seen)
        page.wait_for_timeout(100)
    raise AssertionError(
        f"no new picture came within {BACK_S} s; the last one was {seen} at {time.time() * FPS % 2**24}"
    )


def _device(home: Home) -> dict[str, Any]:
    device: dict[str, Any] = home.server.owner().get("/api/v1/devices").json()["items"][0]
    return device


def _add(home: Home) -> str:
    garden = f"rtsp://127.0.0.1:{home.port}/garden"
    login = {"username": "viewer", "password": PASSWORD}
    body = {
        "kind": "camera",
        "name": "Garden",
        "time_zone": "Europe/Paris",
        "channels": [{"name": "Garden", "address": f"{garden}/main", "sub_address": f"{garden}/sub", **login}],
        "privacy_card": CARD,
        "mode": "live",
        "sound": False,
    }
    response = home.server.owner().post("/api/v1/devices", json=body)
    assert response.status_code == 201, response.text
    path = f"/api/v1/devices/{response.json()['id']}"
    online = home.server.wait_for(path, lambda shown: shown["state"]["code"] == "online")
    return str(online["channels"][0]["id"])
