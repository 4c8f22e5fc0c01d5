"""Writes the chart's README: the values table comes from the comments in `values.yaml`."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import yaml

CHART = Path(__file__).parent / "vestibule"
MARK = "# -- "
SHORT_CHARACTERS = 60

HEAD = """# The Vestibule chart

Gateway, auth-service, user-service and health-aggregator on Kubernetes 1.31 to 1.37, with Helm 3 or 4.

```console
helm install vestibule helm/vestibule --namespace vestibule --create-namespace \\
  --set postgres.host=postgres.example.com --set postgres.provision.existingSecret=postgres-superuser \\
  --set redis.url=redis://redis.example.com:6379/0 --set config.publicUrl=https://id.example.com
helm test vestibule --namespace vestibule
```

- Migrations run as jobs before new pods start; when one fails, the upgrade fails and the old pods serve on.
- Secrets that you do not bring are generated once, kept over upgrades and left behind by an uninstall.
- Every pod is `restricted` by Pod Security, without a service-account token but the aggregator's.
- Pods may connect only as the architecture declares (`templates/_architecture.tpl`).
- `null` is refused (`missing property`, by Helm 3 `is required`): leave a key out for its default.
- `ci/` holds value sets for common cases; the tests render every one.

## Values

| key | default | meaning |
|---|---|---|
"""


@dataclass(frozen=True)
class Value:
    """One documented key of `values.yaml`."""

    path: str
    default: str
    meaning: str


def documented(text: str) -> Iterator[Value]:
    """Yields the keys that a `# --` comment documents, in the order of the file."""
    defaults = yaml.safe_load(text)
    parents: list[tuple[int, str]] = []
    meaning: list[str] = []
    for line in text.splitlines():
        bare = line.strip()
        indent = len(line) - len(line.lstrip())
        if bare.startswith(MARK):
            meaning = [bare.removeprefix(MARK)]
        elif bare.startswith("#"):
            if meaning:
                meaning.append(bare.lstrip("# "))
        elif ":" in bare and not bare.startswith("- "):
            key = bare.split(":", 1)[0]
            parents = [*(parent for parent in parents if parent[0] < indent), (indent, key)]
            keys = [name for _, name in parents]
            if meaning:
                yield Value(".".join(keys), shown(at(defaults, keys)), " ".join(meaning))
            meaning = []


def at(values: object, keys: list[str]) -> object:
    """Returns what stands under a path of keys."""
    for key in keys:
        values = cast("dict[str, object]", values)[key]
    return values


def shown(default: object) -> str:
    """Writes a default in one line; a block stands for itself."""
    text = yaml.safe_dump(default, default_flow_style=True, width=10_000).strip().removesuffix("\n...")
    return f"`{text}`" if len(text) <= SHORT_CHARACTERS else "see `values.yaml`"


def readme() -> str:
    """Returns the README as it should be."""
    values = documented((CHART / "values.yaml").read_text())
    rows = (f"| `{value.path}` | {value.default} | {value.meaning} |" for value in values)
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    (CHART / "README.md").write_text(readme())
    sys.stdout.write(f"wrote {CHART / 'README.md'}\n")
