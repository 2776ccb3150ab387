"""A file in a loop: continuous in time over every seam, at its own pace, whatever is inside."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from incamera.edge.encoder.faults import Failure
from incamera.edge.encoder.files import FilePlayer
from incamera.edge.encoder.messages import PICTURE_CLOCK, Unit
from incamera.media.sample import AccessUnit
from incamera.media.video.codecs import make_assembler
from incamera.protocol.messages import CameraFault
from tests.support.movies import a_jpeg_picture, a_movie


class Clock:
    """Sleeping takes no time in this test, and all of it on this clock."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def play(path: Path, seconds: float, *, with_sound: bool = True, clock: Clock | None = None) -> list[Unit]:
    """What comes out in the first seconds."""
    clock = clock or Clock()
    end_s = clock.now_s + seconds

    def until_then(units: Iterator[Unit]) -> Iterator[Unit]:
        for unit in units:
            if clock.now_s >= end_s:
                return
            yield unit

    with path.open("rb") as file:
        player = FilePlayer(file, with_sound=with_sound, monotonic=clock.monotonic, sleep=clock.sleep)
        return list(until_then(player.units()))


MOVIES: dict[str, dict[str, Any]] = {
    "h264.mp4": {"codec": "libx264"},
    "reordered.mp4": {"codec": "libx264", "b_frames": 2},
    "h264.mkv": {"codec": "libx264", "b_frames": 2, "sound": "aac"},
    "h265.mp4": {"codec": "libx265"},
    "aac.mp4": {"codec": "libx264", "sound": "aac"},
    "opus.mkv": {"codec": "libx264", "sound": "libopus"},
    "mpeg4.avi": {"codec": "mpeg4", "sound": "libmp3lame"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "h264.ts": {"codec": "libx264", "b_frames": 2},
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
}


@pytest.mark.parametrize("name", MOVIES)
def test_decode_times_go_on_over_every_seam(name: str, tmp_path: Path) -> None:
    path = a_movie(tmp_path / name, **MOVIES[name])
    units = play(path, 7.0)
    codec = "H265" if name.startswith("h265") else "H264"
    assembler = make_assembler(codec)

    samples = [assembler.push(AccessUnit(unit.presentation_time, unit.nal_units)) for unit in units if unit.track == 0]
    times = [sample.decode_time for sample in samples if sample is not None]
    steps = [after - before for before, after in pairwise(times)]

    assert len(times) >= 60, "seven seconds of ten pictures, three seams among them; a decoder may hold some back"
    assert all(0 < step < 5 * PICTURE_CLOCK // 10 for step in steps), steps
    assert samples[0] is not None
    assert samples[0].is_sync


@pytest.mark.parametrize("name", [name for name, movie in MOVIES.items() if "sound" in movie])
def test_sound_goes_on_over_every_seam(name: str, tmp_path: Path) -> None:
    path = a_movie(tmp_path / name, **MOVIES[name])
    times = [unit.presentation_time for unit in play(path, 7.0) if unit.track == 1]
    frames = [after - before for before, after in pairwise(times)]

    assert all(0 < frame < 48_000 // 2 for frame in frames), frames
    assert sum(frame == 1024 for frame in frames) > 0.9 * len(frames)
    assert len(frames) > 0.85 * 7 * 48_000 / 1024


def test_it_plays_at_its_own_pace(tmp_path: Path) -> None:
    units = play(a_movie(tmp_path / "a.mp4", pictures=30), 9.0, with_sound=False)

    late_s = [unit.arrived_s - 1000.0 - unit.presentation_time / PICTURE_CLOCK for unit in units]

    assert max(late_s) - min(late_s) < 0.1, "neither in a burst nor slower and slower"


def test_a_machine_that_slept_does_not_hurry_afterwards(tmp_path: Path) -> None:
    clock = Clock()
    with a_movie(tmp_path / "a.mp4").open("rb") as file:
        player = FilePlayer(file, with_sound=False, monotonic=clock.monotonic, sleep=clock.sleep)
        units = player.units()
        for _ in range(5):
            next(units)
        clock.now_s += 3600
        woke_s = clock.now_s
        after = [next(units) for _ in range(50)]

    assert clock.now_s - woke_s > 4, "fifty pictures take five seconds"
    assert all(a.presentation_time < b.presentation_time for a, b in pairwise(after))


def test_sound_that_nobody_asked_for_is_only_told(tmp_path: Path) -> None:
    path = a_movie(tmp_path / "a.mp4", sound="aac")
    with path.open("rb") as file:
        opened = FilePlayer(file, with_sound=False).opened

    assert [(track.kind, track.is_received) for track in opened.tracks] == [("video", True), ("audio", False)]
    assert {unit.track for unit in play(path, 3.0, with_sound=False)} == {0}


def test_what_is_no_video_says_so(tmp_path: Path) -> None:
    texts = {"text": b"hello " * 100, "empty": b"", "cut": a_movie(tmp_path / "a.mp4").read_bytes()[:700]}
    faults = defaultdict[str, CameraFault](lambda: CameraFault.NONE)
    for name, data in texts.items():
        (tmp_path / name).write_bytes(data)
        try:
            play(tmp_path / name, 3.0)
        except Failure as failure:
            faults[name] = failure.fault

    assert faults == dict.fromkeys(texts, CameraFault.FILE_UNREADABLE)


@pytest.mark.parametrize(
    "playlist",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n%s\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile %s\n",
        b"v=0\nm=video 5000 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ],
)
def test_a_playlist_opens_no_other_file(playlist: bytes, tmp_path: Path) -> None:
    """An attack: a file that is below the folder names one that is not."""
    outside = a_movie(tmp_path / "outside.ts")
    (tmp_path / "list").write_bytes(playlist.replace(b"%s", str(outside).encode()))

    with pytest.raises(Failure) as caught:
        play(tmp_path / "list", 3.0)

    assert caught.value.fault is CameraFault.FILE_UNREADABLE


def test_one_picture_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(a_jpeg_picture(1))
    with pytest.raises(Failure):
        play(tmp_path / "a.jpg", 3.0)
