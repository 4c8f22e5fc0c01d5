"""knowledge-service and voice-service on a real cluster, beside the four that always run."""

import time
import urllib.error
from collections.abc import Iterator

import pytest
from chassis.ids import uuid7

from tests.cluster.calls import call, join, sign_in, unharmed
from tests.cluster.conftest import (
    RELEASE,
    SERVICES,
    check_memory,
    get,
    helm,
    note,
    run,
    settle,
    upgrade,
)
from tests.cluster.load import RATE, clients
from tests.cluster.test_network_policies import LISTEN, check_arrows

pytestmark = pytest.mark.usefixtures("optional_services")

ALL = (*SERVICES, "knowledge-service", "voice-service")
SPEECH = "speech.backends:8080"
"""It listens and answers nothing: what voice-service does with speech needs no cluster to be tested."""
BACKENDS = '[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"backends"}}}]'
TEXT = "Grapefruit juice raises the level of warfarin in the blood."


@pytest.fixture(name="optional_services", scope="module")
def _optional_services(release: str) -> Iterator[None]:
    """Both are on, with the index of Postgres and a backend of speech that does not answer."""
    in_backends = ("kubectl", "--namespace", "backends")
    containers = get("deployment", f"{release}-gateway")["spec"]["template"]["spec"]["containers"]
    run(
        *in_backends, "create", "deployment", "speech", f"--image={containers[0]['image']}", "--port=8080",
        "--", "python", "-c", LISTEN, "8080",
    )  # fmt: skip
    run(*in_backends, "expose", "deployment", "speech", "--port=8080")
    try:
        started = time.monotonic()
        upgrade(
            "services.knowledge-service.enabled=true",
            "services.voice-service.enabled=true",
            *(f"voice.{role}.url=http://{SPEECH}/v1" for role in ("transcriber", "synthesizer")),
            *(f"voice.{role}.model=some-model" for role in ("transcriber", "synthesizer")),
            options=("--set-json", f"networkPolicy.speech={BACKENDS}"),
        )
        tested = helm("test", RELEASE)
        note(
            "knowledge-service and voice-service added",
            f"{time.monotonic() - started:.0f} s until helm test passed",
        )
        assert "Phase:          Succeeded" in tested
        settle(ALL)
        yield
    finally:
        run(*in_backends, "delete", "deployment/speech", "service/speech")
        upgrade()


def test_documents_are_found(url: str) -> None:
    """By their words, in the index of Postgres, from the moment that the upload is answered."""
    token = sign_in(url, join(url))
    document = f"/api/knowledge/documents/{uuid7()}"

    put = call(url, "PUT", document, {"title": "Warfarin", "text": TEXT}, token=token)["data"]
    assert put["index_state"] == "complete"
    asked = {"query": "warfarin and grapefruit"}
    (passage,) = call(url, "POST", "/api/knowledge/search", asked, token=token)["data"]["passages"]

    assert passage["text"] == TEXT


def test_speech_is_given_up_when_its_backend_says_nothing(url: str) -> None:
    """The call arrives at voice-service, which waits for its backend no longer than it may."""
    token = sign_in(url, join(url))

    with pytest.raises(urllib.error.HTTPError, match="504"):
        call(url, "POST", "/api/voice/speak", {"text": "Good morning."}, token=token)


def test_arrows_are_those_of_the_architecture() -> None:
    """Those of both services work, and no others."""
    check_arrows(ALL, voice_service=SPEECH)


def test_memory_is_what_was_asked_for(url: str) -> None:
    """While documents are put and searched beside the other requests."""
    token = sign_in(url, join(url))
    with clients(url) as tally:
        until_then = time.monotonic() + max(60, 600 / RATE)
        while time.monotonic() < until_then:
            body = {"title": "Warfarin", "text": f"{TEXT}\n\n" * 50}
            call(url, "PUT", f"/api/knowledge/documents/{uuid7()}", body, token=token)
            call(url, "POST", "/api/knowledge/search", {"query": "grapefruit"}, token=token)
            time.sleep(0.5)
        check_memory(ALL)
    unharmed("knowledge-service and voice-service on", tally)
