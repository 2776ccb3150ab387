from datetime import timedelta

import pytest

from incamera.devices.errors import InvalidKeep, InvalidTimeZone, KeepOutOfRange
from incamera.devices.model import (
    Condition,
    Placement,
    PrivacyCard,
    check_keep,
    check_time_zone,
    device_condition,
    parse_keep,
    render_keep,
)
from incamera.protocol.messages import CameraFault, CameraState

PUBLIC = PrivacyCard("shop", Placement.OUTDOOR, True, True, False)


@pytest.mark.parametrize(("text", "hours"), [("P1D", 24), ("P30D", 720), ("PT6H", 6), ("PT36H", 36)])
def test_keeping_times_read_back_as_written(text: str, hours: int) -> None:
    assert parse_keep(text) == timedelta(hours=hours)
    assert parse_keep(render_keep(parse_keep(text))) == parse_keep(text)


@pytest.mark.parametrize("text", ["", "P", "PT", "P0D", "P1.5D", "P-1D", "P1W", "1D", "P1DT1H", "p1d", "P٣D"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(InvalidKeep):
        parse_keep(text)


def test_the_card_sets_the_ceiling() -> None:
    assert check_keep(timedelta(days=30), None) == timedelta(days=30)
    with pytest.raises(KeepOutOfRange):
        check_keep(timedelta(days=4), PUBLIC)


@pytest.mark.req("B3-05")
def test_time_zones_are_names_of_places() -> None:
    assert check_time_zone("Europe/Paris") == "Europe/Paris"
    for name in ("", "Europe/Nowhere", "../etc/passwd", "localtime", "europe/paris", "+02:00"):
        with pytest.raises(InvalidTimeZone):
            check_time_zone(name)


def test_a_device_is_as_well_as_its_best_channel() -> None:
    def conditions(*codes: CameraState) -> list[Condition]:
        return [Condition(code, CameraFault.NONE, None) for code in codes]

    assert device_condition(conditions(CameraState.OFFLINE, CameraState.ONLINE)).code is CameraState.ONLINE
    assert device_condition(conditions(CameraState.OFF, CameraState.OFFLINE)).code is CameraState.OFFLINE
    assert device_condition([]).code is CameraState.OFF
