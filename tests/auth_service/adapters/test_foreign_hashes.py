"""Hashes of other systems' libraries: verified, bounded, and replaced at the next sign-in."""

import base64
import time

import bcrypt
import pytest
from argon2 import PasswordHasher, Type
from auth_service.adapters import foreign_hashes
from auth_service.adapters.argon2_hasher import Argon2Hasher
from auth_service.adapters.hashing_pool import HashingPool

PASSWORD = "Tr0ub4dor & 3 café"
HASHES = {
    "passlib's bcrypt-sha256": (
        "$bcrypt-sha256$v=2,t=2b,r=4$NgixAAVj5EUVByhZtWz4aO$/PClx62QQ5CaotpsN0csOvD7dw9.DVa"
    ),
    "passlib's bcrypt-sha256, version 1": (
        "$bcrypt-sha256$2b,4$tXZSwgGlKclsEDmZXF7cDu$p6tHa9GY3OBgNxmz7jL1Qd7G62znEAG"
    ),
    "passlib's pbkdf2-sha256": (
        "$pbkdf2-sha256$1000$m9PaO.ec834PISSk1Nr7Pw$JBfNdpWZJdmoenwtN4aELcDO5CoSHmS2i0X1FPAuPsU"
    ),
    "passlib's pbkdf2-sha512": (
        "$pbkdf2-sha512$1000$R2itVeodw1iLUaoVIkQohQ$9gaz6nRQDXRAIwgfkHx3w"
        "hrTYtsALJ1GyIZeUn9sJyUf3L3hwmmbLWHBdnU4c2GTVHtoNGrHUV3XX.TeQaWIPg"
    ),
    "passlib's pbkdf2": "$pbkdf2$1000$KEUoxXgvZUzpnfPeG.N8Lw$EfWYTSws1q9VrntS55cLx4vLqvU",
    "passlib's scrypt": (
        "$scrypt$ln=10,r=8,p=1$2tubM4ZwrtUaI4QwZqx1rg$omJzfdl7Lg4LqIA920A/BY3Jecq9wo+QfdXzGlFLfq8"
    ),
    "bcrypt 2b": "$2b$04$4IiUeTid2t6g6NKjzF3UnOjKKaNOU6wl.f7O/kEFy5oQ28Hw2bF.m",
    "bcrypt 2a": "$2a$04$8kLLMRhOnuae/zmzYrfsj.AV4PasMsn65rzFV3k/SMjOI0ay.uHau",
    "bcrypt 2y": "$2y$04$kjC/AdhT8m7aPjWVD3FlsuowU9uLgIctkQ.xGTsDwRbc45suzg3PO",
    "Werkzeug's pbkdf2": (
        "pbkdf2:sha256:1000$Cl3U6CdpgiD1ZRnj$1887734e6a50f0cb55ca895f0837182b8b04ca24d926f465c3aeedd0d2d8063a"
    ),
    "Werkzeug's scrypt": (
        "scrypt:1024:8:1$Jznz7UoGNgsF4e2V$73d77a9c3ebb2c1ba70f452abde3edfd597b9ea1180bd62"
        "abfda786609d8a3ab1bae9d97d0506e7804c2cb6a66600fa9850ed57936d6e97e520dffc2f008b239"
    ),
    "Django's pbkdf2_sha256": (
        "pbkdf2_sha256$1000$hwtCczQwCaEEXauiQSgZFI$TuR5eu4QnQEyiA4yrfsbnRsuT4OT4SfCcI8EcEm6uYI="
    ),
    "Django's pbkdf2_sha1": "pbkdf2_sha1$1000$yw7qpvf6mbAmG5NHE5sdVm$phpbodXf2azd+Lrgm/7rlKDLuBQ=",
    "Django's scrypt": (
        "scrypt$16384$MyruYzAYaurOPdREOkiybd$8$5$ae1r7OuuCUve7UNfXRwUNenO"
        "srJXvWcIW4kSMHNISY0F5EdAhs+LzpFZkbLDBzrSwEEf47/crduEo903ZxJM/g=="
    ),
    "Django's bcrypt_sha256": "bcrypt_sha256$$2b$04$GPcQnWA8cSYmMaC4A9H0wemBVJ3HUDKps5kRJVEBPhOJxuNdYvFT2",
    "Django's bcrypt": "bcrypt$$2b$04$mpsSxKxKDCeNP.XBu1EP2ucUmKyOwoI83AHO7.PELjvdZMmwltOLO",
    "Argon2i": (
        "$argon2i$v=19$m=1024,t=2,p=2$h6LDdV5x+rFbUByakvdCpw$nxrNRu/CWROkUwGgdaGnQcfP2JWSEAaCzwrlwt18Lg8"
    ),
}
"""Of `PASSWORD`, as the libraries have written them: passlib 1.7, Django 5.2, Werkzeug 3.1, argon2-cffi."""


