"""How an edge seals what it could not send, so that only the server can read it: format of a spool file and its key.

A spool file holds one span (`docs/design/spool.md`). Its records are sealed under a random key that the edge keeps in
memory only and wraps to the server's X25519 key (`Welcome.spool_public_key`). An edge that was restarted cannot read
its old files: it forwards them record by record (`spool.open`, then binary frames with `FLAG_SEALED`), and the server
unwraps the key, opens each record and treats it as if it had come over the uplink.

    file    = "INCSPOOL" | version u8 | salt 16 | wrapped key 92 | record*
    record  = length u32 (big-endian, of what follows) | AES-256-GCM(kind u8 | body)
    kind    = O: `stream.open` as JSON, always record 0   M: an uplink media frame   C: `stream.close` as JSON, last
    file key = HKDF-SHA256(spool key, salt); nonce = record number, so loss in the middle or a foreign record shows

Nothing but sizes and the number of records is legible.
"""

import os
import struct
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from incamera.protocol.frames import (
    MAX_CHUNK_BYTES,
    UPLINK_HEADER_BYTES,
    InvalidFrame,
    MediaFrame,
    parse_media_frame,
    render_media_frame_header,
)
from incamera.protocol.messages import (
    InvalidMessage,
    StreamClose,
    StreamOpen,
    parse_edge_message,
    render_message,
)

SPOOL_KEY_BYTES: Final = 32
WRAPPED_KEY_BYTES: Final = 32 + 12 + SPOOL_KEY_BYTES + 16  # ephemeral public key, nonce, sealed key with tag
SALT_BYTES: Final = 16
TAG_BYTES: Final = 16
MAX_RECORD_BYTES: Final = 1 + UPLINK_HEADER_BYTES + MAX_CHUNK_BYTES + TAG_BYTES

_MAGIC: Final = b"INCSPOOL\x01"
FILE_HEADER_BYTES: Final = len(_MAGIC) + SALT_BYTES + WRAPPED_KEY_BYTES
_WRAP_INFO: Final = b"incamera spool key v1"
_FILE_INFO: Final = b"incamera spool file v1"
_NONCE = struct.Struct(">4xQ")
_OPEN, _MEDIA, _CLOSE = b"O", b"M", b"C"

SpoolRecord = StreamOpen | MediaFrame | StreamClose


class SpoolUnreadable(ValueError):
    """A wrapped key, file header or record that was not made for this key, was changed, or is out of its place."""


def new_spool_key() -> bytes:
    """A fresh random key; it never reaches a disk unwrapped."""
    return os.urandom(SPOOL_KEY_BYTES)


def wrap_spool_key(key: bytes, server_public_key: bytes) -> bytes:
    """Seals a spool key for the owner of an X25519 key (ephemeral Diffie-Hellman, HKDF-SHA256, AES-256-GCM)."""
    ephemeral = X25519PrivateKey.generate()
    public = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(server_public_key))
    nonce = os.urandom(12)
    wrapping = AESGCM(_derive(shared, public + server_public_key, _WRAP_INFO))
    return public + nonce + wrapping.encrypt(nonce, key, _WRAP_INFO)


def unwrap_spool_key(wrapped: bytes, private_key: X25519PrivateKey) -> bytes:
    """The server's side of `wrap_spool_key`; raises SpoolUnreadable."""
    if len(wrapped) != WRAPPED_KEY_BYTES:
        raise SpoolUnreadable(f"a wrapped spool key has {WRAPPED_KEY_BYTES} bytes, not {len(wrapped)}")
    public, nonce, sealed = wrapped[:32], wrapped[32:44], wrapped[44:]
    own_public = private_key.public_key().public_bytes_raw()
    try:
        shared = private_key.exchange(X25519PublicKey.from_public_bytes(public))
        return AESGCM(_derive(shared, public + own_public, _WRAP_INFO)).decrypt(nonce, sealed, _WRAP_INFO)
    except (InvalidTag, ValueError) as error:
        raise SpoolUnreadable("this spool key was wrapped to another server's key") from error


@dataclass(frozen=True, slots=True)
class SpoolFileHeader:
    """The legible start of a spool file: everything `spool.open` needs."""

    salt: bytes
    wrapped_key: bytes


def render_file_header(header: SpoolFileHeader) -> bytes:
    return _MAGIC + header.salt + header.wrapped_key


def parse_file_header(data: bytes) -> SpoolFileHeader:
    """Reads the first FILE_HEADER_BYTES of a file; raises SpoolUnreadable."""
    if len(data) < FILE_HEADER_BYTES or not data.startswith(_MAGIC):
        raise SpoolUnreadable("this is no spool file of ours, or its start is torn")
    salt_at = len(_MAGIC)
    return SpoolFileHeader(data[salt_at : salt_at + SALT_BYTES], data[salt_at + SALT_BYTES : FILE_HEADER_BYTES])


class RecordCipher:
    """Seals and opens the records of one spool file, by record number from 0."""

    def __init__(self, spool_key: bytes, salt: bytes) -> None:
        self._cipher = AESGCM(_derive(spool_key, salt, _FILE_INFO))

    def seal(self, number: int, record: SpoolRecord) -> bytes:
        """One sealed record, without its length. Never call it twice with one number: the nonce is the number."""
        return self._cipher.encrypt(_NONCE.pack(number), _render_record(record), None)

    def open(self, number: int, sealed: bytes) -> SpoolRecord:
        """Raises SpoolUnreadable."""
        try:
            plain = self._cipher.decrypt(_NONCE.pack(number), sealed, None)
        except (InvalidTag, ValueError) as error:
            raise SpoolUnreadable(f"spool record {number} does not open") from error
        return _parse_record(plain)


def _render_record(record: SpoolRecord) -> bytes:
    match record:
        case StreamOpen():
            return _OPEN + render_message(record)
        case StreamClose():
            return _CLOSE + render_message(record)
        case MediaFrame():
            return b"".join((_MEDIA, render_media_frame_header(record), record.chunk))


def _parse_record(plain: bytes) -> SpoolRecord:
    kind, body = plain[:1], plain[1:]
    try:
        if kind == _MEDIA:
            return parse_media_frame(body)
        message = parse_edge_message(body)
    except (InvalidFrame, InvalidMessage) as error:
        raise SpoolUnreadable("a spool record holds something else than it says") from error
    if (kind, type(message)) in ((_OPEN, StreamOpen), (_CLOSE, StreamClose)):
        assert isinstance(message, StreamOpen | StreamClose)
        return message
    raise SpoolUnreadable("a spool record holds something else than it says")


def _derive(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)
