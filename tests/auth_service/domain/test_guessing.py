"""Who counts as one client, and how long answers are held back."""

import pytest
from auth_service.domain.guessing import client_of, delay_seconds


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
        ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_a_client_is_an_address_or_a_network(address: str, client: str) -> None:
    """Whoever has one IPv6 address has 2^64 of them."""
    assert client_of(address) == client


def test_the_delay_grows_and_ends() -> None:
    """Nothing for what one client alone may do; ten seconds at most."""
    assert [delay_seconds(failures) for failures in (0, 5, 6, 10, 25, 1_000)] == [0, 0, 0.5, 2.5, 10, 10]
