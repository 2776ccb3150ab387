"""In the child: JPEGs of a camera to H.264."""

from typing import Any

import av
import av.error

from incamera.edge.encoder.faults import Failure
from incamera.edge.encoder.h264 import PictureEncoder
from incamera.edge.encoder.messages import PushPicture, Unit
from incamera.protocol.messages import CameraFault

_MOST_UNREADABLE = 100  # in a row: what sends these is no camera


class JpegTranscoder:
    """One picture in, one access unit out; pictures that cannot be decoded are left out."""

    def __init__(self) -> None:
        self._decoder: Any = av.CodecContext.create("mjpeg", "r")
        self._decoder.thread_count = 1
        self._encoder = PictureEncoder()
        self._unreadable = 0
        self._newest = -1

    def push(self, request: PushPicture) -> list[Unit]:
        """Raises Failure when hardly anything can be decoded."""
        if request.presentation_time <= self._newest:
            return []
        try:
            frames = self._decoder.decode(av.Packet(request.jpeg))
        except (av.error.FFmpegError, ValueError) as error:
            self._unreadable += 1
            if self._unreadable > _MOST_UNREADABLE:
                raise Failure(CameraFault.UNSUPPORTED_CODEC, "its pictures cannot be decoded") from error
            return []
        self._unreadable = 0
        self._newest = request.presentation_time
        return [
            Unit(0, time, request.arrived_s, nal_units)
            for frame in frames[:1]
            for time, nal_units in self._encoder.encode(frame, request.presentation_time)
        ]
