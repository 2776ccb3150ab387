"""One log line and three figures per request: method, route template, status, duration. No address, path or agent."""

from time import perf_counter
from typing import Final

import structlog
from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from incamera.privacy import declare_log_events
from incamera.serving.problems import route_of

log = structlog.get_logger(__name__)
declare_log_events(None, {"http.request": ("method", "route", "status", "duration_ms")})

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUESTS: Final = Counter("incamera_http_requests_total", "Requests answered.", ("method", "route", "status"))
SECONDS: Final = Histogram(
    "incamera_http_request_seconds", "Time until the whole answer was sent.", ("method", "route")
)
IN_PROGRESS: Final = Gauge("incamera_http_requests_in_progress", "Requests being answered.")


class RequestLog:
    """Counts and logs; the quiet routes (health, metrics, static files) are counted only."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = perf_counter(), 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with IN_PROGRESS.track_inprogress():
            try:
                await self._app(scope, receive, send_and_note)
            finally:
                self._note(scope, status, perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        # A method is free text; unknown ones share a label, or anyone could fill our memory with labels.
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = route_of(scope)
        REQUESTS.labels(method, route, str(status)).inc()
        SECONDS.labels(method, route).observe(seconds)
        if route.startswith("/api/") or status >= 500:
            log.info("http.request", method=method, route=route, status=status, duration_ms=round(seconds * 1000, 1))
