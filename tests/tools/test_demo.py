"""The demo: one command, a line that says where to look, everything gone after Ctrl-C, and there again next time."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path

import httpx2
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]


def command(port: int, data: Path) -> list[str]:
    return [sys.executable, "-m", "tools.demo", "--port", str(port), "--data", str(data), "--no-open"]


def refused(port: int, data: Path) -> str:
    result = subprocess.run(command(port, data), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1, result.stdout
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    return result.stderr.strip()


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused(port, tmp_path / "demo") == (
            f"Port {port} is not free (Address already in use); choose another with --port."
        )


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert "cannot be written to" in refused(0, tmp_path / "file" / "demo")


def test_someone_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text("{}")
    assert "is not the demo's" in refused(0, tmp_path)
    assert (tmp_path / "demo.json").read_text() == "{}"


@pytest.mark.slow
def test_the_demo_starts_shows_cameras_stops_and_starts_again(tmp_path: Path) -> None:
    first = watch_demo(tmp_path)
    again = watch_demo(tmp_path, as_background_job=True)
    assert again == first, "the same account and the same devices"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
def test_a_killed_demo_leaves_nothing_running(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(command(port, tmp_path), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        with process.stdout as said:
            assert said.readline().startswith("ready ")
        family = psutil.Process(process.pid).children(recursive=True)
        words = [" ".join(it.cmdline()) for it in family]
    finally:
        process.kill()
        process.wait()
    log = (tmp_path / "server.log").read_text()  # it says why an edge is missing
    assert [
        part for part in ("edge.simulated", "serve", "edge --server") if not any(part in it for it in words)
    ] == [], log
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive


def watch_demo(data: Path, *, as_background_job: bool = False) -> tuple[str, list[str]]:
    """Starts it, signs in, waits until every camera sends, stops it; (password, device ids)."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if as_background_job else signal.SIG_DFL)
    try:  # the child inherits it
        process = subprocess.Popen(
            command(port, data), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    try:
        said = [process.stdout.readline().strip() for _ in range(4)]
        assert said[0] == f"ready http://localhost:{port}", process.stderr.read() if process.stderr else ""
        password = re.sub(r"^password ", "", said[2])
        devices = wait_until_online(f"http://localhost:{port}", password)
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        _, alive = psutil.wait_procs(family, timeout=10)
        assert not alive, "Ctrl-C stops all"
    finally:
        if process.poll() is None:
            process.kill()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    return password, devices


def wait_until_online(url: str, password: str) -> list[str]:
    jar = CookieJar(DefaultCookiePolicy(secure_protocols=("https", "http")))
    with httpx2.Client(base_url=url, cookies=jar, timeout=30, headers={"Origin": url}) as client:
        body = {"email": "demo@example.org", "password": password, "remember": False}
        assert client.post("/api/v1/sign-in", json=body).is_success
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            items = client.get("/api/v1/devices").json()["items"]
            if [item["kind"] for item in items] and all(item["state"]["code"] == "online" for item in items):
                assert sorted(item["kind"] for item in items) == ["camera", "doorbell", "recorder"]
                assert sum(len(item["channels"]) for item in items) == 4
                return sorted(item["id"] for item in items)
            time.sleep(0.3)
    raise AssertionError(f"not every camera came on line: {os.linesep.join(map(str, items))}")
