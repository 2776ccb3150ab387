"""Children that open devices for an edge that may not: also one that is plugged in later, and no other."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from incamera.edge.encoder.messages import Answer, CaptureDevice, EncodePictures, Failed, Opened, Request, Unit
from incamera.edge.nursery import Nursery, NurseryGone
from incamera.edge.sources.encoded import EncoderChild
from tests.support.movies import a_movie

PATTERN = "testsrc=size=160x120:rate=20,realtime"

# A confined edge, and a file that stands for a device which is plugged in after that.
LATE = """
import asyncio, json, sys
from pathlib import Path
from incamera.edge.confinement import Limits, confine, python_paths
from incamera.edge.encoder.messages import CaptureDevice, Opened
from incamera.edge.nursery import Nursery
from incamera.edge.sources.encoded import EncoderChild, start_encoder
own, device = Path(sys.argv[1]), sys.argv[2]
nursery = Nursery.start([f"avi:{device}"])
confinement = confine(Limits(), readable=python_paths(), writable=(own,), may_connect=True)
print(json.dumps(confinement.holds), flush=True)
input()
async def main():
    answers = []
    for child in (await nursery.child(EncoderChild), await start_encoder()):
        child.ask(CaptureDevice("avi", device, 64, 48, 10))
        answers.append(type(await child.answer()).__name__)
        await child.kill()
    print(json.dumps(answers), flush=True)
asyncio.run(main())
nursery.close()
"""


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    nursery = Nursery.start([f"lavfi:{PATTERN}"])
    yield nursery
    nursery.close()


async def ask(nursery: Nursery, request: Request, answers: int = 1) -> list[Answer]:
    child = await nursery.child(EncoderChild)
    try:
        child.ask(request)
        async with asyncio.timeout(20):
            return [await child.answer() for _ in range(answers)]
    finally:
        await child.kill()


async def test_a_named_device_is_captured(nursery: Nursery) -> None:
    opened, *units = await ask(nursery, CaptureDevice("lavfi", PATTERN, 160, 120, 20), 6)

    assert isinstance(opened, Opened)
    assert all(isinstance(unit, Unit) for unit in units)


@pytest.mark.parametrize(
    "request_", [CaptureDevice("lavfi", "testsrc", 1, 1, 1), CaptureDevice("v4l2", PATTERN, 1, 1, 1), EncodePictures()]
)
async def test_nothing_else_is_opened(nursery: Nursery, request_: Request) -> None:
    """Attack: an edge that a camera has taken over asks for other devices and files."""
    [answer] = await ask(nursery, request_)

    assert isinstance(answer, Failed)
    assert answer.fault == "not_permitted"


async def test_a_killed_child_is_gone_and_leaves_nothing_behind(nursery: Nursery) -> None:
    await ask(nursery, EncodePictures())
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        await ask(nursery, EncodePictures())

    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


async def test_a_nursery_that_is_gone_is_an_error(nursery: Nursery) -> None:
    nursery._process.kill()
    nursery._process.wait()
    with pytest.raises(NurseryGone):
        await nursery.child(EncoderChild)


def test_a_device_that_comes_after_the_confinement_can_be_opened(tmp_path: Path) -> None:
    own, device = tmp_path / "own", tmp_path / "video0.avi"
    own.mkdir()
    command = [sys.executable, "-c", LATE, str(own), str(device)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as edge:
        assert edge.stdin is not None
        assert edge.stdout is not None
        holds = json.loads(edge.stdout.readline())
        a_movie(device, codec="mjpeg", pixels="yuvj420p")
        edge.stdin.write("\n")
        edge.stdin.flush()
        answers = json.loads(edge.stdout.readline())

    assert answers[0] == "Opened"
    if "landlock_files" in holds:
        assert answers[1] == "Failed", "the edge's own children may not: it gave that right away"
