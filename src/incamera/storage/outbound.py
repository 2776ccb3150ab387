"""The one door to the outside: every HTTP request the server makes to another machine goes through here.

The operator's file enables processor slots, each with its hosts; a default install has none, so nothing gets out.
A host that no enabled slot names is refused and logged by slot only. DNS is asked once per request, every answer is
checked (no private, loopback or link-local address, against rebinding), and the connection goes to exactly that
address. Redirects are not followed: they would lead to a host nobody checked.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from incamera.kit.errors import IncameraError

if TYPE_CHECKING:
    import httpx2

log = structlog.get_logger(__name__)

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[IpAddress]]]


class OutboundRefused(IncameraError):
    """The server may not talk to that host."""

    status = 502

    def __init__(self, slot: str, reason: str) -> None:
        self.slot, self.reason = slot, reason
        super().__init__(f"The connection of {slot!r} was refused: {reason}; enable its host in the privacy file.")


class Outbound:
    """Makes HTTP clients. `slots` maps each enabled slot to the `host:port` names it may reach."""

    def __init__(
        self,
        slots: Mapping[str, frozenset[str]],
        *,
        resolve: Resolve | None = None,
        allow_private: frozenset[str] = frozenset(),
        verify: Any = True,
    ) -> None:
        self._slots = {slot: frozenset(host.lower() for host in hosts) for slot, hosts in slots.items()}
        self._resolve = resolve or _resolve
        self._allow_private = allow_private  # slots whose hosts are the operator's own machines (mail, object store)
        self._verify = verify

    def client(self, slot: str) -> "httpx2.AsyncClient":
        """A client that reaches this slot's hosts and nothing else. Close it after use."""
        from incamera.storage.outbound_http import make_client  # 0.2 s to import, for what most servers never do

        return make_client(lambda host, port: self.address_of(slot, host, port), self._verify)

    async def address_of(self, slot: str, host: str, port: int) -> IpAddress:
        """The checked address to connect to; raises OutboundRefused."""
        if f"{host.lower()}:{port}" not in self._slots.get(slot, frozenset()):
            raise self._refuse(slot, "no enabled slot names that host")
        addresses = await self._resolve(host, port)
        if not addresses:
            raise self._refuse(slot, "its name has no address")
        if slot not in self._allow_private and not all(_is_public(address) for address in addresses):
            raise self._refuse(slot, "its name leads to a private address")
        return addresses[0]

    def _refuse(self, slot: str, reason: str) -> OutboundRefused:
        log.warning("outbound.refused", slot=slot, reason=reason)
        return OutboundRefused(slot, reason)


async def _resolve(host: str, port: int) -> Sequence[IpAddress]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return ()
    return tuple(dict.fromkeys(ipaddress.ip_address(entry[4][0]) for entry in found))


def _is_public(address: IpAddress) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_global and not address.is_multicast
