"""The text that a camera writes over its picture: white with a dark edge, as recorders have done for decades."""

from typing import Final

import numpy as np

from incamera.edge.simulated.drawing import HEIGHT, Picture
from incamera.edge.simulated.lettering import outlined_glyph, text_width

_INK: Final = 235
_SHADE: Final = 16
_GREY: Final = 128
_CAPTION_HEIGHT: Final = 24  # of a capital, in a picture 720 high
_MARGIN: Final = 22


def caption_height(picture_height: int) -> int:
    """Pixels from the foot to the top of a capital."""
    return max(9, round(_CAPTION_HEIGHT * picture_height / HEIGHT))


def write_top_right(picture: Picture, text: str) -> tuple[int, int, int, int]:
    """The camera's name; returns the box that was touched."""
    height, margin = caption_height(picture.height), round(_MARGIN * picture.height / HEIGHT)
    return _write(picture, text, picture.width - margin - text_width(text, height), margin, height)


def write_bottom_left(picture: Picture, text: str) -> tuple[int, int, int, int]:
    """Date and time; returns the box that was touched."""
    height, margin = caption_height(picture.height), round(_MARGIN * picture.height / HEIGHT)
    return _write(picture, text, margin, picture.height - margin - 2 * height, height)


def _write(picture: Picture, text: str, x: int, y: int, height: int) -> tuple[int, int, int, int]:
    glyphs = [outlined_glyph(character, height) for character in text]
    ink = np.concatenate([ink for ink, _ in glyphs], axis=1)
    shade = np.concatenate([shade for _, shade in glyphs], axis=1)
    top, left = y & ~1, x & ~1
    bottom = min(picture.height, top + (ink.shape[0] & ~1))
    right = min(picture.width, left + (ink.shape[1] & ~1))
    ink, shade = ink[: bottom - top, : right - left], shade[: bottom - top, : right - left]
    luma = picture.luma[top:bottom, left:right].astype(np.float32)
    luma += (_SHADE - luma) * (shade * np.float32(0.75))
    luma += (_INK - luma) * ink
    picture.luma[top:bottom, left:right] = luma
    half = (slice(top // 2, bottom // 2), slice(left // 2, right // 2))
    tint = shade[::2, ::2]
    for plane in (picture.cb, picture.cr):
        part = plane[half].astype(np.float32)
        plane[half] = part + (_GREY - part) * tint
    return top, bottom, left, right
