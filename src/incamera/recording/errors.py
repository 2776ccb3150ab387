"""What can go wrong with recordings, by name."""

from pathlib import Path

from incamera.kit.errors import IncameraError


class RecordingError(IncameraError):
    status = 500


class MediaFolderEmpty(RecordingError):
    """The index knows recordings, the folder holds none: most likely another volume is mounted there."""

    def __init__(self, folder: Path, segments: int) -> None:
        super().__init__(
            f"{folder} holds none of the {segments} recordings in the index; is the right volume mounted? "
            "Nothing was changed."
        )


class MediaFolderUnusable(RecordingError):
    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(f"Recordings cannot be kept in {folder} ({reason}); check its owner, its mode and the mount.")


class HourGone(RecordingError):
    """The key of this hour was destroyed while somebody was reading."""

    status = 410

    def __init__(self) -> None:
        super().__init__("This part of the recording has reached the end of its keeping time and is erased.")
