"""`python -m bench.cameras CLIP COUNT [FPS]`: cameras that play a clip over RTSP, as cheaply as Python can.

Each picture is cut into RTP packets once and the same bytes go to every camera's clients; cameras send at different
moments of the picture interval, so that a server does not get them all at once. One process, TCP only.
"""

import asyncio
import base64
import secrets
import sys
from pathlib import Path
from typing import cast

import uvloop

from bench.clip import FPS, access_units
from incamera.edge.simulated.encoder import split_nal_units
from incamera.media.rtp.h264 import packetise_h264
from incamera.media.rtp.sender import RtpSender, RtpStart, interleave
from incamera.media.rtsp.errors import RtspError
from incamera.media.rtsp.server import RtspServerSession, ServerEvent, Started, Stopped

_SPS, _PPS = 7, 8


class Camera:
    """One mount."""

    def __init__(self, number: int, player: "Player") -> None:
        self.path = f"/camera{number}"
        self.track_count = 1
        self.is_over_udp = False
        self.description = player.description
        self.clients: dict[Connection, int] = {}  # with their interleaved channel
        self.waiting: set[Connection] = set()  # for a sync sample
        self._player = player

    def rtp_info(self, track: int) -> str:
        sender = self._player.sender
        return f"seq={sender.next_sequence};rtptime={sender.timestamp(self._player.time)}"

    def send(self, is_sync: bool, packets: list[bytes]) -> None:
        if is_sync:
            self.waiting.clear()
        for client, channel in self.clients.items():
            if client not in self.waiting:
                client.transport.write(interleave(channel, packets) if channel else self._player.interleaved)


class Player:
    """Plays the clip in a loop, in real time."""

    def __init__(self, clip: Path, count: int, fps: int) -> None:
        self._fps = fps
        self.units = [(is_sync, split_nal_units(data)) for is_sync, data in access_units(clip)]
        self.sender = RtpSender(96, RtpStart.random(secrets.randbits))
        self.time = 0
        self.interleaved = b""
        sets = {unit[0] & 31: unit for unit in self.units[0][1] if unit[0] & 31 in (_SPS, _PPS)}
        self.description = _describe(sets[_SPS], sets[_PPS])
        self.cameras = {camera.path: camera for camera in (Camera(number, self) for number in range(count))}

    async def play(self) -> None:
        loop = asyncio.get_running_loop()
        started, step = loop.time(), 1 / self._fps / max(1, len(self.cameras))
        number = 0
        while True:
            is_sync, nal_units = self.units[number % len(self.units)]
            self.time = number * 90_000 // self._fps
            packets = self.sender.render(self.time, packetise_h264(nal_units))
            self.interleaved = interleave(0, packets)
            for turn, camera in enumerate(self.cameras.values()):
                due = started + number / self._fps + turn * step
                if (delay := due - loop.time()) > 0:
                    await asyncio.sleep(delay)
                camera.send(is_sync, packets)
            number += 1
            if (delay := started + number / self._fps - loop.time()) > 0:
                await asyncio.sleep(delay)


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, player: Player) -> None:
        self._session = RtspServerSession(player.cameras.get)
        self._loop = asyncio.get_running_loop()
        self._camera: Camera | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            events = self._session.receive(data, self._loop.time())
        except RtspError:
            self.transport.abort()
            return
        self.transport.write(self._session.take_outgoing())
        for event in events:
            self._take(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def _take(self, event: ServerEvent) -> None:
        self._leave()
        if isinstance(event, Started) and not isinstance(event, Stopped):
            self._camera = cast("Camera", event.mount)
            self._camera.clients[self] = event.channels[0].rtp
            self._camera.waiting.add(self)

    def _leave(self) -> None:
        if self._camera is not None:
            self._camera.clients.pop(self, None)
            self._camera.waiting.discard(self)
            self._camera = None


def _describe(sps: bytes, pps: bytes) -> bytes:
    sets = ",".join(base64.b64encode(unit).decode() for unit in (sps, pps))
    lines = [
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=clip",
        "t=0 0",
        "a=control:*",
        "m=video 0 RTP/AVP 96",
        "c=IN IP4 0.0.0.0",
        "a=rtpmap:96 H264/90000",
        f"a=fmtp:96 packetization-mode=1;profile-level-id={sps[1:4].hex()};sprop-parameter-sets={sets}",
        "a=control:track0",
    ]
    return ("\r\n".join(lines) + "\r\n").encode()


async def _serve(clip: Path, count: int, fps: int) -> None:
    player = Player(clip, count, fps)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(player), "127.0.0.1", 0)
    print(f"ready {server.sockets[0].getsockname()[1]}", flush=True)
    await player.play()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else FPS))
