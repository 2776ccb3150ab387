"""What can go wrong between us and an HTTP peer. No sentence repeats what the peer wrote."""

from incamera.kit.errors import IncameraError


class HttpError(IncameraError):
    """Base of the errors of this package."""

    status = 502


class HttpProtocolError(HttpError):
    """The peer writes something that is no HTTP, or more of it than we are willing to hold."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The camera does not follow the HTTP protocol: {reason}.")


class NotHttp(HttpError):
    """Whatever answers there is not an HTTP server."""

    def __init__(self) -> None:
        super().__init__("What answers at this address does not speak HTTP; check the port.")


class InvalidHttpUrl(HttpError):
    """Not an address of a camera."""

    status = 422

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"This is not an HTTP address: {reason}. It looks like http://192.168.1.20/video.mjpg.")
