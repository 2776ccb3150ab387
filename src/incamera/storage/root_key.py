"""The root key: 32 random bytes outside the data directory, from which every other key descends.

It comes from `INCAMERA_ROOT_KEY` (containers), from `--root-key-file`, or from
`$XDG_CONFIG_HOME/incamera/DATA-DIRECTORY-ID.key`, and is made on first start only: a known data directory without its
key is refused, because a new key would open nothing. A key file also remembers which data directory it belongs to and
where that was, so that an empty folder there is recognised as a volume that is not mounted.
"""

import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from incamera.kit.errors import IncameraError
from incamera.kit.files import write_durably
from incamera.storage.data_directory import DataDirectory

_HEAD = "# Root key of an Incamera data directory. Without it nothing can be read; keep a copy apart from every backup."


class RootKeyError(IncameraError):
    """The root key cannot be used."""

    status = 500


class RootKeyMissing(RootKeyError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"The root key of this data directory is not at {path}; put it there or name its file.")


class RootKeyUnreadable(RootKeyError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} does not hold a root key (64 hexadecimal digits on a line of its own).")


class RootKeyTooOpen(RootKeyError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"Others may read the root key {path}; run: chmod 600 {path}")


class RootKeyInsideData(RootKeyError):
    def __init__(self, path: Path) -> None:
        super().__init__(f"The root key {path} lies inside the data directory; keep it elsewhere.")


class RootKeyOfAnother(RootKeyError):
    def __init__(self, path: Path, directory_id: UUID) -> None:
        super().__init__(f"The root key {path} belongs to data directory {directory_id}, not to this one.")


@dataclass(frozen=True, slots=True)
class RootKeyFile:
    """What a key file says. `directory_id` and `directory_path` are None in a file made by hand."""

    key: bytes
    directory_id: UUID | None
    directory_path: Path | None

    def __repr__(self) -> str:
        return f"RootKeyFile(‹secret›, {self.directory_id})"


def config_folder() -> Path:
    """Where this person's programs keep their settings (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "incamera"


def default_path(directory_id: UUID) -> Path:
    """The key file of a data directory when no other is named."""
    return config_folder() / f"{directory_id}.key"


def remembered_id(data: Path, key_file: Path | None) -> UUID | None:
    """Which data directory used to be at `data`, as far as the key files of this person know."""
    files = [key_file] if key_file else sorted(config_folder().glob("*.key")) if config_folder().is_dir() else []
    for path in files:
        try:
            known = read_key_file(path)
        except (RootKeyError, OSError):
            continue
        # A named key file belongs to one directory wherever it is mounted; the others must match by place.
        if known.directory_id and (key_file or known.directory_path == data.absolute()):
            return known.directory_id
    return None


def obtain(directory: DataDirectory, *, given: str | None, key_file: Path | None) -> tuple[bytes, Path | None]:
    """The root key and the file it is in (None: it came by the environment). Made only for a new data directory."""
    if given is not None:
        return bytes.fromhex(given), None
    path = (key_file or default_path(directory.id)).absolute()
    if path.resolve().is_relative_to(directory.path.resolve()):
        raise RootKeyInsideData(path)
    if not path.exists():
        if not directory.is_new:
            raise RootKeyMissing(path)
        return _make(path, directory), path
    found = read_key_file(path)
    if found.directory_id not in (None, directory.id):
        assert found.directory_id is not None
        raise RootKeyOfAnother(path, found.directory_id)
    return found.key, path


def read_key_file(path: Path) -> RootKeyFile:
    """Reads a key file; refuses one that others may read."""
    with path.open() as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise RootKeyTooOpen(path)
        lines = [line.strip() for line in file.read(65536).splitlines()]
    notes = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# ") and ": " in line)
    try:
        key = bytes.fromhex(next(line for line in lines if line and not line.startswith("#")))
        directory_id = UUID(notes["id"]) if "id" in notes else None
    except (StopIteration, ValueError):
        raise RootKeyUnreadable(path) from None
    if len(key) != 32:
        raise RootKeyUnreadable(path)
    return RootKeyFile(key, directory_id, Path(notes["path"]) if "path" in notes else None)


def _make(path: Path, directory: DataDirectory) -> bytes:
    key = secrets.token_bytes(32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = f"{_HEAD}\n# id: {directory.id}\n# path: {directory.path}\n{key.hex()}\n"
        write_durably(path, text.encode())
    except OSError as error:
        raise RootKeyUnwritable(path) from error
    return key


class RootKeyUnwritable(RootKeyError):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The root key cannot be written to {path}; name another --root-key-file or set INCAMERA_ROOT_KEY."
        )
