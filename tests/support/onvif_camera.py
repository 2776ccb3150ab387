"""A camera's ONVIF services over real HTTP: device, media and media2, as far as sync points go.

It reads what it is sent with the standard library's XML parser and checks signatures by itself, so that a mistake in
our own code does not cancel itself out.
"""

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from xml.etree import ElementTree as ET

from incamera.media.rtsp.authentication import Credentials, Gatekeeper

_S: Final = "{http://www.w3.org/2003/05/soap-envelope}"
_WSS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_W: Final = f"{{{_WSS}wssecurity-secext-1.0.xsd}}"
_U: Final = f"{{{_WSS}wssecurity-utility-1.0.xsd}}"
_MEDIA1: Final = "http://www.onvif.org/ver10/media/wsdl"
_MEDIA2: Final = "http://www.onvif.org/ver20/media/wsdl"
_LEEWAY: Final = timedelta(seconds=30)

Answer = bytes | None


@dataclass
class OnvifCamera:
    """One camera. Change its fields to make it another kind of camera; read `asked` and `sync_points` afterwards."""

    profiles: dict[str, str] = field(default_factory=lambda: {"Profile_1": "/main", "Profile_2": "/sub"})
    username: str = "admin"
    password: str = "s3cret"
    wants: Literal["token", "digest", "basic", "nothing"] = "token"
    guards_time: bool = False  # tells not even the time to strangers
    lacks: frozenset[str] = frozenset()  # operations it does not know
    ahead: timedelta = timedelta(0)  # of its clock before ours
    xaddr: str = ""  # where it says that its media service is; "": where it is
    edition: Literal[1, 2] = 1
    instead: Callable[[str], Answer] = lambda operation: None
    on_sync: Callable[[str], None] = lambda token: None
    asked: list[str] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    sync_points: list[str] = field(default_factory=list)
    open_connections: int = 0
    most_connections: int = 0
    port: int = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._gate = Gatekeeper(Credentials(self.username, self.password), "camera")

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_connections += 1
        self.most_connections = max(self.most_connections, self.open_connections)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            self.requests.append(head + body)
            writer.write(self._answer(head.decode(), body))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()

    def _answer(self, head: str, body: bytes) -> bytes:
        envelope = ET.fromstring(body)
        operation_element = envelope.find(f"{_S}Body")[0]  # type: ignore[index]
        operation = operation_element.tag.rpartition("}")[2]
        self.asked.append(operation)
        override = self.instead(operation)
        if override is not None:
            return override
        if operation != "GetSystemDateAndTime" or self.guards_time:
            if self.wants == "digest" and not self._gate.admits(_header(head, "Authorization"), "POST"):
                return _http(401, "", f"WWW-Authenticate: {self._gate.challenge()}\r\n")
            if self.wants == "basic":
                return _http(401, "", 'WWW-Authenticate: Basic realm="camera"\r\n')
            if self.wants == "token" and not self._knows(envelope):
                return fault("ter:NotAuthorized", 401 if self.guards_time else 400)
        if operation in self.lacks:
            return fault("ter:ActionNotSupported")
        return soap(getattr(self, f"_{operation}")(operation_element))

    def _knows(self, envelope: ET.Element) -> bool:
        token = envelope.find(f"{_S}Header/{_W}Security/{_W}UsernameToken")
        if token is None:
            return False
        username, given, nonce, created = (
            token.findtext(name) or "" for name in (f"{_W}Username", f"{_W}Password", f"{_W}Nonce", f"{_U}Created")
        )
        wanted = hashlib.sha1(base64.b64decode(nonce) + created.encode() + self.password.encode()).digest()
        age = datetime.now(UTC) + self.ahead - datetime.fromisoformat(created)
        return username == self.username and base64.b64decode(given) == wanted and abs(age) < _LEEWAY

    # --- operations -------------------------------------------------------------------------------------------------

    def _GetSystemDateAndTime(self, _asked: ET.Element) -> str:  # noqa: N802
        now = datetime.now(UTC) + self.ahead
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime>"
            f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second>"
            f"</tt:Time><tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day>"
            "</tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _GetServices(self, _asked: ET.Element) -> str:  # noqa: N802
        namespace = _MEDIA1 if self.edition == 1 else _MEDIA2
        return (
            "<tds:GetServicesResponse><tds:Service><tds:Namespace>http://www.onvif.org/ver10/device/wsdl</tds:Namespace>"
            "<tds:XAddr>http://0.0.0.0/</tds:XAddr></tds:Service>"
            f"<tds:Service><tds:Namespace>{namespace}</tds:Namespace><tds:XAddr>{self._media()}</tds:XAddr></tds:Service>"
            "</tds:GetServicesResponse>"
        )

    def _GetCapabilities(self, _asked: ET.Element) -> str:  # noqa: N802
        return (
            "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media>"
            f"<tt:XAddr>{self._media()}</tt:XAddr></tt:Media></tds:Capabilities></tds:GetCapabilitiesResponse>"
        )

    def _GetProfiles(self, _asked: ET.Element) -> str:  # noqa: N802
        listed = "".join(
            f'<trt:Profiles fixed="true" token="{it}"><tt:Name>x</tt:Name></trt:Profiles>' for it in self.profiles
        )
        return f"<trt:GetProfilesResponse>{listed}</trt:GetProfilesResponse>"

    def _GetStreamUri(self, asked: ET.Element) -> str:  # noqa: N802
        target = self.profiles[_token(asked)].replace("&", "&amp;")
        uri = f"rtsp://192.0.2.7:554{target}"
        inner = (
            f"<trt:MediaUri><tt:Uri>{uri}</tt:Uri></trt:MediaUri>" if self.edition == 1 else f"<trt:Uri>{uri}</trt:Uri>"
        )
        return f"<trt:GetStreamUriResponse>{inner}</trt:GetStreamUriResponse>"

    def _SetSynchronizationPoint(self, asked: ET.Element) -> str:  # noqa: N802
        token = _token(asked)
        self.sync_points.append(token)
        self.on_sync(token)
        return "<trt:SetSynchronizationPointResponse/>"

    def _media(self) -> str:
        return self.xaddr or f"http://127.0.0.1:{self.port}/onvif/media"


def soap(body: str, status: int = 200) -> bytes:
    """An answer of a camera."""
    return _http(
        status,
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" '
        'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" '
        'xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:ter="http://www.onvif.org/ver10/error">'
        f"<SOAP-ENV:Body>{body}</SOAP-ENV:Body></SOAP-ENV:Envelope>",
    )


def fault(subcode: str, status: int = 500) -> bytes:
    """A camera says no."""
    return soap(
        "<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:Sender</SOAP-ENV:Value><SOAP-ENV:Subcode>"
        f"<SOAP-ENV:Value>{subcode}</SOAP-ENV:Value></SOAP-ENV:Subcode></SOAP-ENV:Code><SOAP-ENV:Reason>"
        '<SOAP-ENV:Text xml:lang="en">no</SOAP-ENV:Text></SOAP-ENV:Reason></SOAP-ENV:Fault>',
        status,
    )


def _http(status: int, body: str, headers: str = "") -> bytes:
    data = body.encode()
    return (
        f"HTTP/1.1 {status} X\r\nContent-Type: application/soap+xml; charset=utf-8\r\n{headers}"
        f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    ).encode() + data


def _token(asked: ET.Element) -> str:
    return next(child.text or "" for child in asked if child.tag.endswith("}ProfileToken"))


def _header(head: str, name: str) -> str | None:
    found = re.search(rf"(?im)^{name}: *([^\r\n]*)", head)
    return found[1] if found else None
