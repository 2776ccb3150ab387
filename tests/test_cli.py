"""The commands as a person runs them: exit status, one clear sentence, a server that starts, stops and comes back."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from httpx2 import Client

from incamera import __version__
from incamera.storage.data_directory import FORMAT, MARKER
from tests.support.postgres import postgres_database
from tests.support.s3 import ENVIRONMENT, s3_server
from tests.support.server import OWNER_EMAIL, Server, running_server


def _incamera(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("INCAMERA_")}
    return subprocess.run(
        [sys.executable, "-m", "incamera", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
        env={**inherited, "XDG_CONFIG_HOME": str(folder / "config"), **(environment or {})},
    )


def _assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0]


def test_version(tmp_path: Path) -> None:
    assert _incamera(tmp_path, "--version").stdout == f"incamera {__version__}\n"


def test_edge_needs_no_server_package() -> None:
    program = (
        "import sys; from incamera.cli import main\n"
        "try: main(['edge', '--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('fastapi', 'sqlalchemy', 'pydantic', 'uvicorn', 'alembic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--port", "99999"], "INCAMERA_PORT"),
        (["--host", "0.0.0.0"], "Plain HTTP"),
        (["--log-level", "loud"], "debug, info, warning or error"),
        (["--tls-cert", "c.pem"], "--tls-key"),
    ],
)
def test_wrong_setting_stops_the_start(tmp_path: Path, arguments: list[str], word: str) -> None:
    _assert_refused(_incamera(tmp_path, "serve", "--data", str(tmp_path / "data"), *arguments), word)
    assert not (tmp_path / "data").exists()


def test_taken_port_leaves_nothing_behind(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        _assert_refused(_incamera(tmp_path, "serve", "--data", str(tmp_path / "data"), "--port", port), port)
    assert not (tmp_path / "data").exists()


def test_read_only_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    _assert_refused(_incamera(tmp_path, "serve", "--data", str(tmp_path / "file"), "--port", "0"), "cannot be written")


def test_database_that_is_none_and_server_that_is_off(tmp_path: Path) -> None:
    serve = ("serve", "--data", str(tmp_path / "data"), "--port", "0", "--no-edge")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"postgresql://nobody:sw0rdfish@127.0.0.1:{probe.getsockname()[1]}/none"
        done = _incamera(tmp_path, *serve, "--database", address)
    _assert_refused(done, "does not answer")
    assert "sw0rdfish" not in done.stderr
    (tmp_path / "data" / "incamera.db").write_bytes(b"no database" * 1000)
    _assert_refused(_incamera(tmp_path, *serve), "cannot be opened")


def test_check_without_a_data_directory(tmp_path: Path) -> None:
    for command in ("check", "backup"):
        _assert_refused(_incamera(tmp_path, command, "--data", str(tmp_path / "none")), "no data directory")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("cli"), edge=False) as running:
        running.owner()
        yield running


def test_ready_means_ready(server: Server) -> None:
    client = server.client()
    assert client.get("/healthz").json() == {"status": "ready", "storage": "well", "says": ""}
    assert "incamera_http_requests_total" in client.get("/metrics").text
    assert client.get("/").headers["content-type"].startswith("text/html")


def test_every_file_is_private(server: Server) -> None:
    shared = [path for path in server.data.rglob("*") if path.is_file() and path.stat().st_mode & 0o077]
    assert shared == []


def test_second_server_on_the_same_directory_is_refused(server: Server) -> None:
    done = _incamera(server.folder, "serve", "--data", str(server.data), "--port", "0")
    _assert_refused(done, "Another Incamera")


def test_browser_of_another_site_is_refused(server: Server) -> None:
    client = server.client()
    response = client.post("/api/v1/sign-in", json={}, headers={"Origin": "https://evil.example"})
    assert (response.status_code, response.json()["code"]) == (403, "foreign_origin")
    response = client.get("/api/v1/session", headers={"Host": "evil.example"})
    assert (response.status_code, response.json()["code"]) == (421, "unknown_host")


def test_repeated_request_is_done_once(server: Server) -> None:
    owner = server.owner()
    answers = [
        owner.post("/api/v1/edges", json={"name": "Attic"}, headers={"Idempotency-Key": "attic"}) for _ in range(2)
    ]
    assert answers[0].status_code == 201, answers[0].text
    assert answers[1].text == answers[0].text
    assert answers[1].headers["idempotency-replayed"] == "true"
    other = owner.post("/api/v1/edges", json={"name": "Cellar"}, headers={"Idempotency-Key": "attic"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_check_of_a_running_server_finds_it_well(server: Server) -> None:
    done = _incamera(server.folder, "check", "--data", str(server.data), "--deep")
    assert done.returncode == 0, done.stdout
    assert "all is well" in done.stdout
    assert "same file system" in done.stdout, "the root key lies beside the data here"


def test_backup_comes_back_elsewhere_with_its_accounts(server: Server, tmp_path: Path) -> None:
    config = server.folder
    done = _incamera(config, "backup", "--data", str(server.data), "--to", str(tmp_path / "backups"))
    assert done.returncode == 0, done.stderr
    (backup,) = (tmp_path / "backups").iterdir()
    assert all(OWNER_EMAIL.encode() not in part.read_bytes() for part in backup.iterdir())

    again = _incamera(config, "restore", "--data", str(server.data), "--from", str(backup))
    _assert_refused(again, "is not empty")
    done = _incamera(config, "restore", "--data", str(tmp_path / "data"), "--from", str(backup))
    assert done.returncode == 0, done.stderr
    assert "destroyed keys was applied" in done.stdout

    restored = Server(config, ("--no-edge",), {})
    restored.data, restored.log = tmp_path / "data", tmp_path / "restored.log"
    try:
        restored.start()
        assert restored.owner().get("/api/v1/session").json()["account"]["email"] == OWNER_EMAIL
    finally:
        restored.close()


def test_restore_without_the_list_of_destroyed_keys_is_refused(server: Server, tmp_path: Path) -> None:
    _incamera(server.folder, "backup", "--data", str(server.data), "--to", str(tmp_path / "backups"))
    (backup,) = (tmp_path / "backups").iterdir()
    (key,) = (server.folder / "config" / "incamera").glob("*.key")
    arguments = ["restore", "--data", str(tmp_path / "data"), "--from", str(backup), "--root-key-file", str(key)]

    lost = _incamera(server.folder, *arguments, "--ledger-file", str(tmp_path / "nowhere"))
    _assert_refused(lost, "destroyed keys", "--accept-lost-ledger")
    assert not (tmp_path / "data").exists()


def test_damaged_backup_is_refused_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    _incamera(server.folder, "backup", "--data", str(server.data), "--to", str(tmp_path / "backups"))
    (backup,) = (tmp_path / "backups").iterdir()
    rows = bytearray((backup / "rows.sealed").read_bytes())
    rows[5000] ^= 1
    (backup / "rows.sealed").write_bytes(rows)
    done = _incamera(server.folder, "restore", "--data", str(tmp_path / "data"), "--from", str(backup))
    _assert_refused(done, "altered")
    assert not (tmp_path / "data").exists()


def test_root_key_is_in_no_file_of_the_data_directory(server: Server) -> None:
    (path,) = (server.folder / "config" / "incamera").glob("*.key")
    key = bytes.fromhex(path.read_text().splitlines()[-1])
    for file in (file for file in server.data.rglob("*") if file.is_file()):
        content = file.read_bytes()
        assert key not in content
        assert key.hex().encode() not in content


def test_stop_is_quick_and_clean_and_the_same_data_come_back(tmp_path: Path) -> None:
    with running_server(tmp_path, edge=False) as server:
        server.owner()
        started = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - started < 10
        server.start()
        server.sign_in_again()
        assert server.owner().get("/api/v1/session").is_success


def test_newer_format_is_refused(tmp_path: Path) -> None:
    with running_server(tmp_path, edge=False) as server:
        server.stop()
        marker = json.loads((server.data / MARKER).read_text())
        (server.data / MARKER).write_text(json.dumps({**marker, "format": FORMAT + 1}))
        done = _incamera(tmp_path, "serve", "--data", str(server.data), "--port", "0")
        _assert_refused(done, "newer Incamera")


@pytest.mark.slow
def test_local_edge_is_started_again_and_stops_with_the_server(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        server.owner()
        edges = server.wait_for("/api/v1/edges", lambda answer: any(edge["online"] for edge in answer["items"]))
        assert len(edges["items"]) == 1
        first = _edge_pid(server)
        environment = Path(f"/proc/{first}/environ").read_bytes()
        assert b"INCAMERA_ROOT_KEY" not in environment
        assert b"INCAMERA_EDGE_CODE" not in Path(f"/proc/{first}/cmdline").read_bytes()
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while _edge_pid(server) in (first, 0) and time.monotonic() < deadline:
            time.sleep(0.1)
        second = _edge_pid(server)
        assert second not in (first, 0)
        server.wait_for("/api/v1/edges", lambda answer: [edge["online"] for edge in answer["items"]] == [True])
        assert server.stop() == 0
        assert not Path(f"/proc/{second}").exists()


def _edge_pid(server: Server) -> int:
    try:
        return int(json.loads((server.data / "edge" / "local-edge.json").read_text())["pid"])
    except (OSError, ValueError):
        return 0


@pytest.mark.slow
def test_own_authority_serves_tls_and_its_edge(tmp_path: Path) -> None:
    import ssl

    with running_server(tmp_path, "--own-ca", "--host", "127.0.0.1") as server:
        context = ssl.create_default_context(cafile=str(server.data / "tls" / "ca.crt"))
        with Client(base_url=server.url, verify=context) as client:
            assert client.get("/healthz").is_success
            assert "fingerprint" in client.get("/trust").text
            assert client.get("/trust/incamera-ca.crt").content.startswith(b"-----BEGIN CERTIFICATE")
        with Client(base_url=server.url) as stranger, pytest.raises(httpx2.ConnectError):
            stranger.get("/healthz")
        deadline = time.monotonic() + 20
        while "uplink.connected" not in server.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "uplink.connected" in server.log.read_text()


@pytest.mark.slow
def test_backup_goes_to_a_bucket_that_the_operator_named_and_comes_back(server: Server, tmp_path: Path) -> None:
    with s3_server(tmp_path / "s3") as port:
        bucket = f"s3://media/cellar?endpoint=http://127.0.0.1:{port}"
        backup = ("backup", "--data", str(server.data), "--to", bucket)
        _assert_refused(_incamera(server.folder, *backup, environment=ENVIRONMENT), "object_store", "privacy file")

        facts = tmp_path / "privacy.toml"
        facts.write_text(
            f'[[processors]]\nslot = "object_store"\nown = true\nname = "cellar"\ncountry = "FR"\n'
            f'hosts = ["127.0.0.1:{port}"]\nenabled = true\n'
        )
        named = ("--privacy-file", str(facts))
        done = _incamera(server.folder, *backup, *named, environment=ENVIRONMENT)
        assert done.returncode == 0, done.stderr
        name = done.stdout.partition("(")[2].partition(")")[0]
        source = bucket.replace("?", f"/{name}?")
        restore = ("restore", "--data", str(tmp_path / "data"), "--from", source, *named)
        done = _incamera(server.folder, *restore, environment=ENVIRONMENT)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "data" / "keys.db").exists()


@pytest.mark.slow
def test_behind_a_proxy_its_word_counts_and_nobody_elses(tmp_path: Path) -> None:
    options = ("--behind-proxy", "127.0.0.1", "--host", "127.0.0.1", "--public-url", "https://cam.example.org")
    with running_server(tmp_path, *options) as server:
        server.url = f"http://127.0.0.1:{server.listening_port()}"
        through = {"Host": "cam.example.org", "X-Forwarded-For": "203.0.113.5", "X-Forwarded-Proto": "https"}
        client = server.client()
        response = client.get("/api/v1/session", headers=through)
        assert response.status_code == 401
        assert response.headers["strict-transport-security"] == "max-age=31536000"
        origin = {"Origin": "https://cam.example.org", "Sec-Fetch-Site": "same-origin"}
        assert client.post("/api/v1/sign-in", json={}, headers={**through, **origin}).status_code == 422
        assert client.post("/api/v1/sign-in", json={}, headers={**through, "Origin": "http://evil"}).status_code == 403
        deadline = time.monotonic() + 20
        while "uplink.connected" not in server.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "uplink.connected" in server.log.read_text(), "the local edge uses a door of its own"


@pytest.mark.slow
def test_postgresql_serves_backs_up_and_restores(tmp_path: Path) -> None:
    with postgres_database() as first, postgres_database() as second:
        with running_server(tmp_path, "--database", first.replace("+asyncpg", ""), edge=False) as server:
            server.owner()
            options = ("--data", str(server.data), "--database", first)
            done = _incamera(tmp_path, "backup", *options, "--to", str(tmp_path / "backups"))
            assert done.returncode == 0, done.stderr
        (backup,) = (tmp_path / "backups").iterdir()
        arguments = ("restore", "--data", str(tmp_path / "data2"), "--from", str(backup))
        _assert_refused(_incamera(tmp_path, *arguments), "postgresql rows")
        done = _incamera(tmp_path, *arguments, "--database", second)
        assert done.returncode == 0, done.stderr

        restored = Server(tmp_path, ("--no-edge", "--database", second), {})
        restored.data = tmp_path / "data2"
        try:
            restored.start()
            assert restored.owner().get("/api/v1/session").json()["account"]["email"] == OWNER_EMAIL
        finally:
            restored.close()
