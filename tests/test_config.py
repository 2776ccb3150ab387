"""Settings: parsed once, wrong values named with what is allowed."""

import os
from pathlib import Path

import pytest

from incamera.config import InvalidSettings, Settings, Transport, allowed_values, load_settings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("INCAMERA_")]:
        monkeypatch.delenv(name)


def test_defaults_are_for_this_machine_only() -> None:
    settings = load_settings({"data": "d"})
    assert (settings.host, settings.port, settings.transport) == ("localhost", 8080, Transport.PLAIN_LOOPBACK)
    assert settings.database_url.startswith("sqlite+aiosqlite:////")


def test_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCAMERA_PORT", "81")
    monkeypatch.setenv("INCAMERA_DATA", "/srv/incamera")
    assert load_settings({"port": "82"}).port == 82
    assert load_settings({}).data == Path("/srv/incamera")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "99999"),
        ("port", "eighty"),
        ("host", "camera.example"),
        ("public_url", "http://cam.example"),
        ("public_url", "https://cam.example/path"),
        ("database", "mysql://x"),
        ("root_key", "abc"),
        ("root_key", "00" * 31),
        ("metrics_token", "short"),
        ("log_level", "loud"),
        ("behind_proxy", "10.0.0.1,proxy"),
        ("edge", "perhaps"),
        ("edge_files", "/no/such/folder"),
        ("edge_device", "/etc/passwd"),
        ("edge_device", "video0,../mem"),
    ],
)
def test_wrong_value_is_refused_with_name_and_allowed_values(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"INCAMERA_{name.upper()}", value)
    with pytest.raises(InvalidSettings) as refusal:
        load_settings({"data": "d"})
    assert f"INCAMERA_{name.upper()}" in str(refusal.value)
    assert allowed_values(name) in str(refusal.value)


@pytest.mark.parametrize("name", ["root_key", "metrics_token", "database"])
def test_secret_is_never_repeated(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"INCAMERA_{name.upper()}", "sw0rdfish")
    with pytest.raises(InvalidSettings) as refusal:
        load_settings({"data": "d"})
    assert "sw0rdfish" not in str(refusal.value)


def test_variable_that_nobody_reads_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INCAMERA_BEHIND_PROXIES", "10.0.0.1")
    with pytest.raises(InvalidSettings, match="did you mean INCAMERA_BEHIND_PROXY"):
        load_settings({"data": "d"})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.20", "::"])
def test_plain_http_is_refused_off_loopback(host: str) -> None:
    with pytest.raises(InvalidSettings, match="Plain HTTP"):
        load_settings({"data": "d", "host": host})


@pytest.mark.parametrize(
    ("given", "transport"),
    [
        ({"tls_cert": "c", "tls_key": "k"}, Transport.TLS_FILES),
        ({"own_ca": True}, Transport.OWN_CA),
        ({"behind_proxy": "10.0.0.0/24, ::1"}, Transport.BEHIND_PROXY),
    ],
)
def test_three_ways_to_be_reached_from_elsewhere(given: dict[str, object], transport: Transport) -> None:
    assert load_settings({"data": "d", "host": "0.0.0.0", **given}).transport is transport


@pytest.mark.parametrize(
    "given",
    [
        {"tls_cert": "c"},
        {"tls_key": "k"},
        {"own_ca": True, "tls_cert": "c", "tls_key": "k"},
        {"own_ca": True, "behind_proxy": "10.0.0.1"},
        {"root_key": "00" * 32, "root_key_file": "f"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(InvalidSettings):
        load_settings({"data": "d", **given})


def test_settings_do_not_show_their_secrets() -> None:
    settings = load_settings({"data": "d", "root_key": "ab" * 32, "database": "postgresql://u:sw0rdfish@h/n"})
    assert "abab" not in repr(settings)
    assert "sw0rdfish" not in repr(settings)
    assert settings.database_url == "postgresql+asyncpg://u:sw0rdfish@h/n"


def test_every_setting_says_what_it_is_and_what_it_may_be() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert allowed_values(name), name
