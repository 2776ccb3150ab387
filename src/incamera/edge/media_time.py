"""Wall times of pictures, and sound kept in step with them (design: `docs/design/time.md`).

Arrival times jitter with the network and with the camera's own buffering; decode times do not, but follow a clock that
drifts. So a picture's wall time is predicted from the decode time and drawn towards its arrival. A picture that came
early shows at once that the prediction is late. One that came late shows nothing, for it may have waited on its way:
only when all pictures of a second came late, the least late of them counts.
"""

from dataclasses import dataclass
from typing import Final

_FIRM: Final = 4  # a picture that came early moves the estimate by 1/4: it cannot have come before it was taken
_GENTLE: Final = 3  # the least late one of a second moves it by 1/3 of its lateness
_LATENESS_S: Final = 1.0
_JUMP_US: Final = 1_000_000


class PictureClock:
    """Wall times, in microseconds, of the samples of one track in one run; strictly increasing.

    They follow the arrivals within a second, so none lies further in the future than that. Where the server's clock was
    set back they go back with it, else a day would pass in one microsecond per picture.
    """

    def __init__(self, timescale: int) -> None:
        self._timescale = timescale
        self._decode_time = 0
        self._wall_us: int | None = None
        self._least_late_us = _JUMP_US  # since _judged_at
        self._judged_at = 0  # decode time

    def wall_us(self, decode_time: int, arrival_us: int) -> int:
        """Wall time of the sample with this decode time, whose last byte came at `arrival_us`."""
        previous = self._wall_us
        if previous is None:
            wall_us = arrival_us
        else:
            step_us = (decode_time - self._decode_time) * 1_000_000 // self._timescale
            wall_us = in_order(previous, self._draw(previous + step_us, arrival_us, decode_time))
        self._decode_time, self._wall_us = decode_time, wall_us
        return wall_us

    def _draw(self, predicted_us: int, arrival_us: int, decode_time: int) -> int:
        late_us = arrival_us - predicted_us
        self._least_late_us = min(self._least_late_us, max(0, late_us))
        if abs(late_us) > _JUMP_US:
            self._least_late_us, self._judged_at = _JUMP_US, decode_time
            return arrival_us
        if late_us < 0:
            return predicted_us + late_us // _FIRM
        if decode_time - self._judged_at >= _LATENESS_S * self._timescale:
            predicted_us += self._least_late_us // _GENTLE
            self._least_late_us, self._judged_at = _JUMP_US, decode_time
        return predicted_us

    def at(self, decode_s: float) -> int:
        """Wall time of another track's moment on the same time line, as the newest picture tells it."""
        assert self._wall_us is not None, "a run begins with a picture"
        return self._wall_us + round((decode_s - self._decode_time / self._timescale) * 1_000_000)


def in_order(previous_us: int, wall_us: int) -> int:
    """The wall time of the next sample: later than the one before it, unless the clock was set back."""
    return wall_us if wall_us < previous_us - _JUMP_US else max(previous_us + 1, wall_us)


_TOLERATED_DRIFT_S: Final = 0.020  # half of what people may meet: the player has the other half
_GOOD_ENOUGH_S: Final = 0.005
_LARGEST_STEP: Final = 0.02  # of a frame's duration: inaudible, and the picture never waits for the sound


@dataclass(frozen=True, slots=True)
class TrackPoint:
    """A moment of one track on the camera's clock, from an RTCP sender report."""

    decode_s: float  # on the run's time line, where the track's own offset is already applied
    camera_s: float


class SoundAligner:
    """How far sound must move, in seconds, to stay with the picture: by tiny steps of its decode times only.

    What is known before the first frame is applied at once: nobody has heard anything yet.
    """

    def __init__(self) -> None:
        self._has_begun = False
        self._missing_s = 0.0
        self._is_correcting = False
        self._shift_s = 0.0

    def observe(self, picture: TrackPoint, sound: TrackPoint) -> None:
        """Compares both tracks' latest sender reports: equal camera times must have equal decode times."""
        where_it_is = sound.decode_s + self._shift_s
        where_it_belongs = picture.decode_s + (sound.camera_s - picture.camera_s)
        self._missing_s = where_it_belongs - where_it_is
        if not self._has_begun:
            self._shift_s, self._missing_s = self._shift_s + self._missing_s, 0.0
        if abs(self._missing_s) > _TOLERATED_DRIFT_S:
            self._is_correcting = True

    def step(self, frame_duration_s: float) -> float:
        """To be called once per frame of sound; the total shift in seconds from this frame on."""
        self._has_begun = True
        if self._is_correcting:
            largest = frame_duration_s * _LARGEST_STEP
            step = max(-largest, min(largest, self._missing_s))
            self._shift_s += step
            self._missing_s -= step
            self._is_correcting = abs(self._missing_s) > _GOOD_ENOUGH_S
        return self._shift_s
