"""What a person sees and does, in a real browser, with a real server, edge and (simulated) camera behind it.

The tests build on each other like a first evening with the product: set up, add a camera, look, look back, remove.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import axe_violations, open_page, overflow_px, running_browser
from tests.support.camera import PASSWORD, running_camera
from tests.support.counter_js import READ_COUNTER_JS
from tests.support.server import OWNER_EMAIL, OWNER_PASSWORD, Server, running_server

pytestmark = pytest.mark.slow

CARD = {
    "purpose": "To see who comes",
    "placement": "outdoor",
    "sees_public_space": False,
    "staff_informed": None,
    "sound": True,
}
PATIENT_MS = 20_000


@dataclass(frozen=True)
class Home:
    """What the tests share."""

    server: Server
    browser: Browser
    cameras: str  # rtsp://127.0.0.1:PORT


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    with running_browser() as browser, running_camera("garden", "porch") as cameras, running_server(folder) as server:
        yield Home(server, browser, cameras)


@pytest.fixture(scope="module")
def owned(home: Home) -> Home:
    """A home whose owner is there and whose edge is on line."""
    with open_page(home.browser, home.server.url, is_signed_in=False) as page:
        _set_up(page, home.server)
    home.server.was_set_up()
    home.server.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
    return home


@pytest.fixture(scope="module")
def watched(owned: Home) -> Home:
    """A home with a camera that is recorded with sound, on line for some seconds."""
    channel = {"name": "Garden", "address": f"{owned.cameras}/garden/main", "username": "viewer", "password": PASSWORD}
    body = {
        "kind": "camera",
        "name": "Garden",
        "time_zone": "Europe/Paris",
        "channels": [channel],
        "privacy_card": CARD,
        "mode": "record",
        "sound": True,
    }
    response = owned.server.owner().post("/api/v1/devices", json=body)
    assert response.status_code == 201, response.text
    owned.server.wait_for(f"/api/v1/devices/{response.json()['id']}", lambda it: it["state"]["code"] == "online")
    time.sleep(6)
    return owned


def _set_up(page: Page, server: Server) -> None:
    page.goto(server.setup_path)
    expect(page.get_by_role("heading", name="Welcome home")).to_be_visible()
    assert "#" not in page.url, "the token must not stay in the address bar"
    page.get_by_role("combobox", name="Country").select_option("FR")
    page.get_by_label("E-mail address").fill(OWNER_EMAIL)
    page.get_by_label("Display name").fill("Zoé")
    page.get_by_label("Password", exact=True).fill(OWNER_PASSWORD)
    page.get_by_label("I am old enough").check()
    assert axe_violations(page) == []
    page.get_by_role("button", name="Create my account").click()
    expect(page.get_by_role("heading", name="No camera yet")).to_be_visible()
    assert axe_violations(page) == []


def _counter(page: Page) -> int | None:
    number: int | None = page.locator("video").first.evaluate(READ_COUNTER_JS)
    return number


def _until(page: Page, read: Callable[[], Any], what: str, timeout_s: float = 15.0) -> Any:
    """The first true answer of `read`; the browser goes on working meanwhile."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := read():
            return value
        page.wait_for_timeout(50)
    raise AssertionError(f"within {timeout_s} s it did not happen that {what}")


def _open_camera(page: Page) -> None:
    page.get_by_role("link", name="Open Garden").click()
    expect(page.get_by_role("heading", name="Garden")).to_be_visible()
    _until(page, lambda: _counter(page), "the live picture shows its counter")


def test_sign_in_says_what_is_wrong_and_then_lets_in(owned: Home) -> None:
    with open_page(owned.browser, owned.server.url, is_signed_in=False) as page:
        page.get_by_label("E-mail address").fill(OWNER_EMAIL)
        page.get_by_label("Password").fill("not the password")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("do not match")
        assert axe_violations(page) == []

        page.get_by_label("Password", exact=True).fill(OWNER_PASSWORD)
        page.get_by_role("button", name="Sign in").click()

        expect(page.get_by_role("link", name="Zoé")).to_be_visible()


