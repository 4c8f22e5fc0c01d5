"""Fields that are sent as cookies: reading and setting them."""

import pytest
from gateway.http.cookies import cookies, set_cookie


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", []),
        ("a=1", [("a", "1")]),
        ("a=1; b=x-_.~9", [("a", "1"), ("b", "x-_.~9")]),
        (" a=1 ;\tb=2", [("a", "1"), ("b", "2")]),
        ("a=1,b=2", []),
        ("a=1,__Host-b=2; c=3", [("c", "3")]),
        ("\xa0__Host-b=2", [("\xa0__Host-b", "2")]),
        ("\x85__Host-b=2; \x1f__Host-b=2", [("\x85__Host-b", "2"), ("\x1f__Host-b", "2")]),
        ('a="quoted"; b=2; c; =; d=', [("b", "2")]),
        ("a=b=c", []),
    ],
)
def test_what_a_client_sends(header: str, found: list[tuple[str, str]]) -> None:
    """What is malformed is as good as not sent."""
    assert list(cookies(header)) == found


def test_no_script_reads_it_and_no_other_site_sends_it() -> None:
    """And it goes to the paths alone that need it."""
    header = set_cookie("vestibule_device", "abc", path="/api/auth", max_age_seconds=60)

    assert header == b"vestibule_device=abc; Path=/api/auth; Max-Age=60; HttpOnly; SameSite=Strict"


def test_a_value_cannot_add_attributes() -> None:
    """A service that puts out something else has a fault."""
    with pytest.raises(ValueError, match="device"):
        set_cookie("device", "a; Domain=example.com", path="/", max_age_seconds=60)
