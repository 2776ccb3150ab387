"""A hostile camera among good ones: whatever it sends, the line they share stays up."""

import ipaddress

import pytest

from incamera.edge.decoder import messages, processes
from incamera.edge.decoder.processes import PictureDecoder, PictureUnreadable
from incamera.edge.sources.base import SourceFault
from incamera.edge.sources.dialling import AddressRefused, DialRanges, resolve
from incamera.kit.clock import SystemClock
from incamera.media.sample import AccessUnit
from incamera.media.video.codecs import make_assembler
from incamera.protocol.messages import CameraFault
from incamera.streams.spans import MAX_INIT_SEGMENT_BYTES
from tests.edge.test_decoder import a_picture
from tests.edge.test_feed import VIDEO, Bench
from tests.support.unit_source import encoded_pictures


def bits(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


def exp_golomb(number: int) -> str:
    """ue(v) of ITU-T H.264 clause 9.1."""
    return f"{number + 1:b}".zfill(2 * (number + 1).bit_length() - 1)


def large_set(head: bytes, body: str) -> bytes:
    """A parameter set of nearly 4 KiB that begins with these bits."""
    padded = body.ljust(-len(body) % 8 + len(body), "1")
    return head + int(padded, 2).to_bytes(len(padded) // 8, "big") + b"\xff" * 4000


@pytest.mark.req("B6-07")
def test_endless_parameter_sets_make_no_init_segment_that_a_server_refuses() -> None:
    pictures = encoded_pictures()
    assembler = make_assembler("H264")
    real_sps = next(nal_unit for nal_unit in pictures[0] if nal_unit[0] & 0x1F == 7)
    large = [large_set(b"\x68", exp_golomb(number) + exp_golomb(0)) for number in range(1, 40)]
    large += [large_set(real_sps[:4], exp_golomb(number) + bits(real_sps[4:])[1:]) for number in range(1, 32)]
    assembler.push(AccessUnit(0, tuple(large)))

    sample = assembler.push(AccessUnit(3600, pictures[0]))

    assert sample is not None, "the camera's real sets are still taken"
    assert assembler.config is not None
    assert len(assembler.config.init_segment) < MAX_INIT_SEGMENT_BYTES


@pytest.mark.req("B6-07")
def test_a_camera_that_changes_with_every_picture_is_let_go() -> None:
    bench = Bench(VIDEO)

    def show_all() -> None:
        for number in range(200):
            bench.show(0, 100 + number / 1000, time=7_000_000 + number * 3600, width=(64, 96)[number % 2])

    with pytest.raises(SourceFault) as caught:
        show_all()

    assert caught.value.fault is CameraFault.PROTOCOL
    assert len(bench.picture.runs) == 20


def test_a_camera_that_changes_now_and_then_is_kept() -> None:
    bench = Bench(VIDEO)
    for number in range(60):
        bench.show(0, 100 + number, time=7_000_000 + number * 90_000, width=(64, 96)[number % 2])

    assert len(bench.picture.runs) == 60


@pytest.mark.req("B6-07")
async def test_a_picture_too_large_for_the_line_is_no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = PictureDecoder(SystemClock())
    monkeypatch.setattr(processes, "parse_answer", lambda _: messages.Picture(b"\xff\xd8" + bytes(3 * 1024 * 1024)))

    with pytest.raises(PictureUnreadable, match="too large"):
        await pictures.jpeg(a_picture())
    await pictures.close()


async def test_a_column_is_shown_small() -> None:
    pictures = PictureDecoder(SystemClock())
    jpeg = await pictures.jpeg(a_picture(), max_width=16)
    await pictures.close()

    start = jpeg.index(b"\xff\xc0") + 5
    height, width = (int.from_bytes(jpeg[at : at + 2], "big") for at in (start, start + 2))
    assert (width, height) == (16, 12)


@pytest.mark.req("B3-06")
@pytest.mark.parametrize(
    "address",
    [
        "100.100.100.200",
        "169.254.169.254",
        "169.254.170.23",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "0.0.0.0",
        "::",
    ],
)
def test_where_clouds_keep_their_credentials_is_never_dialled(address: str) -> None:
    everything = DialRanges.parse(["0.0.0.0/0", "::/0"])

    assert not everything.allow(ipaddress.ip_address(address))


@pytest.mark.req("B3-06")
@pytest.mark.parametrize("host", ["2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518"])
async def test_a_number_written_strangely_is_the_same_number(host: str) -> None:
    """The resolver of the C library reads decimal, hexadecimal and octal addresses; what it answers is judged."""
    with pytest.raises(AddressRefused):
        await resolve(host, 554, DialRanges.parse())
