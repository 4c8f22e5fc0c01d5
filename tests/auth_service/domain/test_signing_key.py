"""The states of signing keys, by time."""

import itertools
from datetime import UTC, datetime, timedelta

from auth_service.domain.session import ACCESS_LIFETIME
from auth_service.domain.signing_key import (
    JWKS_CACHED,
    RELOAD,
    KeyState,
    Schedule,
    SigningKey,
    is_due,
    published,
    retired,
    signing,
    state,
    succeeded,
)
from auth_service.settings import KeySettings
from chassis.clock import CLOCK_SKEW
from chassis.identity import keys, verifier
from hypothesis import given
from hypothesis import strategies as st
from vestibule.api.v1 import options_pb2
from vestibule.auth.v1 import key_service_pb2

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


def test_states_follow_one_another() -> None:
    """Published, active, retiring while its last tokens live, retired."""
    hours = [NOON + hour * HOUR for hour in (0.5, 1.5, 2.5, 3.5)]
    both = [OLD, NEW]

    assert [state(OLD, both, at).value for at in hours] == ["active", "active", "retiring", "retired"]
    assert [state(NEW, both, at).value for at in hours] == ["published", "published", "active", "active"]
    assert list(retired(both, hours[2])) == []
    assert list(retired(both, hours[3])) == [OLD]


SCHEDULES = st.builds(
    Schedule,
    published_for=st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(hours=2)),
    every=st.timedeltas(min_value=timedelta(hours=2, seconds=1), max_value=timedelta(days=40)),
)


@given(schedule=SCHEDULES, looks=st.lists(st.timedeltas(timedelta(0), timedelta(days=50)), max_size=12))
def test_no_rotation_leaves_a_token_that_cannot_be_verified(
    schedule: Schedule, looks: list[timedelta]
) -> None:
    """Whenever the schedule is looked at: one key signs, verifiers know it, and its last token expires."""
    made = [_key("key-0", NOON, NOON)]
    at = NOON
    for look in sorted(looks):
        at = NOON + look
        if is_due(made, at, schedule):
            successor = _key(f"key-{len(made)}", at, at + schedule.published_for)
            ended = {key.kid: key for key in succeeded(made, successor)}
            made = [*(ended.get(key.kid, key) for key in made), successor]
        signer = signing(made, at)
        assert signer in published(made, at)
        assert [state(key, made, at) for key in made].count(KeyState.ACTIVE) == 1
    for key, successor in itertools.pairwise(made):
        assert successor.active_from - successor.published_at == schedule.published_for
        assert successor.active_from - key.active_from >= schedule.every
        # A process that took the successor up late, by a slow clock, has signed with the key until then.
        last_token = successor.active_from + RELOAD + CLOCK_SKEW
        assert key.removed_from is not None
        assert key.removed_from >= last_token + ACCESS_LIFETIME + timedelta(seconds=verifier.LEEWAY_SECONDS)
        assert signing(made, successor.active_from) == successor


def test_the_published_keys_are_not_kept_longer_than_we_reckon_with() -> None:
    """Neither by HTTP caches nor by our own verifiers; the default wait is longer than both."""
    method = key_service_pb2.DESCRIPTOR.services_by_name["KeyService"].methods_by_name["GetJwks"]
    cached_seconds = method.GetOptions().Extensions[options_pb2.policy].cache.shared.seconds

    longest = timedelta(seconds=max(cached_seconds, keys.REFRESH_SECONDS)) + RELOAD + CLOCK_SKEW
    assert longest <= JWKS_CACHED
    assert timedelta(seconds=KeySettings.model_fields["key_publish_seconds"].default) > JWKS_CACHED
