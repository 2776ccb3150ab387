"""The rule for slow viewers, as arithmetic."""

from incamera.streams.media_socket import MAX_LAG_S, LagMeter


def test_a_line_that_keeps_up_has_no_lag() -> None:
    meter = LagMeter()

    assert [meter.note(0, 100, now) for now in (0.0, 5.0, 10.0)] == [0.0, 0.0, 0.0]


def test_lag_is_the_age_of_the_oldest_unsent_frame() -> None:
    meter = LagMeter()
    for number in range(4):
        meter.note(100 * number, 100, float(number) / 2)

    assert meter.lag_s(400, 1.6) == 1.6
    assert round(meter.lag_s(250, 1.6), 6) == 1.1, "the first is gone, half of the second too"
    assert round(meter.lag_s(100, 1.6), 6) == 0.1
    assert meter.lag_s(0, 9.0) == 0.0


def test_a_frame_that_was_not_sent_is_not_counted() -> None:
    meter = LagMeter()
    meter.note(1000, 100, 0.0)

    assert meter.note(1100, 100, MAX_LAG_S + 1) > MAX_LAG_S
    assert meter.lag_s(100, MAX_LAG_S + 1) > MAX_LAG_S
    assert meter.lag_s(0, MAX_LAG_S + 1) == 0.0


def test_a_burst_never_counts_itself_but_what_waits_behind_it_does() -> None:
    meter = LagMeter()
    meter.exempt(0, 1_000_000)

    assert meter.lag_s(900_000, 60.0) == 0.0
    meter.note(900_000, 100, 60.0)
    assert meter.lag_s(900_100, 61.5) == 1.5
    assert meter.lag_s(100, 61.5) == 1.5, "the burst has left, the frame has not"
