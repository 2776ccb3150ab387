"""When the first sync sample of a stream has arrived whole: for protocols that other servers speak.

Each function connects, asks, and returns the milliseconds from connect() to the last byte of that picture.
"""

import socket
import struct
import time
from collections.abc import Iterator
from typing import Final

from bench.harness import BenchError
from incamera.media.rtp.packet import HEADER_BYTES
from incamera.media.rtsp.client import Described, RtspClient, TrackSinks
from incamera.media.rtsp.errors import RtspError
from incamera.media.rtsp.url import RtspUrl
from incamera.protocol.websocket import Binary, FrameReader, new_key, render_text, render_upgrade_request

_PATIENCE_S: Final = 15.0
_READ_BYTES: Final = 1 << 18
_IDR: Final = 5  # NAL unit type, ITU-T H.264 table 7-1
_STAP_A, _FU_A = 24, 28  # RFC 6184 table 1


def over_rtsp(port: int, path: str) -> float:
    """RTSP over TCP: the picture track alone."""
    started = time.monotonic()
    client, picture = RtspClient(RtspUrl.parse(f"rtsp://127.0.0.1:{port}{path}")), SyncSampleInRtp()
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.start()
        try:
            while not picture.is_complete:
                line.sendall(client.take_outgoing())
                if not (data := line.recv(_READ_BYTES)):
                    break
                for event in client.receive(data, time.monotonic()):
                    if isinstance(event, Described):
                        kinds = [it.kind for it in event.description.media]
                        client.set_up([TrackSinks(kinds.index("video"), picture.take, lambda *_: None)])
        except (RtspError, ValueError, OSError) as error:
            raise BenchError(f"no picture over RTSP: {error}") from None
    if not picture.is_complete:
        raise BenchError("the peer's RTSP session ended before a sync sample")
    return (time.monotonic() - started) * 1000


class SyncSampleInRtp:
    """Watches RTP packets of H.264 (RFC 6184) go by until one whole IDR picture has."""

    def __init__(self) -> None:
        self.is_complete = False
        self._has_begun = False

    def take(self, data: bytes, start: int, stop: int, _arrival_s: float) -> None:
        """A packet: data[start:stop]."""
        at = start + HEADER_BYTES + 4 * (data[start] & 15)
        if data[start] & 16:  # header extension, RFC 3550 clause 5.3.1
            at += 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
        if at + 1 >= stop:
            return
        kind = data[at] & 31
        if kind == _FU_A:
            self._has_begun |= bool(data[at + 1] & 0x80) and data[at + 1] & 31 == _IDR
        elif kind == _STAP_A:
            self._has_begun |= _IDR in _aggregated_types(data[at + 1 : stop])
        else:
            self._has_begun |= kind == _IDR
        is_last_of_picture = bool(data[start + 1] & 0x80)
        self.is_complete |= self._has_begun and is_last_of_picture


def _aggregated_types(units: bytes) -> Iterator[int]:
    at = 0
    while at + 3 <= len(units):
        yield units[at + 2] & 31
        at += 2 + int.from_bytes(units[at : at + 2], "big")


def over_websocket(port: int, path: str, hello: str) -> float:
    """Fragmented MP4 in binary WebSocket messages, after a first message of ours."""
    started, picture = time.monotonic(), SyncSampleInMp4()
    reader = FrameReader(is_server=False, max_message_bytes=1 << 24)
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.sendall(render_upgrade_request(f"127.0.0.1:{port}", path, new_key()))
        answer = b""
        while b"\r\n\r\n" not in answer:
            if not (byte := line.recv(1)):
                raise BenchError(f"the peer refused {path}: {answer[:60].decode(errors='replace')}")
            answer += byte
        line.sendall(render_text(hello.encode(), is_client=True))
        while data := line.recv(_READ_BYTES):
            for event in reader.receive(data):
                if isinstance(event, Binary) and picture.take(event.data):
                    return (time.monotonic() - started) * 1000
    raise BenchError("the peer's stream ended before a sync sample")


class SyncSampleInMp4:
    """Takes fragmented MP4 of H.264 in pieces; looks for an `mdat` that holds an IDR slice."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, piece: bytes) -> bool:
        """Whether a whole sync sample has come by now."""
        self._rest += piece
        while len(self._rest) >= 8:
            size, kind = struct.unpack_from(">I4s", self._rest)
            if size < 8:
                raise BenchError("the peer sends something else than boxes of fragmented MP4")
            if len(self._rest) < size:
                return False
            body, self._rest = self._rest[8:size], self._rest[size:]
            if kind == b"mdat" and _IDR in _unit_types(body):
                return True
        return False


def _unit_types(sample: bytes) -> Iterator[int]:
    """Of NAL units with four bytes of length before each (ISO/IEC 14496-15 clause 5.3.3)."""
    at = 0
    while at + 5 <= len(sample):
        yield sample[at + 4] & 31
        at += 4 + int.from_bytes(sample[at : at + 4], "big")
