"""`privacy.toml`: closed, checked, and household without any file."""

from datetime import date
from pathlib import Path

import pytest

from incamera.privacy import countries
from incamera.privacy.durations import parse_duration, render_duration
from incamera.privacy.errors import OperatorFileError
from incamera.privacy.operator_file import household, load_operator

SAMPLE = """
[deployment]
role = "controller"
signup = "public"

[[controllers]]
countries = "*"
name = "Example SA"
address = "1 rue de l'Exemple, Paris"
country = "FR"
email = "privacy@example.net"

[[processors]]
slot = "mail"
name = "Example Mail GmbH"
address = "Musterweg 1, 10115 Berlin"
country = "DE"
regions = ["eu"]
hosts = ["smtp.example.net:587"]
contract = { ref = "DPA-2026-03", date = 2026-03-01 }
instructions = "deliver account and alarm messages; do not log content"
deletion_sla = "P30D"
enabled = true

[contacts]
privacy = "privacy@example.net"

[retention."B5.record/recording"]
max = "P14D"
reason = "shop insurance requires two weeks"
"""


def load(tmp_path: Path, text: str):
    path = tmp_path / "privacy.toml"
    path.write_text(text, encoding="utf-8")
    return load_operator(path)


def test_without_a_file_the_instance_is_a_household_that_sends_nothing() -> None:
    operator = load_operator(None)
    assert operator == household()
    assert (operator.deployment.role, operator.deployment.signup) == ("household", "invite")
    assert operator.allowed_hosts() == frozenset()


def test_the_sample_of_the_book_is_read(tmp_path) -> None:
    operator = load(tmp_path, SAMPLE)
    assert operator.outbound_slots() == {"mail": frozenset({"smtp.example.net:587"})}
    assert operator.own_slots() == frozenset()
    assert operator.controller_for("DE").name == "Example SA"
    assert "contract" not in operator.published()["processors"][0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('role = "controller"', 'role = "household"'), "a household does not offer public sign-up"),
        (('email = "privacy@example.net"', ""), "needs email before public sign-up"),
        (('slot = "mail"', 'slot = "mails"'), "did you mean 'mail'"),
        (('"smtp.example.net:587"', '"smtp.example.net"'), "with its port"),
        (("contract = {", "contrat = {"), "did you mean 'contract'"),
        (('max = "P14D"', 'max = "two weeks"'), "is not an ISO 8601 duration"),
        (('[contacts]\nprivacy = "privacy@example.net"', ""), "needs contacts.privacy"),
        (("[deployment]", "[deployment"), "privacy.toml"),
    ],
)
def test_a_wrong_file_is_refused_with_one_clear_line(tmp_path, change, says) -> None:
    with pytest.raises(OperatorFileError, match=says):
        load(tmp_path, SAMPLE.replace(*change, 1))


def test_a_missing_file_is_named(tmp_path) -> None:
    with pytest.raises(OperatorFileError, match="does not exist"):
        load_operator(tmp_path / "none.toml")


@pytest.mark.req("C-01")
@pytest.mark.parametrize(
    ("country", "age"), [("BE", 13), ("AT", 14), ("FR", 15), ("DK", 15), ("DE", 16), ("US", 16), ("UK", 13), ("XX", 16)]
)
def test_national_ages(tmp_path, country: str, age: int) -> None:
    national = load(tmp_path, '[minors]\npolicy = "national_age"\n')
    assert national.minimum_age(country) == age
    assert household().minimum_age(country) == 16, "the house rule is the default everywhere"


@pytest.mark.req("G-07")
def test_every_country_of_the_area_has_an_authority_and_a_source() -> None:
    rows = countries.countries().values()
    assert len(rows) == 31
    assert all(row.authority and row.authority_url.startswith("https://") and row.source for row in rows)
    assert countries.stale(date(2026, 11, 24)) == []
    assert len(countries.stale(date(2029, 1, 1))) == len(rows)


@pytest.mark.parametrize("text", ["P", "PT", "", "P1", "1D", "P-1D", "P0D", "P1.5D", "forever", "PT5", "P1DT"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="P30D"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "days", "french", "english"),
    [
        ("P30D", 30, "30 jours", "30 days"),
        ("P1Y", 365, "1 an", "1 year"),
        ("P5Y", 1825, "5 ans", "5 years"),
        ("P25M", 750, "25 mois", "25 months"),
        ("P1W", 7, "1 semaine", "1 week"),
    ],
)
def test_durations_are_read_and_said(text: str, days: int, french: str, english: str) -> None:
    assert parse_duration(text).days == days
    assert (render_duration(text, "fr"), render_duration(text, "en")) == (french, english)
