"""One normal form of a client's address, and what counts as one client."""

from ipaddress import ip_network

import pytest
from chassis.addresses import counted_as, normal_address, normal_network, site_of
from chassis.grpc.admission import peer_address


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("::FFFF:CB00:7105", "203.0.113.5"),
        ("0:0:0:0:0:ffff:cb00:7105", "203.0.113.5"),
        ("::ffff:0:203.0.113.5", "203.0.113.5"),
        ("64:ff9b::203.0.113.5", "203.0.113.5"),
        ("64:FF9B:0:0::cb00:7105", "203.0.113.5"),
        ("64:ff9b:1::203.0.113.5", "203.0.113.5"),
        ("64:ff9b:1:fffe::cb00:7105", "203.0.113.5"),
        ("64:ff9b:2::cb00:7105", "64:ff9b:2::cb00:7105"),
        ("2001:DB8:0:0::0007", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%25eth0", "fe80::1"),
        ("::ffff:203.0.113.5%eth0", "203.0.113.5"),
        ("::1", "::1"),
        ("::", "::"),
        ("", ""),
        ("unix", "unix"),
        ("2001:db8::zz", "2001:db8::zz"),
    ],
)
def test_an_address_has_one_normal_form(written: str, normal: str) -> None:
    """IPv4 is IPv4 however it came here; what is no address stays as it is."""
    assert normal_address(written) == normal
    assert normal_address(normal) == normal


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("64:ff9b::192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        # 6to4: a whole /48 comes with one IPv4 address.
        ("2002:c000:201:1::1", "192.0.2.1"),
        ("2002:c000:201:2::1", "192.0.2.1"),
        # Teredo: all clients of one server would share its /64.
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.2.45"),
        ("", ""),
        ("unix", "unix"),
        ("a:b", "a:b"),
    ],
)
def test_a_client_is_an_address_or_a_network(address: str, client: str) -> None:
    """A holder of one IPv6 address has 2^64 of them."""
    assert counted_as(address) == client


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.1.2.3/128", "10.1.2.3/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("64:ff9b::10.0.0.0/104", "10.0.0.0/8"),
        ("fd00::/8", "fd00::/8"),
        ("::/0", "::/0"),
        ("2001:db8::/128", "2001:db8::/128"),
    ],
)
def test_networks_hold_normal_forms(written: str, normal: str) -> None:
    """A network of IPv4 addresses is IPv4, however it is written."""
    assert normal_network(ip_network(written)) == ip_network(normal)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.7:4711", "10.0.0.7"),
        ("ipv6:[2001:DB8::7]:4711", "2001:db8::7"),
        ("ipv6:%5B::ffff:10.0.0.7%5D:4711", "10.0.0.7"),
        ("ipv6:[fe80::1%25eth0]:4711", "fe80::1"),
        ("unix:/run/socket", ""),
    ],
)
def test_peers_of_grpc_have_the_same_form(peer: str, address: str) -> None:
    """A service that is called directly names the client as the edge would."""
    assert peer_address(peer) == address


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("203.0.113.5", "203.0.113.0/24"),
        ("::ffff:203.0.113.5", "203.0.113.0/24"),
        ("64:ff9b::cb00:7105", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("2002:cb00:7105::1", "203.0.113.0/24"),
        ("unknown", "unknown"),
    ],
)
def test_a_site_is_what_one_customer_may_have(address: str, site: str) -> None:
    """In whatever form the address comes."""
    assert site_of(address) == site
