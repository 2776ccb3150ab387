"""What can be wrong with a packet."""

from incamera.kit.errors import IncameraError


class InvalidRtpPacket(IncameraError):
    """A packet that no sender following RFC 3550 makes. It is dropped and counted; the stream goes on."""

    status = 502

    def __init__(self, reason: str) -> None:
        super().__init__(f"The camera sent a media packet that cannot be read: {reason}.")
