"""Balancing tests and impact assessments: Markdown files whose head names the activities reviewed and their hashes.

    +++
    reviewer = "name"
    reviewed = 2026-11-24
    [activities]
    "K.preferences" = "SHA-256 of the declaration as it was reviewed"
    +++

When a declaration changes, its hash no longer matches and the rule fails until a person has read the file again
(`incamera privacy review FILE --reviewer NAME` writes the new head).
"""

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from incamera.privacy.canonical import digest
from incamera.privacy.schema import Activity

_FENCE = "+++\n"


@dataclass(frozen=True, slots=True)
class Review:
    """The head of one review, and the text under it."""

    reviewer: str
    reviewed: date
    hashes: dict[str, str]
    body: str


def reviewed_hash(activity: Activity) -> str:
    """Hash of what a reviewer judges: all of the declaration but the symbols that carry it out and its own version."""
    declared = activity.model_dump(mode="json", exclude={"code": True, "since": True, "data": {"__all__": {"at"}}})
    return digest(declared)


def parse_review(text: str) -> Review:
    """Raises ValueError that says what is missing in the head."""
    if not text.startswith(_FENCE) or _FENCE not in text[len(_FENCE) :]:
        raise ValueError("the file does not begin with a head between two lines of +++")
    head, _, body = text[len(_FENCE) :].partition(_FENCE)
    values = tomllib.loads(head)
    try:
        return Review(values["reviewer"], values["reviewed"], dict(values["activities"]), body)
    except KeyError as error:
        raise ValueError(f"the head has no {error.args[0]}") from error


def render_review(review: Review) -> str:
    """The file's text."""
    lines = "".join(f'"{activity}" = "{value}"\n' for activity, value in sorted(review.hashes.items()))
    head = f'reviewer = "{review.reviewer}"\nreviewed = {review.reviewed.isoformat()}\n[activities]\n{lines}'
    return f"{_FENCE}{head}{_FENCE}{review.body}"


def find_problem(root: Path, ref: str | None, activity: Activity) -> str | None:
    """What is wrong with the review of an activity, in words; None if it is current."""
    if not ref:
        return "names no file"
    path = root / ref
    if not path.is_file():
        return f"{ref} does not exist"
    try:
        review = parse_review(path.read_text(encoding="utf-8"))
    except ValueError as error:
        return f"{ref}: {error}"
    if review.hashes.get(activity.id) != reviewed_hash(activity):
        return f"{ref} reviewed another state of it; read it again, then: incamera privacy review {ref} --reviewer NAME"
    return None
