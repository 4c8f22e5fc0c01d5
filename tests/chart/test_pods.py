"""Every pod, hooks and tests included, meets Pod Security `restricted`, and stops in time."""

from pathlib import Path

from chassis.lifecycle import Stop
from devstack.topology import SERVICES
from gateway.streams.registry import STREAMS_MAX

from chassis import exits, lifecycle
from tests.chart.conftest import CHART, Render
from tests.chart.manifests import Manifest, component, containers, hook, of_kind, pods

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def test_pods_are_restricted(manifests: list[Manifest], value_set: Path) -> None:
    """A namespace that enforces `restricted` accepts every pod."""
    for title, _, spec in pods(manifests):
        security = spec["securityContext"]
        assert security["runAsNonRoot"] is True, title
        assert security["runAsUser"] == 65532, title
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, title
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), title
        allowed = {"emptyDir", "secret", "configMap", "projected"}
        if title.endswith("-audit-export"):
            allowed.add("persistentVolumeClaim")
        for volume in spec.get("volumes", []):
            if volume["name"] == "breached-passwords":
                assert volume["persistentVolumeClaim"]["readOnly"], title
                continue
            assert volume.keys() - {"name"} <= allowed, title
        for container in containers(spec):
            its = container["securityContext"]
            assert its["allowPrivilegeEscalation"] is False, title
            assert its["capabilities"] == {"drop": ["ALL"]}, title
            writable = value_set.stem == "development-values" and title.startswith("Deployment/")
            assert its["readOnlyRootFilesystem"] is not writable, title
            assert "privileged" not in its, title
            assert not any("hostPort" in port for port in container.get("ports", [])), title


def test_every_pod_takes_the_defaults(render: Render) -> None:
    """Jobs and the test's pod too: without a toleration they would wait for ever on nodes with a taint."""
    placement = {
        "priorityClassName": "high",
        "nodeSelector": {"pool": "identity"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    }
    nodes: Manifest = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": []}]}
    }
    marks = {"podLabels": {"tier": "front"}, "podAnnotations": {"example.com/owner": "identity"}}
    manifests = render(
        {
            "defaults": {**placement, **marks, "affinity": {"nodeAffinity": nodes}},
            "postgres": {"provision": {"existingSecret": "superuser"}},
            "audit": {"retentionYears": 7, "export": {"enabled": True, "existingClaim": "audit"}},
        }
    )
    found = list(pods(manifests))

    titles = " ".join(title for title, _, _ in found)
    assert all(part in titles for part in ("Job/", "CronJob/", "Deployment/", "-provision", "-test"))
    for title, metadata, spec in found:
        assert placement.items() <= spec.items(), title
        assert spec["affinity"]["nodeAffinity"] == nodes, title
        assert marks["podLabels"].items() <= metadata["labels"].items(), title
        assert marks["podAnnotations"].items() <= metadata["annotations"].items(), title


def test_only_the_aggregator_has_a_token(manifests: list[Manifest]) -> None:
    """Only the aggregator's pods may call the Kubernetes API, to read."""
    holders = {
        metadata["labels"]["app.kubernetes.io/component"]
        for _, metadata, spec in pods(manifests)
        if spec["automountServiceAccountToken"] is not False
    }

    assert holders == {"health-aggregator"}
    (role,) = of_kind(manifests, "Role")
    assert component(role) == "health-aggregator"
    granted = {
        (resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]
    }
    assert granted == {
        (each, verb) for each in ("pods", "endpointslices") for verb in ("get", "list", "watch")
    }
    assert not of_kind(manifests, "ClusterRole", "ClusterRoleBinding")


def test_containers_say_what_they_need(manifests: list[Manifest]) -> None:
    """Requests for both, a limit for memory: the scheduler and the autoscaler need them."""
    for title, _, spec in pods(manifests):
        for container in containers(spec):
            resources = container["resources"]
            assert resources["requests"].keys() >= {"cpu", "memory"}, title
            assert "memory" in resources["limits"], title


def test_a_gateway_full_of_streams_fits_its_limit(manifests: list[Manifest]) -> None:
    """64 KiB per stream, as `make bench-streams` measures them, and 256 MiB for all else."""
    for deployment in of_kind(manifests, "Deployment"):
        if component(deployment) == "gateway":
            (container,) = containers(deployment["spec"]["template"]["spec"])
            limit = container["resources"]["limits"]["memory"]
            assert limit.endswith("Mi")
            assert int(limit.removesuffix("Mi")) * 2**20 >= STREAMS_MAX * 64 * 2**10 + 256 * 2**20


def test_probes_ask_ports_that_exist(manifests: list[Manifest]) -> None:
    """Start-up, readiness and liveness use a port of the container; liveness does no I/O."""
    for deployment in of_kind(manifests, "Deployment"):
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container[kind]
            asked = probe["grpc"]["port"] if "grpc" in probe else probe["httpGet"]["port"]
            assert asked in ports or asked in ports.values()
        assert container["livenessProbe"]["httpGet"]["path"] == "/health"
        assert container["startupProbe"]["httpGet"]["path"] == "/ready"
        certificates = any(mount["name"] == "certificates" for mount in container["volumeMounts"])
        assert ("grpc" in container["readinessProbe"]) is ("grpc" in ports and not certificates)


