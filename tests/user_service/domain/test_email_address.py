"""When two addresses are one, here and in auth-service."""

import pytest
from auth_service.domain.email import canonical_email
from hypothesis import given
from hypothesis import strategies as st
from user_service.domain.email_address import canonical

SAME = [
    ("Ada@Example.org", "ada@example.org"),
    (" ada@example.org ", "ada@example.org"),
    ("\uff41da@example.org", "ada@example.org"),
    ("stra\u00dfe@example.org", "STRASSE@example.org"),
    ("ada@B\u00dcCHER.example", "ada@xn--bcher-kva.example"),
    ("ada@example.org.", "ada@example.org"),
    ("\u212bngstr\u00f6m@example.org", "\u00e5ngstro\u0308m@example.org"),
]
OTHERS = [
    ("ada@example.org", "ada@example.com"),
    ("a.da@example.org", "ada@example.org"),
    ("ada+x@example.org", "ada@example.org"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same(one: str, other: str) -> None:
    """Case, width, composition and the spelling of the domain make no difference."""
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_different(one: str, other: str) -> None:
    """Nothing else is guessed."""
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize("address", [address for pair in SAME + OTHERS for address in pair])
def test_services_agree_on_the_corpus(address: str) -> None:
    """What user-service keeps apart auth-service keeps apart, and the reverse."""
    assert canonical_email(address) == canonical(address)


@given(st.text(max_size=40), st.text(max_size=40))
def test_services_agree_on_anything(local: str, domain: str) -> None:
    """Also where it is no address at all."""
    for address in (f"{local}@{domain}", local):
        assert canonical_email(address) == canonical(address)


@given(st.text(max_size=20), st.text(alphabet="abcdefghij-.\u00fc\u00df\u8a9e", max_size=20))
def test_canonical_form_is_its_own(local: str, domain: str) -> None:
    """Applying the rule twice does no more than once, for domains that can be."""
    once = canonical(f"{local.strip()}@{domain}")

    assert once == canonical(once) or once != once.strip() or domain.endswith(".")
