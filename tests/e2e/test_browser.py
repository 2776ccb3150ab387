"""What a person sees and does, in a real browser, with a real server, edge and (simulated) camera behind it.

The tests build on each other like a first evening with the product: set up, add a camera, look, look back, remove.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, Route, expect

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
    return owned


def _wait_until_recorded(home: Home, seconds: float) -> None:
    """Until the garden's recordings reach back that far: at once when other tests have passed the time."""

    def reaches_back(timeline: Any) -> bool:
        oldest = timeline["oldest_us"]
        return oldest is not None and timeline["now_us"] - oldest >= seconds * 1e6

    home.server.wait_for(_timeline_path(home), reaches_back, 30)


def _timeline_path(home: Home) -> str:
    now = datetime.now(UTC)
    span = {"from": (now - timedelta(minutes=30)).isoformat(), "to": (now + timedelta(minutes=1)).isoformat()}
    return f"/api/v1/channels/{_garden(home)['channels'][0]['id']}/timeline?{urlencode({**span, 'resolution_s': 1})}"


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


def _until_still(page: Page) -> None:
    """Until nothing asks the server any more (the event stream and pictures aside) and nothing says that it loads."""
    expect(page.get_by_text("One moment…").or_(page.get_by_text("Un instant…"))).to_have_count(0)
    page.wait_for_function(
        """() => new Promise((still) => {
          const requests = () => performance.getEntriesByType("resource").length;
          const before = requests();
          setTimeout(() => still(requests() === before), 150);
        })"""
    )


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
        with page.expect_response("**/find-streams", timeout=PATIENT_MS):
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
    [porch] = [it for it in owned.server.owner().get("/api/v1/devices").json()["items"] if it["name"] == "Porch"]
    assert porch["channels"][0]["has_sub"], "found meanwhile, for the wall"


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
        behind = page.get_by_text(re.compile(r"^[\d.]+ s behind$"))
        _until(page, lambda: float((behind.text_content() or "9").split()[0]) <= 1.0, "the picture is close to now")
        # It has caught up when it plays at the camera's own pace.
        _until(
            page, lambda: page.locator("video").evaluate("(video) => video.playbackRate <= 1.1"), "it plays steadily"
        )
        page.wait_for_timeout(1000)
        first, started = _counter(page), time.monotonic()
        page.wait_for_timeout(2000)
        second, elapsed = _counter(page), time.monotonic() - started

        assert first is not None
        assert second is not None
        assert 10 < second - first < 25 * elapsed * 1.5, f"{second - first} pictures in {elapsed:.1f} s"
        delay = behind.text_content()
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
    _wait_until_recorded(watched, 12)
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        live = _until(page, lambda: _counter(page), "the live counter")
        slider = page.get_by_role("slider", name="Moment shown")
        slider.focus()
        page.keyboard.press("ArrowLeft")
        expect(page.get_by_role("figure", name="Recording of Garden")).to_be_visible()
        past = _until(page, lambda: _counter_between(page, 0, live - 25 * 4), "an earlier counter is shown")
        _until(page, lambda: (_counter(page) or 0) > past + 10, "the recording plays on")
        assert axe_violations(page) == []

        page.get_by_role("button", name="Back to live").first.click()

        expect(page.get_by_role("figure", name="Live picture of Garden")).to_be_visible()
        _until(page, lambda: (_counter(page) or 0) > live, "the live counter is back")


def _counter_between(page: Page, least: int, most: int) -> int | None:
    number = _counter(page)
    return number if number is not None and least < number < most else None


def test_dragging_along_the_timeline_shows_key_frames_and_plays_on_release(watched: Home) -> None:
    _wait_until_recorded(watched, 12)
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
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
    _wait_until_recorded(watched, 12)
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
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
    _wait_until_recorded(watched, 12)
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        live = _until(page, lambda: _counter(page), "the live counter")
        page.get_by_role("slider", name="Moment shown").focus()
        page.keyboard.press("ArrowLeft")
        first = _until(page, lambda: _counter_between(page, 0, live - 50), "the recording shows its counter")
        _until(page, lambda: (_counter(page) or 0) > first + 20, "the recording plays")
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
        _until(page, lambda: page.evaluate("caches.has('incamera-shell-1')"), "the application's files are kept")
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


def test_wall_shows_every_camera_without_scrolling(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url, width=1440, height=900) as page:
        expect(page.get_by_role("link", name="Open Porch")).to_be_visible()
        page.wait_for_function(
            "[...document.querySelectorAll('a.pic')].every((it) => it.getBoundingClientRect().bottom <= innerHeight)"
        )


