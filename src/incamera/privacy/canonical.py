"""Canonical JSON (RFC 8785) and its SHA-256: the same declarations give the same bytes on every machine.

Declarations hold texts, whole numbers, booleans and lists only; a float is refused, so clause 3.2.2.3 is not needed.
"""

import hashlib
import json
from typing import Any


def render_canonical(value: Any) -> str:
    """RFC 8785 text: members sorted by their UTF-16 code units, no white space, nothing escaped that need not be."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
        return "{" + ",".join(f"{render_canonical(name)}:{render_canonical(item)}" for name, item in members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(render_canonical(item) for item in value) + "]"
    if isinstance(value, float):
        raise TypeError("a declaration holds no fractions")
    return json.dumps(value, ensure_ascii=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical text, in hex."""
    return hashlib.sha256(render_canonical(value).encode()).hexdigest()
