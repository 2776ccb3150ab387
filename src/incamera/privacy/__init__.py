"""The registry of processing activities, and everything it drives.

Each feature declares what it does with personal data in its `processing.py`; columns, routes, jobs, log events and
cookies name their activity; from this come the notice, the record, purpose-bound sessions, retention with evidence and
the lint that refuses anything undeclared. This package imports no feature: `app.py` hands it the declarations.
"""

from incamera.privacy import lower_layers as lower_layers
from incamera.privacy.cookies import ClientKey, Cookie, CookieGuard
from incamera.privacy.marks import (
    LogEvent,
    activity,
    collected,
    declare_log_events,
    declare_storage,
    declare_symbol,
    no_activity,
    not_personal,
    personal,
)
from incamera.privacy.registry import Registry
from incamera.privacy.retention import RetentionRule, RetentionTarget, Swept
from incamera.privacy.retention_engine import RetentionEngine
from incamera.privacy.schema import (
    CONSENT,
    CONTRACT,
    LEGAL_OBLIGATION,
    LEGITIMATE_INTEREST,
    Activity,
    Basis,
    Code,
    Datum,
    Dpia,
    Keep,
    Minors,
    Purpose,
    Recipient,
    Reuse,
    Rights,
    Storage,
    Text,
)
from incamera.privacy.sessions import Db, after_commit, commit_now, guard_database, open_session, purpose
from incamera.privacy.wire import RequestBody, personal_field

__all__ = [
    "CONSENT",
    "CONTRACT",
    "LEGAL_OBLIGATION",
    "LEGITIMATE_INTEREST",
    "Activity",
    "Basis",
    "ClientKey",
    "Code",
    "Cookie",
    "CookieGuard",
    "Datum",
    "Db",
    "Dpia",
    "Keep",
    "LogEvent",
    "Minors",
    "Purpose",
    "Recipient",
    "Registry",
    "RequestBody",
    "RetentionEngine",
    "RetentionRule",
    "RetentionTarget",
    "Reuse",
    "Rights",
    "Storage",
    "Swept",
    "Text",
    "activity",
    "after_commit",
    "collected",
    "commit_now",
    "declare_log_events",
    "declare_storage",
    "declare_symbol",
    "guard_database",
    "no_activity",
    "not_personal",
    "open_session",
    "personal",
    "personal_field",
    "purpose",
]
