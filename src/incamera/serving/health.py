"""`/healthz` for whoever restarts us, `/metrics` for whoever watches us."""

import hmac
import ipaddress
from collections.abc import Callable
from typing import Final

import prometheus_client
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from incamera.kit.errors import IncameraError
from incamera.privacy import no_activity
from incamera.storage.volume import SENTENCES, VolumeState

Readiness = Callable[[], str | None]
METRICS_TYPE: Final = prometheus_client.CONTENT_TYPE_LATEST


class NotReady(IncameraError):
    """The server is starting, stopping, or cannot do its work."""

    status = 503
    retry_after_s = 2

    def __init__(self, reason: str) -> None:
        super().__init__(f"Not ready: {reason}.")


class MetricsForbidden(IncameraError):
    status = 403

    def __init__(self) -> None:
        super().__init__("Metrics are for this machine, or for who sends INCAMERA_METRICS_TOKEN as a bearer token.")


class Health(BaseModel):
    """The server is up and does its work."""

    status: str = Field("ready", description="Always `ready`; otherwise the answer is 503.")
    storage: VolumeState = Field(
        VolumeState.WELL,
        description="How the volume of the recordings is doing. The server is ready all the same: live pictures go on.",
    )
    says: str = Field("", description="What to do about it, in a sentence; empty while all is well.")


def health_router(
    readiness: Readiness, metrics_token: str | None, volume: Callable[[], VolumeState] = lambda: VolumeState.WELL
) -> APIRouter:
    """Both routes. `readiness` returns why the server is not ready, or None."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz", summary="Is the server ready?")
    @no_activity("says only whether the server is up")
    async def get_health() -> Health:
        reason = readiness()
        if reason is not None:
            raise NotReady(reason)
        state = volume()
        return Health(status="ready", storage=state, says=SENTENCES[state])

    @router.get(
        "/metrics",
        summary="Prometheus metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    @no_activity("counts without labels that name a person, a camera or an address")
    async def get_metrics(request: Request) -> Response:
        if not _may_read(request, metrics_token):
            raise MetricsForbidden
        return Response(prometheus_client.generate_latest(), media_type=METRICS_TYPE)

    return router


def _may_read(request: Request, token: str | None) -> bool:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token is not None:
        return hmac.compare_digest(given.encode(), token.encode())
    # Behind a proxy `client` is the address the proxy vouches for, so a stranger cannot pass for this machine.
    host = request.client.host if request.client else ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
