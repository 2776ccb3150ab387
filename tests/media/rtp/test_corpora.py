"""What fuzzers found against other implementations harms none of our depacketisers."""

from incamera.media.rtp.aac import AacDepacketiser, AuHeaderLayout
from incamera.media.rtp.errors import InvalidRtpPacket
from incamera.media.rtp.h264 import H264Depacketiser
from incamera.media.rtp.h265 import H265Depacketiser
from incamera.media.rtp.receiver import RtpReceiver
from incamera.media.rtp.rtcp import parse_rtcp
from incamera.media.rtp.sound import SoundDepacketiser
from tests.support.corpora import read_corpus, split_packets
from tests.support.rtp_packets import Units


def test_every_member_is_survived() -> None:
    for data in read_corpus("rtp").values():
        makers = (
            H264Depacketiser(Units()),
            H265Depacketiser(Units()),
            H265Depacketiser(Units(), has_order_numbers=True),
            AacDepacketiser(Units(), 1024),
            AacDepacketiser(Units(), 1024, AuHeaderLayout(6, 2, 2)),
            SoundDepacketiser(Units()),
        )
        receivers = [RtpReceiver(depacketiser) for depacketiser in makers]
        for packet in split_packets(data):
            for receiver in receivers:
                receiver.receive(packet, 0, len(packet), 0.0)
            try:
                parse_rtcp(packet)
            except InvalidRtpPacket:
                continue
