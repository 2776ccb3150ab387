"""The real server as a process of its own, set up with an owner, for tests from end to end.

with running_server(tmp_path) as server:
    owner = server.owner()                                # an httpx2.Client that is signed in
    owner.post("/api/v1/devices", json={...})
    server.kill()                                         # power cut; server.start() goes on with the same data
"""

import contextlib
import json
import os
import re
import select
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx2

OWNER_EMAIL = "owner@example.org"
OWNER_PASSWORD = "correct horse battery staple 7"
START_S = 90.0
STOP_S = 15.0
_READY = re.compile(r"^ready (http\S+)$", re.MULTILINE)
_SETUP = re.compile(r"/setup#(\S+)")


class Server:
    """One server and its data directory. Its output goes to `log`, which a failing test may print."""

    def __init__(self, folder: Path, options: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.url = ""
        self._options = options
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("INCAMERA_")},
            "XDG_CONFIG_HOME": str(folder / "config"),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._output = ""
        self._setup_token: str | None = None
        self._owner: httpx2.Client | None = None
        self._clients: list[httpx2.Client] = []

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        return httpx2.URL(self.url).port or 0

    @property
    def setup_path(self) -> str:
        """Path and fragment of the one-time link, for a browser that sets the server up by hand."""
        assert self._setup_token is not None, "this server has an owner already"
        return f"/setup#{self._setup_token}"

    def was_set_up(self) -> None:
        """Someone used the link with OWNER_EMAIL and OWNER_PASSWORD; `owner` signs in from now on."""
        self._setup_token = None

    def listening_port(self) -> int:
        """The port listened on, which is not the one of the public address."""
        deadline = time.monotonic() + 10
        while not (ports := re.findall(r'"port": (\d+)', self.log.read_text())) and time.monotonic() < deadline:
            time.sleep(0.05)  # it says that it is ready on one line and where on another
        return int(ports[-1])

    def start(self) -> None:
        """Starts (again, on the port it had) and returns when the server says that it is ready."""
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        port = str(self.port) if self.url else "0"
        command = [sys.executable, "-m", "incamera", "serve", "--data", str(self.data), "--port", port, *self._options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=self.environment)
        self._output = ""
        deadline = time.monotonic() + START_S
        while (ready := _READY.search(self._output)) is None:
            self._read_output(deadline)
        self.url = ready[1]
        if (setup := _SETUP.search(self._output)) is not None:
            self._setup_token = setup[1]

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_S)

    def kill(self) -> None:
        """SIGKILL to the server alone: its edge lives on, as after a crash."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_S)

    def owner(self) -> httpx2.Client:
        """Someone signed in as the owner; the first call sets the server up."""
        if self._owner is None:
            self._owner = self.client()
            if self._setup_token is not None:
                self._set_up(self._owner)
            else:
                body = {"email": OWNER_EMAIL, "password": OWNER_PASSWORD, "remember": True}
                self._owner.post("/api/v1/sign-in", json=body).raise_for_status()
        return self._owner

    def client(self) -> httpx2.Client:
        """Nobody yet: keeps cookies, like a browser on localhost also Secure ones."""
        jar = CookieJar(DefaultCookiePolicy(secure_protocols=("https", "wss", "http")))
        # The server closes what was idle for five seconds: a request that is just then on its way gets no answer.
        limits = httpx2.Limits(keepalive_expiry=2.0)
        client = httpx2.Client(base_url=self.url, cookies=jar, timeout=30.0, verify=self.trust() or True, limits=limits)
        self._clients.append(client)
        return client

    def trust(self) -> ssl.SSLContext | None:
        """Believes this server's own certificate authority; None where it has none."""
        own_ca = self.data / "tls" / "ca.crt"
        return ssl.create_default_context(cafile=str(own_ca)) if own_ca.exists() else None

    def sign_in_again(self) -> None:
        """After the owner's session was ended."""
        self._owner = None

    def cookie_header(self) -> dict[str, str]:
        """The owner's session for clients that are not httpx2, such as a WebSocket."""
        return {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.owner().cookies.jar)}

    def wait_for(self, path: str, accept: Any, timeout_s: float = 20.0) -> Any:
        """Asks the API as the owner until `accept(json)` is true, and returns that answer."""
        deadline = time.monotonic() + timeout_s
        answer: Any = None
        while time.monotonic() < deadline:
            response = self.owner().get(path)
            answer = response.json()
            if response.is_success and accept(answer):
                return answer
            time.sleep(0.1)
        raise AssertionError(f"{path} did not become as expected within {timeout_s} s; last answer: {answer}")

    def close(self) -> None:
        """Ends the server and whatever edge it left behind."""
        for client in self._clients:
            client.close()
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()
        self._end_orphan()

    def _end_orphan(self) -> None:
        note = self.data / "edge" / "local-edge.json"
        if (match := re.search(r'"pid": (\d+)', note.read_text() if note.exists() else "")) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(match[1]), signal.SIGKILL)

    def _set_up(self, client: httpx2.Client) -> None:
        body = {
            "token": self._setup_token,
            "email": OWNER_EMAIL,
            "password": OWNER_PASSWORD,
            "nickname": "Owner",
            "country": "FR",
            "language": "en",
            "age_ok": True,
        }
        response = client.post("/api/v1/setup", json=body)
        assert response.is_success, response.text
        self._setup_token = None

    def _read_output(self, deadline: float) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        data = os.read(self._process.stdout.fileno(), 65536) if readable else b""
        if not data:
            status = self._process.poll()
            raise AssertionError(f"the server did not become ready (exit status {status}):\n{self.log.read_text()}")
        self._output += data.decode()


@contextlib.contextmanager
def running_server(
    folder: Path, *options: str, edge: bool = True, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """A server on a free port with a data directory in `folder`; `options` go to `incamera serve`."""
    extra = () if edge else ("--no-edge",)
    server = Server(folder, (*options, *extra), environment or {})
    try:
        server.start()
        yield server
    finally:
        server.close()
    assert not (falls := edge_falls(server.log)), (
        f"the edge fell by itself, with status {falls}:\n{server.log.read_text()}"
    )


def edge_falls(log: Path) -> list[int]:
    """Exit statuses of edges that nobody ended: the next one comes a second later, and no test would notice."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if '"local_edge.ended"' in line]
    statuses = [json.loads(line)["status"] for line in lines]
    return [status for status in statuses if status not in (None, 0, -signal.SIGKILL, -signal.SIGTERM)]
