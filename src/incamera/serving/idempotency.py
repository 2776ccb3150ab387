"""`Idempotency-Key`: a POST that is repeated within a day gets the first one's answer and does nothing again.

    new key ──► row with a lease ──► route runs ──► answer sealed into the row (refused: row removed, try again)
    same key, same request ──► done: the kept answer · still running: 409 · lease over (we crashed): runs again
    same key, other request ──► 422

The answer is sealed under the account's key, so it dies with the account. The header means nothing to who is not
signed in. After a crash between a route's commit and its kept answer the route runs again: routes that create name
things by the client's own id where that would hurt.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from incamera.accounts import AccountService, NotSignedIn
from incamera.kit.clock import Clock
from incamera.kit.errors import IncameraError
from incamera.privacy import open_session
from incamera.serving import repository
from incamera.serving.problems import respond
from incamera.storage.database import Database
from incamera.storage.vault import ScopeKey, Vault

HEADER: Final = "idempotency-key"
MAX_KEY_LENGTH: Final = 128
LEASE: Final = timedelta(seconds=60)
_ACTIVITIES: Final = ("X.repeat_guard", "B2.login_terminal")
_MAX_ANSWER_BYTES: Final = 256 * 1024
_CONTEXT: Final = "repeated_request.answer"


class InvalidIdempotencyKey(IncameraError):
    status = 422

    def __init__(self) -> None:
        super().__init__(f"The Idempotency-Key must be 1 to {MAX_KEY_LENGTH} visible ASCII characters.")


class IdempotencyKeyReused(IncameraError):
    """The key belongs to another request."""

    status = 422

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another request; make a new key for each one.")


class RequestInProgress(IncameraError):
    """The same request is being worked on."""

    status = 409
    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__("The same request is still being worked on; ask again in a moment.")


@dataclass(frozen=True, slots=True)
class _Claim:
    """This request goes first."""

    tag: bytes
    key: ScopeKey


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class RepeatGuard:
    """Knows which requests were done already."""

    def __init__(self, database: Database, vault: Vault, accounts: AccountService, clock: Clock, cookie: str) -> None:
        self._database, self._vault, self._accounts, self._clock = database, vault, accounts, clock
        self._cookie = cookie

    async def claim(self, request: Request, key: str, body: bytes) -> _Claim | _Answer | None:
        """A claim for the first request, the kept answer for a repeated one, None for who is not signed in."""
        now = self._clock.now()
        async with open_session(self._database, *_ACTIVITIES) as db:
            try:
                actor = await self._accounts.authenticate(db, request.cookies.get(self._cookie))
            except NotSignedIn:
                return None
            tag = self._vault.pseudonym("repeat", f"{actor.account_id}\0{request.url.path}\0{key}")
            fingerprint = self._vault.pseudonym("repeat.body", tag + hashlib.sha256(body).digest())
            scope = await self._vault.account_key(actor.account_id)
            claim = _Claim(tag, scope)
            if await repository.claim(db, tag, fingerprint, now, now + LEASE):
                return claim
            row = await repository.find(db, tag)
            if row is None:
                raise RequestInProgress
            if row.fingerprint != fingerprint:
                raise IdempotencyKeyReused
            if row.status is not None and row.answer is not None:
                return _unpack(row.status, scope.open(row.answer, _CONTEXT))
            if row.leased_until > now or not await repository.extend(db, tag, row.leased_until, now + LEASE):
                raise RequestInProgress
            return claim

    async def finish(self, claim: _Claim, answer: _Answer) -> None:
        """Keeps the answer of what was done; a refusal is forgotten, so that it can be tried again."""
        async with open_session(self._database, *_ACTIVITIES) as db:
            if answer.status >= 300 or len(answer.body) > _MAX_ANSWER_BYTES:
                await repository.forget(db, claim.tag)
            else:
                await repository.finish(db, claim.tag, answer.status, claim.key.seal(_pack(answer), _CONTEXT))


class Idempotency:
    """The middleware around the routes."""

    def __init__(self, app: ASGIApp, guard: RepeatGuard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = Headers(scope=scope).get(HEADER) if scope["type"] == "http" and scope["method"] == "POST" else None
        if key is None or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:
            return  # nobody is left to be told
        except IncameraError as error:
            await respond(error)(scope, receive, send)
            return
        try:
            claim = await self._claim(Request(scope), key, body)
        except IncameraError as error:
            await respond(error)(scope, receive, send)
            return
        if isinstance(claim, _Answer):
            headers = {**claim.headers, "Idempotency-Replayed": "true"}
            await Response(claim.body, claim.status, headers)(scope, receive, send)
        elif claim is None:
            await self._app(scope, _replay(body, receive), send)
        else:
            await self._run(claim, scope, _replay(body, receive), send)

    async def _claim(self, request: Request, key: str, body: bytes) -> _Claim | _Answer | None:
        if not (0 < len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
            raise InvalidIdempotencyKey
        return await self._guard.claim(request, key, body)

    async def _run(self, claim: _Claim, scope: Scope, receive: Receive, send: Send) -> None:
        kept = _Recorder()

        async def send_and_keep(message: Message) -> None:
            kept.add(message)
            # The answer is kept before its last byte goes out: whoever has seen it whole may repeat the request.
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                await self._guard.finish(claim, kept.answer())
            await send(message)

        try:
            await self._app(scope, receive, send_and_keep)
        except BaseException:
            if not kept.is_whole:
                await self._guard.finish(claim, _Answer(500, {}, b""))
            raise


class _Recorder:
    """Collects a response as it is sent."""

    def __init__(self) -> None:
        self._status = 500
        self._headers: dict[str, str] = {}
        self._body = b""
        self.is_whole = False

    def add(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = Headers(raw=message["headers"])
            self._status = message["status"]
            # Cookies are not kept: a session belongs to the answer that made it.
            self._headers = {name: headers[name] for name in ("content-type", "location") if name in headers}
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            self.is_whole = not message.get("more_body", False)

    def answer(self) -> _Answer:
        return _Answer(self._status, self._headers, self._body)


def _pack(answer: _Answer) -> bytes:
    head = json.dumps(answer.headers).encode()
    return len(head).to_bytes(4, "big") + head + answer.body


def _unpack(status: int, packed: bytes) -> _Answer:
    end = 4 + int.from_bytes(packed[:4], "big")
    return _Answer(status, json.loads(packed[4:end]), packed[end:])


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read already, then whatever comes (the disconnect)."""
    is_given = False

    async def receive_again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
