"""A load program nobody here wrote watches our live socket."""

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

from incamera.live.socket import LIVE_PATH
from tests.live.conftest import Household
from tests.support.shared import shared_path


@pytest.mark.slow
async def test_the_viewers_program_receives_the_whole_stream(household: Household, tmp_path: Path) -> None:
    source, compiler = shared_path("bench/viewers.c"), shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here")
    program = tmp_path / "viewers"
    build = await asyncio.create_subprocess_exec(compiler, "-O2", "-o", str(program), str(source))
    assert await build.wait() == 0
    words = [json.dumps({"ticket": await household.ticket(household.owner)}) for _ in range(5)]
    hello = tmp_path / "hello"
    hello.write_text("\n".join(words) + "\n")
    household.camera.begin()
    publishing = asyncio.create_task(_publish(household))

    viewers = await asyncio.create_subprocess_exec(
        str(program),
        *("--hello-lines", str(hello), "--skip", "24"),
        *("ws", "127.0.0.1", str(household.server.port), LIVE_PATH, "5", "1.5"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    said, _ = await viewers.communicate()
    publishing.cancel()

    assert viewers.returncode == 0
    assert b"viewers=5 receiving=5 closed=0" in said
    rate = re.search(rb"messages=([\d.]+)/s/viewer", said)
    assert rate is not None
    assert float(rate[1]) > 15, "25 pictures a second, on a machine that has other things to do"


async def _publish(household: Household) -> None:
    while True:
        household.camera.push()
        await asyncio.sleep(0.04)
