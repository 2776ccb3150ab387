"""Who asks: the cookie becomes an `Actor`, or the request ends with 401."""

from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyCookie

from incamera.accounts.model import REMEMBERED_LENGTH, Actor, parse_terminal
from incamera.accounts.service import AccountService, From
from incamera.privacy import Cookie, Db, Text

SESSION_COOKIE: Final = Cookie(
    name="__Host-session",
    activity="K.session_cookie",
    purpose=Text(
        fr="Vous garder connecté : un nombre au hasard, sans rien de vous.",
        en="Keeps you signed in: a random number that holds nothing about you.",
    ),
    kind="necessary",
    max_age_s=int(REMEMBERED_LENGTH.total_seconds()),
)
_cookie_scheme = APIKeyCookie(
    name=SESSION_COOKIE.name, scheme_name="session", description="Set by POST /api/v1/sign-in.", auto_error=False
)


def _accounts(request: Request) -> AccountService:
    service: AccountService = request.app.state.accounts
    return service


Accounts = Annotated[AccountService, Depends(_accounts)]
SessionToken = Annotated[str | None, Depends(_cookie_scheme)]


async def _current_actor(db: Db, accounts: Accounts, token: SessionToken) -> Actor:
    return await accounts.authenticate(db, token)


CurrentActor = Annotated[Actor, Depends(_current_actor)]
"""The signed-in person; 401 `not_signed_in` if there is none. It shares the request's transaction."""


def _origin(request: Request) -> From:
    address = request.client.host if request.client else ""
    return From(address, parse_terminal(request.headers.get("user-agent", "")))


RequestOrigin = Annotated[From, Depends(_origin)]
