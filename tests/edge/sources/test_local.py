"""Files and devices of the edge's own machine: only what its operator named, and no way around that."""

import asyncio
import os
from itertools import pairwise
from pathlib import Path

import pytest

from incamera.edge.sources.base import Source, SourceFault
from incamera.edge.sources.local import (
    CaptureInput,
    DeviceCamera,
    FileCamera,
    FolderMissing,
    InvalidDevice,
    LocalInputs,
    open_beneath,
)
from incamera.kit.clock import SystemClock
from incamera.protocol.messages import CameraFault, DeviceSource, FileSource
from tests.support.cameras import has_units, make_clip, play_until

TEST_PATTERN = CaptureInput("lavfi", "testsrc=size=320x240:rate=20,realtime")


def a_file(folder: Path | None, name: str, *, want_audio: bool = True) -> FileCamera:
    return FileCamera(FileSource(name=name), want_audio, SystemClock(), LocalInputs(folder, {}))


def a_device(name: str, **devices: CaptureInput) -> DeviceCamera:
    return DeviceCamera(DeviceSource(device=name), SystemClock(), LocalInputs(None, devices))


async def fault_of(source: Source) -> CameraFault:
    try:
        with pytest.raises(SourceFault) as caught:
            await source.open()
    finally:
        await source.close()
    return caught.value.fault


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of videos, and beside it what nobody may play."""
    below = tmp_path / "videos" / "yard"
    below.mkdir(parents=True)
    make_clip(below / "a.mp4", seconds=1, size=(320, 240))
    (tmp_path / "secret.mp4").write_bytes((below / "a.mp4").read_bytes())
    return tmp_path / "videos"


# --- files ------------------------------------------------------------------------------------------------------------


async def test_a_file_plays_again_and_again_without_a_gap(folder: Path) -> None:
    source = a_file(folder, "yard/a.mp4")
    try:
        tracks = await source.open()
        recording = await play_until(source, has_units(60, 30))
        points = [source.clock_point(track) for track in (0, 1)]
    finally:
        await source.close()

    assert [(track.kind, track.codec) for track in tracks] == [("video", "H264"), ("audio", "MPEG4-GENERIC")]
    assert recording.counters()[:51] == [*range(25), *range(25), 0], "every picture of each pass, in order"
    times = [unit.presentation_time for unit in recording.of(0)]
    assert {after - before for before, after in pairwise(times)} == {3600}, "also where one pass ends"
    assert all(point is not None for point in points)


async def test_sound_that_nobody_asked_for_stays_in_the_file(folder: Path) -> None:
    source = a_file(folder, "yard/a.mp4", want_audio=False)
    try:
        tracks = await source.open()
        recording = await play_until(source, has_units(5))
    finally:
        await source.close()

    assert [track.is_received for track in tracks] == [True, False]
    assert recording.of(1) == []


ESCAPES = [
    "../secret.mp4", "yard/../../secret.mp4", "/etc/passwd", "./yard/a.mp4", "yard//a.mp4", "", "/", "..", "yard/..",
    "link.mp4", "outside/secret.mp4", "inside.mp4",
]  # fmt: skip


@pytest.mark.parametrize("name", ESCAPES)
async def test_no_name_leads_out_of_the_folder(folder: Path, name: str) -> None:
    """Attack: whoever rules the server names files of the whole machine. Links count as ways out, also inwards."""
    (folder / "link.mp4").symlink_to(folder.parent / "secret.mp4")
    (folder / "outside").symlink_to(folder.parent)
    (folder / "inside.mp4").symlink_to(folder / "yard" / "a.mp4")

    assert await fault_of(a_file(folder, name)) in (CameraFault.NOT_PERMITTED, CameraFault.NO_FILE)


@pytest.mark.parametrize(
    "name", ["none.mp4", "yard/none.mp4", "yard/a.mp4/b", "a" * 600, "a" * 300, "a\0b", "\udc80", "/".join("a" * 20)]
)
async def test_a_name_of_nothing(folder: Path, name: str) -> None:
    assert await fault_of(a_file(folder, name)) in (CameraFault.NO_FILE, CameraFault.NOT_PERMITTED)


async def test_what_is_no_file_is_not_opened(folder: Path) -> None:
    """Attack: a FIFO holds up whoever opens it, a device node is a device."""
    os.mkfifo(folder / "pipe")
    async with asyncio.timeout(5):
        assert await fault_of(a_file(folder, "pipe")) is CameraFault.FILE_UNREADABLE
        assert await fault_of(a_file(folder, "yard")) is CameraFault.FILE_UNREADABLE


async def test_without_a_folder_no_file_is_played(folder: Path) -> None:
    assert await fault_of(a_file(None, "yard/a.mp4")) is CameraFault.NOT_PERMITTED


async def test_what_is_no_video(folder: Path) -> None:
    (folder / "a.txt").write_text("Nothing to see." * 100)
    assert await fault_of(a_file(folder, "a.txt")) is CameraFault.FILE_UNREADABLE


def test_no_descriptor_is_left_behind(folder: Path) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    (folder / "link.mp4").symlink_to(folder.parent / "secret.mp4")
    before = count()
    for name in [*ESCAPES, "yard", "none", "yard/none"]:
        with pytest.raises(SourceFault):
            open_beneath(folder, name)
    os.close(open_beneath(folder, "yard/a.mp4"))

    assert count() == before


# --- devices ----------------------------------------------------------------------------------------------------------


async def test_a_device_gives_pictures_at_its_pace() -> None:
    source = a_device("video0", video0=TEST_PATTERN)
    try:
        (track,) = await source.open()
        recording = await play_until(source, has_units(20))
    finally:
        await source.close()

    times = [unit.presentation_time for unit in recording.of(0)]
    assert (track.kind, track.codec) == ("video", "H264")
    assert 0.5 < (times[19] - times[0]) / 90_000 < 3


@pytest.mark.parametrize("name", ["video1", "../video0", "/dev/video0", "", "testsrc"])
async def test_no_other_device_is_opened(name: str) -> None:
    """Attack: the server names devices, files or libav's own inputs."""
    assert await fault_of(a_device(name, video0=TEST_PATTERN)) is CameraFault.NOT_PERMITTED


