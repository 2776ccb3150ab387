from datetime import timedelta

import pytest

from incamera.accounts.errors import InvalidCountry, InvalidEmail
from incamera.accounts.model import (
    Attempt,
    AttemptResult,
    EmailAddress,
    parse_country,
    parse_terminal,
    session_ends_at,
    wait_before_attempt,
)
from tests.support.clock import NOON


@pytest.mark.parametrize("text", ["a@b.fr", " zoé@exämple.org ", "x+y.z@sub.example.co.uk", "o'k@b.fr"])
def test_addresses_of_mailboxes_are_taken(text: str) -> None:
    assert EmailAddress.parse(text).value == text.strip()


@pytest.mark.parametrize(
    "text", ["", "a", "a@b", "@b.fr", "a@@b.fr", "a b@c.fr", "a@b.fr\nBcc: x@y.fr", "a" * 250 + "@b.fr"]
)
def test_what_is_no_mailbox_is_refused(text: str) -> None:
    with pytest.raises(InvalidEmail):
        EmailAddress.parse(text)


def test_one_mailbox_has_one_key() -> None:
    assert EmailAddress.parse("ZOE\u0301@Example.org").key == EmailAddress.parse("zoé@example.ORG").key
    assert EmailAddress.parse("zoe@example.org").key != EmailAddress.parse("zoé@example.org").key, "G-06: look-alikes"


def test_countries_are_those_that_exist() -> None:
    assert parse_country(" fr ") == "FR"
    for text in ("", "XX", "FRA", "F", "12"):
        with pytest.raises(InvalidCountry):
            parse_country(text)


@pytest.mark.req("B2-01")
@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Mobile/15E148", ("iOS", "phone")),
        ("Mozilla/5.0 (iPad; CPU OS 19_0 like Mac OS X)", ("iPadOS", "tablet")),
        ("Mozilla/5.0 (Linux; Android 16; SM-X910)", ("Android", "tablet")),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64)", ("Windows", "computer")),
        ("Mozilla/5.0 (X11; CrOS x86_64)", ("ChromeOS", "computer")),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)", ("macOS", "computer")),
        ("curl/8", ("other", "other")),
        ("", ("other", "other")),
        ("x" * 100_000 + "android", ("other", "other")),
    ],
)
def test_a_user_agent_is_reduced_to_a_class(agent: str, expected: tuple[str, str]) -> None:
    terminal = parse_terminal(agent)
    assert (terminal.os_family, terminal.model_class) == expected


def test_a_session_ends_by_its_length_or_by_rest() -> None:
    hour = timedelta(hours=1)
    assert session_ends_at(NOON, NOON, is_remembered=False) == NOON + 4 * hour
    assert session_ends_at(NOON, NOON + 11 * hour, is_remembered=False) == NOON + 12 * hour
    assert session_ends_at(NOON, NOON + 20 * 24 * hour, is_remembered=True) == NOON + 30 * 24 * hour


def tries(count: int, *, account: bool, address: bool, result: AttemptResult = AttemptResult.REFUSED) -> list[Attempt]:
    return [Attempt(NOON - timedelta(seconds=count - n), account, address, result) for n in range(1, count + 1)]


@pytest.mark.req("B2-04")
@pytest.mark.parametrize(
    ("attempts", "least_s", "most_s"),
    [
        (tries(4, account=True, address=True), 0, 0),
        (tries(5, account=True, address=True), 1, 2),
        (tries(8, account=True, address=True), 15, 16),
        (tries(60, account=True, address=True), 890, 900),
        (tries(4, account=True, address=True, result=AttemptResult.STARTED), 0, 0),
        (tries(9, account=True, address=True, result=AttemptResult.STARTED), 30, 32),
        (tries(60, account=True, address=True, result=AttemptResult.NOT_JUDGED), 0, 0),
        (tries(20, account=False, address=True), 0, 0),
        (tries(26, account=False, address=True), 60, 64),  # one address, many accounts
        (tries(50, account=True, address=False), 0, 0),
        (tries(90, account=True, address=False), 29, 30),  # many addresses, one account: the owner is not locked out
    ],
)
def test_waiting_grows_with_failures(attempts: list[Attempt], least_s: int, most_s: int) -> None:
    assert least_s <= wait_before_attempt(attempts, NOON).total_seconds() <= most_s


def test_a_success_and_an_hour_forgive() -> None:
    failures = tries(10, account=True, address=True)
    success = Attempt(NOON, True, True, AttemptResult.SIGNED_IN)

    assert wait_before_attempt([*failures, success], NOON) == timedelta(0)
    assert wait_before_attempt(failures, NOON + timedelta(hours=1)) == timedelta(0)
