"""What happened to accounts, for those above."""

from dataclasses import dataclass

from incamera.accounts.model import AccountId, SessionEnd, SessionId


@dataclass(frozen=True, slots=True)
class AccountCreated:
    """The first owner set the server up."""

    account_id: AccountId


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """Whatever this session has open (tickets, sockets, event streams) closes within five seconds."""

    account_id: AccountId
    session_id: SessionId
    reason: SessionEnd
