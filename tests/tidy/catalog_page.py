"""Writes docs/service-catalog.md out of protos, topology, migrations, chart and alerts.

Run as `python -m tests.tidy.catalog_page`. Only what no file says stands here as prose.
"""

import re
import sys
from collections.abc import Iterator

import yaml
from devstack.topology import GATEWAY, PROTO_PACKAGES, SERVICES, Service
from gateway.api import descriptors
from vestibule.api.v1 import options_pb2

from helm.objectives import OBJECTIVES
from tests.observability.rules import alerts
from tests.tidy import metrics_page, tree

PAGE = tree.ROOT / "docs" / "service-catalog.md"
PROTOS = "../protos/vestibule"

HEAD = """\
# Service catalog

What each service owns, where it listens, what it answers, what it stands on, and what to do when it is in
trouble. How they work together is in [architecture.md](architecture.md), what they measure in
[metrics.md](metrics.md). Written by `make docs` from protos, topology, migrations, chart and alerts; a test
holds it against them.
"""

OWNS = {
    "gateway": (
        "Nothing: no table, no business rule, no list of endpoints. HTTP in, gRPC out; limits, the near "
        "cache and the judgement of tokens."
    ),
    "auth-service": (
        "Credentials, sessions, second factors, passkeys, signing keys, revocations, the mail queue and the "
        "audit chain."
    ),
    "user-service": "Users and their roles.",
    "health-aggregator": (
        "The state of the system and its history; the status and metrics pages; the witnessed "
        "heads of the audit."
    ),
}
OBJECTIVE = {
    "gateway": " ".join(f"{objective.promise}." for objective in OBJECTIVES),
    "auth-service": "Its part of the gateway's objectives; a revocation is known everywhere within 1 s.",
    "user-service": "Its part of the gateway's objectives.",
    "health-aggregator": "What is down is shown within 2 s; no part of the gateway's objectives.",
}
EVENTS = {
    "RegistrationStarted": ("auth-service", ("user-service",)),
    "UserChanged": ("user-service", ("auth-service",)),
    "SignedIn": ("auth-service", ("user-service",)),
    "EmailVerified": ("auth-service", ("user-service",)),
    "TokensRevoked": ("auth-service", ("gateway", "user-service")),
    "AuditRecorded": ("user-service", ("auth-service",)),
}
"""Who commits an event, and who listens; cache tags ride on all of them, to the gateway."""

ACCESS = {
    options_pb2.ACCESS_PUBLIC: "anyone",
    options_pb2.ACCESS_SIGNED_IN: "signed in",
    options_pb2.ACCESS_ADMIN: "admin",
    options_pb2.ACCESS_ADMIN_OR_SELF: "admin or oneself",
}


def page() -> str:
    """Returns the page as it should be."""
    first = sorted(SERVICES, key=lambda service: service is not GATEWAY)
    return HEAD + "".join(_service(service) for service in first)


def _service(service: Service) -> str:
    parts = [f"\n## {service.name}\n\n{OWNS.get(service.name) or _described(service)}\n\n| | |\n|---|---|\n"]
    parts += [f"| {name} | {value} |\n" for name, value in _facts(service) if value]
    rows = list(_rpcs(service))
    if rows:
        parts.append("\n| RPC | HTTP | who may call | what it does |\n|---|---|---|---|\n")
        parts += rows
    return "".join(parts)


def _described(service: Service) -> str:
    return f"{tree.settings_of(service.name)['project']['description']}."


