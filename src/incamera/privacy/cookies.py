"""Cookies and client storage: created with their activity, or they do not exist.

`Cookie.set` is the only way a feature sets one; the guard (`CookieGuard`, last step of every response) removes any
`Set-Cookie` that is not declared, is sent with other attributes or lives longer than declared.
"""

from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from incamera.privacy.marks import ACTIVITY_ID, collected
from incamera.privacy.schema import Text

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
