"""Where a data directory's companions are: root key, list of destroyed keys, the operator's file."""

from pathlib import Path

from incamera.config import Settings
from incamera.storage import root_key
from incamera.storage.data_directory import DataDirectory


def ledger_path(ledger_file: Path | None, directory: DataDirectory, key_file: Path | None) -> Path:
    """Where the list of destroyed keys is kept: apart from `keys.db` and from every backup, so beside the root key."""
    if ledger_file is not None:
        return ledger_file.absolute()
    if key_file is not None:
        return key_file.with_suffix(".tombstones")
    return directory.path / "keys.tombstones"


def privacy_file(settings: Settings) -> Path | None:
    """The operator's file: the one named, else the one in the data directory if it is there."""
    usual = settings.data / "privacy.toml"
    return settings.privacy_file or (usual if usual.exists() else None)


def obtain_key(settings: Settings, directory: DataDirectory) -> tuple[bytes, Path | None]:
    """The root key of this directory and the file it is in, if it is in one; raises RootKeyMissing, makes none."""
    given = settings.root_key.get_secret_value() if settings.root_key else None
    path = settings.root_key_file or root_key.default_path(directory.id)
    if given is None and not path.exists():
        raise root_key.RootKeyMissing(path)
    return root_key.obtain(directory, given=given, key_file=settings.root_key_file)
