"""`kill -9`, or a cut line, at each step of a backup on its way to a bucket: it is there whole, or it is not there.

A real S3 server (SeaweedFS); the line to it counts the pieces that pass, and strikes at the one it is told.
"""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from incamera.kit.clock import SystemClock
from incamera.kit.ids import new_id
from incamera.maintenance.backing_up import remove_leftovers
from incamera.storage import backup as archive
from incamera.storage.backup import NotABackup
from incamera.storage.blobs import BlobNotFound, Blobs
from incamera.storage.data_directory import DataDirectory, make_data_directory
from incamera.storage.database import Database
from incamera.storage.vault import Vault
from tests.faults.shim import Action, Operation, a_shim
from tests.support.database import import_tables
from tests.support.recordings import ROOT_KEY
from tests.support.s3 import ENVIRONMENT, s3_server
from tests.support.sampling import sample

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a process per step, when all of them are taken

PIECE_BYTES = 16 * 1024
_KEY = archive.backup_key(ROOT_KEY)

import_tables()


@dataclass
class Line:
    """A TCP line to the bucket. `strikes` at piece number `at`, in either direction, before that piece goes on."""

    target_port: int
    pieces: int = 0
    at: int = 0
    strikes: Callable[[], None] = lambda: None
    is_dead: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def expect(self, at: int, strikes: Callable[[], None]) -> None:
        """Counts anew."""
        with self._lock:
            self.pieces, self.at, self.strikes = 0, at, strikes

    @contextmanager
    def dead(self) -> Iterator[None]:
        """Every connection ends at once."""
        self.is_dead = True
        try:
            yield
        finally:
            self.is_dead = False

    @contextmanager
    def opened(self) -> Iterator[None]:
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield
        finally:
            self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                if self.is_dead:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self.target_port))
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(PIECE_BYTES):
                with self._lock:
                    self.pieces += 1
                    if self.pieces == self.at:
                        self.strikes()
                        break
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@dataclass
class Cellar:
    """A data directory, a bucket that its operator has named, and the line between them."""

    directory: DataDirectory
    line: Line
    bucket: Blobs
    facts: Path

    def back_up(self, environment: dict[str, str] | None = None) -> "subprocess.Popen[str]":
        """`incamera backup` to the bucket, as a process."""
        url = f"s3://media/cellar?endpoint=http://127.0.0.1:{self.line.port}"
        command = [sys.executable, "-m", "incamera", "backup", "--data", str(self.directory.path), "--to", url]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("INCAMERA_")}
        given = {**inherited, **ENVIRONMENT, "INCAMERA_ROOT_KEY": ROOT_KEY.hex(), **(environment or {})}
        return subprocess.Popen(
            [*command, "--privacy-file", str(self.facts)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=given,
        )

    def whole(self, work: Path) -> set[str]:
        """The backups in the bucket that say they are whole, each opened completely: raises if one is not."""
        return asyncio.run(self._whole(work))

    async def _whole(self, work: Path) -> set[str]:
        names = {name.split("/")[0] async for name, _ in self.bucket.names()}
        for name in tuple(names):
            folder = work / name
            folder.mkdir(exist_ok=True)
            try:
                (folder / archive.MANIFEST).write_bytes(await self.bucket.get(f"{name}/{archive.MANIFEST}"))
            except BlobNotFound:
                names.discard(name)
                continue
            for part in (archive.ROWS, archive.KEYS):
                (folder / part).write_bytes(await self.bucket.get(f"{name}/{part}"))
            assert _opens(folder)
        return names


@pytest.fixture(scope="module")
def cellar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cellar]:
    folder = tmp_path_factory.mktemp("cellar")
    with s3_server(folder / "s3") as port:
        line = Line(port)
        facts = folder / "privacy.toml"
        facts.write_text(
            f'[[processors]]\nslot = "object_store"\nown = true\nname = "cellar"\ncountry = "FR"\n'
            f'hosts = ["127.0.0.1:{line.port}"]\nenabled = true\n'
        )
        with pytest.MonkeyPatch.context() as patch, line.opened():
            for name, value in ENVIRONMENT.items():
                patch.setenv(name, value)
            bucket = Blobs.at(f"s3://media/cellar?endpoint=http://127.0.0.1:{port}")
            directory = asyncio.run(_prepare(folder / "data"))
            cellar = Cellar(directory, line, bucket, facts)
            _, problem = _end(cellar.back_up())
            assert not problem
            yield cellar


