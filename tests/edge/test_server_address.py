"""Addresses and codes as people type them."""

import pytest

from incamera.edge.errors import InvalidEnrolmentCode, InvalidServerAddress, PlainTextRefused
from incamera.edge.server_address import EnrolmentCode, ServerAddress


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://cams.example", ServerAddress("cams.example", 443, True)),
        ("https://cams.example:8443/", ServerAddress("cams.example", 8443, True)),
        ("https://[2001:db8::1]:8443", ServerAddress("2001:db8::1", 8443, True)),
        ("wss://cams.example", ServerAddress("cams.example", 443, True)),
        ("http://localhost:8080", ServerAddress("localhost", 8080, False)),
        ("http://127.0.0.1:8080", ServerAddress("127.0.0.1", 8080, False)),
        ("http://[::1]:8080", ServerAddress("::1", 8080, False)),
    ],
)
def test_addresses_are_understood(text: str, address: ServerAddress) -> None:
    assert ServerAddress.parse(text) == address


@pytest.mark.parametrize(
    "text", ["", "cams.example", "ftp://cams.example", "https://", "https://a:b@c", "https://c/x", "https://c:99999"]
)
def test_other_addresses_are_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidServerAddress, match="is not the address of an Incamera server"):
        ServerAddress.parse(text)


@pytest.mark.parametrize("text", ["http://cams.example", "http://192.168.1.2:8080", "ws://10.0.0.1"])
def test_unencrypted_is_for_this_machine_only(text: str) -> None:
    with pytest.raises(PlainTextRefused, match="use https"):
        ServerAddress.parse(text)


@pytest.mark.parametrize("text", ["01234-ABCDE", "0l234abcde", " oI234 – abcde".replace("–", "-")])
def test_codes_forgive_how_they_were_copied(text: str) -> None:
    assert EnrolmentCode.parse(text) == EnrolmentCode("01234-ABCDE", "")


def test_a_code_may_carry_a_fingerprint() -> None:
    assert EnrolmentCode.parse("01234-ABCDE-0123456789ABCDEF").fingerprint_prefix == "0123456789abcdef"


@pytest.mark.parametrize("text", ["", "01234", "01234-ABCDU", "01234-ABCDE-01", "01234-ABCDE-0123456789ABCDEG"])
def test_other_codes_are_refused(text: str) -> None:
    with pytest.raises(InvalidEnrolmentCode):
        EnrolmentCode.parse(text)
