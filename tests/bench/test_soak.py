"""The soak finds what grows, and finds nothing in a product that is left alone by leaks."""

from collections import Counter
from pathlib import Path

import pytest

from bench.curves import render_curves
from bench.soak import Plan, Samples, allowance, make_report, soak
from tests.faults.shim import library


def samples_of(**figures: list[float]) -> Samples:
    samples = Samples()
    for number in range(len(next(iter(figures.values())))):
        samples.add(number, {name: values[number] for name, values in figures.items()})
    return samples


def test_a_leak_after_the_warm_up_is_named() -> None:
    leaking = samples_of(server_descriptors=[20.0 + number for number in range(30)], server_tasks=[9.0] * 30)

    report = make_report(leaking, Counter(), Counter())

    assert next(figure.value for figure in report.figures if figure.name == "verdict") == 1
    assert [note for note in report.notes if "server_descriptors" in note]
    assert not [note for note in report.notes if "server_tasks" in note]


def test_growth_in_the_warm_up_and_a_busy_moment_are_no_leak() -> None:
    warming = [60.0 + number for number in range(10)] + [70.0] * 19 + [95.0]

    report = make_report(samples_of(server_rss_mib=warming), Counter(), Counter())

    assert report.notes == []


def test_an_error_in_a_log_is_trouble() -> None:
    report = make_report(samples_of(edge_tasks=[9.0] * 9), Counter(), Counter({"socket.failed": 2}))

    assert report.notes == ["2 log lines of level error: socket.failed"]


def test_memory_may_move_by_a_few_per_cent_and_zombies_not_at_all() -> None:
    assert allowance("server_rss_mib", 400.0) == 12.0
    assert allowance("edge_zombies", 1.0) == 0.0


def test_curves_are_drawn_over_the_whole_time() -> None:
    drawn = render_curves("A <day>", [0.0, 60.0], {"Tasks": {"server_tasks": [9.0, 12.0]}})

    assert "A &lt;day&gt;" in drawn
    assert drawn.count("<polyline") == 1
    assert ">1 min<" in drawn


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
async def test_hours_cuts_and_viewers_pass_and_are_counted(tmp_path: Path) -> None:
    """Ten seconds prove that the soak works, not that nothing leaks: that takes its twenty minutes."""
    library()
    samples, done, errors = await soak(Plan(seconds=12.0, hours=3, joins_per_s=5.0), tmp_path)

    assert not errors
    assert done["hours"] >= 2
    assert min(done["viewers_live"], done["viewers_playback"], done["line_cuts"], done["camera_drops"]) > 0
    assert not done["answers_500"]
    assert len(set(map(len, samples.figures.values()))) == 1
    assert {"soak.json", "soak.svg", "server.log", "edge.log"} <= names_in(tmp_path)
