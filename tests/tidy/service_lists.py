"""Writes the lists of services outside the code: development loop, Redis users, Prometheus' targets, alerts.

Run as `python -m tests.tidy.service_lists`. In each file the entries of a list follow one another and differ
by the service alone: they are replaced by one entry for each service of the topology.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from devstack.redis_acl import RULES
from devstack.topology import GATEWAY, SERVICES, Service

from tests.tidy import tree

GATEWAY_FIRST = sorted(SERVICES, key=lambda service: service is not GATEWAY)
BEHIND = [service for service in SERVICES if service is not GATEWAY]


@dataclass(frozen=True)
class List:
    """A list in a file.

    Attributes:
        file: The file, from the root of the repository.
        entry: A pattern of one entry; entries follow one another, a line or more each.
        wanted: All entries as they should be.
    """

    file: str
    entry: str
    wanted: list[str]


def _artifact(service: Service) -> str:
    return f"""\
    - image: {service.name}
      context: .
      docker: {{target: dev, buildArgs: {{SERVICE: {service.name}}}}}
      sync:
        manual:
          - {{src: "{service.name}/src/**/*", dest: /src}}
          - {{src: "chassis/src/**/*.py", dest: /src}}"""


LISTS = (
    List(
        "skaffold.yaml",
        r"    - image: .*\n      context: .*\n      docker: {target: dev.*\n"
        r"(?: {6,}.*\n)+? {10}- {src: .chassis.*",
        [_artifact(each) for each in GATEWAY_FIRST],
    ),
    List(
        "skaffold.yaml",
        r"          services\.[a-z-]+\.image: .*",
        [
            f'          services.{each.name}.image: "{{{{.IMAGE_FULLY_QUALIFIED_{each.module}}}}}"'
            for each in GATEWAY_FIRST
        ],
    ),
    List(
        "skaffold.yaml",
        r"      - {op: replace, path: /build/artifacts/\d+/docker/target, value: release}",
        [
            f"      - {{op: replace, path: /build/artifacts/{place}/docker/target, value: release}}"
            for place in range(len(SERVICES))
        ],
    ),
    List(
        "skaffold.yaml",
        r"      - {op: remove, path: /build/artifacts/\d+/sync}",
        [f"      - {{op: remove, path: /build/artifacts/{place}/sync}}" for place in range(len(SERVICES))],
    ),
    List(
        "k8s/production/redis.acl",
        r"user [a-z-]+ on >REPLACE-ME \+auth .*",
        [f"user {each.name} on >REPLACE-ME {RULES[each.name]}" for each in SERVICES],
    ),
    List(
        "k8s/production/redis.yaml",
        r"  [a-z-]+: rediss://.*",
        [f"  {each.name}: rediss://{each.name}:REPLACE-ME@redis.example.com:6379/0" for each in SERVICES],
    ),
    List(
        "k8s/backends/valkey.yaml",
        r"    user [a-z-]+ on >development-[a-z-]+ \+auth .*",
        [f"    user {each.name} on >development-{each.name} {RULES[each.name]}" for each in SERVICES],
    ),
    List(
        "k8s/development.yaml",
        r"  [a-z-]+: redis://.*",
        [
            f"  {each.name}: redis://{each.name}:development-{each.name}@valkey.backends:6379/0"
            for each in SERVICES
        ],
    ),
    List(
        "k8s/backends/prometheus.yaml",
        r"          - {names: \[vestibule-.*",
        [
            f"          - {{names: [vestibule-{each.name}.vestibule.svc.cluster.local], type: A,"
            f" port: {each.http_port}}}"
            for each in GATEWAY_FIRST
        ],
    ),
    List(
        "helm/vestibule/files/alerts/services.yaml",
        r'            or label_replace\(vector\(0\), "job", .*',
        # Where an optional service is off, its absence is no fault.
        [
            f'            or label_replace(vector(0), "job", "{each.name}", "", "")'
            for each in GATEWAY_FIRST
            if not each.switch
        ],
    ),
    List(
        "helm/vestibule/files/alerts/services.yaml",
        r'(?<=job=~")gateway[|a-z-]+(?=")',
        ["|".join(each.name for each in GATEWAY_FIRST)],
    ),
    List(
        "helm/vestibule/files/alerts/services.yaml",
        r'(?<=job=~")auth-service[|a-z-]+(?=")',
        ["|".join(each.name for each in BEHIND)],
    ),
)


def stale() -> Iterator[tuple[str, str]]:
    """Yields each file that is not as it should be, with its text as it should be."""
    for file in dict.fromkeys(each.file for each in LISTS):
        before = text = (tree.ROOT / file).read_text(encoding="utf-8")
        for each in LISTS:
            if each.file == file:
                text = _written(each, text)
        if text != before:
            yield file, text


def _written(entries: List, text: str) -> str:
    wanted = "\n".join(entries.wanted)
    found, count = re.subn(f"{entries.entry}(?:\n{entries.entry})*", lambda _: wanted, text)
    if not count:
        raise LookupError(f"{entries.file} has no entry like {entries.entry}")
    return found


if __name__ == "__main__":
    for name, content in list(stale()):
        (tree.ROOT / name).write_text(content, encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")
