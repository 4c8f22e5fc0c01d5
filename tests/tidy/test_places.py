"""What may stand where: SQL, the environment, machine paths, generated files."""

import ast
import re
import subprocess
from fnmatch import fnmatch

from tests.tidy import tree

SQL = re.compile(
    r"^\s*(SELECT\s|INSERT\s+INTO\s|UPDATE\s+\S+(\s+AS\s+\w+|\s+\w+)?\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+.*\sAS\s*\(|"
    r"(CREATE|ALTER|DROP)\s+(TABLE|INDEX|UNIQUE|ROLE|USER|SCHEMA|DATABASE|FUNCTION|TYPE|TRIGGER)\b|"
    r"GRANT\s|REVOKE\s|TRUNCATE\s|LISTEN\s|NOTIFY\s|SET\s+(LOCAL|SESSION)\s)",
    re.DOTALL,
)

SQL_PLACES = {
    "*/adapters/postgres/*": "the one room of a service that speaks SQL",
    "*/migrations/*": "migrations are SQL",
    "chassis/src/chassis/postgres/*": "the pool, the revision check and the migration runner",
    "chassis/src/chassis/events/outbox.py": "every service has the same outbox table",
    "chassis/src/chassis/events/relay.py": "every service has the same outbox table",
    "devstack/src/devstack/*": "makes databases, roles and schemas before any service is there",
    "tests/*": "tests look into the tables",
    "bench/*": "benchmarks fill the tables",
}

ENVIRONMENT_PLACES = {
    "*/settings.py": "the one reader of the environment",
    "*/settings/*.py": "the same where its classes fill more than one file",
    "chassis/src/chassis/service.py": "sets what gRPC reads of it",
    "devstack/src/devstack/*": "hands environments to the programs that it starts",
    "helm/vestibule/files/*": "runs in a pod, configured by the chart alone",
    "tests/*": "starts programs with environments of their own",
    "bench/*": "starts programs with environments of their own",
    "protos/build_stubs.py": "runs a compiler",
}


def test_sql_stands_only_in_its_room() -> None:
    """What asks Postgres is found in one folder a service, beside the mapping of its rows."""
    astray = {
        f"{source}:{line}"
        for source in tree.sources()
        if not _is_in(source.path, SQL_PLACES)
        for line, text in tree.texts(source)
        if SQL.match(text)
    }

    assert set() == astray


def test_environment_is_read_only_by_settings() -> None:
    """A program's configuration is seen whole by reading one file."""
    astray = {
        f"{source}:{getattr(node, 'lineno', 0)}"
        for source in tree.sources()
        if not _is_in(source.path, ENVIRONMENT_PLACES)
        for node in source.nodes
        if _reads_environment(node)
    }

    assert set() == astray


def test_settings_stand_only_in_settings() -> None:
    """No second class of settings grows beside the first."""
    astray = {
        f"{source}:{name}"
        for source in tree.product()
        if not source.path.endswith("/settings.py") and "/settings/" not in source.path
        for name in tree.imports(source)
        if name.partition(".")[0] == "pydantic_settings" and source.path != "chassis/src/chassis/settings.py"
    }

    assert set() == astray


def test_no_base_http_middleware() -> None:
    """Middleware is plain ASGI: one BaseHTTPMiddleware costs more than FastAPI itself."""
    astray = {
        str(source)
        for source in tree.product()
        if any("BaseHTTPMiddleware" in name for name in tree.imports(source))
    }

    assert set() == astray


def test_no_path_of_one_machine() -> None:
    """Nothing names a folder that only one computer has."""
    path = re.compile("|".join(("/wor" + r"k/\w", "/hom" + r"e/\w", "/User" + r"s/\w", r"/tm" + r"p/\w")))
    allowed = re.compile(r"/tm" + r"p/\.")
    astray = {
        f"{file.relative_to(tree.ROOT)}:{number}: {line.strip()}"
        for file in tree.text_files()
        if file.name != "uv.lock"
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if path.search(line) and not allowed.search(line)
    }

    assert set() == astray


def test_nothing_generated_is_committed() -> None:
    """Stubs come from the protos at build time, so they cannot disagree with them."""
    generated = subprocess.run(
        [
            "git",
            "ls-files",
            "protos/gen",
            "*_pb2.py",
            "*_pb2.pyi",
            "*_pb2_grpc.py",
            "*.pyc",
            ".data",
            ".venv",
        ],
        cwd=tree.ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split()

    assert generated == []


def test_every_place_is_still_needed() -> None:
    """An exception goes when its last file goes."""
    empty = {
        pattern
        for pattern in {**SQL_PLACES, **ENVIRONMENT_PLACES}
        if not pattern.startswith("bench/")
        and not any(fnmatch(source.path, pattern) for source in tree.sources())
    }

    assert set() == empty


def _is_in(path: str, places: dict[str, str]) -> bool:
    return any(fnmatch(path, pattern) for pattern in places)


def _reads_environment(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv" | "putenv"):
            return True
        case ast.ImportFrom(module="os", names=names):
            return any(alias.name in {"environ", "environb", "getenv", "putenv"} for alias in names)
        case _:
            return False
