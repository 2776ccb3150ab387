"""Every sound that cameras send becomes AAC that decodes to the same tone, on the camera's time line."""

import asyncio
import io
import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from incamera.edge.decoder.messages import SoundFrame
from incamera.edge.decoder.processes import SoundEncoders
from incamera.edge.decoder.sound_formats import SoundFormat
from incamera.edge.decoder.worker import SoundSession
from incamera.kit.clock import SystemClock
from incamera.media.aac import SAMPLES_PER_FRAME
from incamera.media.cmaf import Packager
from incamera.media.sample import Sample

TONE_HZ = 440.0
FORMATS = [
    *(SoundFormat(codec, 8000, channels) for codec in ("PCMA", "PCMU") for channels in (1, 2)),
    *(SoundFormat("L16", rate, channels) for rate in (8000, 16_000, 32_000, 44_100, 48_000) for channels in (1, 2)),
    SoundFormat("L16", 11_025),
    SoundFormat("G722", 8000),
    *(SoundFormat(f"{packing}G726-{rate}", 8000) for packing in ("", "AAL2-") for rate in (16, 24, 32, 40)),
]


def a_tone(sound_format: SoundFormat, seconds: float = 2.0) -> bytes:
    """A tone as this camera would send it. An encoder of libav's makes it: not the decoder under test."""
    rate, layout = sound_format.sample_rate, "stereo" if sound_format.channels > 1 else "mono"
    at = np.arange(int(seconds * rate)) / rate
    wave = (np.sin(2 * np.pi * TONE_HZ * at) * 9000).astype(np.int16).repeat(sound_format.channels)
    encoder: Any = av.CodecContext.create(sound_format.libav_name, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, layout, "s16"
    encoder.time_base = Fraction(1, rate)
    if "G726" in sound_format.codec:
        encoder.options = {"code_size": sound_format.libav_options["bits_per_coded_sample"]}
    frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout=layout)
    frame.sample_rate, frame.pts = rate, 0
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def packets(sound_format: SoundFormat, data: bytes, milliseconds: int) -> Iterator[tuple[int, bytes]]:
    """(RTP time, payload) of packets that last so long."""
    ticks = sound_format.clock_rate * milliseconds // 1000
    per_second = len(data) / 2.0
    size = round(per_second * milliseconds / 1000 / 30) * 30 or 30  # whole groups of G.726 samples, whole L16 samples
    size -= size % (2 * sound_format.channels) if sound_format.codec == "L16" else 0
    ticks = round(size / per_second * sound_format.clock_rate)
    for number, at in enumerate(range(0, len(data), size)):
        yield number * ticks, data[at : at + size]


def decode(sound_format: SoundFormat, frames: list[SoundFrame]) -> NDArray[np.float32]:
    """What a player hears: channels by samples."""
    config = sound_format.encoded_config()
    samples = [Sample(number * SAMPLES_PER_FRAME, 0, True, frame.data) for number, frame in enumerate(frames)]
    file = config.init_segment + Packager(config.timescale, sample_duration=SAMPLES_PER_FRAME).push_all(samples).data
    with av.open(io.BytesIO(file)) as container:
        assert container.streams.audio[0].rate == sound_format.encoded_rate
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def loudest_hz(wave: NDArray[np.float32], rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.argmax(spectrum)) * rate / len(wave)


@pytest.mark.parametrize("milliseconds", [10, 20, 60, 128])
@pytest.mark.parametrize("sound_format", FORMATS, ids=lambda f: f"{f.codec}-{f.clock_rate}-{f.channels}")
def test_the_tone_comes_out_as_it_went_in(sound_format: SoundFormat, milliseconds: int) -> None:
    session = SoundSession(7, sound_format)
    sent = list(packets(sound_format, a_tone(sound_format), milliseconds))
    frames = [frame for time, payload in sent for frame in session.push(1_000_000 + time, payload)]

    heard = decode(sound_format, frames)
    rate = sound_format.encoded_rate
    steps = {later.presentation_time - earlier.presentation_time for earlier, later in itertools.pairwise(frames)}
    assert steps == {SAMPLES_PER_FRAME}, "packets of this size must not be taken for gaps"
    expected = 1_000_000 * rate // sound_format.clock_rate - SAMPLES_PER_FRAME
    assert frames[0].presentation_time == expected, "the first frame only primes the decoder"
    assert heard.shape[0] == sound_format.channels
    assert 1.7 * rate < heard.shape[1] < 2.1 * rate
    for channel in heard[:, rate // 2 : rate * 3 // 2]:
        assert abs(loudest_hz(channel, rate) - TONE_HZ) < 3
        assert 0.1 < np.sqrt((channel**2).mean()) < 0.3


def test_a_step_of_the_cameras_clock_moves_what_follows() -> None:
    session = SoundSession(1, SoundFormat("G722", 8000))
    before = [frame for number in range(25) for frame in session.push(number * 320, bytes(320))]
    after = [frame for number in range(25) for frame in session.push(80_000 + number * 320, bytes(320))]

    assert after[0].presentation_time - before[-1].presentation_time == SAMPLES_PER_FRAME + (80_000 - 25 * 320) * 2


@given(st.sampled_from(FORMATS), st.lists(st.binary(min_size=1, max_size=700), max_size=12))
@settings(deadline=None, max_examples=60)
def test_any_bytes_make_sound_or_a_named_error(sound_format: SoundFormat, payloads: list[bytes]) -> None:
    session = SoundSession(1, sound_format)
    for number, payload in enumerate(payloads):
        try:
            session.push(number * 160, payload)
        except (av.error.FFmpegError, ValueError):
            continue


@pytest.mark.parametrize(
    "odd", [SoundFormat("GSM", 8000), SoundFormat("L16", 8000, 6), SoundFormat("G722", 8000, 2), SoundFormat("L16", 1)]
)
def test_what_we_cannot_encode_is_refused(odd: SoundFormat) -> None:
    assert not odd.is_encodable
    with pytest.raises(ValueError, match="no sound"):
        SoundSession(1, odd)


async def test_the_confined_child_knows_them_all() -> None:
    """In the child no file may be opened any more: a decoder that is loaded late would fail there only."""
    sounds = SoundEncoders(SystemClock())
    heard: dict[SoundFormat, int] = dict.fromkeys(FORMATS, 0)

    def count(sound_format: SoundFormat) -> Any:
        def on_frame(_time: int, _data: bytes) -> None:
            heard[sound_format] += 1

        return on_frame

    sessions = {sound_format: sounds.open(sound_format, count(sound_format)) for sound_format in FORMATS}
    tones = {sound_format: list(packets(sound_format, a_tone(sound_format, 0.4), 60)) for sound_format in FORMATS}
    for _ in range(20):
        for sound_format, session in sessions.items():
            if not heard[sound_format]:
                for time, payload in tones[sound_format]:
                    session.push(time, payload)
                    await asyncio.sleep(0)
        await asyncio.sleep(0.5)
        if all(heard.values()):
            break
    await sounds.close()
    assert [sound_format for sound_format, frames in heard.items() if not frames] == []
