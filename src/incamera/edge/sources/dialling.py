"""Which addresses this edge may connect to, checked after the name was resolved (requirement B3-06).

The server tells the edge what to dial. Somebody who could make it dial the cloud's metadata service, the router's
admin page on the internet side or a neighbour's network would have a foothold in the house. So: declared ranges only,
by the numbers that are dialled, never by the name.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from incamera.kit.errors import IncameraError

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# Cameras live at home: private networks, this machine, link-local addresses of both families.
DEFAULT_RANGES: Final = (
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",  # carrier-grade NAT, and the overlay networks that people connect their houses with
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)

# Never, whatever is declared: where clouds keep the credentials of the machine, and what is nobody's address.
_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("169.254.169.253/32", "169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32",
                 "100.100.100.200/32", "fd00:ec2::23/128", "fd00:ec2::253/128", "fd00:ec2::254/128",
                 "fd20:ce::254/128", "0.0.0.0/8", "::/128", "224.0.0.0/4", "ff00::/8", "255.255.255.255/32")
)  # fmt: skip


class InvalidDialRange(IncameraError):
    status = 422

    def __init__(self, text: str) -> None:
        super().__init__(f"'{text}' is not an address range; write it like 192.168.0.0/16.")


class NameNotFound(IncameraError):
    status = 502

    def __init__(self) -> None:
        super().__init__("The camera's name is unknown in this network.")


class AddressRefused(IncameraError):
    status = 403

    def __init__(self) -> None:
        super().__init__("The camera's address is outside the ranges that this edge may connect to.")


@dataclass(frozen=True, slots=True)
class DialRanges:
    """The ranges an edge may dial."""

    networks: tuple[IpNetwork, ...]

    @classmethod
    def parse(cls, texts: Iterable[str] = DEFAULT_RANGES) -> Self:
        """Reads ranges in CIDR notation; raises InvalidDialRange."""
        networks: list[IpNetwork] = []
        for text in texts:
            try:
                networks.append(ipaddress.ip_network(text.strip()))
            except ValueError as error:
                raise InvalidDialRange(text) from error
        return cls(tuple(networks))

    def allow(self, address: IpAddress) -> bool:
        """Whether a number may be dialled. An IPv4 address in IPv6 clothes is judged as what it is."""
        plain = _undress(address)
        if any(plain in network for network in _NEVER):
            return False
        return any(plain in network for network in self.networks)


def _undress(address: IpAddress) -> IpAddress:
    """The IPv4 address inside a mapped, 6to4 or NAT64 address, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in ipaddress.ip_network("64:ff9b::/96"):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


async def resolve(host: str, port: int, ranges: DialRanges) -> list[tuple[str, int]]:
    """The socket addresses that may be dialled for a host, in the resolver's order.

    Raises NameNotFound or AddressRefused. The caller connects to these numbers and does not resolve again: a name that
    changes its mind between the check and the call gains nothing.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise NameNotFound from error
    allowed = [
        (str(address[0]), int(address[1]))
        for _, _, _, _, address in found
        if ranges.allow(ipaddress.ip_address(str(address[0]).partition("%")[0]))
    ]
    if not allowed:
        raise AddressRefused
    return allowed
