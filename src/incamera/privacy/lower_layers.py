"""Log events of the layers below this package, which cannot call it: `storage` declares here what it logs."""

from incamera.privacy.marks import declare_log_events

declare_log_events(
    None,
    {
        "job.failed": ("job", "job_id", "attempts", "is_dead"),
        "outbound.refused": ("slot", "reason"),
    },
)
