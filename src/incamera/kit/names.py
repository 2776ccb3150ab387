"""Names that people give: any script, any emoji, nothing that hides or reorders other text."""

import unicodedata
from typing import Final

# Bidirectional overrides and isolates (UAX #9) can make a page show other words than a program compares; a name that is
# right to left needs none of them. Joiners make letters and emoji, tag characters make flags: those are text.
_JOINERS = frozenset("\u200c\u200d")
_TAGS = range(0xE0020, 0xE0080)

NAME_PATTERN: Final = (  # what a schema can say of it (ECMA 262)
    r"^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+$"
)


def parse_name(text: str) -> str:
    """NFC, one line, no surrounding space; raises ValueError for an empty name or characters that are not text."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not all(_is_text(character) for character in name):
        raise ValueError("a name holds text only: no control or direction characters")
    if all(unicodedata.category(character).startswith(("C", "Z", "M")) for character in name):
        raise ValueError("a name needs at least one visible character")
    return name


def _is_text(character: str) -> bool:
    if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co"):
        return True
    return character in _JOINERS or ord(character) in _TAGS
