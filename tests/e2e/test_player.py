"""What people do with a picture: enlarge it, let it float, keep it, fill a screen with all of them."""

import io
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from incamera.edge.simulated import counter
from tests.support.bad_line import bad_line
from tests.support.browser import axe_violations, open_page, overflow_px, running_browser
from tests.support.camera import PASSWORD, running_camera
from tests.support.counter_js import READ_COUNTER_JS
from tests.support.sampling import sample
from tests.support.server import Server, running_server

pytestmark = pytest.mark.slow

NAMES = ("garden", "porch")
MODES = ("smooth", "low_delay")
CARD = {
    "purpose": "To see who comes",
    "placement": "outdoor",
    "sees_public_space": False,
    "staff_informed": None,
    "sound": True,
}


# What a camera may send, as the browser gets it. "sets": parameter sets that mean nothing. "sync": pictures that claim
# to decode alone and do not, as with intra refresh; only of the large stream.
SPOIL_JS = """(what) => {
  window.spoils = what;
  const append = SourceBuffer.prototype.appendBuffer;
  const find = (bytes, name) => {
    for (let at = 0; at + 8 < bytes.length; at += 1)
      if ([...name].every((sign, i) => bytes[at + i] === sign.charCodeAt(0))) return at + 4;
    return -1;
  };
  SourceBuffer.prototype.appendBuffer = function (data) {
    const bytes = new Uint8Array(data).slice();
    const entry = find(bytes, "avc1");
    if (entry > 0) this.isLarge = bytes[entry + 24] * 256 + bytes[entry + 25] > 1000;
    if (window.spoils === "sets" && entry > 0) bytes.fill(255, find(bytes, "avcC") + 9, find(bytes, "avcC") + 20);
    const media = window.spoils === "sync" && this.isLarge ? find(bytes, "mdat") : -1;
    for (let at = media; at > 0 && at + 5 < bytes.length; ) {
      if ((bytes[at + 4] & 31) === 5) bytes[at + 4] -= 4;
      at += 4 + new DataView(bytes.buffer).getUint32(at);
    }
    return append.call(this, bytes);
  };
}"""


@dataclass
class Home:
    """What the tests share; channel ids by name."""

    server: Server
    browser: Browser
    channels: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("player")
    with running_browser() as browser, running_camera(*NAMES) as cameras, running_server(folder) as server:
        server.owner()
        server.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
        home = Home(server, browser)
        for name in NAMES:
            home.channels[name] = _add(server, cameras, name)
        yield home


@pytest.mark.parametrize("mode", sample(MODES, one_of=2))
def test_picture_is_enlarged_and_moved_by_keys_and_says_so(home: Home, mode: str) -> None:
    with _camera(home, mode) as page:
        for _ in range(3):
            page.keyboard.press("+")
        expect(page.get_by_role("status").filter(has_text="Picture enlarged 3.4 times")).to_be_attached()
        at_first = _place(page)
        page.keyboard.press("ArrowLeft")
        assert _place(page)[0] > at_first[0], "the part further left comes into view"
        for _ in range(30):
            page.keyboard.press("ArrowUp")
        box = page.get_by_role("figure").bounding_box()
        assert box is not None
        assert _place(page)[1] == pytest.approx(box["height"] * (1.5**3 - 1) / 2, abs=1), "never beyond the picture"
        for _ in range(20):
            page.keyboard.press("+")
        expect(page.get_by_role("button", name="Whole picture")).to_have_text("8×")
        assert axe_violations(page) == []
        page.keyboard.press("0")
        expect(page.get_by_role("button", name="Whole picture")).to_have_count(0)


def test_the_timeline_keeps_its_own_keys(home: Home) -> None:
    with _camera(home, "smooth") as page:
        page.get_by_role("slider", name="Moment shown").focus()
        page.keyboard.press("+")
        expect(page.get_by_role("button", name="Whole picture")).to_have_count(0)


