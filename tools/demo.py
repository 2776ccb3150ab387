"""The demo: simulated cameras served over RTSP, a server with its edge, and an account to look with.

Everything lives in one folder and is there again the next time: recordings, account and devices. The cameras are real
to the server: it reaches them by address, with a password, like any others.
"""

import argparse
import ctypes
import json
import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from types import FrameType
from typing import Any, Self

import httpx2

ROOT = Path(__file__).resolve().parent.parent
EMAIL = "demo@example.org"
START_S = 60.0
NEEDED_BYTES = 500_000_000
DEVICES: tuple[dict[str, Any], ...] = (
    {"kind": "camera", "name": "Front garden", "channels": {"Front garden": "garden"}, "sound": True},
    {"kind": "doorbell", "name": "Porch", "channels": {"Porch": "porch"}, "sound": False},
    {"kind": "recorder", "name": "Recorder", "channels": {"Yard": "yard", "Garage": "garage"}, "sound": False},
)
PLACEMENTS = {"doorbell": "doorbell", "camera": "outdoor", "recorder": "outdoor"}


class DemoError(Exception):
    """Why the demo cannot run, in one sentence that says what to do."""


@dataclass
class Notes:
    """What the demo remembers between two starts, in `demo.json` (0600)."""

    camera_port: int
    camera_password: str
    account_password: str
    is_set_up: bool = False

    @classmethod
    def load(cls, path: Path) -> Self:
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return cls(_free_port(), secrets.token_urlsafe(12), "-".join(secrets.token_hex(3) for _ in range(4)))
        except (ValueError, TypeError):
            raise DemoError(f"{path} is not the demo's; remove the folder or choose another with --data.") from None

    def save(self, path: Path) -> None:
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self), indent=2))


def main() -> int:
    arguments = _arguments()
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts background jobs with SIGINT ignored; not so here
        signal.signal(number, _interrupt)
    try:
        folder = _prepare(arguments.data)
        _check_port(arguments.port)
        with Children(folder) as children:
            run(arguments, folder, children)
    except DemoError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def run(arguments: argparse.Namespace, folder: Path, children: "Children") -> None:
    """Starts everything, says where to look, and stays until Ctrl-C or until a part of it ends."""
    notes = Notes.load(folder / "demo.json")
    notes.save(folder / "demo.json")
    children.start(
        "cameras",
        re.compile(r"^ready rtsp://\S+/garage/sub$", re.MULTILINE),
        *("-m", "incamera.edge.simulated", "--no-counter", "--port", str(notes.camera_port)),
        *("--password", f"demo:{notes.camera_password}"),
    )
    output = children.start(
        "server",
        re.compile(r"^ready http", re.MULTILINE),
        *("-m", "incamera", "serve", "--port", str(arguments.port), "--data", str(folder / "data")),
        *("--root-key-file", str(folder / "root.key"), "--ledger-file", str(folder / "destroyed-keys.ledger")),
    )
    url = f"http://localhost:{arguments.port}"
    if not notes.is_set_up:
        setup = re.search(r"/setup#(\S+)", output)
        if setup is None:
            raise DemoError(f"The server in {folder} has an owner the demo does not know; choose another --data.")
        _set_up(url, setup[1], notes)
        notes.is_set_up = True
        notes.save(folder / "demo.json")
    print(f"ready {url}\ne-mail   {EMAIL}\npassword {notes.account_password}\nCtrl-C stops everything.", flush=True)
    if not arguments.no_open and os.isatty(1):
        webbrowser.open(url)
    children.wait()


