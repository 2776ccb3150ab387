"""The record of processing (Art. 30): JSON, and CSV in the order of the form of the French authority (CNIL)."""

import csv
import io
from typing import Any, Final

from incamera.privacy import vocabulary
from incamera.privacy.notice import render_notice
from incamera.privacy.registry import Registry

# The columns of the CNIL's simplified register, in its order.
COLUMNS: Final = {
    "fr": (
        "Référence", "Nom du traitement", "Date de création", "Responsable", "Délégué à la protection des données",
        "Représentant", "Finalités", "Base légale", "Catégories de personnes", "Catégories de données",
        "Données sensibles", "Durées de conservation", "Destinataires", "Transferts hors UE", "Mesures de sécurité",
    ),
    "en": (
        "Reference", "Name of the processing", "Since", "Controller", "Data protection officer", "Representative",
        "Purposes", "Legal basis", "Categories of people", "Categories of data", "Special categories",
        "Retention", "Recipients", "Transfers outside the EU", "Security measures",
    ),
}  # fmt: skip
_KEYS: Final = (
    "id", "name", "since", "controller", "dpo", "representative", "purposes", "basis", "subjects", "data", "special",
    "keep", "recipients", "transfers", "measures",
)  # fmt: skip
_HOUSEHOLD: Final = {"fr": "le foyer qui tient ce serveur", "en": "the household that runs this server"}
_NO: Final = {"fr": "non", "en": "no"}
_NONE: Final = {"fr": "aucun", "en": "none"}


def render_record(registry: Registry, language: str) -> list[dict[str, Any]]:
    """One entry per activity; lists stay lists."""
    operator = registry.operator
    names = [controller.name for controller in operator.controllers]
    officers = [f"{c.dpo.name} <{c.dpo.email}>" for c in operator.controllers if c.dpo is not None]
    representatives = [c.representative.name for c in operator.controllers if c.representative is not None]
    entries = []
    for row in render_notice(registry, language).rows:
        activity = registry.activity(row.id)
        entries.append(
            {
                "id": row.id,
                "name": row.name,
                "since": row.since,
                "controller": names or [_HOUSEHOLD[language]],
                "dpo": officers,
                "representative": representatives,
                "purposes": list(row.purposes),
                "basis": row.basis,
                "subjects": list(row.subjects),
                "data": [item.label for item in row.data],
                "special": activity.special_condition or _NO[language],
                "keep": [f"{', '.join(item.labels)}: {item.period}".lstrip(": ") for item in row.keep],
                "recipients": list(row.recipients),
                "transfers": [f"{t.country} ({t.tool})" for t in row.transfers],
                "measures": [vocabulary.measures()[m].sentence(language) for m in activity.measures],
            }
        )
    return entries


def render_csv(registry: Registry, language: str) -> str:
    """The record as a spreadsheet: a byte order mark and semicolons, as the form's users open it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";")
    writer.writerow(COLUMNS[language])
    for entry in render_record(registry, language):
        writer.writerow([_cell(entry[key], language) for key in _KEYS])
    return "\ufeff" + out.getvalue()


def _cell(value: Any, language: str) -> str:
    text = "\n".join(value) or _NONE[language] if isinstance(value, list) else str(value)
    # A cell that begins like a formula is data here, whatever an operator typed into privacy.toml.
    return f"'{text}" if text[:1] in "=+-@" and text else text
