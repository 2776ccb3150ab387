import asyncio
from typing import Any

import pytest
from sqlalchemy import select

from incamera.accounts.model import SessionEnd
from incamera.accounts.tables import AccountRow, NoticeServedRow, SessionRow
from tests.support.household import COOKIE, EMAIL, PASSWORD
from tests.support.household import Household as Server


def code(response: Any) -> str:
    return str(response.json()["code"])


async def test_the_first_owner_is_signed_in_by_setting_up(server: Server) -> None:
    async with server.client() as client:
        assert (await client.get("/api/v1/setup")).json() == {"needed": True}
        made = await server.set_up(client)
        assert made.status_code == 201, made.text

        state = (await client.get("/api/v1/session")).json()
        assert state["account"]["email"] == EMAIL
        assert state["account"]["nickname"] == "Zoé"
        assert state["server"]["role"] == "household"
        assert (await client.get("/api/v1/setup")).json() == {"needed": False}


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_hosts(server: Server) -> None:
    async with server.client() as client:
        cookie = (await server.set_up(client)).headers["set-cookie"]
        remembered = await client.post("/api/v1/sign-in", json={"email": EMAIL, "password": PASSWORD, "remember": True})

    assert cookie.startswith(f"{COOKIE}=")
    assert {"httponly", "secure", "path=/", "samesite=lax"} <= {part.strip().lower() for part in cookie.split(";")}
    assert "max-age" not in cookie.lower(), "it ends with the browser"
    assert "domain" not in cookie.lower()
    assert "Max-Age=2592000" in remembered.headers["set-cookie"]


@pytest.mark.req("B1a-03")
async def test_a_setup_link_works_once_and_for_a_day(server: Server) -> None:
    async with server.client() as client:
        stale, fresh = await server.token(), await server.token()
        assert code(await server.set_up(client, token=stale)) == "setup_link_refused"
        server.clock.move(hours=25)
        assert code(await server.set_up(client, token=fresh)) == "setup_link_refused"
        token = await server.token()
        first, second = await asyncio.gather(
            server.set_up(client, token=token), server.set_up(client, token=token, email="other@example.org")
        )
        assert sorted([first.status_code, second.status_code]) in ([201, 403], [201, 409])
        assert await server.accounts.ensure_setup_link() is None


async def test_setting_up_checks_what_it_is_given(server: Server) -> None:
    async with server.client() as client:
        for change, expected in (
            ({"age_ok": False}, "age_not_stated"),
            ({"email": "nobody"}, "invalid_email"),
            ({"country": "XX"}, "invalid_country"),
            ({"password": "short"}, "password_too_short"),
            ({"password": "x" * 129}, "password_too_long"),
            ({"password": "motdepasse"}, "password_too_easy"),
            ({"password": EMAIL}, "password_too_easy"),
            ({"nickname": "a\u202eb"}, "invalid_request"),
            ({"surprise": 1}, "invalid_request"),
        ):
            assert code(await server.set_up(client, **change)) == expected
        assert (await server.set_up(client)).status_code == 201, "a refused try does not spend the link"


@pytest.mark.req("C-01")
async def test_only_the_statement_of_age_and_the_notice_served_are_stored(server: Server) -> None:
    async with server.client() as client:
        await server.set_up(client)
    async with server.database.transaction() as db:
        account = (await db.scalars(select(AccountRow))).one()
        served = (await db.scalars(select(NoticeServedRow))).one()

    assert account.age_ok_at == server.clock.now()
    assert (served.version, served.language) == ("2026.1", "fr")


@pytest.mark.req("B1a-02")
async def test_no_contact_name_or_token_lies_in_the_database(server: Server, tmp_path: Any) -> None:
    async with server.client() as client:
        token = (await server.set_up(client)).cookies[COOKIE]
    async with server.database.transaction() as db:
        account = (await db.scalars(select(AccountRow))).one()
    assert account.password_hash.startswith("$argon2id$")
    if not server.database.is_sqlite:
        return
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("test.db*"))
    for secret in (EMAIL, "Zoé", PASSWORD, token, "192.0.2.7"):
        assert secret.encode() not in stored


@pytest.mark.req("B1a-04")
async def test_sign_in_answers_known_and_unknown_people_alike(server: Server) -> None:
    async with server.client() as client:
        await server.set_up(client)
    async with server.client() as stranger:
        wrong = await stranger.post("/api/v1/sign-in", json={"email": EMAIL, "password": "not this one"})
        unknown = await stranger.post("/api/v1/sign-in", json={"email": "who@example.org", "password": "not this one"})
        nonsense = await stranger.post("/api/v1/sign-in", json={"email": "no address", "password": "not this one"})

    assert wrong.status_code == 401
    assert wrong.content == unknown.content == nonsense.content
    assert set(wrong.headers) == set(unknown.headers)


