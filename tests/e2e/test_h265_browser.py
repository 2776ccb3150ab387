"""H.265 in a browser that does not play it (Debian's Chromium): the smaller stream instead, or a plain sentence."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import axe_violations, open_page, running_browser
from tests.support.camera import PASSWORD, running_camera
from tests.support.server import Server, running_server

pytestmark = pytest.mark.slow

CARD = {
    "purpose": "To see who comes",
    "placement": "outdoor",
    "sees_public_space": False,
    "staff_informed": None,
    "sound": False,
}
PLAYS_H265_JS = """() => MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L93.B0"')"""
SIZE_JS = "(video) => [video.videoWidth, video.videoHeight, video.getVideoPlaybackQuality().totalVideoFrames]"


@dataclass(frozen=True)
class Home:
    server: Server
    browser: Browser
    camera: str


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder: Path = tmp_path_factory.mktemp("h265-browser")
    with (
        running_camera("garden:h265", "porch:h265-only") as camera,
        running_browser() as browser,
        running_server(folder) as server,
    ):
        server.owner()
        server.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
        yield Home(server, browser, camera)


def add(home: Home, name: str, *, has_sub: bool = True, sub: str = "sub") -> str:
    login = {"username": "viewer", "password": PASSWORD}
    channel = {"name": name, "address": f"{home.camera}/{name}/main", **login}
    if has_sub:
        channel["sub_address"] = f"{home.camera}/{name}/{sub}"
    body = {
        "kind": "camera", "name": name, "time_zone": "Europe/Paris", "channels": [channel],
        "privacy_card": CARD, "mode": "record", "sound": False,
    }  # fmt: skip
    response = home.server.owner().post("/api/v1/devices", json=body)
    assert response.status_code == 201, response.text
    path = f"/api/v1/devices/{response.json()['id']}"
    online: dict[str, Any] = home.server.wait_for(path, lambda shown: shown["state"]["code"] == "online")
    return str(online["channels"][0]["id"])


def skip_if_it_plays(page: Page) -> None:
    if page.evaluate(PLAYS_H265_JS):
        pytest.skip("this browser plays H.265: there is nothing to fall back from")


def test_the_sub_stream_is_shown_where_the_main_one_is_h265(home: Home) -> None:
    channel_id = add(home, "garden", has_sub=True)
    with open_page(home.browser, home.server.url) as page:
        page.goto(f"/cameras/{channel_id}")
        skip_if_it_plays(page)
        video = page.locator("video").first
        for _ in range(200):
            if (shown := video.evaluate(SIZE_JS))[:2] == [640, 360] and shown[2] > 10:
                break
            page.wait_for_timeout(60)
        assert shown[:2] == [640, 360], "the sub stream"
        assert shown[2] > 10, "it moves"
        expect(page.get_by_text("This browser cannot play this picture")).to_have_count(0)


def test_a_sentence_says_what_to_do_where_nothing_plays(home: Home) -> None:
    channel_id = add(home, "porch", has_sub=True)
    with open_page(home.browser, home.server.url) as page:
        page.goto(f"/cameras/{channel_id}")
        skip_if_it_plays(page)
        live = page.get_by_text("The camera sends H.265. Set it to H.264, or open this page in another browser.")
        expect(live).to_be_visible(timeout=20_000)
        assert axe_violations(page) == []

        page.wait_for_timeout(6000)  # something to look back at
        page.get_by_role("slider", name="Moment shown").focus()
        page.keyboard.press("ArrowLeft")
        expect(page.get_by_text("This was recorded in H.265.")).to_be_visible(timeout=20_000)
        assert axe_violations(page) == []

        page.get_by_role("button", name="Back to live").first.click()
        expect(live).to_be_visible(timeout=20_000)
