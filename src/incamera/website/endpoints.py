"""The public addresses (requirement book 4.12): rendered anew from the registry, nothing is kept of their readers."""

from datetime import timedelta
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from incamera.accounts import AccountService, NotSignedIn
from incamera.kit.clock import Clock, SystemClock
from incamera.privacy import Db, activity, no_activity
from incamera.privacy.canonical import render_canonical
from incamera.privacy.jsonld import render_policy
from incamera.privacy.record import render_csv, render_record
from incamera.privacy.registry import Registry
from incamera.privacy.retention_engine import Evidence, RetentionEngine
from incamera.privacy.versions import current_version, read_versions
from incamera.privacy.vocabulary import LANGUAGES
from incamera.website import pages
from incamera.website.errors import CameraUnknown, RecordNotPublic
from incamera.website.languages import choose_language
from incamera.website.signs import CameraSign, CameraSigns, is_code

router = APIRouter(tags=["website"])

_PUBLIC: Final = no_activity("a public page, the same for everybody; nothing is kept of its readers")
_NO_CACHE: Final = {"cache-control": "no-cache"}
_SESSION_COOKIE: Final = "__Host-session"
_FEW_PEOPLE: Final = 5


_version = cache(current_version)  # of an immutable registry, from files that are never edited


def _registry(request: Request) -> Registry:
    registry: Registry = request.app.state.registry
    return registry


def _clock(request: Request) -> Clock:
    clock: Clock = getattr(request.app.state, "clock", None) or SystemClock()
    return clock


def _language(request: Request, language: Annotated[str, Query(max_length=8)] = "") -> str:
    """The one asked for in the address, else the reader's."""
    return language if language in LANGUAGES else choose_language(request.headers.get("accept-language"))


KnownRegistry = Annotated[Registry, Depends(_registry)]
Language = Annotated[str, Depends(_language)]
Audience = Annotated[
    str, Query(max_length=16, description="Show only what concerns: account, filmed, shared, visitor.")
]


async def _is_signed_in(request: Request, db: Db) -> bool:
    accounts: AccountService = request.app.state.accounts
    try:
        await accounts.authenticate(db, request.cookies.get(_SESSION_COOKIE))
    except NotSignedIn:
        return False
    return True


IsSignedIn = Annotated[bool, Depends(_is_signed_in)]


@router.get("/privacy", response_class=HTMLResponse)
@_PUBLIC
async def get_notice(registry: KnownRegistry, language: Language, who: Audience = "") -> Response:
    """The privacy notice in the reader's language."""
    page = _notice(registry, language, who)
    return _html(page, language, {"vary": "accept-language", "content-location": f"/{language}/privacy"})


@router.get("/fr/privacy", response_class=HTMLResponse)
@_PUBLIC
async def get_french_notice(registry: KnownRegistry, who: Audience = "") -> Response:
    """The privacy notice in French."""
    return _html(_notice(registry, "fr", who), "fr")


@router.get("/en/privacy", response_class=HTMLResponse)
@_PUBLIC
async def get_english_notice(registry: KnownRegistry, who: Audience = "") -> Response:
    """The privacy notice in English."""
    return _html(_notice(registry, "en", who), "en")


@router.get("/.well-known/incamera-policy.json")
@_PUBLIC
async def get_policy(registry: KnownRegistry) -> Response:
    """The same policy as JSON-LD."""
    policy = _policy(registry)
    headers = {**_NO_CACHE, "access-control-allow-origin": "*"}
    return Response(policy, media_type="application/ld+json", headers=headers)


@router.get("/.well-known/gpc.json")
@_PUBLIC
async def get_gpc() -> Response:
    """Global Privacy Control is honoured: `Sec-GPC: 1` turns off whatever would need consent (K-07)."""
    versions = read_versions()
    return JSONResponse({"gpc": True, "lastUpdate": versions[-1].published.isoformat() if versions else "2026-11-24"})


@router.get("/.well-known/security.txt", response_class=PlainTextResponse)
@_PUBLIC
async def get_security_contact(request: Request, registry: KnownRegistry) -> Response:
    """Whom to tell about a weakness (RFC 9116)."""
    contact = registry.operator.contacts.security
    expires = (_clock(request).now() + timedelta(days=180)).strftime("%Y-%m-%dT00:00:00Z")
    lines = (
        f"Contact: {f'mailto:{contact}' if contact else request.url_for('get_notice')}",
        f"Expires: {expires}",
        f"Preferred-Languages: {', '.join(LANGUAGES)}",
        f"Canonical: {request.url}",
    )
    return PlainTextResponse("\n".join(lines) + "\n")


@router.get("/robots.txt", response_class=PlainTextResponse)
@_PUBLIC
async def get_robots() -> Response:
    """Search engines may list the notice and nothing else: a home's cameras are no search result (RFC 9309)."""
    allowed = ("/privacy$", *(f"/{language}/privacy$" for language in LANGUAGES))
    lines = ("User-agent: *", *(f"Allow: {path}" for path in allowed), "Disallow: /")
    return PlainTextResponse("\n".join(lines) + "\n")