def test_controls_leave_the_picture_alone_when_nobody_moves(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        controls = page.locator("figure .ctl")
        expect(controls).to_have_css("opacity", "1")
        expect(controls).to_have_css("opacity", "0", timeout=8_000)
        page.get_by_role("figure").hover(force=True)
        page.mouse.move(400, 300)
        expect(controls).to_have_css("opacity", "1")


def test_timeline_shows_pictures_when_somebody_turns_to_it(watched: Home) -> None:
    _wait_until_recorded(watched, 12)
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        strip = page.get_by_role("region", name="Timeline")
        assert strip.locator("canvas").count() == 0, "recordings are looked at only on purpose"
        strip.get_by_role("slider").hover(force=True)
        _until(page, lambda: strip.locator("canvas").count() > 0, "pictures appear in the strip")
        width = strip.locator("canvas").first.evaluate("(canvas) => canvas.width")
        assert 100 < width < 300, "they are small"


def test_picture_zooms_by_key_wheel_and_two_fingers(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        whole = page.get_by_role("button", name="Whole picture")
        page.keyboard.press("z")
        expect(whole).to_have_text("1.5×")
        page.keyboard.press("0")
        expect(whole).to_have_count(0)

        box = page.get_by_role("figure").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.keyboard.down("Control")
        page.mouse.wheel(0, -200)
        page.keyboard.up("Control")
        expect(whole).to_be_visible()
        page.keyboard.press("0")

        _pinch(page, x, y, from_px=40, to_px=120)
        expect(whole).to_have_text("3×")
        assert page.locator(".pictures").evaluate("(it) => getComputedStyle(it).transform.startsWith('matrix(3')")


def _pinch(page: Page, x: float, y: float, *, from_px: float, to_px: float) -> None:
    session = page.context.new_cdp_session(page)

    def touch(kind: str, apart: float) -> None:
        points = [{"x": x - apart / 2, "y": y, "id": 1}, {"x": x + apart / 2, "y": y, "id": 2}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [] if kind == "touchEnd" else points})

    touch("touchStart", from_px)
    for step in range(1, 5):
        touch("touchMove", from_px + (to_px - from_px) * step / 4)
    touch("touchEnd", to_px)


def test_picture_is_saved_as_it_is(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save this picture").click()
        assert re.fullmatch(r"Garden_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.jpg", saved.value.suggested_filename)
        assert Path(saved.value.path()).read_bytes().startswith(b"\xff\xd8\xff")


def test_full_screen_is_entered_and_left(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        page.keyboard.press("f")
        page.wait_for_function("document.fullscreenElement?.tagName === 'FIGURE'")
        page.get_by_role("button", name="Leave full screen").click()
        page.wait_for_function("document.fullscreenElement === null")


def test_gap_tells_its_cause_to_pointer_and_keyboard(watched: Home) -> None:
    channel = _garden(watched)["channels"][0]["id"]
    for mode in ("off", "record"):
        watched.server.owner().patch(f"/api/v1/channels/{channel}", json={"mode": mode}).raise_for_status()
        time.sleep(3)  # a hole that is long enough to be seen
    watched.server.wait_for(_timeline_path(watched), lambda it: any(gap["cause"] == "turned_off" for gap in it["gaps"]))
    with open_page(watched.browser, watched.server.url) as page:
        _open_camera(page)
        gap = page.get_by_role(
            "button", name=re.compile(r"^Recording off, \d\d:\d\d:\d\d to .* without picture$")
        ).first
        expect(gap).to_be_attached(timeout=PATIENT_MS)
        told = page.get_by_role("status").filter(has_text="Recording off")
        gap.focus()
        expect(told).to_be_visible()
        page.get_by_role("slider").focus()
        expect(told).to_have_count(0)
        gap.hover(force=True)
        expect(told).to_be_visible()


def test_browser_without_the_codec_says_so_plainly(watched: Home) -> None:
    with open_page(watched.browser, watched.server.url) as page:
        page.add_init_script("MediaSource.isTypeSupported = () => false")
        page.goto(f"/cameras/{_garden(watched)['channels'][0]['id']}")
        expect(page.get_by_text("This browser cannot play this picture")).to_be_visible(timeout=PATIENT_MS)
        expect(page.get_by_text("Set it to H.264, or open this page in another browser.")).to_be_visible()
        assert axe_violations(page) == []


def test_browser_without_the_codec_of_the_main_stream_plays_the_other(watched: Home) -> None:
    login = {"username": "viewer", "password": PASSWORD}
    both = {"address": f"{watched.cameras}/garden/main", "sub_address": f"{watched.cameras}/garden/sub"}
    body = {
        "kind": "camera",
        "name": "Lawn",
        "time_zone": "Europe/Paris",
        "channels": [{"name": "Lawn", **both, **login}],
        "privacy_card": CARD,
        "mode": "live",
        "sound": False,
    }
    device = watched.server.owner().post("/api/v1/devices", json=body).json()
    watched.server.wait_for(f"/api/v1/devices/{device['id']}", lambda it: it["state"]["code"] == "online")
    with open_page(watched.browser, watched.server.url) as page:
        # The page asks about the main stream first.
        page.add_init_script("let main; MediaSource.isTypeSupported = (type) => type !== (main ??= type)")
        page.goto(f"/cameras/{device['channels'][0]['id']}")
        _until(
            page, lambda: page.locator("video").evaluate("(video) => video.videoWidth === 640"), "the sub stream plays"
        )


def test_eight_tabs_all_follow_the_server(watched: Home) -> None:
    rename = {"name": "Garden, seen by eight"}
    path = f"/api/v1/devices/{_garden(watched)['id']}"
    with open_page(watched.browser, watched.server.url) as page:
        # A connection to one server is what is short, not decoders.
        page.evaluate(
            "localStorage.setItem('incamera.wall',"
            " JSON.stringify({ value: { mode: 'never', isFull: false }, usedAt: Date.now() }))"
        )
        page.reload()
        tabs = [page, *(page.context.new_page() for _ in range(7))]
        for tab in tabs[1:]:
            tab.goto("/me")
            expect(tab.get_by_role("heading", name="My account")).to_be_visible()
            tab.get_by_role("link", name="Back").click()
        watched.server.owner().patch(path, json=rename).raise_for_status()
        for tab in tabs:
            expect(tab.get_by_role("link", name="Open Garden, seen by eight")).to_be_visible()
        page.close()
        watched.server.owner().patch(path, json={"name": "Garden"}).raise_for_status()
        for tab in tabs[1:]:
            expect(tab.get_by_role("link", name="Open Garden", exact=True)).to_be_visible()


def test_guest_is_not_offered_what_only_the_owner_may_do(watched: Home) -> None:
    def as_guest(route: Route) -> None:
        answer = route.fetch()
        devices = answer.json()
        for device in devices["items"]:
            device |= {"is_owner": False, "permissions": ["view_live"], "sign_url": None}
        route.fulfill(response=answer, json=devices)

    garden = _garden(watched)
    with open_page(watched.browser, watched.server.url) as page:
        page.route(re.compile(r"/api/v1/devices(\?|$)"), as_guest)
        page.goto(f"/cameras/{garden['channels'][0]['id']}")
        expect(page.get_by_text("You may see this camera live, but not its recordings.")).to_be_visible()
        expect(page.get_by_role("link", name="Device settings")).to_have_count(0)
        expect(page.get_by_role("heading", name="Who looked")).to_have_count(0)
        page.goto(f"/devices/{garden['id']}")
        expect(page.get_by_text("What it does is decided by its owner.")).to_be_visible()
        expect(page.get_by_role("button", name="Remove Garden")).to_have_count(0)
        assert axe_violations(page) == []


PAGES = ("/", "/add", "/edges", "/me")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_are_free_of_axe_violations(watched: Home, theme: Any) -> None:
    paths = [*PAGES, f"/devices/{_garden(watched)['id']}", f"/cameras/{_garden(watched)['channels'][0]['id']}"]
    with open_page(watched.browser, watched.server.url, theme=theme) as page:
        for path in paths:
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_attached()
            _until_still(page)
            assert axe_violations(page) == [], path


@pytest.mark.parametrize("width", [320, 834])
def test_no_page_scrolls_sideways(watched: Home, width: int) -> None:
    paths = [*PAGES, f"/devices/{_garden(watched)['id']}", f"/cameras/{_garden(watched)['channels'][0]['id']}"]
    with open_page(watched.browser, watched.server.url, width=width, height=700, language="fr-FR") as page:
        page.evaluate("localStorage.setItem('incamera.language', JSON.stringify({value: 'fr', usedAt: Date.now()}))")
        for path in paths:
            page.goto(path)
            expect(page.get_by_role("heading", level=1)).to_be_attached()
            _until_still(page)
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
    devices = home.server.owner().get("/api/v1/devices").raise_for_status().json()["items"]
    garden: dict[str, Any] = next(device for device in devices if device["name"] == "Garden")
    return garden
