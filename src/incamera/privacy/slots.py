"""The closed list of processor slots: the only outsiders data may ever be sent to. All are off in a default install.

There is no slot for error reporting, advertising, external analytics, fonts or maps: such a call cannot be declared,
hence cannot be made (requirement book 2.5).
"""

import re
from typing import Final

_PLAIN: Final = (
    "mail", "sms", "web_push", "mobile_push", "turn_relay", "object_store", "geoip_update", "firmware_source",
    "carrier", "key_service",
)  # fmt: skip
_FAMILIES: Final = ("idp", "shop", "voice")  # `idp.<name>`, `shop.<kind>`, `voice.<name>`
_FAMILY_MEMBER: Final = re.compile(rf"(?:{'|'.join(_FAMILIES)})\.[a-z][a-z0-9_]*")

LABELS: Final = {
    "mail": {"en": "sending e-mail", "fr": "envoi d’e-mails"},
    "sms": {"en": "sending text messages", "fr": "envoi de SMS"},
    "web_push": {"en": "notifications in the browser", "fr": "notifications dans le navigateur"},
    "mobile_push": {"en": "notifications on phones", "fr": "notifications sur téléphone"},
    "turn_relay": {"en": "relay for live pictures", "fr": "relais pour l’image en direct"},
    "object_store": {"en": "storage of encrypted recordings", "fr": "stockage des enregistrements chiffrés"},
    "geoip_update": {"en": "update of the address table", "fr": "mise à jour de la table d’adresses"},
    "firmware_source": {"en": "source of device updates", "fr": "source des mises à jour d’appareils"},
    "carrier": {"en": "delivery of parcels", "fr": "livraison de colis"},
    "key_service": {"en": "guarding the root key", "fr": "garde de la clé racine"},
    "idp": {"en": "sign-in with another account", "fr": "connexion avec un autre compte"},
    "shop": {"en": "shop", "fr": "boutique"},
    "voice": {"en": "voice assistant", "fr": "assistant vocal"},
}


def is_slot(name: str) -> bool:
    """Whether this is the name of a slot."""
    return name in _PLAIN or _FAMILY_MEMBER.fullmatch(name) is not None


def slot_names() -> tuple[str, ...]:
    """All plain slots, and the families as `idp.<name>`."""
    return (*_PLAIN, *(f"{family}.<name>" for family in _FAMILIES))


def slot_label(name: str, language: str) -> str:
    """What the processor in this slot does, in words."""
    return LABELS[name.partition(".")[0]][language]
