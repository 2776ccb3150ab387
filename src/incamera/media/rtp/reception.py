"""What we tell a camera about its own stream: RTCP receiver reports (RFC 3550 clause 6.4.2 and appendix A.3).

Some cameras end a session in which nobody reports. The figures come from the receiver's counters at the time of a
report, so that they cost nothing per packet.
"""

from typing import Final

from incamera.media.rtp.receiver import RtpReceiver
from incamera.media.rtp.rtcp import ReceptionBlock, SenderReport

INTERVAL_S: Final = 5.0  # clause 6.2: the least on average; fewer than 2^15 packets pass in it
_MAX_LOST: Final = 0x7FFFFF


class ReceptionReporter:
    """The reports about one track."""

    def __init__(self, receiver: RtpReceiver) -> None:
        self._receiver = receiver
        self._ssrc: int | None = None
        self._highest = 0  # extended by the wraps
        self._lost = 0
        self._lost_base = 0
        self._sender_report: SenderReport | None = None
        self._reported_s = 0.0

    def heard(self, report: SenderReport, arrival_s: float) -> None:
        """A sender report came; the next of ours says when, so that the camera can tell the length of the way."""
        self._sender_report, self._reported_s = report, arrival_s

    def make_block(self, now_s: float) -> ReceptionBlock | None:
        """The block about what came since the last one; None before the first packet."""
        receiver = self._receiver
        if receiver.ssrc is None or receiver.highest_sequence is None:
            return None
        if receiver.ssrc != self._ssrc:
            self._ssrc, self._highest = receiver.ssrc, receiver.highest_sequence
            self._lost = self._lost_base = receiver.packets_lost
            return self._block(0, now_s)
        expected = receiver.highest_sequence - self._highest & 0xFFFF
        self._highest += expected
        lost, self._lost = receiver.packets_lost - self._lost, receiver.packets_lost
        return self._block(min(255, lost * 256 // expected) if expected else 0, now_s)

    def _block(self, fraction_lost: int, now_s: float) -> ReceptionBlock:
        report = self._sender_report
        assert self._ssrc is not None
        if report is None or report.ssrc != self._ssrc:
            middle, delay = 0, 0
        else:
            middle = report.ntp_time >> 16 & 0xFFFFFFFF
            delay = min(0xFFFFFFFF, int((now_s - self._reported_s) * 65536))
        lost = min(self._receiver.packets_lost - self._lost_base, _MAX_LOST)
        return ReceptionBlock(self._ssrc, fraction_lost, lost, self._highest, self._receiver.jitter, middle, delay)
