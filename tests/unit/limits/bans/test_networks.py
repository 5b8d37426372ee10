"""What is one address, what a list of addresses holds, and what somebody may type."""

import pytest

from flask_backend_patterns.limits.networks import Networks, is_address, network_of, read_network


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("10.0.0.1:1001", "10.0.0.1"),
        ("[::ffff:10.0.0.1]:443", "10.0.0.1"),
        ("[2001:db8:1:2::1]:1001", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::1]", "2001:db8:1:2::/64"),
        ("2002:cb00:7109:5::1", "203.0.113.9"),
        ("2002:cb00:7109:6::1", "203.0.113.9"),
        ("10.0.0.1:", "10.0.0.1:"),
        ("[10.0.0.1", "[10.0.0.1"),
        ("10.0.0:80", "10.0.0:80"),
        (None, ""),
        ("", ""),
        ("unix:", "unix:"),
        ("\ud800", "\ud800"),
    ],
)
def test_what_one_address_is(address, network):
    """IPv4 addresses count alone, IPv6 by network; what is none counts as it is."""
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("address", "is_held"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.0.0.1", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("", False),
        ("10.0.0.1:80", True),
        ("2002:0a00:0001::1", False),  # who says so may be anywhere
        ("unix:", False),
    ],
)
def test_a_list_of_networks(address, is_held):
    """In CIDR notation or single, both families, host bits set or not."""
    assert Networks(["10.0.0.1/8", "2001:db8::/32", " 192.0.2.7 "]).hold(address) is is_held
    assert not Networks(()).hold(address)


@pytest.mark.parametrize("text", ["10.0.0.0/33", "x", "", "10.0.0", "2001:db8::/129"])
def test_what_is_no_network_is_an_error(text):
    """Nothing is exempt by mistake."""
    with pytest.raises(ValueError, match=r".+"):
        Networks([text])


def test_a_64_meets_an_exempt_address_in_it():
    """To ban the /64 of an exempt address would be to ban the address."""
    networks = Networks(["2001:db8:0:1::7"])
    assert networks.meet("2001:db8:0:1::/64")
    assert not networks.meet("2001:db8:0:2::/64")
    assert not networks.meet("nonsense")


@pytest.mark.parametrize(
    ("typed", "network"),
    [
        (" 10.0.0.1 ", "10.0.0.1"),
        ("10.0.0.1/32", "10.0.0.1"),
        ("2001:db8::5", "2001:db8::/64"),
        ("2001:db8::/64", "2001:db8::/64"),
    ],
)
def test_what_may_be_typed(typed, network):
    """An address, or a network as it is listed."""
    assert read_network(typed) == network


@pytest.mark.parametrize("typed", ["", "x", "10.0.0.0/8", "2001:db8::/32", "10.0.0.1:80", "\ud800"])
def test_what_may_not_be_typed(typed):
    """A wider network is not silently taken for one address."""
    with pytest.raises(ValueError, match="is no address"):
        read_network(typed)
    assert not is_address(typed) or ":" in typed
