"""Capital letters and figures for the text in the picture: strokes with round ends, so they look the same at any size.

A glyph lives in a box 4 wide and 6 high (y down); each stroke is a list of points joined by straight lines. Curves are
short lines: at the size of a caption nobody can tell.
"""

from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Coverage = NDArray[np.float32]  # 0 to 1

_WIDTH: Final = 4.0
_HEIGHT: Final = 6.0
_ADVANCE: Final = 5.4
_STROKE: Final = 0.42  # half of a stroke's width

# fmt: off
_STROKES: Final[dict[str, str]] = {
    "0": "1.2,0 2.8,0 3.7,1 3.7,5 2.8,6 1.2,6 0.3,5 0.3,1 1.2,0",
    "1": "0.9,1.1 2.2,0 2.2,6",
    "2": "0.4,1.2 1.2,0.1 2.8,0.1 3.6,1.2 3.4,2.5 0.4,6 3.7,6",
    "3": "0.5,0 3.5,0 1.9,2.4 2.9,2.6 3.7,3.6 3.6,5 2.7,6 1.2,6 0.3,5.1",
    "4": "2.7,6 2.7,0 0.2,4.3 3.8,4.3",
    "5": "3.4,0 0.7,0 0.5,2.6 2.4,2.3 3.5,3 3.7,4.3 3.3,5.4 2.4,6 1.1,6 0.3,5.2",
    "6": "3.2,0.1 1.8,0.2 0.6,2 0.3,4 0.8,5.5 2,6 3.2,5.5 3.7,4.2 3.2,3 2,2.6 0.8,3.2 0.3,4.2",
    "7": "0.3,0 3.7,0 1.5,6",
    "8": "2,2.8 0.9,2.3 0.5,1.3 1.1,0.2 2,0 2.9,0.2 3.5,1.3 3.1,2.3 2,2.8 0.8,3.4 0.3,4.6 0.9,5.7 2,6 3.1,5.7 3.7,4.6 3.2,3.4 2,2.8",  # noqa: E501
    "9": "3.7,1.8 3.2,2.9 2,3.4 0.8,3 0.3,1.8 0.8,0.5 2,0 3.2,0.5 3.7,2 3.4,4 2.2,5.8 0.9,5.9",
    "A": "0.1,6 2,0 3.9,6|0.8,4 3.2,4",
    "B": "0.4,6 0.4,0 2.3,0 3.3,0.7 3.3,2.1 2.3,2.8 0.4,2.8|2.3,2.8 3.6,3.6 3.6,5.2 2.5,6 0.4,6",
    "C": "3.7,1.1 2.9,0.1 1.4,0 0.4,1.2 0.3,3 0.4,4.8 1.4,6 2.9,5.9 3.7,4.9",
    "D": "0.4,0 0.4,6 2.1,6 3.3,5 3.7,3 3.3,1 2.1,0 0.4,0",
    "E": "3.6,0 0.5,0 0.5,6 3.6,6|0.5,2.9 3,2.9",
    "F": "3.6,0 0.5,0 0.5,6|0.5,2.9 3,2.9",
    "G": "3.7,1.1 2.9,0.1 1.4,0 0.4,1.2 0.3,3 0.4,4.8 1.4,6 2.9,5.9 3.7,4.9 3.7,3.2 2.2,3.2",
    "H": "0.4,0 0.4,6|3.6,0 3.6,6|0.4,2.9 3.6,2.9",
    "I": "2,0 2,6",
    "J": "3.1,0 3.1,4.8 2.4,5.9 1.2,6 0.4,5",
    "K": "0.4,0 0.4,6|3.6,0 0.4,3.5|1.5,2.4 3.7,6",
    "L": "0.5,0 0.5,6 3.6,6",
    "M": "0.2,6 0.4,0 2,3.8 3.6,0 3.8,6",
    "N": "0.4,6 0.4,0 3.6,6 3.6,0",
    "O": "1.4,0 2.6,0 3.6,1.2 3.8,3 3.6,4.8 2.6,6 1.4,6 0.4,4.8 0.2,3 0.4,1.2 1.4,0",
    "P": "0.4,6 0.4,0 2.5,0 3.6,0.9 3.6,2.3 2.5,3.2 0.4,3.2",
    "Q": "1.4,0 2.6,0 3.6,1.2 3.8,3 3.6,4.8 2.6,6 1.4,6 0.4,4.8 0.2,3 0.4,1.2 1.4,0|2.4,4.4 3.8,6.3",
    "R": "0.4,6 0.4,0 2.5,0 3.6,0.9 3.6,2.2 2.5,3 0.4,3|2,3 3.8,6",
    "S": "3.5,0.9 2.6,0 1.2,0 0.4,0.9 0.5,2.1 1.4,2.7 2.8,3.2 3.6,4 3.6,5.1 2.7,6 1.2,6 0.3,5.1",
    "T": "0.1,0 3.9,0|2,0 2,6",
    "U": "0.4,0 0.4,4.6 1.3,6 2.7,6 3.6,4.6 3.6,0",
    "V": "0.1,0 2,6 3.9,0",
    "W": "0,0 0.9,6 2,2 3.1,6 4,0",
    "X": "0.3,0 3.7,6|3.7,0 0.3,6",
    "Y": "0.1,0 2,2.9 3.9,0|2,2.9 2,6",
    "Z": "0.3,0 3.7,0 0.3,6 3.7,6",
    "-": "0.8,3.2 3.2,3.2",
    ":": "2,1.7 2,1.75|2,4.7 2,4.75",
    ".": "2,5.9 2,5.95",
    "/": "0.4,6.4 3.6,-0.4",
    " ": "",
}
# fmt: on


