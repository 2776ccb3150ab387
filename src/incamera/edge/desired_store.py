"""The last desired state, sealed on the edge's disk: after a power cut recording goes on before the line is back.

The state names cameras and their passwords. The key is derived from the edge's own, which lies beside it (0600): an
unattended device must start by itself, so this protects a copied or discarded file, not a stolen device.
"""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec.structs import replace

from incamera.edge.identity import Identity
from incamera.kit.files import write_durably
from incamera.protocol.messages import Desired, InvalidMessage, parse_server_message, render_message

log = structlog.get_logger(__name__)

_INFO: Final = b"incamera edge desired v1"
_NONCE_BYTES: Final = 12


class DesiredStore:
    """DATA/desired.sealed."""

    def __init__(self, data: Path) -> None:
        self._path = data / "desired.sealed"
        self._stored: Desired | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="desired")

    def load(self, identity: Identity) -> Desired | None:
        """What this edge last was to do, with nobody watching; None if there is nothing readable."""
        try:
            sealed = self._path.read_bytes()
            plain = _cipher(identity).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _INFO)
            message = parse_server_message(plain)
        except (OSError, InvalidTag, ValueError, InvalidMessage):
            return None
        self._stored = message if isinstance(message, Desired) else None
        return self._stored

    def save(self, identity: Identity, desired: Desired) -> "Future[None] | None":
        """Keeps a new state; a mere change of who watches is not written. A full disk costs only this convenience.

        Returns at once: a disk that stalls must not hold live pictures up. The future is there for tests.
        """
        lasting = _without_watchers(desired)
        if lasting == self._stored:
            return None
        self._stored = lasting
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + _cipher(identity).encrypt(nonce, render_message(lasting), _INFO)
        return self._thread.submit(self._write, sealed)

    def _write(self, sealed: bytes) -> None:
        try:
            write_durably(self._path, sealed)
        except OSError as error:
            self._stored = None  # the next state is written even if it is the same
            log.warning("edge.desired_not_stored", problem=error.strerror)

    def forget(self) -> None:
        """This edge has nothing to do any more."""
        self._stored = None
        self._thread.submit(self._remove)

    def _remove(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def _without_watchers(desired: Desired) -> Desired:
    channels = [
        replace(channel, streams=tuple(replace(stream, is_watched=False) for stream in channel.streams))
        for channel in desired.channels
    ]
    return Desired(version=0, channels=tuple(channels))


def _cipher(identity: Identity) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(identity.private_key))
