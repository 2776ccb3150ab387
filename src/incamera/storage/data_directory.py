"""The data directory: knows itself, so that a wrong or unmounted volume is refused instead of filled.

`incamera.json` carries the directory's own UUID and the version of its layout. Folders that may be mounts of their own
(`media`) carry the UUID as well. One process at a time holds `lock`. The root key is never in here.

    first start:  empty → marker written → folders made
    later:        marker read → same id as the key file remembers → format known → lock taken
"""

import errno
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from incamera.kit.errors import IncameraError
from incamera.kit.files import write_durably
from incamera.kit.ids import new_id

FORMAT: Final = 1
MARKER: Final = "incamera.json"
VOLUME_MARKER: Final = ".incamera-volume"
FOLDERS: Final = ("media", "edge", "backups", "blobs", "tls")
_LOCK: Final = "lock"
# What a fresh file system or a desktop leaves in an otherwise empty folder.
_HARMLESS: Final = frozenset({"lost+found", ".DS_Store", ".Trash-0", ".Trash-1000", *FOLDERS})


class DataDirectoryError(IncameraError):
    """The data directory cannot be used."""

    status = 500


class DataDirectoryReadOnly(DataDirectoryError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"The data directory {path} cannot be written; check its owner, its mode and the mount.")


class DataDirectoryFull(DataDirectoryError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"The volume of the data directory {path} is full; make room and start again.")


class DataDirectoryInUse(DataDirectoryError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"Another Incamera is using the data directory {path}; stop that one first.")


class DataDirectoryNotOurs(DataDirectoryError):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} holds files but no {MARKER}, so it is not a data directory of Incamera; name an empty directory."
        )


class DataDirectoryMissing(DataDirectoryError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"There is no data directory of Incamera at {path}; name the one the server uses.")


class DataDirectoryDamaged(DataDirectoryError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path / MARKER} cannot be read as a marker of Incamera; restore a backup.")


class NewerFormat(DataDirectoryError):
    def __init__(self, path: Path, version: int) -> None:
        super().__init__(
            f"The data directory {path} was written by a newer Incamera (format {version}, this one knows {FORMAT}); "
            "install the newer version."
        )


class WrongVolume(DataDirectoryError):
    def __init__(self, path: Path, what: str) -> None:
        super().__init__(f"{path} {what}; is its volume mounted, and the right one? Nothing was changed.")


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """An opened data directory. Paths are absolute; everything below belongs to this server alone."""

    path: Path
    id: UUID

    @property
    def is_new(self) -> bool:
        """Nothing was ever sealed here: only now may a root key be made."""
        return not self.keys_path.exists()

    @property
    def database_path(self) -> Path:
        return self.path / "incamera.db"

    @property
    def keys_path(self) -> Path:
        return self.path / "keys.db"

    def folder(self, name: str) -> Path:
        """One of `FOLDERS`; made on first start, checked ever after."""
        return self.path / name


def open_data_directory(path: Path, *, known_id: UUID | None = None) -> DataDirectory:
    """Opens or, where there is nothing yet, makes the data directory. Raises a DataDirectoryError.

    `known_id` is what another place (the root key file) remembers of the directory at this path: with it, an empty
    folder is not a first start but a volume that is not mounted.
    """
    path = path.absolute()
    with _plain_errors(path):
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if (path / MARKER).exists():
            directory = read_data_directory(path)
        else:
            _refuse_unexpected(path, known_id)
            directory = make_data_directory(path, new_id())
        if known_id is not None and directory.id != known_id:
            raise WrongVolume(path, f"holds data directory {directory.id}, not {known_id}")
        _check_writable(path)
        check_volumes(directory)
    return directory


def check_volumes(directory: DataDirectory) -> None:
    """Whether every folder that may be a mount is the one of this directory; raises WrongVolume."""
    for name in FOLDERS:
        _check_volume(directory, directory.path / name)


def read_data_directory(path: Path) -> DataDirectory:
    """Reads the marker and changes nothing; for `check`, `backup` and a running server's neighbours."""
    path = path.absolute()
    try:
        marker = json.loads((path / MARKER).read_text())
        directory = DataDirectory(path, UUID(marker["id"]))
        version = int(marker["format"])
    except FileNotFoundError:
        raise DataDirectoryMissing(path) from None
    except (ValueError, KeyError, TypeError):
        raise DataDirectoryDamaged(path) from None
    except PermissionError:
        raise DataDirectoryReadOnly(path) from None
    if version > FORMAT:
        raise NewerFormat(path, version)
    return directory


@contextmanager
def lock(directory: DataDirectory) -> Iterator[None]:
    """Holds the directory for this process; the kernel lets go when the process dies, however it dies."""
    descriptor = os.open(directory.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataDirectoryInUse(directory.path) from None
        yield
    finally:
        os.close(descriptor)


def write_marker(path: Path, directory_id: UUID) -> None:
    """Writes the marker durably: a crash leaves the whole file or none."""
    write_durably(path / MARKER, json.dumps({"id": str(directory_id), "format": FORMAT}).encode() + b"\n")


def _refuse_unexpected(path: Path, known_id: UUID | None) -> None:
    # The marker is written last, so a first start that was cut short leaves folders, and those may be mounts.
    if any(entry.name not in _HARMLESS and not entry.name.startswith(f".{MARKER}.") for entry in path.iterdir()):
        raise DataDirectoryNotOurs(path)
    if known_id is not None:
        raise WrongVolume(path, f"is empty, but used to hold data directory {known_id}")


def make_data_directory(path: Path, directory_id: UUID) -> DataDirectory:
    """Makes the folders and, last, the marker: a first start that is cut short begins again."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in FOLDERS:
        (path / name).mkdir(mode=0o700, exist_ok=True)
        write_durably(path / name / VOLUME_MARKER, f"{directory_id}\n".encode())
    write_marker(path, directory_id)
    return DataDirectory(path, directory_id)


def _check_volume(directory: DataDirectory, folder: Path) -> None:
    try:
        found = (folder / VOLUME_MARKER).read_text().strip()
    except FileNotFoundError:
        raise WrongVolume(folder, f"lacks its {VOLUME_MARKER}") from None
    if found != str(directory.id):
        raise WrongVolume(folder, f"belongs to data directory {found}, not {directory.id}")


def _check_writable(path: Path) -> None:
    # access(2) says yes to root on a full disk, so really write a block.
    with tempfile.TemporaryFile(dir=path) as probe:
        probe.write(b"\0" * 4096)
        probe.flush()
        os.fsync(probe.fileno())


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataDirectoryFull(path) from None
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            raise DataDirectoryReadOnly(path) from None
        raise
