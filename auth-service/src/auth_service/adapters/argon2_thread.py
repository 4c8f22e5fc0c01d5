"""Argon2 in the calling thread alone, whatever the parallelism of the hash.

The library's other functions start a thread for each lane. Those would use more than the core that a job of
the hashing pool has, and their time would not be counted as the job's. It is loaded for the first such hash:
only imported users have one.
"""

from chassis.dataclass import dataclass

FIRST_VERSION = 16
"""That of hashes which do not name theirs."""

_SALT_BYTES_MIN = 8
_KIB_PER_LANE_MIN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2:
    """Argon2 with its parameters.

    Attributes:
        kind: `d`, `i` or `id`.
        lanes: The parallelism; it changes the hash even where nothing runs in parallel.
    """

    kind: str
    version: int
    kib: int
    passes: int
    lanes: int

    def takes(self, salt: bytes) -> bool:
        """Whether the parameters and the salt are such as Argon2 accepts."""
        return (
            self.passes >= 1
            and self.lanes >= 1
            and self.kib >= _KIB_PER_LANE_MIN * self.lanes
            and len(salt) >= _SALT_BYTES_MIN
        )

    def hash(self, password: bytes, salt: bytes, size: int) -> bytes:
        """Returns the hash of a password, `size` bytes long.

        Raises:
            ValueError: the parameters are not Argon2's.
        """
        from argon2.low_level import Type, core, error_to_str, ffi  # noqa: PLC0415 - the first time

        out, pwd, salted = (ffi.new("uint8_t[]", each) for each in (size, password, salt))
        context = {
            "version": self.version,
            "m_cost": self.kib,
            "t_cost": self.passes,
            "lanes": self.lanes,
            "threads": 1,
            "pwd": pwd,
            "pwdlen": len(password),
            "salt": salted,
            "saltlen": len(salt),
            "out": out,
            "outlen": size,
        }
        code = core(ffi.new("argon2_context *", context), Type[self.kind.upper()].value)
        if code:
            raise ValueError(error_to_str(code))
        return bytes(ffi.buffer(out, size))
