"""What fuzzers found against another RTSP library."""

import contextlib

from incamera.media.rtsp.authentication import Credentials, Gatekeeper, parse_challenges
from incamera.media.rtsp.errors import RtspError
from incamera.media.rtsp.messages import body_bytes, parse_head
from incamera.media.rtsp.reader import RtspReader
from incamera.media.rtsp.transport import parse_session, parse_transport
from tests.support.corpora import read_corpus


def test_every_member_is_survived_by_every_parser() -> None:
    gatekeeper = Gatekeeper(Credentials("a", "b"), "r")
    for data in read_corpus("rtsp").values():
        text = data.decode("utf-8", "replace")
        parse_challenges([text])
        gatekeeper.admits(text, "PLAY")
        for parse in (parse_transport, parse_session):
            with contextlib.suppress(RtspError):
                parse(text)
        with contextlib.suppress(RtspError):
            body_bytes(parse_head(data))
        for reads in ([data], [data[at : at + 1] for at in range(len(data))]):
            with contextlib.suppress(RtspError):
                reader = RtspReader()
                for read in reads:
                    reader.receive(read, 0.0)