async def test_the_spelling_of_an_address_does_not_matter(server: Server) -> None:
    async with server.client() as client:
        await server.set_up(client)
        for spelling in ("ZOÉ@EXAMPLE.ORG", " zoe\u0301@example.org "):
            answer = await client.post("/api/v1/sign-in", json={"email": spelling, "password": PASSWORD})
            assert answer.status_code == 200


@pytest.mark.req("B2-04")
async def test_guessing_slows_down_also_for_accounts_that_do_not_exist(server: Server) -> None:
    async with server.client() as client:
        await server.set_up(client)
    for email in (EMAIL, "who@example.org"):
        async with server.client(address="198.51.100.1") as guesser:
            answers = [
                await guesser.post("/api/v1/sign-in", json={"email": email, "password": f"guess {number}"})
                for number in range(6)
            ]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        assert answers[-1].headers["retry-after"] == "2"

    async with server.client(address="203.0.113.9") as owner:
        right = await owner.post("/api/v1/sign-in", json={"email": EMAIL, "password": PASSWORD})
        assert right.status_code == 200, "who guesses elsewhere does not lock the owner out"


async def test_many_guesses_at_the_same_moment_count_as_many(server: Server) -> None:
    async with server.client() as client:
        await server.set_up(client)
        answers = await asyncio.gather(
            *(client.post("/api/v1/sign-in", json={"email": EMAIL, "password": "guess"}) for _ in range(12))
        )
    assert sum(answer.status_code == 401 for answer in answers) <= 5


@pytest.mark.req("X-09")
async def test_a_crowd_is_turned_away_without_being_held_against_it(server: Server) -> None:
    async with server.client() as client:
        await server.set_up(client)
    clients = [server.client(address=f"10.0.{number}.1") for number in range(45)]
    body = {"email": "who@example.org", "password": "guess"}
    answers = await asyncio.gather(*(client.post("/api/v1/sign-in", json=body) for client in clients))
    for client in clients:
        await client.aclose()
    assert {answer.status_code for answer in answers} <= {401, 503}
    async with server.client(address="10.9.9.9") as owner:
        assert (await owner.post("/api/v1/sign-in", json={"email": EMAIL, "password": PASSWORD})).status_code == 200


async def test_a_session_given_from_outside_is_not_adopted(server: Server) -> None:
    async with server.client() as client:
        await server.set_up(client)
        old = client.cookies[COOKIE]
        await client.post("/api/v1/sign-in", json={"email": EMAIL, "password": PASSWORD})
        assert client.cookies[COOKIE] != old
    async with server.client(cookie=f"{COOKIE}=chosen-by-an-attacker") as client:
        signed_in = await client.post("/api/v1/sign-in", json={"email": EMAIL, "password": PASSWORD})
        assert "chosen-by-an-attacker" not in signed_in.headers["set-cookie"]
    async with server.client(cookie=f"{COOKIE}={old}") as client:
        assert (await client.get("/api/v1/session")).status_code == 401, "signing in again ended the former session"


@pytest.mark.req("X-01")
async def test_signing_out_ends_the_session_and_clears_the_browser(server: Server) -> None:
    async with server.client() as client:
        token = (await server.set_up(client)).cookies[COOKIE]
        answer = await client.post("/api/v1/sign-out")

    assert answer.status_code == 204
    assert answer.headers["clear-site-data"] == '"cookies", "storage"'
    assert server.ended[0].reason is SessionEnd.SIGNED_OUT
    async with server.client(cookie=f"{COOKIE}={token}") as client:
        assert (await client.get("/api/v1/session")).status_code == 401


async def test_a_session_ends_by_time_and_by_rest(server: Server) -> None:
    async with server.client() as client:
        await server.set_up(client)
        for _ in range(3):
            server.clock.move(hours=3)
            assert (await client.get("/api/v1/session")).status_code == 200, "use keeps it alive"
        server.clock.move(hours=3, minutes=1)
        assert (await client.get("/api/v1/session")).status_code == 401, "but not for more than twelve hours"

        await client.post("/api/v1/sign-in", json={"email": EMAIL, "password": PASSWORD})
        server.clock.move(hours=4, minutes=1)
        assert (await client.get("/api/v1/session")).status_code == 401
    assert await server.accounts.sweep_sessions() == 1
    assert [event.reason for event in server.ended] == [SessionEnd.SIGNED_OUT, SessionEnd.EXPIRED]


