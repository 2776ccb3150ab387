"""Cameras that answer with the very bytes that real ones once did (`../shared/media/rtsp`), and then send a stream.

A capture seldom holds every answer. What is missing is said plainly by us: `_PLAIN`. Numbers of requests (CSeq) are
those of the capture, as wrong as that makes them. Media comes over the connection, or by UDP where the captured answer
says so: to the ports that were asked for, from a port that nobody announced.
"""

import asyncio
import hashlib
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from incamera.media.rtp.aac import packetise_aac
from incamera.media.rtp.h264 import packetise_h264
from incamera.media.rtp.h265 import packetise_h265
from incamera.media.rtp.sender import RtpSender, RtpStart, interleave
from incamera.media.rtp.sound import packetise_sound
from incamera.media.rtsp.messages import Request
from incamera.media.rtsp.reader import RtspReader
from incamera.media.rtsp.transport import parse_client_ports
from incamera.media.sample import AccessUnit
from tests.support.cameras import numbered_picture
from tests.support.clips import a_video, an_h265_video
from tests.support.shared import shared_path

PICTURES = 30
SOUNDS = [bytes((number, 1, 2, 3)) * 40 for number in range(20)]
_SIZE = (640, 360)


@dataclass(frozen=True)
class Capture:
    """What was recorded of one camera: names of files, and the payload types of the tracks to send."""

    describe: str
    video: tuple[str, int]  # codec, payload type
    audio: tuple[str, int] | None = None
    set_ups: tuple[str, ...] = ()  # in the order of SETUP
    play: str | None = None
    options: str | None = None
    teardown: str | None = None
    unauthorized: str | None = None

    @property
    def files(self) -> set[str]:
        """Every file this camera answers from."""
        names = (self.describe, *self.set_ups, self.play, self.options, self.teardown, self.unauthorized)
        return {name for name in names if name}


CAPTURES = {
    "anjvision": Capture("anjvision_describe", ("H265", 96)),
    "bunny": Capture("bunny_describe", ("H264", 97), ("AAC", 96), ("bunny_setup",), "bunny_play"),
    "dahua": Capture(
        "dahua_describe_h264_aac_onvif", ("H264", 96), ("AAC", 97), ("dahua_setup",), "dahua_play", "dahua_options"
    ),
    "dahua h265": Capture(
        "dahua_describe_h265_pcma", ("H265", 98), ("PCMA", 8), ("dahua_setup",), "dahua_play", "dahua_options"
    ),
    "foscam": Capture("foscam_describe", ("H264", 96), ("PCMU", 0)),
    "gw": Capture(
        "gw_main_describe", ("H264", 96), ("PCMU", 8), ("gw_main_setup_video", "gw_main_setup_audio"), "gw_main_play"
    ),
    # Nobody kept the description of this recorder. Its answers to SETUP are those of a camera that sends by UDP.
    "h264dvr": Capture(
        "foscam_describe", ("H264", 96), ("PCMU", 0), ("h264dvr_setup_video", "h264dvr_setup_audio"), "h264dvr_play"
    ),
    "hikvision": Capture("hikvision_describe", ("H264", 96), None, ("hikvision_setup",), "hikvision_play"),
    "ipcam": Capture("ipcam_describe", ("H264", 96)),
    "longse": Capture("ipcam_describe", ("H264", 96), unauthorized="longse_unauthorized"),
    "luckfox": Capture("ipcam_describe", ("H264", 96), None, ("luckfox_rkipc_setup_tcp",)),
    "reolink": Capture(
        "reolink_describe", ("H264", 96), ("AAC", 97), ("reolink_setup",), "reolink_play", teardown="reolink_teardown"
    ),
    "tplink": Capture("tplink_sdp", ("H265", 96), ("PCMA", 8)),
    "ubiquiti": Capture("ubiquiti_sdp", ("H264", 97), ("AAC", 96)),
}


@dataclass
class CapturedCamera:
    """One running camera. `requests` is what it was asked."""

    capture: Capture
    credentials: tuple[str, str] = ("admin", "secret")
    requests: list[Request] = field(default_factory=list)
    answered: set[str] = field(default_factory=set)  # files whose bytes were sent
    url: str = ""

    def methods(self) -> list[str]:
        """What it was asked, in short."""
        return [request.method for request in self.requests]

    def answer_from(self, name: str) -> bytes:
        """The bytes of a file, which counts as used."""
        self.answered.add(name)
        data = shared_path(f"media/rtsp/{name}.txt").read_bytes()
        if name.endswith("_sdp"):
            head = f"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: {len(data)}\r\n\r\n"
            return head.encode() + data
        return data


@asynccontextmanager
async def captured_camera(name: str) -> AsyncIterator[CapturedCamera]:
    """`async with captured_camera("dahua") as camera:` and its stream is at `camera.url`."""
    camera = CapturedCamera(CAPTURES[name])
    for file in camera.capture.files:
        shared_path(f"media/rtsp/{file}.txt")
    pictures_in(camera.capture.video[0])
    loop = asyncio.get_running_loop()
    connections: list[_Connection] = []

    def connect() -> _Connection:
        connections.append(_Connection(camera))
        return connections[-1]

    server = await loop.create_server(connect, "127.0.0.1", 0)
    async with server:
        camera.url = f"rtsp://127.0.0.1:{server.sockets[0].getsockname()[1]}/live"
        yield camera
        for connection in connections:
            connection.hang_up()


