"""The configuration file: applied as a whole, or refused with the place of its fault."""

import json
from pathlib import Path

import pytest
from health_aggregator.adapters.target_file import read_configuration
from health_aggregator.adapters.target_sources import TargetSources
from health_aggregator.adapters.topology_file import read_topology
from health_aggregator.domain.built_in_targets import built_in_targets
from health_aggregator.domain.errors import TargetsRefused

TOML = """\
[defaults]
interval_seconds = 2

[targets.search]
kind = "http"
url = "http://search:8080/ready"
critical = true
depends_on = ["postgres"]
failures_to_down = 4

[targets."mail.relay"]
kind = "grpc"
address = "relay:50051"

[[webhooks]]
url = "https://example.org/hook"
secret = "whsec_c2VjcmV0"
"""

YAML = """\
defaults:
  interval_seconds: 2
targets:
  search:
    kind: http
    url: http://search:8080/ready
    critical: true
    depends_on: [postgres]
    failures_to_down: 4
  mail.relay:
    kind: grpc
    address: relay:50051
webhooks:
  - url: https://example.org/hook
    secret: whsec_c2VjcmV0
"""


def written(folder: Path, text: str, name: str = "health.toml") -> Path:
    """Writes a file and returns its path."""
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(("name", "text"), [("health.toml", TOML), ("health.yaml", YAML)])
def test_toml_and_yaml(tmp_path: Path, name: str, text: str) -> None:
    """Both formats have the same content; `defaults` apply to every target."""
    configuration = read_configuration(written(tmp_path, text, name))
    search, relay = configuration.targets

    assert (search.name, search.kind, search.critical, search.depends_on) == (
        "search",
        "http",
        True,
        ("postgres",),
    )
    assert (search.cadence.interval_seconds, search.damping.failures_to_down) == (2.0, 4)
    assert (
        relay.name,
        relay.options,
        relay.cadence.interval_seconds,
    ) == ("mail.relay", {"address": "relay:50051"}, 2.0)
    assert configuration.webhooks[0].secret == "whsec_c2VjcmV0"
    assert "whsec" not in repr(configuration.webhooks[0])


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('kind = "http"', 'kind = "htp"', "targets.search: kind: expected one of grpc, http"),
        ('kind = "http"', "", "targets.search: kind: expected one of grpc, http"),
        ("critical = true", 'critical = "yes"', "targets.search.critical: Input should be a valid boolean"),
        ("critical = true", "critcal = true", "targets.search.critcal: unknown name"),
        ('url = "http://search:8080/ready"', 'url = "search"', "targets.search.url: expected a URL such as"),
        (
            'url = "http://search:8080/ready"',
            'url = "http://x:99999"',
            "search.url: its host or port cannot be read",
        ),
        ('address = "relay:50051"', "", "targets.mail.relay.address: is missing"),
        ('address = "relay:50051"', 'address = "relay:99999"', "address: expected host:port"),
        (
            "interval_seconds = 2",
            "interval_seconds = 0",
            "interval_seconds: Input should be greater",
        ),
        ("interval_seconds = 2", "interval_seconds = nan", "defaults.interval_seconds: Input should be"),
        ("interval_seconds = 2", "interval_seconds = true", "defaults.interval_seconds: Input should be a"),
        ('secret = "whsec_c2VjcmV0"', "", "webhooks.0.secret: is missing"),
        (
            'secret = "whsec_c2VjcmV0"',
            'secret_file = "/nowhere"',
            "webhooks.0: secret_file: expected the path of a readable file",
        ),
        ("[defaults]", "[default]", "default: unknown name"),
        (
            "failures_to_down = 4",
            "failures_to_down = 4.5",
            "failures_to_down: Input should be a",
        ),
        ("failures_to_down = 4", 'ca_file = "/nowhere"', "ca_file: expected the path of an existing file"),
        ("failures_to_down = 4", f'ca_file = "{__file__}"', "ca_file: expected a PEM file of certificate"),
        ('depends_on = ["postgres"]', 'depends_on = "postgres"', "depends_on: Input should be a valid list"),
        ('depends_on = ["postgres"]', "depends_on = [1]", "depends_on.0: Input should be a valid string"),
    ],
)
def test_a_faulty_value_is_named(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """The error contains its place and what is expected, but never the value."""
    assert old in TOML
    with pytest.raises(TargetsRefused) as refused:
        read_configuration(written(tmp_path, TOML.replace(old, new)))

    assert refused.value.source == "health.toml"
    assert problem in refused.value.problem
    assert "whsec" not in refused.value.problem


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("health.toml", TOML.replace("[defaults]", "[defaults"), 1),
        ("health.yaml", YAML.replace("kind: http", "kind: [http"), 6),
        ("health.yaml", YAML.replace("    kind: grpc", "\tkind: grpc"), 11),
        ("health.yaml", YAML.replace("critical: true", "critical: maybe"), None),
        ("health.yaml", "a: &a [*a]", None),
        ("health.yaml", "targets: 3", None),
        ("health.yaml", "- 1", None),
    ],
)
def test_a_syntax_error_is_named_with_its_line(
    tmp_path: Path, name: str, text: str, line: int | None
) -> None:
    """Other faults have no line."""
    with pytest.raises(TargetsRefused) as refused:
        read_configuration(written(tmp_path, text, name))

    assert line == refused.value.line


