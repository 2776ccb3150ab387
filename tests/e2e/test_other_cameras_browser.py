"""The assistant and cameras without RTSP: a certificate that a person accepts, a film, words for what is wrong."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import axe_violations, open_page, running_browser
from tests.support.cameras import make_clip
from tests.support.counter_js import READ_COUNTER_JS
from tests.support.http_cameras import PASSWORD, USER, HttpCamera, fingerprint, make_certificate, running_in_a_thread
from tests.support.server import Server, running_server

pytestmark = pytest.mark.slow

PATIENT_MS = 20_000


@dataclass(frozen=True)
class Home:
    server: Server
    browser: Browser
    folder: Path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("other")
    films = folder / "films"
    films.mkdir()
    make_clip(films / "yard.mp4", seconds=2)
    with running_browser() as browser, running_server(folder, "--edge-files", str(films)) as server:
        server.owner()
        server.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
        yield Home(server, browser, folder)


def finish(page: Page, name: str) -> None:
    """From the test picture to the camera's page, live."""
    expect(page.get_by_role("img", name="Test picture")).to_be_visible(timeout=PATIENT_MS)
    page.get_by_role("button", name="Yes, give it a name").click()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("combobox", name="Time zone").select_option("Europe/Paris")
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Why do you film?").fill("See the yard")
    page.get_by_label("Outdoors").check()
    page.get_by_label("No, only my own ground").check()
    page.get_by_label("No", exact=True).check()
    if page.get_by_label("Without sound").is_enabled():
        page.get_by_label("Without sound").check()
    page.get_by_label("Live only").check()
    page.get_by_role("button", name="Add the camera").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()


def until(page: Page, read: Callable[[], Any], what: str, timeout_s: float = 25.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := read():
            return value
        page.wait_for_timeout(50)
    raise AssertionError(f"within {timeout_s} s it did not happen that {what}")


def counter(page: Page) -> int | None:
    number: int | None = page.locator("video").first.evaluate(READ_COUNTER_JS)
    return number


def test_a_web_camera_is_added_once_its_certificate_is_accepted(home: Home) -> None:
    camera = HttpCamera(challenge="digest", certificate=make_certificate(home.folder))
    with running_in_a_thread(camera) as base, open_page(home.browser, home.server.url) as page:
        page.goto("/add")
        page.get_by_label("By web address").check()
        expect(page.get_by_text("RTSP, where the camera has it, is sharper")).to_be_visible()
        page.get_by_label("Address", exact=True).fill(f"{base}/page.html".replace("//", f"//{USER}:wrong@", 1))
        page.get_by_role("button", name="Try the camera").click()

        alert = page.get_by_role("alert").filter(has_text="Nobody vouches")
        expect(alert).to_be_visible(timeout=PATIENT_MS)
        shown = alert.locator("code").inner_text().replace(" ", "")
        assert shown == fingerprint(home.folder / "camera.pem")
        assert camera.asked == [], "nothing was said to whoever that is"
        assert axe_violations(page) == []
        page.get_by_role("button", name="It is my camera’s: trust it").click()
        expect(page.get_by_role("alert").filter(has_text="refused the password")).to_be_visible(timeout=PATIENT_MS)

        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Try the camera").click()
        expect(page.get_by_role("alert").filter(has_text="A web page answers")).to_be_visible(timeout=PATIENT_MS)
        page.get_by_label("Address", exact=True).fill(f"{base}/video.mjpg")
        page.get_by_role("button", name="Try the camera").click()
        finish(page, "Web yard")
        first = until(page, lambda: counter(page), "the live picture shows its counter")
        until(page, lambda: (counter(page) or 0) > first, "the counter goes on")


def test_a_film_is_added_and_what_is_wrong_is_said(home: Home) -> None:
    with open_page(home.browser, home.server.url) as page:
        page.goto("/add")
        page.get_by_label("A video file, in a loop").check()
        expect(page.get_by_label("User name")).to_have_count(0)
        assert axe_violations(page) == []
        field = page.get_by_label("Its name in the folder of the edge")
        field.fill("../secret.mp4")
        page.get_by_role("button", name="Try the camera").click()
        expect(page.get_by_text("Write it like yard/monday.mp4")).to_be_visible()
        field.fill("none.mp4")
        page.get_by_role("button", name="Try the camera").click()
        expect(page.get_by_role("alert").filter(has_text="There is no such file.")).to_be_visible(timeout=PATIENT_MS)
        field.fill("yard.mp4")
        page.get_by_role("button", name="Try the camera").click()
        finish(page, "Film")
        until(page, lambda: counter(page), "the film plays")


def test_a_camera_that_the_edge_was_not_given_says_how_to_give_it(home: Home) -> None:
    with open_page(home.browser, home.server.url) as page:
        page.goto("/add")
        page.get_by_label("USB or built-in").check()
        page.get_by_label("Its name on the machine of the edge").fill("/dev/video0")
        page.get_by_role("button", name="Try the camera").click()
        alert = page.get_by_role("alert").filter(has_text="The edge may not use this camera or file.")
        expect(alert).to_be_visible(timeout=PATIENT_MS)
        expect(page.get_by_text("incamera edge --device /dev/video0")).to_be_visible()
