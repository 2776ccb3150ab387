import json
import shutil
import subprocess
from pathlib import Path

import pytest

from incamera.media.cmaf import Packager, audio_init_segment
from incamera.media.isobmff import iter_boxes, parse_chunk
from incamera.media.sample import Sample
from incamera.media.video.codecs import make_assembler
from tests.support.clips import a_video
from tests.support.mp4box import judged_by_mp4box


def test_a_chunk_is_exactly_these_bytes() -> None:
    chunk = Packager(90_000).push(Sample(0x1_0000_0001, -3, True, b"\0\0\0\1\x65"))
    assert chunk.data.hex(" ", -4) == (
        "00000068 6d6f6f66 00000010 6d666864 00000000 00000001 00000050 74726166 00000010 74666864"
        " 00020000 00000001 00000014 74666474 01000000 00000001 00000001 00000024 7472756e 01000f01"
        " 00000001 00000070 00015f90 00000005 02000000 fffffffd 0000000d 6d646174 00000001 65"
    )


def test_several_frames_in_one_chunk_follow_each_other() -> None:
    samples = [Sample(1024 * n, 0, True, bytes([n]) * (n + 1)) for n in range(4)]
    read = parse_chunk(Packager(16_000, sample_duration=1024).push_all(samples).data)
    assert [(s.decode_time, s.duration, bytes(s.data)) for s in read] == [
        (1024 * n, 1024, bytes([n]) * (n + 1)) for n in range(4)
    ]


@pytest.mark.parametrize("b_frames", [0, 2])
def test_ffprobe_and_ffmpeg_find_nothing_to_complain_about(tmp_path: Path, b_frames: int) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed here")
    assembler, packager = make_assembler("H264"), Packager(90_000)
    chunks = [packager.push(s).data for unit in a_video(75, b_frames=b_frames) if (s := assembler.push(unit))]
    assert assembler.config is not None
    path = tmp_path / "clip.mp4"
    path.write_bytes(assembler.config.init_segment + b"".join(chunks))
    probe = subprocess.run(
        ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-of", "json", path],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (stream,) = json.loads(probe.stdout)["streams"]
    assert probe.stderr == ""
    assert (stream["codec_name"], stream["nb_read_frames"], stream["width"]) == ("h264", "75", 320)
    decode = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"], capture_output=True, text=True, check=True
    )
    assert decode.stderr == ""


@pytest.mark.parametrize("b_frames", [0, 2])
def test_mp4box_reads_the_picture_that_we_wrote(b_frames: int) -> None:
    assembler, packager = make_assembler("H264"), Packager(90_000)
    samples = [sample for unit in a_video(75, b_frames=b_frames) if (sample := assembler.push(unit))]
    assert assembler.config is not None
    chunks = b"".join(packager.push(sample).data for sample in samples)
    track = judged_by_mp4box(assembler.config.init_segment, chunks)
    assert (track["type"], track["codec"], track["timescale"]) == ("video", assembler.config.codec, 90_000)
    assert (track["video"]["width"], track["video"]["height"]) == (320, 192)
    told = ("decodeTime", "compositionOffset", "isSync", "size")
    assert [tuple(read[name] for name in told) for read in track["samples"]] == [
        (sample.decode_time, sample.composition_offset, sample.is_sync, len(sample.data)) for sample in samples
    ]


def test_mp4box_reads_the_sound_that_we_wrote() -> None:
    init = audio_init_segment(bytes.fromhex("1408"), sample_rate=16_000, channel_count=1)
    packager = Packager(16_000, sample_duration=1024)
    frames = [Sample(1024 * n, 0, True, bytes([n]) * (n + 1)) for n in range(40)]
    chunks = b"".join(packager.push_all(frames[n : n + 4]).data for n in range(0, 40, 4))
    track = judged_by_mp4box(init, chunks)
    assert (track["type"], track["codec"], track["timescale"]) == ("audio", "mp4a.40.2", 16_000)
    assert (track["audio"]["sample_rate"], track["audio"]["channel_count"]) == (16_000, 1)
    assert [(read["decodeTime"], read["duration"], read["size"]) for read in track["samples"]] == [
        (frame.decode_time, 1024, len(frame.data)) for frame in frames
    ]


def test_init_segments_hold_the_boxes_of_a_cmaf_header() -> None:
    assembler = make_assembler("H264")
    assembler.push(a_video(1)[0])
    assert assembler.config is not None
    assert [box.type for box in iter_boxes(assembler.config.init_segment)] == [b"ftyp", b"moov"]
    assert assembler.config.init_segment[8:12] == b"cmf2"
