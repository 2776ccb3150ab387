"""Draws the comparison pages of the guide from what `./dev bench all --save docs/guide/data` has measured.

    python tools/charts.py            writes docs/guide/comparison.md, comparaison.md and charts/*.svg
    python tools/charts.py --check    says whether they are what the data give

Every axis begins at zero, every bar carries its figure, and what others do better has a section of its own that is
written from the data as well. A chart whose measurement is missing is left out and named.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from xml.sax.saxutils import escape

GUIDE: Final = Path(__file__).resolve().parent.parent / "docs/guide"
Language = Literal["en", "fr"]
PAGES: Final[dict[Language, str]] = {"en": "comparison.md", "fr": "comparaison.md"}


@dataclass(frozen=True, slots=True)
class Words:
    """The same in English and French."""

    en: str
    fr: str

    def __getitem__(self, language: Language) -> str:
        return self.en if language == "en" else self.fr


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a benchmark, for Incamera and every peer that has it.

    `goal` is this row's own; `share_of` is a goal relative to a peer in the same run: its name, the share.
    """

    figure: str
    label: Words
    goal: float | None = None
    share_of: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Some figures of one benchmark in one unit. `goal` is what we promise ourselves."""

    name: str
    bench: str
    title: Words
    unit: Words
    rows: tuple[Row, ...]
    goal: float | None = None
    note: Words = Words("", "")


@dataclass(frozen=True, slots=True)
class Bar:
    """One value to draw. `group` is the row it belongs to."""

    group: str
    who: str
    value: float
    is_ours: bool

    @property
    def name(self) -> str:
        """Without the version, which the table has."""
        return self.who if self.is_ours else self.who.rpartition(" ")[0]


def _viewers(count: int) -> Words:
    return Words(f"{count:,} viewers", f"{count} spectateurs" if count < 1000 else "1 000 spectateurs")


def _cameras(count: int) -> Words:
    return Words(f"{count} cameras", f"{count} caméras")


_PERCENT: Final = Words("% of a core", "% d’un cœur")
_MIB: Final = Words("MiB", "Mio")
_MS: Final = Words("ms", "ms")
CHARTS: Final = (
    Chart(
        "ingest-cpu",
        "ingest",
        Words("Recording: CPU per camera", "Enregistrer : processeur par caméra"),
        _PERCENT,
        (
            Row("cpu_percent_per_camera_10", _cameras(10)),
            Row("cpu_percent_per_camera_50", _cameras(50), share_of=("ffmpeg -c copy -f segment", 0.65)),
        ),
        note=Words(
            "4 Mbit/s each. Incamera also encrypts, indexes and syncs to the disk; ffmpeg copies into files. Goal for "
            "50: 0.65 of what ffmpeg takes.",
            "4 Mbit/s chacune. Incamera chiffre, indexe et synchronise aussi ; ffmpeg copie dans des fichiers. But "
            "pour 50 : 0,65 de ce que prend ffmpeg.",
        ),
    ),
    Chart(
        "ingest-memory",
        "ingest",
        Words("Recording: memory per camera", "Enregistrer : mémoire par caméra"),
        _MIB,
        tuple(Row(f"rss_mib_per_camera_{count}", _cameras(count)) for count in (10, 50)),
        goal=4.0,
        note=Words(
            "Resident; pages that several ffmpeg share count in each.",
            "Résidente ; les pages partagées entre les ffmpeg comptent dans chacun.",
        ),
    ),
    Chart(
        "fanout-cpu",
        "fanout",
        Words(
            "One camera, many viewers: CPU per viewer",
            "Une caméra, beaucoup de spectateurs : processeur par spectateur",
        ),
        _PERCENT,
        tuple(Row(f"cpu_percent_per_viewer_{count}", _viewers(count)) for count in (200, 1000)),
        goal=0.03,
        note=Words(
            "Incamera with its edge and the camera’s ingest; node-media-server gets the same clip over RTMP.",
            "Incamera avec son boîtier et la réception de la caméra ; node-media-server reçoit le même clip en RTMP.",
        ),
    ),
    Chart(
        "fanout-memory",
        "fanout",
        Words(
            "One camera, many viewers: memory per viewer",
            "Une caméra, beaucoup de spectateurs : mémoire par spectateur",
        ),
        _MIB,
        tuple(Row(f"rss_mib_per_viewer_{count}", _viewers(count)) for count in (200, 1000)),
        goal=0.2,
    ),
    Chart(
        "fanout-stall",
        "fanout",
        Words("Longest silence any viewer saw", "Plus long silence vu par un spectateur"),
        _MS,
        tuple(Row(f"longest_gap_ms_{count}", _viewers(count)) for count in (200, 1000)),
        note=Words("A picture every 40 ms is the best there is.", "Une image toutes les 40 ms est le mieux possible."),
    ),
    Chart(
        "fanout-stopped",
        "fanout",
        Words(
            "Ten viewers stop reading: what the others notice",
            "Dix spectateurs ne lisent plus : ce que les autres voient",
        ),
        _MS,
        (
            Row("unstopped_change_ms_200", Words("200, nothing happens", "200, rien ne se passe")),
            Row("stopped_change_ms_200", Words("200, ten stop", "200, dix s’arrêtent")),
            Row("unstopped_change_ms_1000", Words("1,000, nothing happens", "1 000, rien ne se passe")),
            Row("stopped_change_ms_1000", Words("1,000, ten stop", "1 000, dix s’arrêtent")),
        ),
        goal=20.0,
        note=Words(
            "Growth of the p99 delay of the one viewer that suffered most.",
            "Hausse du délai p99 du spectateur le plus touché.",
        ),
    ),
    Chart(
        "first-picture-socket",
        "ttff",
        Words("First picture at a socket, random joins", "Première image au socket, arrivées au hasard"),
        _MS,
        (Row("socket_median_ms", Words("median", "médiane")), Row("socket_p95_ms", Words("95 of 100", "95 sur 100"))),
        goal=20.0,
    ),
    Chart(
        "first-picture-browser",
        "ttff",
        Words("Click to the first picture in Chromium, median", "Du clic à la première image dans Chromium, médiane"),
        _MS,
        (
            Row("browser_median_ms", Words("usual player", "lecteur habituel"), goal=300.0),
            Row("browser_webcodecs_median_ms", Words("lowest delay", "délai minimal"), goal=150.0),
            Row("browser_tile_median_ms", Words("from a playing tile", "depuis une vignette en direct")),
        ),
        note=Words("Goals: 300 ms, lowest delay 150 ms.", "Buts : 300 ms, délai minimal 150 ms."),
    ),
    Chart(
        "live-delay",
        "ttff",
        Words("How old the picture on the screen is", "Âge de l’image à l’écran"),
        _MS,
        (
            Row("live_delay_p50_ms", Words("usual player, median", "lecteur habituel, médiane"), goal=60.0),
            Row("live_delay_p99_ms", Words("usual player, 99 of 100", "lecteur habituel, 99 sur 100")),
            Row("live_delay_webcodecs_p50_ms", Words("lowest delay, median", "délai minimal, médiane"), goal=30.0),
            Row("live_delay_webcodecs_p99_ms", Words("lowest delay, 99 of 100", "délai minimal, 99 sur 100")),
        ),
        note=Words(
            "From its arrival beside the camera. Goals for the medians: 60 and 30 ms.",
            "Depuis son arrivée près de la caméra. Buts des médianes : 60 et 30 ms.",
        ),
    ),
    Chart(
        "timeline",
        "timeline",
        Words("Timeline of ten million segments", "Frise de dix millions de segments"),
        _MS,
        (
            Row("query_p50_ms", Words("median", "médiane")),
            Row("query_p99_ms", Words("99 of 100", "99 sur 100")),
            Row("sqlite_p99_ms", Words("SQLite, 99 of 100", "SQLite, 99 sur 100")),
            Row("postgresql_p99_ms", Words("PostgreSQL, 99 of 100", "PostgreSQL, 99 sur 100")),
        ),
        goal=20.0,
        note=Words(
            "An hour to a month, a random camera. Beside it: the same rows read and merged without our index.",
            "D’une heure à un mois, caméra au hasard. À côté : les mêmes lignes lues et fondues sans notre index.",
        ),
    ),
    Chart(
        "playback",
        "playback",
        Words(
            "Jump into a 30-day archive: first picture in Chromium",
            "Saut dans 30 jours d’archives : première image dans Chromium",
        ),
        _MS,
        (
            Row("browser_seek_median_ms", Words("median", "médiane")),
            Row("browser_seek_p95_ms", Words("95 of 100", "95 sur 100")),
        ),
        goal=300.0,
    ),
    Chart(
        "record",
        "record",
        Words(
            "Sealing and writing alone, CPU per camera and second",
            "Sceller et écrire seuls, processeur par caméra et seconde",
        ),
        _MS,
        (Row("cpu_ms_per_camera_second", Words("4 Mbit/s", "4 Mbit/s")),),
        note=Words(
            "The plain append writes the same bytes without encryption, index or acknowledgement.",
            "L’écriture simple pose les mêmes octets sans chiffrement, index ni accusé.",
        ),
    ),
)


def load(folder: Path) -> dict[str, dict[str, Any]]:
    """What was measured, by benchmark."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def bars(chart: Chart, report: Mapping[str, Any], language: Language) -> list[Bar]:
    """What there is to draw, row by row, ours first."""
    found = []
    for row in chart.rows:
        for who, figures in _columns(report):
            value = next((it["value"] for it in figures if it["name"] == row.figure), None)
            if value is not None:
                found.append(Bar(row.label[language], who, float(value), who == "Incamera"))
    return found


