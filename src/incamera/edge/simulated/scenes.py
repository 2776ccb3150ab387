"""The four places that our cameras look at, and what happens there. Coordinates are those of 1280 by 720.

A scene is built once per size: a backdrop in neutral light, a layer of lamps and lit windows that shows by night, the
part that is sky, and actors that come and go by the clock: the same at the same second for whoever looks.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import numpy as np

from incamera.edge.simulated import figures
from incamera.edge.simulated.daylight import Daylight
from incamera.edge.simulated.drawing import HEIGHT, WIDTH, Canvas, Field, Picture, Plane, Sprite, rgb

Move = Callable[[float], tuple[float, float, int] | None]
"""seconds since midnight -> (x, y, number of the sprite), or None while the actor is away"""


@dataclass(frozen=True, slots=True)
class Actor:
    """Something that moves. Drawn in the order of the list."""

    sprites: Sequence[Sprite]
    move: Move
    is_background: bool = False  # drawn with the backdrop every few seconds: clouds
    is_lamp: bool = False  # as bright by night as by day


@dataclass(frozen=True, slots=True)
class Scene:
    """A place at one size."""

    scale: float
    surface: Plane  # red, green, blue in white light
    lamps: Plane  # red, green, blue that lamps add by night
    sky: Field  # 0 to 1: where the sky shows
    actors: tuple[Actor, ...] = field(default=())
    is_indoors: bool = False

    def lit(self, light: Daylight) -> Picture:
        """The backdrop in the light of the hour."""
        height = self.surface.shape[0]
        horizon = 300 * self.scale
        mix = np.clip(np.arange(height, dtype=np.float32) / horizon, 0, 1)[:, None, None]
        sky = np.asarray(light.zenith, np.float32) * (1 - mix) + np.asarray(light.horizon, np.float32) * mix
        if self.is_indoors:
            ground = self.surface.astype(np.float32)
        else:
            ground = self.surface * np.asarray(light.ambient, np.float32) + self.lamps * np.float32(light.night)
        share = self.sky[..., None]
        return Picture.from_light(np.clip(ground * (1 - share) + sky * share, 0, 255))


def crossing(
    period_s: float, offset_s: float, duration_s: float, start: tuple[float, float], stop: tuple[float, float],
    phases: int, phases_per_s: float,
) -> Move:  # fmt: skip
    """Somebody who crosses the picture every `period_s` seconds."""

    def move(second: float) -> tuple[float, float, int] | None:
        passed = (second - offset_s) % period_s
        if passed > duration_s:
            return None
        share = passed / duration_s
        x, y = (a + (b - a) * share for a, b in zip(start, stop, strict=True))
        return x, y, int(passed * phases_per_s) % phases

    return move


def swaying(x: float, y: float, period_s: float, offset_s: float) -> Move:
    """A tree where it stands."""

    def move(second: float) -> tuple[float, float, int]:
        return x, y, int((second + offset_s) / period_s * figures.SWAY_PHASES) % figures.SWAY_PHASES

    return move


def drifting(y: float, width: float, speed: float, offset: float) -> Move:
    """A cloud, around and around."""

    def move(second: float) -> tuple[float, float, int]:
        return (second * speed + offset) % (WIDTH + width) - width, y, 0

    return move


class _Stage:
    """What a scene is drawn on."""

    def __init__(self, scale: float, background: int) -> None:
        self.scale = scale
        self.surface = Canvas(WIDTH, HEIGHT, scale, rgb(background))
        self.lamps = Canvas(WIDTH, HEIGHT, scale, (0, 0, 0))
        self.land = Canvas(WIDTH, HEIGHT, scale)  # what hides the sky; only its coverage counts

    def finish(self, actors: Sequence[Actor], is_indoors: bool = False) -> Scene:
        sky = np.zeros_like(self.surface.cover) if is_indoors else 1 - self.land.cover
        surface, lamps = self.surface.light.astype(np.uint8), self.lamps.light.astype(np.uint8)
        return Scene(self.scale, surface, lamps, sky.astype(np.float32), tuple(actors), is_indoors)

    def solid(self, points: Sequence[tuple[float, float]], colour: int, bottom: int | None = None) -> None:
        """A polygon that hides the sky."""
        self.surface.polygon(points, rgb(colour), bottom=None if bottom is None else rgb(bottom))
        self.land.polygon(points, (0, 0, 0))

    def block(self, x: float, y: float, width: float, height: float, colour: int, bottom: int | None = None) -> None:
        """A rectangle that hides the sky."""
        self.solid([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour, bottom)

    def blob(self, x: float, y: float, rx: float, ry: float, colour: int) -> None:
        """An ellipse that hides the sky."""
        self.surface.ellipse(x, y, rx, ry, rgb(colour))
        self.land.ellipse(x, y, rx, ry, (0, 0, 0))

    def rod(self, points: Sequence[tuple[float, float]], width: float, colour: int) -> None:
        """A line that hides the sky."""
        self.surface.line(points, width, rgb(colour))
        self.land.line(points, width, (0, 0, 0))

    def window(self, x: float, y: float, width: float, height: float, is_lit: bool = False) -> None:
        """A window with a frame and a cross; lit ones glow by night."""
        self.surface.rectangle(x - 4, y - 4, width + 8, height + 8, rgb(0xF2EDE2))
        self.surface.rectangle(x, y, width, height, rgb(0x86A6B8), bottom=rgb(0x4C6878))
        self.surface.line([(x + width / 2, y), (x + width / 2, y + height)], 3, rgb(0xF2EDE2))
        self.surface.line([(x, y + height * 0.45), (x + width, y + height * 0.45)], 3, rgb(0xF2EDE2))
        self.surface.rectangle(x - 7, y + height + 3, width + 14, 5, rgb(0xD8D0C0))
        if is_lit:
            self.lamps.ellipse(x + width / 2, y + height / 2, width, height, (70, 48, 20), blur=width * 0.5)
            self.lamps.rectangle(x, y, width, height, (200, 150, 70))

    def lamp(self, x: float, y: float, reach: float, strength: float = 1.0) -> None:
        """A lamp's light around a point."""
        for share in (1.0, 0.55, 0.25):
            ring = tuple(part * strength * (1.3 - share) for part in (90.0, 66.0, 30.0))
            self.lamps.ellipse(
                x, y, reach * share, reach * share * 0.8, (ring[0], ring[1], ring[2]), 0.8, reach * share * 0.7
            )
        self.lamps.ellipse(x, y, 7, 7, (255, 225, 150))


