"""Who comes by: a person, a courier, a cat, cars; and trees, which only sway. Each is a handful of sprites."""

import math
from typing import Final

import numpy as np

from incamera.edge.simulated.drawing import Canvas, Colour, Sprite, rgb

WALK_PHASES: Final = 8
SWAY_PHASES: Final = 16

_SHADOW: Final = rgb(0x10140E)
_SKIN: Final = rgb(0xD9A27E)


def _drawing(width: float, height: float, scale: float) -> Canvas:
    return Canvas(width, height, scale)


def person(scale: float, coat: int, trousers: int, hair: int, parcel: bool = False) -> list[Sprite]:
    """Walking to the right, eight phases; 90 wide and 190 high in units of the scene, feet at y = 180."""
    return [
        Sprite.from_canvas(_person(scale, rgb(coat), rgb(trousers), rgb(hair), parcel, phase / WALK_PHASES))
        for phase in range(WALK_PHASES)
    ]


def _person(scale: float, coat: Colour, trousers: Colour, hair: Colour, parcel: bool, phase: float) -> Canvas:
    canvas = _drawing(90, 190, scale)
    swing = math.sin(2 * math.pi * phase)
    lift = abs(math.cos(2 * math.pi * phase)) * 3
    hip, shoulder = (45.0, 104 - lift), (46.0, 56 - lift)
    canvas.ellipse(45, 181, 34, 6, _SHADOW, 0.32, blur=3)
    darker = _shade(coat, 0.72)
    for side in (-1, 1):  # the far leg and arm first
        reach = side * swing
        knee = (hip[0] + 15 * reach + 3, 143 - lift * 0.5)
        foot = (hip[0] + 26 * reach, 178 - max(0.0, -side * math.cos(2 * math.pi * phase)) * 9)
        colour = trousers if side > 0 else _shade(trousers, 0.75)
        canvas.line([hip, knee, foot], 17, colour)
        canvas.line([foot, (foot[0] + 9, foot[1] + 1)], 9, rgb(0x2A2524))
        if side < 0:
            canvas.line([shoulder, (44 - 14 * reach, 84 - lift), (47 - 22 * reach, 107 - lift)], 11, darker)
            canvas.line([(45, 62 - lift), (45, 102 - lift)], 31, coat)
            canvas.polygon([(31, 96 - lift), (60, 96 - lift), (62, 118 - lift), (29, 118 - lift)], coat)
    if parcel:
        canvas.rectangle(50, 74 - lift, 34, 28, rgb(0xB98A56), radius=2)
        canvas.rectangle(64, 74 - lift, 5, 28, rgb(0xDCC396))
        canvas.line([shoulder, (47, 88 - lift), (62, 96 - lift)], 12, darker)
    else:
        canvas.line([shoulder, (45 - 13 * -swing, 84 - lift), (50 + 21 * swing, 106 - lift)], 12, darker)
        canvas.ellipse(50 + 21 * swing, 109 - lift, 5.5, 5.5, _SKIN)
    canvas.line([(46, 50 - lift), (47, 40 - lift)], 10, _SKIN)
    canvas.ellipse(48, 28 - lift, 13.5, 16, _SKIN)
    canvas.ellipse(46, 21 - lift, 15, 12, hair)
    canvas.ellipse(41, 28 - lift, 8, 11, hair)
    return canvas


def visitor(scale: float, coat: int, trousers: int, hair: int) -> list[Sprite]:
    """Coming towards the camera, eight phases; 110 wide and 250 high, feet at y = 238."""
    return [
        Sprite.from_canvas(_visitor(scale, rgb(coat), rgb(trousers), rgb(hair), phase / WALK_PHASES))
        for phase in range(WALK_PHASES)
    ]