def _columns(report: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    yield "Incamera", report["figures"]
    for peer in report["peers"]:
        yield f"{peer['name']} {peer['version']}", peer["figures"]


# --- SVG ------------------------------------------------------------------------------------------------------------

_WIDTH: Final = 720
_LEFT: Final = 16
_BAR: Final = 18
_STYLE: Final = """
  text { font: 13px system-ui, sans-serif; fill: #1c1c1a }
  .title { font-weight: 600; font-size: 15px }
  .quiet { fill: #5d6066 }
  .ours { fill: #2456c9 } .theirs { fill: #a3a7ae } .axis { stroke: #8b8f97 }
  .goal { stroke: #b3261e; stroke-dasharray: 4 3 }
  .goal-label { fill: #b3261e }
  @media (prefers-color-scheme: dark) {
    text { fill: #ececea } .quiet { fill: #a9adb5 } .ours { fill: #7ea2f5 } .theirs { fill: #6b7079 }
    .goal { stroke: #f2998f } .goal-label { fill: #f2998f }
  }
"""


def render_svg(chart: Chart, found: Sequence[Bar], language: Language) -> str:
    """A bar chart from zero; the figure stands behind each bar, so that nothing must be read off the axis."""
    most = max([it.value for it in found] + ([chart.goal] if chart.goal else []))
    scale = (_WIDTH - _LEFT - 310) / (most or 1)
    lines, y, group = [], 34, ""
    for bar in found:
        if bar.group != group:
            group, y = bar.group, y + 24
            lines.append(f'<text x="{_LEFT + 6}" y="{y}">{escape(group)}</text>')
            y += 8
        width = max(1.0, bar.value * scale)
        kind = "ours" if bar.is_ours else "theirs"
        lines.append(f'<rect class="{kind}" x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}"/>')
        label = f"{_number(bar.value, language)} {chart.unit[language]}"
        lines.append(
            f'<text x="{_LEFT + width + 8:.1f}" y="{y + 14}">{escape(label)}'
            f' <tspan class="quiet">{escape(bar.name)}</tspan></text>'
        )
        y += _BAR + 4
    bottom = y + 6
    lines.append(f'<line class="axis" x1="{_LEFT}" y1="40" x2="{_LEFT}" y2="{bottom}"/>')
    if chart.goal is not None:
        at = _LEFT + chart.goal * scale
        goal = f"{Words('goal', 'but')[language]} {_number(chart.goal, language)}"
        lines.append(f'<line class="goal" x1="{at:.1f}" y1="40" x2="{at:.1f}" y2="{bottom}"/>')
        lines.append(f'<text class="goal-label" x="{at:.1f}" y="{bottom + 14}" text-anchor="middle">{goal}</text>')
    height = bottom + 24
    title = chart.title[language]
    told = "; ".join(f"{it.group}, {it.who}: {_number(it.value, language)} {chart.unit[language]}" for it in found)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img" aria-labelledby="title told" lang="{language}">'
    )
    return "\n".join(
        [
            head,
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="told">{escape(told)}</desc>',
            f"<style>{_STYLE}</style>",
            f'<text class="title" x="{_LEFT}" y="24">{escape(title)}</text>',
            *lines,
            "</svg>",
            "",
        ]
    )