def test_two_taps_enlarge_what_is_under_the_finger(home: Home) -> None:
    with _camera(home, "smooth") as page:
        box = page.get_by_role("figure").bounding_box()
        assert box is not None
        session = page.context.new_cdp_session(page)
        for _ in range(2):
            point = {"x": box["x"] + box["width"] / 4, "y": box["y"] + box["height"] / 4}
            session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
            session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        expect(page.get_by_role("button", name="Whole picture")).to_have_text("2.5×")
        assert page.evaluate("document.fullscreenElement") is None


@pytest.mark.parametrize("mode", sample(MODES, one_of=2))
def test_saved_picture_is_the_one_that_was_shown(home: Home, mode: str) -> None:
    with _camera(home, mode) as page:
        page.keyboard.press("k")
        page.wait_for_timeout(500)
        shown = _shown(page)
        with page.expect_download() as saved:
            page.keyboard.press("s")
        expect(page.get_by_text("Picture saved on this device.")).to_be_visible()
        with av.open(io.BytesIO(saved.value.path().read_bytes())) as container:
            picture = next(container.decode(video=0))
        assert (picture.width, picture.height) == (1280, 720)
        assert counter.read(np.ascontiguousarray(picture.to_ndarray(format="gray"))) == shown
        assert re.fullmatch(r"garden_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.jpg", saved.value.suggested_filename)


@pytest.mark.parametrize("mode", sample(MODES, one_of=2))
def test_picture_floats_over_other_windows_and_goes_on_when_the_page_is_hidden(home: Home, mode: str) -> None:
    with _camera(home, mode) as page:
        page.get_by_role("button", name="Float over other windows").click()
        page.wait_for_function("() => document.pictureInPictureElement !== null")
        page.evaluate(
            """() => {
              Object.defineProperty(document, "hidden", { get: () => true, configurable: true });
              document.dispatchEvent(new Event("visibilitychange"));
            }"""
        )
        page.wait_for_timeout(10_000)
        read = f"() => ({READ_COUNTER_JS})(document.pictureInPictureElement)"
        first = _until(page, lambda: page.evaluate(read), "the floating picture shows its number")
        _until(page, lambda: (page.evaluate(read) or 0) > first + 10, "it goes on")
        page.keyboard.press("p")
        page.wait_for_function("() => document.pictureInPictureElement === null")


def test_without_webcodecs_the_lowest_delay_says_what_it_needs(home: Home) -> None:
    with open_page(home.browser, home.server.url) as page:
        page.add_init_script("delete window.VideoDecoder")
        page.goto(f"/cameras/{home.channels['garden']}")
        _until(page, lambda: _shown(page), "there is a picture")
        page.keyboard.press("d")
        expect(page.get_by_text("The lowest delay needs an encrypted address")).to_be_visible()
        _until(page, lambda: _shown(page), "the smooth picture stays")


def test_low_delay_is_switched_by_key_shown_and_remembered(home: Home) -> None:
    with _camera(home, "smooth") as page:
        page.keyboard.press("d")
        expect(page.locator("figure .stamp")).to_contain_text("Low delay")
        page.reload()
        expect(page.locator("figure .stamp")).to_contain_text("Low delay")
        _until(page, lambda: _shown(page), "the canvas shows its number")


def test_wall_fills_the_screen_and_a_terminal_remembers_it(home: Home) -> None:
    with open_page(home.browser, home.server.url, width=1280, height=720) as page:
        expect(page.get_by_role("link", name="Open garden")).to_be_visible()
        page.get_by_role("button", name="Fill the screen").click()
        page.wait_for_function("() => document.fullscreenElement?.id === 'content'")
        _expect_full_wall(page)
        assert axe_violations(page) == []
        page.mouse.move(200, 200)
        page.wait_for_timeout(3500)
        assert page.evaluate("getComputedStyle(document.querySelector('.full')).cursor") == "none"

        page.reload()
        _expect_full_wall(page)

        page.keyboard.press("f")
        expect(page.get_by_role("button", name="Fill the screen")).to_be_visible()
        page.reload()
        expect(page.get_by_role("button", name="Fill the screen")).to_be_visible()


