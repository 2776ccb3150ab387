"""What can go wrong with declarations, purposes and retention, by name."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from incamera.kit.errors import IncameraError


class PrivacyError(IncameraError):
    """Root of this package's errors."""

    status: ClassVar[int] = 500


class DeclarationError(PrivacyError):
    """The registry does not load: every finding is one line that names the activity and the rule."""

    def __init__(self, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        super().__init__("The processing declarations are not valid:\n" + "\n".join(f"  {line}" for line in findings))


class OperatorFileError(PrivacyError):
    """`privacy.toml` cannot be used as it is."""

    def __init__(self, findings: Sequence[str]) -> None:
        self.findings = tuple(findings)
        super().__init__("privacy.toml is not valid:\n" + "\n".join(f"  {line}" for line in findings))


class NoActivity(PrivacyError):
    """Code that works with rows names no processing activity, so it may not start."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} names no processing activity; mark it with @activity(...) from incamera.privacy.")


class UnknownActivity(PrivacyError):
    def __init__(self, activity_id: str) -> None:
        self.activity_id = activity_id
        super().__init__(f"There is no processing activity in force with the id {activity_id}.")


class OutsidePurpose(PrivacyError):
    """A statement of one activity reached for a table that the activity neither owns nor reuses."""

    def __init__(self, activities: Iterable[str], table: str) -> None:
        self.activities, self.table = tuple(activities), table
        super().__init__(
            f"{' + '.join(self.activities)} may not touch the table {table}: declare a reuse of the datum, "
            f"or do this step inside `purpose(db, ...)` of the activity that owns it."
        )


class RawSql(PrivacyError):
    def __init__(self, activities: Iterable[str]) -> None:
        super().__init__(
            f"{' + '.join(activities)} sent raw SQL; a purpose-bound session takes mapped statements only, "
            f"because it cannot see which tables a text touches."
        )


class ReadOnlyRequest(PrivacyError):
    """GET and HEAD do not write: on SQLite they hold no write lock, so an upgrade could fail at any moment."""

    def __init__(self) -> None:
        super().__init__(
            "A read-only transaction tried to write. GET and HEAD requests do not change rows: queue the write with "
            "`after_commit(db, ...)` and an `open_session` of its own, or use another method."
        )


class ActivityStopped(PrivacyError):
    """Retention stands still with data overdue, so the activity may not take in more."""

    status: ClassVar[int] = 503
    retry_after_s: ClassVar[int | None] = 300

    def __init__(self, activity_id: str) -> None:
        self.activity_id = activity_id
        super().__init__(
            f"{activity_id} takes no new data until overdue data could be deleted; see /privacy/evidence for the cause."
        )
