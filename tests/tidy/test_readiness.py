"""No service's readiness waits, by way of others, for itself.

A Service without ready pods has no name in the cluster's DNS: two services that become ready by one
another never do, and a fresh install stands still.
"""

import ast
from graphlib import CycleError, TopologicalSorter

import pytest
import yaml
from chassis.auth_client.client import AUTH_SERVICE

from tests.tidy import tree

NAMES = {"AUTH_SERVICE": AUTH_SERVICE}
"""Constants that wirings name a service by."""

AUTHENTICATING = "chassis.auth_client.serving.begin_authenticator"
"""A service that calls it is ready when it can verify tokens."""

LOCAL = frozenset({"started"})
"""Checks that their owner sets, which wait for nothing outside the process and its own database."""


def waits() -> dict[str, set[str]]:
    """Returns what each service's readiness waits for, as its wiring declares it."""
    found: dict[str, set[str]] = {service: set() for service in tree.services()}
    for source in tree.product():
        service = source.path.partition("/")[0]
        if service not in found:
            continue
        for call in _calls(source, "ask"):
            found[service] |= {_service(word.value) for word in call.keywords if word.arg == "waits_for"}
        if AUTHENTICATING in tree.imports(source):
            found[service].add(AUTH_SERVICE)
    return found


def test_readiness_waits_in_no_ring() -> None:
    """Services become ready one after the other, from those that wait for none."""
    order = list(TopologicalSorter(waits()).static_order())

    assert set(order) == set(tree.services())


def test_a_ring_would_be_found() -> None:
    """What stopped a fresh install: the first admin needs user-service, whose tokens need auth-service."""
    with pytest.raises(CycleError):
        TopologicalSorter(waits() | {AUTH_SERVICE: {"user-service"}}).prepare()


def test_authority_waits_for_no_service() -> None:
    """All tokens are verified by its keys, so it comes first."""
    assert waits()[AUTH_SERVICE] == set()


def test_waits_are_the_charts() -> None:
    """The chart's table of arrows says the same, and opens the network to what is waited for."""
    text = (tree.ROOT / "helm/vestibule/templates/_architecture.tpl").read_text(encoding="utf-8")
    table = yaml.safe_load(text.split("-}}", 1)[1].split("{{-", 1)[0])

    assert {service: set(arrows.get("readyAfter", ())) for service, arrows in table.items()} == waits()
    for service, arrows in table.items():
        assert set(arrows.get("readyAfter", ())) <= set(arrows["grpc"]), service


def test_every_check_says_what_it_waits_for() -> None:
    """A flag that is set some day could wait for anything; a question must name the service behind it."""
    unexplained = [
        f"{source}:{call.lineno}"
        for source in tree.product()
        for call in _calls(source, "expect")
        if isinstance(call.args[0], ast.Constant) and call.args[0].value not in LOCAL
    ]
    unexplained += [
        f"{source}:{call.lineno}"
        for source in tree.product()
        for call in _calls(source, "ask")
        if not any(word.arg == "waits_for" for word in call.keywords)
    ]

    assert unexplained == []


def _calls(source: tree.Source, method: str) -> list[ast.Call]:
    """Returns the calls of a method of a `readiness`."""
    return [
        node
        for node in source.nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
        and ast.unparse(node.func.value).endswith("readiness")
    ]


def _service(value: ast.expr) -> str:
    return value.value if isinstance(value, ast.Constant) else NAMES[ast.unparse(value)]  # type: ignore[return-value]
