"""Curves over time as an SVG that a browser and a README can show; no drawing library for four polylines."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

_WIDTH: Final = 880
_PANEL_HEIGHT: Final = 150
_LEFT: Final = 70
_TOP: Final = 44
_GAP: Final = 50
_COLOURS: Final = ("#2563eb", "#d97706", "#059669", "#db2777")


def render_curves(title: str, at_s: Sequence[float], panels: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """One panel per group of curves, all over the same time axis; every vertical axis begins at 0."""
    height = _TOP + len(panels) * (_PANEL_HEIGHT + _GAP)
    box = f'viewBox="0 0 {_WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="22" font-size="16">{escape(title)}</text>',
    ]
    for number, (name, curves) in enumerate(panels.items()):
        parts += _panel(name, at_s, curves, _TOP + number * (_PANEL_HEIGHT + _GAP) + 20)
    return "\n".join([*parts, "</svg>\n"])


def _panel(name: str, at_s: Sequence[float], curves: Mapping[str, Sequence[float]], top: float) -> list[str]:
    highest = max((max(values, default=0) for values in curves.values()), default=0) * 1.1 or 1
    longest = max(at_s, default=0) or 1
    right, bottom = _WIDTH - 20, top + _PANEL_HEIGHT

    def point(at: float, value: float) -> str:
        return f"{_LEFT + at / longest * (right - _LEFT):.1f},{bottom - value / highest * _PANEL_HEIGHT:.1f}"

    parts = [f'<text x="{_LEFT}" y="{top - 6}" fill="#333">{escape(name)}</text>']
    for share in (0, 0.5, 1):
        y = bottom - share * _PANEL_HEIGHT
        parts.append(f'<line x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#666">{share * highest:.0f}</text>'
        )
    parts.append(f'<text x="{right}" y="{bottom + 16}" text-anchor="end" fill="#666">{longest / 60:.0f} min</text>')
    for number, (curve, values) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(point(at, value) for at, value in zip(at_s, values, strict=True))
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>')
        parts.append(f'<text x="{_LEFT + number * 200}" y="{bottom + 16}" fill="{colour}">{escape(curve)}</text>')
    return parts
