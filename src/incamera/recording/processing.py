"""What recording does with personal data."""

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
    Storage,
    Text,
    declare_log_events,
    declare_storage,
    declare_symbol,
)

RECORD = Activity(
    id="B5.record",
    seed="B.5",
    since="2026.1",
    name=Text(fr="Enregistrement", en="Recording"),
    summary=Text(
        fr="Garder les images des caméras pour lesquelles vous l’avez choisi, chiffrées, pour un temps limité.",
        en="Keep the pictures of the cameras for which you chose it, encrypted, for a limited time.",
    ),
    refusal=Text(
        fr="Sans enregistrement, on ne peut pas revenir en arrière ; la vue en direct fonctionne.",
        en="Without recording you cannot look back; live view works.",
    ),
    companion="B0.people_in_view",
    purposes=(
        Purpose(
            term="dpv:RequestedServiceProvision",
            text=Text(fr="revoir plus tard ce que la caméra a vu", en="look back at what the camera saw"),
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(
        Datum(key="recording", term="incam:Recording", default="off", required=False, special_risk=True),
        Datum(
            key="recording_public_space",
            term="incam:RecordingPublicSpace",
            default="off",
            required=False,
            special_risk=True,
        ),
        Datum(key="sound", term="incam:AudioRecording", default="off", required=False, special_risk=True),
        Datum(key="recording_index", term="incam:RecordingIndex"),
        Datum(key="channel_id", term="incam:DeviceIdentifier"),
        Datum(key="segment_path", term="incam:RecordingPath"),
    ),
    reuses=(Reuse(datum="B3.device_add/device_serial"),),
    keep=(
        Keep(
            data=("recording", "sound", "recording_index", "channel_id", "segment_path"),
            max="P7D",
            ceiling="P30D",
            clock="segment.started_us",
            action="crypto_shred",
        ),
        Keep(
            data=("recording_public_space",),
            max="P3D",
            ceiling="P3D",
            clock="segment.started_us",
            action="crypto_shred",
        ),
    ),
    storage=Storage(key_scope="channel_hour"),
    recipients=(Recipient(who="owner"), Recipient(who="grantee", when="grant.active")),
)

ACTIVITIES: Final = (RECORD,)

# The sealed files below the data directory's `media` folder.
declare_storage("store", "media", "B5.record/recording", "B5.record/recording_public_space", "B5.record/sound")
declare_symbol("event", "RecordingDamaged", "B5.record")
declare_symbol("job", "recording.housekeeping", "B5.record")
declare_log_events(
    "B5.record",
    {
        "recording.recovered": ("closed", "adopted", "removed", "missing", "erased_epochs"),
        "recording.damaged": ("channel_id", "stream"),
        "recording.epoch_erased": ("segments",),
        "recording.clock_ahead": ("channel_id",),
    },
)
declare_log_events(
    None,
    {
        "recording.disk_full": ("evicted_segments",),
        "recording.volume_back": (),
        "recording.volume_trouble": ("says", "state"),
        "recording.write_failed": ("error", "errno"),
        "recording.task_failed": ("error",),
        "vault.tombstones_replayed": ("keys",),
    },
)