async def test_a_device_that_is_not_plugged_in() -> None:
    inputs = LocalInputs.parse(None, ("video250",))
    source = DeviceCamera(DeviceSource(device="video250"), SystemClock(), inputs)
    assert await fault_of(source) is CameraFault.NO_DEVICE


@pytest.mark.skipif(not Path("/dev/video0").exists(), reason="this machine has no camera (/dev/video0)")
async def test_the_camera_of_this_machine() -> None:
    inputs = LocalInputs.parse(None, ("/dev/video0",))
    source = DeviceCamera(DeviceSource(device="video0"), SystemClock(), inputs)
    try:
        await source.open()
        await play_until(source, has_units(5))
    finally:
        await source.close()


# --- the operator's words ---------------------------------------------------------------------------------------------


def test_devices_are_named_by_their_last_part() -> None:
    inputs = LocalInputs.parse(None, ("video0", "/dev/v4l/by-id/usb-Cam-index0"))

    assert inputs.devices == {
        "video0": CaptureInput("v4l2", "/dev/video0"),
        "usb-Cam-index0": CaptureInput("v4l2", "/dev/v4l/by-id/usb-Cam-index0"),
    }
    assert inputs.named_devices == ("v4l2:/dev/video0", "v4l2:/dev/v4l/by-id/usb-Cam-index0")


@pytest.mark.parametrize("text", ["", "/etc/passwd", "../etc/passwd", "/dev/../etc/passwd", "/dev", "a\nb"])
def test_what_is_no_device_is_refused(text: str) -> None:
    with pytest.raises(InvalidDevice):
        LocalInputs.parse(None, (text,))


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderMissing):
        LocalInputs.parse(str(tmp_path / "none"), ())