def _facts(service: Service) -> Iterator[tuple[str, str]]:
    name = service.name
    arrows = _architecture()[name]
    ports = [f"{service.http_port} HTTP"] + [f"{service.grpc_port} gRPC"] * (service.grpc_port is not None)
    packages = [package for package, owner in PROTO_PACKAGES.items() if owner is service]
    links = (f"[`{each}`]({PROTOS}/{each.split('.')[1]}/v1)" for each in packages)
    yield "runs as", f"`python -m {service.module}`, settings `{service.prefix}_*`"
    yield "ports", ", ".join(ports)
    yield "API", ", ".join(links)
    if service.schema is not None:
        tables = ", ".join(f"`{table}`" for table in _tables(service))
        yield "tables", f"{tables}; roles `{service.schema.owner}` and `{service.schema.runtime}`"
    yield "commits", ", ".join(f"`{event}`" for event, (source, _) in EVENTS.items() if source == name)
    yield (
        "listens to",
        ", ".join(f"`{event}`" for event, (_, listeners) in EVENTS.items() if name in listeners),
    )
    yield "calls", ", ".join(arrows.get("grpc", []))
    yield "stands on", ", ".join(arrows["backends"])
    yield "objective", OBJECTIVE.get(name, "")
    yield "runbooks", ", ".join(f"[{each[9:]}](runbooks/{each}.md)" for each in _alerts(name))


def _architecture() -> dict[str, dict[str, list[str]]]:
    text = (tree.ROOT / "helm/vestibule/templates/_architecture.tpl").read_text(encoding="utf-8")
    inside = text.split('{{- define "vestibule.architecture.whole" -}}')[1].split("{{- end }}")[0]
    arrows: dict[str, dict[str, list[str]]] = yaml.safe_load(inside)
    return arrows


def _tables(service: Service) -> list[str]:
    """Returns the tables that a service's migrations leave behind."""
    tables: dict[str, None] = {}
    folder = tree.ROOT / service.name / "src" / service.module / "migrations" / "versions"
    for path in sorted(folder.glob("0*.py")):
        upward = path.read_text(encoding="utf-8").split("def downgrade")[0]
        for verb, name in re.findall(r"\b(CREATE|DROP) TABLE (?:IF (?:NOT )?EXISTS )?(\w+\.\w+)", upward):
            if verb == "CREATE":
                tables[name] = None
            else:
                tables.pop(name, None)
    return list(tables)


def _alerts(service: str) -> list[str]:
    reporters = {each.name: set(each.services) for each in metrics_page.declarations()}
    found = dict.fromkeys(
        alert.name
        for alert in alerts()
        if any(
            service in (reporters[metric] if metric in reporters else _reported_by(metric))
            for metric in re.findall(r"[a-z][a-z0-9_:]*[a-z0-9]", alert.expression)
        )
    )
    return list(found)


def _reported_by(word: str) -> set[str]:
    """Returns the services that a series without a declaration is about."""
    name = re.sub(r"_(bucket|count|sum)$", "", word)
    if name != word:
        return {one for each in metrics_page.declarations() if each.name == name for one in each.services}
    if word in {"up", "vestibule:instances:up"}:
        return {service.name for service in SERVICES}
    return {GATEWAY.name} if word.startswith("vestibule:") else set()


def _rpcs(service: Service) -> Iterator[str]:
    protos = descriptors.load()
    comments = protos.comments()
    for found in protos.services:
        if PROTO_PACKAGES.get(found.full_name.rpartition(".")[0]) is not service:
            continue
        for method in found.methods:
            options = method.GetOptions()
            policy = options.Extensions[options_pb2.policy]
            comment = comments.get(method.full_name, "").split("\n\n")[0].replace("\n", " ")
            first = re.split(r"(?<=\.) ", comment)[0].replace("|", "\\|")
            who = ACCESS.get(policy.access) or ", ".join(policy.services)
            yield f"| `{found.name}.{method.name}` | {_route(options)} | {who} | {first} |\n"


def _route(options: object) -> str:
    from google.api import annotations_pb2  # noqa: PLC0415

    rule = options.Extensions[annotations_pb2.http]  # type: ignore[attr-defined]
    pattern = rule.WhichOneof("pattern")
    return f"`{pattern.upper()} {getattr(rule, pattern)}`" if pattern else "gRPC only"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE}\n")
