"""Search terms."""

import pytest
from user_service.domain.folding import search_terms, search_text


@pytest.mark.parametrize("wanted", ["\x1f", "\x1f\x1f", " \x1f", "m\x1fA", "\x1fada", "@example.com\x1f"])
def test_the_separator_finds_no_user(wanted: str) -> None:
    """It is part of every search text, but never of a search term."""
    assert search_terms(wanted) == ()


@pytest.mark.parametrize("wanted", ["\x01", "\x85", "\u2028", "\u200b", "\ufeff", "\ue000"])
def test_invalid_characters_find_no_user(wanted: str) -> None:
    """Characters that addresses and names cannot contain are in no search text."""
    text = search_text("ada@example.com", "Ada Lovelace")

    assert not any(term in text for term in search_terms(wanted))