def test_oversized_files_are_refused(tmp_path: Path) -> None:
    """So are files that would grow when they are parsed."""
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(TargetsRefused, match="too many values"):
        read_configuration(written(tmp_path, "\n".join(layers), "health.yaml"))
    with pytest.raises(TargetsRefused, match="larger than 1 MiB"):
        read_configuration(written(tmp_path, "#" * 1024 * 1025))


def test_secrets_in_files_of_their_own(tmp_path: Path) -> None:
    """So that the configuration file contains none."""
    (tmp_path / "dsn").write_text("postgresql://user:password@host/database\n", "utf-8")
    text = f'[targets.db]\nkind = "postgres"\nurl_file = "{tmp_path / "dsn"}"\n'
    target = read_configuration(written(tmp_path, text)).targets[0]

    assert target.options == {"url": "postgresql://user:password@host/database"}


@pytest.mark.parametrize(
    ("depends_on", "problem"),
    [("unknown", 'depends on "unknown"'), ("search", "dependencies run in a circle")],
)
def test_dependencies_exist_and_have_no_cycle(tmp_path: Path, depends_on: str, problem: str) -> None:
    """Across all sources."""
    path = written(tmp_path, TOML.replace('"postgres"', f'"{depends_on}"'))
    with pytest.raises(TargetsRefused, match=problem):
        TargetSources(lambda: built_in_targets({}), path, None)()


def test_the_file_overrides_built_in_targets(tmp_path: Path) -> None:
    """A target of the file replaces a built-in one of the same name."""
    text = '[targets.qdrant]\nkind = "http"\nurl = "http://qdrant:6333/healthz"\ncritical = true\n'
    targets = TargetSources(lambda: built_in_targets({}), written(tmp_path, text), None)()
    qdrant = next(target for target in targets if target.name == "qdrant")

    assert (qdrant.kind, qdrant.critical, qdrant.enabled) == ("http", True, True)
    assert len(targets) == 8


def test_nothing_depends_on_what_is_disabled(tmp_path: Path) -> None:
    """An index that is not configured is no dependency; one that the file names is."""
    options: dict[str, dict[str, str]] = {"knowledge-service": {}, "postgres": {}}
    text = '[targets.qdrant]\nkind = "http"\nurl = "http://qdrant:6333/healthz"\n'
    for config, expected in ((None, ("postgres",)), (written(tmp_path, text), ("postgres", "qdrant"))):
        targets = TargetSources(lambda: built_in_targets(options), config, None)()
        knowledge = next(target for target in targets if target.name == "knowledge-service")
        assert knowledge.depends_on == expected


def test_topology_file(tmp_path: Path) -> None:
    """A missing file contains no service; a faulty one is refused."""
    services = {
        "auth-service": {"pid": 1, "grpc": "127.0.0.1:1", "http": "127.0.0.1:2"},
        "gateway": {"pid": 2, "http": "127.0.0.1:3"},
    }
    text = json.dumps({"services": services})
    found = read_topology(written(tmp_path, text, "topology.json"))

    assert found["auth-service"] == {"url": "http://127.0.0.1:2/ready"}
    assert found["gateway"] == {"url": "http://127.0.0.1:3/ready"}
    assert read_topology(tmp_path / "nothing.json") == {}
    for faulty in ("{", "[]", '{"services": {"auth-service": {"grpc": "127.0.0.1:1"}}}'):
        with pytest.raises(TargetsRefused):
            read_topology(written(tmp_path, faulty, "topology.json"))
