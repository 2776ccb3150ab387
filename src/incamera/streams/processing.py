"""What the media path says in the log: ids, codes and numbers of machines, nothing of a person."""

from incamera.privacy import declare_log_events, declare_symbol

declare_symbol("socket", "/uplink/v1", "B4.live_view", "B5.record")
declare_log_events(
    None,
    {
        "socket.refused": ("code", "status"),
        "socket.violation": ("path", "close_code"),
        "socket.failed": ("path",),
        "socket.no_notsent_lowat": (),
        "hub.subscriber_failed": ("channel_id", "stream"),
        "uplink.connected": ("edge_id",),
        "uplink.replaced": ("edge_id",),
        "uplink.refused": ("code",),
        "uplink.clock_ahead": ("channel_id", "stream"),
        "uplink.span_refused": ("channel_id", "stream", "reason"),
        "uplink.spool_unreadable": ("detail",),
    },
)
