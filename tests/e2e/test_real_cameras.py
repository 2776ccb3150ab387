"""Cameras nobody here wrote (GStreamer's RTSP server), seen and heard in a real browser: live, and played again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_page, running_browser
from tests.support.cameras import make_clip, running_gstreamer
from tests.support.counter_js import READ_COUNTER_JS
from tests.support.sampling import sample
from tests.support.server import Server, running_server
from tests.support.shared import shared_path

pytestmark = pytest.mark.slow

CARD = {
    "purpose": "To see who comes",
    "placement": "outdoor",
    "sees_public_space": False,
    "staff_informed": None,
    "sound": True,
}
CAMERAS = [
    ("Digest and AAC", ("--digest", "me:s3cret", "--audio", "aac"), 0),
    ("A-law", ("--audio", "alaw"), 0),
    ("B-frames", ("--audio", "aac"), 2),
]
CLIP_PICTURES = 100  # GStreamer plays the clip over and over, so its counter starts again
# Loudest moment of half a second of what the element plays; the clip holds a tone of amplitude 0.2.
LOUDNESS_JS = """
async (audio) => {
  audio.judge ??= (() => {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaElementSource(audio).connect(analyser);
    return { context, analyser };
  })();
  await audio.judge.context.resume();
  const levels = new Float32Array(2048);
  let loudest = 0;
  for (let look = 0; look < 10; look++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    audio.judge.analyser.getFloatTimeDomainData(levels);
    for (const level of levels) loudest = Math.max(loudest, Math.abs(level));
  }
  return loudest;
}
"""


@dataclass(frozen=True)
class Home:
    """What the tests share."""

    server: Server
    browser: Browser
    folder: Path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("real")
    with running_browser() as browser, running_server(folder) as server:
        server.owner()
        server.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
        yield Home(server, browser, folder)


@pytest.mark.parametrize(("name", "options", "b_frames"), sample(CAMERAS, one_of=3))
def test_real_camera_is_seen_and_heard_live_and_again(
    home: Home, name: str, options: tuple[str, ...], b_frames: int
) -> None:
    clip = make_clip(home.folder / f"clip{b_frames}.mp4", b_frames=b_frames, seconds=CLIP_PICTURES // 25)
    login = {"username": "me", "password": "s3cret"} if "--digest" in options else {}
    with running_gstreamer(clip, *options) as address, open_page(home.browser, home.server.url) as page:
        tried = home.server.owner().post("/api/v1/devices/probe", json={"address": address, **login}).json()
        assert (tried["fault"], tried["width"]) == ("none", 640)
        assert tried["picture"].startswith("data:image/jpeg;base64,")
        device = _add(home.server, name, {"name": name, "address": address, **login})
        page.goto(f"/cameras/{device['channels'][0]['id']}")
        expect(page.get_by_role("figure", name=f"Live picture of {name}")).to_be_visible(timeout=20_000)
        _expect_moving_picture(page)
        page.get_by_role("button", name="Sound is off. Turn it on").click()
        _expect_tone(page)

        page.wait_for_timeout(8000)  # something to look back at
        page.get_by_role("slider", name="Moment shown").focus()
        page.keyboard.press("ArrowLeft")

        expect(page.get_by_role("figure", name=f"Recording of {name}")).to_be_visible()
        _expect_moving_picture(page)
        _expect_tone(page)


@pytest.mark.parametrize("clip", sample(["one-by-one-person-detection", "car-detection"], one_of=2))
def test_surveillance_clip_is_watched_like_any_camera(home: Home, clip: str) -> None:
    path = shared_path(f"media/surveillance/{clip}.mp4")
    with running_gstreamer(path, "--audio", "none") as address, open_page(home.browser, home.server.url) as page:
        device = _add(home.server, clip, {"name": clip, "address": address})
        page.goto(f"/cameras/{device['channels'][0]['id']}")
        video = page.locator("video").first
        shown = "(video) => [video.videoWidth, video.videoHeight, video.getVideoPlaybackQuality().totalVideoFrames]"
        _until(page, lambda: video.evaluate(shown), lambda got: got[:2] == [768, 432] and got[2] > 25)


def _add(server: Server, name: str, channel: dict[str, str]) -> dict[str, Any]:
    body = {
        "kind": "camera", "name": name, "time_zone": "Europe/Paris", "channels": [channel],
        "privacy_card": CARD, "mode": "record", "sound": True,
    }  # fmt: skip
    response = server.owner().post("/api/v1/devices", json=body)
    assert response.status_code == 201, response.text
    path = f"/api/v1/devices/{response.json()['id']}"
    online: dict[str, Any] = server.wait_for(path, lambda shown: shown["state"]["code"] == "online")
    return online


def _expect_moving_picture(page: Page) -> None:
    """The number burnt into the picture goes on in small steps."""
    first = _until(page, lambda: _counter(page), lambda number: number is not None)
    _until(
        page, lambda: _counter(page), lambda number: number is not None and 5 <= (number - first) % CLIP_PICTURES < 60
    )


def _expect_tone(page: Page) -> None:
    audio = page.locator("audio")
    _until(page, lambda: audio.evaluate(LOUDNESS_JS), lambda loudness: 0.1 < loudness < 0.4)


def _counter(page: Page) -> int | None:
    number: int | None = page.locator("video").first.evaluate(READ_COUNTER_JS)
    return number


def _until(page: Page, read: Callable[[], Any], accept: Callable[[Any], bool], tries: int = 200) -> Any:
    value = None
    for _ in range(tries):
        if accept(value := read()):
            return value
        page.wait_for_timeout(60)
    raise AssertionError(f"it did not come; last seen: {value}")
