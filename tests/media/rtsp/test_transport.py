"""Transport and Session headers of real cameras."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtsp.errors import RtspProtocolError
from incamera.media.rtsp.transport import (
    Channels,
    DatagramGrant,
    Ports,
    SessionHeader,
    parse_client_ports,
    parse_datagram_transport,
    parse_session,
    parse_transport,
    render_datagram_transport,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=30A98EE7", Channels(0, 1)),
        ("RTP/AVP/TCP;ssrc=22345684;interleaved=2-3", Channels(2, 3)),
        ("RTP/AVP;unicast;client_port=1-2, RTP/AVP/TCP;interleaved=4", Channels(4, 5)),
        ("RTP/AVP/TCP;unicast;destination=1.2.3.4;source=1.2.3.5;INTERLEAVED = 6-9", Channels(6, 9)),
        ("RTP/AVP;unicast;mode=PLAY;client_port=18714-18715", None),
        ("RTP/AVP/TCP;unicast", None),
    ],
)
def test_interleaved_channels(value: str, expected: Channels | None) -> None:
    assert parse_transport(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;ssrc=1", DatagramGrant(Ports(6970, 6971))),
        (
            "RTP/AVP/UDP;unicast;mode=PLAY;source=10.0.0.7;client_port=18714;server_port=40000",
            DatagramGrant(Ports(40000, 40001)),
        ),
        ("RTP/AVP;unicast;client_port=5000-5001", DatagramGrant(None)),
        ("RTP/AVP;unicast;server_port=0-70000", DatagramGrant(None)),
        ("RTP/AVP/TCP;unicast;interleaved=0-1", None),
        ("RTP/AVP;multicast;destination=239.0.0.1;port=5000-5001;ttl=1", None),
        ("", None),
    ],
)
def test_ports_of_a_camera(value: str, expected: DatagramGrant | None) -> None:
    assert parse_datagram_transport(value) == expected


def test_ports_of_both_ends_read_back() -> None:
    client, server = Ports(5000, 5001), Ports(6970, 6971)
    assert parse_client_ports(render_datagram_transport(client)) == client
    assert parse_datagram_transport(render_datagram_transport(client, server)) == DatagramGrant(server)
    assert parse_client_ports("RTP/AVP/TCP;unicast;interleaved=0-1,RTP/AVP;client_port=9-10") == Ports(9, 10)


def test_a_channel_beyond_a_byte_is_refused() -> None:
    with pytest.raises(RtspProtocolError):
        parse_transport("RTP/AVP/TCP;interleaved=255-256")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("634214675641;timeout=60", SessionHeader("634214675641", 60)),
        ("       708345999", SessionHeader("708345999", 60)),
        ("9a90de54; timeout=30", SessionHeader("9a90de54", 30)),
        ("x;timeout=0", SessionHeader("x", 60)),
    ],
)
def test_sessions(value: str, expected: SessionHeader) -> None:
    assert parse_session(value) == expected


@given(st.text(max_size=80))
def test_any_value_parses_or_is_named(text: str) -> None:
    for parse in (parse_transport, parse_session):
        try:
            parse(text)
        except RtspProtocolError:
            continue
