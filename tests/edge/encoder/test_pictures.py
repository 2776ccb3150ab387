"""JPEGs of a camera to H.264: one picture in, one out; sync samples by time; what is broken is left out."""

import pytest

from incamera.edge.encoder.faults import Failure
from incamera.edge.encoder.h264 import MOST_WIDTH
from incamera.edge.encoder.messages import PICTURE_CLOCK, PushPicture, Unit
from incamera.edge.encoder.pictures import JpegTranscoder
from incamera.media.sample import AccessUnit, Sample
from incamera.media.video.codecs import make_assembler
from tests.support.movies import a_jpeg_picture


def push(transcoder: JpegTranscoder, at_s: float, jpeg: bytes) -> list[Unit]:
    return transcoder.push(PushPicture(round(at_s * PICTURE_CLOCK), at_s, jpeg))


def samples(units: list[Unit]) -> list[Sample]:
    assembler = make_assembler("H264")
    made = [assembler.push(AccessUnit(unit.presentation_time, unit.nal_units)) for unit in units]
    return [sample for sample in made if sample is not None]


def test_each_picture_comes_out_at_once_with_its_times() -> None:
    transcoder = JpegTranscoder()
    units = [push(transcoder, number / 10, a_jpeg_picture(number)) for number in range(5)]

    assert [[(unit.presentation_time, unit.arrived_s) for unit in made] for made in units] == [
        [(number * 9000, number / 10)] for number in range(5)
    ]


@pytest.mark.parametrize(("rate", "between"), [(25, 50), (5, 10), (0.5, 1)])
def test_a_sync_sample_every_two_seconds_whatever_the_rate(rate: float, between: int) -> None:
    transcoder = JpegTranscoder()
    made = samples([unit for n in range(101) for unit in push(transcoder, n / rate, a_jpeg_picture(n))])

    assert [n for n, sample in enumerate(made) if sample.is_sync] == list(range(0, 101, between))


def test_a_picture_of_another_size_begins_anew() -> None:
    transcoder = JpegTranscoder()
    units = push(transcoder, 0, a_jpeg_picture(0)) + push(transcoder, 0.1, a_jpeg_picture(1, (96, 64)))
    assembler = make_assembler("H264")
    sizes = []
    for unit in units:
        sample = assembler.push(AccessUnit(unit.presentation_time, unit.nal_units))
        assert sample is not None
        assert assembler.config is not None
        sizes.append((assembler.config.width, assembler.config.height, sample.is_sync))

    assert sizes == [(64, 48, True), (96, 64, True)]


def test_a_huge_picture_is_made_smaller() -> None:
    (unit,) = push(JpegTranscoder(), 0, a_jpeg_picture(0, (3840, 2160)))
    assembler = make_assembler("H264")
    assembler.push(AccessUnit(0, unit.nal_units))

    assert assembler.config is not None
    assert (assembler.config.width, assembler.config.height) == (MOST_WIDTH, 1080)


def test_broken_pictures_are_left_out_and_too_many_end_it() -> None:
    transcoder = JpegTranscoder()
    assert push(transcoder, 0, b"\xff\xd8\xff\xd9") == []
    assert len(push(transcoder, 0.1, a_jpeg_picture(1))) == 1

    assert all(push(transcoder, number / 10, b"\xff\xd8\xff\xd9") == [] for number in range(2, 102))
    with pytest.raises(Failure):
        push(transcoder, 20.0, b"\xff\xd8\xff\xd9")


def test_time_never_goes_back() -> None:
    transcoder = JpegTranscoder()
    push(transcoder, 1.0, a_jpeg_picture(0))

    assert push(transcoder, 0.9, a_jpeg_picture(1)) == []
    assert push(transcoder, 1.0, a_jpeg_picture(1)) == []
