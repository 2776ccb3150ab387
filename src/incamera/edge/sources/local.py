"""What lies on, or is plugged into, the edge's own machine: files in a loop, USB and built-in cameras.

The server names what to play. Somebody who could make an edge play any file, or open any device, would see through the
whole machine. So an edge only opens what its operator named when starting it: files below one folder (`--files`), and
single devices (`--device`). By default that is nothing.
"""

import asyncio
import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from incamera.edge.encoder.messages import CaptureDevice, PlayFile
from incamera.edge.nursery import Nursery
from incamera.edge.sources.base import ClockPoint, SourceFault, TrackInfo, UnitSink
from incamera.edge.sources.encoded import EncodedStream, start_encoder
from incamera.kit.clock import Clock
from incamera.kit.errors import IncameraError
from incamera.protocol.messages import CameraFault, DeviceSource, FileSource

MAX_NAME_CHARACTERS: Final = 512
_MAX_DEPTH: Final = 16
_DEVICES: Final = Path("/dev")
_FAULT_OF_ERROR: Final = {
    errno.ENOENT: CameraFault.NO_FILE,
    errno.ENOTDIR: CameraFault.NO_FILE,
    errno.ENAMETOOLONG: CameraFault.NO_FILE,
}
_MOST_WIDTH, _MOST_HEIGHT, _MOST_RATE = 3840, 2160, 60


class InvalidDevice(IncameraError):
    status = 422

    def __init__(self, text: str) -> None:
        super().__init__(f"'{text}' is not a video device; name one like /dev/video0.")


class FolderMissing(IncameraError):
    status = 422

    def __init__(self, path: str) -> None:
        super().__init__(f"{path} is not a folder; give --files the one that holds the videos.")


@dataclass(frozen=True, slots=True)
class CaptureInput:
    """A device as libav opens it."""

    input_format: str
    device: str


@dataclass(frozen=True, slots=True)
class LocalInputs:
    """What this edge may play and open: only what is in here."""

    files: Path | None
    devices: Mapping[str, CaptureInput]
    nursery: Nursery | None = None  # whose children may open devices; None: this process may do so itself

    @classmethod
    def parse(cls, files: str | None, devices: tuple[str, ...]) -> Self:
        """The operator's words; raises FolderMissing or InvalidDevice. A device need not be plugged in now."""
        folder = None if files is None else Path(files).expanduser().absolute()
        if folder is not None and not folder.is_dir():
            raise FolderMissing(str(folder))
        paths = [_device_path(text) for text in devices]
        return cls(folder, {path.name: CaptureInput("v4l2", str(path)) for path in paths})

    @property
    def named_devices(self) -> tuple[str, ...]:
        """As a nursery takes them."""
        return tuple(f"{it.input_format}:{it.device}" for it in self.devices.values())


def _device_path(text: str) -> Path:
    path = Path(os.path.normpath(_DEVICES / text))
    if _DEVICES not in path.parents or not text.isprintable():
        raise InvalidDevice(text)
    return path


class _EncodedCamera:
    """What plays in a child of the edge, once `open` of a kind of source has begun it."""

    def __init__(self) -> None:
        self._stream: EncodedStream | None = None

    async def play(self, on_unit: UnitSink) -> None:
        """See `Source.play`."""
        await _opened(self._stream).deliver(on_unit)

    def clock_point(self, track: int) -> ClockPoint | None:
        """See `Source.clock_point`."""
        return None if self._stream is None else self._stream.clock_point(track)

    async def close(self) -> None:
        """See `Source.close`."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()


class FileCamera(_EncodedCamera):
    """A file played again and again, continuous in time. See `Source`."""

    def __init__(self, source: FileSource, want_audio: bool, clock: Clock, inputs: LocalInputs) -> None:
        super().__init__()
        self._source = source
        self._want_audio = want_audio
        self._clock = clock
        self._inputs = inputs

    async def open(self) -> tuple[TrackInfo, ...]:
        """See `Source.open`."""
        folder = self._inputs.files
        if folder is None:
            raise SourceFault(CameraFault.NOT_PERMITTED, "this edge was given no folder of files")
        descriptor = await asyncio.to_thread(open_beneath, folder, self._source.name)
        try:
            self._stream = EncodedStream(await start_encoder((descriptor,)), self._clock)
        finally:
            os.close(descriptor)
        return await self._stream.open(PlayFile(descriptor, self._want_audio))


class DeviceCamera(_EncodedCamera):
    """A USB or built-in camera. See `Source`. It has no sound: what a machine hears belongs to no camera."""

    def __init__(self, source: DeviceSource, clock: Clock, inputs: LocalInputs) -> None:
        super().__init__()
        self._source = source
        self._clock = clock
        self._inputs = inputs

    async def open(self) -> tuple[TrackInfo, ...]:
        """See `Source.open`."""
        found = self._inputs.devices.get(self._source.device)
        if found is None:
            raise SourceFault(CameraFault.NOT_PERMITTED, "this edge was not given this device")
        width, height = _within(self._source.width, _MOST_WIDTH), _within(self._source.height, _MOST_HEIGHT)
        rate = _within(self._source.rate, _MOST_RATE)
        self._stream = EncodedStream(await start_encoder(nursery=self._inputs.nursery), self._clock)
        return await self._stream.open(CaptureDevice(found.input_format, found.device, width, height, rate))


def open_beneath(folder: Path, name: str) -> int:
    """A descriptor of a regular file below a folder, whatever the name tries; raises SourceFault.

    It walks from folder to folder and follows no link on the way: a path that was checked first and opened afterwards
    could have become another one in between.
    """
    parts = name.split("/")
    if len(name) > MAX_NAME_CHARACTERS or len(parts) > _MAX_DEPTH or "\0" in name:
        raise SourceFault(CameraFault.NO_FILE, "no file has such a name")
    if any(part in ("", ".", "..") for part in parts):
        raise SourceFault(CameraFault.NOT_PERMITTED, "the name leads out of the folder")
    try:
        parent = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in parts[:-1]:
            parent = _step(parent, part, os.O_RDONLY | os.O_DIRECTORY)
        descriptor = _step(parent, parts[-1], os.O_RDONLY | os.O_NONBLOCK)  # a FIFO would wait for a writer
    except (OSError, UnicodeEncodeError) as error:
        number = error.errno if isinstance(error, OSError) else errno.ENOENT
        fault = _FAULT_OF_ERROR.get(number or 0, CameraFault.NOT_PERMITTED)
        raise SourceFault(fault, errno.errorcode.get(number or 0, "unreadable")) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceFault(CameraFault.FILE_UNREADABLE, "it is no regular file")
    return descriptor


def _step(parent: int, name: str, flags: int) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)


def _opened(stream: EncodedStream | None) -> EncodedStream:
    if stream is None:
        raise RuntimeError("play before open")
    return stream


def _within(value: int, most: int) -> int:
    return max(1, min(value, most))
