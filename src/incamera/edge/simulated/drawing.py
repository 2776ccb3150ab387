"""Drawing with numpy: soft-edged shapes on a canvas of light, and the pictures (YUV 4:2:0) that encoders take.

Shapes are drawn once, when a scene is built; then every picture is copies and blends of small rectangles. Coordinates
are those of a picture 1280 wide and 720 high; a canvas scales them to its own size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.uint8]
Field = NDArray[np.floating]
Colour = tuple[float, float, float]  # red, green, blue, 0 to 255
Point = tuple[float, float]

WIDTH: Final = 1280
HEIGHT: Final = 720


def rgb(code: int) -> Colour:
    """A colour from 0xRRGGBB."""
    return float(code >> 16), float(code >> 8 & 0xFF), float(code & 0xFF)


class Canvas:
    """Red, green, blue and coverage of each pixel, as floats. Later shapes lie on earlier ones."""

    def __init__(self, width: float, height: float, scale: float, background: Colour | None = None) -> None:
        self.scale = scale
        self.shape = (math.ceil(height * scale), math.ceil(width * scale))
        self.light: Field = np.zeros((*self.shape, 3), np.float32)
        self.cover: Field = np.zeros(self.shape, np.float32)
        if background is not None:
            self.light[:] = background
            self.cover[:] = 1

    def polygon(
        self, points: Sequence[Point], colour: Colour, opacity: float = 1.0, bottom: Colour | None = None
    ) -> None:
        """A filled polygon with straight edges; with `bottom`, the colour runs from top to bottom."""
        box = self._box(points, 1)
        x, y = self._pixels(box)
        corners = [(px * self.scale, py * self.scale) for px, py in points]
        inside = np.zeros(x.shape, bool)
        distance = np.full(x.shape, 1e6, np.float32)
        for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
            distance = np.minimum(distance, _line_distance(x, y, ax, ay, bx, by))
            if ay != by:
                crosses = (ay > y) != (by > y)
                inside ^= crosses & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
        coverage = np.clip(np.where(inside, distance, -distance) + 0.5, 0, 1)
        self._paint(box, coverage * opacity, colour, bottom)

    def rectangle(
        self, x: float, y: float, width: float, height: float, colour: Colour, opacity: float = 1.0,
        radius: float = 0.0, bottom: Colour | None = None,
    ) -> None:  # fmt: skip
        """An upright rectangle, with round corners if `radius`."""
        box = self._box([(x, y), (x + width, y + height)], 1)
        px, py = self._pixels(box)
        scale = self.scale
        qx = np.abs(px - (x + width / 2) * scale) - (width / 2 - radius) * scale
        qy = np.abs(py - (y + height / 2) * scale) - (height / 2 - radius) * scale
        outside = np.hypot(np.maximum(qx, 0), np.maximum(qy, 0)) + np.minimum(np.maximum(qx, qy), 0) - radius * scale
        self._paint(box, np.clip(0.5 - outside, 0, 1) * opacity, colour, bottom)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, opacity: float = 1.0, blur: float = 0.0
    ) -> None:
        """An ellipse around (x, y); `blur` softens its edge over that many units."""
        reach = 1 + blur / min(rx, ry)
        box = self._box([(x - rx * reach, y - ry * reach), (x + rx * reach, y + ry * reach)], 1)
        px, py = self._pixels(box)
        norm = np.hypot((px - x * self.scale) / (rx * self.scale), (py - y * self.scale) / (ry * self.scale))
        distance = (norm - 1) * min(rx, ry) * self.scale
        width = max(1.0, 2 * blur * self.scale)
        coverage = np.clip(0.5 - distance / width, 0, 1)
        if blur:
            coverage = coverage * coverage * (3 - 2 * coverage)
        self._paint(box, coverage * opacity, colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour, opacity: float = 1.0) -> None:
        """A bent line with round ends."""
        box = self._box(points, width)
        x, y = self._pixels(box)
        distance = np.full(x.shape, 1e6, np.float32)
        for (ax, ay), (bx, by) in pairwise(points):
            line = (ax * self.scale, ay * self.scale, bx * self.scale, by * self.scale)
            distance = np.minimum(distance, _line_distance(x, y, *line))
        self._paint(box, np.clip(width * self.scale / 2 + 0.5 - distance, 0, 1) * opacity, colour)

    def grain(
        self, x: float, y: float, width: float, height: float, strength: float, seed: int, coarse: float = 1.0
    ) -> None:
        """Roughens what is drawn there: grass, gravel, plaster. `coarse` is the size of a grain in units."""
        top, bottom, left, right = self._box([(x, y), (x + width, y + height)], 0)
        if bottom <= top or right <= left:
            return
        random = np.random.default_rng(seed)
        step = max(1, round(coarse * self.scale))
        noise = random.normal(0, strength, ((bottom - top) // step + 2, (right - left) // step + 2)).astype(np.float32)
        noise = noise.repeat(step, 0).repeat(step, 1)[: bottom - top, : right - left]
        if step > 1:
            noise = (noise + np.roll(noise, step // 2, 0) + np.roll(noise, step // 2, 1)) / 1.8
        self.light[top:bottom, left:right] = np.clip(self.light[top:bottom, left:right] + noise[..., None], 0, 255)

    def _box(self, points: Sequence[Point], margin: float) -> tuple[int, int, int, int]:
        """(top, bottom, left, right) in pixels of what the points span."""
        xs, ys = [p[0] * self.scale for p in points], [p[1] * self.scale for p in points]
        edge = margin * self.scale + 2
        top, bottom = max(0, int(min(ys) - edge)), min(self.shape[0], int(max(ys) + edge))
        left, right = max(0, int(min(xs) - edge)), min(self.shape[1], int(max(xs) + edge))
        return top, max(top, bottom), left, max(left, right)

    @staticmethod
    def _pixels(box: tuple[int, int, int, int]) -> tuple[Field, Field]:
        top, bottom, left, right = box
        y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
        return x + 0.5, y + 0.5

    def _paint(
        self, box: tuple[int, int, int, int], coverage: Field, colour: Colour, bottom_colour: Colour | None = None
    ) -> None:
        top, bottom, left, right = box
        ink: Field = np.asarray(colour, np.float32)
        if bottom_colour is not None and bottom > top:
            mix = np.linspace(0, 1, bottom - top, dtype=np.float32)[:, None, None]
            ink = ink * (1 - mix) + np.asarray(bottom_colour, np.float32) * mix
        part, cover = self.light[top:bottom, left:right], self.cover[top:bottom, left:right]
        total = coverage + cover * (1 - coverage)
        share = (coverage / np.maximum(total, 1e-6))[..., None].astype(np.float32)
        part += (ink - part) * share
        cover[:] = total


def _line_distance(x: Field, y: Field, ax: float, ay: float, bx: float, by: float) -> Field:
    dx, dy = bx - ax, by - ay
    along = np.clip(((x - ax) * dx + (y - ay) * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
    distance: Field = np.hypot(x - ax - along * dx, y - ay - along * dy)
    return distance


def _mean_of_four(field: Field) -> Field:
    mean: Field = (field[::2, ::2] + field[1::2, ::2] + field[::2, 1::2] + field[1::2, 1::2]) / 4
    return mean


def to_yuv(light: Field) -> tuple[Plane, Plane, Plane]:
    """RGB to luma and chroma of half size (ITU-R BT.709, limited range), as H.264 cameras send them."""
    height, width = light.shape[0] & ~1, light.shape[1] & ~1
    red, green, blue = (light[:height, :width, channel] / 255 for channel in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    cb, cr = _mean_of_four((blue - luma) / 1.8556), _mean_of_four((red - luma) / 1.5748)

    def quantise(field: Field, gain: float, base: float) -> Plane:
        levels: Plane = np.clip(np.rint(field * gain + base), 0, 255).astype(np.uint8)
        return levels

    return quantise(luma, 219, 16), quantise(cb, 224, 128), quantise(cr, 224, 128)


@dataclass(frozen=True, slots=True)
class Sprite:
    """A small picture with soft edges, ready to be blended into planes. Weights run from 0 to 256."""

    luma: NDArray[np.int16]
    cb: NDArray[np.int16]
    cr: NDArray[np.int16]
    weight: NDArray[np.int16]
    chroma_weight: NDArray[np.int16]

    @classmethod
    def from_canvas(cls, canvas: Canvas) -> Self:
        """From a drawing; cut to even sizes."""
        luma, cb, cr = to_yuv(canvas.light)
        weight = np.rint(canvas.cover[: luma.shape[0], : luma.shape[1]] * 256).astype(np.int16)
        chroma_weight = np.rint(_mean_of_four(weight.astype(np.float32))).astype(np.int16)
        return cls(luma.astype(np.int16), cb.astype(np.int16), cr.astype(np.int16), weight, chroma_weight)

    def dimmed(self, brightness: float) -> "Sprite":
        """The same under less light."""
        gain = np.float32(brightness)
        return Sprite(
            np.rint((self.luma - 16) * gain + 16).astype(np.int16),
            np.rint((self.cb - 128) * gain + 128).astype(np.int16),
            np.rint((self.cr - 128) * gain + 128).astype(np.int16),
            self.weight,
            self.chroma_weight,
        )

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.luma.shape[0])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.luma.shape[1])


@dataclass(frozen=True, slots=True)
class Mask:
    """Where something may show, 0 to 1, for luma and for chroma."""

    full: Field
    half: Field

    @classmethod
    def of(cls, field: Field) -> Self:
        """From a field of even size."""
        return cls(field, _mean_of_four(field))


@dataclass(frozen=True, slots=True)
class Picture:
    """Three planes, 4:2:0. Width and height are even."""

    luma: Plane
    cb: Plane
    cr: Plane

    @classmethod
    def from_light(cls, light: Field) -> Self:
        """From a drawing."""
        return cls(*to_yuv(light))

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.luma.shape[1])

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.luma.shape[0])

    def copy(self) -> "Picture":
        """Planes of its own."""
        return Picture(self.luma.copy(), self.cb.copy(), self.cr.copy())

    def restore(self, box: tuple[int, int, int, int], source: "Picture") -> None:
        """Copies a box (top, bottom, left, right; even numbers) from another picture of the same size."""
        top, bottom, left, right = box
        self.luma[top:bottom, left:right] = source.luma[top:bottom, left:right]
        half = (slice(top // 2, bottom // 2), slice(left // 2, right // 2))
        self.cb[half] = source.cb[half]
        self.cr[half] = source.cr[half]

    def blit(self, sprite: Sprite, x: float, y: float, mask: "Mask | None" = None) -> tuple[int, int, int, int]:
        """Blends a sprite with its top left corner at (x, y) pixels; returns the box that it touched.

        With a mask the sprite shows only through it.
        """
        # To the even pixel, so that luma and chroma stay together: a step of two pixels is not seen at walking speed.
        left, top = int(x) & ~1, int(y) & ~1
        from_x, from_y = max(0, -left), max(0, -top)
        to_x, to_y = min(sprite.width, self.width - left), min(sprite.height, self.height - top)
        if to_x <= from_x or to_y <= from_y:
            return 0, 0, 0, 0
        box = (top + from_y, top + to_y, left + from_x, left + to_x)
        part = (slice(from_y, to_y), slice(from_x, to_x))
        half_part = (slice(from_y // 2, to_y // 2), slice(from_x // 2, to_x // 2))
        whole = (slice(box[0], box[1]), slice(box[2], box[3]))
        half = (slice(box[0] // 2, box[1] // 2), slice(box[2] // 2, box[3] // 2))
        weight, chroma_weight = sprite.weight[part], sprite.chroma_weight[half_part]
        if mask is not None:
            weight = (weight.astype(np.float32) * mask.full[whole]).astype(np.int16)
            chroma_weight = (chroma_weight.astype(np.float32) * mask.half[half]).astype(np.int16)
        _blend(self.luma[whole], sprite.luma[part], weight)
        _blend(self.cb[half], sprite.cb[half_part], chroma_weight)
        _blend(self.cr[half], sprite.cr[half_part], chroma_weight)
        return box


def _blend(target: Plane, ink: NDArray[np.int16], weight: NDArray[np.int16]) -> None:
    below = target.astype(np.int16)
    # 255 * 256 does not fit 16 bits with a sign, so the difference is weighted with 7 bits.
    target[:] = below + ((ink - below) * (weight >> 1) >> 7)
