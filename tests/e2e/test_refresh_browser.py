"""A camera that renews its picture a stripe at a time: browsers begin with none of its pictures (measured in Chromium).

So the sub stream stands in, and without one a sentence says what to do. And the other way round: a tile whose sub
stream is gone.
"""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from incamera.media.cmaf import Packager
from incamera.media.video.codecs import make_assembler
from tests.e2e.test_h265_browser import SIZE_JS, Home, add
from tests.support.browser import axe_violations, open_page, running_browser
from tests.support.camera import running_camera
from tests.support.clips import a_video
from tests.support.server import running_server

pytestmark = pytest.mark.slow

JOIN_GRADUALLY_JS = """async ({ init, chunks, codec }) => {
  const source = new MediaSource();
  const video = document.createElement("video");
  video.muted = true;
  video.src = URL.createObjectURL(source);
  await new Promise((done) => source.addEventListener("sourceopen", done, { once: true }));
  const buffer = source.addSourceBuffer(`video/mp4; codecs="${codec}"`);
  for (const part of [init, ...chunks]) {
    buffer.appendBuffer(Uint8Array.from(atob(part), (c) => c.charCodeAt(0)));
    await new Promise((done) => buffer.addEventListener("updateend", done, { once: true }));
  }
  return buffer.buffered.length;
}"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder: Path = tmp_path_factory.mktemp("refresh-browser")
    with (
        running_camera("garden:refresh", "porch:refresh", "yard:steady") as camera,
        running_browser() as browser,
        running_server(folder) as server,
    ):
        server.owner()
        server.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
        yield Home(server, browser, camera)


def test_the_sub_stream_stands_in_until_there_is_a_whole_picture(home: Home) -> None:
    channel_id = add(home, "garden", has_sub=True)
    with open_page(home.browser, home.server.url) as page:
        page.goto(f"/cameras/{channel_id}")
        video = page.locator("video").first
        for _ in range(200):
            if (shown := video.evaluate(SIZE_JS))[:2] == [640, 360] and shown[2] > 10:
                break
            page.wait_for_timeout(60)

        assert shown[:2] == [640, 360]
        assert shown[2] > 10, "it moves"
        expect(page.get_by_text("The camera has not sent a whole picture yet.")).to_have_count(0)


def test_a_sentence_says_so_where_nothing_can_stand_in(home: Home) -> None:
    channel_id = add(home, "porch", has_sub=False)
    with open_page(home.browser, home.server.url) as page:
        page.goto(f"/cameras/{channel_id}")

        expect(page.get_by_text("The camera has not sent a whole picture yet.")).to_be_visible(timeout=20_000)
        assert axe_violations(page) == []


def test_a_tile_takes_the_main_stream_where_the_sub_stream_is_gone(home: Home) -> None:
    add(home, "yard", sub="nothing")
    with open_page(home.browser, home.server.url) as page:
        video = page.get_by_role("link", name="Open yard").locator("video")
        for _ in range(400):
            if (shown := video.evaluate(SIZE_JS))[:2] == [1280, 720] and shown[2] > 10:
                break
            page.wait_for_timeout(60)

        assert shown[:2] == [1280, 720]
        assert shown[2] > 10, "it moves"


def test_this_browser_begins_with_no_gradual_picture(home: Home) -> None:
    """Why the Hub gives viewers none. The day this fails, they may be given."""
    units = a_video(200, gop=50, **{"x264-params": "intra-refresh=1:keyint=50:bframes=0"})
    assembler, packager = make_assembler("H264"), Packager(90_000)
    chunks = [packager.push(sample).data for unit in units[10:] if (sample := assembler.push(unit))]
    assert len(chunks) > 60
    assert assembler.config is not None
    given = {
        "init": b64encode(assembler.config.init_segment).decode(),
        "chunks": [b64encode(chunk).decode() for chunk in chunks],
        "codec": assembler.config.codec,
    }
    with open_page(home.browser, home.server.url) as page:
        assert page.evaluate(JOIN_GRADUALLY_JS, given) == 0
