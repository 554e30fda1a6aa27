"""Where the demo listens."""

import socket

import pytest

from fleeting.demo.addresses import Addresses, PortTakenError, reserved
from tests.demo.conftest import neighbouring_ports


def test_the_api_has_the_port_after_the_issuers():
    addresses = Addresses(8500)
    assert addresses.issuer == "http://127.0.0.1:8500"
    assert addresses.resource == "http://127.0.0.1:8501"


def test_a_port_that_is_free_is_taken_as_named():
    port = neighbouring_ports().port
    with reserved(port) as addresses:
        assert addresses == Addresses(port)


def test_two_demos_at_once_take_different_ports_before_either_listens():
    with reserved(None) as first, reserved(None) as second:
        assert abs(first.port - second.port) >= 2


def test_a_port_that_another_demo_will_listen_on_is_taken():
    with reserved(None) as other, pytest.raises(PortTakenError), reserved(other.port):
        pass


def test_a_pair_of_ports_is_given_back_at_the_end():
    port = neighbouring_ports().port
    for _ in range(2):
        with reserved(port):
            pass


def test_a_pair_of_which_one_port_is_taken_is_left_alone():
    addresses = neighbouring_ports()
    with socket.socket() as other:
        other.bind(("127.0.0.1", addresses.port + 1))
        other.listen()
        with pytest.raises(PortTakenError, match=str(addresses.port + 1)), reserved(addresses.port):
            pass
    with reserved(addresses.port):
        pass


@pytest.mark.parametrize("port", [0, -1, 65_535, 70_000])
def test_a_port_that_has_no_neighbour_is_refused(port):
    with pytest.raises(PortTakenError, match="--port"), reserved(port):
        pass