@lru_cache
def pictures_in(codec: str) -> tuple[AccessUnit, ...]:
    """Numbered pictures, and one more that shows where the last of them ends."""
    make = a_video if codec == "H264" else an_h265_video
    return tuple(make(PICTURES + 1, size=_SIZE, gop=10, draw=numbered_picture))


class _Connection(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, camera: CapturedCamera) -> None:
        self._camera = camera
        self._reader = RtspReader()
        self._set_ups: list[tuple[str, bytes, int | tuple[str, int]]] = []  # kind, session, channel or address
        self._transport: asyncio.Transport | None = None
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._datagrams.close()

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        for message in self._reader.receive(data, 0.0):
            if isinstance(message, Request) and self._transport is not None:
                self._camera.requests.append(message)
                self._transport.write(self._answer(message))
                if message.method == "PLAY":
                    self._send_stream((message.headers.find("Session") or "").encode())

    def _answer(self, request: Request) -> bytes:
        capture = self._camera.capture
        if capture.unauthorized and request.method != "OPTIONS" and not self._admits(request):
            return self._camera.answer_from(capture.unauthorized)
        names = {"OPTIONS": capture.options, "DESCRIBE": capture.describe, "PLAY": capture.play}
        if request.method == "SETUP":
            return self._set_up(request)
        name = names.get(request.method) or (capture.teardown if request.method == "TEARDOWN" else None)
        return self._camera.answer_from(name) if name else _plain(request)

    def _set_up(self, request: Request) -> bytes:
        """The captured answer to the first SETUP, the next one to the next; then plain ones."""
        number = len(self._set_ups)
        asked = request.headers.find("Transport") or ""
        names = self._camera.capture.set_ups
        if number < len(names):
            answer = self._camera.answer_from(names[number])
        else:
            answer = _plain(request, f"Transport: RTP/AVP/TCP;unicast;interleaved={2 * number}-{2 * number + 1}")
        channel = re.search(rb"interleaved=(\d+)", answer)
        ports = parse_client_ports(asked)
        target: int | tuple[str, int] = int(channel[1]) if channel else ("127.0.0.1", ports.rtp if ports else 9)
        session = re.search(rb"Session: *([^;\s]+)", answer)
        assert session is not None
        self._set_ups.append((self._kind_of(number), session[1], target))
        return answer

    def _kind_of(self, number: int) -> str:
        """Pictures are set up first by us, whatever comes first in the description."""
        return "video" if number == 0 else "audio"

    def _admits(self, request: Request) -> bool:
        """RFC 2069: the digest without `qop`, as this camera asks for it."""
        given = dict(re.findall(r'(\w+)="([^"]*)"', request.headers.find("Authorization") or ""))
        username, password = self._camera.credentials
        secret = _md5(f"{username}:Surveillance Server:{password}")
        response = _md5(f"{secret}:98481030:{_md5(f'{request.method}:{request.url}')}")
        return given.get("username") == username and given.get("response") == response

    def _send_stream(self, asked_session: bytes) -> None:
        """One recorder gives every track a session of its own: what is not asked to play stays silent."""
        for kind, session, target in self._set_ups:
            for packets in self._packets_of(kind) if session == asked_session else ():
                if isinstance(target, int):
                    assert self._transport is not None
                    self._transport.write(interleave(target, packets))
                else:
                    for packet in packets:
                        self._datagrams.sendto(packet, target)

    def _packets_of(self, kind: str) -> list[list[bytes]]:
        """Numbers that wrap in the first pictures, in every camera."""
        start = RtpStart(0xCAFE if kind == "video" else 0xBEEF, 65_530, (1 << 32) - 9000)
        if kind == "video":
            codec, payload_type = self._camera.capture.video
            packetise = packetise_h264 if codec == "H264" else packetise_h265
            sender = RtpSender(payload_type, start)
            return [sender.render(unit.presentation_time, packetise(unit.nal_units)) for unit in pictures_in(codec)]
        assert self._camera.capture.audio is not None
        codec, payload_type = self._camera.capture.audio
        sender = RtpSender(payload_type, start)
        if codec == "AAC":
            return [sender.render(number * 1024, packetise_aac(unit)) for number, unit in enumerate(SOUNDS)]
        return [
            sender.render(number * 160 + ticks, [(False, payload)])
            for number, unit in enumerate(SOUNDS)
            for ticks, payload in packetise_sound(unit)
        ]


def _plain(request: Request, *lines: str) -> bytes:
    cseq = request.headers.find("CSeq")
    given = request.headers.find("Session") or "12345678"
    session = [] if request.method in ("OPTIONS", "DESCRIBE") else [f"Session: {given}"]
    return "\r\n".join(["RTSP/1.0 200 OK", f"CSeq: {cseq}", *session, *lines, "", ""]).encode()


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
