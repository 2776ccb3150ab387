"""Sealed parts: whole and in order, or refused."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from incamera.storage import backup
from incamera.storage.backup import RECORD_BYTES, BackupDamaged, Manifest, NotABackup, Part

KEY = backup.backup_key(b"k" * 32)


@pytest.mark.parametrize("size", [0, 1, RECORD_BYTES - 1, RECORD_BYTES, RECORD_BYTES + 1, 3 * RECORD_BYTES])
def test_part_opens_to_what_was_sealed(tmp_path: Path, size: int) -> None:
    (tmp_path / "plain").write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    part = backup.seal_file(tmp_path / "plain", tmp_path / "rows.sealed", KEY)

    backup.open_file(tmp_path / "rows.sealed", tmp_path / "opened", KEY, part)

    assert (tmp_path / "opened").read_bytes() == (tmp_path / "plain").read_bytes()
    assert part.size_bytes == (tmp_path / "rows.sealed").stat().st_size
    assert (tmp_path / "opened").stat().st_mode & 0o077 == 0


def _sealed(tmp_path: Path) -> Path:
    (tmp_path / "plain").write_bytes(b"secret row " * 200_000)  # three records
    backup.seal_file(tmp_path / "plain", tmp_path / "rows.sealed", KEY)
    return tmp_path / "rows.sealed"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[:-1], id="cut by a byte"),
        pytest.param(lambda data: data[: 34 + 4 + RECORD_BYTES + 16], id="cut at a record"),
        pytest.param(lambda data: data + b"x", id="something appended"),
        pytest.param(lambda data: data[:100] + bytes([data[100] ^ 1]) + data[101:], id="one bit turned"),
        pytest.param(lambda data: data[:20] + b"\0" * 14 + data[34:], id="another salt"),
        pytest.param(lambda data: b"", id="empty"),
    ],
)
def test_altered_part_is_refused_and_leaves_nothing(tmp_path: Path, damage: object) -> None:
    path = _sealed(tmp_path)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(BackupDamaged):
        backup.open_file(path, tmp_path / "opened", KEY)
    assert not (tmp_path / "opened").exists()


def test_exchanged_records_are_refused(tmp_path: Path) -> None:
    path = _sealed(tmp_path)
    data, head, record = path.read_bytes(), 34, 4 + RECORD_BYTES + 16
    first, second = data[head : head + record], data[head + record : head + 2 * record]
    path.write_bytes(data[:head] + second + first + data[head + 2 * record :])
    with pytest.raises(BackupDamaged):
        backup.open_file(path, tmp_path / "opened", KEY)


def test_part_of_another_name_or_key_is_refused(tmp_path: Path) -> None:
    path = _sealed(tmp_path)
    with pytest.raises(BackupDamaged):
        backup.open_file(path, tmp_path / "opened", backup.backup_key(b"j" * 32))
    with pytest.raises(BackupDamaged):
        backup.open_file(path.rename(tmp_path / "keys.sealed"), tmp_path / "opened", KEY)


def test_nothing_readable_is_in_a_backup(tmp_path: Path) -> None:
    assert b"secret row" not in _sealed(tmp_path).read_bytes()


def test_manifest_vouches_for_the_parts(tmp_path: Path) -> None:
    part = Part("rows.sealed", "00" * 32, 7)
    manifest = Manifest(1, "01a20c5a-0000-7000-8000-000000000000", "now", "0.1.0", "0001", "sqlite", part, part)
    backup.write_manifest(tmp_path, manifest, KEY)

    assert backup.read_manifest(tmp_path, KEY) == manifest
    with pytest.raises(BackupDamaged):
        backup.read_manifest(tmp_path, backup.backup_key(b"j" * 32))
    with pytest.raises(NotABackup):
        backup.read_manifest(tmp_path / "elsewhere", KEY)


def test_copy_is_consistent_while_somebody_writes(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "live.db")) as live:
        live.execute("PRAGMA journal_mode=wal")
        live.execute("CREATE TABLE t (n INTEGER)")
        live.execute("INSERT INTO t VALUES (1)")
        live.commit()
        live.execute("INSERT INTO t VALUES (2)")  # not committed
        backup.copy_sqlite(tmp_path / "live.db", tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT n FROM t").fetchall() == [(1,)]
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0


def test_folder_names_tell_their_time() -> None:
    now = datetime(2026, 11, 24, 7, 0, 5, tzinfo=UTC)
    assert backup.made_at(Path("x") / backup.folder_name(now)) == now
    assert backup.made_at(Path("x/holiday-photos")) is None
