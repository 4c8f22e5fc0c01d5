"""The catalogs of messages: complete in every language, and chosen as browsers ask."""

import json
import re
from collections.abc import Iterator
from email.headerregistry import Address
from importlib.resources import files
from pathlib import Path

import pytest
from auth_service.adapters.mail.composer import Composer
from auth_service.domain import errors, password
from auth_service.domain.mail import MailKind, OutgoingMail
from auth_service.languages import catalog
from auth_service.languages.catalog import catalogs, choose
from auth_service.pages.documents import Documents
from auth_service.pages.files import PageFiles
from chassis.clock import SystemClock
from chassis.grpc.value_checks import HIDDEN, NUL, REQUIRED
from chassis.http import destinations
from chassis.ids import uuid7
from user_service.domain import undelivered
from user_service.domain.errors import TooManyWebhooks

LANGUAGES = sorted(catalogs())


def test_what_the_api_says_of_fields_is_translated() -> None:
    """It is an English sentence, which pages look up with `{n}` for its number."""
    said = [
        REQUIRED,
        HIDDEN,
        NUL,
        destinations.NO_URL,
        destinations.NOT_HTTPS,
        destinations.MALFORMED,
        destinations.INSIDE,
        errors.CredentialChanged.message,
        errors.PasskeyRegistered.message,
        errors.SecondFactorOn.message,
        errors.TooManyApiKeys.message,
        errors.TooManyPasskeys.message,
        TooManyWebhooks.message,
        password.TOO_SHORT,
        password.TOO_LONG,
        password.TOO_PERSONAL,
        password.BREACHED,
        password.TOO_WEAK,
    ]
    known = catalogs()["de"].below("script.rules.")

    assert {re.sub(r"\d+", "{n}", each) for each in said} <= known.keys()


def test_why_webhook_messages_did_not_arrive_is_translated() -> None:
    """Admins read it beside each delivery."""
    sentences = [
        value for name, value in vars(undelivered).items() if name.isupper() and "{fault}" not in value
    ]
    refused = [destinations.NO_URL, destinations.NOT_HTTPS, destinations.MALFORMED, destinations.INSIDE]
    sentences += [undelivered.URL_REFUSED.format(fault=fault) for fault in refused]

    assert set(sentences) == catalogs()["de"].below("script.undelivered.").keys()


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "de", "de"),
        ("", "de-AT,de;q=0.9,en;q=0.8", "de"),
        ("", "en;q=0.5, de;q=0.7", "de"),
        ("", "fr, tlh;q=0.9, de;q=0.1", "de"),
        ("", "de;q=0, fr", "en"),
        ("", "de;q=x", "en"),
        ("", "*", "en"),
        ("", "," * 100_000, "en"),
        ("en", "de", "en"),
        ("fr", "de", "de"),
        ("../secrets", "", "en"),
    ],
)
def test_the_language_is_the_users(chosen: str, accepted: str, language: str) -> None:
    """What was chosen on a page wins, then the browser's preference."""
    assert choose(chosen, accepted).language == language


def test_files_have_a_version_of_them_all() -> None:
    """And each script's imports are found, so that none waits for another."""
    loaded = PageFiles.load()

    assert re.fullmatch(r"[0-9a-f]{16}", loaded.version)
    for name, content in loaded.contents.items():
        if name.endswith(".js"):
            mentioned = set(re.findall(r'from "\./([\w-]+\.js)"', content.decode()))
            assert mentioned <= set(loaded.imported(name)), name


FRENCH = """
language = "Français"
[signin]
title = "Se connecter"
[script]
show = "Montrer"
[mail.password_reset]
subject = "Choisissez un nouveau mot de passe"
"""


@pytest.fixture(name="french")
def _french(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A third catalog beside the others, with a few messages."""
    for language in LANGUAGES:
        text = files("auth_service.languages").joinpath(f"{language}.toml").read_bytes()
        (tmp_path / f"{language}.toml").write_bytes(text)
    (tmp_path / "fr.toml").write_text(FRENCH, encoding="utf-8")
    monkeypatch.setattr(catalog, "files", lambda package: tmp_path)
    catalogs.cache_clear()
    yield
    catalogs.cache_clear()


@pytest.mark.usefixtures("french")
def test_a_file_adds_a_language() -> None:
    """To pages, their scripts and mails; what it lacks is in English."""
    loaded = PageFiles.load()
    page = Documents("Vestibule", loaded).page("signin", choose("", "fr-CA,en;q=0.5")).data.decode()
    messages = json.loads(loaded.contents["messages-fr.json"])
    mail = OutgoingMail(
        id=uuid7(), kind=MailKind.PASSWORD_RESET, to="ada@example.com", token="x", accept_language="fr"
    )
    sender = Address("Vestibule", addr_spec="id@example.com")
    written = Composer(sender, "https://id.example", SystemClock(), "en")(mail)

    assert '<html lang="fr">' in page
    assert "Se connecter" in page
    assert "Forgot your password?" in page
    assert "Français" in page
    assert (messages["show"], messages["hide"]) == ("Montrer", "Hide")
    assert written["Subject"] == "Choisissez un nouveau mot de passe"
