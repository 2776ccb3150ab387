"""Errors on the wire: `application/problem+json` (RFC 9457), one shape for all.

An `IncameraError` speaks its own sentence. A body that does not fit its schema gets 422 with the places and reasons,
never with what was sent. Anything unforeseen becomes a 500 that says nothing and is logged without its text.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from incamera.kit.errors import IncameraError
from incamera.privacy import declare_log_events

log = structlog.get_logger(__name__)
declare_log_events(None, {"http.failed": ("method", "route")})

MEDIA_TYPE: Final = "application/problem+json"
_MAX_PLACES: Final = 20
_SENTENCES: Final = {
    404: "There is nothing at this address.",
    405: "This address does not understand that method.",
}


class InvalidField(BaseModel):
    """One place in a request that does not fit."""

    at: str = Field(description="Path to the field, for example `body.channels.0.address`.")
    detail: str = Field(description="What is expected there.")


class Problem(BaseModel):
    """An error, as RFC 9457 shapes it."""

    type: str = Field(description="A URN that names the kind of problem.")
    title: str = Field(description="The HTTP status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="One sentence: what happened and what to do next.")
    code: str = Field(description="The stable name of the problem, for programs.")
    errors: list[InvalidField] | None = Field(None, description="Only with `invalid_request`.")
    certificate: str | None = Field(
        None, description="Only with `camera_certificate`: SHA-256 of what the camera showed, in hexadecimal."
    )


class InvalidRequest(IncameraError):
    """The request is not shaped as the API describes it."""

    status = 422


class InternalError(IncameraError):
    """Something went wrong on our side."""

    status = 500


class NotFound(IncameraError):
    """No such address, or nothing there for this account."""

    status = 404


class MethodNotAllowed(IncameraError):
    """The address exists, the method does not."""

    status = 405


def render_problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[InvalidField] | None = None,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, Any] | None = None,
) -> Response:
    """The response for one problem."""
    problem = Problem(
        type=f"urn:incamera:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        errors=list(errors) if errors is not None else None,
    )
    content = {**problem.model_dump(exclude_none=True), **(members or {})}
    return JSONResponse(
        content, status, media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store", **(headers or {})}
    )


def respond(error: IncameraError) -> Response:
    """The response for an error that knows what to say."""
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Cookie realm="incamera"'
    return render_problem(error.status, error.code(), str(error), headers=headers, members=error.members)


def add_problem_handlers(app: FastAPI) -> None:
    """Makes every error of this application a problem."""
    app.add_exception_handler(IncameraError, _incamera_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _unforeseen)


async def _incamera_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, IncameraError)
    if error.status == 500:
        log.error("http.failed", method=request.method, route=route_of(request.scope), exc_info=error)
    elif error.status > 500:  # a line that is down, a camera that does not answer: told, and no mistake of ours
        log.warning("http.failed", method=request.method, route=route_of(request.scope), exc_info=error)
    return respond(error)


async def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [
        InvalidField(at=".".join(str(part)[:64] for part in problem["loc"]), detail=problem["msg"][:200])
        for problem in error.errors()[:_MAX_PLACES]
    ]
    places = ", ".join(dict.fromkeys(field.at for field in fields))
    return render_problem(422, InvalidRequest.code(), f"The request does not fit the API at: {places}.", errors=fields)


async def _http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_")
    detail = _SENTENCES.get(error.status_code, f"{phrase}.")
    return render_problem(error.status_code, code, detail, headers=error.headers)


async def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("http.failed", method=request.method, route=route_of(request.scope), exc_info=error)
    return render_problem(500, InternalError.code(), "Something went wrong on our side; it is in the server's log.")


def route_of(scope: Any) -> str:
    """The route's template (`/api/v1/devices/{device_id}`), never the path itself: ids stay out of logs and metrics."""
    route = scope.get("route")
    return getattr(route, "path", None) or "-"
