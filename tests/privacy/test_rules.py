"""Each of the twenty cross-rules has an example that it lets through, and one that it does not."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from incamera.privacy import (
    CONSENT,
    LEGAL_OBLIGATION,
    Activity,
    Basis,
    Datum,
    Dpia,
    Keep,
    Recipient,
    Reuse,
    Rights,
    Text,
)
from incamera.privacy import rules as rules_module
from incamera.privacy.errors import DeclarationError
from incamera.privacy.operator_file import Operator
from incamera.privacy.registry import Registry, Route
from incamera.privacy.reviews import Review, parse_review, render_review, reviewed_hash
from incamera.privacy.rules import RULES, Context, findings
from incamera.privacy.versions import publish, unpublished_changes
from incamera.website.processing import K_PREFERENCES
from tests.privacy.declarations import LIVE_VIEW, PEOPLE, a_registry


def changed(activity: Activity, **update: Any) -> Activity:
    """Around validation, as a careless program could."""
    return activity.model_copy(update=update)


def with_datum(**update: Any) -> Activity:
    return changed(LIVE_VIEW, data=(LIVE_VIEW.data[0].model_copy(update=update), LIVE_VIEW.data[1]))


def with_keep(**update: Any) -> Activity:
    return changed(LIVE_VIEW, keep=(LIVE_VIEW.keep[0].model_copy(update=update),))


def an_operator(**tables: Any) -> Operator:
    return Operator.model_validate(tables)


RELAY = {
    "slot": "turn_relay", "name": "Relay Inc.", "country": "US", "hosts": ("relay.example.net:3478",),
    "contract": {"ref": "DPA-1", "date": "2026-03-01"}, "enabled": True,
}  # fmt: skip
DAY = date(2026, 11, 24)
LONG = " ".join(["word"] * 120)

# number → (how to break it, what the finding says)
BROKEN: dict[int, tuple[Callable[[], Registry], str]] = {
    1: (lambda: a_registry(with_datum(term="pd:EmailAdress"), PEOPLE), "did you mean 'pd:EmailAddress'"),
    2: (lambda: a_registry(LIVE_VIEW, LIVE_VIEW, PEOPLE), "is declared 2 times"),
    3: (lambda: a_registry(changed(LIVE_VIEW, keep=LIVE_VIEW.keep * 2), PEOPLE), "2 Keep rules instead of one"),
    4: (lambda: a_registry(with_keep(until="device.removed_at", clock=None), PEOPLE), "exactly one of max and until"),
    5: (lambda: a_registry(with_keep(clock="live_session.ended_at"), PEOPLE), "may be NULL"),
    6: (lambda: a_registry(with_keep(ceiling="P7D"), PEOPLE), "longer than the ceiling"),
    7: (lambda: a_registry(with_keep(action="keep_legal"), PEOPLE), "names no legal_ref"),
    8: (lambda: a_registry(changed(LIVE_VIEW, basis=Basis.model_construct(
        term="eu-gdpr:A6-1-b", interest=Text(fr="intérêt", en="interest"))), PEOPLE), "split it into two"),
    9: (lambda: a_registry(changed(LIVE_VIEW, basis=Basis(term=CONSENT)), PEOPLE), "off by default"),
    10: (lambda: a_registry(LIVE_VIEW, changed(PEOPLE, basis=PEOPLE.basis.model_copy(update={"interest": None}))),
         "which legitimate interest"),
    11: (lambda: a_registry(changed(LIVE_VIEW, subjects=("dpv:User", "incam:PersonInView")), PEOPLE), "no party"),
    12: (lambda: a_registry(changed(LIVE_VIEW, measures=(), data=(
        LIVE_VIEW.data[0].model_copy(update={"special_risk": True}), LIVE_VIEW.data[1])), PEOPLE), "not analysed"),
    13: (lambda: a_registry(operator=an_operator(processors=[RELAY])), "add [[transfers]]"),
    14: (lambda: a_registry(changed(LIVE_VIEW, data=(*LIVE_VIEW.data, Datum(key="email", term="pd:EmailAddress")),
                                    keep=(Keep(data=("viewing_log", "viewer_ip", "email"), max="P30D",
                                               clock="live_session.last_seen_at"),)), PEOPLE),
         "no column, stream or store holds it"),
    15: (lambda: a_registry(changed(LIVE_VIEW, dpia=Dpia(required=True, ref="x.md")), PEOPLE), "names a trigger"),
    16: (lambda: a_registry(changed(LIVE_VIEW, rights=Rights(objection="handler")), PEOPLE), "legitimate interest"),
    17: (lambda: a_registry(with_datum(term="incam:DevicePassword"), PEOPLE), "is a secret"),
    18: (lambda: a_registry(changed(LIVE_VIEW, name=Text(fr=LONG, en=LONG + " more")), PEOPLE), "90 at most"),
    20: (lambda: a_registry(operator=an_operator(retention={"B4.live_view/viewer_ip": {"max": "P1Y"}})),
         "above the ceiling"),
}  # fmt: skip


def test_the_valid_example_breaks_no_rule() -> None:
    assert findings(a_registry()) == []


@pytest.mark.req("V-06")
@pytest.mark.parametrize("number", sorted(BROKEN), ids=lambda number: RULES[number - 1].__name__)
def test_a_broken_declaration_is_found_by_its_rule(number: int) -> None:
    make, says = BROKEN[number]
    found = [what for _, what in RULES[number - 1](Context(make(), root=None))]
    assert any(says in line for line in found), f"nothing like {says!r} in {found}"


@pytest.mark.req("V-04")
def test_a_changed_registry_needs_a_new_version(tmp_path, monkeypatch) -> None:
    routes = (Route("POST", "/api/v1/live", ("B4.live_view",)),)

    def registry(activity: Activity) -> Registry:
        plain = a_registry(activity, PEOPLE)
        return Registry(plain.declared, routes=routes, marks=plain.marks, metadata=plain.metadata)

    publish(registry(LIVE_VIEW), "2026.1", DAY, tmp_path)
    monkeypatch.setattr(rules_module, "unpublished_changes", lambda given: unpublished_changes(given, tmp_path))
    monkeypatch.setattr(rules_module, "read_versions", list)

    assert not [f for f in findings(registry(LIVE_VIEW), root=tmp_path) if f.rule == 19]
    longer = registry(with_keep(max="P60D"))
    (finding,) = [f for f in findings(longer, root=tmp_path) if f.rule == 19]
    assert "viewer_ip kept P60D, was P30D" in finding.what


def test_unknown_keys_name_the_nearest_one() -> None:
    with pytest.raises(ValidationError, match="has no field 'recipient'; did you mean 'recipients'"):
        Activity.model_validate({"recipient": ()})


def test_both_an_interest_and_an_obligation_need_their_grounds() -> None:
    obliged = changed(LIVE_VIEW, basis=Basis(term=LEGAL_OBLIGATION))
    assert any("which law" in finding.what for finding in findings(a_registry(obliged, PEOPLE)))


def test_reuse_of_consent_data_is_refused() -> None:
    private = changed(PEOPLE, basis=Basis(term=CONSENT))
    assert any("for one purpose only" in finding.what for finding in findings(a_registry(LIVE_VIEW, private)))


def test_a_reuse_that_nobody_declares_names_the_nearest_datum() -> None:
    lost = changed(LIVE_VIEW, reuses=(Reuse(datum="B0.people_in_view/privacy_cart"),))
    assert any("did you mean 'B0.people_in_view/privacy_card'" in f.what for f in findings(a_registry(lost, PEOPLE)))


def test_a_longer_time_needs_a_reason_and_a_shorter_one_none() -> None:
    def broken(**override: str) -> list[str]:
        operator = an_operator(retention={"B4.live_view/viewer_ip": override})
        return [f.what for f in findings(a_registry(operator=operator)) if f.rule == 20]

    assert broken(max="P7D") == []
    assert broken(max="P60D", reason="insurance asks for it") == []
    assert "needs a reason" in broken(max="P60D")[0]


def test_a_review_counts_only_for_what_was_reviewed(tmp_path) -> None:
    file = tmp_path / "docs/privacy/lia/people.md"
    file.parent.mkdir(parents=True)
    (tmp_path / "docs/privacy/lia/preferences.md").write_text("")
    review = Review("A. Reviewer", DAY, {PEOPLE.id: reviewed_hash(PEOPLE)}, "# Test\n")
    file.write_text(render_review(review))
    assert parse_review(file.read_text()) == review
    assert not [f for f in findings(a_registry(), root=tmp_path) if f.rule == 10]

    wider = changed(PEOPLE, recipients=(Recipient(who="staff"),))
    (finding,) = [f for f in findings(a_registry(LIVE_VIEW, wider), root=tmp_path) if f.rule == 10]
    assert "read it again" in finding.what


def test_loading_a_broken_registry_tells_every_finding() -> None:
    with pytest.raises(DeclarationError) as caught:
        Registry.load([K_PREFERENCES, K_PREFERENCES])
    assert any("is declared 2 times" in line for line in caught.value.findings)
