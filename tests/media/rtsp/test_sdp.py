"""Descriptions of streams, as real cameras write them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtsp.errors import InvalidSdp
from incamera.media.rtsp.messages import Response
from incamera.media.rtsp.reader import RtspReader
from incamera.media.rtsp.sdp import MAX_MEDIA, parse_sdp
from incamera.media.rtsp.tracks import describe_tracks
from tests.support.corpora import read_corpus
from tests.support.shared import shared_path

# Camera: (codec, clock rate, parameter sets, bytes of audio configuration, supported) of each picture and sound.
CAMERAS = {
    "anjvision_describe": [("H265", 90_000, 3, 0, True)],
    "bunny_describe": [("MPEG4-GENERIC", 12_000, 0, 2, True), ("H264", 90_000, 2, 0, True)],
    "dahua_describe_h264_aac_onvif": [("H264", 90_000, 2, 0, True), ("MPEG4-GENERIC", 48_000, 0, 2, True)],
    "dahua_describe_h265_pcma": [("H265", 90_000, 3, 0, True), ("PCMA", 8000, 0, 0, True)],
    "foscam_describe": [("H264", 90_000, 2, 0, True), ("PCMU", 8000, 0, 0, True)],
    "gw_main_describe": [("H264", 90_000, 2, 0, True), ("PCMU", 8000, 0, 0, True)],
    "hikvision_describe": [("H264", 90_000, 2, 0, True)],
    "ipcam_describe": [("H264", 90_000, 2, 0, True)],
    "reolink_describe": [("H264", 90_000, 2, 0, True), ("MPEG4-GENERIC", 16_000, 0, 2, True)],
    "tplink_sdp": [("H265", 90_000, 3, 0, True), ("PCMA", 8000, 0, 0, True)],
    "ubiquiti_sdp": [
        ("MPEG4-GENERIC", 48_000, 0, 2, True),
        ("OPUS", 48_000, 0, 0, True),
        ("H264", 90_000, 2, 0, True),
    ],
}


def body_of(name: str) -> bytes:
    data = shared_path(f"media/rtsp/{name}.txt").read_bytes()
    if name.endswith("_sdp"):
        return data
    [message] = RtspReader().receive(data, 0.0)
    assert isinstance(message, Response)
    return message.body


@pytest.mark.parametrize("name", CAMERAS)
def test_the_tracks_of_real_cameras(name: str) -> None:
    tracks = describe_tracks(parse_sdp(body_of(name)))

    assert [
        (track.codec, track.clock_rate, len(track.parameter_sets), len(track.config), track.is_supported)
        for track in tracks
    ] == CAMERAS[name]


def test_start_codes_left_in_parameter_sets_are_removed() -> None:
    [video, _] = describe_tracks(parse_sdp(body_of("gw_main_describe")))

    assert video.parameter_sets[1] == bytes.fromhex("68ee3c80")
    assert video.parameter_sets[0][0] == 0x67


def test_a_back_channel_is_no_sound_to_receive() -> None:
    sdp = b"v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=audio 0 RTP/AVP 0\na=sendonly\n"

    assert [track.kind for track in describe_tracks(parse_sdp(sdp))] == ["video"]


HABITS = {
    "ends of lines are CR": b"v=0\rs=x\rm=video 0 RTP/AVP 96\ra=rtpmap:96 H264/90000\ra=control:t1\r",
    "bytes that are no UTF-8": b"v=0\ns=\xff cam\xe9ra\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:t1\n",
    "blank lines": b"v=0\r\n\r\n\r\nm=video 0 RTP/AVP 96\r\n\r\na=rtpmap:96 H264/90000\r\n\r\na=control:t1\r\n\r\n",
    "spaces at ends": b"v=0 \r\nm=video 0 RTP/AVP 96 \r\na=rtpmap:96  H264/90000 \r\na=control: t1 \r\n",
    "negative numbers": (
        b"v=0\no=- -1 -5 IN IP4 x\nb=AS:-1\nm=video -1 RTP/AVP -2 96\na=rtpmap:96 H264/90000\na=control:t1\n"
    ),
    "small letters": b"v=0\nm=VIDEO 0 rtp/avp 96\na=rtpmap:96 h264/90000\na=control:t1\n",
    "feedback is offered": b"m=video 0 RTP/AVPF 96\na=rtpmap:96 H264/90000\na=rtcp-fb:96 nack pli\na=control:t1\n",
    "transport is named": b"m=video 554 RTP/AVP/TCP 96\na=rtpmap:96 H264/90000\na=control:t1\n",
    "map before format, and twice": (
        b"m=video 0 RTP/AVP 96\na=fmtp:96 x=1\na=rtpmap:96 H264/90000\na=rtpmap:96 H265/90000\na=control:t1\n"
    ),
}


@pytest.mark.parametrize("sdp", HABITS.values(), ids=HABITS)
def test_descriptions_with_habits(sdp: bytes) -> None:
    description = parse_sdp(sdp)
    [video] = describe_tracks(description)

    assert (video.kind, video.codec, video.payload_type, video.clock_rate) == ("video", "H264", 96, 90_000)
    assert description.media[video.index].control == "t1"


def test_tracks_without_a_control_are_told_apart_from_none() -> None:
    [media] = parse_sdp(b"m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n").media

    assert media.control is None, "the track is set up by the URL of the stream (RFC 2326 appendix C.1.1)"


def test_the_first_of_two_lenses_and_neither_metadata_nor_secret_tracks() -> None:
    sdp = (
        b"m=application 0 RTP/AVP 107\na=rtpmap:107 vnd.onvif.metadata/90000\n"
        b"m=video 0 RTP/SAVP 98\na=rtpmap:98 H264/90000\na=crypto:1 x\n"
        b"m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=video 0 RTP/AVP 97\na=rtpmap:97 H264/90000\n"
        b"m=audio 0 RTP/AVP 8\na=inactive\n"
    )

    assert [(track.index, track.payload_type) for track in describe_tracks(parse_sdp(sdp))] == [(2, 96), (3, 97)]


def test_a_payload_type_of_the_standard_needs_no_map() -> None:
    assert describe_tracks(parse_sdp(b"m=audio 0 RTP/AVP 8"))[0].codec == "PCMA"


@pytest.mark.parametrize(
    "sdp", [b"", b"v=0\ns=x\n", b"\x00" * 100, b"m=video 0 RTP/AVP 96\n" * (MAX_MEDIA + 1), b"a=" + b"x" * 70_000]
)
def test_what_describes_nothing_or_too_much_is_refused(sdp: bytes) -> None:
    with pytest.raises(InvalidSdp):
        parse_sdp(sdp)


def test_corpora_are_survived() -> None:
    for data in read_corpus("sdp").values():
        with contextlib.suppress(InvalidSdp):
            describe_tracks(parse_sdp(data))


@given(st.text(max_size=400), st.sampled_from(["", "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 "]))
def test_any_text_parses_or_is_named(text: str, start: str) -> None:
    with contextlib.suppress(InvalidSdp):
        describe_tracks(parse_sdp((start + text).encode("utf-8", "surrogatepass")))
