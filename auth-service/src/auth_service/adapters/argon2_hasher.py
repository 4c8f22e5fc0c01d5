"""Argon2id behind `PasswordHasher`: by libsodium, in a bounded pool, with a decoy for unknown accounts.

libsodium fills the memory with the widest vectors that the processor has, in half the time of argon2-cffi
where that is AVX-512.

Hashes of imported users are verified as the system made them that they come from (`foreign_hashes`).
They take another time than ours. Once one was verified, every wrong password waits until it has taken as long
as the slowest hash, so that the time does not reveal whether an account exists and was imported.
"""

import asyncio
import base64
import secrets
import time

from nacl.bindings.crypto_pwhash import (
    crypto_pwhash_ALG_ARGON2ID13,
    crypto_pwhash_str_alg,
    crypto_pwhash_str_verify,
)
from nacl.exceptions import InvalidkeyError

from auth_service.adapters import foreign_hashes
from auth_service.adapters.hashing_pool import HashingPool
from auth_service.domain.password import prepared

MEMORY_KIB = 19_456
TIME_COST = 2
_HASH_BYTES = 32
_SALT_BYTES = 16
_TRUST_IN_LAST = 0.1
"""Weight of the last job in the averages by which a wait follows how busy the machine is."""

_STRETCH_MAX = 4.0
"""How far it follows: calls have a deadline."""


class Argon2Hasher:
    """Hashes and verifies passwords with one set of parameters.

    The decoy is random bytes in the form of a hash at the same parameters, so that verifying against it
    takes as long as against a real one made today.
    """

    def __init__(
        self, pool: HashingPool, *, memory_kib: int = MEMORY_KIB, time_cost: int = TIME_COST
    ) -> None:
        self._pool = pool
        self._memory_bytes = memory_kib * 1024
        self._time_cost = time_cost
        # libsodium's: version 19, one lane.
        self._parameters = f"$argon2id$v=19$m={memory_kib},t={time_cost},p=1$"
        self._decoy = f"{self._parameters}{_random_text(_SALT_BYTES)}${_random_text(_HASH_BYTES)}"
        self._slowest_seconds = 0.0
        # Of the last jobs on average: a busy machine makes them take longer than they work.
        self._worked = self._passed = 0.001

    def admit(self) -> None:
        """Returns when there is room for another password at this moment.

        Raises:
            HashingOverloaded: too many passwords wait already.
        """
        self._pool.admit()

    async def hash(self, password: str) -> str:
        """Returns a salted hash in PHC string format.

        Raises:
            HashingOverloaded: too many passwords wait already.
        """
        return await self._pool.run(self._hash, prepared(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Says whether it is the password; None costs the same time and is never right.

        Raises:
            HashingOverloaded: too many passwords wait already.
        """
        matches, seconds = await self._pool.run(self._matches, password_hash or self._decoy, password)
        if matches and password_hash is not None:
            return True
        stretch = min(self._passed / self._worked, _STRETCH_MAX)
        await asyncio.sleep((self._slowest_seconds - seconds) * stretch)
        return False

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's, or is of another length."""
        return not password_hash.startswith(self._parameters) or len(password_hash) != len(self._decoy)

    def _hash(self, password: str) -> str:
        made = crypto_pwhash_str_alg(
            password.encode(), self._time_cost, self._memory_bytes, crypto_pwhash_ALG_ARGON2ID13
        )
        return made.decode()

    def _matches(self, password_hash: str, password: str) -> tuple[bool, float]:
        """Returns whether it is the password, and the processor time that this took."""
        is_outdated = self.is_outdated(password_hash)
        if is_outdated and not self._slowest_seconds:
            self._slowest_seconds = self._own_seconds(password)
        began, started = time.perf_counter(), time.thread_time()
        if is_outdated:
            # Other systems hash passwords as typed, this one in its prepared form.
            forms = dict.fromkeys((password, prepared(password)))
            matches = any(foreign_hashes.matches(password_hash, form.encode()) for form in forms)
            seconds = time.thread_time() - started
            self._slowest_seconds = max(self._slowest_seconds, seconds)
        else:
            matches = self._matches_own(password_hash, password)
            seconds = time.thread_time() - started
        self._worked += _TRUST_IN_LAST * (seconds - self._worked)
        self._passed += _TRUST_IN_LAST * (time.perf_counter() - began - self._passed)
        return matches, seconds

    def _own_seconds(self, password: str) -> float:
        started = time.thread_time()
        self._matches_own(self._decoy, password)
        return time.thread_time() - started

    def _matches_own(self, password_hash: str, password: str) -> bool:
        try:
            return crypto_pwhash_str_verify(password_hash.encode(), prepared(password).encode())
        except InvalidkeyError:
            return False


def _random_text(length: int) -> str:
    """Returns random bytes as Argon2's format writes them."""
    return base64.b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()
