"""Every query of accounts, and where their columns are sealed and opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from incamera.accounts.model import (
    ATTEMPT_WINDOW,
    SESSION_IDLE,
    SESSION_LENGTH,
    Account,
    AccountId,
    Attempt,
    AttemptResult,
    SessionId,
    SessionInfo,
    Terminal,
    session_ends_at,
)
from incamera.accounts.tables import AccountChangeRow, AccountRow, AttemptRow, NoticeServedRow, SessionRow, SetupLinkRow
from incamera.kit.ids import new_id
from incamera.storage.vault import ScopeKey

_MOST_ATTEMPTS_READ = 200


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signing in needs of an account."""

    account_id: AccountId
    password_hash: str


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session found by its token."""

    account_id: AccountId
    info: SessionInfo


async def any_account(db: AsyncSession) -> bool:
    return bool(await db.scalar(select(exists(select(AccountRow.id)))))


async def count_accounts(db: AsyncSession) -> int:
    return await db.scalar(select(func.count()).select_from(AccountRow).where(AccountRow.closed_at.is_(None))) or 0


async def add_account(
    db: AsyncSession, account: Account, *, email_tag: bytes, password_hash: str, notice_version: str, key: ScopeKey
) -> None:
    """Stores a new account whose owner stated at `created_at` to be old enough."""
    db.add(
        AccountRow(
            id=account.id,
            email_tag=email_tag,
            email=key.seal_text(account.email, "account.email"),
            nickname=_seal_optional(key, account.nickname, "account.nickname"),
            country=key.seal_text(account.country, "account.country"),
            language=account.language,
            password_hash=password_hash,
            created_at=account.created_at,
            closed_at=None,
            age_ok_at=account.created_at,
            age_notice_version=notice_version,
        )
    )
    await db.flush()


def _seal_optional(key: ScopeKey, text: str | None, context: str) -> bytes | None:
    return None if text is None else key.seal_text(text, context)


async def find_credentials(db: AsyncSession, email_tag: bytes) -> Credentials | None:
    statement = select(AccountRow.id, AccountRow.password_hash).where(AccountRow.email_tag == email_tag)
    row = (await db.execute(statement)).first()
    return None if row is None else Credentials(AccountId(row[0]), row[1])


async def get_account(db: AsyncSession, account_id: AccountId, key: ScopeKey) -> Account:
    row = await db.get_one(AccountRow, account_id)
    return Account(
        id=AccountId(row.id),
        email=key.open_text(row.email, "account.email"),
        nickname=None if row.nickname is None else key.open_text(row.nickname, "account.nickname"),
        country=key.open_text(row.country, "account.country"),
        language=row.language,
        created_at=row.created_at,
    )


async def list_existing(db: AsyncSession, account_ids: Sequence[AccountId]) -> list[AccountId]:
    """Those of these accounts that exist and are open."""
    statement = select(AccountRow.id).where(AccountRow.id.in_(account_ids), AccountRow.closed_at.is_(None))
    return [AccountId(account_id) for account_id in (await db.scalars(statement)).all()]


async def list_closed_accounts(db: AsyncSession, before: datetime) -> list[AccountId]:
    """Accounts that were closed before this moment and still have a row."""
    statement = select(AccountRow.id).where(AccountRow.closed_at < before)
    return [AccountId(account_id) for account_id in (await db.scalars(statement)).all()]


async def oldest_closing(db: AsyncSession) -> datetime | None:
    """When the first of the closed accounts that still have a row was closed."""
    return await db.scalar(select(AccountRow.closed_at).where(AccountRow.closed_at.is_not(None)).order_by("closed_at"))


async def delete_closed_account(db: AsyncSession, account_id: AccountId) -> None:
    """Takes the row and what hangs on it; what it was shown stays for the legal time, with the day of closing."""
    closed_at = await db.scalar(select(AccountRow.closed_at).where(AccountRow.id == account_id))
    shown = update(NoticeServedRow).where(NoticeServedRow.account_id == account_id)
    await db.execute(shown.values(account_closed_at=closed_at))
    await db.execute(delete(AccountRow).where(AccountRow.id == account_id, AccountRow.closed_at.is_not(None)))


async def set_profile(
    db: AsyncSession, account_id: AccountId, *, nickname: str | None, language: str, key: ScopeKey
) -> None:
    row = await db.get_one(AccountRow, account_id)
    row.nickname, row.language = _seal_optional(key, nickname, "account.nickname"), language
    await db.flush()


async def set_password_hash(db: AsyncSession, account_id: AccountId, password_hash: str) -> None:
    await db.execute(update(AccountRow).where(AccountRow.id == account_id).values(password_hash=password_hash))


async def add_change(db: AsyncSession, account_id: AccountId, field: str, now: datetime) -> None:
    db.add(AccountChangeRow(id=new_id(), account_id=account_id, field=field, at=now))
    await db.flush()


# --- sessions ---------------------------------------------------------------------------------------------------------


async def add_session(
    db: AsyncSession, account_id: AccountId, info: SessionInfo, *, token_hash: bytes, address: str, key: ScopeKey
) -> None:
    db.add(
        SessionRow(
            id=info.id,
            account_id=account_id,
            token_hash=token_hash,
            is_remembered=info.is_remembered,
            created_at=info.created_at,
            last_seen_at=info.last_seen_at,
            os_family=info.terminal.os_family,
            model_class=info.terminal.model_class,
            address=key.seal_text(address, f"session.address/{info.id}"),
        )
    )
    await db.flush()


async def find_session(db: AsyncSession, token_hash: bytes) -> StoredSession | None:
    row = (await db.scalars(select(SessionRow).where(SessionRow.token_hash == token_hash))).first()
    return None if row is None else StoredSession(AccountId(row.account_id), _session_info(row))


async def list_sessions(db: AsyncSession, account_id: AccountId) -> list[SessionInfo]:
    """The one used last comes first."""
    statement = select(SessionRow).where(SessionRow.account_id == account_id).order_by(SessionRow.last_seen_at.desc())
    return [_session_info(row) for row in (await db.scalars(statement)).all()]


def _session_info(row: SessionRow) -> SessionInfo:
    return SessionInfo(
        id=SessionId(row.id),
        terminal=Terminal(row.os_family, row.model_class),
        is_remembered=row.is_remembered,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        expires_at=session_ends_at(row.created_at, row.last_seen_at, is_remembered=row.is_remembered),
    )


async def touch_session(db: AsyncSession, session_id: SessionId, now: datetime) -> None:
    await db.execute(update(SessionRow).where(SessionRow.id == session_id).values(last_seen_at=now))


async def replace_token(db: AsyncSession, session_id: SessionId, token_hash: bytes) -> None:
    await db.execute(update(SessionRow).where(SessionRow.id == session_id).values(token_hash=token_hash))


async def delete_session(db: AsyncSession, account_id: AccountId, session_id: SessionId) -> bool:
    """False if this account has no such session."""
    statement = (
        delete(SessionRow)
        .where(SessionRow.id == session_id, SessionRow.account_id == account_id)
        .returning(SessionRow.id)
    )
    return (await db.execute(statement)).first() is not None


async def list_stale_sessions(db: AsyncSession, now: datetime) -> list[tuple[AccountId, SessionId]]:
    """Sessions that are over although nobody ended them."""
    may_be_over = or_(SessionRow.created_at <= now - SESSION_LENGTH, SessionRow.last_seen_at <= now - SESSION_IDLE)
    rows = (await db.scalars(select(SessionRow).where(may_be_over))).all()
    return [(AccountId(row.account_id), SessionId(row.id)) for row in rows if _session_info(row).expires_at <= now]


# --- attempts ---------------------------------------------------------------------------------------------------------


async def take_turn(db: AsyncSession, *tags: bytes) -> None:
    """Until the end of the transaction nobody else counts tries with one of these tags.

    SQLite has one writer at a time anyway. PostgreSQL would let a hundred tries count each other as not there yet.
    """
    if db.get_bind(clause=select(1)).dialect.name != "postgresql":
        return
    for number in sorted(int.from_bytes(tag[:8], "big", signed=True) for tag in tags):
        await db.execute(select(func.pg_advisory_xact_lock(number)))


async def list_attempts(db: AsyncSession, account_tag: bytes, address_tag: bytes, now: datetime) -> list[Attempt]:
    """Tries of the last hour on this account or from this address, the latest first and not more than matter."""
    statement = (
        select(AttemptRow)
        .where(
            AttemptRow.at > now - ATTEMPT_WINDOW,
            or_(AttemptRow.account_tag == account_tag, AttemptRow.address_tag == address_tag),
        )
        .order_by(AttemptRow.at.desc())
        .limit(_MOST_ATTEMPTS_READ)
    )
    return [
        Attempt(row.at, row.account_tag == account_tag, row.address_tag == address_tag, AttemptResult(row.result))
        for row in (await db.scalars(statement)).all()
    ]


async def add_attempt(db: AsyncSession, account_tag: bytes, address_tag: bytes, now: datetime) -> UUID:
    """Counts a try before it is judged."""
    attempt_id = new_id()
    db.add(
        AttemptRow(
            id=attempt_id, account_tag=account_tag, address_tag=address_tag, at=now, result=AttemptResult.STARTED
        )
    )
    await db.flush()
    return attempt_id


async def set_attempt_result(db: AsyncSession, attempt_id: UUID, result: AttemptResult) -> None:
    await db.execute(update(AttemptRow).where(AttemptRow.id == attempt_id).values(result=result))


# --- set-up -----------------------------------------------------------------------------------------------------------


async def add_notice_served(
    db: AsyncSession, account_id: AccountId, version: str, language: str, now: datetime
) -> None:
    db.add(NoticeServedRow(id=new_id(), account_id=account_id, version=version, language=language, served_at=now))
    await db.flush()


async def replace_setup_link(db: AsyncSession, token_hash: bytes, now: datetime) -> None:
    """From now on only this link works."""
    await db.execute(delete(SetupLinkRow))
    db.add(SetupLinkRow(token_hash=token_hash, created_at=now))
    await db.flush()


async def spend_setup_link(db: AsyncSession, token_hash: bytes, created_after: datetime) -> bool:
    """True for exactly one caller, if the link is known and young enough."""
    statement = (
        delete(SetupLinkRow)
        .where(SetupLinkRow.token_hash == token_hash, SetupLinkRow.created_at > created_after)
        .returning(SetupLinkRow.created_at)
    )
    return (await db.execute(statement)).first() is not None
