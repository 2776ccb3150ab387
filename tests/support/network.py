"""No test reaches the network: every address this process connects to is noted, and a foreign one fails the run."""

import ipaddress
import sys
from typing import Any

foreign: list[str] = []
# RFC 5737 and 3849: asking the routes with a UDP socket sends nothing.
_NOBODY = tuple(ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"))


def watch() -> None:
    """From now on, for the life of the process: an audit hook cannot be removed."""
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" or not isinstance(arguments[1], tuple):
        return
    try:
        address = ipaddress.ip_address(arguments[1][0])
    except ValueError:
        return  # a name: its look-up comes first, and its address after it
    if not (
        address.is_loopback or any(address in network for network in _NOBODY if network.version == address.version)
    ):
        foreign.append(str(address))
