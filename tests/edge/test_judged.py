"""What an edge makes of a camera nobody here wrote, judged by programs nobody here wrote."""

import asyncio
import json
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from incamera.protocol.messages import StreamKind, StreamMode
from tests.edge.test_main import Program
from tests.support.camera import read_counters
from tests.support.cameras import StartGstreamer, gstreamer_camera
from tests.support.mp4box import judged_by_mp4box
from tests.support.uplink_server import CODE, ReceivedSpan, UplinkServer

__all__ = ["gstreamer_camera"]

pytestmark = pytest.mark.slow


def media(span: ReceivedSpan) -> bytes:
    return span.opened.init_segment + b"".join(frame.chunk for frame in span.frames.values())


def by_mp4box(span: ReceivedSpan) -> dict[str, Any]:
    return judged_by_mp4box(span.opened.init_segment, b"".join(frame.chunk for frame in span.frames.values()))


def judged(span: ReceivedSpan, folder: Path) -> dict[str, Any]:
    """ffprobe's view of the stream; every packet must decode without a word from ffmpeg."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not here to judge the bytes")
    path = folder / f"{span.opened.stream.value}.mp4"
    path.write_bytes(media(span))
    decoding = subprocess.run(
        ["ffmpeg", "-v", "warning", "-i", path, "-f", "null", "-"], capture_output=True, check=True, text=True
    )
    assert decoding.stderr == ""
    probe = ["ffprobe", "-v", "error", "-show_streams", "-count_packets", "-of", "json", path]
    stream: dict[str, Any] = json.loads(subprocess.run(probe, capture_output=True, check=True).stdout)["streams"][0]
    return stream


@pytest.mark.parametrize(("sound", "b_frames", "rate"), [("aac", 0, "16000"), ("alaw", 2, "16000")])
async def test_picture_and_sound_decode_and_stay_together(
    tmp_path: Path, server: UplinkServer, gstreamer_camera: StartGstreamer, sound: str, b_frames: int, rate: str
) -> None:
    url = await gstreamer_camera("--audio", sound, "--digest", "me:s3cret", b_frames=b_frames)
    audio = StreamMode.RECORD
    server.want(StreamMode.RECORD, audio=audio, url=url, username="me", password="s3cret")
    program = await Program.start("--server", server.url, "--code", CODE, "--data", tmp_path / "edge")
    await server.until(lambda: len(server.chunks()) > 120, timeout_s=30)
    _, said = await program.end()

    assert "s3cret" not in said
    [picture], [heard] = server.spans_of(), server.spans_of(StreamKind.AUDIO)
    video_stream = await asyncio.to_thread(judged, picture, tmp_path)
    audio_stream = await asyncio.to_thread(judged, heard, tmp_path)
    assert (video_stream["codec_name"], video_stream["width"]) == ("h264", 640)
    assert (audio_stream["codec_name"], audio_stream["sample_rate"]) == ("aac", rate)
    assert int(video_stream["nb_read_packets"]) == len(picture.frames)
    boxed_picture, boxed_sound = by_mp4box(picture), by_mp4box(heard)
    assert (boxed_picture["codec"], boxed_sound["codec"]) == (picture.opened.codec, heard.opened.codec)
    for boxed, span in ((boxed_picture, picture), (boxed_sound, heard)):
        decode_times = [sample["decodeTime"] for sample in boxed["samples"]]
        assert decode_times == sorted(set(decode_times))
        assert {frame.decode_time for frame in span.frames.values()} <= set(decode_times)
    numbers = read_counters(media(picture))
    numbers = numbers[: len(numbers) - b_frames]  # what is shown before the last one may have been under way
    assert all((later - earlier) % 100 == 1 for earlier, later in pairwise(numbers)), "no picture lost or swapped"

    last_picture, last_heard = picture.frames[max(picture.frames)], heard.frames[max(heard.frames)]
    picture_s = last_picture.decode_time / 90_000
    heard_s = last_heard.decode_time / heard.opened.timescale
    # The last read brought up to 0.2 s of pictures whose sound was still being encoded, or under way.
    assert abs(picture_s - heard_s) < 0.6, "both tracks are on one time line"
    assert abs((last_picture.wall_us - picture.opened.run_started_us) / 1e6 - picture_s) < 0.2
