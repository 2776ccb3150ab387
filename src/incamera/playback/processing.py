"""What looking back does with personal data: recordings are shown, and who looked is kept for the owner."""

from typing import Final

from incamera.privacy import (
    CONTRACT,
    Activity,
    Basis,
    Datum,
    Keep,
    Purpose,
    Recipient,
    Reuse,
    Text,
    declare_log_events,
    declare_symbol,
)

PLAYBACK = Activity(
    id="B5.playback",
    seed="B.5",
    since="2026.1",
    name=Text(fr="Revoir les enregistrements", en="Looking back"),
    summary=Text(
        fr="Vous montrer ce que vos caméras ont enregistré, et noter pour le propriétaire qui l’a regardé.",
        en="Show you what your cameras recorded, and note for the owner who looked at it.",
    ),
    refusal=Text(
        fr="Sans ces données, pas de lecture des enregistrements.", en="Without these data recordings cannot be played."
    ),
    companion="B0.people_in_view",
    purposes=(
        Purpose(
            term="dpv:RequestedServiceProvision",
            text=Text(fr="revoir ce que la caméra a vu", en="look back at what the camera saw"),
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(Datum(key="viewing_log", term="incam:ViewingLog", source="dpv:DataControllerDataSource"),),
    reuses=(
        Reuse(datum="B5.record/recording"),
        Reuse(datum="B5.record/recording_public_space"),
        Reuse(datum="B5.record/sound"),
        Reuse(datum="B5.record/recording_index"),
        Reuse(datum="B5.record/channel_id"),
        Reuse(datum="B5.record/segment_path"),
        Reuse(datum="B3.device_add/ownership"),
    ),
    keep=(Keep(data=("viewing_log",), max="P30D", ceiling="P90D", clock="playback_session.last_seen_at"),),
    recipients=(Recipient(who="subject"), Recipient(who="owner"), Recipient(who="grantee", when="grant.active")),
)

ACTIVITIES: Final = (PLAYBACK,)

declare_symbol("socket", "/media/playback", PLAYBACK.id)
declare_log_events(
    PLAYBACK.id,
    {
        "playback.started": ("channel_id",),
        "playback.ended": ("channel_id", "reason"),
        "playback.log_failed": ("error",),
    },
)
