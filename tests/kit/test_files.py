"""A small file is replaced whole or not at all, and nobody else may read it unless that is wanted."""

import stat
from pathlib import Path

import pytest

from incamera.kit.files import write_durably


def test_replaces_a_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    write_durably(path, b"old")
    write_durably(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_has_the_mode_asked_for(tmp_path: Path, mode: int) -> None:
    write_durably(tmp_path / "note", b"", mode)
    assert stat.S_IMODE((tmp_path / "note").stat().st_mode) == mode


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "note"
    write_durably(path, b"old")
    with pytest.raises(TypeError):
        write_durably(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_replaces_a_link_and_never_what_it_points_at(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"theirs")
    (tmp_path / "note").symlink_to(other)
    write_durably(tmp_path / "note", b"ours")
    assert other.read_bytes() == b"theirs"
    assert (tmp_path / "note").read_bytes() == b"ours"
