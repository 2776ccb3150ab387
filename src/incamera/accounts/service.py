"""Use cases of accounts: set-up, signing in and out, sessions, password, profile.

Signing in holds no transaction while a password is hashed: that takes 0.1 s, and on SQLite a transaction keeps every
other writer out. So it opens its own short sessions; everything else works in the request's.

    set-up link ──spend──► account + first session          sign-in: count the try → hash → open a session
    session: signed in ──used──► ... ──signed out | ended elsewhere | password changed | 12 h or idle──► SessionEnded
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import quote
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.accounts import repository
from incamera.accounts.errors import (
    AgeNotStated,
    NotSignedIn,
    SessionNotFound,
    SetupDone,
    SetupLinkRefused,
    SignInRefused,
    TooBusyForPasswords,
    TooManyAttempts,
    WrongPassword,
)
from incamera.accounts.events import AccountCreated, SessionEnded
from incamera.accounts.model import (
    REMEMBERED_LENGTH,
    SETUP_LINK_LENGTH,
    Account,
    AccountId,
    Actor,
    AttemptResult,
    EmailAddress,
    SessionEnd,
    SessionId,
    SessionInfo,
    Terminal,
    email_key,
    session_ends_at,
    wait_before_attempt,
)
from incamera.accounts.passwords import PasswordKeeper
from incamera.accounts.processing import SESSION_ACTIVITIES
from incamera.accounts.repository import Credentials
from incamera.kit.clock import Clock
from incamera.kit.events import EventBus
from incamera.kit.ids import new_id
from incamera.privacy import after_commit, open_session, purpose
from incamera.storage.database import Database
from incamera.storage.vault import Vault

log = structlog.get_logger(__name__)

_TOUCH_EVERY: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class SetUp:
    """What the first owner gives. `language` is also the one the notice was shown in."""

    token: str
    email: EmailAddress
    password: str
    nickname: str | None
    country: str
    language: str
    age_ok: bool


@dataclass(frozen=True, slots=True)
class From:
    """Where a request comes from: what a session is bound to for its owner to recognise."""

    address: str
    terminal: Terminal


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An open session. `token` goes into the cookie and is stored nowhere."""

    account: Account
    session: SessionInfo
    token: str

    @property
    def max_age_s(self) -> int | None:
        """How long the browser keeps the cookie; None: until it is closed. Rest ends a session on the server only."""
        ends = self.session.created_at + REMEMBERED_LENGTH - self.session.last_seen_at
        return int(ends.total_seconds()) if self.session.is_remembered else None


