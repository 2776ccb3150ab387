"""Addresses of smaller streams and of a recorder's other inputs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incamera.devices.address import CameraAddress
from incamera.devices.stream_rules import find_rule


def at(path: str) -> CameraAddress:
    return CameraAddress("rtsp", "192.168.1.20", 554, path)


@pytest.mark.parametrize(
    ("main", "sub", "seventeenth"),
    [
        ("/Streaming/Channels/101", "/Streaming/Channels/102", "/Streaming/Channels/1701"),
        ("/streaming/channels/301?transportmode=unicast", "/streaming/channels/302?transportmode=unicast",
         "/streaming/channels/1701?transportmode=unicast"),
        ("/ISAPI/Streaming/channels/1601", "/ISAPI/Streaming/channels/1602", "/ISAPI/Streaming/channels/1701"),
        ("/h264/ch1/main/av_stream", "/h264/ch1/sub/av_stream", "/h264/ch17/main/av_stream"),
        ("/cam/realmonitor?channel=1&subtype=0", "/cam/realmonitor?channel=1&subtype=1",
         "/cam/realmonitor?channel=17&subtype=0"),
        ("/cam/realmonitor?channel=2&subtype=0&unicast=true&proto=Onvif",
         "/cam/realmonitor?channel=2&subtype=1&unicast=true&proto=Onvif",
         "/cam/realmonitor?channel=17&subtype=0&unicast=true&proto=Onvif"),
        ("/h264Preview_01_main", "/h264Preview_01_sub", "/h264Preview_17_main"),
        ("/Preview_05_main", "/Preview_05_sub", "/Preview_17_main"),
        ("/unicast/c1/s0/live", "/unicast/c1/s1/live", "/unicast/c17/s0/live"),
        ("/ch0_0.264", "/ch0_1.264", "/ch16_0.264"),
        ("/stream1", "/stream2", None),
        ("/videoMain", "/videoSub", None),
        ("/media/video1", "/media/video2", None),
        ("/garden/main", "/garden/sub", None),
    ],
)  # fmt: skip
def test_one_address_leads_to_its_smaller_stream_and_to_the_other_inputs(
    main: str, sub: str, seventeenth: str | None
) -> None:
    for path in (main, sub):
        found = find_rule(at(path))
        assert found is not None
        pair = found.pair(found.number)
        assert (pair.main.path, pair.sub.path) == (main, sub)
        assert (found.pair(17).main.path if found.has_channels else None) == seventeenth


@pytest.mark.parametrize(
    "path",
    ["", "/", "/live", "/Streaming/Channels/6501", "/Streaming/Channels/001", "/stream12", "/h264Preview_00_main"],
)
def test_an_unknown_address_proposes_nothing(path: str) -> None:
    assert find_rule(at(path)) is None


def test_other_cameras_than_rtsp_have_no_rule() -> None:
    assert find_rule(CameraAddress("http", "192.168.1.20", 80, "/stream1")) is None
    assert find_rule(CameraAddress("file", "", 0, "yard/main")) is None


def test_no_recorder_has_more_than_64_inputs() -> None:
    found = find_rule(at("/Streaming/Channels/101"))
    assert found is not None

    assert [pair.number for pair in found.pairs(1, 1000)] == list(range(1, 65))
    assert [pair.number for pair in found.pairs(63, 8)] == [63, 64]
    assert [pair.main.path for pair in found.pairs(64, 1)] == ["/Streaming/Channels/6401"]


@settings(deadline=None)
@given(st.text(max_size=200))
def test_whatever_people_paste_a_rule_fits_or_does_not(text: str) -> None:
    found = find_rule(at("/" + text))
    if found is not None:
        again = find_rule(found.pair(found.number).sub)
        assert again is not None
        assert again.number == found.number
