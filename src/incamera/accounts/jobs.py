"""What accounts do in the background."""

from datetime import timedelta
from typing import Final

from incamera.accounts.service import AccountService
from incamera.privacy import activity
from incamera.storage.jobs import JobQueue, Payload

SWEEP_SESSIONS: Final = "accounts.sweep_sessions"
SWEEP_EVERY: Final = timedelta(minutes=5)


def schedule(jobs: JobQueue, accounts: AccountService) -> None:
    """Sessions that are over by time are ended in earnest, so that whoever listens for `SessionEnded` hears of them."""

    @activity("B2.login_terminal")
    async def sweep(_payload: Payload) -> None:
        await accounts.sweep_sessions()

    jobs.every(SWEEP_EVERY, SWEEP_SESSIONS, sweep)
