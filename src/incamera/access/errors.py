"""The one answer of a closed door."""

from incamera.kit.errors import IncameraError


class NotFound(IncameraError):
    """Not there, or not for you: the sentence is the same, because telling them apart would tell what exists."""

    status = 404

    def __init__(self) -> None:
        super().__init__("There is nothing here for you. It may have been removed, or no longer be shared with you.")
