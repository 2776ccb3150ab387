"""Tickets by themselves, with a clock that moves."""

from datetime import timedelta

import pytest

from incamera.access import Access, GrantRevoked, OwnershipEnded, Permission
from incamera.accounts import AccountId, Actor, SessionEnd, SessionEnded, SessionId
from incamera.devices import DeviceRemoved
from incamera.kit.events import EventBus
from incamera.kit.ids import new_id
from incamera.live import Audience, Ticket, TicketInvalid, TicketOffice, TooManyTickets, tickets
from incamera.protocol.messages import StreamKind
from tests.support.clock import NOON, MovableClock


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def events() -> EventBus:
    return EventBus()


@pytest.fixture
def office(clock: MovableClock, events: EventBus) -> TicketOffice:
    return TicketOffice(clock, events)


def a_ticket() -> Ticket:
    actor = Actor(AccountId(new_id()), SessionId(new_id()), NOON + timedelta(hours=1))
    view = Permission.VIEW_LIVE
    access = Access(new_id(), new_id(), 1, frozenset({view}), False, None, None, view)
    return Ticket(Audience.LIVE, actor, (access,), (StreamKind.MAIN,))


def test_a_ticket_lasts_a_minute(office: TicketOffice, clock: MovableClock) -> None:
    early, late = office.issue(a_ticket()), office.issue(a_ticket())

    clock.move(seconds=59)
    assert office.redeem(early, Audience.LIVE).streams == (StreamKind.MAIN,)
    clock.move(seconds=2)
    with pytest.raises(TicketInvalid):
        office.redeem(late, Audience.LIVE)


def test_a_ticket_shown_at_the_wrong_socket_is_spent(office: TicketOffice) -> None:
    word = office.issue(a_ticket())

    for audience in (Audience.PLAYBACK, Audience.LIVE):
        with pytest.raises(TicketInvalid):
            office.redeem(word, audience)


def test_unused_tickets_of_one_account_are_limited(
    office: TicketOffice, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets, "MAX_UNUSED_PER_ACCOUNT", 2)
    ticket = a_ticket()
    words = [office.issue(ticket) for _ in range(2)]

    with pytest.raises(TooManyTickets):
        office.issue(ticket)
    office.issue(a_ticket())  # another account
    office.redeem(words[0], Audience.LIVE)
    office.issue(ticket)
    clock.move(seconds=61)
    assert [office.issue(ticket) for _ in range(2)], "expired ones do not count"


@pytest.mark.parametrize("ending", ["session", "grant", "ownership", "removal"])
def test_a_right_that_ends_tears_up_its_tickets(office: TicketOffice, events: EventBus, ending: str) -> None:
    ticket, other = a_ticket(), a_ticket()
    word, kept = office.issue(ticket), office.issue(other)
    actor = ticket.actor

    events.publish(
        {
            "session": SessionEnded(actor.account_id, actor.session_id, SessionEnd.SIGNED_OUT),
            "grant": GrantRevoked(ticket.device_id, actor.account_id),
            "ownership": OwnershipEnded(ticket.device_id, 1),
            "removal": DeviceRemoved(ticket.device_id, (ticket.channel_id,)),
        }[ending]
    )

    with pytest.raises(TicketInvalid):
        office.redeem(word, Audience.LIVE)
    assert office.redeem(kept, Audience.LIVE) is other
