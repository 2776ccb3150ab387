"""Chromium for tests from end to end, and what every page of ours must keep to.

with running_browser() as browser:
    with open_page(browser, server.url) as page: ...
"""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.support.server import OWNER_EMAIL, OWNER_PASSWORD
from tools.browser import browser_environment, find_browser

AXE = Path(__file__).resolve().parents[2] / "web/node_modules/axe-core/axe.min.js"
WEB_APP = Path(__file__).resolve().parents[2] / "src/incamera/_web/index.html"
# Chromium runs as root in containers, without a GPU, and shall ask nobody outside for anything.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_REPORTED_BY_THE_BROWSER = "Failed to load resource|net::ERR_|WebSocket connection to .* failed"
Theme = Literal["light", "dark"]


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """The machine's Chromium (or the one that ./dev test fetched); skips with the reason if there is none."""
    executable = find_browser()
    if executable is None:
        pytest.skip("there is no Chromium here: apt install chromium, or run ./dev test with a network")
    if not WEB_APP.exists():
        pytest.skip("the web app is not built: run ./dev test instead of pytest")
    with sync_playwright() as playwright:
        environment: dict[str, str | float | bool] = {**browser_environment(executable)}
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS], env=environment)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def open_page(
    browser: Browser,
    url: str,
    *,
    width: int = 1280,
    height: int = 860,
    language: str = "en-GB",
    theme: Theme = "light",
    is_signed_in: bool = True,
) -> Iterator[Page]:
    """A fresh visitor, signed in as the owner unless told otherwise; at the end nothing may have gone wrong there."""
    context = browser.new_context(
        base_url=url, viewport={"width": width, "height": height}, locale=language, color_scheme=theme
    )
    page = context.new_page()
    watch = _Watch(page, url)
    try:
        if is_signed_in:
            sign_in(page)
        page.goto("/")
        yield page
        watch.check()
    finally:
        context.close()


def sign_in(page: Page) -> None:
    """Signs in without the form; the form has its own test."""
    page.goto("/manifest.webmanifest")  # any document of the origin
    body = {"email": OWNER_EMAIL, "password": OWNER_PASSWORD, "remember": False}
    status = page.evaluate(
        """(body) => fetch("/api/v1/sign-in", {
             method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)
           }).then((response) => response.status)""",
        body,
    )
    assert status == 200, f"signing in answered {status}"


def axe_violations(page: Page) -> list[str]:
    """What axe-core finds on the page as it is now, one line each."""
    # Through the debugger, not as a script element: the content security policy of the page would refuse that, rightly.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    # A colour half-way through its 120 ms transition is not one that people read.
    page.evaluate(
        """Promise.allSettled(
          document.getAnimations().filter((it) => it instanceof CSSTransition).map((it) => it.finished)
        ).then(() => null)"""
    )
    found: list[dict[str, Any]] = page.evaluate("axe.run().then((result) => result.violations)")
    return [
        f"{rule['id']}: {rule['help']} — {node['html'][:200]} ({node['failureSummary'][:300]})"
        for rule in found
        for node in rule["nodes"]
    ]


def overflow_px(page: Page) -> int:
    """How far the page reaches beyond the window to the right."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


class _Watch:
    """Errors on the console, exceptions, breaches of the content security policy, requests to anybody else."""

    def __init__(self, page: Page, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._faults: list[str] = []
        page.on("pageerror", lambda error: self._faults.append(f"exception: {error}"))
        page.on("console", self._note)
        page.on("request", self._note_request)

    def check(self) -> None:
        assert not self._faults, json.dumps(self._faults, indent=2)

    def _note(self, message: Any) -> None:
        # The browser itself reports refused requests (a wrong password is a 401) and lost lines; the page handles both.
        if message.type == "error" and not re.search(_REPORTED_BY_THE_BROWSER, message.text):
            self._faults.append(f"console: {message.text}")

    def _note_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self._host:
            self._faults.append(f"request to somebody else: {request.url}")
