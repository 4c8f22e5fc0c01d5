"""Canonical addresses."""

import pytest
from auth_service.domain.email import canonical_email
from user_service.domain.email_address import canonical

SAME = [
    ("Ada@Example.com", "ada@example.com"),
    (" ada@example.com ", "ada@example.com"),
    ("ada@example.com.", "ada@example.com"),
    ("\uff21da@example.com", "ada@example.com"),
    ("STRASSE@example.com", "stra\u00dfe@example.com"),
    ("e\u0301ve@example.com", "\u00e9ve@example.com"),
    ("ada@B\u00dcCHER.example", "ada@xn--bcher-kva.example"),
    ("ada@b\u00fccher\u3002example", "ada@xn--bcher-kva.example"),
]
DIFFERENT = [("ada@example.com", "ada@example.org"), ("a.da@example.com", "ada@example.com")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_address_are_one(one: str, other: str) -> None:
    """Case, width, composition and the domain's encoding make no difference."""
    assert canonical_email(one) == canonical_email(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_addresses_stay_different(one: str, other: str) -> None:
    """No provider's own habits are guessed at."""
    assert canonical_email(one) != canonical_email(other)


@pytest.mark.parametrize(
    "email", [each for pair in SAME + DIFFERENT for each in pair] + ["\u0130@x.y", "no at"]
)
def test_both_services_keep_one_rule(email: str) -> None:
    """user-service decides whose an address is, by the same form."""
    once = canonical_email(email)

    assert once == canonical(email)
    assert once == canonical_email(once)
