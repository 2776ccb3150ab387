"""What the scenes sound like: wind, birds, and a tick at every full second that tests can find."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

TICK_HZ: Final = 1000.0
TICK_S: Final = 0.06
_TICK_LEVEL: Final = 0.18
_LOOP_S: Final = 8
_WIND_LEVEL: Final = 0.035

Sound = NDArray[np.float32]


class Ambience:
    """Endless sound at one sample rate: a loop of wind and birds, and the tick, placed by wall time."""

    def __init__(self, sample_rate: int, seed: int = 7) -> None:
        self._sample_rate = sample_rate
        self._loop = _wind(sample_rate, seed) + _birds(sample_rate, seed)
        at = np.arange(int(TICK_S * sample_rate)) / sample_rate
        fade = np.minimum(1, np.minimum(at, TICK_S - at) / 0.006)
        self._tick = (np.sin(2 * np.pi * TICK_HZ * at) * fade * _TICK_LEVEL).astype(np.float32)

    def samples(self, first: int, count: int) -> Sound:
        """`count` samples from the one that many samples after the epoch."""
        positions = np.arange(first, first + count)
        sound: Sound = self._loop[positions % len(self._loop)].copy()
        in_second = positions % self._sample_rate
        is_tick = in_second < len(self._tick)
        sound[is_tick] += self._tick[in_second[is_tick]]
        return sound


def _wind(sample_rate: int, seed: int) -> Sound:
    """Noise without its high part, swelling and ebbing; its spectrum makes the loop seamless."""
    random = np.random.default_rng(seed)
    count = _LOOP_S * sample_rate
    frequency = np.fft.rfftfreq(count, 1 / sample_rate)
    shape = 1 / (1 + (frequency / 320) ** 2) * (frequency > 40)
    spectrum = np.fft.rfft(random.normal(0, 1, count)) * shape
    noise = np.fft.irfft(spectrum, count)
    swell = 0.7 + 0.3 * np.sin(2 * np.pi * np.arange(count) / count * 2)
    wind: Sound = (noise / np.abs(noise).max() * swell * _WIND_LEVEL * 3).astype(np.float32)
    return wind


def _birds(sample_rate: int, seed: int) -> Sound:
    """A few short falling whistles."""
    random = np.random.default_rng(seed + 1)
    sound = np.zeros(_LOOP_S * sample_rate, np.float32)
    for start_s in (1.35, 1.6, 1.8, 5.3, 5.48):
        length_s = 0.11
        at = np.arange(int(length_s * sample_rate)) / sample_rate
        pitch = random.uniform(2300, 2900) + 500 * np.cos(at / length_s * np.pi)
        chirp = np.sin(2 * np.pi * np.cumsum(pitch) / sample_rate) * np.sin(at / length_s * np.pi) * 0.05
        first = int(start_s * sample_rate)
        sound[first : first + len(chirp)] += chirp.astype(np.float32)
    return sound
