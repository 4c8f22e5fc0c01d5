"""One trace from the request to the last consumer, as an OTLP collector receives it."""

import os

import pytest

from tests.collector import Collector, Span
from tests.system.client import PASSWORD, Client, new_email
from tests.system.running_system import System

DELIVERED = {
    "auth-service: publish registration_started",
    "user-service: process registration_started",
    "user-service: publish user_changed",
    "auth-service: process user_changed",
    "auth-service: deliver email_verification",
    "gateway: handle user_changed",
}


def new_traceparent(*, recorded: bool = True) -> str:
    """Returns a trace context as a client sends it."""
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-{'01' if recorded else '00'}"


def labels(spans: list[Span]) -> set[str]:
    """Returns the spans of a trace."""
    return {f"{span.service}: {span.name}" for span in spans}


def test_a_registration_is_one_trace(collector: Collector, client: Client) -> None:
    """From HTTP through gRPC to SQL, both ways of delivery and the consumers, each below its cause."""
    traceparent = new_traceparent()
    user = {"email": new_email(), "password": PASSWORD, "full_name": "Ada Lovelace"}
    answer = client.post("/api/auth/register", json=user, headers={"traceparent": traceparent})
    assert answer.status == 201, answer.text
    root = collector.tree(traceparent[3:35], "gateway: POST /api/auth/register", *DELIVERED)
    print(root.drawn())  # noqa: T201 docs/tracing.md shows it

    assert (root.label, root.span.kind) == ("gateway: POST /api/auth/register", "SERVER")
    assert root.span.parent_id == traceparent[36:52]
    assert root.span.attributes["http.response.status_code"] == 201
    call = root.find("gateway: vestibule.auth.v1.AuthService/Register")
    served = call.find("auth-service: vestibule.auth.v1.AuthService/Register")
    assert (call.span.kind, served.span.kind) == ("CLIENT", "SERVER")
    hashed = served.find("auth-service: thread hash")
    pending = served.find("auth-service: INSERT auth.credentials")
    admit = served.find("auth-service: vestibule.users.v1.DirectoryService/AdmitUser")
    admitted = admit.find("user-service: vestibule.users.v1.DirectoryService/AdmitUser")
    user_row = admitted.find("user-service: INSERT users.users")
    assert hashed.span.started_ns < pending.span.started_ns < admit.span.started_ns
    assert pending.span.ended_ns <= user_row.span.started_ns
    for branch, of in ((served, "auth-service"), (admitted, "user-service")):
        assert branch.find(f"{of}: COMMIT").span.kind == "CLIENT"
    # A published event's span is below the write of its outbox row, and its consumer's span links to it. The
    # user's row was written by the call or by the consumer of the registration, whichever was first.
    for writer, published, consumed in (
        (served, "auth-service: publish registration_started", "user-service: process registration_started"),
        (root, "user-service: publish user_changed", "auth-service: process user_changed"),
    ):
        delivery, consumer = writer.find(published), writer.find(consumed)
        assert (delivery.span.kind, consumer.span.kind) == ("PRODUCER", "CONSUMER")
        assert delivery.find(f"{delivery.span.service}: XADD").span.ended_ns == delivery.span.ended_ns
        assert consumer.span.links == (consumer.span.parent_id,)
        assert (
            delivery.span.attributes["messaging.message.id"]
            == consumer.span.attributes["messaging.message.id"]
        )
    mailed = root.find("auth-service: deliver email_verification")
    assert (mailed.span.kind, mailed.span.links) == ("CLIENT", (mailed.span.parent_id,))


def test_statements_have_no_values(collector: Collector, client: Client) -> None:
    """SQL has its placeholders, and no attribute has a value of the request."""
    traceparent, user = new_traceparent(), client.join(full_name="Grace Canary Hopper")
    answer = client.put(
        "/api/users/me",
        json={"full_name": "Grace Canary Murray"},
        token=user.access_token,
        headers={"traceparent": traceparent},
    )
    assert answer.status == 200
    spans = collector.wait_for(
        traceparent[3:35], lambda spans: "user-service: UPDATE users.users" in labels(spans)
    )
    (statement,) = [span for span in spans if span.name == "UPDATE users.users"]

    assert "$1" in statement.attributes["db.query.text"]
    for secret in ("Canary", user.email, user.access_token):
        assert not [span for span in spans if secret in span.text]