def _house(
    stage: _Stage, x: float, base: float, width: float, height: float, wall: int, roof: int, lit: tuple[bool, ...]
) -> None:
    """A house across the street: gable roof, chimney, windows in one row of two floors, a door."""
    top = base - height
    stage.block(x + width * 0.72, top - 66, 20, 60, 0x8A5B4A)
    stage.solid([(x - 14, top + 4), (x + width / 2, top - 76), (x + width + 14, top + 4)], roof, _darker(roof))
    stage.block(x, top, width, height, wall, _darker(wall, 0.88))
    stage.surface.line([(x - 14, top + 4), (x + width + 14, top + 4)], 5, rgb(0xEFE8DA))
    columns = len(lit) // 2
    for number, is_lit in enumerate(lit):
        column, floor = number % columns, number // columns
        left = x + 22 + column * (width - 44 - 30) / max(1, columns - 1)
        stage.window(left, top + 20 + floor * 66, 30, 38, is_lit and floor == 0)  # a hedge hides the lower ones
    stage.surface.rectangle(x + width / 2 - 15, base - 52, 30, 52, rgb(0x5C3A2B), radius=2)
    stage.surface.ellipse(x + width / 2 + 9, base - 28, 2, 2, rgb(0xE8C56A))


def _darker(code: int, factor: float = 0.8) -> int:
    red, green, blue = (int(part * factor) for part in rgb(code))
    return red << 16 | green << 8 | blue


def _hills(stage: _Stage, base: float) -> None:
    for number, (colour, rise) in enumerate(((0x8FB0B4, 62.0), (0x7BA08E, 40.0))):
        ridge = [
            (x, base - rise * (0.6 + 0.4 * math.sin(x / 190 + number * 2.1) + 0.18 * math.sin(x / 61 + number)))
            for x in range(-20, WIDTH + 40, 20)
        ]
        stage.solid([(-20, base + 60), *ridge, (WIDTH + 20, base + 60)], colour)


def _street(stage: _Stage, top: float) -> None:
    """Pavement, kerb, road with a dashed line, kerb: 110 high."""
    stage.block(-10, top, WIDTH + 20, 14, 0xB9B4A8)
    stage.block(-10, top + 14, WIDTH + 20, 84, 0x5B5E62, 0x4F5256)
    stage.surface.grain(0, top + 14, WIDTH, 84, 5, 3)
    for x in range(-20, WIDTH, 110):
        stage.surface.polygon([(x, top + 54), (x + 56, top + 54), (x + 54, top + 58), (x - 2, top + 58)], rgb(0xD9D6CC))
    stage.block(-10, top + 98, WIDTH + 20, 5, 0xD2CDC1)
    stage.block(-10, top + 103, WIDTH + 20, 34, 0xA9A498, 0xB5B0A4)
    stage.surface.grain(0, top + 103, WIDTH, 34, 5, 4)
    for x in range(0, WIDTH, 64):
        stage.surface.line([(x, top + 103), (x - 8, top + 137)], 1.5, rgb(0x8D897E), 0.7)