def _expect_full_wall(page: Page) -> None:
    """Both pictures move, nothing else takes room, nothing scrolls."""
    read = f"""() => [...document.querySelectorAll(".full a.pic video.shown")].map({READ_COUNTER_JS})"""
    first = _until(page, lambda: [it for it in page.evaluate(read) if it] if _both(page, read) else None, "both play")
    _until(page, lambda: all(b > a for a, b in zip(first, page.evaluate(read), strict=True) if b), "and go on")
    boxes = [page.get_by_role("link", name=f"Open {name}").bounding_box() for name in NAMES]
    assert sum(box["width"] * box["height"] for box in boxes if box) > 1280 * 720 * 0.98
    assert overflow_px(page) <= 0


def _both(page: Page, read: str) -> bool:
    seen = page.evaluate(read)
    return len(seen) == len(NAMES) and all(seen)


def test_help_lists_the_keys_and_keeps_them_to_itself(home: Home) -> None:
    with open_page(home.browser, home.server.url) as page:
        for path, group in (("/", "The wall"), (f"/cameras/{home.channels['garden']}", "The recording")):
            page.goto(path)
            expect(page.get_by_role("link", name="Open garden").or_(page.get_by_role("figure"))).to_be_visible()
            page.keyboard.press("?")
            dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
            expect(dialog.get_by_role("region", name=group)).to_be_visible()
            assert axe_violations(page) == []
            for key in ("Tab", "Tab", "Tab", "1", "f", "s"):
                page.keyboard.press(key)
            assert page.evaluate("document.activeElement.closest('dialog') !== null"), "Tab stays inside"
            assert urlsplit(page.url).path == path, "keys do nothing behind it"
            assert page.evaluate("document.fullscreenElement") is None
            page.keyboard.press("Escape")
            expect(dialog).to_be_hidden()
        opener = page.get_by_role("button", name="Keyboard shortcuts")
        opener.click()
        page.keyboard.press("?")
        expect(dialog).to_be_hidden()
        expect(opener).to_be_focused()


def test_a_recording_goes_on_at_its_place_when_the_line_was_gone_without_a_word(home: Home) -> None:
    end = "() => { const all = document.querySelector('figure video').buffered; return all.end(all.length - 1); }"
    with (
        bad_line(home.server.port) as (line, call),
        open_page(home.browser, f"http://localhost:{line.port}") as page,
    ):
        _go_back(page, home)
        call(line.fall_silent)
        began, at_first = time.monotonic(), _until(page, lambda: _shown(page), "there is a picture")
        with page.expect_websocket(lambda socket: "/media/playback" in socket.url):
            page.evaluate("dispatchEvent(new Event('online'))")  # as after sleep; without, it takes eight seconds
        here = page.evaluate(end)
        call(line.speak_again)
        _until(page, lambda: page.evaluate(end) > here + 0.5, "the new line brings more")
        later = _until(page, lambda: _shown(page), "there is a picture")
        assert at_first <= later <= at_first + (time.monotonic() - began) * 25 + 25, "at its own pace, nothing left out"
        expect(page.get_by_text("The picture comes back by itself")).to_have_count(0)


