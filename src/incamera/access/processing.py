"""What access does with personal data. Who owns a device belongs to adding it; what was granted belongs to sharing.

Sharing itself comes with its own feature. Until then no code makes a grant, so the activity is a draft; the doors read
the table all the same, so that a grant counts from the day one can exist.
"""

from typing import Final

from incamera.privacy import (
    CONTRACT,
    Activity,
    Basis,
    Datum,
    Keep,
    Purpose,
    Recipient,
    Text,
    declare_symbol,
)

DOOR_ACTIVITIES: Final = ("B3.device_add",)  # owns `ownership`, and reuses `B9.share/grant`

SHARE = Activity(
    id="B9.share",
    seed="B.9",
    status="draft",
    since="2026.1",
    name=Text(fr="Partager un appareil", en="Sharing a device"),
    summary=Text(
        fr="Laisser une autre personne voir ou régler ce que vous choisissez, aussi longtemps que vous le voulez.",
        en="Let another person see or set what you choose, for as long as you choose.",
    ),
    refusal=Text(fr="L’appareil n’est pas partagé.", en="The device is not shared."),
    companion="B0.people_in_view",
    purposes=(
        Purpose(
            term="dpv:EnforceAccessControl",
            text=Text(fr="ne montrer que ce que vous avez permis", en="show no more than you allowed"),
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(Datum(key="grant", term="incam:AccessGrant"),),
    keep=(Keep(data=("grant",), max="P30D", ceiling="P90D", clock="access_grant.last_valid_at", action="delete"),),
    recipients=(Recipient(who="owner"), Recipient(who="grantee", when="grant.active")),
)

ACTIVITIES: Final = (SHARE,)

declare_symbol("event", "GrantRevoked", "B3.device_add")
declare_symbol("event", "OwnershipEnded", "B3.device_add")