def reach_of(height: int) -> int:
    """How many pixels the dark edge around a glyph is wide."""
    return max(1, round(height / 14))


@lru_cache(maxsize=512)
def glyph(character: str, height: int) -> Coverage:
    """How much of each pixel of a character is ink, `height` pixels from top to bottom line plus a margin all round."""
    scale = height / _HEIGHT
    margin = _STROKE * scale + 2 + reach_of(height)
    shape = (int(height + 2 * margin), int(_ADVANCE * scale + 1))
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    offset = (_ADVANCE - _WIDTH) / 2
    distance = np.full(shape, 99.0, np.float32)
    for stroke in _STROKES.get(character, _STROKES["-"]).split("|"):
        points = [tuple(map(float, point.split(","))) for point in stroke.split()]
        for (x0, y0), (x1, y1) in pairwise(points):
            ax, ay = (x0 + offset) * scale, y0 * scale + margin
            bx, by = (x1 + offset) * scale, y1 * scale + margin
            distance = np.minimum(distance, _distance_to_line(x, y, ax, ay, bx, by))
    coverage: Coverage = np.clip(_STROKE * scale + 0.5 - distance, 0, 1).astype(np.float32)
    return coverage


def _distance_to_line(x: Coverage, y: Coverage, ax: float, ay: float, bx: float, by: float) -> NDArray[np.float32]:
    """From every pixel to the line between two points."""
    dx, dy = bx - ax, by - ay
    along = np.clip(((x - ax) * dx + (y - ay) * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
    result: NDArray[np.float32] = np.hypot(x - ax - along * dx, y - ay - along * dy).astype(np.float32)
    return result


@lru_cache(maxsize=512)
def outlined_glyph(character: str, height: int) -> tuple[Coverage, Coverage]:
    """(ink, shade): the glyph, and the same grown by a dark edge that keeps it readable on a bright sky."""
    ink = glyph(character, height)
    reach = reach_of(height)
    shade = np.zeros_like(ink)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            shade = np.maximum(shade, np.roll(ink, (dy, dx), (0, 1)))
    return ink, shade


def text_width(text: str, height: int) -> int:
    """Pixels that `text` takes from left to right."""
    return sum(glyph(character, height).shape[1] for character in text)
