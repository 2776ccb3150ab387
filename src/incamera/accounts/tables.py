"""Accounts, sessions, attempts. Contacts and names are sealed under the account's key; ids and clocks stay plain."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from incamera.privacy import not_personal, personal
from incamera.storage.database import Base, UtcDateTime


class AccountRow(Base):
    __tablename__ = "account"

    id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random id of an account"))
    email_tag: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True, info=personal("B1a.register/email"))
    email: Mapped[bytes] = mapped_column(LargeBinary, info=personal("B1a.register/email"))
    nickname: Mapped[bytes | None] = mapped_column(LargeBinary, info=personal("B1a.register/nickname"))
    country: Mapped[bytes] = mapped_column(LargeBinary, info=personal("B1a.register/country"))
    language: Mapped[str] = mapped_column(String(8), info=personal("B1a.register/language"))
    password_hash: Mapped[str] = mapped_column(String(160), info=personal("B1a.register/password_hash"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, info=personal("B1a.register/registered_at"))
    closed_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, index=True, info=not_personal("the event that ends retention: when the account was closed")
    )
    age_ok_at: Mapped[datetime] = mapped_column(UtcDateTime, info=personal("C.age_check/age_statement"))
    age_notice_version: Mapped[str] = mapped_column(String(32), info=personal("C.age_check/age_statement"))


class SessionRow(Base):
    """A signed-in period on one terminal. `last_seen_at` is the clock of retention and of the idle limit."""

    __tablename__ = "account_session"

    id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random id of a session"))
    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True, info=personal("B2.login_terminal/session")
    )
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True, info=personal("B2.login_terminal/session"))
    is_remembered: Mapped[bool] = mapped_column(info=personal("B2.login_terminal/session"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, info=personal("B2.login_terminal/used_at"))
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=personal("B2.login_terminal/used_at"))
    os_family: Mapped[str] = mapped_column(String(16), info=personal("B2.login_terminal/os_family"))
    model_class: Mapped[str] = mapped_column(String(16), info=personal("B2.login_terminal/model_class"))
    address: Mapped[bytes] = mapped_column(LargeBinary, info=personal("B2.login_terminal/ip_address"))


class AttemptRow(Base):
    """One try to sign in. Account and address are keyed hashes: equal tries can be counted, nothing can be read."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (
        Index("ix_sign_in_attempt_account", "account_tag", "at"),
        Index("ix_sign_in_attempt_address", "address_tag", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random row id"))
    account_tag: Mapped[bytes] = mapped_column(LargeBinary(32), info=personal("B2.security_monitoring/attempt"))
    address_tag: Mapped[bytes] = mapped_column(LargeBinary(32), info=personal("B2.security_monitoring/attempt"))
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=personal("B2.security_monitoring/attempt"))
    result: Mapped[str] = mapped_column(String(16), info=personal("B2.security_monitoring/attempt"))


class AccountChangeRow(Base):
    """That a field of an account was changed; never what it was or became (B1b-01)."""

    __tablename__ = "account_change"

    id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random row id"))
    account_id: Mapped[UUID] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), index=True, info=personal("B1b.profile_edit/change_event")
    )
    field: Mapped[str] = mapped_column(String(32), info=personal("B1b.profile_edit/change_event"))
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True, info=personal("B1b.profile_edit/change_event"))


class SetupLinkRow(Base):
    """The one-time link that makes the first owner. There is at most one."""

    __tablename__ = "setup_link"

    token_hash: Mapped[bytes] = mapped_column(
        LargeBinary(32),
        primary_key=True,
        info=not_personal("hash of a random one-time token nobody has an account for"),
    )
    created_at: Mapped[datetime] = mapped_column(
        UtcDateTime, index=True, info=not_personal("when the server printed the link")
    )


class NoticeServedRow(Base):
    """Which version of the privacy notice an account was shown, in which language, and when (V-03)."""

    __tablename__ = "notice_served"

    id: Mapped[UUID] = mapped_column(primary_key=True, info=not_personal("random row id"))
    account_id: Mapped[UUID] = mapped_column(index=True, info=personal("V.notice_served/notice_served"))
    version: Mapped[str] = mapped_column(String(32), info=personal("V.notice_served/notice_served"))
    language: Mapped[str] = mapped_column(String(8), info=personal("V.notice_served/notice_served"))
    served_at: Mapped[datetime] = mapped_column(UtcDateTime, info=personal("V.notice_served/notice_served"))
    account_closed_at: Mapped[datetime | None] = mapped_column(
        UtcDateTime, index=True, info=not_personal("the event that ends retention: when the account was closed")
    )
