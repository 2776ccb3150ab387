"""What can go wrong on the public pages, by name."""

from typing import ClassVar

from incamera.kit.errors import IncameraError


class WebsiteError(IncameraError):
    """Root of this package's errors."""


class RecordNotPublic(WebsiteError):
    """The record of processing is the operator's, unless they publish it."""

    status: ClassVar[int] = 403

    def __init__(self) -> None:
        super().__init__(
            "The record of processing of this server is not public; sign in as its operator, or set "
            "website.record_public in privacy.toml."
        )


class CameraUnknown(WebsiteError):
    status: ClassVar[int] = 404

    def __init__(self) -> None:
        super().__init__("This code belongs to no camera of this server; it may have been removed.")
