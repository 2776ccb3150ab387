"""What the public pages and the browser side of the app do with personal data.

The shortest good example of a declaration: everything that can be derived is left out.
`docs/howto/add-a-personal-field.md` walks through it.
"""

from typing import Any, Final

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
)

K_SESSION_COOKIE: Final = Activity(
    id="K.session_cookie",
    seed="cookies",
    since="2026.1",
    name=Text(fr="Rester connecté", en="Stay signed in"),
    summary=Text(
        fr="Un cookie indispensable dit au serveur que c’est encore vous.",
        en="One necessary cookie tells the server that it is still you.",
    ),
    refusal=Text(
        fr="Sans lui, pas de connexion ; les pages publiques restent lisibles.",
        en="Without it you cannot sign in; the public pages stay readable.",
    ),
    purposes=(
        Purpose(
            term="dpv:IdentityAuthentication",
            text=Text(fr="vous reconnaître d’une page à l’autre", en="recognise you from one page to the next"),
        ),
    ),
    basis=Basis(term=CONTRACT),
    data=(
        Datum(key="session_cookie", term="incam:SessionToken", source="dpv:DataControllerDataSource", store="client"),
    ),
    keep=(Keep(data=("session_cookie",), max="P30D", ceiling="P30D", clock="client:set_at"),),
    recipients=(Recipient(who="subject"),),
)

K_PREFERENCES: Final = Activity(
    id="K.preferences",
    seed="cookies",
    since="2026.1",
    name=Text(fr="Se souvenir de votre affichage", en="Remember how you like the display"),
    summary=Text(
        fr="Langue, thème et ordre des caméras restent dans votre navigateur ; le serveur ne les lit pas.",
        en="Language, theme and order of the cameras stay in your browser; the server does not read them.",
    ),
    refusal=Text(fr="L’affichage reprend ses réglages d’origine.", en="The display falls back to its defaults."),
    subjects=("dpv:User", "dpv:Visitor"),
    purposes=(
        Purpose(
            term="dpv:UserInterfacePersonalisation",
            text=Text(fr="garder vos choix d’affichage", en="keep your display choices"),
        ),
    ),
    basis=Basis(
        term=LEGITIMATE_INTEREST,
        interest=Text(
            fr="afficher le service comme vous l’avez réglé, sans rien stocker chez nous",
            en="show the service the way you set it, without storing anything with us",
        ),
        lia="docs/privacy/lia/preferences.md",
    ),
    data=(Datum(key="layout_choice", term="incam:LayoutChoice", store="client", required=False),),
    keep=(Keep(data=("layout_choice",), max="P180D", ceiling="P180D", clock="client:last_used"),),
    recipients=(Recipient(who="subject"),),
)

ACTIVITIES: Final = (K_SESSION_COOKIE, K_PREFERENCES)


def _client_key(name: str, fr: str, en: str, **options: Any) -> ClientKey:
    return ClientKey(name, K_PREFERENCES.id, Text(fr=fr, en=en), **options)


# `web/src/lib/client-keys.ts` holds the same names; the lint compares.
CLIENT_KEYS: Final = (
    _client_key("incamera.language", "langue choisie", "language you chose"),
    _client_key("incamera.theme", "thème clair ou sombre", "light or dark theme"),
    _client_key(
        "incamera.wall",
        "quand le mur montre l’image en direct, et s’il remplit l’écran",
        "when the wall shows live pictures, and whether it fills the screen",
    ),
    _client_key("incamera.player", "façon de lire l’image, volume du son", "how pictures are played, sound volume"),
    _client_key(
        "incamera-shell-1",
        "les fichiers de l’application, pour démarrer sans réseau ; jamais une image",
        "files of the app itself, to start without a network; never a picture",
        store="cache",
        max_age_days=None,
    ),
)
