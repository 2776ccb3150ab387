"""The comparison pages say what was measured, and nothing else."""

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tools import charts

REPORT: dict[str, Any] = {
    "date": "2026-01-02",
    "commit": "abc",
    "command": "./dev bench fanout",
    "notes": ["2 cores"],
    "figures": [
        {"name": "cpu_percent_per_viewer_200", "value": 0.04, "unit": "%"},
        {"name": "cpu_percent_per_viewer_1000", "value": 0.02, "unit": "%"},
    ],
    "peers": [
        {
            "name": "other <server>",
            "version": "1",
            "figures": [{"name": "cpu_percent_per_viewer_200", "value": 0.01, "unit": "%"}],
        }
    ],
}
CPU = next(chart for chart in charts.CHARTS if chart.name == "fanout-cpu")


def test_the_committed_pages_are_what_the_data_give() -> None:
    assert charts.main(["--check"]) == 0


def test_bars_begin_at_zero_and_are_as_long_as_their_figures() -> None:
    drawn = ET.fromstring(charts.render_svg(CPU, charts.bars(CPU, REPORT, "en"), "en"))
    ours, theirs, many = (element for element in drawn.iter() if element.tag.endswith("rect"))

    assert {element.get("x") for element in (ours, theirs, many)} == {"16"}
    assert float(ours.get("width", 0)) == pytest.approx(4 * float(theirs.get("width", 0)), rel=0.01)
    assert float(ours.get("width", 0)) == pytest.approx(2 * float(many.get("width", 0)), rel=0.01)


def test_a_chart_can_be_heard() -> None:
    drawn = charts.render_svg(CPU, charts.bars(CPU, REPORT, "fr"), "fr")

    assert 'role="img"' in drawn
    assert "200 spectateurs, Incamera: 0,04 % d’un cœur" in drawn
    assert "other &lt;server&gt;" in drawn


@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_others_do_better_and_what_is_missed_is_said(language: charts.Language) -> None:
    page = charts.render_page({"fanout": REPORT}, language)
    better, missed = page.split("\n## ")[-4:-2]

    assert "other <server> 1" in better
    assert better.count("\n- ") == 1
    assert "0.04 > 0.03".replace(".", "," if language == "fr" else ".") in missed
    assert "`./dev bench fanout`, 2026-01-02, abc: 2 cores" in page


def test_a_goal_that_is_a_share_of_a_peer_or_one_rows_own_is_missed_aloud() -> None:
    ffmpeg = {"name": "ffmpeg -c copy -f segment", "version": "5", "figures": [_figure(50, 0.6)]}
    recorded = {**REPORT, "figures": [_figure(10, 9.0), _figure(50, 0.5)], "peers": [ffmpeg]}
    watched = {
        **REPORT,
        "figures": [
            {"name": "browser_median_ms", "value": 207.0, "unit": "ms"},
            {"name": "browser_webcodecs_median_ms", "value": 196.7, "unit": "ms"},
        ],
        "peers": [],
    }

    missed = charts.render_page({"ingest": recorded, "ttff": watched}, "en").split("\n## ")[-3]

    assert "50 cameras: 0.5 > 0.39 % of a core (0.65 of ffmpeg -c copy -f segment 5)" in missed
    assert "lowest delay: 197 > 150 ms" in missed
    assert missed.count("\n- ") == 2, "neither ten cameras nor the usual player has missed a goal"


def _figure(cameras: int, percent: float) -> dict[str, Any]:
    return {"name": f"cpu_percent_per_camera_{cameras}", "value": percent, "unit": "%"}


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_peer_is_shown_or_named_as_missing(language: charts.Language) -> None:
    figures = [{"name": "cpu_percent_per_viewer_200", "value": 0.3, "unit": "%"}]
    measured = {"fanout": {**REPORT, "peers": [{"name": "MediaMTX", "version": "1.18.2", "figures": figures}]}}

    without, present = (charts.render_page(reports, language) for reports in ({"fanout": REPORT}, measured))

    assert "MediaMTX 1.18.2" in present
    assert "- MediaMTX (`ingest`, `ttff`)" in present
    assert "- MediaMTX (`ingest`, `fanout`, `ttff`)" in without
    assert "- motion (`ingest`)" in without
    assert "0.246" not in without, "a figure comes from the data or not at all"


def test_both_languages_have_every_word() -> None:
    for chart in charts.CHARTS:
        words = [chart.title, chart.unit, *(row.label for row in chart.rows)]
        assert all(it.en and it.fr for it in words)
        assert bool(chart.note.en) == bool(chart.note.fr)
