"""Identifiers: UUIDs of version 7 (RFC 9562 clause 5.7), so that rows sort by the time they were made."""

import os
import time
from uuid import UUID


def new_id() -> UUID:
    """A fresh UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    value = int.from_bytes(os.urandom(16), "big")
    value = (value & ((1 << 80) - 1)) | ((time.time_ns() // 1_000_000) << 80)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return UUID(int=value)
