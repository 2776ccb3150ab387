"""What an outsider reads at the public addresses, and that all of them say the same."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import httpx2
import pytest

from incamera.privacy.notice import MAX_FIRST_LAYER_WORDS, NINE_AREAS
from incamera.privacy.operator_file import Operator
from incamera.privacy.record import render_csv, render_record
from tests.support.server import OWNER_EMAIL, running_server
from tests.website.conftest import CODE


class Table(HTMLParser):
    """Reads the rows of the table of activities back from the page: field → texts, per activity."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, dict[str, list[str]]] = {}
        self._row: dict[str, list[str]] | None = None
        self._open: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "tr" and "data-activity" in given:
            self._row = self.rows[given["data-activity"] or ""] = {}
        if self._row is not None:
            field = given.get("data-field")
            if field is not None:
                self._row.setdefault(field, []).append("")
            if "data-term" in given:
                self._row.setdefault("term", []).append(given["data-term"] or "")
            self._open.append((tag, field))

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr":
            self._row, self._open = None, []
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for _, field in self._open:
            if field is not None and self._row is not None:
                self._row[field][-1] += data.replace("\u00a0", " ")


@pytest.mark.req("V-05")
@pytest.mark.parametrize("language", ["fr", "en"])
async def test_page_policy_and_record_say_the_same(client, app, language) -> None:
    app.state.registry = app.state.registry.__class__(
        app.state.registry.declared, Operator.model_validate({"website": {"record_public": True}})
    )
    table = Table()
    table.feed((await client.get(f"/{language}/privacy")).text)
    policy = {a["id"]: a for a in (await client.get("/.well-known/incamera-policy.json")).json()["activities"]}
    record = {a["id"]: a for a in await _record(client, language)}

    assert table.rows.keys() == policy.keys() == record.keys()
    for activity_id, row in table.rows.items():
        published, entry = policy[activity_id], record[activity_id]
        assert row["name"] == [published["name"][language]] == [entry["name"]]
        assert row["term"] == [published["basis"]]
        assert row["label"] == [item["label"][language] for item in published["data"]] == entry["data"]
        assert row["purpose"] == [item["text"][language] for item in published["purposes"]] == entry["purposes"]
        assert row["period"] == [item["period"][language] for item in published["keep"]]
        assert row["recipient"] == published["recipients"][language] == entry["recipients"]
        assert all(line.endswith(period) for line, period in zip(entry["keep"], row["period"], strict=True))


async def _record(client, language):
    """The record from its JSON; its CSV has the same rows."""
    # The address asks who is signed in; on this small application nobody can be, so it is rendered directly.
    registry = client._transport.app.state.registry
    entries = render_record(registry, language)
    sheet = list(csv.reader(io.StringIO(render_csv(registry, language).lstrip("\ufeff")), delimiter=";"))
    assert [row[0] for row in sheet[1:]] == [entry["id"] for entry in entries]
    return entries


@pytest.mark.req("V-06")
async def test_the_nine_areas_and_sections_are_anchored(client) -> None:
    page = (await client.get("/en/privacy")).text
    for area in NINE_AREAS:
        assert f'id="{area}"' in page, area
    assert re.findall(r'<span class="n">(\d)</span>', page) == list("123456789")


@pytest.mark.req("R-01")
async def test_no_retention_is_without_a_number_or_an_event(client) -> None:
    page = (await client.get("/en/privacy")).text
    assert "as long as necessary" not in page
    periods = re.findall(r'data-field="period">([^<]+)<', page)
    assert periods
    assert all(re.search(r"\d|until|after|come from", period) for period in periods)


async def test_the_first_layer_is_short(client) -> None:
    page = (await client.get("/fr/privacy")).text
    first = re.sub(r"<[^>]+>", " ", page[page.index('<div class="first">') : page.index('<div class="body">')])
    assert len(first.split()) <= MAX_FIRST_LAYER_WORDS


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("fr-CA,fr;q=0.9,en;q=0.5", "fr"),
        ("de,en;q=0.8", "en"),
        ("en;q=0.2,fr;q=0.7", "fr"),
        ("", "en"),
        ("x;q=z", "en"),
    ],
)
async def test_the_reader_gets_their_language(client, header, language) -> None:
    answer = await client.get("/privacy", headers={"accept-language": header})
    assert answer.headers["content-language"] == language
    assert f'<html lang="{language}">' in answer.text


async def test_the_table_shows_what_concerns_a_reader(client) -> None:
    everything, filmed = [(await client.get(f"/en/privacy{query}")).text for query in ("", "?who=filmed")]
    assert 'id="B4-live_view"' in filmed
    assert 'id="B1a-register"' not in filmed
    assert 'id="B1a-register"' in everything
    assert (await client.get("/en/privacy?who=nonsense")).text == everything


@pytest.mark.req("K-11")
async def test_pages_load_nothing_from_elsewhere_and_run_no_script(client) -> None:
    for path in ("/fr/privacy", f"/privacy/camera/{CODE}", f"/privacy/camera/{CODE}/sign"):
        page = (await client.get(path)).text
        assert "<script" not in page
        assert not re.search(r'(?:src|srcset)="|<link[^>]+href="https?:', page)
        assert not re.search(r'\sstyle="|\son\w+="', page), "the content security policy allows no inline style"


