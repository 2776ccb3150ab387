"""What a hostile or stolen edge tries on the recorder."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from incamera.protocol.frames import MediaFrame
from incamera.protocol.messages import StreamKind, StreamOpen
from incamera.recording import RecorderLimits
from incamera.recording.span import FRAME_COSTS_BYTES
from tests.support.recordings import HOUR_US, Span, Studio, a_studio


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    async with a_studio(tmp_path) as opened:
        yield opened


async def answer_to(studio: Studio, opened: StreamOpen) -> object:
    return await studio.recorder.open_span(opened, on_durable=lambda _: None, on_resend=lambda _: None)


async def test_naming_the_span_of_another_edge_ends_nothing_there(studio: Studio) -> None:
    victim = Span(studio, await studio.channel())
    await victim.open()
    await victim.record(0, 30)

    stolen = msgspec.structs.replace(victim.opened, channel_id=await studio.channel())
    assert await answer_to(studio, stolen) == "not_wanted"

    await victim.record(30, 60)
    await victim.close()
    assert len(await studio.chunks(victim.opened.channel_id)) == 60


@pytest.mark.req("B4-02")
async def test_watching_the_sub_stream_of_a_recorded_camera_stores_nothing(studio: Studio) -> None:
    channel = await studio.channel()

    assert await answer_to(studio, Span(studio, channel, stream=StreamKind.SUB).opened) is None
    assert await answer_to(studio, Span(studio, channel, stream=StreamKind.SUB, is_backlog=True).opened) == "not_wanted"


@pytest.mark.req("X-09")
async def test_frames_of_one_byte_do_not_fill_the_memory(studio: Studio) -> None:
    await studio.recorder.stop()
    studio.limits = RecorderLimits(total_bytes=1_000_000, span_bytes=500_000)
    await studio.start_recorder()
    span = Span(studio, await studio.channel())
    await span.open()
    wall_us = span.started_us

    for number in range(10_000):
        span.writer.append(MediaFrame(0, number == 0, False, number, number, 0, wall_us, b"x"))

    assert len(span.writer._waiting) <= 500_000 // FRAME_COSTS_BYTES
    await span.close()
    assert studio.recorder._budget.used_bytes == 0


@pytest.mark.req("B5-03")
@pytest.mark.parametrize("wall_us", [-(2**63), 0, 2**63 - 1])
async def test_absurd_times_make_no_keys_for_absurd_hours(studio: Studio, wall_us: int) -> None:
    channel = await studio.channel()
    span = Span(studio, channel, started_us=wall_us or 1)
    await span.open()
    await span.record(0, 5)
    await span.close()

    now = studio.clock.now_us() // HOUR_US
    assert {segment.hour.hour for segment in await studio.stored(channel)} <= {now}
