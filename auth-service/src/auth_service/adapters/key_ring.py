"""The signing keys in memory: read from Postgres at start-up and again every so often."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import field

import structlog
from chassis.clock import Clock
from chassis.dataclass import dataclass
from chassis.errors import ServiceError, Unavailable
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import Gauge

from auth_service.adapters.master_key import MasterKey, public_key
from auth_service.domain.signing_key import RELOAD, KeyState, SigningKey, published, signing, state
from auth_service.domain.unit_of_work import UnitsOfWork

log = structlog.get_logger()

_AGE = Gauge("auth_signing_key_age_seconds", "How long the key that signs now has been active.")
_KEYS = Gauge("auth_signing_keys", "Keys of this process that are not retired.", ["state"])


@dataclass(slots=True)
class KeyRing:
    """Answers which key signs and which keys verify now. It never forgets keys because a reading failed."""

    units: UnitsOfWork
    master_key: MasterKey
    clock: Clock
    reload_seconds: float = RELOAD.total_seconds()
    _keys: Sequence[SigningKey] = ()
    _private: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)
    _public: dict[str, ec.EllipticCurvePublicKey] = field(default_factory=dict)

    async def load(self) -> None:
        """Reads the keys.

        Raises:
            MasterKeyMismatch: a key cannot be opened.
            Unavailable: Postgres is away.
        """
        async with self.units.statements() as unit:
            keys = await unit.signing_keys.all()
        for key in keys:
            if key.kid not in self._private:
                self._private[key.kid] = self.master_key.opened(key)
                self._public[key.kid] = public_key(key)
        gone = self._private.keys() - {key.kid for key in keys}
        self._keys = keys
        for kid in gone:
            del self._private[kid], self._public[kid]
        self._measure()

    async def keep_loaded(self) -> None:
        """Reads the keys again every `reload_seconds`, until cancelled."""
        while True:
            await asyncio.sleep(self.reload_seconds)
            try:
                await self.load()
            except ServiceError as error:
                log.warning("signing keys not reloaded; retrying", reason=error.reason)

    def signing(self) -> tuple[str, ec.EllipticCurvePrivateKey]:
        """Returns the name and the private half of the key that signs now.

        Raises:
            Unavailable: there is none yet.
        """
        key = signing(self._keys, self.clock.now())
        if key is None:
            raise Unavailable
        return key.kid, self._private[key.kid]

    def published(self) -> tuple[SigningKey, ...]:
        """Returns the keys that the JWKS shows now."""
        return published(self._keys, self.clock.now())

    def verifying(self) -> dict[str, ec.EllipticCurvePublicKey]:
        """Returns the public halves of the published keys, by `kid`."""
        return {key.kid: self._public[key.kid] for key in self.published()}

    def _measure(self) -> None:
        now = self.clock.now()
        states = Counter(state(key, self._keys, now) for key in self._keys)
        for each in (KeyState.PUBLISHED, KeyState.ACTIVE, KeyState.RETIRING):
            _KEYS.labels(each).set(states[each])
        active = signing(self._keys, now)
        if active is not None:
            _AGE.set((now - active.active_from).total_seconds())
