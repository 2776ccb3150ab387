"""What outside checks read from `./dev bench NAME --json`."""

import json
import os
import subprocess
import sys

from bench.harness import Figure, Peer, Report
from bench.meter import measure, rss_mib_of


def test_json_has_the_promised_names_and_the_ratio_to_the_best_peer() -> None:
    report = Report("fanout", "cpu_percent_per_viewer_200")
    report.add("cpu_percent_per_viewer_200", 0.03, "%")
    for name, value in (("slow", 0.25), ("quick", 0.06)):
        report.peers.append(Peer(name, "1.0", [Figure("cpu_percent_per_viewer_200", value, "%")]))

    said = json.loads(report.render_json())

    assert said["bench"] == "fanout"
    assert said["figures"] == [{"name": "cpu_percent_per_viewer_200", "value": 0.03, "unit": "%"}]
    assert [peer["name"] for peer in said["peers"]] == ["slow", "quick"]
    assert set(said["peers"][0]) == {"name", "version", "figures"}
    assert said["ratio"] == 0.5


def test_without_a_peer_there_is_no_ratio() -> None:
    report = Report("ttff", "socket_median_ms")
    report.add("socket_median_ms", 4.0, "ms")

    assert json.loads(report.render_json())["ratio"] is None
    assert "socket_median_ms" in report.render_table()


def test_the_meter_sees_work_and_memory() -> None:
    before = rss_mib_of(os.getpid())
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        usage = measure(os.getpid(), 0.5)
        busy.kill()

    assert 5 < usage.cpu_percent < 150, "a busy child on a machine that may be busy as well"
    assert abs(usage.growth_mib(before)) < 100
