"""What devices do with personal data: adding one, its configuration, its state, its name and cover, its password, and
the people it films. What the edge beside the cameras holds of these (its spool, passwords in memory) is declared here
too: the edge itself imports nothing of the server.
"""

from typing import Final

from incamera.devices import edge_log_events as edge_log_events
from incamera.privacy import (
    CONTRACT,
    LEGITIMATE_INTEREST,
    Activity,
    Basis,
    Datum,
    Keep,
    Purpose,
    Recipient,
    Reuse,
    Rights,
    Storage,
    Text,
    declare_log_events,
    declare_storage,
    declare_symbol,
)

_UNDO: Final = "PT10M"  # the minutes in which removing a device can be undone

PEOPLE_IN_VIEW = Activity(
    id="B0.people_in_view",
    seed="inferred",
    since="2026.1",
    name=Text(fr="Personnes filmées", en="People in view"),
    summary=Text(
        fr="Dire aux personnes filmées à quoi sert la caméra, ce qu’elle voit et à qui s’adresser.",
        en="Tell the people a camera sees what it is for, what it sees and whom to ask.",
    ),
    refusal=Text(
        fr="Sans fiche, la caméra ne filme pas. Les personnes filmées peuvent s’opposer et demander leurs images.",
        en="Without a card the camera captures nothing. People in view can object and ask for their pictures.",
    ),
    subjects=("incam:PersonInView",),
    purposes=(
        Purpose(
            term="dpv:EnforceSecurity",
            text=Text(fr="protéger un lieu en le disant", en="protect a place, and say so openly"),
        ),
    ),
    basis=Basis(
        term=LEGITIMATE_INTEREST,
        interest=Text(
            fr="la sécurité des personnes et des biens du lieu filmé",
            en="the safety of the people and things of the place in view",
        ),
        lia="docs/privacy/lia/people_in_view.md",
    ),
    data=(
        Datum(key="privacy_card", term="incam:PrivacyCard"),
        Datum(key="sign_code", term="incam:SignCode", source="dpv:DataControllerDataSource"),
    ),
    keep=(Keep(data=("privacy_card", "sign_code"), until="device.removed_at", grace=_UNDO, action="crypto_shred"),),
    recipients=(Recipient(who="owner"), Recipient(who="grantee", when="grant.active"), Recipient(who="subject")),
)

