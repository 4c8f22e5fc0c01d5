"""The proof that a call comes from the gateway, for contestants that stand in its place."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chassis.identity.service_keys import ServiceKeys
from chassis.identity.service_tokens import ServiceTokens
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

GATEWAY, USERS = "gateway", "user-service"
RENEW_SECONDS = 15.0
"""A token is good for a minute, and is minted again after half of one."""

SECRET = "proof"


def tokens(key_file: Path) -> ServiceTokens:
    """Returns what signs as the gateway, by its private key."""
    key = load_pem_private_key(key_file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return ServiceTokens(ServiceKeys(GATEWAY, key, {}))


@contextmanager
def kept_fresh(key_file: Path, file: Path) -> Iterator[None]:
    """Keeps a file with a token that is good, as Envoy reads secrets."""
    signing, over = tokens(key_file), threading.Event()

    def write() -> None:
        kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
        secret = {"secret": {"inline_string": signing.mint(USERS)}}
        new = file.with_suffix(".new")
        new.write_text(json.dumps({"resources": [{"@type": kind, "name": SECRET, "generic_secret": secret}]}))
        new.replace(file)

    def renew() -> None:
        while not over.wait(RENEW_SECONDS):
            write()

    write()
    thread = threading.Thread(target=renew)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
