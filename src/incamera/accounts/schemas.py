"""Wire types of accounts."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from incamera.accounts.model import Account, SessionInfo
from incamera.kit.names import NAME_PATTERN, parse_name
from incamera.privacy import RequestBody, personal_field

Language = Literal["fr", "en"]


Email = Annotated[
    str,
    Field(
        min_length=3,
        max_length=254,
        description="E-mail address.",
        examples=["zoe@example.org"],
        json_schema_extra=personal_field("B1a.register/email", format="email"),
    ),
]
Nickname = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="What others see instead of the e-mail address.",
        json_schema_extra=personal_field("B1a.register/nickname", pattern=NAME_PATTERN),
    ),
    AfterValidator(parse_name),
]
Password = Annotated[
    SecretStr,
    Field(
        min_length=1,
        max_length=512,
        description="10 to 128 characters, compared in Unicode NFC. Never returned.",
        json_schema_extra=personal_field("B1a.register/password_hash"),
    ),
]


class SignInRequest(RequestBody):
    email: Annotated[
        str,
        Field(max_length=512, description="E-mail address.", json_schema_extra=personal_field("B1a.register/email")),
    ]
    password: Password
    remember: bool = Field(False, description="Stay signed in for 30 days on this terminal.")


class SetupRequest(RequestBody):
    token: str = Field(min_length=20, max_length=128, description="The part after # of the link the server printed.")
    email: Email
    password: Password
    nickname: Nickname | None = None
    country: str = Field(
        min_length=2,
        max_length=2,
        description="ISO 3166-1 code of two letters.",
        examples=["FR"],
        json_schema_extra=personal_field("B1a.register/country", pattern="^[A-Za-z]{2}$"),
    )
    language: Language = Field(description="Language of the account, and of the notice that was shown.")
    age_ok: bool = Field(
        description="The person states to be old enough in their country.",
        json_schema_extra=personal_field("C.age_check/age_statement"),
    )


class SetupState(BaseModel):
    needed: bool = Field(description="Nobody owns this server yet.")


class AccountChange(RequestBody):
    """Only the fields that are present change."""

    nickname: Nickname | None = None
    language: Language | None = None


class PasswordChange(RequestBody):
    current_password: Password
    new_password: Password


class AccountView(BaseModel):
    id: UUID
    email: str = Field(json_schema_extra=personal_field("B1a.register/email"))
    nickname: str | None = Field(json_schema_extra=personal_field("B1a.register/nickname"))
    country: str = Field(json_schema_extra=personal_field("B1a.register/country"))
    language: str = Field(json_schema_extra=personal_field("B1a.register/language"))

    @classmethod
    def of(cls, account: Account) -> "AccountView":
        return cls(
            id=account.id,
            email=account.email,
            nickname=account.nickname,
            country=account.country,
            language=account.language,
        )


class ServerView(BaseModel):
    version: str
    role: str = Field(description="Of the operator, from privacy.toml: household, controller, processor or joint.")


class SessionState(BaseModel):
    """Who is signed in, and to what."""

    account: AccountView
    server: ServerView


class SessionView(BaseModel):
    """One signed-in period on one terminal."""

    id: UUID
    is_current: bool
    is_remembered: bool
    terminal: str = Field(description="Both of the next two, to be read by a person.")
    os_family: str = Field(json_schema_extra=personal_field("B2.login_terminal/os_family"))
    model_class: str = Field(
        description="phone, tablet, computer or other",
        json_schema_extra=personal_field("B2.login_terminal/model_class"),
    )
    signed_in_at: datetime
    last_used_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, info: SessionInfo, *, is_current: bool) -> "SessionView":
        return cls(
            id=info.id,
            is_current=is_current,
            is_remembered=info.is_remembered,
            terminal=f"{info.terminal.os_family}, {info.terminal.model_class}",
            os_family=info.terminal.os_family,
            model_class=info.terminal.model_class,
            signed_in_at=info.created_at,
            last_used_at=info.last_seen_at,
            expires_at=info.expires_at,
        )


class SessionList(BaseModel):
    items: list[SessionView]
    next: str | None = Field(None, description="Cursor of the next page; sessions always fit on one.")