def _number(value: float, language: Language) -> str:
    text = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    return text.replace(".", ",") if language == "fr" else text


# --- pages ----------------------------------------------------------------------------------------------------------

_INTRO: Final = Words(
    """# Compared with others

Written by `tools/charts.py` from the files in `data/`, which `./dev bench all --save docs/guide/data` measures: every
program in the same run, on the same machine, with the same clip. How each figure comes about stands in the first lines
of the files of [`bench/`](../../bench/README.md). 100 % is one core. [En français](comparaison.md)
""",
    """# Comparé à d’autres

Écrit par `tools/charts.py` d’après les fichiers de `data/`, que mesure `./dev bench all --save docs/guide/data` : tous
les programmes dans la même séance, sur la même machine, avec le même clip. Les premières lignes des fichiers de
[`bench/`](../../bench/README.md) disent comment naît chaque chiffre. 100 % est un cœur. [In English](comparison.md)
""",
)
_BETTER: Final = Words("## Where others do better", "## Où d’autres font mieux")
_NOWHERE: Final = Words("Nowhere in these files.", "Nulle part dans ces fichiers.")
_MISSED: Final = Words("## Goals not reached", "## Buts non atteints")
_NONE: Final = Words("None.", "Aucun.")
_CONDITIONS: Final = Words("## How it was measured", "## Conditions de mesure")
_ELSEWHERE: Final = Words("## Not measured in these runs", "## Non mesurés dans ces séances")
_EVERYBODY: Final = Words("Everybody is in.", "Tout le monde y est.")
# Who joins which benchmark, and how: the same names as the peers have in the data.
_JOINS: Final = {
    "motion": (
        ("ingest",),
        Words(
            "joins where it is installed (`apt-get install motion`) or named (`--motion PATH`)",
            "se joint s’il est installé (`apt-get install motion`) ou nommé (`--motion CHEMIN`)",
        ),
    ),
    "MediaMTX": (
        ("ingest", "fanout", "ttff"),
        Words(
            "joins where its program is named (`--mediamtx PATH`); written after its documents, not run yet",
            "se joint quand on nomme son programme (`--mediamtx CHEMIN`) ; écrit d’après sa documentation, pas encore"
            " exécuté",
        ),
    ),
    "go2rtc": (
        ("fanout", "ttff"),
        Words(
            "joins where its program is named (`--go2rtc PATH`); written after its documents, not run yet. It does not"
            " record, so `ingest` shows only what pulling costs it (`pull_*`)",
            "se joint quand on nomme son programme (`--go2rtc CHEMIN`) ; écrit d’après sa documentation, pas encore"
            " exécuté. Il n’enregistre pas : `ingest` montre seulement ce que lui coûte la réception (`pull_*`)",
        ),
    ),
}


