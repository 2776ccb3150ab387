"""A number in the picture that programs can read: which picture is this, after encoding, scaling and a browser?

Sixteen columns by two rows of square cells in the top left corner. A cell is 1/80 of the picture's width (16 pixels at
1280, 8 at 640), white for 1, dark for 0:

    row 0   1 0 1 1 · bits 23 … 12 of the number
    row 1   bits 11 … 0 of the number · 4 check bits (exclusive or of the number's six nibbles, inverted)

To read it, average the middle half of every cell's luma, take the mean of the four fixed cells' extremes as threshold,
and believe the number only if the fixed cells and the check agree. `tests/support/counter_js.py` does the same in a
browser, from a canvas.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

COLUMNS: Final = 16
ROWS: Final = 2
CELLS_PER_WIDTH: Final = 80
COUNTER_BITS: Final = 24
DARK: Final = 28
BRIGHT: Final = 208
_MIN_CONTRAST: Final = 40
_SYNC: Final = (1, 0, 1, 1)

Luma = NDArray[np.uint8]


def cell_size(width: int) -> int:
    """Pixels per cell in a picture of that width."""
    return width // CELLS_PER_WIDTH


def draw(luma: Luma, number: int) -> None:
    """Writes the lowest 24 bits of `number` into the top left corner of a picture's luma plane (chroma: leave grey)."""
    size = cell_size(luma.shape[1])
    cells = np.array(_render_bits(number), np.uint8).reshape(ROWS, COLUMNS) * (BRIGHT - DARK) + DARK
    luma[: ROWS * size, : COLUMNS * size] = cells.astype(np.uint8).repeat(size, 0).repeat(size, 1)


def read(luma: Luma) -> int | None:
    """The number in a picture's luma plane; None when there is none that can be trusted."""
    size = luma.shape[1] / CELLS_PER_WIDTH
    if size < 3 or luma.shape[0] < ROWS * size:
        return None
    levels = [[_cell_level(luma, row, column, size) for column in range(COLUMNS)] for row in range(ROWS)]
    fixed = levels[0][:4]
    dark, bright = fixed[1], min(fixed[0], fixed[2], fixed[3])
    if bright - dark < _MIN_CONTRAST:
        return None
    threshold = (bright + dark) / 2
    bits = [int(level > threshold) for row in levels for level in row]
    number = int("".join(map(str, bits[4:28])), 2)
    return number if bits == _render_bits(number) else None


def _render_bits(number: int) -> list[int]:
    number &= (1 << COUNTER_BITS) - 1
    check = 0xF
    for shift in range(0, COUNTER_BITS, 4):
        check ^= number >> shift & 0xF
    return [*_SYNC, *(int(bit) for bit in f"{number:024b}{check:04b}")]


def _cell_level(luma: Luma, row: int, column: int, size: float) -> float:
    top, left = int((row + 0.25) * size), int((column + 0.25) * size)
    bottom, right = max(top + 1, int((row + 0.75) * size)), max(left + 1, int((column + 0.75) * size))
    return float(luma[top:bottom, left:right].mean())
