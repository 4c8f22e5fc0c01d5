"""Devices that users have signed in from, in Postgres."""

from uuid import UUID

from chassis.component import Component
from chassis.postgres.connection import Connection

from auth_service.domain.device import DEVICES_MAX, NOTICES_MAX, NOTICES_WINDOW, REMEMBERED


class PostgresDevices(Component):
    """`DeviceRepository` on one connection."""

    connection: Connection

    async def is_known(self, user_id: UUID, digest: bytes) -> bool:
        """Whether the user has signed in from this device before."""
        found = await self.connection.fetchval(
            """
            SELECT EXISTS (SELECT FROM auth.known_devices
                            WHERE user_id = $1 AND digest = $2 AND added_at > now() - $3::interval)
            """,
            user_id,
            digest,
            REMEMBERED,
        )
        return bool(found)

    async def add(self, user_id: UUID, digest: bytes) -> bool:
        """Stores a device; returns whether to notify the user."""
        row = await self.connection.fetchrow(
            """
            WITH before AS (
                SELECT count(*) AS devices,
                       count(*) FILTER (WHERE added_at > now() - $3::interval) AS lately
                  FROM auth.known_devices WHERE user_id = $1
            ), added AS (
                INSERT INTO auth.known_devices (user_id, digest)
                SELECT user_id, $2 FROM auth.credentials WHERE user_id = $1
                ON CONFLICT (user_id, digest) DO UPDATE SET added_at = now()
                 WHERE known_devices.added_at <= now() - $4::interval
                RETURNING digest
            ), gone AS (
                DELETE FROM auth.known_devices WHERE user_id = $1 AND digest IN (
                    SELECT digest FROM auth.known_devices WHERE user_id = $1
                     ORDER BY added_at DESC, digest OFFSET $5)
            )
            SELECT devices, lately, EXISTS (SELECT FROM added) AS is_new FROM before
            """,
            user_id,
            digest,
            NOTICES_WINDOW,
            REMEMBERED,
            DEVICES_MAX - 1,
        )
        assert row is not None  # noqa: S101 an aggregate always answers
        return bool(row["is_new"] and row["devices"] > 0 and row["lately"] <= NOTICES_MAX)

    async def keep_digest(self, user_id: UUID, known: bytes, digest: bytes) -> None:
        """Replaces the digest of a known device by one made with the current master key."""
        await self.connection.execute(
            """
            UPDATE auth.known_devices AS device SET digest = $3
             WHERE user_id = $1 AND digest = $2
               AND NOT EXISTS (SELECT FROM auth.known_devices WHERE user_id = $1 AND digest = $3)
            """,
            user_id,
            known,
            digest,
        )

    async def forget_all(self, user_id: UUID) -> None:
        """Deletes every device of a user."""
        await self.connection.execute("DELETE FROM auth.known_devices WHERE user_id = $1", user_id)
