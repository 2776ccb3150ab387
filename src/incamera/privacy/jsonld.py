"""The policy for machines: `/.well-known/incamera-policy.json`, JSON-LD with DPV terms, drawn from the notice."""

from typing import Any, Final

from incamera.privacy import vocabulary
from incamera.privacy.notice import NoticeRow, render_notice
from incamera.privacy.registry import Registry
from incamera.privacy.schema import Activity

ADDRESS: Final = "/.well-known/incamera-policy.json"
_CONTEXT: Final = {
    **vocabulary.NAMESPACES,
    "activities": {"@id": "dpv:hasProcess", "@container": "@list"},
    "name": {"@id": "dct:title", "@container": "@language"},
    "dct": "http://purl.org/dc/terms/",
    "purposes": {"@id": "dpv:hasPurpose"},
    "basis": {"@id": "dpv:hasLegalBasis", "@type": "@id"},
    "subjects": {"@id": "dpv:hasDataSubject", "@type": "@id"},
    "data": {"@id": "dpv:hasPersonalData"},
    "term": {"@id": "@type", "@type": "@vocab"},
    "measures": {"@id": "dpv:hasTechnicalOrganisationalMeasure", "@type": "@id"},
    "recipients": {"@id": "dpv:hasRecipient"},
    "keep": {"@id": "dpv:hasStorageCondition"},
}


def render_policy(registry: Registry, version: str) -> dict[str, Any]:
    """The published policy, in every shipped language."""
    notices = {language: render_notice(registry, language) for language in vocabulary.LANGUAGES}
    operator = registry.operator
    return {
        "@context": _CONTEXT,
        "@id": ADDRESS,
        "@type": "dpv:PrivacyNotice",
        "version": version,
        "languages": list(vocabulary.LANGUAGES),
        "role": operator.deployment.role,
        "controllers": [
            c.model_dump(mode="json", exclude={"registration"}, exclude_none=True) for c in operator.controllers
        ],
        "contact": operator.contacts.privacy or None,
        "notice": {language: f"/{language}/privacy" for language in vocabulary.LANGUAGES},
        "evidence": "/privacy/evidence",
        "activities": [
            _activity(activity, {language: notice.row(activity.id) for language, notice in notices.items()})
            for activity in registry.in_force
        ],
        "cookies": [
            {"name": c.name, "class": c.kind, "place": c.place, "lifetime": c.lifetime, "activity": c.activity}
            for c in notices["en"].cookies
        ],
        "hosts": sorted(operator.allowed_hosts()),
    }


def _activity(activity: Activity, rows: dict[str, NoticeRow]) -> dict[str, Any]:
    row = rows["en"]
    return {
        "@id": f"#{row.anchor}",
        "@type": "dpv:Process",
        "id": activity.id,
        "seed": activity.seed,
        "since": activity.since,
        "name": _texts(rows, "name"),
        "summary": _texts(rows, "summary"),
        "refusal": _texts(rows, "refusal"),
        "subjects": list(activity.subjects),
        "purposes": [
            {"term": purpose.term, "text": purpose.text.model_dump(mode="json")} for purpose in activity.purposes
        ],
        "basis": activity.basis.term,
        "interest": activity.basis.interest.model_dump(mode="json") if activity.basis.interest else None,
        "data": [
            {
                "address": item.address,
                "term": item.term,
                "label": {language: rows[language].data[index].label for language in rows},
                "optional": item.optional,
                "offByDefault": item.off_by_default,
                "reusedFrom": item.reused_from,
            }
            for index, item in enumerate(row.data)
        ],
        "keep": [
            {
                "data": list(item.addresses),
                "max": item.duration,
                "until": item.until,
                "action": item.action,
                "period": {language: rows[language].keep[index].period for language in rows},
            }
            for index, item in enumerate(row.keep)
        ],
        "recipients": {language: list(rows[language].recipients) for language in rows},
        "transfers": [{"country": t.country, "tool": t.tool, "copyAt": t.copy_at} for t in row.transfers],
        "automatedDecisions": activity.automated_decisions,
        "rights": activity.rights.model_dump(mode="json"),
        "measures": list(activity.measures),
        "code": activity.code.model_dump(mode="json"),
    }


def _texts(rows: dict[str, NoticeRow], field: str) -> dict[str, str]:
    return {language: str(getattr(row, field)) for language, row in rows.items()}