def _picket_fence(stage: _Stage, top: float, height: float, gap: tuple[float, float]) -> None:
    def is_open(x: float) -> bool:
        return gap[0] < x < gap[1]

    for rail in (top + height * 0.28, top + height * 0.72):
        stage.surface.rectangle(-10, rail, gap[0] + 10, 6, rgb(0xDDD8CC))
        stage.surface.rectangle(gap[1], rail, WIDTH, 6, rgb(0xDDD8CC))
    for x in range(6, WIDTH, 26):
        if not is_open(x + 7):
            stage.surface.polygon(
                [(x, top + height), (x, top + 9), (x + 7, top), (x + 14, top + 9), (x + 14, top + height)],
                rgb(0xF6F3EA), bottom=rgb(0xE2DDD0),
            )  # fmt: skip
    for post in gap:
        stage.surface.rectangle(post - 9, top - 14, 18, height + 22, rgb(0xF4F0E6), radius=3, bottom=rgb(0xD9D3C5))
        stage.surface.ellipse(post, top - 18, 10, 8, rgb(0xF4F0E6))


def _lawn(stage: _Stage, top: float, near: int = 0x6FA04A, far: int = 0x5C8C3E) -> None:
    stage.block(-10, top, WIDTH + 20, HEIGHT - top + 10, far, near)
    stage.surface.grain(0, top, WIDTH, HEIGHT - top, 7, 5, coarse=3)
    stage.surface.grain(0, top, WIDTH, HEIGHT - top, 6, 6)