def _b64(size: int) -> str:
    return base64.b64encode(b"x" * size).decode().rstrip("=")


@pytest.mark.parametrize("name", HASHES)
async def test_the_password_of_another_system_verifies(name: str) -> None:
    """In the pool, like any other; afterwards it is hashed again."""
    async with HashingPool(workers=1, queue_per_worker=8) as pool:
        hasher = Argon2Hasher(pool)

        assert await hasher.verify(HASHES[name], PASSWORD)
        assert not await hasher.verify(HASHES[name], PASSWORD + "!")
        assert not await hasher.verify(HASHES[name], "")
        assert hasher.is_outdated(HASHES[name])
    assert foreign_hashes.fault(HASHES[name]) is None


@pytest.mark.parametrize("cost", [4, 11])
async def test_wrong_passwords_take_as_long_as_the_slowest_hash(cost: int) -> None:
    """For imported and unknown users, whether the other system's hash is faster or slower than ours."""
    imported = bcrypt.hashpw(b"another", bcrypt.gensalt(cost)).decode()
    async with HashingPool(workers=1, queue_per_worker=8) as pool:
        hasher = Argon2Hasher(pool)
        own = await hasher.hash("another")
        costs = []
        for known in (imported, own):
            started = time.process_time()
            assert await hasher.verify(known, "another")
            costs.append(time.process_time() - started)

        guessed: tuple[str | None, ...] = (imported, own, None)
        for wrong in guessed:
            started = time.monotonic()
            assert not await hasher.verify(wrong, "wrong")
            assert time.monotonic() - started > 0.7 * max(costs)


def test_argon2_keeps_to_its_thread() -> None:
    """Lanes in threads of their own would cost more cores than one, and time that nothing counts."""
    own_time, all_time = time.thread_time(), time.process_time()

    assert not foreign_hashes.matches(f"$argon2id$v=19$m=32768,t=3,p=64${_b64(16)}${_b64(32)}", b"wrong")
    assert time.thread_time() - own_time > 0.8 * (time.process_time() - all_time)


async def test_what_was_hashed_as_typed_verifies_as_typed() -> None:
    """This system composes accents before it hashes; the other one may not have done so."""
    typed = "cafe\u0301 au lait"
    known = bcrypt.hashpw(typed.encode(), bcrypt.gensalt(4)).decode()
    composed = bcrypt.hashpw("caf\u00e9 au lait".encode(), bcrypt.gensalt(4)).decode()
    async with HashingPool(workers=1, queue_per_worker=8) as pool:
        hasher = Argon2Hasher(pool)

        assert await hasher.verify(known, typed)
        assert await hasher.verify(composed, typed)
        assert not await hasher.verify(known, "cafe au lait")


