"""Cookies and client storage: created with their activity, or they do not exist.

`Cookie.set` is the only way a feature sets one; the guard (`CookieGuard`, last step of every response) removes any
`Set-Cookie` that is not declared, is sent with other attributes or lives longer than declared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import structlog
from prometheus_client import Counter
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from incamera.privacy.marks import ACTIVITY_ID, collected, declare_log_events
from incamera.privacy.schema import Text

log = structlog.get_logger(__name__)
declare_log_events(None, {"privacy.cookie_removed": ("cookie", "rule")})
COOKIES_REMOVED: Final = Counter("incamera_cookies_removed_total", "Cookies that no declaration allows.")

CookieKind = Literal["necessary", "functional", "analytics"]


@dataclass(frozen=True, slots=True)
class Cookie:
    """One declared cookie. `max_age_s` is the longest life it may be given; None: it ends with the browser session."""

    name: str
    activity: str
    purpose: Text
    kind: CookieKind = "necessary"
    max_age_s: int | None = None
    http_only: bool = True
    same_site: Literal["lax", "strict"] = "lax"

    def __post_init__(self) -> None:
        if not ACTIVITY_ID.fullmatch(self.activity):
            raise ValueError(f"the cookie {self.name} names {self.activity!r}, which is no activity id")
        collected().cookies[self.name] = self

    def set(self, response: Response, value: str, *, max_age_s: int | None = None) -> None:
        """Sets it, always Secure and for the whole site; `max_age_s` at most as declared, None: browser session."""
        if max_age_s is not None and (self.max_age_s is None or max_age_s > self.max_age_s):
            raise ValueError(f"the cookie {self.name} may live {self.max_age_s} s at most, not {max_age_s} s")
        response.set_cookie(
            self.name, value, max_age=max_age_s, path="/", secure=True, httponly=self.http_only, samesite=self.same_site
        )

    def clear(self, response: Response) -> None:
        """Deletes it in the browser."""
        response.delete_cookie(self.name, path="/", secure=True, httponly=self.http_only, samesite=self.same_site)


@dataclass(frozen=True, slots=True)
class ClientKey:
    """One declared key of localStorage, IndexedDB or the Cache API; dropped when unused for `max_age_days`."""

    name: str
    activity: str
    purpose: Text
    store: Literal["localStorage", "sessionStorage", "indexedDB", "cache"] = "localStorage"
    max_age_days: int | None = 180

    def __post_init__(self) -> None:
        if not ACTIVITY_ID.fullmatch(self.activity):
            raise ValueError(f"the client key {self.name} names {self.activity!r}, which is no activity id")
        collected().client_keys[self.name] = self


@dataclass(frozen=True, slots=True)
class _Offence:
    """Why a `Set-Cookie` was removed: the cookie's name and the rule it broke, never its value."""

    name: str
    rule: str


def judge_cookie(header: str, declared: Mapping[str, Cookie]) -> _Offence | None:
    """What is wrong with one `Set-Cookie` header; None if it is declared and sent as declared."""
    first, *attributes = header.split(";")
    name = first.partition("=")[0].strip()
    cookie = declared.get(name)
    if cookie is None:
        return _Offence(name[:64], "undeclared")
    given = {key.strip().lower(): value.strip() for key, _, value in (part.partition("=") for part in attributes)}
    if "secure" not in given:
        return _Offence(name, "not secure")
    if cookie.http_only and "httponly" not in given:
        return _Offence(name, "readable by scripts")
    if given.get("samesite", "").lower() != cookie.same_site:
        return _Offence(name, "other SameSite")
    if "domain" in given:
        return _Offence(name, "sent to other hosts")
    lifetime = given.get("max-age")
    if "expires" in given and lifetime is None:
        return _Offence(name, "lifetime as a date")
    if lifetime is not None and (not lifetime.isdigit() or int(lifetime) > (cookie.max_age_s or 0)):
        return _Offence(name, "lives too long")
    return None


class CookieGuard:
    """ASGI middleware, outermost around responses: a cookie that is not declared does not leave (K-02).

    Analytics cookies also need consent and no `Sec-GPC: 1`; none is declared yet, so none passes.
    """

    def __init__(self, app: ASGIApp, declared: Mapping[str, Cookie] | None = None) -> None:
        self._app = app
        self._declared = declared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [header for header in message.get("headers", ()) if self._may_leave(header)]
            await send(message)

        await self._app(scope, receive, guarded)

    def _may_leave(self, header: tuple[bytes, bytes]) -> bool:
        if header[0].lower() != b"set-cookie":
            return True
        declared = self._declared if self._declared is not None else collected().cookies
        offence = judge_cookie(header[1].decode("latin-1"), declared)
        if offence is not None:
            COOKIES_REMOVED.inc()
            log.error("privacy.cookie_removed", cookie=offence.name, rule=offence.rule)
        return offence is None
