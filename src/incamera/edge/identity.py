"""Who this edge is: its folder, its Ed25519 key and what it knows of its server, in one file only it can read.

DATA/                0700, held by one edge at a time (DATA/lock)
  identity.json      0600, replaced whole (kit.files)
  spool/             what is not acknowledged (docs/design/spool.md)
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from incamera.edge.errors import DataDirectoryUnusable, EdgeAlreadyRunning
from incamera.kit.files import write_durably
from incamera.protocol.messages import SIGNATURE_CONTEXT

_IDENTITY_FILE: Final = "identity.json"


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An edge's key, and its server once it is enrolled. Kept on disk as it stands here."""

    private_key: bytes  # Ed25519, raw 32 bytes
    edge_id: UUID | None = None
    server: str = ""
    server_key_sha256: str = ""  # hexadecimal; empty without TLS
    spool_public_key: bytes = b""  # of the server, X25519

    @property
    def is_enrolled(self) -> bool:
        return self.edge_id is not None

    @property
    def public_key(self) -> bytes:
        return self._key().public_key().public_bytes_raw()

    def sign(self, nonce: bytes, server_key_sha256: bytes) -> bytes:
        """Proves the key on this very connection: nonce and server certificate are part of what is signed."""
        return self._key().sign(SIGNATURE_CONTEXT + nonce + server_key_sha256)

    def __repr__(self) -> str:
        """Without the key: what is printed or logged must not hold it."""
        return f"Identity(edge_id={self.edge_id})"

    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.private_key)


class IdentityStore:
    """The identity file of one data folder."""

    def __init__(self, data: Path) -> None:
        self._path = data / _IDENTITY_FILE
        self._data = data

    def load_or_create(self) -> Identity:
        """The stored identity; on the first start a fresh one, already on disk. Raises DataDirectoryUnusable."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Identity)
        except FileNotFoundError:
            identity = Identity(private_key=Ed25519PrivateKey.generate().private_bytes_raw())
            self.save(identity)
            return identity
        except msgspec.MsgspecError as error:
            raise DataDirectoryUnusable(
                str(self._data), f"{_IDENTITY_FILE} is damaged; remove it to enrol again"
            ) from error
        except OSError as error:
            raise DataDirectoryUnusable(str(self._data), _words(error)) from error

    def save(self, identity: Identity) -> None:
        """Survives a crash at any moment: the old file or the new one. Raises DataDirectoryUnusable."""
        try:
            write_durably(self._path, msgspec.json.encode(identity))
        except OSError as error:
            raise DataDirectoryUnusable(str(self._data), _words(error)) from error


@contextmanager
def hold_data_directory(data: Path) -> Iterator[Path]:
    """Makes the folder and keeps it for this edge alone; raises DataDirectoryUnusable or EdgeAlreadyRunning."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise DataDirectoryUnusable(str(data), _words(error)) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise EdgeAlreadyRunning(str(data)) from error
        yield data
    finally:
        os.close(lock)


def _words(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
