"""What an HTTP answer means where pictures of a camera are expected: a stream of JPEGs, one JPEG, or something else."""

from enum import Enum, auto
from typing import Final

from incamera.media.http.messages import Head

_REDIRECTIONS: Final = frozenset({301, 302, 303, 307, 308})


class Answer(Enum):
    """What to do with an answer."""

    STREAM = auto()  # pictures until the connection ends
    SNAPSHOT = auto()  # one picture: ask again and again
    PASSWORD = auto()  # it wants (other) credentials
    ELSEWHERE = auto()  # its Location says where
    REFUSED = auto()  # its status says why
    FOREIGN = auto()  # a web page, most likely


def judge(head: Head) -> Answer:
    """What the head of an answer promises."""
    if head.status_code == 401:
        return Answer.PASSWORD
    if head.status_code in _REDIRECTIONS:
        return Answer.ELSEWHERE
    if head.status_code != 200:
        return Answer.REFUSED
    kind = head.content_type
    if kind.startswith("multipart/") or kind in ("image/mjpeg", "video/mjpeg", "video/x-motion-jpeg"):
        return Answer.STREAM
    if kind in ("image/jpeg", "image/jpg", "image/pjpeg"):
        return Answer.SNAPSHOT
    # Without a type the bytes themselves must tell; a page says that it is one.
    return Answer.STREAM if kind in ("", "application/octet-stream") else Answer.FOREIGN
