"""The cache of verified tokens keeps what they say, whether it is packed or not."""

import hypothesis.strategies as st
from chassis.identity.claims import Claims
from chassis.identity.role import Role
from chassis.identity.token_cache import Signer, TokenCache
from chassis.ids import uuid7
from hypothesis import given

from tests.chassis.identity.tokens import KID, new_key, public_of

SIGNER: Signer = (KID, public_of(new_key()))

CLAIMS = st.builds(
    Claims.of_access_token,
    user_id=st.uuids(),
    role=st.sampled_from(Role),
    session_id=st.uuids(),
    token_id=st.uuids(),
    expires_at=st.integers(0, 2**40),
    must_enrol=st.booleans(),
    auth_time=st.integers(0, 2**40),
)


def claims(expires_at: int = 2_000_000_000) -> Claims:
    """Returns claims as a token has them."""
    return Claims.of_access_token(
        user_id=uuid7(), role=Role.USER, session_id=uuid7(), token_id=uuid7(), expires_at=expires_at
    )


@given(st.lists(CLAIMS, max_size=8), st.lists(st.integers(0, 7), max_size=20))
def test_whatever_was_put_is_found(given: list[Claims], asked: list[int]) -> None:
    """With two of them not packed, in any order of use."""
    cache = TokenCache(unpacked_max=2)
    for number, each in enumerate(given):
        cache.put(bytes([number]), each, SIGNER)

    for number in asked:
        found = cache.get(bytes([number]))
        assert found == ((given[number], SIGNER) if number < len(given) else None)
        assert len(cache) == len(given)


def test_oldest_goes_first() -> None:
    """Whether it is packed or not."""
    for unpacked in (1, 5):
        cache = TokenCache(entries_max=2, unpacked_max=unpacked)
        for digest in (b"1", b"2", b"3"):
            cache.put(digest, claims(), SIGNER)

        assert cache.get(b"1") is None
        assert cache.get(b"2") is not None
        assert cache.get(b"3") is not None


def test_removed() -> None:
    """A packed one and one that is not."""
    cache = TokenCache(unpacked_max=1)
    for digest in (b"1", b"2"):
        cache.put(digest, claims(), SIGNER)

    for digest in (b"1", b"2", b"3"):
        cache.remove(digest)

    assert len(cache) == 0


def test_expired_tokens_go() -> None:
    """Up to the first that expires later; packed ones and others."""
    cache = TokenCache(unpacked_max=2)
    for digest, expires_at in ((b"1", 10), (b"2", 20), (b"3", 15), (b"4", 30)):
        cache.put(digest, claims(expires_at), SIGNER)

    cache.remove_expired(15)

    assert [digest for digest in (b"1", b"2", b"3", b"4") if cache.get(digest)] == [b"2", b"4"]


def test_each_token_keeps_its_signer() -> None:
    """After more keys than packed entries can name, packed ones are verified again."""
    signers = [(f"key-{number}", public_of(new_key())) for number in range(18)]
    cache = TokenCache(unpacked_max=1)
    for number, signer in enumerate(signers):
        cache.put(bytes([number]), claims(), signer)

    found = {number: entry[1] for number in range(18) if (entry := cache.get(bytes([number]))) is not None}

    assert 17 in found
    assert 0 not in found
    assert found == {number: signers[number] for number in found}
