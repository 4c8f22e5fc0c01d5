"""Entity tags and conditions."""

from dataclasses import replace
from datetime import timedelta

import pytest
from user_service.domain.etag import etag, matches

from tests.user_service.builders import LONG_AGO, a_user


def test_tag_changes_with_the_response() -> None:
    """A change and a sign-in both change the tag."""
    ada = a_user(version=7)
    signed_in = replace(ada, last_login_at=LONG_AGO)

    tags = {
        etag(ada),
        etag(replace(ada, version=8)),
        etag(signed_in),
        etag(replace(ada, last_login_at=LONG_AGO + timedelta(milliseconds=1))),
    }

    assert len(tags) == 4
    assert etag(ada) == '"7-0"'


@pytest.mark.parametrize(
    "if_match",
    ['"7-0"', '"7-19c3f5a8e40"', "*", " * ", '"1-0", "7-0"', '"1-0","7-0" , "9"', '"7-0",', 'W/"7-0", "7-0"'],
)
def test_matching(if_match: str) -> None:
    """Only the version is compared."""
    assert matches(if_match, a_user(version=7))


@pytest.mark.parametrize(
    "if_match",
    [
        '"8-0"',
        '"70-0"',
        'W/"7-0"',
        "7-0",
        "7",
        '"7"',
        '"7-"',
        '"7-lx2k"',
        '"7-0-1"',
        '"7-0',
        "",
        "**",
        '"7-0" "8-0"',
        '*, "7-0"',
        '"-7"',
        "\n",
    ],
)
def test_not_matching(if_match: str) -> None:
    """Another version, a weak tag, or a malformed list."""
    assert not matches(if_match, a_user(version=7))


def test_own_tag_matches() -> None:
    """A user who was just read can be changed."""
    ada = a_user(version=3, last_login_at=LONG_AGO)

    assert matches(etag(ada), ada)
