"""A service's key, whom it trusts, and what is said when the files are not what they should be."""

from pathlib import Path

import pytest
from chassis.identity.service_keys import ServiceKeys, new_key_pair, open_service_keys
from chassis.settings import ServiceSettings
from chassis.startup_errors import StartupError
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.service_keys import service_keys


class Files:
    """The files of one service, and what its settings make of them."""

    def __init__(self, folder: Path) -> None:
        self.key, self.trust = folder / "own.key", folder / "trust"
        self.trust.mkdir()
        private, public = new_key_pair()
        self.key.write_bytes(private)
        (self.trust / "stock.pem").write_bytes(public)

    def open(self) -> ServiceKeys:
        """Opens them as the service `stock` does."""
        given = {
            "SERVICE_KEY_FILE": str(self.key),
            "SERVICE_TRUST_DIR": str(self.trust),
            "REDIS_URL": "redis://127.0.0.1:1/0",
        }
        return open_service_keys("stock", ServiceSettings.model_validate(given))


@pytest.fixture(name="files")
def _files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_one_signs_and_all_verify(files: Files) -> None:
    """A signature is its service's, for one purpose and those bytes."""
    keys = files.open()
    signature = keys.sign("event", b"bytes")

    assert keys.is_signed_by("stock", "event", b"bytes", signature)
    assert not keys.is_signed_by("stock", "heartbeat", b"bytes", signature)
    assert not keys.is_signed_by("stock", "event", b"other bytes", signature)
    assert not keys.is_signed_by("shop", "event", b"bytes", signature)
    assert not service_keys("gateway").is_signed_by("user-service", "event", b"bytes", signature)


@pytest.mark.parametrize("signature", [b"", b"\0", b"x" * 71, b"x" * 73, b"x" * 100_000])
def test_what_is_no_signature(files: Files, signature: bytes) -> None:
    """Rubbish of any length is refused without an exception."""
    assert not files.open().is_signed_by("stock", "event", b"bytes", signature)


def test_several_keys_in_one_file(files: Files) -> None:
    """The old and the new public key stand one after the other while a key is changed."""
    file = files.trust / "stock.pem"
    private, public = new_key_pair()
    file.write_bytes(public + b"# the old one\n" + file.read_bytes())
    before = files.open()
    files.key.write_bytes(private)
    after = files.open()

    for signer, verifier in ((before, after), (after, before)):
        assert verifier.is_signed_by("stock", "event", b"bytes", signer.sign("event", b"bytes"))


def _of_another_kind(files: Files) -> None:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (files.trust / "shop.pem").write_bytes(pem)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda files: files.key.unlink(), "SERVICE_KEY_FILE"),
        (lambda files: files.key.write_bytes(b"rubbish"), "is not a PEM file of an EC key on P-256"),
        (lambda files: files.key.write_bytes(new_key_pair()[0]), "does not hold the public half"),
        (lambda files: (files.trust / "stock.pem").unlink(), "has no <service>.pem"),
        (
            lambda files: (files.trust / "stock.pem").write_bytes(
                b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
            ),
            "stock.pem is not a PEM file",
        ),
        (_of_another_kind, "shop.pem is not a PEM file"),
    ],
)
def test_wrong_files_are_named(files: Files, spoil: object, said: str) -> None:
    """A service does not start with keys that would not work, and says which file it is."""
    assert callable(spoil)
    spoil(files)

    with pytest.raises(StartupError, match=said):
        files.open()