def test_camera_is_added_after_its_picture_was_seen(owned: Home) -> None:
    with open_page(owned.browser, owned.server.url) as page:
        page.goto("/add")
        page.get_by_label("Address", exact=True).fill(f"{owned.cameras}/porch/main".replace("//", "//viewer:wrong@", 1))
        page.get_by_role("button", name="Try the camera").click()
        expect(page.get_by_role("alert").filter(has_text="refused the password")).to_be_visible(timeout=PATIENT_MS)
        expect(page.get_by_label("User name")).to_be_focused()
        assert "wrong" not in page.get_by_label("Address", exact=True).input_value(), "a password is not shown"
        assert axe_violations(page) == []

        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Try the camera").click()
        expect(page.get_by_role("img", name="Test picture")).to_be_visible(timeout=PATIENT_MS)
        assert axe_violations(page) == []
        page.get_by_role("button", name="Yes, give it a name").click()

        page.get_by_label("Doorbell").check()
        page.get_by_label("Name", exact=True).fill("Porch")
        page.get_by_role("combobox", name="Time zone").select_option("Europe/Paris")
        assert axe_violations(page) == []
        page.get_by_role("button", name="Continue").click()

        page.get_by_label("Why do you film?").fill("See who comes to the door")
        page.get_by_label("No, only my own ground").check()
        page.get_by_label("No", exact=True).check()
        if page.get_by_label("Without sound").is_enabled():
            page.get_by_label("Without sound").check()
        page.get_by_label("Live only").check()
        expect(page.get_by_text("Porch will be seen live, nothing is kept, without sound.")).to_be_visible()
        assert axe_violations(page) == []
        page.get_by_role("button", name="Add the camera").click()

        expect(page.get_by_role("heading", name="Porch")).to_be_visible()
        first = _until(page, lambda: _counter(page), "the live picture shows its counter", 25)
        _until(page, lambda: (_counter(page) or 0) > first, "the counter goes on")


