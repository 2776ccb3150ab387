"""A cookie that is not declared does not leave, whoever sets it."""

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from incamera.accounts.dependencies import SESSION_COOKIE
from incamera.privacy import Cookie, CookieGuard, Text
from incamera.privacy.cookies import judge_cookie
from incamera.privacy.marks import isolated_marks

DECLARED = {SESSION_COOKIE.name: SESSION_COOKIE}
GOOD = "__Host-session=abc; Path=/; Secure; HttpOnly; SameSite=lax"


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        (GOOD, None),
        (GOOD + "; Max-Age=2592000", None),
        (GOOD + "; Max-Age=2592001", "lives too long"),
        (GOOD + "; Max-Age=soon", "lives too long"),
        (GOOD + "; Expires=Thu, 01 Jan 2099 00:00:00 GMT", "lifetime as a date"),
        (GOOD + "; Domain=example.net", "sent to other hosts"),
        (GOOD.replace("; Secure", ""), "not secure"),
        (GOOD.replace("; HttpOnly", ""), "readable by scripts"),
        (GOOD.replace("lax", "none"), "other SameSite"),
        ("visitor=1", "undeclared"),
    ],
)
@pytest.mark.req("K-02")
def test_a_cookie_is_judged_by_its_declaration(header: str, rule: str | None) -> None:
    offence = judge_cookie(header, DECLARED)
    assert (offence.rule if offence else None) == rule


@pytest.mark.req("K-01")
async def test_the_guard_removes_what_is_not_declared_and_lets_the_rest_pass() -> None:
    async def page(_request: Request) -> Response:
        response = Response("page")
        SESSION_COOKIE.set(response, "token", max_age_s=3600)
        response.set_cookie("visitor", "1")
        return response

    app = CookieGuard(Starlette(routes=[Route("/", page)]), DECLARED)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://t") as client:
        answer = await client.get("/")
    (header,) = answer.headers.get_list("set-cookie")
    assert header.startswith("__Host-session=token; HttpOnly; Max-Age=3600")


@pytest.mark.req("K-03")
def test_a_cookie_cannot_be_given_a_longer_life_than_declared() -> None:
    with isolated_marks():
        short = Cookie("prefs", "K.preferences", Text(fr="mots", en="words"), max_age_s=60)
    with pytest.raises(ValueError, match="60 s at most"):
        short.set(Response(), "x", max_age_s=61)
