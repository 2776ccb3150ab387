"""The child as a process: what it is asked, what it answers, and that it never outlives its edge."""

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from incamera.edge.child_process import ChildProcess
from incamera.edge.encoder.messages import (
    Answer,
    CaptureDevice,
    EncodePictures,
    Failed,
    Opened,
    PlayFile,
    PushPicture,
    Request,
    Unit,
    parse_answer,
    render,
)
from incamera.edge.encoder.worker import MEMORY_BYTES
from tests.support.movies import a_jpeg_picture, a_movie


@pytest.fixture
async def child() -> AsyncIterator[ChildProcess]:
    started = await ChildProcess.start("incamera.edge.encoder")
    yield started
    await started.kill()


def ask(child: ChildProcess, request: Request) -> None:
    child.send(render(request))


async def answer(child: ChildProcess) -> Answer:
    async with asyncio.timeout(20):
        return parse_answer(await child.receive())


async def test_jpegs_go_in_and_access_units_come_out(child: ChildProcess) -> None:
    ask(child, EncodePictures())
    for number in range(3):
        ask(child, PushPicture(number * 9000, float(number), a_jpeg_picture(number, (1280, 720))))

    opened, *units = [await answer(child) for _ in range(4)]

    assert isinstance(opened, Opened)
    assert [(unit.presentation_time, unit.arrived_s) for unit in units if isinstance(unit, Unit)] == [
        (0, 0.0), (9000, 1.0), (18000, 2.0),
    ]  # fmt: skip


async def test_a_device_is_captured(child: ChildProcess) -> None:
    """libav's own test pattern stands in for a camera: the same code, but for the name of the input."""
    ask(child, CaptureDevice("lavfi", "testsrc=size=160x120:rate=10,realtime", 160, 120, 10))

    opened, *units = [await answer(child) for _ in range(11)]

    assert isinstance(opened, Opened)
    times = [unit.presentation_time for unit in units if isinstance(unit, Unit)]
    assert len(times) == 10
    assert 0.5 < (times[-1] - times[0]) / 90_000 < 3, "it comes at the pace of the camera"


async def test_a_device_that_is_not_there(child: ChildProcess) -> None:
    ask(child, CaptureDevice("v4l2", "/dev/no-such-camera", 640, 480, 15))

    assert await answer(child) == Failed("no_device", "ENOENT")


async def test_a_file_is_played_by_its_descriptor_alone(tmp_path: Path) -> None:
    with a_movie(tmp_path / "a.mp4", sound="aac").open("rb") as file:
        child = await ChildProcess.start("incamera.edge.encoder", descriptors=(file.fileno(),))
        ask(child, PlayFile(file.fileno(), with_sound=True))
    try:
        answers = [await answer(child) for _ in range(8)]
    finally:
        await child.kill()

    assert isinstance(answers[0], Opened)
    assert all(isinstance(unit, Unit) for unit in answers[1:])


async def test_it_ends_with_its_edge(tmp_path: Path) -> None:
    """Stdin is what it has of the edge: also while it waits for the next picture of a file."""
    with a_movie(tmp_path / "a.mp4", fps=1, pictures=5).open("rb") as file:
        child = await ChildProcess.start("incamera.edge.encoder", descriptors=(file.fileno(),))
        ask(child, PlayFile(file.fileno(), with_sound=False))
    assert isinstance(await answer(child), Opened)
    child._stdin.close()
    try:
        async with asyncio.timeout(5):
            await child._process.wait()
    finally:
        await child.kill()


async def test_what_is_sent_to_a_dead_child_is_forgotten_and_its_end_is_heard(child: ChildProcess) -> None:
    """The edge sends from the read of a camera, which must not be taken down with the child."""
    child._process.kill()
    await child._process.wait()
    while not child._stdin.transport.is_closing():
        child.send(b"x" * 100_000)
        await asyncio.sleep(0.01)

    child.send(b"x")
    assert child.waiting_bytes >= 0
    with pytest.raises(EOFError):
        await child.receive()


async def test_nonsense_ends_it_without_a_word(child: ChildProcess) -> None:
    child.send(b"\xc1\xc1")
    with pytest.raises(EOFError):
        await answer(child)


async def test_it_has_no_more_memory_than_it_was_given(child: ChildProcess) -> None:
    ask(child, EncodePictures())
    assert isinstance(await answer(child), Opened)

    pid = child._process.pid

    assert resource.prlimit(pid, resource.RLIMIT_AS) == (MEMORY_BYTES, MEMORY_BYTES)
    assert resource.prlimit(pid, resource.RLIMIT_FSIZE) == (0, 0)
