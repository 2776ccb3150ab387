"""What live view does with personal data: pictures pass through memory, and who watched is kept for the owner."""

from typing import Final

from incamera.privacy import (
    CONTRACT,
    Activity,
    Basis,
    Datum,
    Dpia,
    Keep,
    Purpose,
    Recipient,
    Reuse,
    Rights,
    Text,
    declare_log_events,
    declare_storage,
    declare_symbol,
)

LIVE_VIEW = Activity(
    id="B4.live_view",
    seed="B.4",
    since="2026.1",
    name=Text(fr="Vue en direct", en="Live view"),
    summary=Text(
        fr="Montrer en temps réel l’image de vos caméras.", en="Show the picture of your cameras in real time."
    ),
    refusal=Text(
        fr="Sans ces données, pas de vue en direct ; le reste fonctionne.",
        en="Without these data there is no live view; everything else works.",
    ),
    companion="B0.people_in_view",
    purposes=(
        Purpose(term="dpv:RequestedServiceProvision", text=Text(fr="fournir la vue en direct", en="provide live view")),
    ),
    basis=Basis(term=CONTRACT),
    data=(
        Datum(key="viewing_log", term="incam:ViewingLog", source="dpv:DataControllerDataSource"),
        Datum(key="viewer_ip", term="pd:IPAddress"),
        Datum(key="video_stream", term="incam:VideoStream", store="transient", special_risk=True),
        Datum(
            key="audio_stream",
            term="incam:AudioStream",
            store="transient",
            special_risk=True,
            required=False,
            default="off",
        ),
    ),
    reuses=(Reuse(datum="B3.device_add/ownership"),),
    operations=("dpv:Collect", "dpv:DiscloseByTransmission", "dpv:Display"),
    keep=(
        # The streams live only in the cache that lets a viewer start at once; nothing reaches a disk.
        Keep(
            data=("video_stream", "audio_stream"),
            max="PT60S",
            ceiling="PT60S",
            clock="stream:live.created_at",
            action="drop",
            term="incam:NoStorage",
        ),
        Keep(data=("viewing_log", "viewer_ip"), max="P30D", ceiling="P90D", clock="live_session.last_seen_at"),
    ),
    recipients=(
        Recipient(who="subject"),
        Recipient(who="owner", data=("viewing_log",)),  # the owner sees who watches
        Recipient(who="grantee", data=("video_stream", "audio_stream"), when="grant.active"),
    ),
    measures=("dpv:EncryptionInTransfer", "dpv:AccessControlMethod", "incam:ViewerListVisible", "incam:StaffNoAccess"),
    rights=Rights(access="include", portability="include", erasure="delete", restriction="pause"),
    dpia=Dpia(required=True, ref="docs/privacy/dpia/media.md", triggers=("dpv:SystematicMonitoring",)),
)

ACTIVITIES: Final = (LIVE_VIEW,)

declare_symbol("socket", "/media/live", LIVE_VIEW.id)
declare_storage("stream", "live.video", "B4.live_view/video_stream")
declare_storage("stream", "live.audio", "B4.live_view/audio_stream")
declare_log_events(
    LIVE_VIEW.id,
    {
        "live.started": ("channel_id", "stream"),
        "live.ended": ("channel_id", "stream", "reason"),
        "live.viewing_log_failed": ("error",),
        "live.check_failed": ("error",),
    },
)
