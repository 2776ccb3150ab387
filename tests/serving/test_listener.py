"""Binding fails early and in words; `localhost` is both loopback addresses."""

import socket

import pytest

from incamera.serving.listener import AddressUnusable, PortTaken, bind


def test_localhost_listens_on_both_loopback_addresses() -> None:
    sockets = bind("localhost", 0)
    try:
        ports = {sock.getsockname()[1] for sock in sockets}
        assert len(ports) == 1
        assert sockets[0].getsockname()[0] == "127.0.0.1"
    finally:
        for sock in sockets:
            sock.close()


def test_taken_port_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            bind("localhost", port)


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(AddressUnusable, match=r"192\.0\.2\.1"):
        bind("192.0.2.1", 0)
