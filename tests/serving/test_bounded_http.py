"""A request is bounded in time and size; one as people send it is not."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from incamera.serving import bounded_http
from incamera.serving.bounded_http import MAX_BODY_BYTES, MAX_HEAD_BYTES
from incamera.serving.listener import Listener, bind


async def _app(scope: dict, receive: object, send: object) -> None:  # type: ignore[type-arg]
    size, more = 0, True
    while more:
        message = await receive()  # type: ignore[operator]
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = str(size).encode()
    head = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": head})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": body})  # type: ignore[operator]


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(bounded_http, "HEAD_S", 0.3)
    monkeypatch.setattr(bounded_http, "BODY_S", 0.3)
    listener = Listener(_app, bind("127.0.0.1", 0), websockets="none", tls=None)
    await listener.start()
    yield listener.port
    await listener.stop()


async def _answer(port: int, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)
        async with asyncio.timeout(5):
            return await reader.read()
    except (ConnectionResetError, BrokenPipeError):
        return b"reset"
    finally:
        writer.close()


async def test_endless_header_is_cut_off(port: int) -> None:
    answer = await _answer(port, b"GET / HTTP/1.1\r\nHost: x\r\nX: ", *[b"a" * 8192] * (MAX_HEAD_BYTES // 8192 + 4))
    assert answer.startswith(b"HTTP/1.1 431") or answer == b"reset"


async def test_slow_head_is_cut_off(port: int) -> None:
    started = asyncio.get_running_loop().time()
    answer = await _answer(port, b"GET / HTTP/1.1\r\n", b"Host", pause_s=0.05)
    assert answer == b""
    assert asyncio.get_running_loop().time() - started < 3


async def test_silent_connection_is_cut_off(port: int) -> None:
    assert await _answer(port) == b""


async def test_long_body_is_no_long_head(port: int) -> None:
    body = b"x" * (MAX_HEAD_BYTES * 3)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert (await _answer(port, head + body)).endswith(str(len(body)).encode())


@pytest.mark.req("X-09")
async def test_slow_body_is_cut_off(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    started = asyncio.get_running_loop().time()

    assert await _answer(port, head, b"{", b" ", pause_s=0.05) == b""
    assert asyncio.get_running_loop().time() - started < 3


@pytest.mark.req("X-09")
@pytest.mark.parametrize("trailer", [b"a: b\r\n" * 10_000, b"x" * 65_536], ids=["many", "one"])
async def test_endless_trailer_is_cut_off(port: int, trailer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_http, "BODY_S", 60)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: "

    answer = await _answer(port, head, *[trailer] * (2 * MAX_BODY_BYTES // len(trailer)))

    assert b"200 OK" not in answer


async def test_second_request_on_the_same_connection(port: int) -> None:
    first = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert (await _answer(port, first, last, pause_s=0.4)).count(b"200 OK") == 2
