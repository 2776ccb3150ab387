"""Sound and picture in step: the tick at every full second is heard when the picture of that second is seen."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import open_page, running_browser
from tests.support.camera import PASSWORD, running_camera
from tests.support.ear_js import EAR_JS, SKEW_JS
from tests.support.sampling import sample
from tests.support.server import Server, running_server

pytestmark = pytest.mark.slow

CARD = {
    "purpose": "To see who comes",
    "placement": "outdoor",
    "sees_public_space": False,
    "staff_informed": None,
    "sound": True,
}
# What people begin to notice (ITU-R BT.1359-1: sound 125 ms late, 45 ms early). The goal of 40 ms is measured by the
# bench; here a machine that is busy with other tests must not fail, but sound that belongs to other pictures must.
NOTICED_MS = 125
LISTEN_S = 8
# Garden: AAC as it comes; porch: A-law that becomes AAC.
WAYS = [("smooth", "garden"), ("smooth", "porch"), ("low_delay", "porch"), ("low_delay", "garden")]


@dataclass(frozen=True)
class Home:
    """What the tests share; channel ids by name."""

    server: Server
    browser: Browser
    channels: dict[str, str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("sound")
    with running_browser() as browser, running_camera("garden", "porch") as cameras, running_server(folder) as server:
        server.owner()
        server.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
        yield Home(server, browser, {name: _add(server, cameras, name) for name in ("garden", "porch")})


@pytest.mark.parametrize(("mode", "camera"), sample(WAYS, one_of=2))
def test_live_sound_is_in_step(home: Home, camera: str, mode: str) -> None:
    with open_page(home.browser, home.server.url) as page:
        _open(page, home, camera, mode)
        _turn_sound_on(page)
        assert abs(statistics.median(_skews(page))) < NOTICED_MS


def test_recorded_sound_is_in_step(home: Home) -> None:
    with open_page(home.browser, home.server.url) as page:
        _open(page, home, "garden", "smooth")
        _turn_sound_on(page)
        page.wait_for_timeout(20_000)  # something to look back at
        page.get_by_role("slider", name="Moment shown").focus()
        for _ in range(2):
            page.keyboard.press("ArrowLeft")
        expect(page.get_by_role("figure", name="Recording of garden")).to_be_visible()
        page.wait_for_timeout(3000)
        assert abs(statistics.median(_skews(page))) < NOTICED_MS


def test_sound_stays_on_when_the_mode_changes(home: Home) -> None:
    with open_page(home.browser, home.server.url) as page:
        _open(page, home, "garden", "smooth")
        _turn_sound_on(page)
        page.get_by_role("button", name="Lowest delay").click()
        expect(page.get_by_role("button", name="Sound is on. Turn it off")).to_be_visible()
        assert abs(statistics.median(_skews(page))) < NOTICED_MS


def _skews(page: Page) -> list[float]:
    skews: list[float] = []
    for _ in range(3):  # a busy machine takes its time to begin
        skews = page.evaluate(SKEW_JS, {"seconds": LISTEN_S, "fps": 25})
        if len(skews) >= LISTEN_S // 2:
            break
    assert len(skews) >= LISTEN_S // 2, f"ticks are heard and their pictures seen: {skews}"
    return skews


def _open(page: Page, home: Home, camera: str, mode: str) -> None:
    page.add_init_script(EAR_JS)
    page.evaluate(
        "(mode) => localStorage.setItem('incamera.player',"
        " JSON.stringify({ value: { mode, volume: 1 }, usedAt: Date.now() }))",
        mode,
    )
    page.goto(f"/cameras/{home.channels[camera]}")
    expect(page.get_by_role("figure", name=f"Live picture of {camera}")).to_be_visible()


def _turn_sound_on(page: Page) -> None:
    page.get_by_role("button", name="Sound is off. Turn it on").click()
    page.wait_for_timeout(4000)  # the picture has made room for the sound, which is later


def _add(server: Server, cameras: str, name: str) -> str:
    channel = {"name": name, "address": f"{cameras}/{name}/main", "username": "viewer", "password": PASSWORD}
    body = {
        "kind": "camera", "name": name, "time_zone": "Europe/Paris", "channels": [channel],
        "privacy_card": CARD, "mode": "record", "sound": True,
    }  # fmt: skip
    response = server.owner().post("/api/v1/devices", json=body)
    assert response.status_code == 201, response.text
    online: Any = server.wait_for(
        f"/api/v1/devices/{response.json()['id']}", lambda shown: shown["state"]["code"] == "online"
    )
    return str(online["channels"][0]["id"])