@pytest.mark.nightly
def test_a_failure_is_recorded_though_its_trace_is_not(
    collector: Collector, client: Client, system: System
) -> None:
    """The gateway's request and the failed call below it have spans; successful calls have none."""
    fine, failing = new_traceparent(recorded=False), new_traceparent(recorded=False)
    user = client.join()
    with system.without("user-service"):
        answer = client.get("/api/users/me/export", token=user.access_token, headers={"traceparent": failing})
        assert answer.status == 503
    client.get("/api/users/me", token=user.access_token, headers={"traceparent": fine})
    root = collector.tree(failing[3:35], "gateway: GET /api/users/me/export")

    assert (root.label, root.span.is_error) == ("gateway: GET /api/users/me/export", True)
    assert (root.span.parent_id, root.span.attributes["http.response.status_code"]) == (failing[36:52], 503)
    calls = [branch.span for branch in root.below if branch.span.kind == "CLIENT" and branch.span.is_error]
    assert calls
    assert all(root.span.started_ns <= call.started_ns <= call.ended_ns for call in calls)
    assert collector.of(fine[3:35]) == []


def test_a_revocation_is_recorded_in_every_process(collector: Collector, client: Client) -> None:
    """Each process that verifies tokens has a span below what revoked them, and linked to it."""
    traceparent, user = new_traceparent(), client.join()
    learned = {f"{service}: handle tokens_revoked" for service in ("gateway", "user-service")}
    headers = {"traceparent": traceparent}
    assert client.post("/api/auth/logout", token=user.access_token, headers=headers).status == 204
    root = collector.tree(traceparent[3:35], "gateway: POST /api/auth/logout", *learned)

    revoking = root.find("auth-service: vestibule.auth.v1.AuthService/Logout")
    for label in learned:
        taken = revoking.find(label)
        assert (taken.span.kind, taken.span.links) == ("CONSUMER", (taken.span.parent_id,))


def test_redis_commands_are_in_the_trace(collector: Collector, system: System) -> None:
    """The span of a Redis call has the command and no key, which contains the client's address."""
    traceparent = new_traceparent()
    settings = {"GATEWAY_RATE_LIMITS": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
    with system.gateway(**settings) as url, Client(url) as client:
        client.post(
            "/api/auth/password/forgot", json={"email": new_email()}, headers={"traceparent": traceparent}
        )
        root = collector.tree(traceparent[3:35], "gateway: POST /api/auth/password/forgot")

    assert root.find("gateway: EVALSHA").span.kind == "CLIENT"
    assert "127.0.0.1" not in root.find("gateway: EVALSHA").span.text


@pytest.mark.nightly
def test_only_trusted_proxies_bring_traces(collector: Collector, system: System) -> None:
    """Where proxies are configured, the trace context of other clients is ignored and a new trace begins."""
    stranger, proxied = new_traceparent(), new_traceparent()
    settings = {
        "GATEWAY_TRUSTED_PROXIES": "127.0.0.2/32",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "TRACE_RATIO": "1",
    }
    with system.gateway(**settings) as url, Client(url) as client:
        request_id = client.get("/api/health", headers={"traceparent": stranger}).headers["x-request-id"]
        (ours,) = _until_one(collector, request_id)
    with (
        system.gateway(**settings | {"GATEWAY_TRUSTED_PROXIES": "127.0.0.1/32"}) as url,
        Client(url) as client,
    ):
        client.get("/api/health", headers={"traceparent": proxied})
        assert collector.wait_for(proxied[3:35], bool)

    assert ours.trace_id != stranger[3:35]
    assert ours.parent_id == ""
    assert collector.of(stranger[3:35]) == []


def _until_one(collector: Collector, request_id: str) -> list[Span]:
    def found() -> list[Span]:
        return [span for span in collector.spans if span.attributes.get("vestibule.request_id") == request_id]

    collector.wait_until(lambda: bool(found()))
    return found()
