"""Server and edge both die: what the edge had put on its disk, unreadable to itself, reaches the recording."""

import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.camera import PASSWORD, running_camera
from tests.support.server import Server, running_server

pytestmark = [pytest.mark.slow, pytest.mark.quiet]

CARD = {
    "purpose": "To see the garden",
    "placement": "outdoor",
    "sees_public_space": False,
    "staff_informed": None,
    "sound": False,
}


def test_what_a_killed_edge_had_sealed_is_recorded(tmp_path: Path) -> None:
    with running_camera("garden") as address, running_server(tmp_path) as server:
        channel_id = add_camera(server, address)
        before = wait_for_recording(server, channel_id, seconds=3)

        server.kill()
        killed_us = time.time_ns() // 1000
        time.sleep(6.5)
        sealed = list((server.data / "edge" / "spool").glob("*.spool"))
        os.kill(edge_pid(server), signal.SIGKILL)
        server.start()
        now_us = time.time_ns() // 1000
        after = server.wait_for(timeline_path(channel_id), lambda shown: (shown["newest_us"] or 0) > now_us)
        deadline = time.monotonic() + 20
        while list((server.data / "edge" / "spool").glob("*.spool")) and time.monotonic() < deadline:
            time.sleep(0.2)
        after = server.wait_for(timeline_path(channel_id), lambda shown: shown["newest_us"])

    assert before["newest_us"]
    assert sealed, "without a server the edge writes to its disk"
    assert seconds_covered(after, killed_us, killed_us + 3_000_000) > 2.5
    causes = {gap["cause"] for gap in after["gaps"] if gap["to_us"] > killed_us}
    assert "edge_restarted" in causes


def add_camera(server: Server, address: str) -> str:
    channel = {
        "name": "Garden",
        "address": f"{address}/garden/main",
        "username": "viewer",
        "password": PASSWORD,
    }
    body = {
        "kind": "camera",
        "name": "Garden",
        "time_zone": "Europe/Paris",
        "channels": [channel],
        "privacy_card": CARD,
        "mode": "record",
        "sound": False,
    }
    server.owner()
    server.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
    response = server.owner().post("/api/v1/devices", json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["channels"][0]["id"])


def wait_for_recording(server: Server, channel_id: str, *, seconds: int) -> dict[str, Any]:
    shown: dict[str, Any] = server.wait_for(
        timeline_path(channel_id),
        lambda answer: answer["newest_us"] and answer["newest_us"] - answer["oldest_us"] > seconds * 1_000_000,
    )
    return shown


def timeline_path(channel_id: str) -> str:
    now = datetime.now(UTC)
    begin, end = (now - timedelta(minutes=10)).isoformat(), (now + timedelta(minutes=10)).isoformat()
    return f"/api/v1/channels/{channel_id}/timeline?" + urlencode({"from": begin, "to": end, "resolution_s": 1})


def seconds_covered(timeline: dict[str, Any], from_us: int, to_us: int) -> float:
    runs = [run for run in timeline["runs"] if run["stream"] == "main"]
    return sum(max(0, min(run["to_us"], to_us) - max(run["from_us"], from_us)) for run in runs) / 1e6


def edge_pid(server: Server) -> int:
    return int(json.loads((server.data / "edge" / "local-edge.json").read_text())["pid"])