class AccountService:
    """One per server."""

    def __init__(
        self,
        *,
        database: Database,
        vault: Vault,
        events: EventBus,
        clock: Clock,
        passwords: PasswordKeeper,
        notice_version: Callable[[], str],
    ) -> None:
        self._database, self._vault, self._events, self._clock = database, vault, events, clock
        self._passwords, self._notice_version = passwords, notice_version

    # --- set-up -------------------------------------------------------------------------------------------------------

    async def ensure_setup_link(self, base_url: str = "") -> str | None:
        """A new one-time link while nobody owns this server, else None. Earlier links stop working."""
        token = secrets.token_urlsafe(32)
        async with open_session(self._database, "B1a.register") as db:
            if await repository.any_account(db):
                return None
            await repository.replace_setup_link(db, _token_hash(token), self._clock.now())
        return f"{base_url}/setup#{quote(token)}"

    async def needs_setup(self, db: AsyncSession) -> bool:
        """Whether nobody owns this server yet."""
        async with purpose(db, "B1a.register"):
            return not await repository.any_account(db)

    async def count(self, db: AsyncSession) -> int:
        """How many accounts there are: figures about fewer than five would be figures about people."""
        async with purpose(db, "B1a.register"):
            return await repository.count_accounts(db)

    async def set_up(self, command: SetUp, origin: From) -> SignedIn:
        """Makes the owner's account and signs it in; the link is spent by it and by nothing else."""
        if not command.age_ok:
            raise AgeNotStated
        async with open_session(self._database, "B1a.register", writes=False) as db:
            if await repository.any_account(db):
                raise SetupDone
        await self._passwords.check_new(command.password, [command.email.value, command.nickname or ""])
        password_hash = await self._passwords.hash(command.password)
        return await self._create_owner(command, password_hash, origin)

    async def _create_owner(self, command: SetUp, password_hash: str, origin: From) -> SignedIn:
        now = self._clock.now()
        account = Account(
            AccountId(new_id()), command.email.value, command.nickname, command.country, command.language, now
        )
        async with open_session(self._database, *SESSION_ACTIVITIES, "B1a.register", "C.age_check") as db:
            if not await repository.spend_setup_link(db, _token_hash(command.token), now - SETUP_LINK_LENGTH):
                raise SetupLinkRefused
            key = await self._vault.create_account_key(account.id)
            version = self._notice_version()
            await repository.add_account(
                db,
                account,
                email_tag=self._email_tag(command.email.key),
                password_hash=password_hash,
                notice_version=version,
                key=key,
            )
            async with purpose(db, "V.notice_served"):
                await repository.add_notice_served(db, account.id, version, command.language, now)
            signed_in = await self._open_session(db, account, origin, is_remembered=False)
            after_commit(db, lambda: self._events.publish(AccountCreated(account.id)))
        log.info("account.created", account_id=str(account.id))
        return signed_in

    # --- signing in ---------------------------------------------------------------------------------------------------

    async def sign_in(
        self, email: str, password: str, origin: From, *, is_remembered: bool, former_token: str | None = None
    ) -> SignedIn:
        """A new session, never a known one: `former_token` (the cookie that came along) ends with it.

        The way is the same for an address we know and one we do not, so that neither answer nor time tells them apart.
        """
        known = await self._check_password(email_key(email), password, origin)
        if known is None:
            raise SignInRefused
        if self._passwords.needs_rehash(known.password_hash):
            known = replace(known, password_hash=await self._passwords.hash(password))
        async with open_session(self._database, *SESSION_ACTIVITIES, "B1a.register") as db:
            await repository.set_password_hash(db, known.account_id, known.password_hash)
            await self._end_former(db, former_token)
            account = await self._account(db, known.account_id)
            return await self._open_session(db, account, origin, is_remembered=is_remembered)

    async def _check_password(self, email_key: str, password: str, origin: From) -> Credentials | None:
        """The account with this address if the password is its own. Counts the try before it looks at the password."""
        now = self._clock.now()
        account_tag, address_tag = self._email_tag(email_key), self._address_tag(origin.address)
        async with open_session(self._database, "B2.security_monitoring", "B1a.register") as db:
            await repository.take_turn(db, account_tag, address_tag)
            wait = wait_before_attempt(await repository.list_attempts(db, account_tag, address_tag, now), now)
            if wait > timedelta(0):
                raise TooManyAttempts(wait)
            attempt_id = await repository.add_attempt(db, account_tag, address_tag, now)
            known = await repository.find_credentials(db, account_tag)
        try:
            is_right = await self._passwords.check(password, known.password_hash if known else None)
        except TooBusyForPasswords:
            await self._settle(attempt_id, AttemptResult.NOT_JUDGED)
            raise
        await self._settle(attempt_id, AttemptResult.SIGNED_IN if is_right else AttemptResult.REFUSED)
        return known if is_right else None

    async def _settle(self, attempt_id: UUID, result: AttemptResult) -> None:
        async with open_session(self._database, "B2.security_monitoring") as db:
            await repository.set_attempt_result(db, attempt_id, result)

    async def _end_former(self, db: AsyncSession, token: str | None) -> None:
        former = await repository.find_session(db, _token_hash(token)) if token else None
        if former is not None:
            await self._end(db, former.account_id, former.info.id, SessionEnd.SIGNED_OUT)

    async def _open_session(self, db: AsyncSession, account: Account, origin: From, *, is_remembered: bool) -> SignedIn:
        now, token = self._clock.now(), secrets.token_urlsafe(32)
        info = SessionInfo(
            id=SessionId(new_id()),
            terminal=origin.terminal,
            is_remembered=is_remembered,
            created_at=now,
            last_seen_at=now,
            expires_at=session_ends_at(now, now, is_remembered=is_remembered),
        )
        key = await self._vault.account_key(account.id)
        await repository.add_session(
            db, account.id, info, token_hash=_token_hash(token), address=origin.address, key=key
        )
        return SignedIn(account, info, token)

    # --- sessions -----------------------------------------------------------------------------------------------------

    async def authenticate(self, db: AsyncSession, token: str | None) -> Actor:
        """Who holds this token; raises NotSignedIn. Marks the session as used, at most once a minute."""
        if not token:
            raise NotSignedIn
        async with purpose(db, *SESSION_ACTIVITIES):
            found = await repository.find_session(db, _token_hash(token))
        now = self._clock.now()
        if found is None or found.info.expires_at <= now:
            raise NotSignedIn
        if now - found.info.last_seen_at >= _TOUCH_EVERY:
            after_commit(db, lambda: self.touch(found.info.id))
        return Actor(found.account_id, found.info.id, found.info.expires_at)

    async def renew(self, actor: Actor) -> Actor | None:
        """For streams that stay open: counts as use of the session; None when it is over."""
        now = self._clock.now()
        async with open_session(self._database, *SESSION_ACTIVITIES) as db:
            sessions = {info.id: info for info in await repository.list_sessions(db, actor.account_id)}
            info = sessions.get(actor.session_id)
            if info is None or info.expires_at <= now:
                return None
            await repository.touch_session(db, info.id, now)
        expires_at = session_ends_at(info.created_at, now, is_remembered=info.is_remembered)
        return Actor(actor.account_id, info.id, expires_at)

    async def touch(self, session_id: SessionId) -> None:
        """Somebody is still there: long-lived streams call this every few minutes, requests do it by themselves."""
        async with open_session(self._database, *SESSION_ACTIVITIES) as db:
            await repository.touch_session(db, session_id, self._clock.now())

    async def sessions(self, db: AsyncSession, actor: Actor) -> Sequence[SessionInfo]:
        """The person's own sessions that are not over, the one used last first."""
        now = self._clock.now()
        return [it for it in await repository.list_sessions(db, actor.account_id) if it.expires_at > now]

    async def end_session(self, db: AsyncSession, actor: Actor, session_id: SessionId) -> None:
        """Ends one of the person's own sessions; raises SessionNotFound."""
        reason = SessionEnd.SIGNED_OUT if session_id == actor.session_id else SessionEnd.ENDED_ELSEWHERE
        if not await self._end(db, actor.account_id, session_id, reason):
            raise SessionNotFound

    async def sweep_sessions(self) -> int:
        """Deletes sessions that are over by time; returns how many. Run it every few minutes."""
        async with open_session(self._database, *SESSION_ACTIVITIES) as db:
            stale = await repository.list_stale_sessions(db, self._clock.now())
            for account_id, session_id in stale:
                await self._end(db, account_id, session_id, SessionEnd.EXPIRED)
        return len(stale)

    async def _end(self, db: AsyncSession, account_id: AccountId, session_id: SessionId, reason: SessionEnd) -> bool:
        if not await repository.delete_session(db, account_id, session_id):
            return False
        after_commit(db, lambda: self._events.publish(SessionEnded(account_id, session_id, reason)))
        return True

    # --- the account --------------------------------------------------------------------------------------------------

    async def account(self, db: AsyncSession, actor: Actor) -> Account:
        """The person's own account."""
        async with purpose(db, "B1a.register"):
            return await self._account(db, actor.account_id)

    async def _account(self, db: AsyncSession, account_id: AccountId) -> Account:
        return await repository.get_account(db, account_id, await self._vault.account_key(account_id))

    async def names(self, account_ids: Sequence[AccountId]) -> dict[AccountId, str]:
        """What to call these people in front of somebody they share with: the nickname, else the e-mail address.

        Accounts that are gone are left out.
        """
        names: dict[AccountId, str] = {}
        async with open_session(self._database, "B1a.register", writes=False) as db:
            for account_id in await repository.list_existing(db, account_ids):
                account = await self._account(db, account_id)
                names[account_id] = account.nickname or account.email
        return names

    async def change_profile(
        self, db: AsyncSession, actor: Actor, *, nickname: str | None, language: str | None, fields: frozenset[str]
    ) -> Account:
        """Replaces what `fields` names; the old value is gone (B1b-01)."""
        account = await self._account(db, actor.account_id)
        changed = replace(
            account,
            nickname=nickname if "nickname" in fields else account.nickname,
            language=language if "language" in fields and language else account.language,
        )
        await repository.set_profile(
            db,
            actor.account_id,
            nickname=changed.nickname,
            language=changed.language,
            key=await self._vault.account_key(actor.account_id),
        )
        for field in sorted(fields):
            await repository.add_change(db, actor.account_id, field, self._clock.now())
        return changed

    async def change_password(self, actor: Actor, present: str, new: str, origin: From) -> SignedIn:
        """Sets a new password, ends every other session and gives this one a new token (B1b-02).

        Wrong present passwords count like refused sign-ins, or a found session could be used to guess.
        """
        async with open_session(self._database, "B1a.register", writes=False) as db:
            account = await self._account(db, actor.account_id)
        if await self._check_password(email_key(account.email), present, origin) is None:
            raise WrongPassword
        await self._passwords.check_new(new, [account.email, account.nickname or ""])
        return await self._replace_password(actor, account, await self._passwords.hash(new))

    async def _replace_password(self, actor: Actor, account: Account, password_hash: str) -> SignedIn:
        token = secrets.token_urlsafe(32)
        async with open_session(self._database, "B1b.profile_edit", "B1a.register", *SESSION_ACTIVITIES) as db:
            await repository.set_password_hash(db, actor.account_id, password_hash)
            await repository.add_change(db, actor.account_id, "password", self._clock.now())
            sessions = {it.id: it for it in await repository.list_sessions(db, actor.account_id)}
            own = sessions.pop(actor.session_id, None)
            if own is None:
                raise NotSignedIn
            for other in sessions:
                await self._end(db, actor.account_id, other, SessionEnd.PASSWORD_CHANGED)
            await repository.replace_token(db, own.id, _token_hash(token))
        log.info("account.password_changed", account_id=str(actor.account_id))
        return SignedIn(account, own, token)

    def _email_tag(self, key: str) -> bytes:
        return self._vault.pseudonym("account.email", key)

    def _address_tag(self, address: str) -> bytes:
        return self._vault.pseudonym("sign_in.address", _network(address))


def _network(address: str) -> str:
    """One customer's network: a whole IPv4 address, or the first 64 bits of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or int(parsed) >> 64)
    return str(parsed)


def _token_hash(token: str) -> bytes:
    """Tokens are random, 256 bits: a plain hash is enough, and a stolen database opens no session."""
    return hashlib.sha256(token.encode()).digest()
