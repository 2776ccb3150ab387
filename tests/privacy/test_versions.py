"""Versions are immutable and hashed; the difference between two is classified."""

from datetime import date
from typing import Any

import pytest

from incamera.privacy import CONSENT, Basis, Datum, Keep, Recipient, Text
from incamera.privacy.canonical import digest, render_canonical
from incamera.privacy.diff import ChangeClass, compare
from incamera.privacy.operator_file import Operator
from incamera.privacy.versions import DamagedVersion, current_version, publish, read_versions, unpublished_changes
from tests.privacy.declarations import LIVE_VIEW, PEOPLE, a_registry

DAY = date(2026, 11, 24)


def changes(before: Any, after: Any) -> list[tuple[str, str]]:
    found = compare(a_registry(before, PEOPLE).canonical(), a_registry(after, PEOPLE).canonical())
    return [(change.kind.value, change.what) for change in found]


def with_keep(**update: Any) -> Any:
    return LIVE_VIEW.model_copy(update={"keep": (LIVE_VIEW.keep[0].model_copy(update=update),)})


def test_canonical_json_is_what_rfc_8785_says() -> None:
    # Member order by UTF-16 code units (3.2.3): U+1F600 comes before U+FB33, other than by code points.
    assert render_canonical({"\ufb33": 1, "\U0001f600": [True, None], "é": "\u20ac$"}) == (
        '{"é":"€$","\U0001f600":[true,null],"\ufb33":1}'
    )
    assert digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    with pytest.raises(TypeError):
        render_canonical({"a": 0.5})


def test_a_longer_time_is_material_and_a_shorter_one_favourable() -> None:
    assert (ChangeClass.MATERIAL_INFORM, "viewer_ip kept P60D, was P30D") in changes(LIVE_VIEW, with_keep(max="P60D"))
    assert (ChangeClass.FAVOURABLE, "viewer_ip kept P7D, was P30D") in changes(LIVE_VIEW, with_keep(max="P7D"))


def test_under_consent_the_same_change_asks_again() -> None:
    private = LIVE_VIEW.model_copy(update={"basis": Basis(term=CONSENT)})
    wider = private.model_copy(update={"recipients": (*private.recipients, Recipient(who="staff"))})
    assert changes(private, wider) == [("material-consent", "new recipient staff")]


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        ({"name": Text(fr="Direct", en="Live")}, ("editorial", "words")),
        ({"recipients": LIVE_VIEW.recipients[:1]}, ("favourable", "recipient owner no longer")),
        ({"measures": ()}, ("material-inform", "measure dpv:AccessControlMethod no longer")),
        (
            {
                "data": (*LIVE_VIEW.data, Datum(key="email", term="pd:EmailAddress")),
                "keep": (
                    Keep(data=("viewing_log", "viewer_ip", "email"), max="P30D", clock="live_session.last_seen_at"),
                ),
            },
            ("material-inform", "new datum email"),
        ),
    ],
)
def test_changes_are_classified(update: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in changes(LIVE_VIEW, LIVE_VIEW.model_copy(update=update))


@pytest.mark.req("P-01")
def test_enabling_a_processor_is_a_change_of_the_notice() -> None:
    mail = {"slot": "mail", "name": "Post GmbH", "country": "DE", "hosts": ("smtp.example.net:587",), "own": True}
    on = Operator.model_validate({"processors": [{**mail, "enabled": True}]})
    (change,) = compare(a_registry().canonical(), a_registry(operator=on).canonical())
    assert (change.kind, change.what) == (ChangeClass.MATERIAL_INFORM, "mail goes to Post GmbH")
    assert current_version(a_registry(operator=on)).partition("+")[2] != ""


@pytest.mark.req("V-01")
def test_a_published_version_is_read_back_and_never_edited(tmp_path) -> None:
    place = publish(a_registry(), "2026.1", DAY, tmp_path)
    (version,) = read_versions(tmp_path)
    assert (version.name, version.published) == ("2026.1", DAY)
    assert unpublished_changes(a_registry(), tmp_path) == []
    assert "## Vue en direct (B4.live_view)" in (place / "notice.fr.md").read_text()

    registry = place / "registry.json"
    registry.write_text(registry.read_text().replace("P30D", "P90D"))
    with pytest.raises(DamagedVersion, match=r"2026.1/registry.json"):
        read_versions(tmp_path)


@pytest.mark.req("V-04")
def test_the_next_version_lists_what_changed(tmp_path) -> None:
    publish(a_registry(), "2026.1", DAY, tmp_path)
    publish(a_registry(with_keep(max="P7D"), PEOPLE), "2026.2", DAY, tmp_path)
    first, second = read_versions(tmp_path)
    assert [change["class"] for change in second.changes] == ["favourable", "favourable"]
    assert {change["class"] for change in first.changes} == {"material-inform"}
    with pytest.raises(ValueError, match="older than"):
        publish(a_registry(), "2025.9", DAY, tmp_path)
