"""`incamera privacy ...` on the command line."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from incamera.privacy.commands import Loaded, PrivacyCommandError, run
from incamera.privacy.operator_file import Operator
from incamera.privacy.time_agreement import time_agreement
from tests.privacy.declarations import a_registry


def told(*arguments: str) -> str:
    lines: list[str] = []

    def load(operator: Operator) -> Loaded:
        return Loaded(a_registry(operator=operator), None)

    assert run(arguments, load, lines.append) == 0
    return "\n".join(lines)


def test_the_notice_in_words_and_for_machines() -> None:
    assert "## Vue en direct (B4.live_view)" in told("notice", "--language", "fr")
    policy = json.loads(told("notice", "--format", "json-ld"))
    assert [activity["id"] for activity in policy["activities"]] == ["B0.people_in_view", "B4.live_view"]


def test_the_record_as_a_sheet_in_the_order_of_the_form() -> None:
    head, first, *_ = told("record", "--language", "fr").lstrip("\ufeff").splitlines()
    assert head.startswith("Référence;Nom du traitement;Date de création;Responsable;")
    assert first.startswith("B0.people_in_view;Personnes filmées;2026.1;le foyer qui tient ce serveur;")


def test_the_difference_to_a_version_is_classified() -> None:
    assert "favourable        B1a.register: this use of data ends" in told("diff", "2026.1")
    assert told("diff", "2026.1", "2026.1") == "no change"
    with pytest.raises(PrivacyCommandError, match=r"no version 1999\.1; published: 2026\.1"):
        told("diff", "1999.1")


@pytest.mark.req("R-03")
def test_confirming_the_clock_lets_erasing_go_on(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("incamera.privacy.time_agreement.kernel_is_synchronised", lambda: False)
    monkeypatch.setattr("incamera.privacy.time_agreement.battery_clock_agrees", lambda _now: False)
    is_agreed = time_agreement(tmp_path / "time-agreed")
    now = datetime.now(UTC)
    assert not is_agreed(now)
    assert "is confirmed" in told("trust-clock", "--data", str(tmp_path))
    assert is_agreed(now)
    assert not is_agreed(now + timedelta(days=2)), "a confirmation holds for its day"
    with pytest.raises(PrivacyCommandError, match="not a data directory"):
        told("trust-clock", "--data", str(tmp_path / "none"))