DEVICE_ADD = Activity(
    id="B3.device_add",
    seed="B.3",
    since="2026.1",
    name=Text(fr="Ajouter un appareil", en="Adding a device"),
    summary=Text(
        fr="Rattacher un appareil à votre compte et permettre au programme local de s’y connecter.",
        en="Bind a device to your account and let the edge beside it connect to it.",
    ),
    refusal=Text(
        fr="Sans ces données, l’appareil n’est pas ajouté ; le reste fonctionne.",
        en="Without these data the device is not added; everything else works.",
    ),
    companion="B0.people_in_view",
    purposes=(
        Purpose(
            term="dpv:RequestedServiceProvision",
            text=Text(fr="ajouter l’appareil demandé", en="add the device you ask for"),
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(
        Datum(key="device_serial", term="incam:DeviceSerialNumber", required=False),
        Datum(key="model", term="incam:DeviceModel", required=False),
        Datum(key="kind", term="incam:DeviceKind"),
        Datum(key="time_zone", term="incam:DeviceTimeZone"),
        Datum(key="device_username", term="incam:DeviceUsername", store="secret", required=False),
        Datum(key="device_password", term="incam:DevicePassword", store="secret", required=False),
        Datum(key="ownership", term="incam:Ownership", source="dpv:DataControllerDataSource"),
    ),
    reuses=(Reuse(datum="B9.share/grant"),),  # the doors of access look at both: who owns, who was allowed
    keep=(
        Keep(
            data=("device_serial", "model", "kind", "time_zone", "device_username", "device_password"),
            until="device.removed_at",
            grace=_UNDO,
            action="crypto_shred",
        ),
        Keep(data=("ownership",), until="ownership.ended_at", action="delete"),
    ),
    storage=Storage(key_scope="device_epoch"),
    recipients=(
        Recipient(who="owner"),
        Recipient(who="grantee", data=("kind", "model", "time_zone"), when="grant.active"),
        Recipient(who="device", data=("device_username", "device_password")),
    ),
    rights=Rights(access="include", portability="include", rectification="edit", erasure="shred"),
)

ACTIVATE_CONFIG = Activity(
    id="B6.activate_config",
    seed="B.6",
    since="2026.1",
    name=Text(fr="Mettre en service et régler", en="Activating and configuring"),
    summary=Text(
        fr="Faire ce que vous avez choisi pour chaque caméra, et savoir où la joindre sur votre réseau.",
        en="Do what you chose for each camera, and know where to find it in your network.",
    ),
    refusal=Text(
        fr="Sans ces données, l’appareil n’est pas mis en service.",
        en="Without these data the device is not activated.",
    ),
    purposes=(
        Purpose(
            term="dpv:TechnicalServiceProvision",
            text=Text(fr="mettre l’appareil en service", en="put the device into service"),
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(
        Datum(key="device_ip", term="incam:DeviceAddress"),
        Datum(key="device_port", term="incam:NetworkPort"),
        Datum(key="configuration", term="incam:DeviceConfiguration"),
        Datum(key="registered_at", term="incam:RegistrationDate", source="dpv:DataControllerDataSource"),
        Datum(key="removed_at", term="incam:RemovalDate", source="dpv:DataControllerDataSource"),
        Datum(key="edge", term="incam:EdgeIdentity", source="incam:DeviceDataSource"),
        Datum(key="enrolment_code", term="incam:OneTimeCode", store="secret", source="dpv:DataControllerDataSource"),
        Datum(key="test_picture", term="incam:TestPicture", store="transient", source="incam:DeviceDataSource"),
    ),
    reuses=(
        Reuse(datum="B3.device_add/device_serial"),
        Reuse(datum="B3.device_add/model"),
        Reuse(datum="B3.device_add/device_username"),
        Reuse(datum="B3.device_add/device_password"),
    ),
    keep=(
        Keep(
            data=("device_ip", "device_port", "configuration", "registered_at", "removed_at"),
            until="device.removed_at",
            grace=_UNDO,
            action="crypto_shred",
        ),
        Keep(data=("edge",), until="edge.removed_at", action="delete"),
        Keep(data=("enrolment_code",), max="PT15M", ceiling="PT15M", clock="edge_enrolment.created_at"),
        Keep(
            data=("test_picture",),
            max="PT60S",
            ceiling="PT60S",
            clock="stream:devices.test_picture.created_at",
            action="drop",
        ),
    ),
    storage=Storage(key_scope="device_epoch"),
    recipients=(Recipient(who="owner"), Recipient(who="device", data=("configuration",))),
    rights=Rights(access="include", portability="include", rectification="edit", erasure="shred"),
)

ONLINE_STATUS = Activity(
    id="B6.online_status",
    seed="B.6",
    since="2026.1",
    name=Text(fr="État en ligne", en="On-line status"),
    summary=Text(
        fr="Vous dire si une caméra envoie des images, depuis quand, et sinon pourquoi.",
        en="Tell you whether a camera sends, since when, and if not why.",
    ),
    refusal=Text(fr="L’état reste inconnu.", en="The status stays unknown."),
    purposes=(
        Purpose(
            term="dpv:RequestedServiceProvision",
            text=Text(fr="montrer l’état de chaque caméra", en="show the state of each camera"),
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(
        Datum(key="status", term="incam:OnlineStatus", source="incam:DeviceDataSource"),
        Datum(key="status_change", term="incam:OnlineStatus", source="incam:DeviceDataSource"),
    ),
    reuses=(
        Reuse(datum="B3.device_add/kind"),
        Reuse(datum="B6.activate_config/configuration"),
        Reuse(datum="B6.activate_config/edge"),
    ),
    keep=(
        Keep(data=("status",), until="device.removed_at", grace=_UNDO, action="delete"),
        Keep(data=("status_change",), max="P1D", ceiling="P1D", clock="channel_status_change.at"),
    ),
    recipients=(Recipient(who="owner"), Recipient(who="grantee", data=("status",), when="grant.active")),
)

NAME_COVER = Activity(
    id="B7.name_cover",
    seed="B.7",
    since="2026.1",
    name=Text(fr="Nom et image de couverture", en="Name and cover picture"),
    summary=Text(
        fr="Reconnaître vos caméras à leur nom et à une image récente.",
        en="Recognise your cameras by their name and a recent picture.",
    ),
    refusal=Text(
        fr="Sans nom ni image, l’appareil s’affiche par son type.",
        en="Without name and picture the device is shown by its kind.",
    ),
    companion="B0.people_in_view",
    purposes=(
        Purpose(
            term="dpv:RequestedServiceProvision",
            text=Text(fr="vous montrer chaque caméra", en="show you each camera"),
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(
        Datum(key="name", term="incam:DeviceName"),
        Datum(key="cover", term="incam:CoverImage", source="incam:DeviceDataSource", special_risk=True),
    ),
    reuses=(
        Reuse(datum="B3.device_add/device_serial"),
        Reuse(datum="B3.device_add/model"),
        Reuse(datum="B3.device_add/kind"),
        Reuse(datum="B6.activate_config/configuration"),
    ),
    keep=(
        Keep(data=("name",), until="device.removed_at", grace=_UNDO, action="crypto_shred"),
        Keep(data=("cover",), max="P7D", ceiling="P30D", clock="cover.taken_at", action="crypto_shred"),
    ),
    storage=Storage(key_scope="item"),
    recipients=(
        Recipient(who="owner"),
        Recipient(who="grantee", data=("name",), when="grant.active"),
        Recipient(who="grantee", data=("cover",), when="grant.view_recordings"),
    ),
)

DEVICE_PASSWORD = Activity(
    id="B8.device_password",
    seed="B.8",
    since="2026.1",
    name=Text(fr="Mot de passe d’un appareil", en="Password of a device"),
    summary=Text(
        fr="Remplacer le mot de passe d’une caméra, et garder trace de ce qui a été modifié, jamais de sa valeur.",
        en="Replace the password of a camera, and remember what was changed, never its value.",
    ),
    refusal=Text(fr="Le mot de passe reste tel quel.", en="The password stays as it is."),
    purposes=(
        Purpose(
            term="dpv:EnforceSecurity",
            text=Text(fr="tenir l’accès à l’appareil à jour", en="keep the access to the device up to date"),
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(Datum(key="change_event", term="incam:ChangeEvent", source="dpv:DataControllerDataSource"),),
    reuses=(
        Reuse(datum="B3.device_add/device_username"),
        Reuse(datum="B3.device_add/device_password"),
        Reuse(datum="B3.device_add/device_serial"),
        Reuse(datum="B6.activate_config/device_ip"),
    ),
    keep=(Keep(data=("change_event",), max="P180D", ceiling="P1Y", clock="device_change.at"),),
    recipients=(Recipient(who="owner"),),
)

ACTIVITIES: Final = (PEOPLE_IN_VIEW, DEVICE_ADD, ACTIVATE_CONFIG, ONLINE_STATUS, NAME_COVER, DEVICE_PASSWORD)

DEVICE_ACTIVITIES: Final = tuple(activity.id for activity in ACTIVITIES)
"""What showing or changing a device as a whole is for."""

EDGE_ACTIVITIES: Final = ("B6.activate_config", "B6.online_status")

declare_log_events(
    "B3.device_add",
    {
        "device.added": ("device_id", "channels"),
        "device.removed": ("device_id",),
        "device.restored": ("device_id",),
        "device.erased": ("device_id", "epoch"),
    },
)
declare_log_events(
    "B6.activate_config",
    {
        "edge.enrolled": ("edge_id", "is_local"),
        "edge.removed": ("edge_id",),
        "edge.code_refused": ("recent",),
        "device.unreadable": ("device_id", "error"),
    },
)
declare_log_events("B6.online_status", {"channel.state": ("channel_id", "state", "fault")})
declare_log_events("B7.name_cover", {"cover.failed": ("channel_id", "error"), "cover.round_failed": ("error",)})
declare_symbol("job", "devices.erase", "B3.device_add")
declare_symbol("job", "devices.erase_removed", "B3.device_add")
for _event in ("DeviceChanged", "DeviceRemoved", "DeviceErased", "ChannelTurnedOff", "SoundTurnedOff", "ChannelOnline"):
    declare_symbol("event", _event, "B6.activate_config")
declare_storage("stream", "devices.test_picture", "B6.activate_config/test_picture")