@router.get("/privacy/evidence", response_class=HTMLResponse)
@activity("B2.login_terminal")
async def get_evidence(
    request: Request, db: Db, registry: KnownRegistry, language: Language, is_signed_in: IsSignedIn
) -> Response:
    """Declared maximum, oldest item and last run of every retention rule; JSON when asked for by `Accept`.

    Ages and counts of fewer than five people are data about them: then only who is signed in sees them.
    """
    accounts: AccountService = request.app.state.accounts
    is_public = registry.operator.website.evidence_public and await accounts.count(db) >= _FEW_PEOPLE
    hidden = not (is_public or is_signed_in)
    engine: RetentionEngine = request.app.state.retention
    evidence = await engine.evidence()
    headers = {"cache-control": "no-store", "vary": "accept, accept-language, cookie"}
    if "application/json" in request.headers.get("accept", ""):
        rules = [_evidence_json(item, hidden=hidden) for item in evidence]
        return JSONResponse({"paused": engine.is_paused, "rules": rules}, headers=headers)
    page = pages.render_evidence_page(
        registry, evidence, language, now=_clock(request).now(), hidden=hidden, paused=engine.is_paused
    )
    return _html(page, language, headers)


@router.get("/privacy/record.json")
@activity("B2.login_terminal")
async def get_record(registry: KnownRegistry, language: Language, is_signed_in: IsSignedIn) -> Response:
    """The record of processing (Art. 30)."""
    _require_operator(registry, is_signed_in)
    entries = render_record(registry, language)
    return JSONResponse({"version": _version(registry), "language": language, "activities": entries})


@router.get("/privacy/record.csv", response_class=PlainTextResponse)
@activity("B2.login_terminal")
async def get_record_sheet(registry: KnownRegistry, language: Language, is_signed_in: IsSignedIn) -> Response:
    """The record as a spreadsheet, in the order of the CNIL's form."""
    _require_operator(registry, is_signed_in)
    name = f"incamera-record-{_version(registry).replace('+', '-')}.csv"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(render_csv(registry, language), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/privacy/record.html", response_class=HTMLResponse)
@activity("B2.login_terminal")
async def get_record_page(registry: KnownRegistry, language: Language, is_signed_in: IsSignedIn) -> Response:
    """The record as a page."""
    _require_operator(registry, is_signed_in)
    return _html(pages.render_record_page(registry, language), language, {"cache-control": "no-store"})


@router.get("/privacy/camera/{code}", response_class=HTMLResponse)
@activity("B0.people_in_view")
async def get_camera(request: Request, registry: KnownRegistry, language: Language, code: str) -> Response:
    """What the sign of one camera leads to: why it is there, what it sees, how long, which rights."""
    sign = await _find_sign(request, code)
    page = pages.render_camera_page(registry, sign, language, code=code if sign else "unknown")
    headers = {"cache-control": "no-store", "vary": "accept-language"}
    return HTMLResponse(page, status_code=200 if sign else 404, headers={**headers, "content-language": language})


@router.get("/privacy/camera/{code}/sign", response_class=HTMLResponse)
@activity("B0.people_in_view")
async def get_camera_sign(request: Request, registry: KnownRegistry, language: Language, code: str) -> Response:
    """The sign to print and to hang beside the camera, with its QR code."""
    sign = await _find_sign(request, code)
    if sign is None:
        raise CameraUnknown
    address = str(request.url_for("get_camera", code=code))
    page = pages.render_sign_page(registry, sign, language, code=code, address=address)
    return _html(page, language, {"cache-control": "no-store"})


@router.get("/privacy/assets/public.css")
@_PUBLIC
async def get_style_sheet() -> Response:
    """The style of the public pages."""
    text = resources.files("incamera.website").joinpath("assets/public.css").read_text(encoding="utf-8")
    return Response(text, media_type="text/css", headers={"cache-control": "public, max-age=3600"})


@cache
def _policy(registry: Registry) -> str:
    return render_canonical(render_policy(registry, _version(registry)))


def _notice(registry: Registry, language: str, who: str) -> str:
    known = who if who in pages.AUDIENCES else ""
    return pages.render_notice_page(registry, language, version=_version(registry), who=known)


async def _find_sign(request: Request, code: str) -> CameraSign | None:
    signs: CameraSigns = request.app.state.signs
    return await signs.find_sign(code) if is_code(code) else None


def _require_operator(registry: Registry, is_signed_in: bool) -> None:
    """The record is public if the operator says so; in a household everyone with an account may read it."""
    operator = registry.operator
    if operator.website.record_public or (is_signed_in and operator.deployment.role == "household"):
        return
    raise RecordNotPublic


def _html(page: str, language: str, headers: dict[str, str] | None = None) -> Response:
    return HTMLResponse(page, headers={**_NO_CACHE, "content-language": language, **(headers or {})})


def _evidence_json(item: Evidence, *, hidden: bool) -> dict[str, Any]:
    return {
        "activity": item.activity,
        "data": list(item.data),
        "rule": item.rule,
        "action": item.action,
        "declared_max_s": None if item.declared_max is None else item.declared_max.total_seconds(),
        "ceiling_s": None if item.ceiling is None else item.ceiling.total_seconds(),
        "in_memory": item.in_memory,
        "last_run": None if item.last_run is None else item.last_run.isoformat(),
        "cutoff": None if item.cutoff is None else item.cutoff.isoformat(),
        "oldest": None if hidden or item.oldest is None else item.oldest.isoformat(),
        "erased": None if hidden else item.erased,
        "erased_in_all": None if hidden else item.erased_in_all,
        "overdue": None if hidden else item.overdue,
    }
