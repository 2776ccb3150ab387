"""One picture after another of a scene, cheaply: only what moved since the last one is drawn again.

backdrop in the light of the minute ─► + clouds, every two seconds ─► + actors, captions, counter, every picture
"""

from datetime import datetime
from typing import Final

from incamera.edge.simulated import captions, counter
from incamera.edge.simulated.daylight import Daylight, daylight
from incamera.edge.simulated.drawing import Mask, Picture, Sprite
from incamera.edge.simulated.scenes import Actor, Scene

_CLOUDS_EVERY_S: Final = 2
_LIGHT_EVERY_S: Final = 60
_GREY: Final = 128

Box = tuple[int, int, int, int]


class ScenePainter:
    """Paints a scene at moments that mostly go forward. `name` in capitals of the Latin alphabet."""

    def __init__(self, scene: Scene, name: str, *, has_counter: bool = True) -> None:
        self._scene = scene
        self._has_counter = has_counter
        self._name = name
        self._sky = Mask.of(scene.sky)
        self._lit: Picture | None = None
        self._light_number = -1
        self._backdrop_number = -1
        self._brightness = 1.0
        self._dimmed: dict[int, Sprite] = {}
        self._touched: list[Box] = []
        self._backdrop: Picture | None = None
        self._picture: Picture | None = None

    def paint(self, moment: datetime, number: int) -> Picture:
        """The scene at a local time, with that number in its counter. The picture is good until the next call."""
        second = moment.hour * 3600 + moment.minute * 60 + moment.second + moment.microsecond / 1e6
        backdrop = self._prepare_backdrop(second)
        if self._picture is None:
            self._picture = backdrop.copy()
        picture = self._picture
        for box in self._touched:
            picture.restore(box, backdrop)
        self._touched = [self._blit(picture, actor, second) for actor in self._scene.actors if not actor.is_background]
        self._touched.append(captions.write_top_right(picture, self._name))
        clock = f"{moment:%Y-%m-%d  %H:%M:%S}.{moment.microsecond // 1000:03d}"
        self._touched.append(captions.write_bottom_left(picture, clock))
        if self._has_counter:
            self._draw_counter(picture, number)
        return picture

    def _prepare_backdrop(self, second: float) -> Picture:
        number = int(second // _CLOUDS_EVERY_S)
        if self._backdrop is not None and number == self._backdrop_number:
            return self._backdrop
        light_number = int(second // _LIGHT_EVERY_S)
        if self._lit is None or light_number != self._light_number:
            self._light_number = light_number
            self._relight(daylight(second / 3600))
        assert self._lit is not None  # set just above
        self._backdrop_number = number
        self._backdrop = self._lit.copy()
        for actor in self._scene.actors:
            if actor.is_background:
                self._blit(self._backdrop, actor, second, self._sky)
        if self._picture is not None:
            self._touched = [(0, self._picture.height, 0, self._picture.width)]
        return self._backdrop

    def _relight(self, light: Daylight) -> None:
        self._lit = self._scene.lit(light)
        brightness = 1.0 if self._scene.is_indoors else round(sum(light.ambient) / 3, 2)
        if brightness != self._brightness:
            self._brightness = brightness
            self._dimmed.clear()

    def _blit(self, picture: Picture, actor: Actor, second: float, mask: Mask | None = None) -> Box:
        place = actor.move(second)
        if place is None:
            return 0, 0, 0, 0
        x, y, number = place
        sprite = actor.sprites[number] if actor.is_lamp else self._in_this_light(actor.sprites[number])
        return picture.blit(sprite, x * self._scene.scale, y * self._scene.scale, mask)

    def _in_this_light(self, sprite: Sprite) -> Sprite:
        if self._brightness == 1.0:
            return sprite
        known = self._dimmed.get(id(sprite))
        if known is None:
            known = self._dimmed[id(sprite)] = sprite.dimmed(self._brightness)
        return known

    @staticmethod
    def _draw_counter(picture: Picture, number: int) -> None:
        counter.draw(picture.luma, number)
        size = counter.cell_size(picture.width)
        box = (slice(0, counter.ROWS * size // 2), slice(0, counter.COLUMNS * size // 2))
        picture.cb[box] = _GREY
        picture.cr[box] = _GREY