async def _prepare(home: Path) -> DataDirectory:
    directory = make_data_directory(home, new_id())
    database = Database(f"sqlite+aiosqlite:///{directory.database_path}")
    await database.create_all()
    await database.close()
    vault = await Vault.open(directory.keys_path, ROOT_KEY, ledger=home / "keys.tombstones", clock=SystemClock())
    await vault.create_account_key(new_id())
    await vault.close()
    return directory


def test_backup_killed_at_each_piece_on_its_way_is_in_the_bucket_whole_or_not_at_all(
    cellar: Cellar, tmp_path: Path
) -> None:
    before = cellar.whole(tmp_path)
    cellar.line.expect(0, lambda: None)
    name, problem = _end(cellar.back_up())
    assert not problem
    pieces = cellar.line.pieces
    killed = 0
    for at in sample(range(1, pieces + 1), one_of=10):
        process = cellar.back_up()
        cellar.line.expect(at, process.kill)
        said, _ = _end(process)
        killed += process.returncode == -9
        _holds(cellar, tmp_path, {*before, name, said})
    assert killed
    print(f"upload: killed at {killed} of {pieces} pieces")


def test_backup_killed_while_it_removes_its_copy_is_in_the_bucket(cellar: Cellar, tmp_path: Path) -> None:
    """What is uploaded is removed here, file by file."""
    before = cellar.whole(tmp_path)
    killed = 0
    with a_shim(tmp_path, cellar.directory.path) as shim:
        for step in sample(range(1, 5), one_of=2):  # three files and their folder
            shim.order(Action.KILL, first=step, operations=(Operation.UNLINK, Operation.RMDIR), only="/backups/")
            cellar.line.expect(0, lambda: None)
            shimmed = {name: value for name, value in shim.environment().items() if name.startswith(("LD_", "DISK_"))}
            process = cellar.back_up(shimmed)
            said, _ = _end(process)
            now = cellar.whole(tmp_path)
            assert len(now) == len(before) + 1, "it was uploaded before anything was removed"
            _holds(cellar, tmp_path, {*before, said})
            before = now
            killed += process.returncode == -9
    print(f"upload: killed at {killed} steps of removing")


def test_backup_whose_line_is_cut_once_is_made_all_the_same_or_says_why(cellar: Cellar, tmp_path: Path) -> None:
    before = cellar.whole(tmp_path)
    cellar.line.expect(0, lambda: None)
    _, problem = _end(cellar.back_up())
    assert not problem
    for at in sample(range(1, cellar.line.pieces + 1), one_of=20):
        process = cellar.back_up()
        cellar.line.expect(at, lambda: None)
        said, problem = _end(process)
        assert process.returncode in (0, 1)
        assert bool(said) is (process.returncode == 0)
        assert "Traceback" not in problem
        _holds(cellar, tmp_path, {*before, said})


def test_backup_whose_bucket_hangs_up_says_where_it_is(cellar: Cellar, tmp_path: Path) -> None:
    before = cellar.whole(tmp_path)
    with cellar.line.dead():
        process = cellar.back_up()
        said, problem = _end(process)

    assert process.returncode == 1
    assert not said
    assert "Traceback" not in problem
    (sentence,) = (line for line in problem.splitlines() if not line.startswith("{"))
    place = Path(sentence.partition(" is whole in ")[2].partition(",")[0])
    assert _opens(place), "what could not be uploaded is kept"
    assert cellar.whole(tmp_path) == before


def _end(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """The name of the backup it says it has written ("" for none), and what it complained of."""
    with process:
        output, problem = process.communicate(timeout=120)
    return output.partition("(")[2].partition(")")[0], problem


def _holds(cellar: Cellar, work: Path, promised: set[str]) -> None:
    assert promised - {""} <= cellar.whole(work)
    for folder in cellar.directory.folder("backups").iterdir():
        _opens(folder)
    remove_leftovers(cellar.directory)
    assert not list(cellar.directory.path.glob(".backup-*")), "no plain copy of keys outlives the next start"


def _opens(folder: Path) -> bool:
    """False for what is no backup; raises for one that claims to be whole and is not."""
    try:
        manifest = archive.read_manifest(folder, _KEY)
    except NotABackup:
        return False
    for part in (manifest.rows, manifest.keys):
        opened = folder / f"{part.name}.opened"
        archive.open_file(folder / part.name, opened, _KEY, part)
        opened.unlink()
    return True
