"""Which secrets the strict profile refuses."""

import base64
import random

import pytest
from chassis.secrets import is_local, weakness, weakness_of_url

STRONG = "Zq7-mW4tXc9_LpR2vN8sKd"


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("", "0 characters"),
        ("Zq7-mW4tXc9_LpR", "15 characters"),
        ("abababababababababababababababab", "2 different"),
        ("k" * 48, "1 different"),
        ("please-change-me-please-change-me", "well-known"),
        ("correct-horse-battery-staple", "well-known"),
        ("My-Password-for-the-database-1", "well-known"),
        ("1234567890-12345-abcdefgh", "well-known"),
        ("vestibule-vestibule-vestibule-42", "well-known"),
    ],
)
def test_weak_secrets(secret: str, words: str) -> None:
    """Short, typed, or known; the message does not reveal the secret."""
    said = weakness(secret)

    assert said is not None
    assert words in said
    assert not secret or secret not in said


def test_drawn_secrets_pass() -> None:
    """Whatever an operator's tool draws, in any of the usual alphabets."""
    source = random.Random(20261128)
    for _ in range(500):
        drawn = source.randbytes(32)
        assert weakness(base64.urlsafe_b64encode(drawn[:24]).decode()) is None
        assert weakness(drawn.hex()) is None
        assert weakness(base64.b64encode(drawn).decode()) is None


def test_a_drawn_secret_may_contain_a_run_of_digits() -> None:
    """One of 20,000 hexadecimal secrets does; the rest of it is as hard to guess as before."""
    assert weakness("432483321123457b2aec4fe91acdab9f07628905b1945dd28295a0c01a2e3d20") is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://me@db/x?sslmode=verify-full", "no password"),
        ("postgresql://me:short@db/x?sslmode=verify-full", "weak: it has 5 characters"),
        ("postgresql://me:short@127.0.0.1/x", "weak"),
        (f"postgresql://me:{STRONG}@db/x", "sslmode=verify-full"),
        (f"postgresql://me:{STRONG}@db/x?sslmode=require", "sslmode=verify-full"),
        (f"postgresql://me:{STRONG}@db/x?sslmode=verify-ca", "sslmode=verify-full"),
        (f"rediss://:{STRONG}@cache/0?ssl_check_hostname=false", "take ssl_check_hostname out"),
        (f"redis://:{STRONG}@cache:6379/0", "rediss://"),
        (f"valkey://:{STRONG}@cache:6379/0", "valkeys://"),
        (f"rediss://:{STRONG}@cache:6379/0?ssl_cert_reqs=none", "ssl_cert_reqs"),
        ("rediss://cache:6379/0", "no password"),
        ("valkeys://cache:6379/0", "no password"),
        (f"postgresql://me:{STRONG}@/x?host=db", "sslmode=verify-full"),
        ("smtp://mail:25", "smtps://"),
    ],
)
def test_weak_ways_to_a_server(url: str, words: str) -> None:
    """Without a password worth the name, or over a network without TLS."""
    said = weakness_of_url(url)

    assert said is not None
    assert words in said
    assert STRONG not in said


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{STRONG}@db/x?sslmode=verify-full&sslrootcert=/ca.crt",
        f"postgresql://me:{STRONG}@127.0.0.1:5432/x",
        f"postgresql://me:{STRONG}@/x?host=/run/postgresql",
        f"rediss://:{STRONG}@cache:6379/0",
        f"valkeys://:{STRONG}@cache:6379/0?ssl_ca_certs=/ca.crt",
        "redis://127.0.0.1:6379/0",
        "smtps://mail:465",
        "smtp+starttls://mail:587",
        "http://qdrant:6333",
    ],
)
def test_good_ways_to_a_server(url: str) -> None:
    """Nothing to complain of; this machine needs no TLS to speak to itself."""
    assert weakness_of_url(url) is None


def test_a_password_may_come_apart_from_its_url() -> None:
    """As the chart hands it over."""
    url = "postgresql://me@db/x?sslmode=verify-full"

    assert weakness_of_url(url, STRONG) is None
    assert "weak" in (weakness_of_url(url, "short") or "")


def test_what_is_local() -> None:
    """Loopback and sockets."""
    assert all(is_local(host) for host in (None, "", "localhost", "127.0.0.1", "::1", "/run/postgresql"))
    assert not any(is_local(host) for host in ("db", "10.0.0.1", "localhost.example.com"))
