"""What can go wrong with looking back, by name."""

from datetime import timedelta

from incamera.kit.errors import IncameraError


class PlaybackError(IncameraError):
    status = 400


class InvalidRange(PlaybackError):
    status = 422

    def __init__(self) -> None:
        super().__init__("The end of a timeline lies after its start; give `from` before `to`.")


class RangeTooLong(PlaybackError):
    """A timeline covers a limited stretch; ask for a shorter range."""

    status = 422

    def __init__(self, longest: timedelta) -> None:
        super().__init__(f"A timeline covers {longest.days} days at most; ask for a shorter range.")


class TooManyViews(PlaybackError):
    status = 429

    def __init__(self, limit: int) -> None:
        super().__init__(f"One page looks back at {limit} cameras at most; close one first.")


class RecordingUnreadable(PlaybackError):
    """The disk refuses: neither gone nor altered, perhaps back in a moment."""

    status = 503
    retry_after_s = 5

    def __init__(self) -> None:
        super().__init__("The disk with the recordings does not answer just now; try again in a moment.")
