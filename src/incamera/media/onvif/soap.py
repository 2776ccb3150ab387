"""SOAP 1.2 envelopes as ONVIF uses them (SOAP 1.2 part 1 clause 5, ONVIF Core clause 5), and who asks.

The header proves that we know the password without telling it (OASIS Web Services Security UsernameToken Profile 1.0):
PasswordDigest = Base64(SHA-1(nonce + created + password)), with a fresh nonce and the camera's own time.
"""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from incamera.media.onvif.errors import NotOnvif, OnvifFault
from incamera.media.onvif.xml import Element, parse_xml
from incamera.media.rtsp.authentication import Credentials

_ENVELOPE: Final = "http://www.w3.org/2003/05/soap-envelope"
_WSS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_SECURITY: Final = f"{_WSS}wssecurity-secext-1.0.xsd"
_UTILITY: Final = f"{_WSS}wssecurity-utility-1.0.xsd"
_DIGEST: Final = f"{_WSS}username-token-profile-1.0#PasswordDigest"
_BASE64: Final = f"{_WSS}soap-message-security-1.0#Base64Binary"


@dataclass(frozen=True, slots=True)
class UsernameToken:
    """Who asks, at one moment of the camera's clock."""

    credentials: Credentials
    nonce: bytes
    created: datetime

    def render(self) -> str:
        """The `Security` header block."""
        created = self.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        given = self.nonce + created.encode() + self.credentials.password.encode()
        # SHA-1 is what the profile says. The nonce keeps two answers apart; nothing else rests on it.
        digest = base64.b64encode(hashlib.sha1(given, usedforsecurity=False).digest()).decode()
        return (
            f'<w:Security xmlns:w="{_SECURITY}" s:mustUnderstand="1"><w:UsernameToken>'
            f"<w:Username>{escape(self.credentials.username)}</w:Username>"
            f'<w:Password Type="{_DIGEST}">{digest}</w:Password>'
            f'<w:Nonce EncodingType="{_BASE64}">{base64.b64encode(self.nonce).decode()}</w:Nonce>'
            f'<u:Created xmlns:u="{_UTILITY}">{created}</u:Created>'
            "</w:UsernameToken></w:Security>"
        )


def render_envelope(body: str, token: UsernameToken | None) -> bytes:
    """A message; `body` is XML of our own."""
    header = "" if token is None else f"<s:Header>{token.render()}</s:Header>"
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{_ENVELOPE}">{header}'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def parse_envelope(data: bytes) -> Element:
    """The first element of an answer's body; raises InvalidXml, NotOnvif or, if the camera says no, OnvifFault."""
    envelope = parse_xml(data)
    body = envelope.find("Body")
    if envelope.name != "Envelope" or body is None or not body.children:
        raise NotOnvif
    answer = body.children[0]
    if answer.name == "Fault":
        raise OnvifFault(_fault_code(answer))
    return answer


def _fault_code(fault: Element) -> str:
    """The innermost subcode without its prefix: what ONVIF's own codes are (Core clause 5.8)."""
    codes = [it.text.strip().rpartition(":")[2] for it in fault.descendants() if it.name in ("Value", "faultcode")]
    return codes[-1][:64] if codes else ""