def render_page(reports: Mapping[str, Mapping[str, Any]], language: Language) -> str:
    """The page of one language."""
    parts, missing = [_INTRO[language]], []
    for chart in CHARTS:
        found = bars(chart, reports.get(chart.bench, {"figures": [], "peers": []}), language)
        if not found:
            missing.append(chart.title[language])
            continue
        parts.append(f"## {chart.title[language]}\n")
        parts.append(f"![{chart.title[language]}](charts/{chart.name}-{language}.svg)\n")
        if chart.note[language]:
            parts.append(f"{chart.note[language]}\n")
        parts.append(_table(chart, found, language))
    parts += [f"{_BETTER[language]}\n", _list(_losses(reports, language), _NOWHERE[language])]
    parts += [f"{_MISSED[language]}\n", _list(_missed(reports, language), _NONE[language])]
    parts += [f"{_ELSEWHERE[language]}\n", _list(_absent(reports, language), _EVERYBODY[language])]
    parts += [f"{_CONDITIONS[language]}\n", _list(_conditions(reports), "")]
    if missing:
        parts.append(Words("No figures yet: ", "Pas encore de chiffres : ")[language] + "; ".join(missing) + ".\n")
    return "\n".join(parts)


def _table(chart: Chart, found: Sequence[Bar], language: Language) -> str:
    who = list(dict.fromkeys(bar.who for bar in found))
    lines = [f"| {chart.unit[language]} | " + " | ".join(who) + " |", "|---" * (len(who) + 1) + "|"]
    for group in dict.fromkeys(bar.group for bar in found):
        cells = {bar.who: _number(bar.value, language) for bar in found if bar.group == group}
        lines.append(f"| {group} | " + " | ".join(cells.get(name, "") for name in who) + " |")
    return "\n".join([*lines, ""])


