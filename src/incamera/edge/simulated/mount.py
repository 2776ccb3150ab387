"""One stream of a simulated camera as clients see it: its description, and who is watching."""

import asyncio
import base64
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from incamera.edge.simulated.cameras import SimulatedCamera
from incamera.edge.simulated.encoder import VIDEO_CLOCK_RATE, SoundEncoder, find_parameter_sets
from incamera.edge.simulated.feeds import Anchor, Feed, Payloads, SoundFeed, VideoFeed
from incamera.media.rtp.sender import RtpSender, RtpStart
from incamera.media.rtsp.transport import Channels, Ports

_REPORT_INTERVAL_S: Final = 5.0
_VIDEO_PAYLOAD_TYPE: Final = 96
_AAC_HBR: Final = "sizelength=13;indexlength=3;indexdeltalength=3"


class Viewer(Protocol):
    """A client's connection."""

    def send(self, where: Channels | Ports, packets: list[bytes], report: bytes | None) -> None:
        """Sends packets of a track, a report before them; or gives up on a client that does not read."""
        ...


class _Track:
    """A track's sender and the viewers who wait for its packets."""

    def __init__(self, payload_type: int, clock_rate: int) -> None:
        self.sender = RtpSender(payload_type, RtpStart.random(secrets.randbits))
        self.clock_rate = clock_rate
        self.viewers: dict[Viewer, Channels | Ports] = {}
        self.waiting: set[Viewer] = set()  # for their first sync sample
        self.reported_s = -_REPORT_INTERVAL_S
        self.feed: Feed | None = None