def _flowers(stage: _Stage, x: float, y: float, width: float, depth: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    stage.surface.ellipse(x + width / 2, y + depth / 2, width / 2, depth / 2, rgb(0x5A4330))
    for _ in range(int(width * 0.55)):
        turn, away = random.uniform(0, 2 * math.pi), math.sqrt(random.uniform(0, 1))
        px, py = (
            x + width / 2 + math.cos(turn) * away * width * 0.46,
            y + depth / 2 + math.sin(turn) * away * depth * 0.42,
        )
        stage.surface.ellipse(px, py + 3, 6, 5, rgb(0x3F7038))
        if random.uniform(0, 1) < 0.6:
            colour = (0xE0556A, 0xF2C14E, 0xF4F1E8, 0xB069C8, 0xE8794A)[int(random.integers(0, 5))]
            stage.surface.ellipse(px, py - 2, 4.2, 3.8, rgb(colour))
            stage.surface.ellipse(px, py - 2, 1.4, 1.3, rgb(0xFFE9A0))


def _bush(stage: _Stage, x: float, y: float, width: float, height: float, leaf: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    stage.surface.ellipse(x, y + height * 0.45, width * 0.55, height * 0.16, rgb(0x20301A), 0.4, blur=8)
    for number in range(90):
        turn, away = random.uniform(0, 2 * math.pi), math.sqrt(random.uniform(0, 1)) * 0.85
        depth = number / 90
        px, py = x + math.cos(turn) * away * width * 0.45, y + math.sin(turn) * away * height * 0.42
        tone = _darker(leaf, min(1.25, 0.6 + 0.4 * depth + 0.3 * (y - py) / height))
        size = width * (0.13 - 0.06 * depth)
        stage.blob(px, py, size, size * 0.8, tone)


def front_garden(scale: float) -> Scene:
    """A front garden with a gate, the street and the neighbours across it."""
    stage = _Stage(scale, 0x90B0C0)
    _hills(stage, 300)
    _house(stage, 250, 346, 210, 128, 0xE8D9BC, 0xA65642, (True, False, True, False, False, True))
    _house(stage, 560, 346, 190, 142, 0xC9D6DA, 0x5E6B7A, (False, True, True, False))
    _house(stage, 850, 346, 230, 120, 0xEBC9A8, 0x8C4A3A, (True, True, False, False, False, True))
    for x in range(-30, WIDTH + 60, 44):
        stage.blob(x, 346, 36, 22, 0x3E6B3A if x % 3 else 0x477A41)
    _street(stage, 352)
    stage.rod([(1098, 470), (1098, 150), (1060, 138)], 7, 0x4A4E52)
    stage.rod([(1066, 139), (1042, 142)], 12, 0x5A5E62)
    stage.lamp(1054, 150, 210)
    _lawn(stage, 489)
    path = [(612, 487), (700, 487), (842, 740), (462, 740)]
    stage.surface.polygon(path, rgb(0xC4B79F), bottom=rgb(0xD8CCB4))
    for row, y in enumerate((492, 508, 529, 556, 591, 637, 700)):
        half = 44 + (y - 486) / 254 * 146
        stage.surface.line([(656 - half, y), (656 + half, y)], 2, rgb(0xA39780), 0.8)
        for column in range(-2, 3):
            joint = 656 + (column + (row % 2) * 0.5) * half * 0.5
            if abs(joint - 656) < half:
                stage.surface.line([(joint, y), (656 + (joint - 656) * 1.12, y + 20)], 1.6, rgb(0xA39780), 0.6)
    _picket_fence(stage, 468, 58, (596, 716))
    _flowers(stage, 250, 540, 240, 40, 11)
    _flowers(stage, 840, 548, 260, 44, 12)
    _flowers(stage, 330, 640, 120, 34, 13)
    _bush(stage, 1180, 560, 190, 150, 0x4C8545, 21)
    _bush(stage, 1010, 610, 110, 80, 0x5A9450, 22)
    stage.surface.ellipse(156, 604, 100, 16, rgb(0x1E2C16), 0.4, blur=12)
    stage.solid(
        [(112, 606), (132, 560), (136, 330), (166, 330), (170, 560), (194, 606), (152, 596)], 0x6B4A34, 0x5A3D2A
    )
    stage.surface.line([(146, 570), (150, 350)], 3, rgb(0x4E3524), 0.6)
    stage.rod([(152, 400), (206, 322)], 16, 0x6B4A34)
    walker = figures.person(scale * 0.62, 0x35618E, 0x3B3F4A, 0x4A3020)
    walker_back = [
        _mirrored(sprite) for sprite in figures.person(scale * 0.62, 0xB5484E, 0x2F3A50, 0xA8743C, parcel=True)
    ]
    red, white = figures.car(scale * 0.62, 0xB8382F), figures.car(scale * 0.62, 0xE9ECEF)
    actors = [
        *_clouds(scale),
        Actor([_mirrored(sprite) for sprite in white], crossing(47, 4, 5.5, (1300, 352), (-240, 352), 2, 10)),
        Actor(red, crossing(38, 23, 5, (-240, 378), (1300, 378), 2, 10)),
        Actor(walker, crossing(52, 0, 27, (-70, 352), (1290, 352), figures.WALK_PHASES, 8)),
        Actor(walker_back, crossing(61, 35, 25, (1290, 358), (-70, 358), figures.WALK_PHASES, 8)),
        Actor(figures.cat(scale * 0.9, 0xC07A3E), crossing(43, 15, 16, (1290, 585), (-120, 630), 8, 10)),
        Actor(figures.swaying_crown(scale, 330, 300, 0x5E9A48, 31), swaying(-6, 66, 5.2, 0)),
    ]
    actors[-2] = Actor([_mirrored(sprite) for sprite in figures.cat(scale * 0.9, 0xC07A3E)], actors[-2].move)
    return stage.finish(actors)


def porch(scale: float) -> Scene:
    """What a doorbell sees: the porch, three steps, the path to the street."""
    stage = _Stage(scale, 0x90B0C0)
    _hills(stage, 290)
    _house(stage, 170, 330, 220, 120, 0xD9C7A4, 0x7C4A3C, (True, False, False, True, False, False))
    _house(stage, 770, 330, 250, 134, 0xBFD0C0, 0x6A5A56, (False, True, True, False, True, False))
    for x in range(-30, WIDTH + 60, 46):
        stage.blob(x, 334, 38, 20, 0x44753F if x % 4 else 0x3B6A3A)
    _street(stage, 338)
    _lawn(stage, 475, 0x74A450, 0x5F9042)
    stage.surface.polygon([(584, 475), (696, 475), (792, 640), (488, 640)], rgb(0xBEB7AA), bottom=rgb(0xD2CBBD))
    for y in (486, 503, 526, 556, 594):
        half = 56 + (y - 475) / 165 * 96
        stage.surface.line([(640 - half, y), (640 + half, y)], 2, rgb(0x9C9586), 0.8)
    _flowers(stage, 300, 500, 190, 40, 41)
    _flowers(stage, 796, 500, 190, 40, 42)
    _bush(stage, 190, 500, 170, 150, 0x4C8545, 43)
    _bush(stage, 1096, 500, 180, 160, 0x508C4A, 44)
    _porch_frame(stage)
    visitors = _visitors(scale)
    white, blue = figures.car(scale * 0.6, 0xDFE3E6), figures.car(scale * 0.6, 0x2F5D9A)
    return stage.finish(
        [
            *_clouds(scale),
            Actor([_mirrored(sprite) for sprite in white], crossing(41, 11, 5, (1300, 340), (-240, 340), 2, 10)),
            Actor(blue, crossing(57, 30, 5, (-240, 364), (1300, 364), 2, 10)),
            *visitors,
            Actor(
                [_mirrored(sprite) for sprite in figures.cat(scale, 0x55565C)],
                crossing(71, 44, 15, (1150, 540), (40, 566), 8, 10),
            ),
            Actor(_lantern(scale), swaying(610, 56, 3.4, 0), is_lamp=True),
        ]
    )


def _porch_frame(stage: _Stage) -> None:
    """Ceiling, two columns, railing, planks, steps and the mat: what frames a doorbell's picture."""
    stage.block(-10, -10, WIDTH + 20, 62, 0xCFC6B6, 0xE6DFD2)
    for x in range(-40, WIDTH, 80):
        stage.surface.line([(x + (x - 640) * 0.12, 0), (x, 50)], 2, rgb(0xB4AB9B), 0.8)
    stage.block(-10, 50, WIDTH + 20, 12, 0xF7F4EC)
    stage.surface.polygon([(420, 622), (860, 622), (900, 652), (380, 652)], rgb(0xA8A091))
    stage.surface.polygon([(380, 652), (900, 652), (900, 664), (380, 664)], rgb(0x867F72))
    stage.block(-10, 640, 400, 90, 0x9A7552, 0xAD8660)
    stage.block(890, 640, 400, 90, 0x9A7552, 0xAD8660)
    stage.surface.polygon([(380, 664), (900, 664), (980, 740), (300, 740)], rgb(0xA17C58), bottom=rgb(0xB28B64))
    for number in range(-9, 10):
        x = 640 + number * 62
        stage.surface.line([(x, 666), (640 + number * 84, 724)], 2.5, rgb(0x7A5A3E), 0.8)
    stage.surface.polygon([(512, 676), (768, 676), (800, 716), (480, 716)], rgb(0x54463A))
    stage.surface.polygon([(522, 680), (758, 680), (786, 711), (494, 711)], rgb(0x7D6A54))
    for y in (688, 696, 704):
        stage.surface.line([(512, y), (768, y)], 2, rgb(0x63523F), 0.8)
    for x, width in ((86, 46), (1148, 46)):
        stage.block(x, 58, width, 590, 0xF3EFE6, 0xE4DED1)
        stage.surface.line([(x + 10, 70), (x + 10, 630)], 4, rgb(0xD6CFC0), 0.8)
        stage.block(x - 10, 58, width + 20, 22, 0xFAF7F0)
        stage.block(x - 10, 626, width + 20, 24, 0xFAF7F0)
    for left, right in ((-10, 86), (132, 372), (908, 1148), (1194, 1290)):
        stage.surface.rectangle(left, 546, right - left, 11, rgb(0xF7F4EC), radius=2)
        stage.surface.rectangle(left, 628, right - left, 9, rgb(0xECE7DB), radius=2)
        for x in range(int(left) + 10, int(right) - 4, 24):
            stage.surface.rectangle(x, 556, 7, 73, rgb(0xEFEBE0))
    stage.lamp(640, 120, 420, 0.75)


def _visitors(scale: float) -> list[Actor]:
    """Somebody comes up the path, waits at the mat, goes again; one sprite set per distance."""
    actors: list[Actor] = []
    looks = ((0x2F6F62, 0x33363F, 0x3A261A), (0x8A4A7A, 0x2E3A52, 0xC9A25A))
    for number, (coat, trousers, hair) in enumerate(looks):
        steps = [0.62 + 0.16 * step for step in range(9)]
        sprites = [sprite for size in steps for sprite in figures.visitor(scale * size, coat, trousers, hair)[::2]]
        actors.append(Actor(sprites, _visiting(steps, 90, number * 45 + 6)))
    return actors


def _visiting(steps: Sequence[float], period_s: float, offset_s: float) -> Move:
    """Eight seconds to come, nine to wait, eight to go."""

    def move(second: float) -> tuple[float, float, int] | None:
        passed = (second - offset_s) % period_s
        if passed > 25:
            return None
        near = min(1.0, passed / 8, (25 - passed) / 8)
        step = min(len(steps) - 1, int(near * len(steps)))
        feet = 478 + (near**1.6) * 214
        size = steps[step]
        phase = 0 if near >= 1 else int(passed * 4) % 4
        return 640 - 55 * size, feet - 238 * size, step * 4 + phase

    return move


def _lantern(scale: float) -> list[Sprite]:
    sprites = []
    for phase in range(figures.SWAY_PHASES):
        lean = math.sin(2 * math.pi * phase / figures.SWAY_PHASES) * 5
        canvas = Canvas(60, 110, scale)
        canvas.line([(30, 0), (30 + lean * 0.5, 34)], 3, rgb(0x2C2E30))
        canvas.polygon([(18 + lean, 46), (30 + lean * 0.7, 32), (42 + lean, 46)], rgb(0x2C2E30))
        canvas.rectangle(19 + lean, 46, 22, 36, rgb(0xFFE3A0), radius=3, bottom=rgb(0xF2B85A))
        canvas.line([(19 + lean, 46), (19 + lean, 82), (41 + lean, 82), (41 + lean, 46)], 3, rgb(0x2C2E30))
        sprites.append(Sprite.from_canvas(canvas))
    return sprites


def yard(scale: float) -> Scene:
    """The back yard: shed, terrace, washing on a line, a tree with a swing."""
    stage = _Stage(scale, 0x90B0C0)
    _hills(stage, 280)
    stage.block(-10, 262, WIDTH + 20, 170, 0x5E452C)
    for x in range(-20, WIDTH, 40):
        stage.solid(
            [(x, 430), (x, 258), (x + 19, 250), (x + 38, 258), (x + 38, 430)], 0xA98256 if x % 3 else 0x9C774E, 0x8A6842
        )
    for y in (290, 392):
        stage.surface.rectangle(-10, y, WIDTH + 20, 9, rgb(0x8A6842))
    _lawn(stage, 424, 0x78A852, 0x5C9040)
    _shed(stage)
    _terrace(stage)
    stage.rod([(470, 560), (470, 268)], 11, 0x6E5238)
    stage.rod([(838, 548), (838, 268)], 11, 0x6E5238)
    stage.rod([(440, 272), (500, 272)], 9, 0x6E5238)
    stage.rod([(808, 272), (868, 272)], 9, 0x6E5238)
    stage.rod([(470, 276), (560, 287), (654, 291), (750, 287), (838, 276)], 2.5, 0xE8E4DA)
    _flowers(stage, 470, 432, 320, 28, 51)
    _bush(stage, 60, 470, 150, 120, 0x4F8A47, 52)
    stage.surface.ellipse(1108, 630, 120, 18, rgb(0x1E2C16), 0.4, blur=12)
    stage.solid(
        [(1058, 640), (1086, 580), (1090, 300), (1128, 300), (1132, 580), (1160, 640), (1108, 626)], 0x6E4D36, 0x5A3D2A
    )
    stage.rod([(1106, 380), (1000, 292)], 17, 0x6E4D36)
    laundry = [
        Actor(_cloth(scale, width, height, colour), swaying(x, y, 2.6, number * 0.45))
        for number, (x, y, width, height, colour) in enumerate(
            (
                (498, 280, 74, 96, 0xF2F0EA),
                (584, 288, 62, 70, 0x5C8FB8),
                (658, 291, 86, 104, 0xE9C46A),
                (756, 286, 58, 84, 0xC9646A),
            )
        )
    ]
    actors = [
        *_clouds(scale),
        *laundry,
        Actor(_bird(scale), crossing(19, 3, 6, (-60, 120), (1300, 70), 4, 9)),
        Actor(
            figures.person(scale * 1.05, 0xC98A3A, 0x4A5568, 0x2B2420),
            crossing(64, 8, 19, (330, 400), (1300, 440), 8, 8),
        ),
        Actor(
            [_mirrored(s) for s in figures.cat(scale * 1.1, 0x3C3C42)],
            crossing(37, 20, 14, (1290, 600), (-140, 560), 8, 10),
        ),
        Actor(figures.swaying_crown(scale, 360, 320, 0x6AA24C, 61), swaying(930, 40, 5.6, 1)),
    ]
    return stage.finish(actors)


def _shed(stage: _Stage) -> None:
    stage.solid([(140, 254), (262, 176), (384, 254)], 0x6B5750, 0x5A4842)
    stage.block(156, 250, 212, 214, 0x9C4B3E, 0x8A4236)
    for x in range(176, 368, 20):
        stage.surface.line([(x, 254), (x, 462)], 1.6, rgb(0x7A392E), 0.8)
    stage.surface.rectangle(222, 330, 80, 134, rgb(0xEDE6D8), radius=2)
    stage.surface.rectangle(229, 337, 66, 127, rgb(0x86402F))
    stage.surface.line([(229, 337), (295, 464)], 6, rgb(0xEDE6D8))
    stage.surface.line([(295, 337), (229, 464)], 6, rgb(0xEDE6D8))
    stage.window(176, 282, 34, 40, True)
    stage.window(316, 282, 34, 40, True)
    stage.lamp(262, 306, 150, 0.9)


def _terrace(stage: _Stage) -> None:
    stage.surface.polygon([(-10, 600), (520, 596), (700, 740), (-10, 740)], rgb(0xB8AE9C), bottom=rgb(0xC9BFAD))
    for y in (618, 646, 686):
        stage.surface.line([(-10, y), (530 + (y - 600) * 1.3, y - 2)], 2, rgb(0x978D7B), 0.8)
    for x in range(0, 640, 90):
        stage.surface.line([(x * 0.82, 600), (x * 1.1, 730)], 2, rgb(0x978D7B), 0.7)
    stage.surface.ellipse(250, 690, 150, 20, rgb(0x33302A), 0.35, blur=10)
    for x in (170, 330):
        stage.surface.line([(x, 602), (x + (250 - x) * 0.2, 690)], 9, rgb(0x5B4632))
    stage.surface.ellipse(250, 600, 138, 30, rgb(0x8A6A48))
    stage.surface.ellipse(250, 594, 138, 30, rgb(0xA98258))
    stage.surface.rectangle(226, 562, 44, 34, rgb(0xC8643C), radius=5)
    for x, y in ((228, 548), (248, 536), (268, 548), (240, 556), (258, 554)):
        stage.surface.ellipse(x, y, 16, 13, rgb(0x4F8A47))
    stage.surface.ellipse(248, 532, 7, 7, rgb(0xF4E3EA))


def _cloth(scale: float, width: float, height: float, colour: int) -> list[Sprite]:
    """A piece of washing: its lower edge swings."""
    sprites = []
    for phase in range(figures.SWAY_PHASES):
        swing = math.sin(2 * math.pi * phase / figures.SWAY_PHASES)
        canvas = Canvas(width + 24, height + 10, scale)
        drift = 9 * swing
        corners = [
            (8, 2),
            (width + 8, 2),
            (width + 8 + drift, height),
            (width * 0.5 + 8 + drift, height + 4 * swing),
            (8 + drift, height),
        ]
        canvas.polygon(corners, rgb(colour), bottom=rgb(_darker(colour, 0.84)))
        for share in (0.3, 0.66):
            x = 8 + width * share
            canvas.line([(x, 8), (x + drift * 0.9, height - 6)], 3, rgb(_darker(colour, 0.9)), 0.7)
        for x in (14, width + 2):
            canvas.rectangle(x, 0, 4, 10, rgb(0x8A6842))
        sprites.append(Sprite.from_canvas(canvas))
    return sprites


def _bird(scale: float) -> list[Sprite]:
    sprites = []
    for phase in range(4):
        lift = 12 * math.cos(phase * math.pi / 2)
        canvas = Canvas(56, 44, scale)
        canvas.line([(6, 22 - lift), (22, 21), (28, 24), (34, 21), (50, 22 - lift)], 4, rgb(0x30343A))
        canvas.ellipse(29, 24, 8, 4, rgb(0x30343A))
        sprites.append(Sprite.from_canvas(canvas))
    return sprites


def garage(scale: float) -> Scene:
    """Inside a garage: the car, the workbench, a bicycle, a lamp that swings a little."""
    stage = _Stage(scale, 0xB9B4A8)
    surface = stage.surface
    surface.rectangle(-10, -10, WIDTH + 20, 480, rgb(0xC2BCAE), bottom=rgb(0xADA798))
    surface.grain(0, 0, WIDTH, 470, 3, 71, coarse=2)
    for x in (0, 320, 640, 960, 1280):
        surface.rectangle(x - 7, -10, 14, 480, rgb(0xA39C8D))
    surface.polygon([(-10, 466), (1290, 466), (1290, 740), (-10, 740)], rgb(0x8C8E8E), bottom=rgb(0xA4A6A5))
    surface.grain(0, 466, WIDTH, 260, 4, 72, coarse=2)
    surface.rectangle(-10, 456, WIDTH + 20, 12, rgb(0x7C766A))
    for x in (260, 640, 1020):
        surface.line([(640 + (x - 640) * 0.9, 468), (640 + (x - 640) * 1.5, 730)], 2.5, rgb(0x767878), 0.8)
    _sectional_door(surface)
    _workbench(surface)
    _bicycle(surface, 1140, 560)
    for x, y in ((60, 90), (60, 190)):
        surface.rectangle(x - 30, y + 62, 250, 9, rgb(0x6B5138))
        for number, (width, height, colour) in enumerate(
            ((54, 46, 0xB98A56), (40, 58, 0x3F6E8C), (62, 38, 0xC9643C), (34, 50, 0x6F8B4E))
        ):
            left = x - 14 + number * 58
            surface.rectangle(left, y + 62 - height, width - 8, height, rgb(colour), radius=3)
            surface.rectangle(left + 8, y + 70 - height, width - 26, 10, rgb(0xEFE9DC), radius=2)
    parked = figures.car(scale * 2.05, 0x2E6E8E)[0]
    actors = [
        Actor([parked], lambda _: (300.0, 408.0, 0)),
        Actor(
            figures.person(scale * 1.75, 0x3E7A52, 0x3A3F4C, 0x5A3A22),
            crossing(58, 5, 17, (-170, 366), (1300, 390), 8, 7),
        ),
        Actor(figures.cat(scale * 1.3, 0xD8D2C6), crossing(33, 26, 12, (-160, 620), (1290, 634), 8, 10)),
        Actor(_pendant(scale), swaying(560, -4, 4.2, 0)),
    ]
    return stage.finish(actors, is_indoors=True)


def _sectional_door(surface: Canvas) -> None:
    surface.rectangle(392, 96, 496, 366, rgb(0x8A8375))
    surface.rectangle(404, 106, 472, 356, rgb(0xE6E1D6), bottom=rgb(0xCFC9BC))
    for y in (176, 248, 320, 392):
        surface.line([(404, y), (876, y)], 4, rgb(0xA8A294))
    for x in range(428, 860, 110):
        surface.rectangle(x, 122, 86, 40, rgb(0xCFE6F4), radius=4, bottom=rgb(0xEAF4F2))
        surface.line([(x + 43, 122), (x + 43, 162)], 3, rgb(0xE6E1D6))
    surface.rectangle(620, 430, 40, 8, rgb(0x5A5C5E), radius=4)


def _workbench(surface: Canvas) -> None:
    surface.rectangle(924, 120, 316, 170, rgb(0x9B8058))
    for x in range(936, 1240, 19):
        for y in range(132, 286, 19):
            surface.ellipse(x, y, 1.7, 1.7, rgb(0x6E5A3C))
    surface.line([(960, 150), (960, 226)], 8, rgb(0x8A3A30))
    surface.rectangle(940, 140, 42, 20, rgb(0x55595E), radius=4)
    surface.line([(1014, 146), (1014, 240)], 7, rgb(0xC9A23A))
    surface.polygon([(1050, 148), (1142, 168), (1050, 190)], rgb(0xB9BEC4))
    surface.rectangle(1036, 144, 22, 50, rgb(0x7A4A2C), radius=6)
    surface.line([(1176, 144), (1176, 230)], 9, rgb(0x6C7278))
    surface.ellipse(1176, 146, 14, 14, rgb(0x6C7278))
    surface.ellipse(1176, 142, 7, 8, rgb(0x9B8058))
    surface.rectangle(910, 330, 344, 18, rgb(0xB98A56), radius=3)
    surface.rectangle(922, 348, 14, 118, rgb(0x7D5C3A))
    surface.rectangle(1228, 348, 14, 118, rgb(0x7D5C3A))
    surface.rectangle(936, 420, 292, 10, rgb(0x8C6842))
    surface.rectangle(960, 284, 92, 46, rgb(0xB23A32), radius=5)
    surface.rectangle(990, 276, 32, 12, rgb(0x3A3C3E), radius=4)
    surface.rectangle(1090, 300, 36, 30, rgb(0x4A7A9A), radius=4)
    surface.rectangle(1150, 292, 60, 38, rgb(0x5C6A4A), radius=3)


def _bicycle(surface: Canvas, x: float, y: float) -> None:
    surface.ellipse(x, y + 62, 140, 9, rgb(0x2E3030), 0.35, blur=6)
    for wheel in (x - 78, x + 78):
        for turn in range(24):
            angle, following = turn * math.pi / 12, (turn + 1) * math.pi / 12
            rim = [(wheel + 56 * math.cos(a), y + 56 * math.sin(a)) for a in (angle, following)]
            surface.line(rim, 6, rgb(0x26282A))
            if turn % 3 == 0:
                surface.line([(wheel, y), rim[0]], 1.2, rgb(0xC8CCD0), 0.8)
        surface.ellipse(wheel, y, 6, 6, rgb(0x7A7E82))
    frame = [(x - 78, y), (x - 34, y - 70), (x + 50, y - 72), (x - 10, y + 4), (x - 78, y)]
    surface.line(frame, 7, rgb(0xC9503C))
    surface.line([(x - 34, y - 70), (x - 10, y + 4)], 7, rgb(0xC9503C))
    surface.line([(x + 78, y), (x + 50, y - 72), (x + 44, y - 98), (x + 66, y - 102)], 6, rgb(0x3A3C3E))
    surface.line([(x - 40, y - 84), (x - 34, y - 70)], 6, rgb(0x3A3C3E))
    surface.line([(x - 58, y - 86), (x - 22, y - 86)], 10, rgb(0x2A2624))
    surface.ellipse(x - 10, y + 4, 13, 13, rgb(0x5A5E62))


def _pendant(scale: float) -> list[Sprite]:
    sprites = []
    for phase in range(figures.SWAY_PHASES):
        lean = math.sin(2 * math.pi * phase / figures.SWAY_PHASES) * 6
        canvas = Canvas(160, 116, scale)
        canvas.ellipse(80 + lean, 84, 76, 30, rgb(0xFFF3CC), 0.5, blur=16)
        canvas.line([(80, 0), (80 + lean * 0.6, 46)], 3, rgb(0x2C2E30))
        canvas.polygon(
            [(66 + lean, 46), (94 + lean, 46), (122 + lean, 78), (38 + lean, 78)], rgb(0x3E6A5A), bottom=rgb(0x2E5246)
        )
        canvas.ellipse(80 + lean, 80, 22, 8, rgb(0xFFF6D8))
        sprites.append(Sprite.from_canvas(canvas))
    return sprites


def _clouds(scale: float) -> list[Actor]:
    return [
        Actor([figures.cloud(scale, width, seed)], drifting(y, width, speed, offset), is_background=True)
        for width, y, speed, offset, seed in (
            (330, 16, 2.6, 420, 1), (240, 84, 1.9, 1050, 2), (190, 42, 3.4, 800, 3), (280, 62, 2.2, 1500, 4),
        )
    ]  # fmt: skip


def _mirrored(sprite: Sprite) -> Sprite:
    return Sprite(*(np.ascontiguousarray(plane[:, ::-1]) for plane in (
        sprite.luma, sprite.cb, sprite.cr, sprite.weight, sprite.chroma_weight)))  # fmt: skip


_DRAWN_AT_ONCE: Final = 8  # four scenes in two sizes

SCENES: Final[dict[str, Callable[[float], Scene]]] = {
    "garden": front_garden,
    "porch": porch,
    "yard": yard,
    "garage": garage,
}
"""Scene by name; the argument is its size, 1 for 1280 by 720."""


@lru_cache(maxsize=_DRAWN_AT_ONCE)
def get_scene(name: str, scale: float) -> Scene:
    """A scene, drawn once and shared: nobody changes it. Half a second of work the first time."""
    return SCENES[name](scale)
