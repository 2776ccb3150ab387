"""Which language a visitor reads: the address decides, else `Accept-Language` (RFC 9110 clause 12.5.4)."""

from typing import Final

from incamera.privacy.vocabulary import LANGUAGES

DEFAULT: Final = "en"
_MAX_HEADER: Final = 1000


def choose_language(accept_language: str | None) -> str:
    """The best shipped language for this header; English when nothing fits. Never fails: the header is a wish."""
    best, best_weight = DEFAULT, 0.0
    for item in (accept_language or "")[:_MAX_HEADER].split(","):
        tag, _, parameters = item.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        weight = _weight(parameters)
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0
