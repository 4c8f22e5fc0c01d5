"""docs/development.md names every file that a new service is written into, unless `make docs` writes it."""

import re

from tests.tidy import service_lists, tree

PAGE = tree.ROOT / "docs/development.md"

NAMES = (
    ("auth-service", "auth_service", "AUTH"),
    ("user-service", "user_service", "USERS"),
    ("health-aggregator", "health_aggregator", "HEALTH"),
)
"""A file with one word of each is taken to hold a list of the services."""

NO_LISTS = {
    "uv.lock": "written by `make lock`",
    "helm/vestibule/README.md": "written by `make docs`",
    "helm/vestibule/files/dashboards/overview.json": "written by `make docs`",
    "auth-service/src/auth_service/settings/__init__.py": "says where those are that it calls",
    "devstack/src/devstack/plan.py": "settings that one service alone has",
    "helm/boards.py": "a service has a board when it has figures of its own",
    "helm/vestibule/templates/_environment.tpl": "settings that one service alone has",
    "helm/vestibule/values.schema.json": "services that no release is without",
    "README.md": "introduces the system",
    "CHANGELOG.md": "lists what changed",
    "helm/write_readme.py": "introduces the chart in words",
    "helm/vestibule/templates/_validate.tpl": "words of one message, about connections to Postgres",
}


def test_every_list_of_services_is_named() -> None:
    """Adding a service by the page forgets no file; `tests` name what is wanted of them themselves."""
    page = PAGE.read_text(encoding="utf-8")
    section = page.split("## A service\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`([\w./*-]+)`", section))
    wanted = {
        name
        for name in (str(path.relative_to(tree.ROOT)) for path in tree.text_files())
        if not name.startswith(("docs/", "tests/", "bench/", "protos/vestibule/")) and name not in NO_LISTS
        if _lists_the_services(name)
    } - {entries.file for entries in service_lists.LISTS}

    assert wanted - named == set()
    there = {name for name in named if "/" in name and "*" not in name and "<" not in name}
    assert {name for name in there if not (tree.ROOT / name).exists()} == set()


def _lists_the_services(name: str) -> bool:
    try:
        text = (tree.ROOT / name).read_text(encoding="utf-8")
    except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
        return False
    return all(re.search(rf"\b({'|'.join(words)})\b", text) for words in NAMES)
