"""Devices with nothing doubled: the server and its confined edge as processes, a camera over RTSP, events over HTTP."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from tests.devices.test_endpoints import CARD
from tests.support.camera import PASSWORD, read_counters, running_camera
from tests.support.server import Server, running_server


class Events:
    """Follows `/api/v1/events` in a thread, as a page does."""

    def __init__(self, server: Server) -> None:
        self._queue: Queue[tuple[str, Any]] = Queue()
        threading.Thread(target=self._follow, args=(server,), daemon=True).start()

    def wait_for(self, name: str, accept: Callable[[Any], bool]) -> Any:
        for _ in range(200):
            try:
                kind, data = self._queue.get(timeout=15)
            except Empty:
                break
            if kind == name and accept(data):
                return data
        raise AssertionError(f"no such event {name!r} came")

    def _follow(self, server: Server) -> None:
        headers = server.cookie_header()
        with server.client() as page, page.stream("GET", "/api/v1/events", headers=headers, timeout=60) as answer:
            name = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    self._queue.put((name, json.loads(line[6:])))


@pytest.fixture(scope="module")
def camera() -> Iterator[str]:
    with running_camera("porch:steady") as base:
        yield f"{base}/porch/main"


@pytest.mark.slow
def test_an_owner_follows_a_camera_from_adding_to_removing(tmp_path: Path, camera: str) -> None:
    with running_server(tmp_path) as server:
        owner = server.owner()
        server.wait_for("/api/v1/edges", lambda edges: edges["items"] and edges["items"][0]["online"])
        events = Events(server)
        source = {"address": camera, "username": "viewer", "password": PASSWORD}
        body = {
            "kind": "camera",
            "name": "Porch",
            "time_zone": "Europe/Paris",
            "channels": [{"name": "Porch", **source}],
            "privacy_card": CARD,
            "mode": "record",
        }
        device = owner.post("/api/v1/devices", json=body).raise_for_status().json()
        path, channel = f"/api/v1/devices/{device['id']}", f"/api/v1/channels/{device['channels'][0]['id']}"

        told = events.wait_for("device", lambda it: it["channels"][0]["cover"] is not None)
        assert told["state"]["code"] == "online"
        cover = owner.get(told["channels"][0]["cover"]["url"])
        assert len(read_counters(cover.content)) == 1, "the cover is a picture of this camera"

        owner.put(f"{channel}/source", json=source | {"password": "not this one"}).raise_for_status()
        told = events.wait_for("device", lambda it: it["state"]["code"] == "offline")
        assert told["state"]["fault"] == "refused_password"
        owner.put(f"{channel}/source", json=source).raise_for_status()
        events.wait_for("device", lambda it: it["state"]["code"] == "online")

        owner.delete(path).raise_for_status()
        assert events.wait_for("removed", lambda it: it["id"] == device["id"])
        owner.post(f"{path}/restore").raise_for_status()
        events.wait_for("device", lambda it: it["state"]["code"] == "online")

        assert server.stop() == 0, "open event streams do not hold the server"
