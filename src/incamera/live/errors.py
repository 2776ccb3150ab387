"""What can go wrong on the way to a live picture."""

from incamera.kit.errors import IncameraError


class LiveError(IncameraError):
    """A live stream cannot be opened."""


class TicketInvalid(LiveError):
    status = 403

    def __init__(self) -> None:
        super().__init__("This ticket was used before, has expired, or is for something else; ask for a new one.")


class TooManyTickets(LiveError):
    status = 429
    retry_after_s = 10

    def __init__(self) -> None:
        super().__init__("Too many tickets of this account are unused; wait a few seconds and use those you have.")


class TooManyStreams(LiveError):
    status = 429

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"A page may have {limit} streams open; close some first.")


class NothingAsked(LiveError):
    status = 422

    def __init__(self) -> None:
        super().__init__("Name each wanted stream once: main, sub or audio.")