def test_grace_covers_the_drain(manifests: list[Manifest]) -> None:
    """A pod serves until DNS answers that name it have expired, and the kubelet waits for its stop."""
    config = {component(each): each["data"] for each in of_kind(manifests, "ConfigMap") if "data" in each}

    for deployment in of_kind(manifests, "Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        values = config[component(deployment)]
        linger, grace = int(values["SHUTDOWN_LINGER_SECONDS"]), int(values["SHUTDOWN_GRACE_SECONDS"])
        stop = Stop(linger, lifecycle.LINGERING_DRAIN_SECONDS, grace)
        assert linger > 30
        assert spec["terminationGracePeriodSeconds"] > stop.within_seconds + lifecycle.CLOSE_SECONDS


def test_linger_follows_the_ttl_of_dns(render: Render) -> None:
    """One value says how long a DNS answer may be cached."""
    manifests = render({"config": {"dnsTtlSeconds": 5}})
    config = [each["data"] for each in of_kind(manifests, "ConfigMap") if "PROFILE" in each.get("data", {})]

    assert {each["SHUTDOWN_LINGER_SECONDS"] for each in config} == {"10"}
    for deployment in of_kind(manifests, "Deployment"):
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 5 + 5 + 10 + 15


def test_a_failed_container_says_why(manifests: list[Manifest]) -> None:
    """`kubectl describe` shows the last lines of output."""
    for title, _, spec in pods(manifests):
        for container in containers(spec):
            assert container["terminationMessagePolicy"] == "FallbackToLogsOnError", title


def test_hooks_end_before_helm_gives_up(render: Render) -> None:
    """A job fails at once where another attempt cannot help, and ends within Helm's five minutes."""
    manifests = render(CHART / "ci" / "provisioned-values.yaml")
    jobs = [job for job in of_kind(manifests, "Job") if hook(job) != "pre-delete"]
    assert len(jobs) == 2 * len([service for service in SERVICES if service.schema is not None])

    for job in jobs:
        spec = job["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        fail, spare = spec["podFailurePolicy"]["rules"]
        assert fail["action"] == "FailJob"
        assert fail["onExitCodes"]["containerName"] == container["name"]
        assert set(fail["onExitCodes"]["values"]) == {2, *exits.PERMANENT}
        assert spare == {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        }
        assert spec["activeDeadlineSeconds"] < 300
        assert spec["ttlSecondsAfterFinished"] > 0
        assert "hook-failed" not in job["metadata"]["annotations"]["helm.sh/hook-delete-policy"]


def test_autoscaled_deployments_begin_with_the_fewest_pods(render: Render) -> None:
    """Neither a first install nor an upgrade starts with a single pod."""
    manifests = render({"defaults": {"autoscaling": {"minReplicas": 3}}})
    replicas = {component(each): each["spec"]["replicas"] for each in of_kind(manifests, "Deployment")}

    assert replicas == {**dict.fromkeys((each.name for each in SERVICES), 3), "health-aggregator": 1}


def test_pods_are_spread(manifests: list[Manifest]) -> None:
    """Pods of a Deployment prefer other hosts and other zones, counted per revision.

    Each key is a preference of its own. Of topology spread constraints the scheduler ignores all for a node
    that lacks the label of one, and a cluster of one's own often has no zones.
    """
    for deployment in of_kind(manifests, "Deployment"):
        template = deployment["spec"]["template"]
        assert "topologySpreadConstraints" not in template["spec"]
        preferences = template["spec"]["affinity"]["podAntiAffinity"][PREFERRED]
        terms = [each["podAffinityTerm"] for each in preferences]
        assert [each["topologyKey"] for each in terms] == [
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        ]
        for term in terms:
            assert term["matchLabelKeys"] == ["pod-template-hash"]
            assert term["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_spreading_keeps_the_affinity_of_the_values(render: Render) -> None:
    """An operator's own terms come first; without keys there are no others."""
    own = {
        "weight": 1,
        "podAffinityTerm": {"topologyKey": "rack", "labelSelector": {"matchLabels": {"a": "b"}}},
    }
    affinity = {"nodeAffinity": {PREFERRED: []}, "podAntiAffinity": {PREFERRED: [own]}}
    for keys in (["kubernetes.io/hostname"], []):
        for deployment in of_kind(
            render({"defaults": {"affinity": affinity, "spreadOver": keys}}), "Deployment"
        ):
            rendered = deployment["spec"]["template"]["spec"]["affinity"]
            assert rendered["nodeAffinity"] == affinity["nodeAffinity"]
            assert rendered["podAntiAffinity"][PREFERRED][0] == own
            assert len(rendered["podAntiAffinity"][PREFERRED]) == 1 + len(keys)
    for deployment in of_kind(render({"defaults": {"spreadOver": []}}), "Deployment"):
        assert "affinity" not in deployment["spec"]["template"]["spec"]


def test_no_pod_sees_service_links(manifests: list[Manifest]) -> None:
    """Kubernetes' own variables never mix with settings."""
    for title, _, spec in pods(manifests):
        assert spec["enableServiceLinks"] is False, title
