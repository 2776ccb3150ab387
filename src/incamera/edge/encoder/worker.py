"""The child: does the one kind of work that its first request names, until stdin ends or it is killed.

It opens what it was told to open, then confines itself: from then on no file can be opened, written or run.
"""

import importlib
import os
import pkgutil
import sys
import threading
from collections.abc import Iterator
from typing import Final

import av
import av.logging
import msgspec
import numpy as np

from incamera.edge.child_process import read_body, write_bodies
from incamera.edge.confinement import Limits, confine
from incamera.edge.encoder.capture import DeviceCapture
from incamera.edge.encoder.faults import Failure
from incamera.edge.encoder.files import FilePlayer
from incamera.edge.encoder.h264 import PictureEncoder
from incamera.edge.encoder.messages import (
    PICTURE_CLOCK,
    Answer,
    CaptureDevice,
    EncodePictures,
    Failed,
    Opened,
    PlayFile,
    PushPicture,
    Request,
    Track,
    Unit,
    parse_request,
    render,
)
from incamera.edge.encoder.pictures import JpegTranscoder
from incamera.protocol.messages import CameraFault

MEMORY_BYTES: Final = 1024 * 1024 * 1024  # of address space; a decoder and an encoder of 4K need two thirds of it
_NOT_LOADED: Final = ("av.__main__", "av.datasets")  # a command, and a download of samples
_CHILD_LIMITS: Final = Limits(address_space_bytes=MEMORY_BYTES, open_files=32, file_size_bytes=0)


def main() -> None:
    """Serves one stream. A child of the nursery is told on its command line which devices it may open: no other."""
    av.logging.set_level(None)
    _warm_up()
    try:
        body = read_body()
        if body is not None:
            request = parse_request(body)
            _check(request, sys.argv[1:])
            _serve(request)
    except Failure as failure:
        _say(Failed(failure.fault.value, failure.problem))
    except MemoryError:
        _say(Failed(CameraFault.UNSUPPORTED_CODEC.value, "its pictures are too large"))
    except (msgspec.MsgspecError, BrokenPipeError):
        return


def _check(request: Request, devices: list[str]) -> None:
    is_named = isinstance(request, CaptureDevice) and f"{request.input_format}:{request.device}" in devices
    if devices and not is_named:
        raise Failure(CameraFault.NOT_PERMITTED, "the edge was not started with this device")


def _serve(request: Request) -> None:
    match request:
        case EncodePictures():
            _confine()
            _say(Opened((Track("video", "H264", PICTURE_CLOCK),)))
            _encode_pictures()
        case CaptureDevice():
            capture = DeviceCapture(request)
            _confine()
            _end_with_stdin()
            _say(capture.opened)
            _say_all(capture.units())
        case PlayFile(descriptor, with_sound):
            _confine()
            _end_with_stdin()
            with os.fdopen(descriptor, "rb", buffering=1 << 16) as file:
                player = FilePlayer(file, with_sound=with_sound)
                _say(player.opened)
                _say_all(player.units())
        case _:
            return


def _encode_pictures() -> None:
    transcoder = JpegTranscoder()
    while (body := read_body()) is not None:
        request = parse_request(body)
        if isinstance(request, PushPicture):
            _say(*transcoder.push(request))


def _confine() -> None:
    confine(_CHILD_LIMITS, readable=(), writable=(), may_connect=False)


def _end_with_stdin() -> None:
    """Whoever captures or plays reads no requests: without this it would outlive a killed edge while nothing comes."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def _say(*answers: Answer) -> None:
    write_bodies(map(render, answers))


def _say_all(units: Iterator[Unit]) -> None:
    for unit in units:
        _say(unit)


def _warm_up() -> None:
    """Loads all of PyAV, which imports modules as it meets kinds of streams: no file can be opened any more then."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.startswith(_NOT_LOADED):
            importlib.import_module(module.name)
    encoder = PictureEncoder()
    for number in range(2):
        encoder.encode(av.VideoFrame.from_ndarray(np.zeros((24, 16), np.uint8), format="yuv420p"), number * 3600)
    JpegTranscoder().push(PushPicture(0, 0.0, b"\xff\xd8\xff\xd9"))
