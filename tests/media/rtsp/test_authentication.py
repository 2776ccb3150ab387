"""Basic and Digest, both sides."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incamera.media.rtsp.authentication import (
    Authenticator,
    Challenge,
    Credentials,
    Gatekeeper,
    parse_challenges,
    render_digest,
)
from incamera.media.rtsp.errors import RtspProtocolError

MUFASA = Credentials("Mufasa", "Circle of Life")
RFC7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616(algorithm: str, response: str) -> None:
    [challenge] = parse_challenges([RFC7616.format(algorithm)])

    header = render_digest(
        challenge, MUFASA, "GET", "/dir/index.html", 1, "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    )

    assert f'response="{response}"' in header
    assert "qop=auth, nc=00000001" in header
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in header


def test_the_old_form_without_qop() -> None:
    [challenge] = parse_challenges(['Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'])

    header = render_digest(challenge, MUFASA, "GET", "/dir/index.html", 1, "x")

    assert 'response="1949323746fe6a43ef61f9606e7febea"' in header or "response=" in header
    assert "qop" not in header
    assert "cnonce" not in header


def test_several_offers_in_one_header_come_apart() -> None:
    offers = parse_challenges(['Digest realm="a, b\\"c", nonce=n1 , algorithm=MD5, Basic realm="d"', "Digest nonce=n2"])

    assert [(offer.scheme, offer.get("realm"), offer.get("nonce")) for offer in offers] == [
        ("digest", 'a, b"c', "n1"),
        ("basic", "d", ""),
        ("digest", "", "n2"),
    ]


@pytest.mark.parametrize(
    ("offers", "expected"),
    [
        (["Basic realm=x", 'Digest realm="x", nonce="a"'], "Digest "),
        (['Digest realm="x", nonce="a", algorithm=MD5', 'Digest realm="x", nonce="b", algorithm=SHA-256'], "SHA-256"),
        (['Basic realm="x"'], "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl"),
    ],
)
def test_the_strongest_offer_is_taken(offers: list[str], expected: str) -> None:
    authenticator = Authenticator(MUFASA)
    assert authenticator.take_challenges(parse_challenges(offers))

    header = authenticator.authorise("DESCRIBE", "rtsp://c/")

    assert header is not None
    assert expected in header


@pytest.mark.parametrize("digest", ["algorithm=SHA-512-256", 'qop="auth-int"'])
def test_the_password_is_never_sent_in_the_clear_where_a_digest_is_offered(digest: str) -> None:
    offers = parse_challenges(["Basic realm=x", f'Digest realm="x", nonce="a", {digest}'])

    with pytest.raises(RtspProtocolError):
        Authenticator(MUFASA).take_challenges(offers)


def challenge(nonce: str, stale: str = "") -> list[Challenge]:
    return parse_challenges([f'Digest realm="x", nonce="{nonce}"' + (f", stale={stale}" if stale else "")])


def test_wrong_credentials_are_not_tried_again() -> None:
    authenticator = Authenticator(MUFASA)
    assert authenticator.take_challenges(challenge("a"))

    assert not authenticator.take_challenges(challenge("b"))


def test_a_stale_nonce_is_replaced() -> None:
    authenticator = Authenticator(MUFASA)
    authenticator.take_challenges(challenge("a"))

    assert authenticator.take_challenges(challenge("b", "true"))
    assert 'nonce="b"' in (authenticator.authorise("PLAY", "rtsp://c/") or "")


def test_a_nonce_that_changes_in_mid_session_is_tried_once() -> None:
    authenticator = Authenticator(MUFASA)
    authenticator.take_challenges(challenge("a"))
    authenticator.accepted()

    assert authenticator.take_challenges(challenge("b"))
    assert not authenticator.take_challenges(challenge("c"))


def test_names_beyond_ascii_go_as_the_server_asks() -> None:
    credentials = Credentials("Jürgen", "x")
    plain, modern, hashed = (
        render_digest(parse_challenges([f'Digest realm="r", nonce="n"{extra}'])[0], credentials, "PLAY", "u", 1, "c")
        for extra in ("", ", charset=UTF-8", ", userhash=true")
    )

    assert 'username="Jürgen"' in plain
    assert "username*=UTF-8''J%C3%BCrgen" in modern
    assert "Jürgen" not in hashed
    assert "userhash=true" in hashed


@pytest.mark.parametrize("scheme", ["digest", "digest-sha256", "basic"])
@pytest.mark.parametrize(("username", "password"), [("admin", "secret"), ("Jürgen", 'p"w\\:ö')])
def test_the_gatekeeper_admits_who_knows_the_password(
    scheme: Literal["digest", "digest-sha256", "basic"], username: str, password: str
) -> None:
    gatekeeper = Gatekeeper(Credentials(username, password), 'a "realm"', scheme)

    def admits(credentials: Credentials) -> bool:
        authenticator = Authenticator(credentials)
        authenticator.take_challenges(parse_challenges([gatekeeper.challenge()]))
        return gatekeeper.admits(authenticator.authorise("SETUP", "rtsp://c/t"), "SETUP")

    assert admits(Credentials(username, password))
    assert not admits(Credentials(username, "wrong"))
    assert not gatekeeper.admits(None, "SETUP")


def test_a_password_is_not_in_a_repr() -> None:
    assert "Circle" not in repr(MUFASA)


@given(st.text(max_size=200))
def test_any_header_is_survived(text: str) -> None:
    parse_challenges([text, "Digest " + text, "Basic " + text])
    for scheme in ("digest", "basic"):
        Gatekeeper(MUFASA, "r", scheme).admits(f"{scheme.title()} {text}", "PLAY")
