"""Signing keys: how they are made, follow one another and end, beside the server and by command."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import structlog
from chassis.clock import SystemClock
from chassis.lifecycle import Lifecycle
from chassis.postgres.pool import Pool, open_pool
from chassis.startup import StartupError

from auth_service.adapters.key_follower import MasterKeyFollower
from auth_service.adapters.key_ring import KeyRing
from auth_service.adapters.master_key import MasterKey
from auth_service.adapters.postgres.master_keys import PostgresResealing, note_use
from auth_service.adapters.postgres.unit_of_work import PostgresUnitsOfWork
from auth_service.adapters.totp_secrets import TotpSecrets
from auth_service.domain.errors import MasterKeyMismatch
from auth_service.domain.master_key import NOTED_EVERY, ResealReport
from auth_service.domain.signing_key import JWKS_CACHED, RELOAD, Schedule
from auth_service.settings import AuthSettings, KeySettings
from auth_service.transport import schedule
from auth_service.usecases.master_key import Reseal
from auth_service.usecases.signing_keys import (
    EnsureSigningKey,
    ListedKey,
    ListSigningKeys,
    RetireSigningKeys,
    RotateSigningKey,
    Rotation,
)

log = structlog.get_logger()

_COMMAND = "auth-service-keys"


def key_ring(settings: AuthSettings, units: PostgresUnitsOfWork, master_key: MasterKey) -> KeyRing:
    """Returns the keys in memory, read often enough to have the next one before it signs."""
    reload_seconds = min(RELOAD.total_seconds(), settings.key_publish_seconds / 4)
    return KeyRing(units, master_key, SystemClock(), reload_seconds)


async def open_keys(ring: KeyRing) -> None:
    """Makes the first signing key when there is none, and reads the keys.

    Raises:
        StartupError: the master key does not open them.
    """
    try:
        await EnsureSigningKey(ring.units, ring.master_key, ring.clock)()
        await ring.load()
    except MasterKeyMismatch as error:
        raise StartupError(str(error)) from error


def totp_secrets(master_key: MasterKey) -> TotpSecrets:
    """Returns what seals the secrets of second factors."""
    return TotpSecrets(master_key.every("totp-secrets"), master_key.every("recovery-codes"))


def begin_rotation(lifecycle: Lifecycle, settings: AuthSettings, ring: KeyRing, pool: Pool) -> None:
    """Begins to read the keys, to rotate them by schedule and to end those that are over."""
    published_for = timedelta(seconds=settings.key_publish_seconds)
    if published_for < JWKS_CACHED:
        log.warning(
            "AUTH_KEY_PUBLISH_SECONDS is shorter than verifiers may keep the published keys",
            set_seconds=settings.key_publish_seconds,
            needed_seconds=JWKS_CACHED.total_seconds(),
        )
    rotate = RotateSigningKey(
        ring.units,
        ring.master_key,
        Schedule(every=settings.key_rotation, published_for=published_for),
        ring.clock,
    )
    retire = RetireSigningKeys(ring.units, ring.master_key, ring.clock)
    lifecycle.begin("signing keys", ring.keep_loaded())
    seconds = ring.reload_seconds
    lifecycle.begin("key rotation", schedule.every(seconds, "key rotation", rotate.if_due))
    lifecycle.begin("key retirement", schedule.every(seconds, "key retirement", retire))
    note = partial(note_use, pool, ring.master_key.key_id)
    seconds = NOTED_EVERY.total_seconds()
    lifecycle.begin("master key in use", schedule.every(seconds, "master key in use", note))


async def rotate_key(settings: KeySettings) -> Rotation:
    """Publishes the next signing key, for the command line.

    Raises:
        StartupError: Postgres stays away, or the master key does not open the keys.
        SuccessorWaits: the next key is published and has not begun to sign.
    """
    # A rotation that is asked for takes no notice of how long keys are to sign.
    times = Schedule(every=timedelta.max, published_for=timedelta(seconds=settings.key_publish_seconds))
    async with open_pool(
        settings.postgres_url.get_secret_value(), application_name=_COMMAND, max_size=1
    ) as pool:
        master_key = MasterKey(*settings.master_keys)
        try:
            return await RotateSigningKey(PostgresUnitsOfWork(pool), master_key, times, SystemClock())()
        except MasterKeyMismatch as error:
            raise StartupError(str(error)) from error


async def reseal(settings: KeySettings) -> ResealReport:
    """Makes with the master key of today what was made with another, for the command line.

    Raises:
        StartupError: Postgres stays away, or something was sealed under a key that is not accepted.
    """
    master_key = MasterKey(*settings.master_keys)
    follower = MasterKeyFollower(master_key, totp_secrets(master_key))
    url = settings.postgres_url.get_secret_value()
    async with open_pool(url, application_name=_COMMAND, max_size=1) as pool:
        try:
            return await Reseal(PostgresResealing(pool), follower)()
        except MasterKeyMismatch as error:
            raise StartupError(str(error)) from error


async def list_keys(settings: KeySettings) -> Sequence[ListedKey]:
    """Lists the signing keys, for the command line.

    Raises:
        StartupError: Postgres stays away.
    """
    async with open_pool(
        settings.postgres_url.get_secret_value(), application_name=_COMMAND, max_size=1
    ) as pool:
        return await ListSigningKeys(PostgresUnitsOfWork(pool), SystemClock())()
