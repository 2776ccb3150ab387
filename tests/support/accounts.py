"""Accounts for tests that need people and not their passwords: a row for foreign keys, and the actor who owns it."""

from datetime import datetime, timedelta
from uuid import UUID

from incamera.accounts import AccountId, Actor, SessionId
from incamera.accounts.tables import AccountRow
from incamera.kit.ids import new_id
from incamera.privacy import open_session
from incamera.storage.database import Database


async def add_account(database: Database, now: datetime) -> Actor:
    """Somebody who is signed in for an hour."""
    account_id = new_id()
    async with open_session(database, "B1a.register") as db:
        db.add(an_account_row(account_id, now))
    return Actor(AccountId(account_id), SessionId(new_id()), now + timedelta(hours=1))


def an_account_row(account_id: UUID, now: datetime) -> AccountRow:
    """A row for foreign keys; nobody reads it."""
    return AccountRow(
        id=account_id,
        email_tag=account_id.bytes * 2,
        email=b"",
        country=b"",
        language="en",
        password_hash="",
        created_at=now,
        age_ok_at=now,
        age_notice_version="1",
    )
