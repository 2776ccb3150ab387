"""What is said to one camera: its clock, and how it wants us to prove who we are.

    render(call) ─► request ─► answer ─► receive ─► Element          done
                                           └► None                   ask once more: it wants HTTP Digest
                                           └► OnvifRefused           never again with this password

At most two requests per question carry the password's digest, so that no camera locks an account out because of us.
"""

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from incamera.media.http.messages import Head, render_request
from incamera.media.http.url import HttpUrl
from incamera.media.onvif.errors import NotOnvif, OnvifFault, OnvifRefused
from incamera.media.onvif.services import DEVICE_PATH, Call
from incamera.media.onvif.soap import UsernameToken, parse_envelope, render_envelope
from incamera.media.onvif.xml import Element
from incamera.media.rtsp.authentication import Authenticator, Credentials, parse_challenges
from incamera.media.rtsp.errors import RtspError

_REFUSALS: Final = frozenset({"NotAuthorized", "FailedAuthentication", "InvalidSecurity", "FailedCheck"})
_NONCE_BYTES: Final = 16


class OnvifSession:
    """One camera, one user. Does no I/O: give every answer back before the next question."""

    def __init__(
        self,
        host: str,
        port: int,
        credentials: Credentials | None,
        make_nonce: Callable[[], bytes] = lambda: secrets.token_bytes(_NONCE_BYTES),
    ) -> None:
        self.device = HttpUrl(False, host, port, DEVICE_PATH)
        self._credentials = credentials
        self._make_nonce = make_nonce
        self._digest: Authenticator | None = None  # once the camera has asked for HTTP Digest
        self._ahead = timedelta(0)  # of the camera's clock before ours

    def set_clock(self, camera: datetime, ours: datetime) -> None:
        """What the camera's clock said when ours said that: a token of another time is refused."""
        self._ahead = camera - ours

    def render(self, call: Call, now: datetime) -> bytes:
        """The request; `now` is our time."""
        headers = [("Content-Type", f'application/soap+xml; charset=utf-8; action="{call.action}"')]
        token: UsernameToken | None = None
        if self._digest is not None:
            if (authorization := self._digest.authorise("POST", call.url.target)) is not None:
                headers.append(("Authorization", authorization))
        elif call.proves_identity and self._credentials is not None:
            token = UsernameToken(self._credentials, self._make_nonce(), _moved(now, self._ahead))
        return render_request("POST", call.url, headers, render_envelope(call.body, token), user_agent="incamera")

    def receive(self, head: Head, body: bytes) -> Element | None:
        """What was answered; None: ask the same once more. Raises OnvifError."""
        if head.status_code == 401:
            self._take_challenge(head, body)
            return None
        if head.status_code not in (200, 400, 403, 500):
            raise NotOnvif
        if self._digest is not None:
            self._digest.accepted()
        try:
            return parse_envelope(body)
        except OnvifFault as fault:
            if fault.subcode in _REFUSALS:
                raise OnvifRefused from fault
            raise

    def _take_challenge(self, head: Head, body: bytes) -> None:
        """Raises OnvifRefused unless trying once more may help, and NotOnvif where another kind of server asks.

        Basic is not answered: it would tell the password.
        """
        challenges = parse_challenges(head.headers.find_all("WWW-Authenticate"))
        if not challenges:
            _expect_fault(body)
        offers = [it for it in challenges if it.scheme == "digest"]
        if self._credentials is None:
            raise OnvifRefused
        authenticator = self._digest or Authenticator(self._credentials)
        try:
            may_try = bool(offers) and authenticator.take_challenges(offers)
        except RtspError as error:
            raise OnvifRefused from error
        if not may_try:
            raise OnvifRefused
        self._digest = authenticator


def _expect_fault(body: bytes) -> None:
    """Raises NotOnvif or InvalidXml unless a camera says no in SOAP."""
    try:
        parse_envelope(body)
    except OnvifFault:
        return
    raise NotOnvif


def _moved(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:  # a clock of the year 1 or 9999
        return moment
