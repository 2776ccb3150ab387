"""Accounts over HTTP. Signing in and setting up run their own transactions: see `service`."""

from uuid import UUID

from fastapi import APIRouter, Request, Response, status

from incamera import __version__
from incamera.accounts.dependencies import SESSION_COOKIE, Accounts, CurrentActor, RequestOrigin, SessionToken
from incamera.accounts.model import Account, EmailAddress, SessionId, parse_country
from incamera.accounts.schemas import (
    AccountChange,
    AccountView,
    PasswordChange,
    ServerView,
    SessionList,
    SessionState,
    SessionView,
    SetupRequest,
    SetupState,
    SignInRequest,
)
from incamera.accounts.service import SetUp, SignedIn
from incamera.privacy import Db, activity

router = APIRouter(prefix="/api/v1", tags=["accounts"])


@router.get("/session")
@activity("B2.login_terminal")
async def get_session(db: Db, actor: CurrentActor, accounts: Accounts, request: Request) -> SessionState:
    """Who is signed in; 401 if nobody is."""
    return _state(request, await accounts.account(db, actor))


@router.post("/sign-in")
@activity("B2.login_terminal", "B2.security_monitoring")
async def sign_in(
    body: SignInRequest,
    accounts: Accounts,
    origin: RequestOrigin,
    former_token: SessionToken,
    request: Request,
    response: Response,
) -> SessionState:
    """Signs in with e-mail address and password. The answer to a wrong pair never tells which of both was wrong."""
    signed_in = await accounts.sign_in(
        body.email,
        body.password.get_secret_value(),
        origin,
        is_remembered=body.remember,
        former_token=former_token,
    )
    _set_cookie(response, signed_in)
    return _state(request, signed_in.account)


@router.post("/sign-out", status_code=status.HTTP_204_NO_CONTENT)
@activity("B2.login_terminal")
async def sign_out(db: Db, actor: CurrentActor, accounts: Accounts, response: Response) -> None:
    """Ends this session and has the browser forget what it holds of this site."""
    await accounts.end_session(db, actor, actor.session_id)
    _forget(response)


@router.get("/setup")
@activity("B1a.register")
async def get_setup(db: Db, accounts: Accounts) -> SetupState:
    """Whether this server still waits for its owner."""
    return SetupState(needed=await accounts.needs_setup(db))


@router.post("/setup", status_code=status.HTTP_201_CREATED)
@activity("B1a.register", "C.age_check", "V.notice_served", "B2.login_terminal")
async def set_up(
    body: SetupRequest, accounts: Accounts, origin: RequestOrigin, request: Request, response: Response
) -> SessionState:
    """Makes the owner's account with the one-time link that the server printed, and signs it in."""
    signed_in = await accounts.set_up(
        SetUp(
            token=body.token,
            email=EmailAddress.parse(body.email),
            password=body.password.get_secret_value(),
            nickname=body.nickname,
            country=parse_country(body.country),
            language=body.language,
            age_ok=body.age_ok,
        ),
        origin,
    )
    _set_cookie(response, signed_in)
    return _state(request, signed_in.account)


@router.get("/account")
@activity("B1a.register")
async def get_account(db: Db, actor: CurrentActor, accounts: Accounts) -> AccountView:
    """The person's own account."""
    return AccountView.of(await accounts.account(db, actor))


@router.patch("/account")
@activity("B1b.profile_edit", "B1a.register")
async def change_account(body: AccountChange, db: Db, actor: CurrentActor, accounts: Accounts) -> AccountView:
    """Replaces nickname or language; the old value is gone. `null` removes the nickname."""
    changed = await accounts.change_profile(
        db, actor, nickname=body.nickname, language=body.language, fields=frozenset(body.model_fields_set)
    )
    return AccountView.of(changed)


@router.post("/account/password", status_code=status.HTTP_204_NO_CONTENT)
@activity("B1b.profile_edit", "B1a.register", "B2.login_terminal", "B2.security_monitoring")
async def change_password(
    body: PasswordChange, db: Db, actor: CurrentActor, accounts: Accounts, origin: RequestOrigin, response: Response
) -> None:
    """Sets a new password. Every other session of the account ends, and with it whatever it has open."""
    await db.commit()  # the service hashes between transactions of its own; this one must not keep others out meanwhile
    signed_in = await accounts.change_password(
        actor, body.current_password.get_secret_value(), body.new_password.get_secret_value(), origin
    )
    _set_cookie(response, signed_in)


@router.get("/sessions")
@activity("B2.login_terminal")
async def list_sessions(db: Db, actor: CurrentActor, accounts: Accounts) -> SessionList:
    """Where this account is signed in, the session used last first."""
    infos = await accounts.sessions(db, actor)
    return SessionList(items=[SessionView.of(info, is_current=info.id == actor.session_id) for info in infos])


@router.delete("/sessions/{session_id}", status_code=status.HTTP_204_NO_CONTENT)
@activity("B2.login_terminal")
async def end_session(session_id: UUID, db: Db, actor: CurrentActor, accounts: Accounts, response: Response) -> None:
    """Ends one of the person's own sessions; its streams close within five seconds."""
    await accounts.end_session(db, actor, SessionId(session_id))
    if session_id == actor.session_id:
        _forget(response)


def _state(request: Request, account: Account) -> SessionState:
    role: str = request.app.state.operator_role
    return SessionState(account=AccountView.of(account), server=ServerView(version=__version__, role=role))


def _set_cookie(response: Response, signed_in: SignedIn) -> None:
    SESSION_COOKIE.set(response, signed_in.token, max_age_s=signed_in.max_age_s)


def _forget(response: Response) -> None:
    SESSION_COOKIE.clear(response)
    response.headers["clear-site-data"] = '"cookies", "storage"'
