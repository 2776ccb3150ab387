"""`incamera check | backup | restore`: looking after a data directory without serving from it.

Each returns the exit status and says what it found in whole sentences. `backup` may run beside the server; `restore`
and the migration's own backup need the directory for themselves.
"""

from incamera.maintenance.backing_up import backup, make_backup, remove_leftovers
from incamera.maintenance.checking import check
from incamera.maintenance.places import ledger_path, privacy_file
from incamera.maintenance.restoring import RestoreOptions, restore

__all__ = [
    "RestoreOptions",
    "backup",
    "check",
    "ledger_path",
    "make_backup",
    "privacy_file",
    "remove_leftovers",
    "restore",
]
