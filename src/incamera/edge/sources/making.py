"""Which kind of source is made for what the server names."""

from incamera.edge.sources.base import Source
from incamera.edge.sources.dialling import DialRanges
from incamera.edge.sources.http import HttpCamera
from incamera.edge.sources.local import DeviceCamera, FileCamera, LocalInputs
from incamera.edge.sources.rtsp import TransportMemory, rtsp_source
from incamera.kit.clock import Clock
from incamera.protocol.messages import AnySource, DeviceSource, FileSource, HttpSource, RtspSource


class SourceMaker:
    """One per edge; called like a function. Nothing is dialled or opened yet."""

    def __init__(self, clock: Clock, ranges: DialRanges, inputs: LocalInputs) -> None:
        self._clock = clock
        self._ranges = ranges
        self._inputs = inputs
        self._transports = TransportMemory()

    def __call__(self, where: AnySource, want_audio: bool) -> Source:
        """The source that an edge with these ranges and inputs has for it."""
        match where:
            case RtspSource():
                return rtsp_source(where, want_audio, self._clock, self._ranges, self._transports)
            case HttpSource():
                return HttpCamera(where, self._clock, self._ranges)
            case FileSource():
                return FileCamera(where, want_audio, self._clock, self._inputs)
            case DeviceSource():
                return DeviceCamera(where, self._clock, self._inputs)
