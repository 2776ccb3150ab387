"""Who somebody is here: values and pure rules of accounts and sessions."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final, NewType, Self
from uuid import UUID

from incamera.accounts.errors import InvalidCountry, InvalidEmail

AccountId = NewType("AccountId", UUID)
SessionId = NewType("SessionId", UUID)

# A session that is not remembered ends with the browser and after 12 h at the latest; both kinds end earlier when
# nobody used them (K.session_cookie, requirement book 7.4). A page that is open counts as use.
SESSION_LENGTH: Final = timedelta(hours=12)
SESSION_IDLE: Final = timedelta(hours=4)
REMEMBERED_LENGTH: Final = timedelta(days=30)
REMEMBERED_IDLE: Final = timedelta(days=14)
SETUP_LINK_LENGTH: Final = timedelta(hours=24)
LANGUAGES: Final = ("fr", "en")


@dataclass(frozen=True, slots=True)
class Actor:
    """The signed-in person behind a request. `expires_at`: no later than then, the session is over."""

    account_id: AccountId
    session_id: SessionId
    expires_at: datetime


class SessionEnd(StrEnum):
    """Why a session is over."""

    SIGNED_OUT = "signed_out"
    ENDED_ELSEWHERE = "ended_elsewhere"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """An e-mail address as its owner wrote it; `key` is what two spellings of one mailbox have in common."""

    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises InvalidEmail. It checks what every mailbox has and no more: only a message that arrives proves one."""
        value = unicodedata.normalize("NFC", text).strip()
        if len(value) > 254 or not re.fullmatch(
            r"[^\s@<>\"(),:;\[\]\\]{1,64}@[^\s@<>\"(),:;\[\]\\]+\.[^\s@.]{2,63}", value
        ):
            raise InvalidEmail
        if any(unicodedata.category(character).startswith("C") for character in value):
            raise InvalidEmail
        return cls(value)

    @property
    def key(self) -> str:
        return email_key(self.value)


def email_key(text: str) -> str:
    """What is hashed to find an account, also for text that is no address at all: sign-in answers both alike."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def parse_country(text: str) -> str:
    """An ISO 3166-1 code of two letters, in capitals; raises InvalidCountry."""
    code = text.strip().upper()
    if code not in _countries():
        raise InvalidCountry
    return code


@cache
def _countries() -> frozenset[str]:
    table = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8")
    return frozenset(line.split("\t")[0] for line in table.splitlines() if line and not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class Terminal:
    """The class of thing somebody signs in with, and no more: it cannot be told from a thousand others (B2-01)."""

    os_family: str
    model_class: str


def parse_terminal(user_agent: str) -> Terminal:
    """Reduces a user agent to an operating system and a kind of machine."""
    text = user_agent[:512].lower()
    for mark, os_family, model_class in (
        ("ipad", "iPadOS", "tablet"),
        ("iphone", "iOS", "phone"),
        ("android", "Android", "phone" if "mobile" in text else "tablet"),
        ("windows", "Windows", "computer"),
        ("cros", "ChromeOS", "computer"),
        ("mac os", "macOS", "computer"),
        ("linux", "Linux", "computer"),
    ):
        if mark in text:
            return Terminal(os_family, model_class)
    return Terminal("other", "other")


@dataclass(frozen=True, slots=True)
class Account:
    """An account, unsealed."""

    id: AccountId
    email: str
    nickname: str | None
    country: str
    language: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One signed-in period, as its owner sees it in the list."""

    id: SessionId
    terminal: Terminal
    is_remembered: bool
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


def session_ends_at(created_at: datetime, last_seen_at: datetime, *, is_remembered: bool) -> datetime:
    """The end of a session if nobody uses it from now on."""
    length, idle = (REMEMBERED_LENGTH, REMEMBERED_IDLE) if is_remembered else (SESSION_LENGTH, SESSION_IDLE)
    return min(created_at + length, last_seen_at + idle)


class AttemptResult(StrEnum):
    """How a sign-in went. It is written as STARTED before the password is looked at, so that many tries at the same
    moment count as many."""

    STARTED = "started"
    REFUSED = "refused"
    SIGNED_IN = "signed_in"
    NOT_JUDGED = "not_judged"  # the server was too busy to look at the password: nobody learned anything


@dataclass(frozen=True, slots=True)
class Attempt:
    """One past sign-in: when, whether it was on the account asked for, whether from the address that asks."""

    at: datetime
    same_account: bool
    same_address: bool
    result: AttemptResult


ATTEMPT_WINDOW: Final = timedelta(hours=1)
_LONGEST_WAIT: Final = timedelta(minutes=15)
# Failures that cost nothing, and the longest wait after that: for one account from one address, for all accounts from
# one address, for one account from anywhere. The last stays short, or a stranger could lock an owner out.
_FREE_PAIR, _FREE_ADDRESS, _FREE_ACCOUNT = 4, 20, 50
_LONGEST_ACCOUNT_WAIT: Final = timedelta(seconds=30)


def wait_before_attempt(attempts: Sequence[Attempt], now: datetime) -> timedelta:
    """How long this address must wait before it may try this account; grows with every failure of the last hour."""
    judged = (it for it in attempts if it.result is not AttemptResult.NOT_JUDGED)
    recent = sorted((it for it in judged if it.at > now - ATTEMPT_WINDOW), key=lambda it: it.at)
    pair = _failures_since_success([it for it in recent if it.same_account and it.same_address])
    address = [it for it in recent if it.same_address and it.result != AttemptResult.SIGNED_IN]
    account = [it for it in recent if it.same_account and it.result != AttemptResult.SIGNED_IN]
    return max(
        _wait(pair, _FREE_PAIR, _LONGEST_WAIT, now),
        _wait(address, _FREE_ADDRESS, _LONGEST_WAIT, now),
        _wait(account, _FREE_ACCOUNT, _LONGEST_ACCOUNT_WAIT, now),
    )


def _failures_since_success(attempts: Sequence[Attempt]) -> list[Attempt]:
    failures: list[Attempt] = []
    for attempt in attempts:
        if attempt.result == AttemptResult.SIGNED_IN:
            failures.clear()
        else:
            failures.append(attempt)
    return failures


def _wait(failures: Sequence[Attempt], free: int, longest: timedelta, now: datetime) -> timedelta:
    if len(failures) <= free:
        return timedelta(0)
    pause = min(timedelta(seconds=2 ** min(len(failures) - free, 12)), longest)
    return max(failures[-1].at + pause - now, timedelta(0))
