"""The data directory knows itself and refuses what is not its own."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from incamera.storage.data_directory import (
    FORMAT,
    MARKER,
    VOLUME_MARKER,
    DataDirectoryDamaged,
    DataDirectoryFull,
    DataDirectoryInUse,
    DataDirectoryMissing,
    DataDirectoryNotOurs,
    DataDirectoryReadOnly,
    NewerFormat,
    WrongVolume,
    lock,
    open_data_directory,
    read_data_directory,
)


def test_first_start_makes_it_and_the_next_one_finds_the_same(tmp_path: Path) -> None:
    made = open_data_directory(tmp_path / "data")

    again = open_data_directory(tmp_path / "data", known_id=made.id)

    assert again.id == made.id
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0, "nobody else may look in"


def test_new_until_a_key_was_made(tmp_path: Path) -> None:
    made = open_data_directory(tmp_path)
    assert made.is_new
    made.keys_path.touch()
    assert not open_data_directory(tmp_path).is_new


def test_folder_with_other_files_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "thesis.odt").touch()
    with pytest.raises(DataDirectoryNotOurs):
        open_data_directory(tmp_path)


def test_fresh_file_system_is_fine(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    assert open_data_directory(tmp_path).is_new


def test_empty_folder_where_a_directory_used_to_be_is_an_unmounted_volume(tmp_path: Path) -> None:
    with pytest.raises(WrongVolume, match="is empty"):
        open_data_directory(tmp_path, known_id=uuid4())
    assert list(tmp_path.iterdir()) == [], "nothing was written under the mount point"


def test_unmounted_media_volume_is_refused(tmp_path: Path) -> None:
    made = open_data_directory(tmp_path)
    (made.folder("media") / VOLUME_MARKER).unlink()
    with pytest.raises(WrongVolume, match="media"):
        open_data_directory(tmp_path)


def test_media_volume_of_another_server_is_refused(tmp_path: Path) -> None:
    made = open_data_directory(tmp_path)
    (made.folder("media") / VOLUME_MARKER).write_text(f"{uuid4()}\n")
    with pytest.raises(WrongVolume):
        open_data_directory(tmp_path)


def test_other_directory_at_the_same_place_is_refused(tmp_path: Path) -> None:
    open_data_directory(tmp_path)
    with pytest.raises(WrongVolume):
        open_data_directory(tmp_path, known_id=uuid4())


def test_newer_format_is_refused(tmp_path: Path) -> None:
    made = open_data_directory(tmp_path)
    (tmp_path / MARKER).write_text(json.dumps({"id": str(made.id), "format": FORMAT + 1}))
    with pytest.raises(NewerFormat, match="newer"):
        open_data_directory(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"id": "x", "format": 1}', "\x00\x00"])
def test_damaged_marker_is_refused(tmp_path: Path, content: str) -> None:
    open_data_directory(tmp_path)
    (tmp_path / MARKER).write_text(content)
    with pytest.raises(DataDirectoryDamaged):
        read_data_directory(tmp_path)


def test_reading_does_not_make_anything(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryMissing):
        read_data_directory(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_two_processes_cannot_use_it_at_once(tmp_path: Path) -> None:
    directory = open_data_directory(tmp_path)
    program = (
        "from pathlib import Path; from incamera.storage.data_directory import *\n"
        f"with lock(read_data_directory(Path({str(tmp_path)!r}))): pass"
    )
    with lock(directory):
        other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert DataDirectoryInUse.__name__ in other.stderr
    subprocess.run([sys.executable, "-c", program], check=True)


def _mount(path: Path, options: str) -> None:
    path.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")


def test_read_only_volume_says_so(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    _mount(volume, "ro,size=1m")
    try:
        with pytest.raises(DataDirectoryReadOnly):
            open_data_directory(volume / "data")
    finally:
        subprocess.run(["umount", str(volume)], check=True)


def test_full_volume_says_so(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    _mount(volume, "size=64k")
    try:
        open_data_directory(volume)
        with pytest.raises(OSError, match="space"):
            (volume / "filler").write_bytes(b"x" * 100_000)
        with pytest.raises(DataDirectoryFull):
            open_data_directory(volume)
    finally:
        subprocess.run(["umount", str(volume)], check=True)
