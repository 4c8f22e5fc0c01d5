"""The states of signing keys, by time."""

from datetime import UTC, datetime, timedelta

from auth_service.domain.signing_key import SigningKey, published, signing

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _key(
    kid: str, published_at: datetime, active_from: datetime, removed_from: datetime | None = None
) -> SigningKey:
    return SigningKey(
        kid=kid,
        x="",
        y="",
        sealed_private_key=b"",
        published_at=published_at,
        active_from=active_from,
        removed_from=removed_from,
    )


OLD = _key("old", NOON, NOON, NOON + 3 * HOUR)
NEW = _key("new", NOON + HOUR, NOON + 2 * HOUR)


def _names(at: datetime) -> tuple[set[str], str | None]:
    keys = [OLD, NEW]
    signer = signing(keys, at)
    return {key.kid for key in published(keys, at)}, signer.kid if signer else None


def test_a_key_is_published_then_active_then_retired() -> None:
    """It is shown before it signs, and still shown after its successor has taken over."""
    assert _names(NOON) == ({"old"}, "old")
    assert _names(NOON + HOUR) == ({"old", "new"}, "old")
    assert _names(NOON + 2 * HOUR) == ({"old", "new"}, "new")
    assert _names(NOON + 3 * HOUR) == ({"new"}, "new")


def test_what_signs_is_always_published() -> None:
    """At every minute of the schedule."""
    for minutes in range(-10, 300):
        shown, signer = _names(NOON + timedelta(minutes=minutes))
        assert signer in shown


def test_without_keys_nothing_signs() -> None:
    """And nothing is published."""
    assert (signing([], NOON), published([], NOON)) == (None, ())
