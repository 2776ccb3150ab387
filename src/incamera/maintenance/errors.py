"""What can go wrong in `incamera restore` before anything is written, and in `incamera backup` after all is."""

from pathlib import Path

from incamera.kit.errors import IncameraError


class BackupNotUploaded(IncameraError):
    status = 500

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"The backup is whole in {folder}, not in the bucket. {reason} Copy the folder there, or back up again."
        )


class LedgerNeeded(IncameraError):
    """A backup brings destroyed keys back to life; only the ledger kills them again."""

    status = 500

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The list of destroyed keys is not at {path}; name it with --ledger-file. If it is lost for good, "
            "--accept-lost-ledger goes on without it, and what was erased since the backup becomes readable again."
        )


class RestoreTargetNotEmpty(IncameraError):
    status = 500

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not empty; restore into a directory that does not exist yet or holds nothing.")


class OtherDatabase(IncameraError):
    status = 500

    def __init__(self, backup_kind: str, target_kind: str) -> None:
        super().__init__(
            f"The backup holds {backup_kind} rows, but --database names {target_kind}; name the same kind."
        )


class DatabaseNotEmpty(IncameraError):
    status = 500

    def __init__(self) -> None:
        super().__init__("The database named by --database has tables already; restore into an empty one.")
