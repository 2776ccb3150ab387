"""Log events of the program beside the cameras. It imports nothing of the server, so its owner here declares them; the
lint reads its source and finds any that is missing, or has another key."""

from incamera.privacy import declare_log_events

declare_log_events(
    "B6.activate_config",
    {
        "edge.camera_failed": ("channel_id",),
        "edge.camera_fault": ("channel_id", "detail", "fault"),
        "edge.camera_state": ("channel_id", "says", "state"),
        "edge.clock_not_set": ("says",),
        "edge.confined": ("holds", "missing"),
        "edge.connected": ("says",),
        "edge.decoder_died": ("says",),
        "edge.desired_not_stored": ("problem",),
        "edge.figures": ("tasks",),
        "edge.line_down": ("says",),
        "edge.probe_picture_failed": ("says",),
        "edge.server_moved": ("says",),
        "edge.snapshot_failed": ("channel_id", "says"),
        "edge.span_refused": ("reason",),
        "edge.spool_full": ("says",),
        "edge.spool_unreadable": ("problem",),
        "edge.spool_write_failed": ("says",),
        "edge.spooling": ("waiting_bytes",),
        "edge.stopped": (),
        "edge.sync_point_refused": ("says",),
        "edge.unexpected_message": ("kind",),
    },
)
