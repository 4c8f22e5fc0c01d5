"""The metrics of every service: all that docs/metrics.md lists, with values that follow the work."""

import re

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tests.system.client import Client, User
from tests.system.running_system import System
from tests.tidy.metrics_page import declarations
from tests.waiting import wait_for

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
SERVICES = ("gateway", "auth-service", "user-service", "health-aggregator")
_NOT_OURS = re.compile("process_|python_")


class Metrics:
    """The metrics of one service, read once."""

    def __init__(self, system: System, service: str) -> None:
        answer = httpx.get(f"http://{system.http(service)}/metrics", timeout=20)
        assert answer.status_code == 200, answer.text
        families = list(text_string_to_metric_families(answer.text))
        self.families = {family.name + "_total" * (family.type == "counter") for family in families}
        self._samples = [sample for family in families for sample in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        """Returns the sum of a metric's samples with these labels; 0 before the first."""
        assert name in self.families or name.removesuffix("_count") in self.families, name
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_has_the_metrics_of_the_page(system: System, service: str) -> None:
    """The column `service` of docs/metrics.md is true, and there is no metric that the page does not list."""
    names = {name for name in Metrics(system, service).families if not _NOT_OURS.match(name)}

    assert names == {each.name for each in declarations() if service in each.services}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_what_it_is(system: System, service: str) -> None:
    """Version, commit and interpreter of each program."""
    assert Metrics(system, service).sum("vestibule_build_info", service=service) == 1


def test_the_gateway_counts_by_route_template(system: System, client: Client, ada: User) -> None:
    """Rate, errors and duration by route template; hits of the near cache."""
    route, lookups = {"route": "/api/users/{user_id}", "method": "GET"}, "gateway_cache_lookups_total"
    client.get(f"/api/users/{ada.id}", token=ada.access_token)
    before = Metrics(system, "gateway")

    def read() -> Metrics | None:
        """Reads by both routes; returns the metrics unless the sign-in's event dropped the copy meanwhile."""
        client.get(f"/api/users/{ada.id}", token=ada.access_token)
        client.get("/api/users/me", token=ada.access_token)
        client.get("/api/users/me", token=ada.access_token)
        metrics = Metrics(system, "gateway")
        has_hit = metrics.sum(lookups, outcome="hit") > before.sum(lookups, outcome="hit")
        return metrics if has_hit and metrics.sum("gateway_cache_entries") >= 1 else None

    after = wait_for(read)

    for name in ("http_server_requests_total", "http_server_request_duration_seconds_count"):
        assert after.sum(name, **route) >= before.sum(name, **route) + 1
    assert after.sum("http_server_active_requests") >= 1
    assert after.sum("gateway_breaker_open", upstream="vestibule.auth.v1") == 0


def test_signing_up_moves_what_it_passes(system: System, client: Client) -> None:
    """RPCs, hashing, the pool, both outboxes, consumers, tails and mails."""
    before = {service: Metrics(system, service) for service in SERVICES}
    user = client.join()
    assert client.post("/api/auth/logout", token=user.access_token).status == 204
    still = [
        ("auth-service", "grpc_server_handled_total", {"method": "Register", "code": "OK"}),
        ("auth-service", "grpc_server_handling_seconds_count", {"method": "Login"}),
        ("auth-service", "auth_hashing_work_seconds_count", {}),
        ("auth-service", "auth_hashing_wait_seconds_count", {}),
        ("auth-service", "postgres_pool_wait_seconds_count", {}),
        ("auth-service", "outbox_published_total", {}),
        ("auth-service", "outbox_latency_seconds_count", {}),
        ("auth-service", "mails_total", {}),
        ("user-service", "grpc_server_handled_total", {"method": "AdmitUser", "code": "OK"}),
        ("user-service", "postgres_pool_wait_seconds_count", {}),
        ("user-service", "outbox_published_total", {}),
        ("user-service", "events_handled_total", {"type": "registration_started"}),
        ("user-service", "events_tail_lag_seconds_count", {}),
        ("gateway", "events_tail_lag_seconds_count", {}),
        ("gateway", "tokens_verified_total", {"outcome": "good"}),
        ("health-aggregator", "health_checks_total", {"component": "gateway"}),
    ]

    def all_moved() -> bool:
        now = {service: Metrics(system, service) for service in {service for service, _, _ in still}}
        still[:] = [
            (service, name, labels)
            for service, name, labels in still
            if now[service].sum(name, **labels) <= before[service].sum(name, **labels)
        ]
        return not still

    wait_for(all_moved)


def test_states(system: System, client: Client) -> None:
    """Keys and their age, leaders, freshness: gauges with a value from the start."""
    user = client.join()
    client.post("/api/auth/logout", token=user.access_token)
    auth, gateway = Metrics(system, "auth-service"), Metrics(system, "gateway")

    assert auth.sum("auth_signing_keys", state="active") == 1
    assert auth.sum("auth_signing_key_age_seconds") > 0
    assert auth.sum("auth_hashing_workers") >= 1
    assert auth.sum("outbox_relay_leading") == 1
    assert auth.sum("postgres_pool_connections_max") >= auth.sum("postgres_pool_connections", state="open")
    assert gateway.sum("verification_keys") >= 1
    assert gateway.sum("verification_keys_age_seconds") < 600
    assert gateway.sum("revocations_in_force") >= 1
    assert gateway.sum("events_tail_silent_seconds") < 30


def test_openmetrics_on_request(system: System) -> None:
    """Exemplars need that format; it is well formed for each service."""
    for service in SERVICES:
        answer = httpx.get(
            f"http://{system.http(service)}/metrics", headers={"Accept": OPENMETRICS}, timeout=20
        )
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert list(parse_openmetrics(answer.text))  # type: ignore[no-untyped-call]
