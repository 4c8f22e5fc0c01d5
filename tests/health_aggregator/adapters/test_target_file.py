"""The configuration file: taken whole or refused with its line."""

import json
from pathlib import Path

import pytest
from health_aggregator.adapters.target_file import read_configuration
from health_aggregator.adapters.target_sources import TargetSources
from health_aggregator.adapters.topology_file import read_topology
from health_aggregator.domain.errors import TargetsRefused
from health_aggregator.domain.house import house_targets

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
def test_toml_and_yaml_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    """Defaults hold for every target, and what is not said has a default of its own."""
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
    ("old", "new", "line", "problem"),
    [
        ('kind = "http"', 'kind = "htp"', 5, '"htp" is no kind'),
        ('kind = "http"', "", 4, '"search" has no kind'),
        ("critical = true", 'critical = "yes"', 7, "critical: expected true or false"),
        ("critical = true", "critcal = true", 7, '"critcal" is not known here'),
        ('url = "http://search:8080/ready"', 'url = "search"', 6, "url: expected a URL"),
        ('address = "relay:50051"', "", 11, "has no address"),
        ('address = "relay:50051"', 'address = "relay:99999"', 13, "address: expected host:port"),
        ("interval_seconds = 2", "interval_seconds = 0", 2, "interval_seconds: expected seconds"),
        ("interval_seconds = 2", "interval_seconds = true", 2, "interval_seconds: expected seconds"),
        ('secret = "whsec_c2VjcmV0"', "", 15, "a webhook needs url and secret"),
        ('secret = "whsec_c2VjcmV0"', 'secret_file = "/nowhere"', 17, "secret_file: cannot be read"),
        ("[defaults]", "[defaults", 1, "Expected"),
        ("[defaults]", "[default]", 1, '"default" is not known here'),
        ('depends_on = ["postgres"]', 'depends_on = "postgres"', 8, "depends_on: expected a list of names"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, problem: str) -> None:
    """Nothing of a faulty file is taken."""
    assert old in TOML
    with pytest.raises(TargetsRefused) as refused:
        read_configuration(written(tmp_path, TOML.replace(old, new)))

    assert (line, "health.toml") == (refused.value.line, refused.value.source)
    assert problem in refused.value.problem


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (YAML.replace("critical: true", "critical: maybe"), 7),
        (YAML.replace("kind: http", "kind: [http"), 6),
        (YAML.replace("    kind: grpc", "\tkind: grpc"), 11),
        ("a: &a [*a]", None),
        ("targets: 3", 1),
        ("- 1", 1),
    ],
)
def test_a_fault_in_yaml_too(tmp_path: Path, text: str, line: int | None) -> None:
    """By the marks of its parser."""
    with pytest.raises(TargetsRefused) as refused:
        read_configuration(written(tmp_path, text, "health.yaml"))

    assert line == refused.value.line


def test_bombs_are_refused(tmp_path: Path) -> None:
    """A file that grows when it is read does not get to."""
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(TargetsRefused, match="too many values"):
        read_configuration(written(tmp_path, "\n".join(layers), "health.yaml"))
    with pytest.raises(TargetsRefused, match="larger than 1 MiB"):
        read_configuration(written(tmp_path, "#" * 1024 * 1025))


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    """So that the configuration holds none."""
    (tmp_path / "dsn").write_text("postgresql://user:password@host/database\n", "utf-8")
    text = f'[targets.db]\nkind = "postgres"\nurl_file = "{tmp_path / "dsn"}"\n'
    target = read_configuration(written(tmp_path, text)).targets[0]

    assert target.options == {"url": "postgresql://user:password@host/database"}


@pytest.mark.parametrize(
    ("depends_on", "problem"), [("nobody", 'depends on "nobody"'), ("search", "dependencies run in a circle")]
)
def test_dependencies_must_be_there_and_lead_somewhere(tmp_path: Path, depends_on: str, problem: str) -> None:
    """Checked over all sources together."""
    path = written(tmp_path, TOML.replace('"postgres"', f'"{depends_on}"'))
    with pytest.raises(TargetsRefused, match=problem):
        TargetSources(lambda: house_targets({}), path, None)()


def test_the_file_overrides_the_house(tmp_path: Path) -> None:
    """The more particular source wins."""
    text = '[targets.qdrant]\nkind = "http"\nurl = "http://qdrant:6333/healthz"\ncritical = true\n'
    targets = TargetSources(lambda: house_targets({}), written(tmp_path, text), None)()
    qdrant = next(target for target in targets if target.name == "qdrant")

    assert (qdrant.kind, qdrant.critical, qdrant.enabled) == ("http", True, True)
    assert len(targets) == 8


def test_the_topology_says_where_the_services_are(tmp_path: Path) -> None:
    """An absent file names none, a faulty one is refused."""
    services = {
        "auth-service": {"pid": 1, "grpc": "127.0.0.1:1"},
        "gateway": {"pid": 2, "http": "127.0.0.1:3"},
    }
    text = json.dumps({"services": services})
    found = read_topology(written(tmp_path, text, "topology.json"))

    assert found["auth-service"] == {"address": "127.0.0.1:1"}
    assert found["gateway"] == {"url": "http://127.0.0.1:3/ready"}
    assert read_topology(tmp_path / "nothing.json") == {}
    for faulty in ("{", "[]", '{"services": {"gateway": {}}}'):
        with pytest.raises(TargetsRefused):
            read_topology(written(tmp_path, faulty, "topology.json"))
