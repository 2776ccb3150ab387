"""ISO 8601 durations of the declarations: text to value, value to words.

A year counts 365 days and a month 30: a retention rule must give the same date on every machine, and both figures are
never later than the calendar would be. `P`, `PT` and words are refused (rule 4).
"""

import re
from datetime import timedelta
from typing import Final

_DURATION: Final = re.compile(
    r"P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?P<time>T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)
_UNITS: Final = ("years", "months", "weeks", "days", "hours", "minutes", "seconds")
_WORDS: Final = {
    "en": dict(zip(_UNITS, ("year", "month", "week", "day", "hour", "minute", "second"), strict=True)),
    "fr": dict(zip(_UNITS, ("an", "mois", "semaine", "jour", "heure", "minute", "seconde"), strict=True)),
}


def parse_duration(text: str) -> timedelta:
    """`P30D` → 30 days. Raises ValueError for anything that is not a positive ISO 8601 duration of whole units."""
    parts = _parts(text)
    days = parts["years"] * 365 + parts["months"] * 30 + parts["weeks"] * 7 + parts["days"]
    try:
        return timedelta(days=days, hours=parts["hours"], minutes=parts["minutes"], seconds=parts["seconds"])
    except OverflowError as error:
        raise ValueError(f"{text!r} is longer than any calendar") from error


def render_duration(text: str, language: str) -> str:
    """`P30D` → `30 days` or `30 jours`, in the units of the declaration."""
    parts = _parts(text)
    words = [_count(parts[unit], _WORDS[language][unit]) for unit in _UNITS if parts[unit]]
    return " ".join(words)


def _parts(text: str) -> dict[str, int]:
    match = _DURATION.fullmatch(text)
    if match is None or match["time"] == "T":
        raise ValueError(f"{text!r} is not an ISO 8601 duration; write it like 'P30D' or 'PT10M'")
    parts = {unit: int(match[unit] or 0) for unit in _UNITS}
    if not any(parts.values()):
        raise ValueError(f"{text!r} is no time at all; write it like 'P30D' or 'PT10M'")
    return parts


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 or word.endswith("s") else f"{number} {word}s"
