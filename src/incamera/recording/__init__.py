"""Recording: chunks from the uplink into sealed segments, their index, recovery, room on the disk, and retention.

Start with `recorder.Recorder`, what the uplink and `app.py` see. `segment` is the file format (no I/O), `writer` the
one thread that touches files, `span` the way of a frame from the uplink to the disk, `archive` the way back.
Design: `docs/design/segments.md`.
"""

from incamera.recording.archive import Archive, OpenedSegment, Picture, batches
from incamera.recording.errors import HourGone, MediaFolderEmpty, MediaFolderUnusable, RecordingError
from incamera.recording.events import RecordingDamaged
from incamera.recording.model import (
    CONTINUOUS_US,
    ChannelRule,
    ChannelRules,
    KeepRule,
    Segment,
    cause_of_gap,
)
from incamera.recording.recorder import CheckFinding, Recorder, RecorderFigures, RecorderLimits, check, forget_all
from incamera.recording.segment import Opening
from incamera.recording.timeline_index import TimelineIndex

__all__ = [
    "CONTINUOUS_US",
    "Archive",
    "ChannelRule",
    "ChannelRules",
    "CheckFinding",
    "HourGone",
    "KeepRule",
    "MediaFolderEmpty",
    "MediaFolderUnusable",
    "OpenedSegment",
    "Opening",
    "Picture",
    "Recorder",
    "RecorderFigures",
    "RecorderLimits",
    "RecordingDamaged",
    "RecordingError",
    "Segment",
    "TimelineIndex",
    "batches",
    "cause_of_gap",
    "check",
    "forget_all",
]
