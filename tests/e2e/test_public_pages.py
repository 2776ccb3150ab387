"""The public pages in a real browser: accessible, fitting, in both languages and themes, nothing from elsewhere."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import Theme, axe_violations, open_page, overflow_px, running_browser
from tests.support.server import Server, running_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("public")) as running:
        running.owner()
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture(scope="module")
def sign(server: Server) -> str:
    """Where the sign of a camera leads."""
    card = {"purpose": "Watch the gate", "placement": "outdoor", "sees_public_space": True, "sound": False}
    camera = {
        "kind": "camera", "name": "Gate", "time_zone": "Europe/Paris", "mode": "live", "sound": False,
        "privacy_card": {**card, "staff_informed": None},
        "channels": [{"name": "Gate", "address": "rtsp://127.0.0.1:9/live"}],
    }  # fmt: skip
    deadline = time.monotonic() + 20
    while (device := server.owner().post("/api/v1/devices", json=camera)).status_code != 201:
        assert time.monotonic() < deadline, device.text
        time.sleep(0.2)  # the local edge is still enrolling
    address: str = device.json()["sign_url"]
    return address


@pytest.mark.parametrize("width", [360, 1440])
@pytest.mark.parametrize(("language", "theme"), [("fr", "light"), ("en", "dark")])
@pytest.mark.req("K-11")
def test_public_pages_are_accessible_and_fit(
    server: Server, browser: Browser, width: int, language: str, theme: Theme
) -> None:
    pages = (f"/{language}/privacy", f"/privacy/evidence?language={language}", "/privacy/camera/unknown-code-123")
    with open_page(browser, server.url, width=width, theme=theme, language=language, is_signed_in=False) as page:
        for address in pages:
            page.goto(address)
            assert page.locator("html").get_attribute("lang") == language
            assert axe_violations(page) == [], address
            assert overflow_px(page) == 0, address


@pytest.mark.req("K-01")
def test_reading_the_notice_leaves_nothing_in_the_browser(server: Server, browser: Browser) -> None:
    context = browser.new_context(base_url=server.url)
    page = context.new_page()
    page.goto("/privacy")
    page.goto("/privacy/evidence")
    assert context.cookies() == []
    assert page.evaluate("Object.keys(localStorage).length + Object.keys(sessionStorage).length") == 0
    assert page.evaluate("navigator.serviceWorker.getRegistrations().then((found) => found.length)") == 0
    context.close()


def test_the_table_is_filtered_without_any_script(server: Server, browser: Browser) -> None:
    context = browser.new_context(base_url=server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/en/privacy")
    everything = page.locator("tr[data-activity]").count()
    page.get_by_role("link", name="people in view of a camera").click()
    assert 0 < page.locator("tr[data-activity]").count() < everything
    assert page.locator("#B4-live_view").is_visible()
    context.close()


def test_the_sign_prints_on_one_page(server: Server, browser: Browser, sign: str) -> None:
    with open_page(browser, server.url, is_signed_in=False) as page:
        page.goto(f"{sign}/sign?language=en")
        assert axe_violations(page) == []
        pdf = page.pdf(format="A4")
    assert pdf.count(b"/Type /Page\n") == 1
