"""The tick of every second, where it belongs, through both codecs."""

import av
import numpy as np
import pytest

from incamera.edge.simulated.encoder import SoundEncoder
from incamera.edge.simulated.sound import TICK_HZ, TICK_S, Ambience


def tick_strength(sound: np.ndarray, rate: int) -> float:
    """How much of the tick's tone there is."""
    at = np.arange(len(sound)) / rate
    return float(np.abs(np.mean(sound * np.exp(-2j * np.pi * TICK_HZ * at))))


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_a_tick_begins_each_full_second(rate: int) -> None:
    sound = Ambience(rate).samples(5 * rate, rate)
    length = int(TICK_S * rate)

    assert tick_strength(sound[:length], rate) > 8 * tick_strength(sound[length * 4 : length * 5], rate)


def test_sound_is_endless_and_without_seams() -> None:
    ambience = Ambience(8000)

    whole = ambience.samples(0, 160_000)
    pieces = np.concatenate([ambience.samples(first, 320) for first in range(0, 160_000, 320)])

    assert np.array_equal(whole, pieces)
    assert np.abs(whole).max() < 0.6
    assert np.abs(np.diff(whole)).max() < 0.3


@pytest.mark.parametrize("codec", ["aac", "alaw"])
def test_both_codecs_decode_to_the_same_sound(codec: str) -> None:
    encoder = SoundEncoder(codec)
    rate, frame = encoder.sample_rate, encoder.frame_samples
    ambience = Ambience(rate)
    units = [unit for tick in range(40) for unit in encoder.encode(ambience.samples(tick * frame, frame), tick * frame)]

    decoder = av.CodecContext.create("aac" if codec == "aac" else "pcm_alaw", "r")
    decoder.sample_rate, decoder.layout = rate, "mono"
    if codec == "aac":
        decoder.extradata = encoder.config
    decoded = np.concatenate([f.to_ndarray().ravel() for _, unit in units for f in decoder.decode(av.Packet(unit))])
    if decoded.dtype == np.int16:
        decoded = decoded / 32768

    first = units[0][0]
    original = ambience.samples(0, first + len(decoded))[max(0, first) :]
    overlap = min(len(original), len(decoded)) - 2048
    start = max(0, -first)
    assert np.corrcoef(original[:overlap], decoded[start : start + overlap])[0, 1] > 0.9