class Children:
    """The demo's processes: started with a log each, stopped together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes.values()):
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()

    def start(self, name: str, ready: re.Pattern[str], *arguments: str) -> str:
        """Starts `python ARGUMENTS` and returns its output up to the ready line; raises DemoError."""
        log = self._folder / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(  # its own group: Ctrl-C reaches the demo alone, which stops them in order
                [sys.executable, *arguments],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=file,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509  # one thread here
            )
        self._processes[name] = process
        output, deadline = "", time.monotonic() + START_S
        assert process.stdout is not None
        while ready.search(output) is None:
            left = max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([process.stdout], [], [], left)
            data = os.read(process.stdout.fileno(), 65536) if readable else b""
            if not data:
                lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
                raise DemoError(f"The {name} did not start: {lines[-1] if lines else 'no reason given'} (see {log})")
            output += data.decode(errors="replace")
        return output

    def wait(self) -> None:
        """Stays as long as everything runs; raises DemoError when a part ends by itself."""
        while True:
            time.sleep(0.5)
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise DemoError(f"The {name} stopped by itself; its log is {self._folder / name}.log")
                assert process.stdout is not None
                if select.select([process.stdout], [], [], 0)[0]:
                    os.read(process.stdout.fileno(), 65536)  # or its pipe would fill and block it


def _end_with_parent() -> None:
    """In the child: whoever kills the demo outright does not leave its parts running."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _set_up(url: str, token: str, notes: Notes) -> None:
    # The session cookie is Secure; browsers send it to http://localhost, this jar has to be told.
    jar = CookieJar(DefaultCookiePolicy(secure_protocols=("https", "http")))
    with httpx2.Client(base_url=url, cookies=jar, timeout=30, headers={"Origin": url}) as client:
        account = {
            "token": token,
            "email": EMAIL,
            "password": notes.account_password,
            "nickname": "Demo",
            "country": "FR",
            "language": "en",
            "age_ok": True,
        }
        _post(client, "/api/v1/setup", account)
        _wait_for_edge(client)
        for device in DEVICES:
            _post(client, "/api/v1/devices", _device(device, notes))


def _device(device: dict[str, Any], notes: Notes) -> dict[str, Any]:
    base = f"rtsp://127.0.0.1:{notes.camera_port}"
    return {
        "kind": device["kind"],
        "name": device["name"],
        "time_zone": _time_zone(),
        "channels": [
            {
                "name": name,
                "address": f"{base}/{path}/main",
                "sub_address": f"{base}/{path}/sub",
                "username": "demo",
                "password": notes.camera_password,
            }
            for name, path in device["channels"].items()
        ],
        "privacy_card": {
            "purpose": "To see who comes to the house",
            "placement": PLACEMENTS[device["kind"]],
            "sees_public_space": False,
            "sound": device["sound"],
        },
        "mode": "record",
        "sound": device["sound"],
    }


def _wait_for_edge(client: httpx2.Client) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        answer = client.get("/api/v1/edges")
        if answer.is_success and any(edge.get("online") or edge.get("connected") for edge in answer.json()["items"]):
            return
        time.sleep(0.2)
    raise DemoError("The edge beside the server did not connect; server.log in the demo's folder says why.")


def _post(client: httpx2.Client, path: str, body: dict[str, Any]) -> None:
    response = client.post(path, json=body)
    if response.is_error:
        raise DemoError(f"The demo could not be set up: {response.json().get('detail', response.status_code)}")


def _time_zone() -> str:
    name = os.environ.get("TZ") or str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    return name if "/" in name and not name.startswith("/") else "Europe/Paris"


def _prepare(data: Path) -> Path:
    folder = data.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / ".write-test"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        raise DemoError(f"{folder} cannot be written to ({error.strerror}); choose another with --data.") from None
    if shutil.disk_usage(folder).free < NEEDED_BYTES:
        raise DemoError(f"Less than 500 MB are free for {folder}; free some space or choose another with --data.")
    return folder


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "no such port"
            raise DemoError(f"Port {port} is not free ({reason}); choose another with --port.") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="where to look at it (8080)")
    parser.add_argument("--data", type=Path, default=ROOT / ".dev" / "demo", help="its folder (.dev/demo)")
    parser.add_argument("--no-open", action="store_true", help="do not open a browser")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
