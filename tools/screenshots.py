"""Photographs every page of the web app into docs/guide/: both languages, three widths, light and dark.

./dev shots [--only wall,camera] [--out FOLDER]

Starts the demo in a temporary folder, so the pictures show the product as somebody meets it on the first evening.
"""

import argparse
import itertools
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tools.browser import NoBrowser, browser_environment, ensure_browser

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "guide"
WIDTHS = {360: 780, 834: 1112, 1440: 900}
LANGUAGES = ("fr", "en")
THEMES = ("light", "dark")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
START_S = 120
PATIENCE_MS = 60_000
RECORDED_S = 45  # so that the timeline has something to show


@dataclass(frozen=True)
class Demo:
    """A running demo."""

    url: str
    email: str
    password: str


@dataclass(frozen=True)
class Look:
    """On what, and in which language."""

    width: int
    theme: str
    language: str


@dataclass(frozen=True)
class Shot:
    """One page: how to get there from the wall."""

    name: str
    go: Callable[[Page], None]
    is_signed_in: bool = True


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev shots", description=__doc__)
    parser.add_argument("--only", default="", help="names of pages, separated by commas")
    parser.add_argument("--out", type=Path, default=GUIDE)
    options = parser.parse_args()
    wanted = set(filter(None, options.only.split(",")))
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        executable = ensure_browser()
    except NoBrowser as error:
        print(error, file=sys.stderr)
        return 1
    with running_demo() as demo, sync_playwright() as playwright:
        time.sleep(RECORDED_S)
        environment: dict[str, str | float | bool] = {**browser_environment(executable)}
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS, env=environment)
        shots = [shot for shot in SHOTS if not wanted or shot.name in wanted]
        for width, theme, language in itertools.product(WIDTHS, THEMES, LANGUAGES):
            photograph(browser, demo, shots, Look(width, theme, language), options.out)
        browser.close()
    return 0


@contextmanager
def running_demo() -> Iterator[Demo]:
    """The demo, in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="incamera-shots-") as folder:
        command = [sys.executable, "-u", "-m", "tools.demo", "--port", str(_free_port()), "--data", folder, "--no-open"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            text = ""
            while "password" not in text:
                line = process.stdout.readline()
                if not line:
                    raise SystemExit(f"the demo did not start:\n{text}")
                text += line
            yield Demo(_find(r"ready (\S+)", text), _find(r"e-mail\s+(\S+)", text), _find(r"password\s+(\S+)", text))
        finally:
            process.terminate()
            process.wait(START_S)


def photograph(browser: Browser, demo: Demo, shots: Sequence[Shot], look: Look, folder: Path) -> None:
    """Every page as one person sees it, one after the other."""
    context = browser.new_context(
        base_url=demo.url,
        viewport={"width": look.width, "height": WIDTHS[look.width]},
        locale={"fr": "fr-FR", "en": "en-GB"}[look.language],
        color_scheme="dark" if look.theme == "dark" else "light",
    )
    page = context.new_page()
    page.goto("/")
    is_signed_in = False
    for shot in shots:
        if shot.is_signed_in and not is_signed_in:
            _sign_in(page, demo, look.language)
            is_signed_in = True
        elif is_signed_in:
            page.goto("/")
            page.wait_for_selector("a.pic")
        shot.go(page)
        page.mouse.move(2, 2)
        path = folder / f"{shot.name}-{look.width}-{look.theme}-{look.language}.jpg"
        page.screenshot(path=path, type="jpeg", quality=70)
    context.close()
    print(look, flush=True)


def _sign_in(page: Page, demo: Demo, language: str) -> None:
    page.fill("[name=email]", demo.email)
    page.fill("[name=password]", demo.password)
    page.click("form button.primary")
    page.wait_for_selector("a.pic")
    # The account keeps one language; this browser's own choice wins over it.
    page.evaluate(
        "(value) => localStorage.setItem('incamera.language', JSON.stringify({ value, usedAt: Date.now() }))", language
    )
    page.reload()
    page.wait_for_selector("a.pic")
    page.wait_for_timeout(2500)


def _stay(page: Page) -> None:
    page.wait_for_selector("form button.primary")
    page.wait_for_timeout(300)


def _wall(page: Page) -> None:
    # Every camera sends and every picture moves: on a busy machine a simulated one may be away for some seconds.
    page.wait_for_function(
        """() => document.querySelectorAll(".state.off").length === 0
             && document.querySelectorAll("a.pic video.shown").length === document.querySelectorAll("a.pic").length""",
        timeout=PATIENCE_MS,
    )
    page.wait_for_timeout(1000)


def _full_wall(page: Page) -> None:
    _wall(page)
    page.get_by_role("button", name=re.compile("Fill the screen|Remplir l’écran")).click()
    _wall(page)
    page.mouse.move(2, 2)
    page.wait_for_timeout(3500)  # the button to leave goes with the pointer


def _camera(page: Page) -> None:
    page.click("a.pic >> nth=0")
    page.wait_for_selector(".lane")
    page.hover(".lane")  # the timeline's pictures come when somebody turns to it
    page.wait_for_timeout(4000)


def _past(page: Page) -> None:
    _camera(page)
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(3000)
    page.wait_for_selector("figure .spin", state="detached")


def _open(path: str) -> Callable[[Page], None]:
    def go(page: Page) -> None:
        page.goto(path)
        page.wait_for_timeout(1200)

    return go


def _device(page: Page) -> None:
    devices = page.evaluate("fetch('/api/v1/devices').then((response) => response.json())")
    page.goto(f"/devices/{devices['items'][0]['id']}")
    page.wait_for_timeout(1200)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _find(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


SHOTS = (  # signed out first; the full wall last, for a terminal remembers it
    Shot("sign-in", _stay, is_signed_in=False),
    Shot("wall", _wall),
    Shot("camera", _camera),
    Shot("past", _past),
    Shot("add", _open("/add")),
    Shot("device", _device),
    Shot("edges", _open("/edges")),
    Shot("account", _open("/me")),
    Shot("full-wall", _full_wall),
)

if __name__ == "__main__":
    sys.exit(main())
