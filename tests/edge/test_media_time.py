"""Wall times, sound in step, the server's clock, back-off: pure rules."""

import itertools
import random

import pytest

from incamera.edge.backoff import Backoff
from incamera.edge.media_time import PictureClock, SoundAligner, TrackPoint
from incamera.edge.server_clock import ServerClock

PICTURE = 3600


class HandClock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.monotonic_s = 100.0
        self.wall_us = 1_700_000_000_000_000

    def monotonic(self) -> float:
        return self.monotonic_s

    def now_us(self) -> int:
        return self.wall_us


def test_arrivals_that_jitter_give_steady_wall_times() -> None:
    jitter = random.Random(7)
    clock = PictureClock(90_000)
    times = [
        clock.wall_us(number * PICTURE, 1_000_000 + number * 40_000 + jitter.randrange(60_000)) for number in range(500)
    ]

    steps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(25_000 < step < 55_000 for step in steps), "arrivals are up to 60 ms apart from where they belong"
    assert abs(times[-1] - (1_000_000 + 499 * 40_000)) < 60_000


def test_a_drifting_camera_clock_is_followed() -> None:
    clock = PictureClock(90_000)
    for number in range(20_000):
        arrival_us = round(number * 40_000 * 1.0005)
        wall_us = clock.wall_us(number * PICTURE, arrival_us)
    assert abs(wall_us - arrival_us) < 5_000


def test_a_burst_of_old_pictures_never_runs_ahead_for_long_and_time_never_goes_back() -> None:
    clock = PictureClock(90_000)
    times = [clock.wall_us(number * PICTURE, 1_000_000) for number in range(50)]
    times += [clock.wall_us(number * PICTURE, 1_000_000 + (number - 49) * 40_000) for number in range(50, 150)]

    assert all(later > earlier for earlier, later in itertools.pairwise(times))
    assert times[-1] - (1_000_000 + 100 * 40_000) < 50_000


def test_small_drift_of_sound_is_left_alone() -> None:
    aligner = SoundAligner()
    assert aligner.step(0.064) == 0.0
    aligner.observe(TrackPoint(10.0, 500.0), TrackPoint(10.015, 500.0))
    assert aligner.step(0.064) == 0.0


def test_sound_that_nobody_heard_yet_is_put_where_it_belongs() -> None:
    aligner = SoundAligner()
    aligner.observe(TrackPoint(10.0, 500.0), TrackPoint(10.3, 500.0))
    assert aligner.step(0.064) == pytest.approx(-0.3)
    assert aligner.step(0.064) == pytest.approx(-0.3)


@pytest.mark.parametrize("late_s", [0.3, -0.3])
def test_larger_drift_goes_by_tiny_steps(late_s: float) -> None:
    aligner = SoundAligner()
    aligner.step(0.064)
    aligner.observe(TrackPoint(10.0, 500.0), TrackPoint(10.0 + late_s, 500.0))

    shifts = [aligner.step(0.064) for _ in range(400)]

    assert max(abs(later - earlier) for earlier, later in itertools.pairwise(shifts)) <= 0.064 * 0.02 + 1e-9
    assert shifts[-1] == pytest.approx(-late_s, abs=0.006)


def test_the_shortest_round_trip_counts() -> None:
    clock = HandClock()
    server = ServerClock(clock)  # type: ignore[arg-type]
    offset_us = 5_000_000_000_000
    for round_trip_s in (0.5, 0.02, 0.9):
        sent_us = server.monotonic_us()
        clock.monotonic_s += round_trip_s
        middle_us = sent_us + int(round_trip_s * 1_000_000 * 0.9)  # a line that is slow one way
        server.observe(sent_us, middle_us + offset_us)

    assert abs(server.wall_us(0.0) - offset_us) <= 9_000


def test_before_the_first_answer_the_machines_own_clock_stands_in() -> None:
    clock = HandClock()
    assert ServerClock(clock).wall_us(clock.monotonic_s + 1.5) == clock.wall_us + 1_500_000  # type: ignore[arg-type]


def test_delays_grow_to_a_bound_with_full_jitter() -> None:
    backoff = Backoff(first_s=0.5, longest_s=10.0, uniform=lambda low, high: high)
    assert [backoff.next_delay_s() for _ in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    backoff.reset()
    assert backoff.next_delay_s() == 0.5
    spread = [Backoff(first_s=8.0).next_delay_s() for _ in range(200)]
    assert max(spread) - min(spread) > 5.0


def test_a_server_whose_clock_is_set_back_is_followed_and_no_picture_stands_still() -> None:
    clock = PictureClock(90_000)
    day_us = 86_400_000_000
    times = [clock.wall_us(number * PICTURE, 2 * day_us + number * 40_000) for number in range(50)]
    times += [clock.wall_us(number * PICTURE, day_us + number * 40_000) for number in range(50, 100)]

    assert times[50] == day_us + 50 * 40_000
    assert all(39_000 < later - earlier < 41_000 for earlier, later in itertools.pairwise(times[50:]))


@pytest.mark.parametrize("step_s", [-86_400, -3600, 3600, 86_400])
def test_a_step_of_the_servers_clock_counts_from_the_next_answer_on(step_s: int) -> None:
    clock = HandClock()
    server = ServerClock(clock)  # type: ignore[arg-type]
    for _ in range(8):
        sent_us = server.monotonic_us()
        clock.monotonic_s += 0.001
        server.observe(sent_us, clock.wall_us)

    sent_us = server.monotonic_us()
    clock.monotonic_s += 0.2  # the slowest of all round trips
    server.observe(sent_us, clock.wall_us + step_s * 1_000_000)

    assert abs(server.now_us() - clock.wall_us - step_s * 1_000_000) <= 200_000


@pytest.mark.parametrize("together", [1, 3, 5, 13])
def test_pictures_that_are_read_together_keep_their_own_times(together: int) -> None:
    clock = PictureClock(90_000)
    taken = [1_000_000 + number * 40_000 for number in range(2_000)]
    read = [taken[min(len(taken) - 1, number // together * together + together - 1)] for number in range(len(taken))]

    times = [clock.wall_us(number * PICTURE, arrival_us) for number, arrival_us in enumerate(read)]

    errors = [time - right for time, right in zip(times[200:], taken[200:], strict=True)]
    assert max(map(abs, errors)) < 5_000, "as if each had been read when it came"
