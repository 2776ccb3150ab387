"""In the child: the pictures of a USB or built-in camera, by libav's capture devices, to H.264.

A camera that compresses itself is asked for H.264, then for JPEG, and only then for raw pictures: over USB 2 raw
pictures of 1280x720 come five times a second.
"""

import time
from collections.abc import Iterator
from typing import Any, Final

import av
import av.error

from incamera.edge.encoder.faults import Failure, failure_of
from incamera.edge.encoder.h264 import PictureEncoder
from incamera.edge.encoder.messages import PICTURE_CLOCK, CaptureDevice, Opened, Track, Unit
from incamera.media.video.byte_stream import split_nal_units
from incamera.protocol.messages import CameraFault

_COMPRESSED: Final = ("h264", "mjpeg", "")  # the empty one: whatever the device gives by itself
_OPEN_ERRORS: Final = (OSError, ValueError)  # libav's errors are OSErrors where the system has a number for them


class DeviceCapture:
    """Opens the device when made; raises Failure."""

    def __init__(self, request: CaptureDevice) -> None:
        self._container = _open(request)
        if not self._container.streams.video:
            raise Failure(CameraFault.NO_VIDEO, "the device has no picture")
        self._stream = self._container.streams.video[0]
        self._stream.thread_count = 1
        self._encoder = PictureEncoder()
        self._copies = self._stream.codec_context.name == "h264"

    @property
    def opened(self) -> Opened:
        return Opened((Track("video", "H264", PICTURE_CLOCK),))

    def units(self) -> Iterator[Unit]:
        """Until the device is gone; then Failure. Times are those at which the pictures came."""
        began_s, newest = time.monotonic(), -1
        try:
            for packet in self._container.demux(self._stream):
                arrived_s = time.monotonic()
                presentation_time = max(newest + 1, round((arrived_s - began_s) * PICTURE_CLOCK))
                newest = presentation_time
                yield from self._take(packet, presentation_time, arrived_s)
        except OSError as error:
            raise failure_of(error, CameraFault.NO_DEVICE) from error
        raise Failure(CameraFault.NO_DEVICE, "the device ended")

    def _take(self, packet: Any, presentation_time: int, arrived_s: float) -> Iterator[Unit]:
        if not packet.size:
            return
        if self._copies:
            yield Unit(0, presentation_time, arrived_s, split_nal_units(bytes(packet)))
            return
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:  # a picture that the cable cut short
            return
        for frame in frames[:1]:
            for at, nal_units in self._encoder.encode(frame, presentation_time):
                yield Unit(0, at, arrived_s, nal_units)


def _open(request: CaptureDevice) -> Any:
    """The first way of compressing that the device takes."""
    if request.input_format != "v4l2":  # other inputs of libav have no choice of formats
        return _open_as(request, {})
    options = {"video_size": f"{request.width}x{request.height}", "framerate": str(request.rate)}
    failure: Failure | None = None
    for compressed in _COMPRESSED:
        try:
            return _open_as(request, {**options, **({"input_format": compressed} if compressed else {})})
        except Failure as error:
            if error.fault is not CameraFault.UNSUPPORTED_CODEC:
                raise
            failure = error
    assert failure is not None
    raise failure


def _open_as(request: CaptureDevice, options: dict[str, str]) -> Any:
    try:
        return av.open(request.device, format=request.input_format, options=options, buffer_size=1 << 20)
    except _OPEN_ERRORS as error:
        if isinstance(error, OSError):
            raise failure_of(error, CameraFault.UNSUPPORTED_CODEC) from error
        raise Failure(CameraFault.UNSUPPORTED_CODEC, "this libav has no such device") from error
