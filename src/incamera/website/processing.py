"""What the public pages and the browser side of the app do with personal data.

The shortest good example of a declaration: everything that can be derived is left out. `docs/howto/add-a-personal-field.md`
walks through it.
"""

from typing import Final

from incamera.privacy import (
    CONTRACT,
    LEGITIMATE_INTEREST,
    Activity,
    Basis,
    ClientKey,
    Datum,
    Keep,
    Purpose,
    Recipient,
    Text,
    declare_log_events,
)

K__LAYOUT: Final = Text(
    fr="langue, thème, ordre et taille des caméras", en="language, theme, order and size of the cameras"
)
CLIENT_KEYS: Final = (
    ClientKey("incamera.language", "K.preferences", _LAYOUT),
    ClientKey("incamera.theme", "K.preferences", _LAYOUT),
    ClientKey("incamera.wall", "K.preferences", _LAYOUT),
)

declare_log_events("K.web_log", {"web.request": ("address", "method", "route", "status", "duration_ms")})
