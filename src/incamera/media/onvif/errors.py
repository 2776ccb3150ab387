"""What can go wrong between us and a camera's ONVIF services. No sentence repeats what the camera wrote."""

from incamera.kit.errors import IncameraError


class OnvifError(IncameraError):
    """Base of the errors of this package."""

    status = 502


class InvalidXml(OnvifError):
    """The answer is no XML that we are willing to read."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The camera's ONVIF answer cannot be read: {reason}.")


class NotOnvif(OnvifError):
    """A web server answers, but no ONVIF service."""

    def __init__(self) -> None:
        super().__init__("What answers there offers no ONVIF service; check whether ONVIF is turned on in the camera.")


class OnvifRefused(OnvifError):
    """The camera does not take this user name and password for ONVIF, or not without sending the password as it is."""

    def __init__(self) -> None:
        super().__init__(
            "The camera refused the password for ONVIF; some cameras keep ONVIF users apart from those for the picture."
        )


class OnvifFault(OnvifError):
    """The camera understood, and says no. `code` is the innermost subcode, such as `ActionNotSupported`."""

    def __init__(self, code: str) -> None:
        self.subcode = code
        super().__init__("The camera says that it cannot do this over ONVIF.")


class NoSuchProfile(OnvifError):
    """None of the camera's media profiles leads to the stream that we pull."""

    def __init__(self) -> None:
        super().__init__("None of the camera's ONVIF profiles belongs to this stream.")
