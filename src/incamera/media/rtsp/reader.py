"""Splits an RTSP byte stream into messages and the media packets between them (RFC 2326 clause 10.12).

    '$' | channel | length (2 bytes) | that many bytes of RTP or RTCP
    RTSP/1.0 200 OK … empty line, body

Media packets go to the sink of their channel as (data, start, stop, arrival_s): positions in the whole read, no copy.
Messages are returned. Between the two some cameras lose the thread: bytes that begin neither are skipped until
something begins that can be recognised without doubt, but not for ever.
"""

import re
from dataclasses import replace
from typing import Final

from incamera.media.rtp.packet import PacketSink, RunSink
from incamera.media.rtsp.errors import NotRtsp, RtspProtocolError
from incamera.media.rtsp.messages import MAX_HEAD_BYTES, Message, body_bytes, parse_head

MAX_STRAY_BYTES: Final = 256 * 1024
_DOLLAR: Final = 0x24
_METHODS: Final = b"OPTIONS|DESCRIBE|ANNOUNCE|SETUP|PLAY|PAUSE|TEARDOWN|GET_PARAMETER|SET_PARAMETER|REDIRECT|RECORD"
_MESSAGE_START: Final = re.compile(rb"RTSP/1\.\d |(?:" + _METHODS + rb") ")
_CANDIDATE: Final = re.compile(rb"\$|" + _MESSAGE_START.pattern)
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_LONGEST_START: Final = 16


class RtspReader:
    """Feed it what the socket gives; it never holds more than one message or packet and the read that brought it."""

    def __init__(self) -> None:
        self._sinks: list[PacketSink | None] = [None] * 256
        self._run_sinks: list[RunSink | None] = [None] * 256
        self._rest = bytearray()
        self._wanted = 0  # bytes that the unfinished packet or body in `_rest` needs at least
        self._head_searched = 0
        self._is_lost = False
        self._stray_bytes = 0
        self._saw_message = False
        self.packets_ignored = 0  # on channels that nobody set up

    def set_sink(self, channel: int, sink: PacketSink | None, run_sink: RunSink | None = None) -> None:
        """Who gets the packets of an interleaved channel (0 to 255); `run_sink` may take those that follow one."""
        self._sinks[channel] = sink
        self._run_sinks[channel] = run_sink

    def receive(self, data: bytes, arrival_s: float) -> list[Message]:
        """Takes a read; delivers its packets, returns its messages. Raises RtspProtocolError or NotRtsp."""
        if self._rest:
            if len(self._rest) + len(data) < self._wanted:
                self._rest += data  # a large packet in tiny reads must not be copied again and again
                return []
            data = b"".join((self._rest, data))
        messages: list[Message] = []
        at = self._walk(data, arrival_s, messages)
        self._rest = bytearray(data[at:]) if at < len(data) else bytearray()
        return messages

    def _walk(self, data: bytes, arrival_s: float, messages: list[Message]) -> int:
        """Delivers everything whole in `data`; returns where the rest begins."""
        at, end = 0, len(data)
        sinks, run_sinks = self._sinks, self._run_sinks
        self._wanted = 0
        while at < end:
            if self._is_lost:
                at = self._find_start(data, at)
                if self._is_lost:
                    break
            if data[at] != _DOLLAR:
                next_at = self._read_message(data, at, messages)
                if next_at == at and not self._is_lost:
                    break
                at = next_at
                continue
            if at + 4 > end:
                break
            stop = at + 4 + (data[at + 2] << 8 | data[at + 3])
            if stop > end:
                self._wanted = stop - at
                break
            channel = data[at + 1]
            sink = sinks[channel]
            if sink is None:
                self.packets_ignored += 1
            else:
                sink(data, at + 4, stop, arrival_s)
                run_sink = run_sinks[channel]
                if run_sink is not None:
                    stop = run_sink(data, stop, end, _DOLLAR << 8 | channel, arrival_s)
            at = stop
        return at

    def _read_message(self, data: bytes, at: int, messages: list[Message]) -> int:
        """Reads the message at `at`; returns its end, or `at` when it is not whole yet."""
        if data[at] in b"\r\n":  # empty lines between messages are harmless (and used as keep-alive)
            return at + 1
        if not _MESSAGE_START.match(data, at):
            if len(data) - at >= _LONGEST_START or not _could_begin(data[at:]):
                self._lose_thread()
            return at
        head_end = _HEAD_END.search(data, at + max(0, self._head_searched - 3))
        if head_end is None:
            self._head_searched = len(data) - at
            if self._head_searched > MAX_HEAD_BYTES:
                raise RtspProtocolError("the head of a message is too long")
            return at
        self._head_searched = 0
        message = parse_head(data[at : head_end.start()])
        size = body_bytes(message)
        if head_end.end() + size > len(data):
            self._wanted = head_end.end() + size - at
            return at
        self._saw_message = True
        self._stray_bytes = 0
        messages.append(replace(message, body=data[head_end.end() : head_end.end() + size]))
        return head_end.end() + size

    def _lose_thread(self) -> None:
        if not self._saw_message:
            raise NotRtsp
        self._is_lost = True

    def _find_start(self, data: bytes, at: int) -> int:
        """Where something begins again beyond doubt; or, still lost, where a beginning may be cut off by the end."""
        for candidate in _CANDIDATE.finditer(data, at):
            if self._begins_at(data, candidate.start()):
                self._is_lost = False
                self._skip(candidate.start() - at)
                return candidate.start()
        tail = max(at, len(data) - _LONGEST_START)
        self._skip(tail - at)
        return tail

    def _begins_at(self, data: bytes, at: int) -> bool:
        """A message, or a packet on a channel in use that holds RTP or RTCP of version 2."""
        if _MESSAGE_START.match(data, at):
            return True
        return (
            at + 4 < len(data)
            and data[at] == _DOLLAR
            and self._sinks[data[at + 1]] is not None
            and data[at + 4] >> 6 == 2
            and data[at + 2] << 8 | data[at + 3] >= 8
        )

    def _skip(self, count: int) -> None:
        self._stray_bytes += count
        if self._stray_bytes > MAX_STRAY_BYTES:
            raise RtspProtocolError("too many bytes between messages mean nothing")


def _could_begin(data: bytes) -> bool:
    """Whether more bytes could make a message of these few."""
    starts = [b"RTSP/1.", *(method + b" " for method in _METHODS.split(b"|"))]
    return any(start.startswith(data) or data.startswith(start) for start in starts)
