"""How far sound and picture are apart in Chromium, at the loudspeaker and on the screen.

A simulated camera ticks at every full second and numbers its pictures (`tests/support/ear_js.py`). `skew_*_p50_ms`
keeps the sign, above zero: the sound is late; `skew_*_p95_ms` and `skew_*_max_ms` are distances. Live with Media
Source Extensions, live with WebCodecs, and a recording.

    ./dev bench sound [--seconds 30]
"""

import json
import math
import statistics
import time
from collections.abc import Sequence

from playwright.sync_api import Browser, Page

from bench.browser import watching_browser
from bench.harness import BenchError, Report, our_server, parse_options
from tests.support.browser import open_page
from tests.support.camera import PASSWORD, running_camera
from tests.support.ear_js import EAR_JS, SKEW_JS
from tests.support.server import Server

_FPS = 25
_SETTLE_MS = 5000
_LOOK_BACK_MS = 40_000


def run(options: Sequence[str]) -> Report:
    given = parse_options(options, seconds=30)
    report = Report("sound", "skew_mse_p95_ms")
    with running_camera("garden") as cameras, our_server() as server, watching_browser(server) as chromium:
        channel_id = _add(server, f"{cameras}/garden/main")
        for name, mode in (("mse", "smooth"), ("webcodecs", "low_delay")):
            _measure(report, name, chromium, server, channel_id, mode, given["seconds"])
        _measure(report, "recording", chromium, server, channel_id, "smooth", given["seconds"], looks_back=True)
    return report


def _measure(
    report: Report,
    name: str,
    chromium: Browser,
    server: Server,
    channel_id: str,
    mode: str,
    seconds: int,
    *,
    looks_back: bool = False,
) -> None:
    with open_page(chromium, server.url) as page:
        page.add_init_script(EAR_JS)
        choice = json.dumps({"value": {"mode": mode, "volume": 1}, "usedAt": int(time.time() * 1000)})
        page.evaluate("(choice) => localStorage.setItem('incamera.player', choice)", choice)
        page.goto(f"/cameras/{channel_id}")
        page.wait_for_timeout(_SETTLE_MS)
        if looks_back:
            _look_back(page)
        page.get_by_role("button", name="Sound is off. Turn it on").click()
        page.wait_for_timeout(_SETTLE_MS)
        skews = page.evaluate(SKEW_JS, {"seconds": seconds, "fps": _FPS})
    if len(skews) < seconds // 2:
        raise BenchError(f"{len(skews)} ticks were heard in {seconds} s")
    distances = sorted(map(abs, skews))
    report.add(f"skew_{name}_p50_ms", statistics.median(skews), "ms")
    report.add(f"skew_{name}_p95_ms", distances[math.ceil(len(distances) * 0.95) - 1], "ms")
    report.add(f"skew_{name}_max_ms", distances[-1], "ms")


def _look_back(page: Page) -> None:
    page.wait_for_timeout(_LOOK_BACK_MS)
    page.get_by_role("slider", name="Moment shown").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")


def _add(server: Server, address: str) -> str:
    body = {
        "kind": "camera",
        "name": "Bench",
        "time_zone": "Europe/Paris",
        "channels": [{"name": "Bench", "address": address, "username": "viewer", "password": PASSWORD}],
        "privacy_card": {
            "purpose": "measuring",
            "placement": "indoor",
            "sees_public_space": False,
            "staff_informed": True,
            "sound": True,
        },
        "mode": "record",
        "sound": True,
    }
    response = server.owner().post("/api/v1/devices", json=body)
    response.raise_for_status()
    path = f"/api/v1/devices/{response.json()['id']}"
    online = server.wait_for(path, lambda shown: shown["state"]["code"] == "online")
    return str(online["channels"][0]["id"])