class SimulatedMount:
    """A stream. Belongs to the event loop it was made in; its feeds are threads."""

    def __init__(self, camera: SimulatedCamera, stream: str, width: int, height: int, fps: int, anchor: Anchor) -> None:
        if stream != "main":
            camera = replace(camera, profile=replace(camera.profile, refreshes=False))
        self._camera = camera
        self._path = f"/{camera.name}/{stream}"
        self._size = (width, height)
        self._fps = fps
        self._anchor = anchor
        self._loop = asyncio.get_running_loop()
        self._description: bytes | None = None
        video = _Track(_VIDEO_PAYLOAD_TYPE, VIDEO_CLOCK_RATE)
        self._codec = camera.profile.codec if stream == "main" else camera.profile.sub_codec
        self._video_feed = VideoFeed(camera, self._codec, width, height, fps, anchor, self._deliver_to(0))
        video.feed = self._video_feed
        self._tracks = [video]
        if camera.sound is not None:
            encoder = SoundEncoder(camera.sound)
            self._sound_lines = [f"m=audio 0 RTP/AVP {encoder.payload_type}"]
            self._sound_lines.append(f"a=rtpmap:{encoder.payload_type} {encoder.rtp_map}")
            if encoder.config:
                mode = f"streamtype=5;profile-level-id=1;mode=AAC-hbr;{_AAC_HBR};config={encoder.config.hex().upper()}"
                self._sound_lines.append(f"a=fmtp:{encoder.payload_type} {mode}")
            sound = _Track(encoder.payload_type, encoder.clock_rate)
            sound.feed = SoundFeed(encoder, anchor, self._deliver_to(1))
            self._tracks.append(sound)

    @property
    def path(self) -> str:
        """See `rtsp.server.Mount`."""
        return self._path

    @property
    def track_count(self) -> int:
        """See `rtsp.server.Mount`."""
        return len(self._tracks)

    @property
    def description(self) -> bytes:
        """See `rtsp.server.Mount`."""
        if self._description is None:
            self._description = self._describe()
        return self._description

    @property
    def is_away(self) -> bool:
        """Whether the camera is dropped out just now."""
        return self._camera.profile.is_away(self._anchor.elapsed_s())

    def draw_scene(self) -> None:
        """Slow work that the first viewer need not wait for; may be called in any thread."""
        self._video_feed.draw_scene()

    def rtp_info(self, track: int) -> str:
        """See `rtsp.server.Mount`."""
        sender, clock_rate = self._tracks[track].sender, self._tracks[track].clock_rate
        now = sender.timestamp(int(self._anchor.elapsed_s() * clock_rate))
        return f"seq={sender.next_sequence};rtptime={now}"

    @property
    def is_over_udp(self) -> bool:
        """See `rtsp.server.Mount`."""
        return self._camera.profile.is_over_udp

    @property
    def loss(self) -> float:
        """Which share of its datagrams gets lost on the way."""
        return self._camera.profile.loss

    def attach(self, viewer: Viewer, channels: dict[int, Channels | Ports]) -> None:
        """From the next sync sample on, if there are any, the viewer gets these tracks."""
        for number, pair in channels.items():
            track = self._tracks[number]
            track.viewers[viewer] = pair
            if not self._camera.profile.refreshes:
                track.waiting.add(viewer)
            track.reported_s = -_REPORT_INTERVAL_S
            if track.feed is not None:
                track.feed.start()
                track.feed.request_sync()

    def detach(self, viewer: Viewer) -> None:
        """The viewer gets no more; a track that nobody watches stops."""
        for track in self._tracks:
            track.viewers.pop(viewer, None)
            track.waiting.discard(viewer)
            if not track.viewers and track.feed is not None:
                track.feed.stop()

    def close(self) -> None:
        """Stops all feeds."""
        for track in self._tracks:
            track.viewers.clear()
            if track.feed is not None:
                track.feed.stop()

    def wait(self, timeout_s: float) -> None:
        """Blocks until the threads of closed feeds have ended."""
        for track in self._tracks:
            if track.feed is not None:
                track.feed.wait(timeout_s)

    def _deliver_to(self, number: int) -> Callable[[int, Payloads, bool], None]:
        def deliver(time: int, payloads: Payloads, is_sync: bool) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed; the feed has been told and ends after this
                self._loop.call_soon_threadsafe(self._send, number, time, payloads, is_sync)

        return deliver

    def _send(self, number: int, time: int, payloads: Payloads, is_sync: bool) -> None:
        track = self._tracks[number]
        if not track.viewers:
            return
        report = self._report_if_due(track)
        packets = track.sender.render(time, payloads)
        if is_sync:
            track.waiting.clear()
        for viewer, channels in list(track.viewers.items()):
            if viewer not in track.waiting:
                viewer.send(channels, packets, report)

    def _report_if_due(self, track: _Track) -> bytes | None:
        now_s = self._anchor.elapsed_s()
        if now_s - track.reported_s < _REPORT_INTERVAL_S:
            return None
        track.reported_s = now_s
        wall_us = self._anchor.wall_us_at(now_s)
        return track.sender.render_report(int(now_s * track.clock_rate), wall_us, self._camera.name)

    def _describe(self) -> bytes:
        lines = [
            "v=0",
            "o=- 0 0 IN IP4 127.0.0.1",
            f"s={self._camera.title}",
            "t=0 0",
            "a=control:*",
            "a=range:npt=now-",
            f"m=video 0 RTP/AVP {_VIDEO_PAYLOAD_TYPE}",
            "c=IN IP4 0.0.0.0",
            f"a=rtpmap:{_VIDEO_PAYLOAD_TYPE} {self._codec}/{VIDEO_CLOCK_RATE}",
            f"a=fmtp:{_VIDEO_PAYLOAD_TYPE} {self._describe_video()}",
            f"a=framerate:{self._fps}",
            "a=recvonly",
            "a=control:track0",
        ]
        if self._camera.sound is not None:
            lines += [*self._sound_lines, "a=recvonly", "a=control:track1"]
        return ("\r\n".join(lines) + "\r\n").encode()

    def _describe_video(self) -> str:
        """RFC 6184 clause 8.1 or RFC 7798 clause 7.1."""
        sets = find_parameter_sets(*self._size, self._fps, self._camera.profile, self._codec)
        texts = [base64.b64encode(nal_unit).decode() for nal_unit in sets]
        if self._codec == "H265":
            parameters = "sprop-max-don-diff=0"
            described = ";".join(
                f"sprop-{name}={text}" for name, text in zip(("vps", "sps", "pps"), texts, strict=True)
            )
        else:
            parameters = f"packetization-mode=1;profile-level-id={sets[0][1:4].hex().upper()}"
            described = f"sprop-parameter-sets={','.join(texts)}"
        return f"{parameters};{described}" if self._camera.profile.describes_sets else parameters
