"""What the chassis has is imported, not written again."""

import re

import pytest

from tests.tidy import tree

ONCE = {
    r"IPv4Network \| IPv6Network": "chassis/src/chassis/addresses.py",
    r"\.ToDatetime\(": "chassis/src/chassis/grpc/timestamps.py",
    r'replace\("\\0", "[^"]': "chassis/src/chassis/text.py",
    r'strip\(\) for \w+ in .+\.split\(","\)': "chassis/src/chassis/text.py",
}
"""Patterns of code, each with the one file that it may stand in."""


@pytest.mark.parametrize("pattern", ONCE)
def test_written_once(pattern: str) -> None:
    """A second one would differ after the next change of the first."""
    found = {str(source) for source in tree.product() if re.search(pattern, source.text)}

    assert found == {ONCE[pattern]}
