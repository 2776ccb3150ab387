"""Which addresses an edge may dial (B3-06)."""

import ipaddress

import pytest

from incamera.edge.sources.dialling import AddressRefused, DialRanges, InvalidDialRange, NameNotFound, resolve

HOME = DialRanges.parse()


@pytest.mark.req("B3-06")
@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("192.168.1.20", True),
        ("10.1.2.3", True),
        ("127.0.0.1", True),
        ("169.254.7.7", True),
        ("fe80::1", True),
        ("fd12::1", True),
        ("::ffff:192.168.1.20", True),
        ("8.8.8.8", False),
        ("2001:db8::1", False),
        ("169.254.169.254", False),
        ("::ffff:169.254.169.254", False),
        ("2002:a9fe:a9fe::1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("fd00:ec2::254", False),
        ("::ffff:8.8.8.8", False),
        ("0.0.0.0", False),
        ("::", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
    ],
)
def test_home_networks_only_and_never_the_metadata_service(address: str, may: bool) -> None:
    assert HOME.allow(ipaddress.ip_address(address)) is may


@pytest.mark.req("B3-06")
def test_mapped_addresses_are_judged_by_what_they_hold() -> None:
    ranges = DialRanges.parse(["192.168.0.0/16"])

    assert not ranges.allow(ipaddress.ip_address("::ffff:127.0.0.1"))


def test_a_declared_range_opens_it_but_not_the_forbidden_ones() -> None:
    everything = DialRanges.parse(["0.0.0.0/0", "::/0"])

    assert everything.allow(ipaddress.ip_address("8.8.8.8"))
    assert not everything.allow(ipaddress.ip_address("169.254.169.254"))


def test_a_range_that_is_none_is_named() -> None:
    with pytest.raises(InvalidDialRange, match=r"10\.0\.0\.1/8"):
        DialRanges.parse(["10.0.0.1/8"])


async def test_names_are_resolved_before_they_are_judged() -> None:
    assert ("127.0.0.1", 554) in await resolve("localhost", 554, HOME)
    with pytest.raises(AddressRefused):
        await resolve("localhost", 554, DialRanges.parse(["10.0.0.0/8"]))


@pytest.mark.parametrize("name", ["nobody.invalid", "x" * 70 + ".local", "a..b"])
async def test_unknown_names_are_told(name: str) -> None:
    with pytest.raises(NameNotFound):
        await resolve(name, 554, HOME)
