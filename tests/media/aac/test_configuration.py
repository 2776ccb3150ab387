import contextlib
import io
import shutil
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.aac import (
    SAMPLES_PER_FRAME,
    InvalidAudioConfig,
    aac_track_config,
    parse_audio_specific_config,
    render_audio_specific_config,
)
from incamera.media.cmaf import Packager
from incamera.media.sample import Sample


@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_rendered_configurations_read_back(sample_rate: int, channels: int) -> None:
    config = parse_audio_specific_config(render_audio_specific_config(sample_rate, channels))
    assert (config.sample_rate, config.channel_count, config.codec) == (sample_rate, channels, "mp4a.40.2")


def test_an_explicit_rate_is_read() -> None:
    assert parse_audio_specific_config(bytes.fromhex("17801f4010")).sample_rate == 16000


@pytest.mark.parametrize("text", ["", "12", "1780", "1200", "17ffffff80"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(InvalidAudioConfig):
        parse_audio_specific_config(bytes.fromhex(text))


@given(st.binary(max_size=80))
def test_any_bytes_give_a_value_or_a_named_error(data: bytes) -> None:
    with contextlib.suppress(InvalidAudioConfig):
        parse_audio_specific_config(data)


def encoded_tone(sample_rate: int) -> tuple[bytes, list[bytes]]:
    codec = av.CodecContext.create("aac", "w")
    codec.sample_rate, codec.layout, codec.format = sample_rate, "mono", "fltp"
    tone = np.sin(np.arange(sample_rate) * 2 * np.pi * 440 / sample_rate).astype(np.float32)
    packets = []
    for start in range(0, len(tone) - SAMPLES_PER_FRAME, SAMPLES_PER_FRAME):
        frame = av.AudioFrame.from_ndarray(tone[None, start : start + SAMPLES_PER_FRAME], "fltp", "mono")
        frame.sample_rate, frame.pts = sample_rate, start
        packets += [bytes(packet) for packet in codec.encode(frame)]
    return bytes(codec.extradata or b""), packets


def test_a_tone_in_our_container_is_decoded_by_libav_and_ffmpeg(tmp_path: Path) -> None:
    extradata, frames = encoded_tone(16000)
    track = aac_track_config(parse_audio_specific_config(extradata))
    packager = Packager(track.timescale, sample_duration=SAMPLES_PER_FRAME)
    samples = [Sample(number * SAMPLES_PER_FRAME, 0, True, data) for number, data in enumerate(frames)]
    chunks = [packager.push_all(samples[start : start + 4]).data for start in range(0, len(samples), 4)]
    data = track.init_segment + b"".join(chunks)

    with av.open(io.BytesIO(data)) as container:
        decoded = sum(frame.samples for frame in container.decode(audio=0))
        assert container.streams.audio[0].rate == 16000
    assert decoded == len(frames) * SAMPLES_PER_FRAME

    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed here; libav alone judged the file")
    path = tmp_path / "tone.mp4"
    path.write_bytes(data)
    result = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"], capture_output=True, text=True, check=True
    )
    assert result.stderr == ""
