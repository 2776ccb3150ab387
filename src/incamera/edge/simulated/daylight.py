"""The light of the hour: colour of the sky, strength of the ambient light, and how far lamps are seen."""

from dataclasses import dataclass
from typing import Final

from incamera.edge.simulated.drawing import Colour, rgb


@dataclass(frozen=True, slots=True)
class Daylight:
    """What the sky does at one moment."""

    hour: float
    zenith: Colour
    horizon: Colour
    ambient: Colour  # what a white wall shows of red, green and blue, 0 to 1
    night: float  # 0 by day, 1 when lamps light everything


# A camera's gain keeps the night brighter than the eye sees it.
_NIGHT: Final = (rgb(0x101B38), rgb(0x2A3D66), (0.36, 0.42, 0.58), 1.0)
_LATE: Final = (rgb(0x16244A), rgb(0x3A4A70), (0.40, 0.46, 0.60), 1.0)
_DAY: Final = (rgb(0x3D86D2), rgb(0xC6E4F6), (1.0, 1.0, 0.98), 0.0)
_HOURS: Final = (
    Daylight(0.0, *_NIGHT),
    Daylight(5.5, *_LATE),
    Daylight(6.5, rgb(0x4C6AA6), rgb(0xF0B48C), (0.80, 0.74, 0.74), 0.4),
    Daylight(7.3, rgb(0x4E88CC), rgb(0xF6DDB8), (0.96, 0.93, 0.88), 0.0),
    Daylight(9.5, *_DAY),
    Daylight(16.5, *_DAY),
    Daylight(18.8, rgb(0x4A78BA), rgb(0xF7CF9A), (0.98, 0.88, 0.76), 0.0),
    Daylight(20.0, rgb(0x3B4B86), rgb(0xE88F66), (0.74, 0.64, 0.66), 0.5),
    Daylight(21.2, *_LATE),
    Daylight(24.0, *_NIGHT),
)


def daylight(hour: float) -> Daylight:
    """The light at an hour of the day; the table's moments, mixed."""
    hour %= 24
    after = next(number for number, moment in enumerate(_HOURS) if moment.hour > hour)
    first, second = _HOURS[after - 1], _HOURS[after]
    share = (hour - first.hour) / (second.hour - first.hour)
    return Daylight(
        hour,
        _between(first.zenith, second.zenith, share),
        _between(first.horizon, second.horizon, share),
        _between(first.ambient, second.ambient, share),
        first.night * (1 - share) + second.night * share,
    )


def _between(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (a * (1 - share) + b * share for a, b in zip(first, second, strict=True))
    return red, green, blue
