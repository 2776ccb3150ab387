"""`python -m bench.cameras CLIP COUNT [FPS [sound]]`: cameras that play a clip over RTSP, as cheaply as Python can.

Each picture is cut into RTP packets once and the same bytes go to every camera's clients; cameras send at different
moments of the picture interval, so that a server does not get them all at once. One process, TCP only.
"""

import asyncio
import base64
import secrets
import sys
from pathlib import Path
from typing import cast

import numpy as np
import uvloop

from bench.clip import FPS, SECONDS, access_units, shown_at
from incamera.edge.simulated.encoder import SoundEncoder, split_nal_units
from incamera.media.rtp.aac import packetise_aac
from incamera.media.rtp.h264 import packetise_h264
from incamera.media.rtp.sender import RtpSender, RtpStart, interleave
from incamera.media.rtsp.errors import RtspError
from incamera.media.rtsp.server import RtspServerSession, ServerEvent, Started, Stopped

_SPS, _PPS = 7, 8
_USUAL_CHANNELS = (0, 2)
_AAC_MODE = "streamtype=5;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3"


class Camera:
    """One mount."""

    def __init__(self, number: int, player: "Player") -> None:
        self.path = f"/camera{number}"
        self.track_count = 1 if player.sound is None else 2
        self.is_over_udp = False
        self.description = player.description
        self.clients: dict[Connection, tuple[int, int]] = {}  # with their channels of picture and sound
        self.waiting: set[Connection] = set()  # for a sync sample
        self._player = player

    def rtp_info(self, track: int) -> str:
        if track and self._player.sound is not None:
            return self._player.sound.rtp_info()
        sender = self._player.sender
        return f"seq={sender.next_sequence};rtptime={sender.timestamp(self._player.time)}"

    def send(self, is_sync: bool, packets: list[bytes], sound: list[bytes]) -> None:
        if is_sync:
            self.waiting.clear()
        for client, channels in self.clients.items():
            if client not in self.waiting:
                client.transport.write(
                    self._player.interleaved
                    if channels == _USUAL_CHANNELS
                    else interleave(channels[0], packets) + interleave(channels[1], sound)
                )


class Sound:
    """A second of noise in AAC, again and again."""

    def __init__(self) -> None:
        encoder = SoundEncoder("aac")
        self.rate, self.step = encoder.sample_rate, encoder.frame_samples
        self.config, self.rtp_map, self.payload_type = encoder.config, encoder.rtp_map, encoder.payload_type
        chance = np.random.default_rng(2)
        frames = [
            frame
            for number in range(SECONDS)
            for frame in encoder.encode(chance.normal(0, 0.1, self.step).astype(np.float32), number * self.step)
        ]
        self._frames = [data for _, data in frames]
        self._sender = RtpSender(self.payload_type, RtpStart.random(secrets.randbits))
        self._sent = 0

    def rtp_info(self) -> str:
        return f"seq={self._sender.next_sequence};rtptime={self._sender.timestamp(self._sent * self.step)}"

    def until(self, seconds: float) -> list[bytes]:
        """The packets that are due."""
        packets: list[bytes] = []
        while self._sent * self.step < seconds * self.rate:
            unit = self._frames[self._sent % len(self._frames)]
            packets += self._sender.render(self._sent * self.step, packetise_aac(unit))
            self._sent += 1
        return packets


class Player:
    """Plays the clip in a loop, in real time."""

    def __init__(self, clip: Path, count: int, fps: int, *, has_sound: bool = False) -> None:
        self._fps = fps
        self.sound = Sound() if has_sound else None
        self.units = [(is_sync, split_nal_units(data)) for is_sync, data in access_units(clip)]
        self.sender = RtpSender(96, RtpStart.random(secrets.randbits))
        self.time = 0
        self.interleaved = b""
        self._shown = shown_at(clip, len(self.units))
        sets = {unit[0] & 31: unit for unit in self.units[0][1] if unit[0] & 31 in (_SPS, _PPS)}
        self.description = _describe(sets[_SPS], sets[_PPS], self.sound)
        self.cameras = {camera.path: camera for camera in (Camera(number, self) for number in range(count))}

    async def play(self) -> None:
        loop = asyncio.get_running_loop()
        started, step = loop.time(), 1 / self._fps / max(1, len(self.cameras))
        number = 0
        while True:
            rounds, place = divmod(number, len(self.units))
            is_sync, nal_units = self.units[place]
            self.time = (rounds * len(self.units) + self._shown[place]) * 90_000 // self._fps
            packets = self.sender.render(self.time, packetise_h264(nal_units))
            sound = [] if self.sound is None else self.sound.until(number / self._fps)
            self.interleaved = interleave(_USUAL_CHANNELS[0], packets) + interleave(_USUAL_CHANNELS[1], sound)
            for turn, camera in enumerate(self.cameras.values()):
                due = started + number / self._fps + turn * step
                if (delay := due - loop.time()) > 0:
                    await asyncio.sleep(delay)
                camera.send(is_sync, packets, sound)
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
            sound = event.channels.get(1)
            self._camera.clients[self] = (event.channels[0].rtp, _USUAL_CHANNELS[1] if sound is None else sound.rtp)
            self._camera.waiting.add(self)

    def _leave(self) -> None:
        if self._camera is not None:
            self._camera.clients.pop(self, None)
            self._camera.waiting.discard(self)
            self._camera = None


def _describe(sps: bytes, pps: bytes, sound: Sound | None) -> bytes:
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
    if sound is not None:
        lines += [
            f"m=audio 0 RTP/AVP {sound.payload_type}",
            f"a=rtpmap:{sound.payload_type} {sound.rtp_map}",
            f"a=fmtp:{sound.payload_type} {_AAC_MODE};config={sound.config.hex()}",
            "a=control:track1",
        ]
    return ("\r\n".join(lines) + "\r\n").encode()


async def _serve(clip: Path, count: int, fps: int, has_sound: bool) -> None:
    player = Player(clip, count, fps, has_sound=has_sound)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(player), "127.0.0.1", 0)
    print(f"ready {server.sockets[0].getsockname()[1]}", flush=True)
    await player.play()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        fps = int(sys.argv[3]) if len(sys.argv) > 3 else FPS
        runner.run(_serve(Path(sys.argv[1]), int(sys.argv[2]), fps, "sound" in sys.argv[4:]))
