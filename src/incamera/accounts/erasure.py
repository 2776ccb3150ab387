"""What happens to an account after it was closed: its key is destroyed, then its rows go.

The `RetentionTarget` of everything that is kept until an account is closed. Which notice was shown outlives the account
for the legal time, under the random number of an account that no longer exists.
"""

from datetime import datetime

from incamera.accounts import repository
from incamera.accounts.model import AccountId
from incamera.privacy import RetentionRule, Swept, open_session
from incamera.storage.database import Database
from incamera.storage.vault import Vault

_ACTIVITIES = ("B1a.register", "V.notice_served")


class AccountErasure:
    """One per server."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    async def sweep(self, rule: RetentionRule, now: datetime) -> Swept:
        """Erases the accounts that were closed longer ago than the rule's grace. May be repeated."""
        due = await self._due(rule, now)
        for account_id in due:
            await self._vault.destroy_account_key(account_id)
            async with open_session(self._database, *_ACTIVITIES) as db:
                await repository.delete_closed_account(db, account_id)
        return Swept(len(due), await self._oldest())

    async def pending(self, rule: RetentionRule, now: datetime) -> Swept:
        """How many closed accounts wait, and since when."""
        return Swept(0, await self._oldest(), overdue=len(await self._due(rule, now)))

    async def _due(self, rule: RetentionRule, now: datetime) -> list[AccountId]:
        async with open_session(self._database, *_ACTIVITIES, writes=False) as db:
            return await repository.list_closed_accounts(db, now - rule.grace)

    async def _oldest(self) -> datetime | None:
        async with open_session(self._database, *_ACTIVITIES, writes=False) as db:
            return await repository.oldest_closing(db)
