"""JPEG (ITU-T T.81), as far as telling where a picture ends."""

from incamera.media.jpeg.walker import START, JpegWalker, NotAJpeg

__all__ = ["START", "JpegWalker", "NotAJpeg"]
