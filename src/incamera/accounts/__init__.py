"""Accounts: the first owner's set-up, signing in, sessions and the profile.

Every request that needs to know who asks takes `actor: CurrentActor`; the dependency turns the `__Host-session` cookie
into an `Actor` or answers 401. Contacts and names are sealed under the
account's key; an e-mail address is found by its keyed hash. A session that ends is told as `SessionEnded`.
"""

from incamera.accounts.dependencies import CurrentActor
from incamera.accounts.erasure import AccountErasure
from incamera.accounts.errors import NotSignedIn
from incamera.accounts.events import AccountCreated, SessionEnded
from incamera.accounts.model import AccountId, Actor, SessionEnd, SessionId
from incamera.accounts.service import AccountService

__all__ = [
    "AccountCreated",
    "AccountErasure",
    "AccountId",
    "AccountService",
    "Actor",
    "CurrentActor",
    "NotSignedIn",
    "SessionEnd",
    "SessionEnded",
    "SessionId",
]
