from typing import Any

import pytest

from incamera.serving.idempotency import Idempotency


@pytest.mark.req("X-09")
async def test_who_leaves_in_the_middle_of_a_body_is_no_error_of_ours() -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(*_: Any) -> None:
        raise AssertionError("the request is not whole")

    scope = {"type": "http", "method": "POST", "path": "/api/v1/devices", "headers": [(b"idempotency-key", b"k")]}
    await Idempotency(app, guard=None)(scope, receive, send)  # type: ignore[arg-type]  # nobody asks it

    assert sent == []
