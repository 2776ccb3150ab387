"""Looking back: the timeline of a channel, and the socket that plays and scrubs through its recordings.

`timeline` says what was recorded when, `cursor` moves along one stream, `socket` gives it to a page at the pace of its
viewer. The bytes come from `recording.Archive`; tickets and the watch over rights are those of `live`.
"""

from incamera.playback.service import PlaybackService
from incamera.playback.socket import PLAYBACK_PATH
from incamera.playback.viewing_log import PlaybackLog

__all__ = ["PLAYBACK_PATH", "PlaybackLog", "PlaybackService"]
