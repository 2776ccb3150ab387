"""Pictures that take their decoder down, and decoders that are taken down while they work.

Promise: whoever asked gets a picture or a sentence, in time; the next picture comes from a fresh child; sound goes on
all the while; dead children do not pile up.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil
import pytest

from incamera.edge.decoder.processes import PictureDecoder, PictureUnreadable, SoundEncoders
from incamera.edge.decoder.sound_formats import SoundFormat
from incamera.kit.clock import SystemClock
from tests.edge.test_decoder import a_picture
from tests.fuzz.mutations import mutants
from tests.fuzz.parsers import corpus, movies
from tests.support.sockets import eventually

JPEG = b"\xff\xd8"


@asynccontextmanager
async def pictures(timeout_s: float = 8.0) -> AsyncIterator[PictureDecoder]:
    """A decoder that still works afterwards, and leaves nobody behind."""
    decoder = PictureDecoder(SystemClock(), timeout_s=timeout_s)
    try:
        yield decoder
        assert (await decoder.jpeg(a_picture())).startswith(JPEG)
    finally:
        await decoder.close()
    assert not [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE]


@asynccontextmanager
async def sound_that_goes_on() -> AsyncIterator[None]:
    """A camera's G.711, of which frames come out before, during and after the block."""
    frames: list[int] = []
    sounds = SoundEncoders(SystemClock())
    session = sounds.open(SoundFormat("PCMA", 8000), lambda time, _data: frames.append(time))

    async def speak() -> None:
        for number in range(10**6):
            session.push(number * 400, b"\xd5" * 400)
            await asyncio.sleep(0.05)

    async def hear() -> None:
        heard = len(frames)
        await eventually(lambda: len(frames) >= heard + 3)

    speaking = asyncio.create_task(speak())
    try:
        await hear()
        before = len(frames)
        yield
        assert len(frames) > before, "the sound stopped while the picture was in trouble"
        await hear()
    finally:
        speaking.cancel()
        await sounds.close()


async def outcome(decoder: PictureDecoder, media: bytes) -> str:
    try:
        return "picture" if (await decoder.jpeg(media)).startswith(JPEG) else "something else"
    except PictureUnreadable:
        return "sentence"


@pytest.mark.slow
async def test_hostile_media_ends_in_a_picture_or_a_sentence() -> None:
    """Corpora of other people's fuzzers, broken files, and mutants of what a camera sends."""
    good = a_picture()
    hostile = [*movies(), *(good[:600] + data for data in (*corpus("h264"), *corpus("h265")))]
    async with pictures() as decoder:
        outcomes = [await outcome(decoder, media) for media in [*hostile, *mutants([good], 200, 5)]]

    assert set(outcomes) == {"picture", "sentence"}


async def test_a_picture_decoder_that_hangs_costs_one_picture_and_no_sound() -> None:
    async with sound_that_goes_on(), pictures(timeout_s=3.0) as decoder:
        await decoder.jpeg(a_picture())
        os.kill(child_of(decoder), signal.SIGSTOP)

        assert await outcome(decoder, a_picture()) == "sentence"


async def test_a_decoder_killed_in_the_middle_is_replaced_each_time() -> None:
    async with sound_that_goes_on(), pictures() as decoder:
        for _ in range(5):
            await decoder.jpeg(a_picture())
            child = child_of(decoder)
            os.kill(child, signal.SIGSTOP)  # so that the request is there and its answer is not
            asking = asyncio.create_task(outcome(decoder, a_picture()))
            await asyncio.sleep(0.05)
            os.kill(child, signal.SIGKILL)

            assert await asking == "sentence"
            assert not psutil.pid_exists(child), "a zombie is left"


async def test_several_who_ask_during_trouble_are_all_answered() -> None:
    async with pictures(timeout_s=3.0) as decoder:
        await decoder.jpeg(a_picture())
        os.kill(child_of(decoder), signal.SIGSTOP)

        answers = await asyncio.gather(*(outcome(decoder, a_picture()) for _ in range(5)))

        assert answers.count("sentence") == 1
        assert answers.count("picture") == 4


def child_of(decoder: PictureDecoder) -> int:
    assert decoder._child is not None
    return decoder._child._process.pid
