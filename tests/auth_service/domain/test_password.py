"""What a new password must be like."""

import time

import pytest
from auth_service.adapters.zxcvbn_strength import ZxcvbnStrength
from auth_service.domain.errors import WeakPassword
from auth_service.domain.password import (
    TOO_PERSONAL,
    TOO_SHORT,
    PasswordPolicy,
    is_personal,
    personal_terms,
    prepared,
    without_personal,
)

EMAIL = "ada.lovelace@analytical-engines.example"
NAME = "Ada Lovelace"


async def _why(password: str) -> str | None:
    async with ZxcvbnStrength() as strength:
        try:
            await PasswordPolicy(strength).check("password", password, email=EMAIL, full_name=NAME)
        except WeakPassword as error:
            return error.field_errors[0].message
    return None


@pytest.mark.parametrize(
    "password",
    [
        "correct-horse-battery",
        "Tr0ub4dor&3 rode a llama",
        "\u05d9\u05e8\u05d7 \u05d0\u05d9\u05ea\u05df \u05e4\u05e8\u05d7 \u05db\u05d7\u05d5\u05dc",
        "zq7!kvw2#mxd",
        "q" + "7Kd!w9_Zr" * 14,
        "lovelace-but-then-six-purple-walruses",
    ],
)
async def test_strong_passwords_of_any_script_will_do(password: str) -> None:
    """A name in one does no harm where the rest is strong by itself."""
    assert await _why(password) is None


@pytest.mark.parametrize("password", ["short", "", "1234567"])
async def test_short_passwords_are_refused(password: str) -> None:
    """Fewer than eight code points."""
    assert await _why(password) == TOO_SHORT


@pytest.mark.parametrize("password", ["password", "12345678", "qwertyuiop", "aaaaaaaaaaaa", "letmein2024"])
async def test_guessable_passwords_are_refused_with_advice(password: str) -> None:
    """The advice is a sentence for the user."""
    why = await _why(password)

    assert why
    assert why not in (TOO_SHORT, TOO_PERSONAL)


@pytest.mark.parametrize(
    "password",
    [
        EMAIL,
        EMAIL.upper(),
        "Ada.Lovelace",
        "LOVELACE",
        "ada lovelace",
        "analytical-engines",
        "adaLovelace1815",
        "xAda.Lovelacex",
        "lovelace lovelace",
        "\uff21da Lovelace!",
        "ecalevol ada",
    ],
)
async def test_what_is_built_around_the_user_is_refused(password: str) -> None:
    """Equal to, part of, or decorating e-mail address or name."""
    assert await _why(password) is not None


def test_one_password_typed_on_two_keyboards_is_one() -> None:
    """RFC 8265: composition and kinds of space make no difference; width does."""
    assert prepared("caf\u00e9 cr\u00e8me") == prepared("cafe\u0301\u00a0cre\u0300me")
    assert prepared("\uff21bc") != prepared("Abc")


def test_personal_terms_take_no_time_whatever_the_name() -> None:
    """They are looked for on the event loop: the longest names, addresses and passwords, at their worst."""
    widest, marks = "\ufdfa", "".join(chr(code) for code in range(0x315, 0x2FF, -1))
    worst = 0.0
    for name in (widest * 255, "abc " * 63, "e" + (marks * 13)[:254], "a" * 255, "ab" * 127):
        for local in (".".join(["abc"] * 16), "a" * 64, "-".join("a" * 32)):
            for password in (widest * 128, "a" * 128, "e" + (marks * 6)[:127], "ab" * 64, "abc" * 42):
                took = []
                for _ in range(3):
                    before = time.process_time()
                    terms = personal_terms(f"{local}@{'a' * 60}.example", name)
                    is_personal(password, terms)
                    without_personal(password, terms)
                    took.append(time.process_time() - before)
                worst = max(worst, min(took))

    assert worst < 0.05, "usually 0.01"
