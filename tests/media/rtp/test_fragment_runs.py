"""Packets that only continue a fragmented NAL unit are compared, not parsed: what comes out must be the same."""

import random
from collections.abc import Callable, Iterable, Iterator

import pytest

from incamera.media.rtp.h264 import H264Depacketiser, packetise_h264
from incamera.media.rtp.h265 import H265Depacketiser, packetise_h265
from incamera.media.rtp.nal_units import MAX_UNIT_BYTES, NalUnitDepacketiser
from incamera.media.rtp.packet import render_header
from incamera.media.rtp.receiver import RtpReceiver
from incamera.media.rtsp.reader import RtspReader
from incamera.media.sample import AccessUnit

SLICES = {"h264": (b"\x65\x80", b"\x61\x80"), "h265": (b"\x26\x01\x80", b"\x02\x01\x80")}
PACKETISE = {"h264": packetise_h264, "h265": packetise_h265}
DEPACKETISERS: dict[str, type[NalUnitDepacketiser]] = {"h264": H264Depacketiser, "h265": H265Depacketiser}
CHANNEL, OTHER, PAYLOAD_TYPE, SENDER = 2, 3, 96, 0xCAFE


class Receiving:
    """One track over one connection, with or without the short way."""

    def __init__(self, codec: str, *, takes_runs: bool) -> None:
        self.units: list[tuple[AccessUnit, float]] = []
        self.others: list[bytes] = []
        self.runs = 0
        self.receiver = RtpReceiver(DEPACKETISERS[codec](lambda unit, at: self.units.append((unit, at))), PAYLOAD_TYPE)
        self.reader = RtspReader()
        self.reader.set_sink(CHANNEL, self.receiver.receive, self._count_runs if takes_runs else None)
        self.reader.set_sink(OTHER, lambda data, start, stop, _: self.others.append(data[start:stop]))

    def _count_runs(self, data: bytes, at: int, end: int, line: int, arrival_s: float) -> int:
        stop = self.receiver.receive_run(data, at, end, line, arrival_s)
        self.runs += stop > at
        return stop

    @property
    def state(self) -> tuple[object, ...]:
        receiver = self.receiver
        return (
            self.units,
            self.others,
            receiver.highest_sequence,
            receiver.packets_lost,
            receiver.packets_invalid,
            receiver.jitter,
        )


def interleave(channel: int, packet: bytes) -> bytes:
    return bytes((0x24, channel)) + len(packet).to_bytes(2, "big") + packet


def a_stream(codec: str, chance: random.Random, pictures: int) -> Iterator[bytes]:
    """Interleaved packets of pictures of all sizes, numbered across the wrap."""
    sequence = 0xFFF0
    for number in range(pictures):
        size = chance.choice((10, 1_390, 1_450, 4_000, 30_000))
        units = tuple(SLICES[codec][number > 0] + chance.randbytes(size) for _ in range(chance.choice((1, 1, 2))))
        units = units[:1] + tuple(it[:-1][: len(SLICES[codec][0]) - 1] + b"\x40" + it for it in units[1:])
        for is_marked, payload in PACKETISE[codec](units):
            yield interleave(CHANNEL, render_header(PAYLOAD_TYPE, is_marked, sequence, number * 3600, SENDER) + payload)
            sequence += 1


def harmed(packets: Iterable[bytes], chance: random.Random) -> Iterator[bytes]:
    """Now and then a packet is lost, repeated, cut, altered anywhere in its first bytes, or another channel's."""
    for packet in packets:
        match chance.randrange(120):
            case 0:
                continue
            case 1:
                yield packet
            case 2:
                yield interleave(CHANNEL, packet[4 : 4 + chance.randrange(16)])
            case 3 | 4:
                at = chance.randrange(4, min(20, len(packet)))
                yield packet[:at] + chance.randbytes(1) + packet[at + 1 :]
            case 5:
                yield interleave(OTHER, b"\x80\xc8\x00\x06" + bytes(24))
        yield packet


def reads(data: bytes, chance: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = chance.choice((1, 700, 1_448, 9_000, 64_000))
        yield data[at : at + size]
        at += size


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize("harm", [lambda packets, _: packets, harmed], ids=["whole", "harmed"])
@pytest.mark.parametrize("seed", range(8))
def test_the_short_way_gives_what_the_long_way_gives(
    codec: str, harm: Callable[[Iterable[bytes], random.Random], Iterable[bytes]], seed: int
) -> None:
    chance = random.Random(seed)
    short, long = Receiving(codec, takes_runs=True), Receiving(codec, takes_runs=False)
    data = b"".join(harm(a_stream(codec, chance, 60), chance))

    for number, read in enumerate(reads(data, chance)):
        short.reader.receive(read, float(number))
        long.reader.receive(read, float(number))
        assert short.state == long.state

    assert len(long.units) > 20
    assert short.runs > 20, "the short way was taken"


def test_a_unit_without_end_is_dropped_on_the_short_way_too() -> None:
    receiving = Receiving("h264", takes_runs=True)
    first = render_header(PAYLOAD_TYPE, False, 0, 0, SENDER) + b"\x7c\x85" + bytes(1398)
    receiving.reader.receive(interleave(CHANNEL, first), 0.0)
    for burst in range(3 * MAX_UNIT_BYTES // (100 * 1400)):
        numbers = range(1 + burst * 100, 101 + burst * 100)
        heads = [render_header(PAYLOAD_TYPE, False, number & 0xFFFF, 0, SENDER) for number in numbers]
        data = b"".join(interleave(CHANNEL, head + b"\x7c\x05" + bytes(1398)) for head in heads)
        receiving.reader.receive(data, 0.0)
    last = render_header(PAYLOAD_TYPE, True, numbers[-1] + 1 & 0xFFFF, 0, SENDER) + b"\x7c\x45" + bytes(10)
    receiving.reader.receive(interleave(CHANNEL, last), 0.0)

    assert receiving.runs > 10
    assert receiving.units == []