def test_wall_shows_covers_and_live_pictures(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        expect(page.get_by_role("heading", name="All is well.")).to_be_visible()
        tile = page.get_by_role("link", name="Open Garden")
        read = tile.locator("video").evaluate
        first = _until(page, lambda: read(READ_COUNTER_JS), "the tile shows its counter")
        _until(page, lambda: (read(READ_COUNTER_JS) or 0) > first + 10, "the tile's counter goes on")
        expect(page.get_by_role("listitem").filter(has_text="Garden")).to_contain_text("Recording")
        assert axe_violations(page) == []


def test_live_picture_stays_close_to_now(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        page.wait_for_timeout(3000)
        first, started = _counter(page), time.monotonic()
        page.wait_for_timeout(2000)
        second, elapsed = _counter(page), time.monotonic() - started

        assert first is not None
        assert second is not None
        assert 10 < second - first < 25 * elapsed * 1.5, f"{second - first} pictures in {elapsed:.1f} s"
        delay = page.get_by_text(re.compile(r"^[\d.]+ s behind$")).text_content()
        assert delay is not None
        assert float(delay.split()[0]) <= 1.0
        assert axe_violations(page) == []


def test_low_delay_picture_is_drawn_on_a_canvas(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        page.get_by_role("button", name="Lowest delay").click()
        read = page.locator("canvas").first.evaluate
        first = _until(page, lambda: read(READ_COUNTER_JS), "the canvas shows the counter")
        _until(page, lambda: (read(READ_COUNTER_JS) or 0) > first + 10, "the canvas goes on")


def test_timeline_replays_earlier_pictures_and_comes_back_to_live(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        live = _until(page, lambda: _counter(page), "the live counter")
        slider = page.get_by_role("slider", name="Moment shown")
        slider.focus()
        page.wait_for_timeout(6000)
        page.keyboard.press("ArrowLeft")
        expect(page.get_by_role("figure", name="Recording of Garden")).to_be_visible()
        past = _until(page, lambda: _counter_between(page, 0, live + 25 * 4), "an earlier counter is shown")
        _until(page, lambda: (_counter(page) or 0) > past + 10, "the recording plays on")
        assert axe_violations(page) == []

        page.get_by_role("button", name="Back to live").first.click()

        expect(page.get_by_role("figure", name="Live picture of Garden")).to_be_visible()
        _until(page, lambda: (_counter(page) or 0) > live + 25 * 6, "the live counter is back")


def _counter_between(page: Page, least: int, most: int) -> int | None:
    number = _counter(page)
    return number if number is not None and least < number < most else None


def test_dragging_along_the_timeline_shows_key_frames_and_plays_on_release(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        page.wait_for_timeout(3000)
        for _ in range(6):
            page.get_by_role("button", name="Zoom in on the timeline").click()
        head = page.get_by_role("slider", name="Moment shown").bounding_box()
        assert head is not None
        y, live = head["y"] + 50, _counter(page) or 0
        page.mouse.move(head["x"] - 60, y)
        page.mouse.down()
        page.mouse.move(head["x"] - 120, y, steps=4)
        scrubbed = _until(page, lambda: _counter_between(page, 0, live), "a key frame is shown under the finger")
        page.wait_for_timeout(300)
        page.mouse.up()

        _until(page, lambda: (_counter(page) or 0) > scrubbed + 5, "the recording plays on release")


@pytest.mark.parametrize("speed", [4, 16])
def test_recording_plays_faster(watched: Home, speed: int) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        page.wait_for_timeout(5000)
        page.get_by_role("slider", name="Moment shown").focus()
        page.keyboard.press("ArrowLeft")
        first = _until(page, lambda: _counter(page), "the recording shows its counter")
        page.get_by_role("combobox", name="Speed").select_option(str(speed))
        _until(page, lambda: (_counter(page) or 0) > first + 50, "two seconds were played", 12)


def test_sound_is_decoded_after_the_switch_and_not_before(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        heard = page.locator("audio").evaluate
        page.wait_for_timeout(500)
        assert heard("(audio) => audio.webkitAudioDecodedByteCount") == 0

        page.get_by_role("button", name="Sound is off. Turn it on").click()

        _until(page, lambda: heard("(audio) => audio.webkitAudioDecodedByteCount") > 1000, "sound is decoded")
        page.get_by_role("button", name="Sound is on. Turn it off").click()
        _until(page, lambda: heard("(audio) => audio.paused"), "the sound stops")


def test_picture_steps_one_by_one(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        page.wait_for_timeout(4000)
        page.get_by_role("slider", name="Moment shown").focus()
        page.keyboard.press("ArrowLeft")
        _until(page, lambda: _counter(page), "the recording shows its counter")
        page.wait_for_timeout(1500)
        page.keyboard.press("k")
        page.wait_for_timeout(400)
        here = _counter(page)
        assert here is not None
        page.keyboard.press(".")
        _until(page, lambda: _counter(page) == here + 1, "the next picture is shown")
        page.keyboard.press(",")
        _until(page, lambda: _counter(page) == here, "the picture before is shown again")


def test_everything_works_by_keyboard_alone(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url, is_signed_in=False) as page:
        page.get_by_label("E-mail address").focus()
        page.keyboard.type(OWNER_EMAIL)
        page.keyboard.press("Tab")
        page.keyboard.type(OWNER_PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="Open Garden")).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_be_focused()

        number = page.evaluate("[...document.querySelectorAll('.pic')].findIndex((it) => /Garden/.test(it.ariaLabel))")
        page.keyboard.press(str(number + 1))
        expect(page.get_by_role("heading", name="Garden")).to_be_focused()
        _until(page, lambda: _counter(page), "the live picture shows its counter")
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.getAttribute('role')") == "slider":
                break
        page.keyboard.press("ArrowLeft")
        expect(page.get_by_role("figure", name="Recording of Garden")).to_be_visible()
        page.keyboard.press("l")
        expect(page.get_by_role("figure", name="Live picture of Garden")).to_be_visible()


def test_language_and_theme_follow_the_person(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url, language="fr-FR", is_signed_in=False) as page:
        expect(page.get_by_role("button", name="Se connecter")).to_be_visible()
        assert page.evaluate("document.documentElement.lang") == "fr"
    with open_page(watched.browser, watched.server.url) as page:
        page.goto("/me")
        with page.expect_response("**/api/v1/account"):
            page.get_by_role("combobox", name="Language").select_option("fr")
        expect(page.get_by_role("heading", name="Mon compte")).to_be_visible()
        page.get_by_label("Sombre").check()
        page.reload()
        expect(page.get_by_role("heading", name="Mon compte")).to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 18, 20)"
        with page.expect_response("**/api/v1/account"):
            page.get_by_role("combobox", name="Langue").select_option("en")
        expect(page.get_by_role("heading", name="My account")).to_be_visible()


def test_browser_keeps_only_what_is_declared(watched: Home) -> None:
    declared = {"incamera.language", "incamera.theme", "incamera.wall", "incamera.player"}
    with open_page(watched.browser, watched.server.url, is_signed_in=False) as page:
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert page.evaluate("Object.keys(localStorage)") == [], "a first visit stores nothing"
        assert page.context.cookies() == []
        assert page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        page.wait_for_timeout(1000)
        kept = page.evaluate("caches.keys().then((names) => [...Object.keys(localStorage), ...names])")
        assert set(kept) <= declared | {"incamera-shell-1"}
        addresses = page.evaluate(
            "caches.open('incamera-shell-1').then((it) => it.keys()).then((all) => all.map((it) => it.url))"
        )
        assert not [url for url in addresses if re.search(r"/(api|media|privacy)", url)]


def test_signing_out_ends_the_session_and_forgets_this_browser(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        page.goto("/me")
        page.get_by_role("radio", name="Dark").check()
        page.get_by_role("button", name="Sign out").last.click()
        expect(page.get_by_label("E-mail address")).to_be_visible()
        page.goto("/")
        expect(page.get_by_label("E-mail address")).to_be_visible()
        assert page.evaluate("Object.keys(localStorage)") == []


def test_another_edge_gets_a_code_and_the_command_that_uses_it(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        page.goto("/edges")
        expect(page.get_by_text("This machine", exact=True)).to_be_visible()
        page.get_by_label("Name").fill("Country house")
        page.get_by_role("button", name="Get a code").click()
        expect(
            page.get_by_text(re.compile(r"incamera edge --server \S+ --code [0-9A-Z]{5}-[0-9A-Z]{5}"))
        ).to_be_visible()
        assert axe_violations(page) == []


def test_owner_sees_who_looked_and_changes_what_the_camera_does(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        page.goto(f"/devices/{_garden(watched)['id']}")
        page.get_by_text("Who looked").last.click()
        expect(page.get_by_role("listitem").filter(has_text="You").first).to_be_visible()
        page.get_by_role("combobox", name="Keep recordings").select_option("P3D")
        expect(page.get_by_text("Saved.")).to_be_visible()
        assert _garden(watched)["channels"][0]["keep"] == "P3D"


PAGES = ("/", "/add", "/edges", "/me")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_free_of_axe_violations(watched: Home, theme: Any) -> None:
    paths = [*PAGES, f"/devices/{_garden(watched)['id']}", f"/cameras/{_garden(watched)['channels'][0]['id']}"]
    with open_page(watched.browser, watched.server.url, theme=theme) as page:
        for path in paths:
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_attached()
            page.wait_for_timeout(600)
            assert axe_violations(page) == [], path


@pytest.mark.parametrize("width", [320, 834])
def test_no_page_scrolls_sideways(watched: Home, width: int) -> None:
    paths = [*PAGES, f"/devices/{_garden(watched)['id']}", f"/cameras/{_garden(watched)['channels'][0]['id']}"]
    with open_page(watched.browser, watched.server.url, width=width, height=700, language="fr-FR") as page:
        page.evaluate("localStorage.setItem('incamera.language', JSON.stringify({value: 'fr', usedAt: Date.now()}))")
        for path in paths:
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_attached()
            page.wait_for_timeout(500)
            assert overflow_px(page) <= 0, f"{path} is wider than {width} px"


def test_removed_device_can_be_had_back(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        page.goto(f"/devices/{_garden(watched)['id']}")
        page.get_by_role("button", name="Remove Garden").click()
        expect(page.get_by_text("Garden is removed.")).to_be_visible()
        expect(page.get_by_role("link", name="Open Garden")).to_have_count(0)

        page.reload()
        page.get_by_role("button", name="Undo").click()

        expect(page.get_by_role("link", name="Open Garden")).to_be_visible()
    watched.server.wait_for(f"/api/v1/devices/{_garden(watched)['id']}", lambda it: it["state"]["code"] == "online")


def test_page_says_when_the_server_is_away_and_comes_back_by_itself(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        watched.server.kill()
        expect(page.get_by_text("The server does not answer.")).to_be_visible(timeout=PATIENT_MS)

        watched.server.start()

        expect(page.get_by_text("The server does not answer.")).to_have_count(0, timeout=PATIENT_MS)
        first = _until(page, lambda: _counter(page), "there is a picture")
        _until(page, lambda: (_counter(page) or 0) > first, "the picture moves again", 30)
        page.context.set_offline(False)


def _garden(home: Home) -> dict[str, Any]:
    devices = home.server.owner().get("/api/v1/devices").json()["items"]
    garden: dict[str, Any] = next(device for device in devices if device["name"] == "Garden")
    return garden
