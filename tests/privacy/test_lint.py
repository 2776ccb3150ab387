"""What is marked must be declared, what is declared must exist; a finding points at file and line."""

from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from incamera.privacy import ClientKey, Cookie, Text, activity, declare_log_events, declare_storage, personal
from incamera.privacy.lint import (
    check_client_source,
    check_clients,
    check_log_events,
    check_marks,
    check_routes,
    list_routes,
)
from incamera.privacy.marks import isolated_marks
from incamera.privacy.registry import Registry
from tests.privacy.declarations import LIVE_VIEW, PEOPLE, a_registry

WORDS = Text(fr="mots", en="words")


def test_a_column_without_a_mark_fails() -> None:
    class Stray(DeclarativeBase):
        pass

    class StrayRow(Stray):
        __tablename__ = "stray"
        id: Mapped[int] = mapped_column(primary_key=True)

    with isolated_marks() as marks:
        registry = Registry((), marks=marks, metadata=Stray.metadata)
    (problem,) = check_marks(registry)
    assert "stray.id says neither personal(...) nor not_personal(...)" in problem.what


def test_a_column_of_an_undeclared_datum_fails_with_file_and_line() -> None:
    class Wrong(DeclarativeBase):
        pass

    class WrongRow(Wrong):
        __tablename__ = "wrong"
        id: Mapped[int] = mapped_column(primary_key=True, info=personal("B4.live_view/viewer_ib"))

    with isolated_marks() as marks:
        registry = Registry((LIVE_VIEW,), marks=marks, metadata=Wrong.metadata)
    problem = next(p for p in check_marks(registry) if "wrong.id" in p.what)
    assert problem.where.startswith(f"{Path(__file__).as_posix()}:")
    assert "did you mean 'B4.live_view/viewer_ip'" in problem.what


def test_a_declared_datum_that_nothing_holds_fails() -> None:
    with isolated_marks() as marks:
        declare_storage("stream", "lost", "B4.live_view/picture")
        registry = a_registry(marks=marks)
    assert any("lost holds B4.live_view/picture" in problem.what for problem in check_marks(registry))


def an_app() -> FastAPI:
    router = APIRouter()

    @router.get("/marked/{item}")
    @activity("B4.live_view")
    async def marked(item: str) -> None: ...

    @router.post("/unmarked")
    async def unmarked() -> None: ...

    @router.post("/wrong")
    @activity("B4.dead_view")
    async def wrong() -> None: ...

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router, prefix="/api")
    return app


def test_every_route_names_its_activity() -> None:
    problems = [problem.what for problem in check_routes(a_registry(), an_app())]
    assert problems == [
        "POST /api/unmarked names no activity; add @activity(...) or @no_activity(reason)",
        "POST /api/wrong names B4.dead_view, which nobody declares",
    ]
    assert [str(route) for route in list_routes(an_app()) if route.activities] == [
        "GET /api/marked/{item}",
        "POST /api/wrong",
    ]


def test_log_events_and_their_keys_are_declared(tmp_path) -> None:
    source = tmp_path / "feature.py"
    source.write_text('log.info("live.started", channel_id=1, email="x")\nself._log.error("live.lost")\n')
    with isolated_marks() as marks:
        declare_log_events("B4.live_view", {"live.started": ("channel_id",)})
        registry = a_registry(marks=marks)
    found = [str(problem) for problem in check_log_events(registry, [source])]
    assert found == [
        f"{source.as_posix()}:1: the log event 'live.started' does not declare the key 'email'",
        f"{source.as_posix()}:2: the log event 'live.lost' is not declared; use declare_log_events",
    ]


@pytest.mark.req("K-02")
def test_client_storage_of_the_web_app_is_declared_and_used(tmp_path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/keys.ts").write_text('export const CLIENT_KEYS = {\n  "incamera.theme": "theme",\n};\n')
    (tmp_path / "src/app.ts").write_text('localStorage.getItem("visitor")\ndocument.cookie = "a=b"\n')
    with isolated_marks() as marks:
        for name in ("incamera.theme", "incamera.old"):
            ClientKey(name, "B4.live_view", WORDS)
        registry = a_registry(marks=marks)
    found = [str(problem).rpartition("/src/")[2] for problem in check_client_source(registry, tmp_path)]
    assert found == [
        "app.ts:1: the client key 'visitor' is not declared",
        "app.ts:2: cookies are set by the server, through a declared Cookie",
        "client key incamera.old: is declared, but the web app does not use it",
    ]


def test_a_cookie_of_no_activity_fails() -> None:
    with isolated_marks() as marks:
        Cookie("aud", "K.analytics_cookie", WORDS)
        registry = a_registry(LIVE_VIEW, PEOPLE, marks=marks)
    assert any("names K.analytics_cookie" in problem.what for problem in check_clients(registry))
