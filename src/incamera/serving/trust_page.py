"""The page that explains how to trust our own certificate authority, and the file to trust."""

from html import escape
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse

from incamera.privacy import no_activity

_STEPS: Final = {
    "en": (
        "Trust this Incamera",
        (
            "This server made its own certificate authority. Your browser does not know it yet, so it warns you. "
            "Trust it once on each phone and computer; it can vouch for this server only."
        ),
        "Compare first: the fingerprint below must be the one the server printed on its terminal.",
        "Download the certificate",
        (
            (
                "iPhone, iPad",
                (
                    "open the file, then Settings → Profile Downloaded → Install, then Settings → General → "
                    "About → Certificate Trust Settings → turn it on."
                ),
            ),
            ("Android", "Settings → Security → Encryption & credentials → Install a certificate → CA certificate."),
            (
                "Windows",
                "open the file → Install Certificate → Local Machine → Trusted Root Certification Authorities.",
            ),
            ("macOS", "open the file in Keychain Access → System, then set it to Always Trust."),
            (
                "Linux",
                "Chrome: Settings → Privacy and security → Security → Manage certificates → Authorities → Import.",
            ),
            ("Firefox", "Settings → Privacy & Security → View Certificates → Authorities → Import."),
        ),
    ),
    "fr": (
        "Faire confiance à cet Incamera",
        (
            "Ce serveur a créé sa propre autorité de certification. Votre navigateur ne la connaît pas encore et vous "
            "avertit. Accordez-lui votre confiance une fois sur chaque téléphone et ordinateur ; elle ne vaut que "
            "pour ce serveur."
        ),
        "Comparez d’abord : l’empreinte ci-dessous doit être celle que le serveur a affichée sur son terminal.",
        "Télécharger le certificat",
        (
            (
                "iPhone, iPad",
                (
                    "ouvrez le fichier, puis Réglages → Profil téléchargé → Installer, puis Réglages → Général "
                    "→ Informations → Réglages des certificats → activer."
                ),
            ),
            (
                "Android",
                "Paramètres → Sécurité → Chiffrement et identifiants → Installer un certificat → Certificat CA.",
            ),
            (
                "Windows",
                (
                    "ouvrez le fichier → Installer un certificat → Ordinateur local → Autorités de certification "
                    "racines de confiance."
                ),
            ),
            ("macOS", "ouvrez le fichier dans Trousseaux d’accès → Système, puis « Toujours approuver »."),
            (
                "Linux",
                (
                    "Chrome : Paramètres → Confidentialité et sécurité → Sécurité → Gérer les certificats → "
                    "Autorités → Importer."
                ),
            ),
            ("Firefox", "Paramètres → Vie privée et sécurité → Afficher les certificats → Autorités → Importer."),
        ),
    ),
}


def trust_router(ca: Path) -> APIRouter:
    """`/trust` and `/trust/incamera-ca.crt`, only where the server uses its own CA."""
    router = APIRouter(tags=["operations"])
    content = ca.read_bytes()
    fingerprint = render_fingerprint(content)

    @router.get("/trust", summary="How to trust this server's certificate", response_class=HTMLResponse)
    @no_activity("a page of instructions")
    async def get_trust_page(request: Request) -> HTMLResponse:
        language = "fr" if request.headers.get("accept-language", "").lower().startswith("fr") else "en"
        return HTMLResponse(_render(language, fingerprint))

    @router.get(
        "/trust/incamera-ca.crt",
        summary="The certificate authority's certificate",
        response_class=Response,
        responses={200: {"content": {"application/x-x509-ca-cert": {"schema": {"type": "string"}}}}},
    )
    @no_activity("a public certificate")
    async def get_ca_certificate() -> Response:
        headers = {"Content-Disposition": 'attachment; filename="incamera-ca.crt"'}
        return Response(content, media_type="application/x-x509-ca-cert", headers=headers)

    return router


def render_fingerprint(pem: bytes) -> str:
    """`AB:CD:…`, as browsers show it."""
    return x509.load_pem_x509_certificate(pem).fingerprint(SHA256()).hex(":").upper()


def _render(language: str, fingerprint: str) -> str:
    title, why, compare, download, steps = _STEPS[language]
    rows = "".join(f"<dt>{escape(system)}</dt><dd>{escape(step)}</dd>" for system, step in steps)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title></head><body><main>'
        f"<h1>{escape(title)}</h1><p>{escape(why)}</p><p>{escape(compare)}</p><p><code>{fingerprint}</code></p>"
        f'<p><a href="/trust/incamera-ca.crt">{escape(download)}</a></p><dl>{rows}</dl></main></body></html>'
    )
