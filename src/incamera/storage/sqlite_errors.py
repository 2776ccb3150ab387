"""What an error of SQLite says about its connection.

A connection that was opened, or that met an error, while the disk was read-only or broken stays that way: SQLite opens
files for reading where it cannot write, and never looks again. Only a new connection notices that the disk is back.
"""

import sqlite3
from typing import Final

_STALE: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})


def needs_new_connection(error: BaseException | None) -> bool:
    """Whether the connection that raised this is of no further use."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _STALE


def is_read_only(error: BaseException) -> bool:
    """Whether the database could not be written because its file, or its volume, is read-only."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
