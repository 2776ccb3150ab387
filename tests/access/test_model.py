"""The decision of the doors, without a database."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from incamera.access.model import EVERYTHING, Access, Grant, Guarded, Permission, WeeklyHours, decide
from incamera.kit.ids import new_id

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)  # Tuesday, 13:00 in Paris
OWNER, FRIEND, STRANGER = new_id(), new_id(), new_id()
DEVICE, DOOR, GARDEN = new_id(), new_id(), new_id()
WATCH = frozenset({Permission.VIEW_LIVE})


def a_grant(**changes: object) -> Grant:
    fields: dict[str, object] = {
        "id": new_id(),
        "device_id": DEVICE,
        "epoch": 1,
        "grantee_id": FRIEND,
        "permissions": WATCH,
        "channels": None,
        "hours": None,
        "starts_at": NOW - timedelta(days=1),
        "ends_at": None,
        "look_back": None,
    }
    return Grant(**(fields | changes))  # type: ignore[arg-type]


def ask(
    *grants: Grant,
    account: UUID = FRIEND,
    permission: Permission | None = Permission.VIEW_LIVE,
    channel: UUID | None = DOOR,
    now: datetime = NOW,
    suspended: bool = False,
    also_suspended: bool = False,
) -> Access | None:
    guarded = Guarded(DEVICE, 1, OWNER, PARIS, suspended, tuple(grants))
    return decide(guarded, account, permission, channel, now, also_suspended=also_suspended)


def test_the_owner_may_everything() -> None:
    for permission in Permission:
        access = ask(account=OWNER, permission=permission)
        assert access is not None
        assert (access.permissions, access.until, access.is_owner) == (EVERYTHING, None, True)


def test_a_stranger_may_nothing() -> None:
    assert all(ask(account=STRANGER, permission=permission) is None for permission in (None, *Permission))


@pytest.mark.req("B9-02")
def test_a_grant_allows_what_it_names_and_no_more() -> None:
    for granted in Permission:
        for asked in Permission:
            access = ask(a_grant(permissions=frozenset({granted})), permission=asked)
            assert (access is not None) == (granted is asked)


def test_a_grant_for_one_channel_opens_that_one_and_not_the_device() -> None:
    grant = a_grant(channels=frozenset({DOOR}), permissions=frozenset({Permission.VIEW_LIVE, Permission.CONFIGURE}))

    assert ask(grant, channel=DOOR) is not None
    assert ask(grant, channel=GARDEN) is None
    assert ask(grant, channel=None, permission=Permission.CONFIGURE) is None
    known = ask(grant, channel=None, permission=None)
    assert known is not None
    assert known.channels == {DOOR}


def test_a_grant_holds_from_its_start_to_its_end() -> None:
    ends = NOW + timedelta(hours=1)
    access = ask(a_grant(ends_at=ends))

    assert access is not None
    assert access.until == ends
    assert ask(a_grant(ends_at=NOW)) is None
    assert ask(a_grant(starts_at=NOW + timedelta(seconds=1))) is None


def test_a_grant_of_a_former_owner_is_nothing() -> None:
    assert ask(a_grant(epoch=0)) is None


def test_the_widest_of_several_grants_counts() -> None:
    short = a_grant(ends_at=NOW + timedelta(hours=1), look_back=timedelta(days=1))
    wide = a_grant(ends_at=NOW + timedelta(hours=9), look_back=timedelta(days=2))

    access = ask(short, wide)
    assert access is not None
    assert (access.until, access.look_back) == (NOW + timedelta(hours=9), timedelta(days=2))
    unlimited = ask(short, wide, a_grant())
    assert unlimited is not None
    assert (unlimited.until, unlimited.look_back) == (None, None)


def test_a_suspended_device_is_closed_to_all_but_its_owner_who_asks_for_it() -> None:
    assert ask(a_grant(), suspended=True) is None
    assert ask(a_grant(), suspended=True, also_suspended=True) is None
    assert ask(account=OWNER, suspended=True) is None
    assert ask(account=OWNER, suspended=True, also_suspended=True) is not None


def hours(days: set[int], opens: str, closes: str) -> WeeklyHours:
    def minute(text: str) -> int:
        return int(text[:2]) * 60 + int(text[3:])

    return WeeklyHours(frozenset(days), minute(opens), minute(closes))


@pytest.mark.parametrize(
    ("window", "now", "until"),
    [
        (hours({1}, "09:00", "17:00"), "2026-11-24T12:00Z", "2026-11-24T16:00Z"),
        (hours({1}, "09:00", "13:00"), "2026-11-24T12:00Z", None),  # 13:00 in Paris: just closed
        (hours({0, 2}, "00:00", "24:00"), "2026-11-24T12:00Z", None),
        (hours({0}, "22:00", "06:00"), "2026-11-24T04:00Z", "2026-11-24T05:00Z"),  # Monday's night reaches Tuesday
        (hours({1}, "22:00", "06:00"), "2026-11-24T04:00Z", None),
        (hours({1}, "00:00", "24:00"), "2026-11-23T23:30Z", "2026-11-24T23:00Z"),  # Tuesday already, in Paris
        (hours({6}, "01:00", "04:00"), "2026-03-29T01:30Z", "2026-03-29T02:00Z"),  # the hour of summer time is missing
        (hours({6}, "01:00", "04:00"), "2026-10-25T02:30Z", "2026-10-25T03:00Z"),  # and comes twice in autumn
    ],
)
def test_hours_are_those_of_the_place(window: WeeklyHours, now: str, until: str | None) -> None:
    expected = None if until is None else datetime.fromisoformat(until)

    assert window.open_until(datetime.fromisoformat(now), PARIS) == expected
    access = ask(a_grant(hours=window), now=datetime.fromisoformat(now))
    if access is not None and a_grant().starts_at <= datetime.fromisoformat(now):
        assert access.until == expected


@pytest.mark.parametrize(("days", "opens", "closes"), [(set(), 0, 10), ({7}, 0, 10), ({1}, 0, 0), ({1}, 1440, 10)])
def test_hours_that_cannot_be_are_refused(days: set[int], opens: int, closes: int) -> None:
    with pytest.raises(ValueError, match=r"hours|weekdays"):
        WeeklyHours(frozenset(days), opens, closes)