def _visitor(scale: float, coat: Colour, trousers: Colour, hair: Colour, phase: float) -> Canvas:
    canvas = _drawing(110, 250, scale)
    swing = math.sin(2 * math.pi * phase)
    bob = abs(swing) * 3
    canvas.ellipse(55, 240, 40, 8, _SHADOW, 0.32, blur=4)
    for side in (-1, 1):
        length = 100 + 6 * side * swing
        x = 55 + side * 13
        canvas.line([(x, 130 - bob), (x + side, 130 + length - bob)], 21, _shade(trousers, 0.9 + 0.1 * side))
        canvas.ellipse(x + 2 * side, 132 + length - bob, 12, 7, rgb(0x2A2524))
        canvas.line(
            [(55 + side * 28, 72 - bob), (55 + side * 36, 108 - bob), (55 + side * 33, 138 + 8 * side * swing - bob)],
            15,
            _shade(coat, 0.78),
        )
        canvas.ellipse(55 + side * 33, 144 + 8 * side * swing - bob, 7, 8, _SKIN)
    canvas.rectangle(24, 56 - bob, 62, 92, coat, radius=20)
    canvas.rectangle(30, 116 - bob, 50, 38, coat, radius=8)
    canvas.line([(55, 64 - bob), (55, 150 - bob)], 2.5, _shade(coat, 0.6))
    canvas.line([(42, 58 - bob), (55, 70 - bob), (68, 58 - bob)], 6, _shade(coat, 1.25))
    canvas.line([(55, 58 - bob), (55, 46 - bob)], 15, _shade(_SKIN, 0.88))
    canvas.ellipse(55, 30 - bob, 18, 22, _SKIN)
    canvas.ellipse(55, 18 - bob, 19.5, 13, hair)
    canvas.ellipse(38, 27 - bob, 4, 12, hair)
    canvas.ellipse(72, 27 - bob, 4, 12, hair)
    for x in (48, 62):
        canvas.ellipse(x, 31 - bob, 2.2, 2.6, rgb(0x2B2320))
    canvas.line([(49, 43 - bob), (55, 45 - bob), (61, 43 - bob)], 2, rgb(0xA85F52))
    return canvas


def cat(scale: float, fur: int) -> list[Sprite]:
    """Walking to the right, eight phases; 120 wide and 70 high, paws at y = 64."""
    return [Sprite.from_canvas(_cat(scale, rgb(fur), phase / WALK_PHASES)) for phase in range(WALK_PHASES)]


def _cat(scale: float, fur: Colour, phase: float) -> Canvas:
    canvas = _drawing(120, 70, scale)
    canvas.ellipse(58, 64, 42, 5, _SHADOW, 0.35, blur=3)
    turn = 2 * math.pi * phase
    tail = 5 * math.sin(turn)
    canvas.line([(26, 36), (14, 30), (8, 18 + tail), (10, 6 + tail)], 7, _shade(fur, 0.8))
    for number, x in enumerate((34, 42, 76, 84)):
        step = 8 * math.sin(turn + number * math.pi / 2 * 3)
        colour = fur if number % 2 else _shade(fur, 0.75)
        canvas.line([(x, 42), (x + step * 0.5, 52), (x + step, 62)], 7.5, colour)
    canvas.line([(34, 36), (56, 38), (82, 35)], 23, fur)
    for x in (40, 52, 64):
        canvas.line([(x, 27), (x - 2, 38)], 3, _shade(fur, 0.7), 0.7)
    canvas.polygon([(90, 20), (92, 7), (99, 16)], fur)
    canvas.polygon([(101, 16), (108, 7), (110, 20)], _shade(fur, 0.9))
    canvas.ellipse(100, 25, 13, 11.5, fur)
    canvas.ellipse(107, 29, 6, 5, _shade(fur, 1.25))
    canvas.ellipse(105, 23, 1.8, 2.2, rgb(0x20301A))
    return canvas


def car(scale: float, paint: int) -> list[Sprite]:
    """Driving to the right; 300 wide and 112 high, wheels down to y = 106. Two phases of its wheels."""
    return [Sprite.from_canvas(_car(scale, rgb(paint), phase * math.pi / 5)) for phase in range(2)]