def test_parameter_sets_that_mean_nothing_are_said_and_tried_again(home: Home) -> None:
    with open_page(home.browser, home.server.url) as page:
        page.add_init_script(f"({SPOIL_JS})('sets')")
        page.goto(f"/cameras/{home.channels['garden']}")
        expect(page.get_by_text("Pictures arrive, but this browser cannot read them")).to_be_visible(timeout=20_000)
        assert axe_violations(page) == []
        page.evaluate("window.spoils = ''")
        page.get_by_role("button", name="Try again").click()
        _until(page, lambda: _shown(page), "the picture is there")
        expect(page.get_by_text("Pictures arrive, but this browser cannot read them")).to_have_count(0)

        page.evaluate("window.spoils = 'sets'")
        page.get_by_role("slider", name="Moment shown").press("ArrowLeft")
        expect(page.get_by_text("Try a little further along the timeline.")).to_be_visible(timeout=20_000)
        page.evaluate("window.spoils = ''")
        page.get_by_role("figure").get_by_role("button", name="Back to live").first.click()
        _until(page, lambda: _shown(page), "the picture is there")


def test_the_small_stream_is_shown_while_the_large_one_cannot_be_joined(home: Home) -> None:
    with open_page(home.browser, home.server.url) as page:
        page.add_init_script(f"({SPOIL_JS})('sync')")
        page.goto(f"/cameras/{home.channels['garden']}")
        expect(page.get_by_text("this is the small one")).to_be_visible(timeout=20_000)
        _until(page, lambda: page.evaluate("document.querySelector('figure video').videoWidth") == 640, "it is small")


def _go_back(page: Page, home: Home) -> None:
    """Ten seconds, on the garden's page."""
    page.goto(f"/cameras/{home.channels['garden']}")
    _until(page, lambda: _shown(page), "there is a picture")
    slider = page.get_by_role("slider", name="Moment shown")
    slider.press("ArrowLeft")
    slider.press("ArrowLeft")
    expect(page.get_by_role("figure", name="Recording of garden")).to_be_visible()
    page.wait_for_function("() => document.querySelector('figure video').readyState >= 3")


class _camera:  # noqa: N801 - reads as a verb
    """The garden's page with a picture on it, in that mode."""

    def __init__(self, home: Home, mode: str) -> None:
        self._home, self._mode = home, mode
        self._context = open_page(home.browser, home.server.url)

    def __enter__(self) -> Page:
        page = self._context.__enter__()
        choice = json.dumps({"value": {"mode": self._mode, "volume": 1}, "usedAt": int(time.time() * 1000)})
        page.evaluate("(choice) => localStorage.setItem('incamera.player', choice)", choice)
        page.goto(f"/cameras/{self._home.channels['garden']}")
        _until(page, lambda: _shown(page), "there is a picture")
        return page

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)


def _shown(page: Page) -> int | None:
    number: int | None = page.evaluate(
        f"""() => {{
          const all = [...document.querySelectorAll("figure video, figure canvas")];
          const shown = all.filter((it) => getComputedStyle(it).opacity === "1" && (it.videoWidth || it.width) > 300);
          return shown.length ? ({READ_COUNTER_JS})(shown.at(-1)) : null;
        }}"""
    )
    return number


def _place(page: Page) -> tuple[float, float]:
    matrix = page.locator(".pictures").evaluate("(it) => new DOMMatrix(getComputedStyle(it).transform)")
    return float(matrix["e"]), float(matrix["f"])


def _until(page: Page, read: Callable[[], Any], what: str, timeout_s: float = 30.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := read():
            return value
        page.wait_for_timeout(50)
    raise AssertionError(f"within {timeout_s} s it did not happen that {what}")


def _add(server: Server, cameras: str, name: str) -> str:
    channel = {
        "name": name, "address": f"{cameras}/{name}/main", "sub_address": f"{cameras}/{name}/sub",
        "username": "viewer", "password": PASSWORD,
    }  # fmt: skip
    body = {
        "kind": "camera", "name": name, "time_zone": "Europe/Paris", "channels": [channel],
        "privacy_card": CARD, "mode": "record", "sound": True,
    }  # fmt: skip
    response = server.owner().post("/api/v1/devices", json=body)
    assert response.status_code == 201, response.text
    online = server.wait_for(
        f"/api/v1/devices/{response.json()['id']}", lambda shown: shown["state"]["code"] == "online"
    )
    return str(online["channels"][0]["id"])