async def test_bcrypt_reads_the_first_72_bytes() -> None:
    """As the libraries did that cut the rest off without a word; later ones refuse such passwords."""
    long = "a" * 71 + "bcd"
    known = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    async with HashingPool(workers=1, queue_per_worker=8) as pool:
        hasher = Argon2Hasher(pool)

        assert await hasher.verify(known, long)
        assert await hasher.verify(known, "a" * 71 + "bxx")
        assert not await hasher.verify(known, "a" * 71 + "c")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$2b$15$" + "a" * 53, "bcrypt's cost is 15, at most 14"),
        ("$bcrypt-sha256$v=2,t=2b,r=31$" + "a" * 22 + "$" + "a" * 31, "bcrypt's cost is 31, at most 14"),
        (f"$pbkdf2-sha256$2000001${_b64(16)}${_b64(32)}", "iterations is 2000001, at most 2000000"),
        (f"$pbkdf2-sha256$1000001${_b64(16)}${_b64(64)}", "iterations is 2000002, at most 2000000"),
        (f"$pbkdf2-sha1$999999999${_b64(16)}${_b64(20)}", "at most 2000000"),
        (
            f"$scrypt$ln=20,r=8,p=1${_b64(16)}${_b64(32)}",
            "scrypt's memory is 1073741824, at most 134217728 bytes",
        ),
        (f"$scrypt$ln=63,r=8,p=1${_b64(16)}${_b64(32)}", "scrypt's memory"),
        (f"$scrypt$ln=14,r=8,p=9999${_b64(16)}${_b64(32)}", "scrypt's N*r*p"),
        (f"$argon2id$v=19$m=4194304,t=1,p=1${_b64(16)}${_b64(32)}", "memory is 4194304, at most 131072 KiB"),
        (f"$argon2id$v=19$m=131072,t=4000000,p=1${_b64(16)}${_b64(32)}", "memory by passes"),
        (f"$argon2id$v=19$m=8388608,t=1,p=999999${_b64(16)}${_b64(32)}", "Argon2's memory"),
    ],
)
def test_an_absurd_cost_is_refused_without_computing_it(text: str, said: str) -> None:
    """Otherwise anyone who knows the address could keep the pool busy."""
    began = time.process_time()
    fault = foreign_hashes.fault(text)

    assert said in (fault or "")
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$6$rounds=5000$salt$" + "a" * 86,
        "$2x$10$" + "a" * 53,
        "$2b$03$" + "a" * 53,
        "$2b$4$" + "a" * 53,
        "bcrypt$$2b$9$" + "a" * 53,
        "bcrypt_sha256$$2b$4$" + "a" * 53,
        "$2b$10$" + "a" * 52,
        "$2b$10$" + "a" * 52 + "\u00e9",
        f"$pbkdf2-sha256$0${_b64(16)}${_b64(32)}",
        f"$pbkdf2-md5$1000${_b64(16)}${_b64(32)}",
        f"$pbkdf2-sha256$1000${_b64(16)}${_b64(4)}",
        f"$pbkdf2-sha256$1000${_b64(16)}$A",
        "pbkdf2:sha256:1000$salt$abc",
        f"$scrypt$ln=0,r=8,p=1${_b64(16)}${_b64(32)}",
        f"scrypt$1000$salt$8$1${_b64(32)}",
        "$argon2id$v=19$m=1024,t=2$nothing",
        f"$argon2id$v=19$m=1024,t=2,p=1${_b64(16)}$A",
        f"$argon2id$v=19$m=1024,t=2,p=1${_b64(4)}${_b64(32)}",
        f"$argon2id$v=19$m=1024,t=2,p=0${_b64(16)}${_b64(32)}",
        f"$argon2id$v=19$m=1024,t=2,p=129${_b64(16)}${_b64(32)}",
        f"$argon2id$v=99$m=1024,t=2,p=1${_b64(16)}${_b64(32)}",
        f"pbkdf2_sha256$1000$a\0b${_b64(32)}",
        "scrypt:1024:8:1$a\nb$" + "ab" * 32,
        "plain text",
        "",
    ],
)
async def test_what_is_no_hash_that_we_know_is_refused_and_never_matches(text: str) -> None:
    """The reason does not repeat it: it may be a password in plain text."""
    fault = foreign_hashes.fault(text)
    async with HashingPool(workers=1, queue_per_worker=8) as pool:
        matches = await Argon2Hasher(pool).verify(text or "nothing", text)

    assert fault
    assert len(text) < 10 or text not in fault
    assert not matches


async def test_a_lower_memory_setting_keeps_our_own_hashes() -> None:
    """What this system hashed with more memory than imports may have verifies all the same."""
    own = PasswordHasher(time_cost=1, memory_cost=140_000, parallelism=1, type=Type.ID).hash(PASSWORD)
    async with HashingPool(workers=1, queue_per_worker=8) as pool:
        assert await Argon2Hasher(pool).verify(own, PASSWORD)