@pytest.mark.req("B2-01")
async def test_a_terminal_is_known_by_its_class_only(server: Server) -> None:
    agent = "Mozilla/5.0 (Linux; Android 14; Pixel 8 Pro) AppleWebKit/537.36 Chrome/156.0.0.0 Mobile Safari/537.36"
    async with server.client(**{"user-agent": agent}) as client:
        await server.set_up(client)
        (session,) = (await client.get("/api/v1/sessions")).json()["items"]

    assert (session["os_family"], session["model_class"]) == ("Android", "phone")
    assert "Pixel" not in str(session)
    assert session["is_current"] is True


@pytest.mark.req("B2-03")
async def test_a_person_ends_a_session_elsewhere(server: Server) -> None:
    async with server.client() as home, server.client() as lost:
        await server.set_up(home)
        await lost.post("/api/v1/sign-in", json={"email": EMAIL, "password": PASSWORD, "remember": True})
        items = (await home.get("/api/v1/sessions")).json()["items"]
        other = next(item["id"] for item in items if not item["is_current"])

        assert (await home.delete(f"/api/v1/sessions/{other}")).status_code == 204
        assert (await lost.get("/api/v1/session")).status_code == 401
        assert code(await home.delete(f"/api/v1/sessions/{other}")) == "session_not_found"
    assert server.ended[0].reason is SessionEnd.ENDED_ELSEWHERE


@pytest.mark.req("B1b-02")
async def test_a_new_password_ends_every_other_session(server: Server) -> None:
    async with server.client() as home, server.client() as other:
        await server.set_up(home)
        await other.post("/api/v1/sign-in", json={"email": EMAIL, "password": PASSWORD})
        before = home.cookies[COOKIE]
        path, new = "/api/v1/account/password", "umbrella 44 river copper"

        assert code(await home.post(path, json={"current_password": "wrong", "new_password": new})) == "wrong_password"
        assert (
            code(await home.post(path, json={"current_password": PASSWORD, "new_password": "azertyuiop"}))
            == "password_too_easy"
        )
        assert (await home.post(path, json={"current_password": PASSWORD, "new_password": new})).status_code == 204

        assert home.cookies[COOKIE] != before
        assert (await home.get("/api/v1/session")).status_code == 200
        assert (await other.get("/api/v1/session")).status_code == 401
        assert (await other.post("/api/v1/sign-in", json={"email": EMAIL, "password": PASSWORD})).status_code == 401
        assert (await other.post("/api/v1/sign-in", json={"email": EMAIL, "password": new})).status_code == 200
    assert [event.reason for event in server.ended] == [SessionEnd.PASSWORD_CHANGED]


@pytest.mark.req("B1b-01")
async def test_a_changed_nickname_replaces_the_old_one(server: Server) -> None:
    async with server.client() as client:
        await server.set_up(client)
        changed = await client.patch("/api/v1/account", json={"nickname": "  زوي 👩‍👧 "})
        assert changed.json()["nickname"] == "زوي 👩‍👧"
        assert changed.json()["language"] == "fr"
        assert (await client.patch("/api/v1/account", json={"nickname": None})).json()["nickname"] is None
        assert (await client.patch("/api/v1/account", json={"language": "xx"})).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/session"),
        ("POST", "/api/v1/sign-out"),
        ("GET", "/api/v1/account"),
        ("PATCH", "/api/v1/account"),
        ("GET", "/api/v1/sessions"),
        ("DELETE", "/api/v1/sessions/01890000-0000-7000-8000-000000000000"),
        ("POST", "/api/v1/account/password"),
    ],
)
async def test_without_a_session_there_is_nothing_to_see(server: Server, method: str, path: str) -> None:
    async with server.client() as client:
        await server.set_up(client)
    bodies = {
        "/api/v1/account": {"language": "en"},
        "/api/v1/account/password": {"current_password": "a", "new_password": "b"},
    }
    async with server.client(cookie=f"{COOKIE}=guess") as stranger:
        answer = await stranger.request(method, path, json=bodies.get(path))
    assert answer.status_code == 401
    assert code(answer) == "not_signed_in"


async def test_the_database_holds_no_usable_session(server: Server) -> None:
    async with server.client() as client:
        await server.set_up(client)
    async with server.database.transaction() as db:
        row = (await db.scalars(select(SessionRow))).one()
    async with server.client(cookie=f"{COOKIE}={row.token_hash.hex()}") as thief:
        assert (await thief.get("/api/v1/session")).status_code == 401
