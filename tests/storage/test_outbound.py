"""Nothing leaves but to a host that an enabled slot names, at an address that was checked."""

import asyncio
import ipaddress
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from incamera.storage.outbound import Outbound, OutboundRefused

_connections: list[Any] = []
_is_listening = False


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if _is_listening and event == "socket.connect":
        _connections.append(arguments[1])


sys.addaudithook(_audit)  # cannot be removed: it stays silent outside these tests


@pytest.fixture
def connections() -> Iterator[list[Any]]:
    """Every address this process tried to connect to."""
    global _is_listening
    _connections.clear()
    _is_listening = True
    yield _connections
    _is_listening = False


@pytest.fixture
async def web_server() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        host = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"host:"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(host), host))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _resolver(*addresses: str) -> Any:
    async def resolve(_host: str, _port: int) -> Sequence[Any]:
        return [ipaddress.ip_address(address) for address in addresses]

    return resolve


async def test_default_install_reaches_nobody(connections: list[Any]) -> None:
    async with Outbound({}).client("mail") as client:
        with pytest.raises(OutboundRefused):
            await client.get("https://example.org/")
    assert connections == []


@pytest.mark.parametrize(
    "url", ["https://elsewhere.example/", "https://mail.example:8443/", "http://mail.example/", "https://127.0.0.1/"]
)
async def test_only_the_named_host_and_port(url: str, connections: list[Any]) -> None:
    outbound = Outbound({"mail": frozenset({"mail.example:443"})}, resolve=_resolver("9.9.9.9"))
    async with outbound.client("mail") as client:
        with pytest.raises(OutboundRefused):
            await client.get(url)
    assert connections == []


async def test_hosts_of_another_slot_do_not_count() -> None:
    outbound = Outbound({"mail": frozenset({"mail.example:443"}), "sms": frozenset()}, resolve=_resolver("9.9.9.9"))
    with pytest.raises(OutboundRefused):
        await outbound.address_of("sms", "mail.example", 443)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:127.0.0.1", "224.0.0.1", "0.0.0.0"],
)
async def test_name_that_leads_inside_is_refused(address: str, connections: list[Any]) -> None:
    outbound = Outbound({"mail": frozenset({"mail.example:443"})}, resolve=_resolver("9.9.9.9", address))
    with pytest.raises(OutboundRefused):
        await outbound.address_of("mail", "mail.example", 443)
    assert connections == []


async def test_connects_to_the_checked_address_under_the_name(web_server: int, connections: list[Any]) -> None:
    name = f"mail.example:{web_server}"
    outbound = Outbound({"mail": frozenset({name})}, resolve=_resolver("127.0.0.1"), allow_private=frozenset({"mail"}))
    async with outbound.client("mail") as client:
        response = await client.get(f"http://{name}/")
    assert response.text == f"Host: {name}"
    assert connections == [("127.0.0.1", web_server)]


async def test_name_without_an_address_is_refused() -> None:
    outbound = Outbound({"mail": frozenset({"mail.example:443"})}, resolve=_resolver())
    with pytest.raises(OutboundRefused):
        await outbound.address_of("mail", "mail.example", 443)
