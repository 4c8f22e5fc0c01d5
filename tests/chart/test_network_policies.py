"""Pods communicate along the arrows of the architecture only."""

from devstack.topology import GATEWAY, PROTO_PACKAGES, SERVICES

from tests.chart.conftest import CHART, Render
from tests.chart.manifests import Manifest, component, of_kind, pods

ARROWS = {
    *((GATEWAY.name, service.name, "grpc") for service in PROTO_PACKAGES.values()),
    *((service.name, called, "grpc") for service in SERVICES for called in service.calls),
    ("auth-service", "health-aggregator", "grpc"),
    ("health-aggregator", "gateway", "http"),
    ("health-aggregator", "auth-service", "http"),
    ("health-aggregator", "user-service", "http"),
    ("health-aggregator", "knowledge-service", "http"),
    ("health-aggregator", "voice-service", "http"),
    ("test", "gateway", "http"),
}
"""Which component calls which, and over which port; docs/architecture.md draws the same arrows."""

BACKENDS = {
    **{service.name: {5432, 6379} if service.schema else {6379} for service in SERVICES},
    "health-aggregator": {5432, 6379, 443, 6443},
    "voice-service": {6379, 443},
    "migration": {5432},
    "audit": {5432},
    "test": set(),
}
"""Ports outside the release that each component may reach, without DNS."""

COMPONENT = "app.kubernetes.io/component"


def policies(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Returns each component's policy."""
    return {component(policy): policy["spec"] for policy in of_kind(manifests, "NetworkPolicy")}


def named(manifests: list[Manifest], callee: str, port: int) -> str:
    """Returns the name of a component's port."""
    for deployment in of_kind(manifests, "Deployment"):
        if component(deployment) == callee:
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            return next(str(each["name"]) for each in container["ports"] if each["containerPort"] == port)
    raise AssertionError(callee)


def inside(peers: list[Manifest]) -> set[str]:
    """Returns the components of the release that a list of peers names."""
    return {peer["podSelector"]["matchLabels"][COMPONENT] for peer in peers if peer.keys() == {"podSelector"}}


def test_every_pod_is_closed_both_ways(render: Render) -> None:
    """Each pod is selected by one policy that governs both directions."""
    manifests = render({"audit": {"retentionYears": 6}})
    closed = policies(manifests)

    for title, metadata, _ in pods(manifests):
        assert metadata["labels"][COMPONENT] in closed, title
    assert all(policy["policyTypes"] == ["Ingress", "Egress"] for policy in closed.values())


def test_arrows_are_those_of_the_architecture(render: Render) -> None:
    """Both ends of every arrow are open, and of no other."""
    manifests = render({})
    going, coming = set(), set()
    for caller, policy in policies(manifests).items():
        for rule in policy.get("egress", []):
            for callee in inside(rule.get("to", [])):
                going |= {(caller, callee, named(manifests, callee, port["port"])) for port in rule["ports"]}
    for callee, policy in policies(manifests).items():
        for rule in policy.get("ingress", []):
            for caller in inside(rule.get("from", [])):
                coming |= {(caller, callee, named(manifests, callee, port["port"])) for port in rule["ports"]}

    assert going == ARROWS
    assert coming == ARROWS


def test_backends_are_reached_by_who_needs_them(render: Render) -> None:
    """Ports outside the release are open to those that use them."""
    reached: dict[str, set[int]] = {}
    for caller, policy in policies(render({"audit": {"retentionYears": 6}})).items():
        ports = set()
        for rule in policy.get("egress", []):
            if not inside(rule.get("to", [])):
                ports |= {port["port"] for port in rule["ports"]}
        reached[caller] = ports - {53}

    assert reached == BACKENDS


def test_the_service_of_breached_passwords_is_reached_when_it_is_asked(render: Render) -> None:
    """By auth-service only, at the port of its URL, and at the peers that the values name."""
    peer = {"ipBlock": {"cidr": "192.0.2.77/32"}}
    values = {
        "breachedPasswords": {"url": "https://pwned.example.com:8443/range/"},
        "networkPolicy": {"breachedPasswords": [peer]},
    }
    reaching = {
        caller: rule["to"]
        for caller, policy in policies(render(values)).items()
        for rule in policy.get("egress", [])
        if 8443 in {port["port"] for port in rule["ports"]}
    }

    assert reaching == {"auth-service": [peer]}


def test_every_pod_may_ask_dns(render: Render) -> None:
    """Without DNS no pod finds another."""
    for policy in policies(render({})).values():
        protocols = {
            port["protocol"] for rule in policy["egress"] for port in rule["ports"] if port["port"] == 53
        }
        assert protocols == {"UDP", "TCP"}


def test_doors_are_the_named_clients_only(render: Render) -> None:
    """The gateway and the metrics are open to the peers that the values name."""
    ingress = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}
    scraper = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    closed = policies(render({"networkPolicy": {"gatewayClients": [ingress], "metricsClients": [scraper]}}))

    for name, policy in closed.items():
        doors = [
            peer
            for rule in policy.get("ingress", [])
            for peer in rule.get("from", [])
            if "namespaceSelector" in peer
        ]
        if name in ("migration", "audit", "test"):
            assert doors == []
        else:
            assert doors == ([ingress, scraper] if name == "gateway" else [scraper])


def test_gateway_is_open_by_default(render: Render) -> None:
    """Behind a NodePort, a LoadBalancer or a controller on the nodes' network, clients have any address."""
    gateway = policies(render({}))["gateway"]
    open_to_all = [rule for rule in gateway["ingress"] if "from" not in rule]

    assert [rule["ports"] for rule in open_to_all] == [[{"port": 8000, "protocol": "TCP"}]]


def test_production_closes_every_peer(render: Render) -> None:
    """With the production values no other peer reaches a pod; `helm test` has a policy of its own."""
    values = CHART / "ci" / "production-values.yaml"
    for name, policy in policies(render(values)).items():
        for rule in policy.get("ingress", []):
            assert rule["from"], name
        for rule in policy.get("egress", []):
            assert rule["to"], name
        peers = [peer for rule in policy.get("ingress", []) for peer in rule["from"]]
        peers += [peer for rule in policy.get("egress", []) for peer in rule["to"]]
        assert {} not in peers
        assert {"namespaceSelector": {}} not in peers, name


def test_scrapers_open_no_door_that_clients_are_named_for(render: Render) -> None:
    """The gateway's metrics are on the port of its API; a list of scrapers that is empty lets no one in."""
    clients = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}]
    prometheus = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    by_default = policies(render({"networkPolicy": {"gatewayClients": clients}}))
    named_too = policies(render({"networkPolicy": {"gatewayClients": clients, "metricsClients": prometheus}}))
    closed = policies(render({"networkPolicy": {"gatewayClients": clients, "metricsClients": []}}))

    everyone: Manifest = {"namespaceSelector": {}}
    assert everyone not in [peer for rule in by_default["gateway"]["ingress"] for peer in rule["from"]]
    assert everyone in [peer for rule in by_default["user-service"]["ingress"] for peer in rule["from"]]
    assert prometheus in [rule["from"] for rule in named_too["gateway"]["ingress"]]
    for policy in closed.values():
        assert all(rule["from"] for rule in policy.get("ingress", ()))


def test_a_redis_from_a_secret(render: Render) -> None:
    """Its port is a value, since its URL is not known."""
    found = policies(render({"redis": {"existingSecret": "redis", "port": 6380}}))

    ports = {port["port"] for rule in found["gateway"]["egress"] for port in rule["ports"]}
    assert 6380 in ports
    assert 6379 not in ports
