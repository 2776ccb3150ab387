"""The running product in the hands of a thief, a curious operator and a page of another site."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.support.camera import PASSWORD, running_camera
from tests.support.server import OWNER_EMAIL, OWNER_PASSWORD, Server, running_server

pytestmark = pytest.mark.slow

ROOT_KEY = "ab" * 31 + "cd"
CANARIES = ("CanaryDevice77", "CanaryChannel88", "CanaryPurpose66", "CanaryNick55", "CanaryEdge33")
MEDIA_MARKS = (b"moof", b"mdat", b"ftyp", b"avcC", b"JFIF")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A household that has said all its canaries, recorded some seconds, and made a backup."""
    environment = {"INCAMERA_ROOT_KEY": ROOT_KEY}
    folder = tmp_path_factory.mktemp("attacked")
    with running_camera("garden") as camera, running_server(folder, environment=environment) as running:
        live_a_little(running, camera)
        command = [sys.executable, "-m", "incamera", "backup", "--data", str(running.data)]
        subprocess.run(command, env=running.environment, check=True, capture_output=True, timeout=60)
        yield running


def live_a_little(server: Server, camera: str) -> None:
    device_name, channel_name, purpose, nickname, edge_name = CANARIES
    owner = server.owner()
    owner.patch("/api/v1/account", json={"nickname": nickname}).raise_for_status()
    owner.post("/api/v1/edges", json={"name": edge_name}, headers={"Idempotency-Key": "k"}).raise_for_status()
    server.wait_for("/api/v1/edges", lambda edges: any(edge["online"] for edge in edges["items"]))
    channel = {
        "name": channel_name,
        "address": f"{camera}/garden/main",
        "username": "viewer",
        "password": PASSWORD,
    }
    card = {
        "purpose": purpose,
        "placement": "outdoor",
        "sees_public_space": False,
        "staff_informed": None,
        "sound": False,
    }
    body = {
        "kind": "camera",
        "name": device_name,
        "time_zone": "Europe/Paris",
        "channels": [channel],
        "privacy_card": card,
        "mode": "record",
        "sound": False,
    }
    device = owner.post("/api/v1/devices", json=body, headers={"Idempotency-Key": "d"}).raise_for_status().json()
    timeline = f"/api/v1/channels/{device['channels'][0]['id']}/timeline"
    server.wait_for(timeline, lambda shown: shown["newest_us"] and shown["runs"], 40)
    owner.post(f"/api/v1/channels/{device['channels'][0]['id']}/cover/refresh")
    time.sleep(1)


@pytest.mark.req("B5-01")
@pytest.mark.req("X-07")
def test_a_thief_of_data_spool_backup_and_log_reads_nothing(server: Server) -> None:
    secrets = [*CANARIES, OWNER_EMAIL, OWNER_PASSWORD, PASSWORD, ROOT_KEY, server.cookie_header()["Cookie"][15:]]
    wanted = [secret.encode() for secret in secrets] + [bytes.fromhex(ROOT_KEY)]
    files = [path for path in (*server.data.rglob("*"), server.log) if path.is_file()]
    assert any(path.parent.parent.name == "media" for path in files), "something was recorded"
    assert any(path.name == "rows.sealed" for path in files)

    found = {
        (path.name, mark)
        for path in files
        for mark in (*wanted, *(MEDIA_MARKS if path != server.log else ()))
        if mark in path.read_bytes()
    }

    assert not found
    assert all(path.stat().st_mode & 0o077 == 0 for path in files if path != server.log)


@pytest.mark.req("X-03")
def test_no_child_knows_the_root_key_and_no_argument_tells_a_secret(server: Server) -> None:
    edge = json.loads((server.data / "edge" / "local-edge.json").read_text())["pid"]
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], check=True, capture_output=True, text=True).stdout
    family = [line.split(None, 2) for line in listed.splitlines()]
    children = {pid for pid, parent, _ in family if str(edge) in (pid, parent)}

    assert children
    for pid in children:
        assert ROOT_KEY.encode() not in Path(f"/proc/{pid}/environ").read_bytes()
    ours = [arguments for pid, _, arguments in family if pid in {*children, str(server.pid)}]
    assert not any(secret in line for line in ours for secret in (ROOT_KEY, PASSWORD, "rtsp://", "--code"))
    assert "Max core file size        0 " in Path(f"/proc/{server.pid}/limits").read_text()


@pytest.mark.req("X-07")
def test_metrics_tell_of_nobody(server: Server) -> None:
    device = server.owner().get("/api/v1/devices").json()["items"][0]
    text = httpx2.get(f"{server.url}/metrics").text

    for word in (*CANARIES, OWNER_EMAIL, device["id"], device["channels"][0]["id"], "127.0.0.1"):
        assert word not in text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),  # another port of localhost
        ({"Host": "evil.example"}, 421),  # a name that was pointed here
        ({"Content-Type": "text/plain"}, 415),  # what a form can send
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/sign-in", "/api/v1/setup"])
def test_another_site_signs_nobody_in(server: Server, path: str, headers: dict[str, str], status: int) -> None:
    body = json.dumps({"email": OWNER_EMAIL, "password": OWNER_PASSWORD, "remember": True})
    answer = httpx2.post(server.url + path, content=body, headers={"Content-Type": "application/json", **headers})

    assert answer.status_code == status
    assert "set-cookie" not in answer.headers


def test_a_setup_link_used_by_many_at_once_makes_one_owner(tmp_path: Path) -> None:
    with running_server(tmp_path, edge=False) as server:
        token = server.setup_path.partition("#")[2]
        person = {"password": OWNER_PASSWORD, "nickname": "x", "country": "FR", "language": "en", "age_ok": True}

        def try_it(number: int) -> int:
            body = {**person, "token": token, "email": f"owner{number}@example.org"}
            return httpx2.post(f"{server.url}/api/v1/setup", json=body, timeout=60).status_code

        with ThreadPoolExecutor(6) as threads:
            answers = sorted(threads.map(try_it, range(6)))

    assert answers[0] == 201
    assert answers.count(201) == 1
    assert set(answers[1:]) <= {403, 409}