def _car(scale: float, paint: Colour, angle: float) -> Canvas:
    canvas = _drawing(340, 112, scale)
    canvas.ellipse(150, 104, 146, 7, _SHADOW, 0.45, blur=3)
    glass, dark = rgb(0x9FC0D2), _shade(paint, 0.62)
    canvas.polygon([(62, 46), (96, 12), (182, 10), (226, 46)], paint)
    canvas.polygon([(76, 45), (102, 18), (140, 17), (140, 45)], glass, bottom=rgb(0x5D7F94))
    canvas.polygon([(147, 45), (147, 17), (178, 16), (210, 45)], glass, bottom=rgb(0x5D7F94))
    canvas.rectangle(8, 44, 284, 46, paint, radius=16, bottom=_shade(paint, 0.8))
    canvas.rectangle(4, 72, 292, 18, dark, radius=8)
    canvas.line([(144, 48), (144, 80)], 1.6, dark)
    canvas.line([(70, 60), (232, 58)], 1.6, _shade(paint, 1.3), 0.8)
    canvas.rectangle(154, 56, 14, 3.5, dark, radius=1.5)
    canvas.rectangle(280, 52, 14, 12, rgb(0xFFF4D0), radius=4)
    canvas.rectangle(6, 52, 10, 14, rgb(0xC22F2A), radius=3)
    for x in (70, 232):
        canvas.ellipse(x, 86, 25, 25, rgb(0x17181A))
        canvas.ellipse(x, 86, 20, 20, rgb(0x26282B))
        canvas.ellipse(x, 86, 13, 13, rgb(0xB9BEC4))
        for spoke in range(5):
            turn = angle + spoke * 2 * math.pi / 5
            canvas.line([(x, 86), (x + 12 * math.cos(turn), 86 + 12 * math.sin(turn))], 3, rgb(0x6B7177))
    return canvas


def swaying_crown(scale: float, width: float, height: float, leaf: int, seed: int) -> list[Sprite]:
    """A tree's crown in the wind: the drawing leans a little more the higher up, sixteen phases of one sway."""
    crown = _crown(scale, width, height, rgb(leaf), seed)
    phases = []
    for phase in range(SWAY_PHASES):
        lean = math.sin(2 * math.pi * phase / SWAY_PHASES) * width * 0.018 * scale
        phases.append(Sprite.from_canvas(_leaning(crown, lean)))
    return phases


def _crown(scale: float, width: float, height: float, leaf: Colour, seed: int) -> Canvas:
    random = np.random.default_rng(seed)
    canvas = _drawing(width, height, scale)
    count = int(width * height / 420)
    for number in range(count):  # from the dark inside below to the sunlit leaves above
        turn, away = random.uniform(0, 2 * math.pi), math.sqrt(random.uniform(0, 1)) * 0.84
        x = width / 2 + math.cos(turn) * away * width * 0.42
        y = height / 2 + math.sin(turn) * away * height * 0.40
        depth = number / count
        light = 0.55 + 0.35 * depth + 0.30 * (0.5 - y / height) + random.uniform(-0.08, 0.08)
        size = random.uniform(0.55, 1.0) * width * (0.13 - 0.07 * depth)
        canvas.ellipse(x, y, size, size * 0.85, _shade(leaf, light), 0.95)
    return canvas


def _leaning(canvas: Canvas, lean_pixels: float) -> Canvas:
    leaning = Canvas.__new__(Canvas)
    leaning.scale, leaning.shape = canvas.scale, canvas.shape
    leaning.light, leaning.cover = canvas.light.copy(), canvas.cover.copy()
    height, width = canvas.shape
    columns = np.arange(width, dtype=np.float32)
    for row in range(height):
        shift = lean_pixels * (1 - row / height) ** 1.5
        at = np.clip(columns - shift, 0, width - 1.001)
        left = at.astype(np.int64)
        share = (at - left)[:, None]
        leaning.light[row] = canvas.light[row, left] * (1 - share) + canvas.light[row, left + 1] * share
        leaning.cover[row] = canvas.cover[row, left] * (1 - share[:, 0]) + canvas.cover[row, left + 1] * share[:, 0]
    return leaning


def cloud(scale: float, width: float, seed: int) -> Sprite:
    """A soft white cloud, half as high as wide."""
    random = np.random.default_rng(seed)
    canvas = _drawing(width, width * 0.45, scale)
    for _ in range(26):
        x = float(np.clip(random.normal(width / 2, width * 0.15), width * 0.22, width * 0.78))
        y = width * 0.27 - random.uniform(0, 0.12) * width * max(0.0, 1 - abs(x - width / 2) / (width * 0.4))
        size = random.uniform(0.05, 0.11) * width
        canvas.ellipse(x, y, size, size * 0.72, rgb(0xFFFFFF), 0.30, blur=size * 0.5)
    return Sprite.from_canvas(canvas)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255.0, part * factor) for part in colour)
    return red, green, blue
