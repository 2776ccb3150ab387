"""Time from the click on a camera of the wall to its first presented picture, in Chromium.

The page has the wall open, as people do; the camera's page then fetches a ticket, opens the stream and builds its
decoder. What counts is the moment the browser hands the picture to the screen (`requestVideoFrameCallback`).
"""

import random
import time

from bench.harness import BenchError
from tests.support.browser import WEB_APP, open_page, running_browser
from tests.support.server import Server
from tools.browser import find_browser

_GOP_S = 2.0
_CLICK = """
async (href) => {
  const before = new Set(document.querySelectorAll("video"));
  const link = document.querySelector(`a[href="${href}"]`);
  const started = performance.now();
  link.click();
  const frame = () => new Promise(requestAnimationFrame);
  let video = null;
  while (video === null) {
    await frame();
    video = [...document.querySelectorAll("video")].find((it) => !before.has(it)) ?? null;
  }
  return await new Promise((done) => video.requestVideoFrameCallback((now) => done(now - started)));
}
"""


def browser_times(server: Server, channel_id: str, joins: int) -> list[float]:
    """Milliseconds from click to picture of each join; raises BenchError where there is no browser or no web app."""
    if find_browser() is None:
        raise BenchError("there is no Chromium here")
    if not WEB_APP.exists():
        raise BenchError("the web app is not built; run it through ./dev bench")
    times = []
    href = f"/cameras/{channel_id}"
    with running_browser() as browser, open_page(browser, server.url) as page:
        for _ in range(joins):
            page.wait_for_selector(f'a[href="{href}"]')
            time.sleep(random.uniform(0, _GOP_S))
            times.append(float(page.evaluate(_CLICK, href)))
            page.go_back()
    return times
