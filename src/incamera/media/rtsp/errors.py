"""What can go wrong between us and an RTSP peer. Every sentence is fit for a person; none repeats bytes of the peer."""

from incamera.kit.errors import IncameraError


class RtspError(IncameraError):
    """Base of the errors of this package."""

    status = 502


class RtspProtocolError(RtspError):
    """The peer says something that RTSP does not allow, or more of it than we are willing to hold."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The camera does not follow the RTSP protocol: {reason}.")


class NotRtsp(RtspError):
    """Whatever answers there is not an RTSP server."""

    def __init__(self) -> None:
        super().__init__("What answers at this address does not speak RTSP; check the port.")


class PasswordNeeded(RtspError):
    """The camera asks for a name and a password and we have none."""

    def __init__(self) -> None:
        super().__init__("The camera asks for a user name and a password.")


class PasswordRefused(RtspError):
    """The camera looked at our name and password and said no."""

    def __init__(self) -> None:
        super().__init__("The camera refused the user name or the password.")


class RequestRefused(RtspError):
    """The camera answered a request with an error."""

    def __init__(self, method: str, status_code: int) -> None:
        self.method = method
        self.status_code = status_code
        super().__init__(f"The camera refused {method} with status {status_code}.")


class TransportRefused(RtspError):
    """The camera does not send media the way we asked for; it may do so another way."""

    def __init__(self) -> None:
        super().__init__("The camera does not send its stream in this way.")


class Redirected(RtspError):
    """The camera says that the stream is elsewhere. `location` is the peer's word: check it before using it."""

    def __init__(self, location: str) -> None:
        self.location = location
        super().__init__("The camera says that the stream is at another address.")


class InvalidSdp(RtspError):
    """The description of the stream cannot be read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The camera's description of its stream cannot be read: {reason}.")


class InvalidRtspUrl(RtspError):
    """Not an address of a camera."""

    status = 422

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"This is not an RTSP address: {reason}. It looks like rtsp://192.168.1.20:554/stream1.")