def _list(lines: Sequence[str], nothing: str) -> str:
    return "\n".join([f"- {line}" for line in lines] or [nothing]) + "\n"


def _losses(reports: Mapping[str, Mapping[str, Any]], language: Language) -> list[str]:
    lost = []
    for chart in CHARTS:
        found = bars(chart, reports.get(chart.bench, {"figures": [], "peers": []}), language)
        for ours in [bar for bar in found if bar.is_ours]:
            for other in found:
                if other.group == ours.group and other.value < ours.value:
                    unit, titles = chart.unit[language], (chart.title[language], ours.group)
                    values = (
                        f"{_number(other.value, language)} {unit} ({other.who}), {_number(ours.value, language)} {unit}"
                    )
                    lost.append(f"{' — '.join(titles)}: {values} (Incamera)")
    return lost


def _missed(reports: Mapping[str, Mapping[str, Any]], language: Language) -> list[str]:
    missed = []
    for chart in CHARTS:
        found = bars(chart, reports.get(chart.bench, {"figures": [], "peers": []}), language)
        for row in chart.rows:
            of_row = [bar for bar in found if bar.group == row.label[language]]
            for ours in [bar for bar in of_row if bar.is_ours]:
                for goal, words in _goals(chart, row, of_row, language):
                    if ours.value > goal:
                        title = f"{chart.title[language]} — {ours.group}"
                        missed.append(
                            f"{title}: {_number(ours.value, language)} > {_number(goal, language)}"
                            f" {chart.unit[language]}{words}"
                        )
    return missed


def _goals(chart: Chart, row: Row, of_row: Sequence[Bar], language: Language) -> Iterator[tuple[float, str]]:
    """What a row's value should not be above, and words to add to it."""
    goal = chart.goal if row.goal is None else row.goal
    if goal is not None:
        yield goal, ""
    if row.share_of is not None:
        name, share = row.share_of
        for bar in of_row:
            if bar.name == name:
                of = Words("of", "de")[language]
                yield bar.value * share, f" ({_number(share, language)} {of} {bar.who})"


def _absent(reports: Mapping[str, Mapping[str, Any]], language: Language) -> list[str]:
    """Who could have joined and did not, and where."""
    absent = []
    for name, (benches, how) in _JOINS.items():
        here = {bench for bench, it in reports.items() if any(peer["name"] == name for peer in it["peers"])}
        if missing := [f"`{bench}`" for bench in benches if bench not in here]:
            colon = Words(":", " :")[language]
            absent.append(f"{name} ({', '.join(missing)}){colon} {how[language]}.")
    return absent


def _conditions(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"`{report.get('command', name)}`, {report.get('date', '?')}, {report.get('commit', '?')}: "
        + "; ".join(report.get("notes", []))
        for name, report in reports.items()
    ]


def render_all(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Every file of the guide that comes from the data, by its path below docs/guide."""
    files: dict[str, str] = {}
    for language, page in PAGES.items():
        files[page] = render_page(reports, language)
        for chart in CHARTS:
            found = bars(chart, reports.get(chart.bench, {"figures": [], "peers": []}), language)
            if found:
                files[f"charts/{chart.name}-{language}.svg"] = render_svg(chart, found, language)
    return files


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not what the data give")
    options = parser.parse_args(arguments)
    files = render_all(load(GUIDE / "data"))
    old = {str(path.relative_to(GUIDE)) for path in (GUIDE / "charts").glob("*.svg")} - set(files)
    if options.check:
        wrong = [name for name, text in files.items() if _read(GUIDE / name) != text] + sorted(old)
        for name in wrong:
            print(f"docs/guide/{name} is not what docs/guide/data gives: run python tools/charts.py", file=sys.stderr)
        return 1 if wrong else 0
    for name, text in files.items():
        (GUIDE / name).parent.mkdir(parents=True, exist_ok=True)
        (GUIDE / name).write_text(text, encoding="utf-8")
    for name in old:
        (GUIDE / name).unlink()
    return 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
