"""The HTTP half of `outbound`: a client whose every request goes to an address that was checked just now."""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx2

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
AddressOf = Callable[[str, int], Awaitable[IpAddress]]
TIMEOUT_S: Final = 10.0
_MAX_CONNECTIONS: Final = 20


def make_client(address_of: AddressOf, verify: Any) -> httpx2.AsyncClient:
    """For `Outbound.client` only. Ignores proxies of the environment and follows no redirect."""
    return httpx2.AsyncClient(
        transport=_Guarded(address_of, verify),
        timeout=httpx2.Timeout(TIMEOUT_S),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "incamera"},
    )


class _Guarded(httpx2.AsyncBaseTransport):
    def __init__(self, address_of: AddressOf, verify: Any) -> None:
        self._address_of = address_of
        limits = httpx2.Limits(max_connections=_MAX_CONNECTIONS)
        self._inner = httpx2.AsyncHTTPTransport(verify=verify, trust_env=False, limits=limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        is_secure = request.url.scheme == "https"
        address = await self._address_of(host, request.url.port or (443 if is_secure else 80))
        # Connect to the address that was checked; the name goes on in the Host header and in the TLS handshake.
        request.url = request.url.copy_with(host=str(address))
        if is_secure:
            request.extensions = {**request.extensions, "sni_hostname": host}
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()