@pytest.mark.req("B0-02")
async def test_a_sign_leads_to_a_page_about_its_camera(client) -> None:
    page = (await client.get(f"/privacy/camera/{CODE}?language=fr")).text
    assert "Surveiller l’entrée &lt;et&gt; le jardin" in page
    assert "effacée après 3 jours au plus" in page
    sign = await client.get(f"/privacy/camera/{CODE}/sign?language=en")
    assert sign.status_code == 200
    assert "<svg" in sign.text
    for words in ("Recordings are erased after 3 days", "Enregistrements effacés après 3 jours"):
        assert words in sign.text


@pytest.mark.parametrize("code", ["unknown-code-1", "q7z", "%2e%2e%2f%2e%2e", "x" * 400])
async def test_an_unknown_code_tells_nothing(client, code) -> None:
    answer = await client.get(f"/privacy/camera/{code}")
    assert answer.status_code == 404
    assert code not in answer.text


@pytest.mark.req("K-07")
async def test_well_known_files(client) -> None:
    gpc = (await client.get("/.well-known/gpc.json")).json()
    assert gpc["gpc"] is True
    lines = dict(line.split(": ", 1) for line in (await client.get("/.well-known/security.txt")).text.splitlines())
    assert lines["Contact"].startswith("https://")
    assert lines["Expires"].startswith("2027-")
    policy = await client.get("/.well-known/incamera-policy.json")
    assert policy.headers["content-type"].startswith("application/ld+json")
    routes = [route for a in json.loads(policy.text)["activities"] for route in a["code"]["routes"]]
    assert "WS /media/live" in routes


async def test_search_engines_are_shown_the_notice_only(client) -> None:
    robots = (await client.get("/robots.txt")).text.splitlines()
    assert robots[0] == "User-agent: *"
    assert robots[-1] == "Disallow: /"
    for line in robots[1:-1]:
        path = line.removeprefix("Allow: ").removesuffix("$")
        assert "<h1" in (await client.get(path)).text


@pytest.mark.slow
def test_figures_are_for_who_is_signed_in_and_contacts_are_in_clear_nowhere(tmp_path) -> None:
    with running_server(tmp_path, edge=False) as server, httpx2.Client(base_url=server.url) as stranger:
        owner = server.owner()
        hidden = stranger.get("/privacy/evidence", headers={"accept": "application/json"}).json()["rules"]
        shown = owner.get("/privacy/evidence", headers={"accept": "application/json"}).json()["rules"]
        assert {rule["erased"] for rule in hidden} == {None}
        assert all(rule["overdue"] == 0 for rule in shown)
        assert all(rule["last_run"] for rule in shown if not rule["in_memory"])

        assert stranger.get("/privacy/record.json").status_code == 403
        assert owner.get("/privacy/record.json").json()["activities"]
        assert "sign in" in stranger.get("/en/privacy").text
        assert "set-cookie" not in stranger.get("/privacy").headers, "no cookie on a first visit (K-01)"
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert OWNER_EMAIL.encode() not in written, "an address in clear: in a database, its log, or the server's output"


@pytest.mark.req("T-03")
async def test_an_operators_facts_are_in_the_notice(client, app) -> None:
    operator = Operator.model_validate(
        {
            "deployment": {"role": "controller"},
            "controllers": [
                {
                    "countries": ("FR", "BE"), "name": "Exemple SA", "address": "1 rue Exemple, Paris", "country": "FR",
                    "email": "a@example.net", "dpo": {"name": "D. Pelle", "email": "dpo@example.net"},
                },
                {
                    "name": "Example Inc.", "country": "US", "dpo_none_reason": "not required there",
                    "representative": {"name": "R", "address": "Paris", "country": "FR", "email": "r@example.net"},
                },
            ],
            "processors": [
                {
                    "slot": "turn_relay", "name": "Relay <Inc>", "country": "US", "hosts": ("relay.example.net:3478",),
                    "contract": {"ref": "DPA-1", "date": "2026-03-01"}, "enabled": True,
                },
            ],
            "transfers": [
                {"slot": "turn_relay", "country": "US", "tool": "eu-gdpr:A46-2-c", "copy_at": "on request"}
            ],
            "minors": {"policy": "national_age"},
            "contacts": {"privacy": "privacy@example.net", "security": "security@example.net"},
        }
    )  # fmt: skip
    app.state.registry = app.state.registry.__class__(app.state.registry.declared, operator)
    page = (await client.get("/fr/privacy")).text
    for words in (
        "Exemple SA",
        "France, Belgique",
        "D. Pelle",
        "not required there",
        "Relay &lt;Inc&gt;",
        "âge du consentement",
    ):
        assert words in page, words
    security = (await client.get("/.well-known/security.txt")).text
    assert "Contact: mailto:security@example.net" in security
    policy = (await client.get("/.well-known/incamera-policy.json")).json()
    assert policy["hosts"] == ["relay.example.net:3478"]
    assert re.fullmatch(r"2026\.1\+[0-9a-f]{8}", policy["version"])
