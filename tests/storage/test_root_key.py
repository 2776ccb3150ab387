"""The root key is made once, kept outside the data, and never replaced."""

from pathlib import Path

import pytest

from incamera.storage import root_key
from incamera.storage.data_directory import DataDirectory, open_data_directory


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataDirectory:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return open_data_directory(tmp_path / "data")


def test_made_on_first_start_and_found_again(directory: DataDirectory) -> None:
    made, path = root_key.obtain(directory, given=None, key_file=None)

    assert path is not None
    assert path.parent == root_key.config_folder()
    assert path.stat().st_mode & 0o777 == 0o600
    assert root_key.obtain(directory, given=None, key_file=None) == (made, path)
    assert made.hex() in path.read_text()


def test_known_directory_without_its_key_is_refused(directory: DataDirectory) -> None:
    _, path = root_key.obtain(directory, given=None, key_file=None)
    assert path is not None
    path.unlink()
    directory.keys_path.touch()  # it has been used
    with pytest.raises(root_key.RootKeyMissing):
        root_key.obtain(directory, given=None, key_file=None)


def test_key_that_others_may_read_is_refused(directory: DataDirectory, tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    root_key.obtain(directory, given=None, key_file=path)
    path.chmod(0o640)
    with pytest.raises(root_key.RootKeyTooOpen, match="chmod 600"):
        root_key.obtain(directory, given=None, key_file=path)


def test_key_inside_the_data_directory_is_refused(directory: DataDirectory) -> None:
    with pytest.raises(root_key.RootKeyInsideData):
        root_key.obtain(directory, given=None, key_file=directory.path / "root.key")


def test_key_of_another_directory_is_refused(directory: DataDirectory, tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    root_key.obtain(open_data_directory(tmp_path / "other"), given=None, key_file=path)
    with pytest.raises(root_key.RootKeyOfAnother):
        root_key.obtain(directory, given=None, key_file=path)


@pytest.mark.parametrize("content", ["", "abc", "00" * 31, "zz" * 32])
def test_file_without_a_key_is_refused(directory: DataDirectory, tmp_path: Path, content: str) -> None:
    path = tmp_path / "root.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(root_key.RootKeyUnreadable):
        root_key.obtain(directory, given=None, key_file=path)


def test_key_given_by_the_environment_touches_no_file(directory: DataDirectory) -> None:
    assert root_key.obtain(directory, given="ab" * 32, key_file=None) == (b"\xab" * 32, None)
    assert not root_key.config_folder().exists()


def test_key_file_remembers_where_its_directory_was(directory: DataDirectory, tmp_path: Path) -> None:
    root_key.obtain(directory, given=None, key_file=None)
    assert root_key.remembered_id(directory.path, None) == directory.id
    assert root_key.remembered_id(tmp_path / "elsewhere", None) is None


def test_named_key_file_remembers_wherever_the_directory_is_mounted(directory: DataDirectory, tmp_path: Path) -> None:
    path = tmp_path / "root.key"
    root_key.obtain(directory, given=None, key_file=path)
    assert root_key.remembered_id(tmp_path / "elsewhere", path) == directory.id


def test_key_is_in_no_text_about_it(directory: DataDirectory) -> None:
    key, path = root_key.obtain(directory, given=None, key_file=None)
    assert path is not None
    assert key.hex() not in repr(root_key.read_key_file(path))
